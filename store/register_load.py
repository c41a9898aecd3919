"""Loading many register entries, each batch in one transaction; service/customers_csv.py imports with it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
from psycopg import Connection, Rollback

from domain.customer import Customer, card_code
from domain.refusals import N_, FieldError
from store.keys import Connections
from store.recorder import translate_errors
from store.register import another_customers_card, card_columns, load_by_id, retry_deadlocks, write_customers


class RegisterLine(msgspec.Struct, frozen=True):
    number: int
    customer: Customer


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one batch. `refused` are line numbers with the reason; the rest of the batch is stored."""

    created: int
    changed: int
    unchanged: int
    refused: list[tuple[int, FieldError]]


Load = Callable[[Sequence[RegisterLine]], Loaded]


@contextmanager
def open_loader(pool: Connections, *, dry_run: bool = False) -> Iterator[Load]:
    """Lend a function that stores one batch, durable on return; in a dry run it only checks and returns the same
    result.

    An id or a card in two lines belongs to the first one, in whatever batch the second arrives. A temporary table
    records that, so a file of any length costs no memory here. In a dry run no batch sees what an earlier one would
    have changed: a card that one line gives up cannot be another line's in a later batch.
    """
    with translate_errors(), pool.connection() as conn:
        conn.execute("create temporary table claimed (what text, value text, line int, primary key (what, value))")
        try:
            yield partial(_load_batch, conn, dry_run=dry_run)
        finally:
            if not conn.broken:
                conn.execute("drop table claimed")


def _load_batch(connection: Connection[Any], lines: Sequence[RegisterLine], *, dry_run: bool) -> Loaded:
    refused = dict(_refuse_repeated(connection, lines))
    lines = [line for line in lines if line.number not in refused]
    known = load_by_id(connection, [line.customer.id for line in lines], prepare=False)
    news = [line for line in lines if not _is_same(known.get(line.customer.id), line.customer)]
    taken = retry_deadlocks(lambda: _store_lines(connection, news, dry_run=dry_run))
    refused |= {line.number: taken[line.customer.id] for line in news if line.customer.id in taken}
    stored = [line for line in news if line.number not in refused]
    created = sum(line.customer.id not in known for line in stored)
    return Loaded(
        created=created,
        changed=len(stored) - created,
        unchanged=len(lines) - len(news),
        refused=sorted(refused.items()),
    )


def _refuse_repeated(connection: Connection[Any], lines: Sequence[RegisterLine]) -> Iterator[tuple[int, FieldError]]:
    """The lines whose id or card an earlier line has. A line refused for its id claims no card."""
    repeated = _claim_values(connection, "id", [(line.customer.id, line.number) for line in lines])
    for i, earlier in repeated.items():
        yield lines[i].number, FieldError("id", N_("is also in line {line}"), line=earlier)
    rest = [line for i, line in enumerate(lines) if i not in repeated]
    cards = [(line.number, n, number) for line in rest for n, number in enumerate(line.customer.card_numbers)]
    for i, earlier in _claim_values(connection, "card", [(card_code(card), line) for line, _, card in cards]).items():
        line, n, _ = cards[i]
        yield line, FieldError(f"card_numbers.{n}", N_("is also in line {line}"), line=earlier)


def _claim_values(connection: Connection[Any], what: str, claims: Sequence[tuple[str, int]]) -> dict[int, int]:
    """The index of each claim that came too late, with the line that was first."""
    values, lines = [value for value, _ in claims], [line for _, line in claims]
    first = set(connection.execute(CLAIM, (what, values, lines), prepare=False))
    late = {value for value, line in claims if (value, line) not in first}
    earlier = dict(connection.execute(CLAIMED_BEFORE, (what, list(late)), prepare=False)) if late else {}
    return {i: earlier[value] for i, (value, line) in enumerate(claims) if earlier.get(value, line) != line}


def _is_same(known: Customer | None, customer: Customer) -> bool:
    """True if an import would change nothing; a status is not imported."""
    return known is not None and msgspec.structs.replace(known, status=customer.status) == customer


def _store_lines(connection: Connection[Any], lines: Sequence[RegisterLine], *, dry_run: bool) -> dict[str, FieldError]:
    """Store all customers except those with another customer's card, who are returned by id.

    Without them others may lose a card that they would have given up, so this repeats until no conflict is left.
    """
    attempt = _would_lose if dry_run else _write_or_lose
    taken: dict[str, FieldError] = {}
    while lost := attempt(connection, [line.customer for line in lines if line.customer.id not in taken]):
        taken |= {customer_id: another_customers_card(n) for customer_id, n in reversed(lost)}
    return taken


def _write_or_lose(connection: Connection[Any], customers: Sequence[Customer]) -> list[tuple[str, int]]:
    """The cards that belong to another customer. Stores all customers when there are no such cards, else none."""
    with connection.transaction():
        _, lost = write_customers(connection, customers)
        if lost:
            raise Rollback
    return lost


def _would_lose(connection: Connection[Any], customers: Sequence[Customer]) -> list[tuple[str, int]]:
    codes, _, owners, ns = card_columns(customers)
    found = connection.execute(OTHERS_CARDS, (codes, owners, ns, [c.id for c in customers]), prepare=False)
    return found.fetchall()


# Cards of customers in the same batch do not count, because those give up the cards that they do not list.
OTHERS_CARDS = """
    select n.owner, n.n
    from unnest(%s::text[], %s::text[], %s::int[]) as n (code, owner, n)
    join register.card as k using (code)
    where k.customer_id <> n.owner and k.customer_id <> all(%s)
    order by n.owner, n.n
"""
CLAIM = """
    insert into claimed (what, value, line)
    select %s, n.value, n.line
    from unnest(%s::text[], %s::int[]) as n (value, line)
    on conflict do nothing
    returning value, line
"""
CLAIMED_BEFORE = "select value, line from claimed where what = %s and value = any(%s)"
