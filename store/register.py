"""The built-in customer register: Postgres, implementing domain/ports.CustomerDirectory. store/register_load.py fills
it.

`Register` is for use cases and commands, the async functions are for api/; both run the same statements.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

import msgspec
from psycopg import AsyncConnection, Connection
from psycopg.errors import DeadlockDetected
from psycopg.rows import args_row

from domain.customer import Customer, CustomerKind, CustomerQuery, CustomerStatus, card_code, parse_query, search_name
from domain.refusals import N_, FieldError, Unavailable, ValidationFailed
from store.arrays import pack_texts
from store.keys import Connections
from store.recorder import translate_errors

CANDIDATES_MAX = 1_000  # matches by name that are sorted; the pages of one search show no more
ALIKE_MAX = 500  # similar names from which the nearest are chosen
ALIKE_BELOW = 10  # with this many exact matches the name is not misspelled
ALIKE_CHARACTERS_MIN = 4  # a shorter word has too few trigrams to tell an error from another name
ATTEMPTS = 3
SEEN_MAX = 100_000
T = TypeVar("T")


class Statement(msgspec.Struct, frozen=True):
    """One step of a search, run only while the earlier steps found fewer than `below`."""

    below: int
    sql: str
    values: Mapping[str, Any]


class CustomerRegister:
    """The register. Thread-safe. `pool` lends autocommit connections. Every call raises Unavailable when Postgres
    is."""

    def __init__(self, pool: Connections) -> None:
        self._pool = pool
        self._seen: set[str] = set()

    def put(self, customer: Customer) -> bool:
        """Write the whole entry except its status, which is stored for a new entry only. Returns True for a new one.

        Durable on return. Raises ValidationFailed when a card belongs to another customer.
        """
        with translate_errors(), self._pool.connection() as conn:
            return retry_deadlocks(lambda: _put_customer(conn, customer))

    def exists(self, customer_id: str) -> bool:
        """True if the customer is in the register. A customer found once is remembered, because entries are never
        removed."""
        if customer_id in self._seen:
            return True
        with translate_errors(), self._pool.connection() as conn:
            found = conn.execute(EXISTS, [customer_id], prepare=True).fetchone() is not None
        if found:
            if len(self._seen) >= SEEN_MAX:
                self._seen.clear()
            self._seen.add(customer_id)
        return found

    def existing_ids(self, customer_ids: Iterable[str]) -> set[str]:
        with translate_errors(), self._pool.connection() as conn:
            return {i for (i,) in conn.execute(EXISTING, [pack_texts(customer_ids)], prepare=True).fetchall()}

    def set_status(self, customer_id: str, status: CustomerStatus) -> None:
        with translate_errors(), self._pool.connection() as conn:
            conn.execute(SET_STATUS, [status, customer_id], prepare=True)

    def get(self, customer_id: str) -> Customer | None:
        return self.get_many([customer_id]).get(customer_id)

    def get_many(self, customer_ids: Iterable[str]) -> dict[str, Customer]:
        with translate_errors(), self._pool.connection() as conn:
            return load_by_id(conn, customer_ids)


async def load_customer(connection: AsyncConnection[Any], customer_id: str) -> Customer | None:
    return (await load_customers(connection, [customer_id])).get(customer_id)


async def load_customers(connection: AsyncConnection[Any], customer_ids: Iterable[str]) -> dict[str, Customer]:
    with translate_errors():
        async with connection.cursor(row_factory=args_row(_customer_from_row)) as cursor:
            await cursor.execute(BY_ID, [list(customer_ids)])
            return {c.id: c for c in await cursor.fetchall()}


def customer_from_json(entry: str) -> Customer:
    """The customer in a result of ENTRY."""
    return msgspec.json.decode(entry, type=Customer)


async def search_customers(connection: AsyncConnection[Any], text: str, limit: int) -> tuple[Customer, ...]:
    """At most `limit` (1 to 200) customers for the text of one search box, best first.

    First exact matches of id or card number (blanks and hyphens are ignored), then matches of the birth date, of the
    beginning of the id, of beginnings of words of the name in any order, and names with a similar spelling.
    """
    found: dict[str, Customer] = {}
    with translate_errors():
        async with connection.cursor(row_factory=args_row(_customer_from_row)) as cursor:
            for step in search_steps(parse_query(text), limit):
                if len(found) < step.below:
                    await cursor.execute(step.sql, step.values)
                    found = _add_unseen(found, await cursor.fetchall())
    return tuple(found.values())[:limit]


def load_by_id(
    connection: Connection[Any], customer_ids: Iterable[str], *, prepare: bool | None = None
) -> dict[str, Customer]:
    """The customers with these ids, by id."""
    with connection.cursor(row_factory=args_row(_customer_from_row)) as cursor:
        return {c.id: c for c in cursor.execute(BY_ID, [list(customer_ids)], prepare=prepare)}


def _add_unseen(found: dict[str, Customer], more: Iterable[Customer]) -> dict[str, Customer]:
    """The found customers, then those of `more` that are new: an earlier match keeps its place."""
    return found | {c.id: c for c in more if c.id not in found}


def _customer_from_row(
    customer_id: str,
    name: str,
    birth_date: date | None,
    card_numbers: list[str],
    home_branch: str | None,
    kind: str,
    status: str,
) -> Customer:
    return Customer(
        id=customer_id,
        name=name,
        birth_date=birth_date,
        card_numbers=tuple(card_numbers),
        home_branch=home_branch,
        kind=CustomerKind(kind),
        status=CustomerStatus(status),
    )


# -- search -----------------------------------------------------------------------------------------------------


def search_steps(query: CustomerQuery, limit: int) -> Iterator[Statement]:
    """The steps of a search, best matches first. Particles alone ("van d") are first searched as a phrase."""
    words, telling = query.words, query.selective_words
    every = {"text": query.text, "card_code": query.card_code, "name": " ".join(words), "limit": limit}
    yield Statement(limit, EXACTLY, every)
    if query.birth_date is not None:
        yield Statement(limit, BORN, {**every, "birth_date": query.birth_date, "patterns": _beginning_patterns(words)})
        return
    if query.birth_year is not None:
        years = {"from": date(query.birth_year, 1, 1), "to": date(query.birth_year, 12, 31)}
        yield Statement(limit, BORN_IN, {**every, **years, "patterns": _beginning_patterns(query.words_beside_year)})
    if query.text and " " not in query.text:
        yield Statement(limit, BY_BEGINNING_OF_ID, every)
    if query.may_begin_card:
        yield Statement(limit, BY_BEGINNING_OF_CARD, every)
    if words:
        yield Statement(limit, BY_BEGINNING_OF_NAME, every)
    if words and not telling:
        phrase = " ".join(words)
        for form in ("% {} %", "% {}%"):
            yield Statement(limit, NAMED, {**every, **_name_patterns([phrase], [phrase], form)})
        yield Statement(limit, NAMED, {**every, **_name_patterns(words, words, "% {}%")})
    if telling:
        yield Statement(limit, NAMED, {**every, **_name_patterns(telling, words, "% {} %")})
        yield Statement(limit, NAMED, {**every, **_name_patterns(telling, words, "% {}%")})
    if telling and len(telling[0]) >= ALIKE_CHARACTERS_MIN:
        yield Statement(min(limit, ALIKE_BELOW), ALIKE, {**every, **_likeness_values(telling)})


def _name_patterns(telling: Sequence[str], words: Sequence[str], form: str) -> dict[str, Any]:
    """The values of NAMED. The index is searched for at most three words, the longest; the names found are then
    compared with all words."""
    first, second, third = (form.format(telling[min(i, len(telling) - 1)]) for i in range(3))
    return {
        "first": first,
        "second": second,
        "third": third,
        "patterns": [form.format(w) for w in words],
        "most": CANDIDATES_MAX,
    }


def _likeness_values(telling: Sequence[str]) -> dict[str, Any]:
    """The values of ALIKE. The longest word may be misspelled anywhere, other long words after their second letter,
    short ones nowhere; particles are ignored. The matches are sorted by the similarity of all words."""
    others = _beginning_patterns([w[:2] if len(w) >= ALIKE_CHARACTERS_MIN else w for w in telling[1:]]) or ["%"]
    return {"word": telling[0], "pattern": others[0], "patterns": others, "most": ALIKE_MAX}


def _beginning_patterns(words: Sequence[str]) -> list[str]:
    """LIKE patterns for beginnings of words; folded words contain no wildcards."""
    return [f"% {w}%" for w in words]


# -- writing ----------------------------------------------------------------------------------------------------


def _put_customer(connection: Connection[Any], customer: Customer) -> bool:
    with connection.transaction():
        created, taken = write_customers(connection, [customer])
        if taken:
            raise ValidationFailed(*(another_customers_card(n) for _, n in taken))
    return bool(created)


def another_customers_card(n: int) -> FieldError:
    return FieldError(f"card_numbers.{n}", N_("belongs to another customer"))


def write_customers(
    connection: Connection[Any], customers: Sequence[Customer]
) -> tuple[set[str], list[tuple[str, int]]]:
    """Write customers inside the caller's transaction. Returns the ids of new customers, and id and index of each card
    that belongs to another customer.

    No id and no card may be given twice. Rows are locked in the order of ids, then of cards, so that concurrent writers
    wait for each other; only writers that exchange cards can still deadlock (`retry_deadlocks`). The statements are not
    prepared: a plan made for an empty register would scan all of it, batch after batch, as it fills.
    """
    rows = [
        (c.id, c.name, f" {search_name(c.name)} ", c.birth_date, c.home_branch, c.kind, c.status) for c in customers
    ]
    put = connection.execute(PUT_CUSTOMERS, _columns_of(rows, 7), prepare=False)
    created = {customer_id for customer_id, new in put if new}
    codes, numbers, owners, ns = card_columns(customers)
    connection.execute(DROP_CARDS, ([c.id for c in customers], codes, owners), prepare=False)
    ours = {code for (code,) in connection.execute(PUT_CARDS, (codes, numbers, owners, ns), prepare=False)}
    return created, [(owner, n) for code, owner, n in zip(codes, owners, ns, strict=True) if code not in ours]


def card_columns(customers: Sequence[Customer]) -> list[list[Any]]:
    """Codes, numbers, customer ids and indexes of all their cards."""
    cards = [(card_code(number), number, c.id, n) for c in customers for n, number in enumerate(c.card_numbers)]
    return _columns_of(cards, 4)


def _columns_of(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[i] for row in rows] for i in range(width)]


def retry_deadlocks(transaction: Callable[[], T]) -> T:
    """Run the transaction again when Postgres ended it in a deadlock: nothing of it was stored. Raises Unavailable
    after ATTEMPTS."""
    for _ in range(ATTEMPTS):
        try:
            return transaction()
        except DeadlockDetected:
            continue
    raise Unavailable


# -- SQL --------------------------------------------------------------------------------------------------------

EXISTS = "select from register.customer where customer_id = %s"
# One customer as JSON, for a statement that reads more than the register (projections/customer_documents/).
ENTRY = """
    select json_build_object(
        'id', c.customer_id, 'name', c.name, 'birth_date', c.birth_date,
        'card_numbers', array(select k.number from register.card as k where k.customer_id = c.customer_id order by k.n),
        'home_branch', c.home_branch, 'kind', c.kind, 'status', c.status
    )::text
    from register.customer as c
    where c.customer_id = %(customer_id)s
"""
COLUMNS = """select
        c.customer_id, c.name, c.birth_date,
        array(select k.number from register.card as k where k.customer_id = c.customer_id order by k.n),
        c.home_branch, c.kind, c.status"""
BY_ID = f"""
    {COLUMNS}
    from register.customer as c
    where c.customer_id = any(%s)
"""
EXISTING = "select customer_id from register.customer where customer_id = any(%s)"
EXACTLY = f"""
    {COLUMNS}
    from register.customer as c
    where c.customer_id = %(text)s
    or c.customer_id = (select k.customer_id from register.card as k where k.code = %(card_code)s)
    order by c.customer_id = %(text)s desc
    limit %(limit)s
"""  # noqa: S608  # constants of this module
BORN = f"""
    {COLUMNS}
    from register.customer as c
    where c.birth_date = %(birth_date)s
    order by
        c.search_name like all (%(patterns)s::text[]) desc,
        public.strict_word_similarity(%(name)s, c.search_name) desc, c.search_name, c.customer_id
    limit %(limit)s
"""
# chr(1114111) is the last character, so these are ranges: a cached plan cannot use a LIKE prefix.
BY_BEGINNING_OF_ID = f"""
    {COLUMNS}
    from register.customer as c
    where c.customer_id >= %(text)s and c.customer_id < %(text)s || chr(1114111)
    order by c.customer_id
    limit %(limit)s
"""
BORN_IN = f"""
    {COLUMNS}
    from register.customer as c
    where c.birth_date between %(from)s and %(to)s and c.search_name like all (%(patterns)s::text[])
    order by c.search_name, c.customer_id
    limit %(limit)s
"""
BY_BEGINNING_OF_CARD = f"""
    {COLUMNS}
    from (
        select k.customer_id, min(k.code) as code
        from (
            select code, customer_id
            from register.card
            where code >= %(card_code)s and code < %(card_code)s || chr(1114111)
            order by code
            limit %(limit)s
        ) as k
        group by k.customer_id
    ) as begun
    join register.customer as c on c.customer_id = begun.customer_id
    order by begun.code
"""  # noqa: S608  # constants of this module
BY_BEGINNING_OF_NAME = f"""
    {COLUMNS}
    from register.customer as c
    where c.search_name >= ' ' || %(name)s and c.search_name < ' ' || %(name)s || chr(1114111)
    order by c.search_name, c.customer_id
    limit %(limit)s
"""
NAMED = f"""
    {COLUMNS}
    from (
        select *
        from register.named(%(first)s, %(second)s, %(third)s, %(patterns)s, %(most)s)
        order by search_name, customer_id
        limit %(limit)s
    ) as c
    order by c.search_name, c.customer_id
"""  # noqa: S608  # constants of this module
ALIKE = f"""
    {COLUMNS}
    from (
        select *, public.strict_word_similarity(%(name)s, search_name) as likeness
        from register.resembling(%(word)s, %(pattern)s, %(patterns)s, %(most)s)
        order by likeness desc, search_name, customer_id
        limit %(limit)s
    ) as c
    order by c.likeness desc, c.search_name, c.customer_id
"""  # noqa: S608  # constants of this module

PUT_CUSTOMERS = """
    insert into register.customer as c (customer_id, name, search_name, birth_date, home_branch, kind, status)
    select *
    from unnest(%s::text[], %s::text[], %s::text[], %s::date[], %s::text[], %s::text[], %s::text[])
    order by 1
    on conflict (customer_id) do update set
        name = excluded.name, search_name = excluded.search_name, birth_date = excluded.birth_date,
        home_branch = excluded.home_branch, kind = excluded.kind, updated_at = now()
    returning c.customer_id, c.xmax = 0  -- a row that was updated has the id of this transaction there
"""
SET_STATUS = """
    update register.customer
    set status = %s, updated_at = now()
    where customer_id = %s
"""
DROP_CARDS = """
    delete from register.card as k
    where k.customer_id = any(%s)
    and not exists (
        select from unnest(%s::text[], %s::text[]) as n (code, owner)
        where n.code = k.code and n.owner = k.customer_id
    )
"""
PUT_CARDS = """
    insert into register.card as k (code, number, customer_id, n)
    select *
    from unnest(%s::text[], %s::text[], %s::text[], %s::int[])
    order by 1
    on conflict (code) do update set number = excluded.number, n = excluded.n
    where k.customer_id = excluded.customer_id
    returning k.code
"""
