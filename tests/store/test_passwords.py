"""Passwords at rest: argon2id over a keyed digest, one-time ones for a while, and nothing that lets anybody guess."""

import hashlib
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import Type

from store.passwords import NOBODYS, HashedPasswords
from store.pools import make_pool

DAYS = 14
ROLE = "dossier_app"


def digest(kind: str, value: bytes) -> bytes:
    return hashlib.sha256(kind.encode() + b"\x00" + value).digest()


@pytest.fixture
def passwords(db: str) -> Iterator[HashedPasswords]:
    """As the application's role, which has to do with them."""
    kwargs = {"autocommit": True, "options": f"-c role={ROLE}"}
    pool = make_pool(db, min_size=1, max_size=2, wait_seconds=10, kwargs=kwargs)
    with pool:
        yield HashedPasswords(pool, digest, once_days=DAYS)


def sql(db: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(db, autocommit=True) as conn:
        found = conn.execute(query.encode(), values)
        return found.fetchall() if found.description else []


def put(passwords: HashedPasswords, plain: str, *, user: str = "j.smit", once: bool = False) -> UUID:
    password = uuid4()
    passwords.put(password, user, plain, once=once)
    return password


def test_a_password_matches_itself_and_nothing_else(passwords: HashedPasswords) -> None:
    password, other = put(passwords, "correct horse"), put(passwords, "battery staple", user="k")
    assert passwords.matches(password, "correct horse")
    for plain in ("Correct horse", "correct horse ", "", "battery staple", "x" * 10_000):
        assert not passwords.matches(password, plain)
    assert not passwords.matches(other, "correct horse")


def test_the_same_letters_are_the_same_password_however_they_were_typed(passwords: HashedPasswords) -> None:
    password = put(passwords, "caf\u00e9 caf\u00e9 caf\u00e9")
    assert passwords.matches(password, "cafe\u0301 cafe\u0301 cafe\u0301")
    assert not passwords.matches(password, "cafe cafe cafe")


def test_what_no_encoding_knows_is_no_failure(passwords: HashedPasswords) -> None:
    password = put(passwords, "\ud800\x00 and more")
    assert passwords.matches(password, "\ud800\x00 and more")
    assert not passwords.matches(None, "\udfff")


def test_what_rests_is_argon2id_at_the_cost_that_owasp_asks_for(passwords: HashedPasswords, db: str) -> None:
    plain = secrets.token_hex(8)
    put(passwords, plain)
    put(passwords, plain, user="k")
    rows = sql(db, "select hash, row_to_json(p)::text from staff.password as p")
    for hashed, row in rows:
        found = extract_parameters(hashed)
        assert (found.type, found.memory_cost, found.time_cost, found.parallelism) == (Type.ID, 19 * 1024, 2, 1)
        assert plain not in row
        with pytest.raises(VerifyMismatchError):  # without the institution's key there is nothing to guess at
            PasswordHasher().verify(hashed, plain)
    assert rows[0][0] != rows[1][0], "equal passwords do not look equal"


def test_nobodys_hash_costs_as_much_as_everybodys(passwords: HashedPasswords, db: str) -> None:
    put(passwords, "x")
    [(hashed,)] = sql(db, "select hash from staff.password")
    assert extract_parameters(NOBODYS) == extract_parameters(hashed)


def test_nothing_matches_nobody(passwords: HashedPasswords) -> None:
    for unknown in (None, uuid4()):
        for plain in ("", "x", "A" * 43):
            assert not passwords.matches(unknown, plain)


@pytest.mark.parametrize(("age", "good"), [("13 days 23 hours", True), ("14 days 1 second", False)])
def test_a_one_time_password_is_good_for_a_while(passwords: HashedPasswords, db: str, age: str, good: bool) -> None:
    once, own = put(passwords, "x", once=True), put(passwords, "x")
    sql(db, "update staff.password set made_at = clock_timestamp() - %s::interval", age)
    assert passwords.matches(once, "x") is good
    assert passwords.matches(own, "x")


def test_all_others_of_a_user_are_forgotten_and_no_other_users(passwords: HashedPasswords) -> None:
    old, new, other = put(passwords, "old"), put(passwords, "new", once=True), put(passwords, "x", user="k")
    assert passwords.find_one_time([old, new, other]) == {old: False, new: True, other: False}
    passwords.keep_only("j.smit", new)
    assert passwords.find_one_time([old, new, other]) == {new: True, other: False}
    passwords.keep_only("j.smit", None)
    assert passwords.find_one_time([old, new, other]) == {other: False}


def test_however_many_come_at_once_the_pool_has_a_connection_for_the_one_whose_turn_it_is(
    passwords: HashedPasswords,
) -> None:
    """It has two."""

    def stored(n: int) -> UUID:
        with passwords.lock_user(f"user-{n % 2}"):
            return put(passwords, "x", user=f"user-{n % 2}")

    with ThreadPoolExecutor(6) as threads:
        assert len(set(threads.map(stored, range(6)))) == 6
