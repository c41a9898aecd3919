"""Sessions and attempts to sign in, by the clock of the database; a row's times are moved in place of it."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import AsyncConnection

from store import sessions
from store.sessions import SignInSessionRow

T = TypeVar("T")
LIFE = {"hours": 12, "idle_minutes": 30}
NAME, ADDRESS = b"name", b"address"


class Desk:
    """A database with a user's password, reached as the application's role."""

    def __init__(self, db: str) -> None:
        self.db = db
        self.password = self.a_password("j.smit")

    def a_password(self, user: str, *, once: bool = False) -> UUID:
        password = uuid4()
        self.sql("insert into staff.password values (%s, %s, 'hash', %s)", password, user, once)
        return password

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.db, autocommit=True) as conn:
            found = conn.execute(query.encode(), values)
            return found.fetchall() if found.description else []

    def do(self, work: Callable[[AsyncConnection[Any]], Awaitable[T]]) -> T:
        async def run() -> T:
            conn = await AsyncConnection.connect(self.db, autocommit=True, options="-c role=dossier_app")
            async with conn:
                return await work(conn)

        return asyncio.run(run())

    def begun(self, password: UUID | None = None, *, by: str = "password", branch: str | None = None) -> bytes:
        key = secrets.token_bytes(32)
        self.do(lambda conn: sessions.begin_session(conn, key, password or self.password, by, branch))
        return key

    def find(self, key: bytes) -> SignInSessionRow | None:
        return self.do(lambda conn: sessions.find_session(conn, key, **LIFE))

    def found(self, key: bytes) -> SignInSessionRow:
        row = self.find(key)
        assert row is not None
        return row

    def age(self, key: bytes, *, created: str = "0", seen: str = "0") -> None:
        self.sql(
            "update staff.session set created_at = clock_timestamp() - %s::interval,"
            " last_seen_at = clock_timestamp() - %s::interval where key = %s",
            created,
            seen,
            key,
        )

    def attempt(self, name: bytes = NAME, address: bytes = ADDRESS, *, of_name: int = 3, of_address: int = 6) -> int:
        return self.do(
            lambda conn: sessions.count_attempt(conn, name, address, of_name=of_name, of_address=of_address, minutes=10)
        )


@pytest.fixture
def desk(db: str) -> Desk:
    return Desk(db)


# -- sessions ---------------------------------------------------------------------------------------------------------


def test_a_session_says_whose_it_is_and_under_which_password(desk: Desk) -> None:
    row = desk.found(desk.begun(branch="WEST"))
    assert (row.user, row.password, row.branch, row.once) == ("j.smit", desk.password, "WEST", False)
    assert row.by == "password"
    assert (row.language, row.keys_off, row.unseen) == (None, False, False)
    assert desk.find(secrets.token_bytes(32)) is None


LIVES = [
    ("11 hours 59 minutes", "29 minutes 50 seconds", True),
    ("12 hours", "0", False),
    ("31 minutes", "30 minutes", False),
    ("0", "0", True),
]


@pytest.mark.parametrize(("created", "seen", "goes_on"), LIVES)
def test_a_session_ends_after_twelve_hours_and_after_half_an_hour_of_nobody(
    desk: Desk, created: str, seen: str, goes_on: bool
) -> None:
    key = desk.begun()
    desk.age(key, created=created, seen=seen)
    assert (desk.find(key) is not None) is goes_on


def test_when_it_ends_is_what_comes_first(desk: Desk) -> None:
    key = desk.begun()
    for created, seen, left in (("0", "0", "30 minutes"), ("11 hours 50 minutes", "0", "10 minutes")):
        desk.age(key, created=created, seen=seen)
        [(seconds,)] = desk.sql(
            "select abs(extract(epoch from %s - clock_timestamp() - %s::interval))", desk.found(key).ends_at, left
        )
        assert seconds < 5


def test_that_its_user_is_here_is_written_once_a_minute(desk: Desk) -> None:
    key = desk.begun()
    seen = "select last_seen_at from staff.session"
    desk.age(key, seen="59 seconds")
    before = desk.sql(seen)
    assert not desk.found(key).unseen
    desk.do(lambda conn: sessions.touch_session(conn, key))
    assert desk.sql(seen) == before
    desk.age(key, seen="61 seconds")
    assert desk.found(key).unseen
    desk.do(lambda conn: sessions.touch_session(conn, key))
    assert not desk.found(key).unseen


def test_a_session_goes_with_its_password(desk: Desk) -> None:
    other = desk.begun(desk.a_password("k"))
    key = desk.begun()
    desk.sql("delete from staff.password where user_name = 'j.smit'")
    assert desk.find(key) is None
    assert desk.found(other).user == "k"


def test_under_a_password_that_is_forgotten_nothing_begins(desk: Desk) -> None:
    assert desk.find(desk.begun(uuid4())) is None


def test_only_who_came_in_by_a_one_time_password_has_to_change_it(desk: Desk) -> None:
    once = desk.a_password("k", once=True)
    assert desk.found(desk.begun(once)).once
    assert not desk.found(desk.begun(once, by="oidc")).once


def test_one_session_ends_and_the_others_go_on(desk: Desk) -> None:
    key, other = desk.begun(), desk.begun()
    desk.do(lambda conn: sessions.end_session(conn, key))
    assert (desk.find(key), desk.found(other).user) == (None, "j.smit")


def test_sessions_that_are_over_are_swept(desk: Desk) -> None:
    old, idle, here = desk.begun(), desk.begun(), desk.begun()
    desk.age(old, created="13 hours")
    desk.age(idle, seen="31 minutes")
    desk.do(lambda conn: sessions.drop_ended(conn, **LIFE))
    assert desk.sql("select key from staff.session") == [(here,)]


# -- what was chosen --------------------------------------------------------------------------------------------------


def choose(desk: Desk, **choices: Any) -> None:
    none = {"language": None, "keys_off": None}
    desk.do(lambda conn: sessions.save_preferences(conn, "j.smit", **{**none, **choices}))


def test_what_a_user_chose_is_kept_for_every_session_one_by_one(desk: Desk) -> None:
    first, second = desk.begun(), desk.begun()
    choose(desk, language="nl")
    choose(desk, keys_off=True)
    for key in (first, second):
        row = desk.found(key)
        assert (row.language, row.keys_off) == ("nl", True)
    choose(desk, keys_off=False, language="de")
    row = desk.found(first)
    assert (row.language, row.keys_off) == ("de", False)
    assert desk.found(desk.begun(desk.a_password("k"))).language is None


def test_a_branch_is_chosen_for_one_session(desk: Desk) -> None:
    first, second = desk.begun(), desk.begun()
    desk.do(lambda conn: sessions.choose_branch(conn, first, "EAST"))
    assert (desk.found(first).branch, desk.found(second).branch) == ("EAST", None)


# -- attempts ---------------------------------------------------------------------------------------------------------


def test_after_so_many_misses_of_a_name_one_has_to_wait(desk: Desk) -> None:
    assert [desk.attempt(address=secrets.token_bytes(8)) for _ in range(3)] == [0, 0, 0]
    assert 590 < desk.attempt(address=secrets.token_bytes(8)) <= 600
    assert desk.attempt(b"another") == 0


def test_after_so_many_misses_from_an_address_one_has_to_wait(desk: Desk) -> None:
    assert [desk.attempt(secrets.token_bytes(8)) for _ in range(6)] == [0] * 6
    assert 590 < desk.attempt(secrets.token_bytes(8)) <= 600
    assert desk.attempt(secrets.token_bytes(8), b"elsewhere") == 0


def test_an_attempt_that_was_refused_makes_the_wait_no_longer(desk: Desk) -> None:
    for _ in range(10):
        desk.attempt()
    assert desk.sql("select count(*) from staff.attempt") == [(3,)]


def test_attempts_count_for_ten_minutes(desk: Desk) -> None:
    for _ in range(3):
        desk.attempt()
    desk.sql("update staff.attempt set at = clock_timestamp() - interval '9 minutes 50 seconds'")
    assert 1 <= desk.attempt() <= 11
    desk.sql("update staff.attempt set at = clock_timestamp() - interval '10 minutes'")
    assert desk.attempt() == 0
    assert desk.sql("select count(*) from staff.attempt") == [(1,)], "the old ones are swept"


def test_an_attempt_that_went_well_forgets_those_of_its_name(desk: Desk) -> None:
    for name in (b"another", NAME, NAME, NAME):
        desk.attempt(name)
    desk.do(lambda conn: sessions.forget_attempts(conn, NAME))
    assert desk.sql("select name from staff.attempt") == [(b"another",)]
    assert desk.attempt() == 0


def test_where_one_came_in_before_misses_elsewhere_count_for_nothing(desk: Desk) -> None:
    """Else anybody could keep anybody out, for as long as they like."""
    desk.do(lambda conn: sessions.know_address(conn, NAME, b"desk"))
    assert [desk.attempt(address=secrets.token_bytes(8)) for _ in range(4)][2:] != [0, 0]
    assert [desk.attempt(address=b"desk") for _ in range(3)] == [0, 0, 0]
    assert desk.attempt(address=b"desk") > 0, "guesses there count there"
    assert desk.attempt(b"another", b"desk") == 0
    desk.sql("update staff.known_address set at = clock_timestamp() - interval '91 days'")
    desk.do(lambda conn: sessions.know_address(conn, b"another", b"desk"))
    assert desk.sql("select name from staff.known_address") == [(b"another",)]


def test_of_many_attempts_at_once_no_more_are_let_through(desk: Desk) -> None:
    """Each on a connection of its own, as in several workers."""

    async def one() -> int:
        conn = await AsyncConnection.connect(desk.db, autocommit=True, options="-c role=dossier_app")
        async with conn:
            return await sessions.count_attempt(conn, NAME, ADDRESS, of_name=3, of_address=50, minutes=10)

    async def many() -> list[int]:
        return await asyncio.gather(*(one() for _ in range(12)))

    assert sorted(asyncio.run(many()))[:4].count(0) == 3


# -- rights -----------------------------------------------------------------------------------------------------------

NOT_FOR_THE_APPLICATION = [
    "update staff.password set hash = ''",
    "truncate staff.password",
    "update staff.attempt set at = now() - interval '1 day'",
    "create table staff.another (n int)",
    "drop trigger user_changed on archive.archive_events",
]
NOT_FOR_THE_PROJECTOR = [
    "select hash from staff.password",
    "select key from staff.session",
    "insert into staff.session (key, user_name, password, by) values ('', 'j.smit', gen_random_uuid(), 'password')",
    "select staff.try_sign_in('', '', 1, 1, interval '1 minute')",
]


@pytest.mark.parametrize(
    ("role", "statements"),
    [("dossier_app", NOT_FOR_THE_APPLICATION), ("dossier_projector", NOT_FOR_THE_PROJECTOR)],
)
def test_each_role_has_what_it_needs_and_no_more(desk: Desk, role: str, statements: list[str]) -> None:
    allowed = []
    with psycopg.connect(desk.db, autocommit=True, options=f"-c role={role}") as conn:
        for statement in statements:
            try:
                conn.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege:
                continue
            allowed.append(statement)
    assert allowed == []
