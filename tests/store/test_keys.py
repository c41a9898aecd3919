"""The key ring in Postgres: what is stored when, what opens what, and how often the database is asked."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import AsyncConnection, Connection
from psycopg_pool import ConnectionPool

from domain.envelope import UNSET
from domain.values import uuid7
from store import key_cache
from store.key_cache import KeyCache
from store.key_encryption import KeyEncryptionKeys
from store.keys import Keys, customer_ids, reference_of
from tests.builders.events import a_letter, an_envelope
from tests.builders.postgres_log import KEK, PostgresLog, archive_letter, ask, erase, open_log
from tests.fixtures.database import create_database, drop_database

OTHER = KeyEncryptionKeys({1: b"\xff" * 32})
ROTATED = KeyEncryptionKeys({1: bytes(range(32)), 2: b"\x02" * 32})


class Interrupted:
    """A pool; what `then` does happens after a read of it and before its reader has the rows."""

    def __init__(self, pool: ConnectionPool[Connection[Any]]) -> None:
        self._pool = pool
        self.then: Callable[[], None] = lambda: None

    @contextmanager
    def connection(self) -> Iterator[Connection[Any]]:
        with self._pool.connection() as conn:
            yield conn
        self.then()


class Counting:
    """A pool that counts how often a connection was asked for."""

    def __init__(self, pool: ConnectionPool[Connection[Any]]) -> None:
        self._pool, self.asked = pool, 0

    def connection(self) -> AbstractContextManager[Connection[Any]]:
        self.asked += 1
        return self._pool.connection()


@pytest.fixture
def parts(db: str) -> Iterator[PostgresLog]:
    with open_log(db) as opened:
        yield opened


@pytest.fixture
def pool(parts: PostgresLog) -> Iterator[Counting]:
    """Of another process, with one connection."""
    with ConnectionPool(parts.url, min_size=1, max_size=1, timeout=5, kwargs={"autocommit": True}) as opened:
        yield Counting(opened)


@pytest.fixture
def keys(pool: Counting) -> Keys:
    """The ring of another process."""
    return Keys(pool, KEK)


def archive(parts: PostgresLog, customer_id: str = "100234") -> UUID:
    return archive_letter(parts.log, parts.keys, customer_id)[0]


def reads(url: str, paper: UUID, kek: KeyEncryptionKeys = KEK) -> Any:
    """The file name as a process with these key-encryption keys reads it."""
    with open_log(url, kek=kek) as other:
        [envelope] = other.log.load(paper)
        assert other.damaged == []
        return envelope.body.file_name


# -- What is stored when --------------------------------------------------------------------------------------


def test_nothing_is_stored_before_the_first_event(parts: PostgresLog) -> None:
    parts.keys.owner_of("100234")
    parts.keys.new_paper(uuid7())
    assert ask(parts.url, "select (select count(*) from keys.customer), (select count(*) from keys.paper)") == [(0, 0)]


def test_a_customer_keeps_the_reference_of_the_first_paper(parts: PostgresLog, keys: Keys) -> None:
    archive(parts)
    first = parts.keys.owner_of("100234")
    assert not first.fresh
    assert keys.owner_of("100234") == first
    assert keys.customer_ids([first.reference, uuid4()]) == {first.reference: "100234"}


def test_a_key_that_is_destroyed_while_it_is_read_is_not_kept(parts: PostgresLog) -> None:
    gone, other = archive(parts), archive(parts)
    with ConnectionPool(parts.url, min_size=1, max_size=1, timeout=5, kwargs={"autocommit": True}) as opened:
        pool = Interrupted(opened)
        ring = Keys(pool, KEK)

        def destroy() -> None:
            pool.then = lambda: None
            with psycopg.connect(parts.url) as conn:
                conn.execute("delete from keys.paper where paper = %s", [gone])
            ring.forget_key(gone)

        pool.then = destroy
        ring.prefetch_keys([gone, other])
        assert ring.cipher_of(gone) is None
        ask(parts.url, "delete from keys.paper where paper = %s returning paper", other)
        assert ring.cipher_of(other) is not None, "of another paper that was read with it"


def test_a_key_that_is_destroyed_before_its_append_settles_is_not_kept(parts: PostgresLog) -> None:
    paper, owner = uuid7(), parts.keys.owner_of("100234")
    parts.keys.new_paper(paper)
    parts.keys.forget_key(paper)
    parts.keys.settle_keys({paper: owner})
    assert parts.keys.cipher_of(paper) is None


def test_so_many_drops_that_some_are_no_longer_known_keep_out_what_was_read_before() -> None:
    recent = KeyCache[int, str](10)
    mark = recent.mark()
    for number in range(key_cache.DROPS_MAX + 1):
        recent.drop(number)
    recent.put([(0, "dropped first"), (-1, "never dropped")], mark=mark)
    assert (recent.get(0), recent.get(-1)) == (None, None)
    recent.put([(0, "read later")], mark=recent.mark())
    assert recent.get(0) == "read later"


def test_a_reference_tells_nothing_of_the_customer(parts: PostgresLog) -> None:
    """Made anew after an erasure, so it is not derived from the id."""
    archive(parts)
    before = parts.keys.owner_of("100234").reference
    erase(parts.url, "100234")
    parts.keys.forget_all()
    assert parts.keys.owner_of("100234").reference != before


def test_no_key_stands_in_the_database_as_it_is(parts: PostgresLog) -> None:
    secret = parts.keys.secret_of(archive(parts))
    assert secret is not None
    rows = ask(parts.url, "select wrapped from keys.paper union all select wrapped from keys.customer"
                          " union all select wrapped from keys.institution")  # fmt: skip
    assert len(rows) == 3
    assert all(secret not in wrapped and len(wrapped) == 12 + 32 + 16 for (wrapped,) in rows)


# -- What opens what ------------------------------------------------------------------------------------------


def test_another_process_opens_what_this_one_sealed(parts: PostgresLog) -> None:
    assert reads(parts.url, archive(parts)) == "verhuizing.pdf"


def test_with_another_key_encryption_key_everything_reads_as_erased(parts: PostgresLog) -> None:
    assert reads(parts.url, archive(parts), OTHER) is UNSET


def test_without_the_version_that_wrapped_it_a_paper_reads_as_erased(parts: PostgresLog) -> None:
    assert reads(parts.url, archive(parts), KeyEncryptionKeys({2: b"\x02" * 32})) is UNSET


def test_a_rotated_ring_opens_the_old_and_wraps_with_the_new(parts: PostgresLog) -> None:
    old = archive(parts)
    with open_log(parts.url, kek=ROTATED) as rotated:
        new = archive(rotated, "100235")
        again = archive(rotated, "100234")
    assert ask(parts.url, "select customer_id, kek_version from keys.customer order by 1") == [
        ("100234", 1),
        ("100235", 2),
    ]
    assert [reads(parts.url, paper, ROTATED) for paper in (old, new, again)] == ["verhuizing.pdf"] * 3
    assert reads(parts.url, new, KEK) is UNSET


def test_a_wrap_that_was_moved_to_another_paper_opens_nothing(parts: PostgresLog) -> None:
    one, other = archive(parts), archive(parts)
    ask(parts.url, "update keys.paper set wrapped = (select wrapped from keys.paper where paper = %s) where paper = %s",
        one, other)  # fmt: skip
    assert (reads(parts.url, one), reads(parts.url, other)) == ("verhuizing.pdf", UNSET)


def test_a_paper_of_two_customers_outlives_one_of_them(parts: PostgresLog) -> None:
    paper = archive(parts)
    archive(parts, "100235")
    second = parts.keys.owner_of("100235")
    ask(parts.url, "insert into keys.paper values (%s, %s, %s)", paper, second.reference,
        parts.keys.wrap_paper_key(paper, second))  # fmt: skip
    erase(parts.url, "100234")
    assert reads(parts.url, paper) == "verhuizing.pdf"
    erase(parts.url, "100235")
    assert reads(parts.url, paper) is UNSET


def test_one_destroyed_paper_leaves_the_customers_others(parts: PostgresLog) -> None:
    gone, kept = archive(parts), archive(parts)
    ask(parts.url, "delete from keys.paper where paper = %s", gone)
    assert (reads(parts.url, gone), reads(parts.url, kept)) == (UNSET, "verhuizing.pdf")


# -- How often the database is asked --------------------------------------------------------------------------


def test_the_first_look_up_needs_one_connection_at_a_time(keys: Keys) -> None:
    """A second one inside the first would starve a pool whose connections all wait like that."""
    assert keys.owner_of("nobody yet").fresh


def test_the_keys_of_a_page_are_read_in_one_query(parts: PostgresLog, keys: Keys, pool: Counting) -> None:
    papers = [archive(parts, f"customer {n % 3}") for n in range(12)]
    keys.prefetch_keys([*papers, *papers, uuid4()])
    assert pool.asked == 1
    assert all(keys.cipher_of(paper) for paper in papers)
    keys.prefetch_keys(papers)
    assert pool.asked == 1


def test_of_papers_that_were_read_and_have_no_key_nothing_is_asked_again(
    parts: PostgresLog, keys: Keys, pool: Counting
) -> None:
    """Every scan session that is over is one. A key is there before its events are, and never comes back."""
    gone, kept = archive(parts), archive(parts)
    ask(parts.url, "delete from keys.paper where paper = %s", gone)
    for _ in range(3):
        keys.prefetch_keys([gone, kept])
        assert (keys.cipher_of(gone), keys.secret_of(gone)) == (None, None)
        assert keys.cipher_of(kept)
    assert pool.asked == 1
    keys.forget_all()
    assert keys.cipher_of(gone) is None
    assert pool.asked == 2


def test_a_key_that_is_not_there_is_none_and_asked_for_again(keys: Keys, pool: Counting) -> None:
    missing = uuid4()
    assert keys.cipher_of(missing) is None
    assert keys.secret_of(missing) is None
    assert pool.asked == 2


def test_a_key_is_read_again_when_its_time_is_over(
    parts: PostgresLog, keys: Keys, pool: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So long may another process go on reading what was erased, if it does not hear of it."""
    paper = archive(parts)
    assert keys.cipher_of(paper)
    erase(parts.url, "100234")
    assert keys.cipher_of(paper)
    monkeypatch.setattr(key_cache, "CACHE_SECONDS", 0.0)
    assert keys.cipher_of(paper) is None
    assert pool.asked == 2


def test_what_was_forgotten_is_read_again(parts: PostgresLog, keys: Keys, pool: Counting) -> None:
    paper = archive(parts)
    keys.owner_of("100234")
    keys.cipher_of(paper)
    erase(parts.url, "100234")
    keys.forget_all()
    assert keys.cipher_of(paper) is None
    assert keys.owner_of("100234").fresh


def test_memory_holds_two_generations_of_keys_and_no_more(
    parts: PostgresLog, keys: Keys, pool: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "_papers", KeyCache[int, Any](4))
    papers = [archive(parts) for _ in range(12)]
    for paper in papers:
        keys.prefetch_keys([paper])
    asked = pool.asked
    assert [keys.cipher_of(paper) is not None for paper in papers[-4:]] == [True] * 4
    assert pool.asked == asked
    assert keys.cipher_of(papers[0]) is not None
    assert pool.asked == asked + 1


def test_memory_holds_two_generations_of_customers_and_no_more(
    parts: PostgresLog, keys: Keys, pool: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "_customers", KeyCache[Any, Any](4))  # two customers: by reference, and by id
    customers = [f"customer {n}" for n in range(6)]
    for customer in customers:
        archive(parts, customer)
        keys.owner_of(customer)
    asked = pool.asked
    assert [keys.owner_of(customer).fresh for customer in customers[-3:]] == [False] * 3
    assert pool.asked == asked
    keys.owner_of(customers[0])
    assert pool.asked == asked + 1


def test_the_owners_of_a_page_are_read_in_one_query_and_one_more_for_erased_ones(
    parts: PostgresLog, keys: Keys, pool: Counting
) -> None:
    known = [f"customer {n}" for n in range(6)]
    for customer in known:
        archive(parts, customer)
    assert not any(owner.fresh for owner in keys.owners_of([*known, *known]).values())
    assert pool.asked == 1
    keys.keyed_digest("token", b"the institution's key is in memory from now on")
    asked = pool.asked
    assert all(owner.fresh for owner in keys.owners_of(f"newcomer {n}" for n in range(6)).values())
    assert pool.asked == asked + 2


# -- What is not stored yet -----------------------------------------------------------------------------------


def test_a_file_may_take_longer_to_store_than_a_key_stays_in_memory(
    parts: PostgresLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as slow:
        slow.setattr(key_cache, "CACHE_SECONDS", 0.0)
        first, second = archive(parts), archive(parts)
    assert (reads(parts.url, first), reads(parts.url, second)) == ("verhuizing.pdf", "verhuizing.pdf")


def test_once_stored_a_new_key_ages_like_any_other(parts: PostgresLog, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = archive(parts)
    erase(parts.url, "100234")
    assert parts.keys.cipher_of(paper)
    monkeypatch.setattr(key_cache, "CACHE_SECONDS", 0.0)
    assert parts.keys.cipher_of(paper) is None


def test_the_key_of_a_paper_of_an_import_is_not_kept_once_it_is_stored(parts: PostgresLog) -> None:
    owner, paper = parts.keys.owner_of("100234"), uuid7()
    parts.keys.new_paper(paper)
    parts.log.append_later([an_envelope(a_letter(owner.reference), paper)], papers={paper: owner}).result()
    assert reads(parts.url, paper) == "verhuizing.pdf"
    erase(parts.url, "100234")
    assert parts.keys.cipher_of(paper) is None


def test_new_keys_of_commands_that_came_to_nothing_make_room_for_others(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_cache, "NEW_KEYS_MAX", 4)
    papers = [uuid7() for _ in range(12)]
    for paper in papers:
        keys.new_paper(paper)
    assert [keys.cipher_of(paper) is not None for paper in papers] == [False] * 8 + [True] * 4


# -- Keyed digests --------------------------------------------------------------------------------------------


def test_a_digest_is_the_same_in_every_process_and_differs_by_kind_and_value(parts: PostgresLog, keys: Keys) -> None:
    assert keys.keyed_digest("token", b"x") == parts.keys.keyed_digest("token", b"x")
    digests = {keys.keyed_digest(kind, value) for kind in ("token", "command") for value in (b"", b"x", b"y")}
    assert len(digests) == 6
    assert {len(d) for d in digests} == {32}


def test_two_institutions_digest_differently(parts: PostgresLog, cluster_url: str, template: str) -> None:
    name = f"test_{uuid4().hex}"
    with open_log(create_database(cluster_url, name, template)) as neighbour:
        assert neighbour.keys.keyed_digest("token", b"x") != parts.keys.keyed_digest("token", b"x")
    drop_database(cluster_url, name)


def test_equal_contents_of_two_customers_cannot_be_linked(parts: PostgresLog, keys: Keys) -> None:
    for customer in ("100234", "100235"):
        archive(parts, customer)
    one, other = parts.keys.owner_of("100234"), parts.keys.owner_of("100235")
    assert parts.keys.claim_digest_within(one, b"x") != parts.keys.claim_digest_within(other, b"x")
    assert parts.keys.claim_digest_within(one, b"x") == keys.claim_digest_within(keys.owner_of("100234"), b"x")


def test_the_institutions_key_is_made_once(parts: PostgresLog) -> None:
    before = parts.keys.keyed_digest("token", b"x")
    with open_log(parts.url) as later:
        assert later.keys.keyed_digest("token", b"x") == before


def test_without_an_institution_key_nothing_is_digested(db: str) -> None:
    with ConnectionPool(db, min_size=1, kwargs={"autocommit": True}) as opened, pytest.raises(LookupError):
        Keys(opened, KEK).keyed_digest("token", b"x")


def test_a_foreign_key_encryption_key_does_not_fit(parts: PostgresLog) -> None:
    [row] = ask(parts.url, "select kek_version, wrapped from keys.institution")
    assert KEK.has_wrapped(*row)
    assert not OTHER.has_wrapped(*row)
    assert not KeyEncryptionKeys({2: bytes(range(32))}).has_wrapped(*row)


# -- Asked without a ring, by the web's own connections -------------------------------------------------------


def test_references_and_ids_are_found_both_ways(parts: PostgresLog) -> None:
    archive(parts)
    reference = parts.keys.owner_of("100234").reference

    async def look() -> tuple[Any, ...]:
        async with await AsyncConnection.connect(parts.url, autocommit=True) as conn:
            return (
                await reference_of(conn, "100234"),
                await reference_of(conn, "nobody"),
                await customer_ids(conn, [reference, uuid4()]),
            )

    assert asyncio.run(look()) == (reference, None, {reference: "100234"})


def test_the_schema_refuses_a_paper_of_nobody(db: str) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        ask(db, "insert into keys.paper values (%s, %s, '')", uuid4(), uuid4())
