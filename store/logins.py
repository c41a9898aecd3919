"""The logins of the embedded Postgres: four, with a password each. store/postgres.py starts the server with them.

    postgres           superuser: creates the others, restores dumps; no process of the archive uses it
    dossier_owner      owns the database and the log: migrations and keys at a start
    dossier_app        web workers and commands: reads the log, appends by its one function
    dossier_projector  owns the views

Every login requires a password (scram-sha-256). The passwords are in one file of mode 0600 in libpq's format, so no
address, argument or environment contains one. Only this account and root can read it.
"""

import hashlib
import secrets
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psycopg
from psycopg import sql

from store.private_files import write_private

SUPERUSER: Final = "postgres"
OWNER: Final = "dossier_owner"
APP: Final = "dossier_app"
PROJECTOR: Final = "dossier_projector"
NAMES: Final = (SUPERUSER, OWNER, APP, PROJECTOR)

HBA: Final = (
    "# Written at each start of the archive: nobody comes in without a password.\nlocal all all scram-sha-256\n"
)
LOCK: Final = 4_701_912_011


def make_passwords(path: Path) -> None:
    """Write new passwords for all logins. Durable on return; the file is replaced atomically."""
    lines = (f"*:*:*:{name}:{secrets.token_hex(32)}\n" for name in NAMES)
    write_private(path, "".join(lines).encode())


def password_of(path: Path, name: str) -> str:
    """The password of a login. Raises KeyError when it has none."""
    return dict(line.split(":")[3:5] for line in path.read_text().splitlines())[name]


def url_of(folder: Path, passwords: Path, *, login: str = SUPERUSER, database: str = "postgres") -> str:
    """The libpq URL of a database on the server whose socket is in `folder`."""
    place, file = quote(str(folder), safe="/"), quote(str(passwords), safe="/")
    return f"postgresql:///{database}?host={place}&user={login}&passfile={file}"


def provide_logins(superuser_url: str, database_url: str, database: str, passwords: Path) -> None:
    """Create or update the other logins and the archive's database. Idempotent; many processes may call it at once.

    `superuser_url` and `database_url` are the superuser's URLs of the database postgres and of the archive's. One query
    when nothing changes.
    """
    mark = hashlib.sha256(passwords.read_bytes()).hexdigest()
    with psycopg.connect(superuser_url, autocommit=True) as conn:
        if conn.execute(PROVIDED, [database, OWNER, mark]).fetchone() == (True,):
            return
        conn.execute("select pg_advisory_lock(%s)", [LOCK])
        conn.execute(FEW_ITERATIONS)
        for name in NAMES:
            _set_password(conn, name, password_of(passwords, name))
        conn.execute(_format_names("grant {} to {}", PROJECTOR, OWNER))
        if conn.execute("select from pg_database where datname = %s", [database]).fetchone() is None:
            conn.execute(_format_names("create database {} owner {}", database, OWNER))
        conn.execute(_format_names("alter database {} owner to {}", database, OWNER))
        with psycopg.connect(database_url, autocommit=True) as inside:
            inside.execute(HAND_OVER)
        conn.execute(sql.SQL("comment on role {} is {}").format(sql.Identifier(OWNER), sql.Literal(mark)))


def hand_over(database_url: str) -> None:
    """Give the objects that the superuser created in the archive's database to their owners; needed after restoring a
    dump of an earlier release."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(HAND_OVER)


def _set_password(conn: psycopg.Connection[Any], name: str, password: str) -> None:
    if conn.execute("select from pg_roles where rolname = %s", [name]).fetchone() is None:
        conn.execute(_format_names("create role {}", name))
    statement = sql.SQL("alter role {} login password {}")
    conn.execute(statement.format(sql.Identifier(name), sql.Literal(password)))


def _format_names(statement: str, *names: str) -> sql.Composed:
    return sql.SQL(statement).format(*map(sql.Identifier, names))


# The mark shows that the passwords of the logins are those of the file.
PROVIDED: Final = """
    select exists (
        select from pg_database
        join pg_roles on pg_roles.oid = datdba
        where datname = %s and rolname = %s and shobj_description(pg_roles.oid, 'pg_authid') = %s
    )
"""

# For a password of 256 random bits one iteration is as good as 4,096, and connecting costs less. Postgres 16 and later.
FEW_ITERATIONS: Final = """
    select set_config('scram_iterations', '1', false) where current_setting('server_version_num')::int >= 160000
"""

# Sequences of a column, and objects of an extension, move with the object they belong to.
HAND_OVER: Final = """
do $$
declare
    found record;
begin
    for found in
        select nspname as schema, format('schema %I', nspname) as thing
        from pg_namespace
        where nspowner = 'postgres'::regrole and nspname !~ '^pg_' and nspname not in ('information_schema', 'public')
        union all
        select
            nspname,
            format(
                '%s %s',
                case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
                    else 'table' end,
                pg_class.oid::regclass
            )
        from pg_class
        join pg_namespace on pg_namespace.oid = relnamespace
        where relowner = 'postgres'::regrole and relkind in ('r', 'p', 'v', 'm', 'S')
            and nspname !~ '^pg_' and nspname <> 'information_schema'
            and not exists (select from pg_depend where objid = pg_class.oid and deptype in ('a', 'i', 'e'))
        union all
        select nspname, format('routine %s', pg_proc.oid::regprocedure)
        from pg_proc
        join pg_namespace on pg_namespace.oid = pronamespace
        where proowner = 'postgres'::regrole and nspname !~ '^pg_' and nspname <> 'information_schema'
            and not exists (select from pg_depend where objid = pg_proc.oid and deptype = 'e')
    loop
        execute format(
            'alter %s owner to %I',
            found.thing,
            case found.schema when 'views' then 'dossier_projector' else 'dossier_owner' end
        );
    end loop;
end $$
"""
