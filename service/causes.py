"""Describes why something failed without quoting data: the reason of a connection error, the state of a query, of the
system. Messages of libpq and drivers may hold names, hosts and values; so they are only recognized here, never passed
on."""

import re

REASONS = (
    ("password authentication failed", "it refuses the password, or the login does not exist"),
    ("no password supplied", "it requires a password, and the address has none"),
    ("no pg_hba.conf entry", "it does not accept this login from this host (pg_hba.conf)"),
    ("authentication failed", "it does not accept this login"),
    ('role "[^"]*" does not exist', "the login does not exist"),
    ('database "[^"]*" does not exist', "there is no such database on that server"),
    ("permission denied for database", "the login may not connect to that database"),
    ("unsupported startup parameter", "it is behind a pooler: connect directly"),
    ("[Cc]onnection refused", "no server listens at that address"),
    ("No such file or directory", "no server listens on that socket"),
    ("could not translate host name|Name or service not known|[Tt]emporary failure in name", "its host is not known"),
    ("[Nn]o route to host|Network is unreachable", "no network route leads to its host"),
    ("timeout expired|timed out|ConnectionTimeout", "its host does not answer"),
    ("too many clients|remaining connection slots", "it has no free connection: raise max_connections"),
    ("starting up|recovery|not yet accepting", "it is starting up"),
    ("shutting down|administrator command", "it is shutting down"),
    ("certificate|SSL", "the TLS connection to it failed"),
    ("server closed the connection|connection .* lost|terminating connection", "the connection was cut"),
    ("read-only|session is not", "no server of the address accepts writes"),
)


def cause_of(error: BaseException) -> str:
    """A clause such as `no server listens at that address`; for unknown errors the type and, if any, the SQL state."""
    import psycopg
    from psycopg_pool import PoolTimeout

    name = type(error).__name__
    match error:
        case PoolTimeout():
            return "no connection became free in time"
        case psycopg.errors.InsufficientPrivilege():
            return "the database login may not do this"
        case psycopg.Error():
            found = next((says for pattern, says in REASONS if re.search(pattern, f"{name} {error}")), None)
            return found or (f"{name} ({error.sqlstate})" if error.sqlstate else name)
        case OSError():
            return error.strerror or name
    return name


def database_cause(error: BaseException) -> str:
    """The same as a sentence about the database."""
    return f"the database does not answer: {cause_of(error)}"
