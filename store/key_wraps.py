"""Which key-encryption keys the wrapped keys of the database name, and whether those at hand open them.

service/belonging.py asks before anything is opened, service/health.py while the archive is served.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from store.key_encryption import KeyEncryptionKeys

CUSTOMERS_TRIED = 16  # one wrap may be damaged, not all


class Named(msgspec.Struct, frozen=True):
    """A key-encryption key that wraps name: how many customers need it, and some of the wraps with what binds them."""

    version: int
    customers: int
    wraps: list[tuple[bytes, bytes]]


def named(rows: Sequence[tuple[int, int, bytes, bytes]]) -> list[Named]:
    """The rows of NAMED."""
    found: dict[int, Named] = {}
    for version, customers, wrapped, bound_to in rows:
        found.setdefault(version, Named(version, customers, [])).wraps.append((wrapped, bound_to))
    return list(found.values())


def missing_or_foreign(kek: KeyEncryptionKeys | None, rows: Sequence[tuple[Any, ...]], folder: Path) -> str | None:
    """A sentence on the first key of `folder` that the database needs and `kek` lacks or has otherwise, or None."""
    for need in named(rows):
        path = folder / f"kek.{need.version}"
        if kek is None or need.version not in kek.versions:
            return f"{path} is missing, and {_who(need)} it: put the copy of it back"
        if not any(kek.fits(need.version, wrapped, bound_to) for wrapped, bound_to in need.wraps):
            return f"{path} is not the key of this database, and {_who(need)} that one: put the copy of it back"
    return None


def _who(need: Named) -> str:
    if need.customers == 1:
        return "1 customer needs"
    return f"{need.customers} customers need" if need.customers else "the archive itself needs"


# The institution's wrap comes with the customers' of the same version: a key that opens neither is another's. A scan
# session's wrap is the intake's, which is no customer but needs its key as well.
NAMED = f"""
    with needed as (
        select kek_version, count(*) filter (where customer_id not like ' %') as customers
        from keys.customer
        group by kek_version
    )
    select i.kek_version, coalesce(n.customers, 0)::int, i.wrapped, 'institution'::bytea
    from keys.institution as i
    left join needed as n using (kek_version)
    union all
    select n.kek_version, n.customers::int, c.wrapped, uuid_send(c.reference)
    from needed as n
    cross join lateral (
        select reference, wrapped
        from keys.customer
        where kek_version = n.kek_version
        limit {CUSTOMERS_TRIED}
    ) as c
"""  # noqa: S608  # a constant of this module
