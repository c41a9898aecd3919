"""Which key-encryption keys the wrapped keys of the database need, and whether the available ones open them.

service/belonging.py asks before anything is opened, service/health.py while the archive is served.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from store.key_encryption import KeyEncryptionKeys

WRAPS_TRIED = 16  # one wrap may be damaged, not all


class Unfit(msgspec.Struct, frozen=True):
    """A key-encryption key that wraps need: missing, or another key under its name."""

    version: int
    is_missing: bool


def find_unfit(kek: KeyEncryptionKeys | None, rows: Iterable[tuple[Any, ...]]) -> Unfit | None:
    """The first key that the rows of NAMED need and that `kek` lacks or has with other bytes; None when all fit."""
    for version, wraps in _by_version(rows).items():
        if kek is None or version not in kek.versions:
            return Unfit(version, is_missing=True)
        if not any(kek.has_wrapped(version, wrapped, bound_to) for wrapped, bound_to in wraps):
            return Unfit(version, is_missing=False)
    return None


def _by_version(rows: Iterable[tuple[int, bytes, bytes]]) -> dict[int, list[tuple[bytes, bytes]]]:
    found: dict[int, list[tuple[bytes, bytes]]] = {}
    for version, wrapped, bound_to in rows:
        found.setdefault(version, []).append((wrapped, bound_to))
    return found


def explain_unfit(unfit: Unfit, customers: Sequence[tuple[int, int]], folder: Path) -> str:
    """The problem with the key of `folder`, the number of customers that need it by the rows of CUSTOMERS, and the
    remedy."""
    path, who = folder / f"kek.{unfit.version}", _count_phrase(dict(customers).get(unfit.version, 0))
    if unfit.is_missing:
        return f"{path} is missing, and {who} it: put the copy of it back"
    return f"{path} is not the key of this database, and {who} that one: put the copy of it back"


def _count_phrase(customers: int) -> str:
    if customers == 1:
        return "1 customer needs"
    return f"{customers} customers need" if customers else "the archive itself needs"


# The institution's wrap is checked with the customers' of the same version: a key that opens neither belongs to another
# archive. A scan session's wrap is the intake's, which is no customer but needs its key too. Each version is found from
# the previous one by an index; `>=` with an order instead of `=` makes Postgres use the index for the wraps too.
NAMED = f"""
    with recursive needed as (
        select min(kek_version) as kek_version
        from keys.customer
        union all
        select (
            select min(kek_version)
            from keys.customer
            where kek_version > needed.kek_version
        )
        from needed
        where kek_version is not null
    )
    select kek_version, wrapped, 'institution'::bytea
    from keys.institution
    union all
    select c.kek_version, c.wrapped, uuid_send(c.reference)
    from needed
    cross join lateral (
        select kek_version, reference, wrapped
        from keys.customer
        where kek_version >= needed.kek_version
        order by kek_version
        limit {WRAPS_TRIED}
    ) as c
    where c.kek_version = needed.kek_version
"""  # noqa: S608  # a constant of this module
CUSTOMERS = """
    select kek_version, (count(*) filter (where customer_id not like ' %'))::int
    from keys.customer
    group by kek_version
    union all
    select kek_version, 0
    from keys.institution as i
    where not exists (select from keys.customer where kek_version = i.kek_version)
    order by 1
"""
"""The number of customers per key that wraps need; reads all of them, unlike NAMED."""
