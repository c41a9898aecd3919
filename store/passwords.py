"""Passwords of users at rest: argon2id over a keyed digest, in table staff.password. Neighbour: domain/users.py.

Keyed by the institution's key: a copy of the database alone allows no guessing. With that key too, a guess costs what
OWASP requires (Password Storage Cheat Sheet: 19 MiB, two passes, one lane).
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from unicodedata import normalize
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from store.keys import Connections

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# No password has this hash; it is compared with when there is no password.
NOBODYS = f"$argon2id$v=19$m={HASHER.memory_cost},t={HASHER.time_cost},p={HASHER.parallelism}${'A' * 22}${'A' * 43}"
# The seed that hashes a folded name to the number of its advisory lock.
SEED = 4_701_912_017
LOCK_WAIT = "10s"


class HashedPasswords:
    """The passwords. Thread-safe. A one-time password is valid for `once_days`. `digest` is that of the key ring."""

    def __init__(self, pool: Connections, digest: Callable[[str, bytes], bytes], *, once_days: int) -> None:
        self._pool, self._digest, self._once_days = pool, digest, once_days
        self._turn = Lock()

    @contextmanager
    def lock_user(self, folded_name: str) -> Iterator[None]:
        """Hold the user's lock across processes; it ends with the connection. All threads together use one connection
        of the pool, so that the work inside the lock finds the others free."""
        with self._turn, self._pool.connection() as conn, conn.transaction():
            conn.execute(f"set local lock_timeout = '{LOCK_WAIT}'")
            conn.execute(ALONE, [folded_name, SEED])
            yield

    def put(self, password: UUID, user: str, plain: str, *, once: bool) -> None:
        hashed = HASHER.hash(self._digest_of(plain))
        with self._pool.connection() as conn:
            conn.execute(PUT, [password, user, hashed, once])

    def matches(self, password: UUID | None, plain: str) -> bool:
        keyed = self._digest_of(plain)
        with self._pool.connection() as conn:
            row = conn.execute(HASH, [password, self._once_days]).fetchone()
        try:
            return HASHER.verify(row[0] if row else NOBODYS, keyed)
        except VerifyMismatchError:
            return False

    def keep_only(self, user: str, password: UUID | None) -> None:
        with self._pool.connection() as conn:
            conn.execute(KEEP_ONLY, [user, password])

    def end_sessions_from_elsewhere(self, user: str) -> None:
        with self._pool.connection() as conn:
            conn.execute(END_SESSIONS_FROM_ELSEWHERE, [user])

    def find_one_time(self, passwords: Iterable[UUID]) -> dict[UUID, bool]:
        with self._pool.connection() as conn:
            return dict(conn.execute(ONCE, [list(passwords)]).fetchall())

    def _digest_of(self, plain: str) -> bytes:
        """The keyed digest of a password; equal for texts that look the same, however a keyboard composes them (NIST SP
        800-63B)."""
        return self._digest("password", normalize("NFKC", plain).encode("utf-8", "surrogatepass"))


ALONE = "select pg_advisory_xact_lock(hashtextextended(%s, %s))"
PUT = """
    insert into staff.password (id, user_name, hash, once)
    values (%s, %s, %s, %s)
"""
HASH = """
    select hash
    from staff.password
    where id = %s and not (once and made_at < clock_timestamp() - make_interval(days => %s))
"""
KEEP_ONLY = "delete from staff.password where user_name = %s and id is distinct from %s"
END_SESSIONS_FROM_ELSEWHERE = "delete from staff.session where user_name = %s and by = 'oidc'"
ONCE = "select id, once from staff.password where id = any(%s)"
