"""The shadow table beside a live view: creating it, comparing it, swapping it in. rebuild.py fills it."""

import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import args_row
from psycopg.sql import SQL, Identifier

from domain.promises import PromiseBroken, require_value
from projections.view import DESTROYING, View
from projections.views import table_of

DIFFERENCES_MAX = 100


class Difference(msgspec.Struct, frozen=True):
    """A row that differs between live view and replay. It names columns only: their values could name a person."""

    key: list[str]
    kind: str
    columns: list[str]


class Comparison(msgspec.Struct, frozen=True):
    """`differences` are the first of `count`."""

    count: int = 0
    differences: Sequence[Difference] = ()


def shadow_of(view: View) -> str:
    return f"{table_of(view)}_shadow"


# -- making -----------------------------------------------------------------------------------------------------


def create(conn: psycopg.Connection[Any], view: View, *, logged: bool) -> None:
    """Create an empty table with the columns, owner and rights of the live one, without indexes; drops an earlier
    shadow.

    A table that is to be swapped in must be `logged`: an unlogged one is lost in a crash.
    """
    owner, options = _fetch_one(conn, OWNER, table_of(view))
    drop(conn, view)
    conn.execute(
        SQL(CREATE).format(SQL("" if logged else "unlogged"), _shadow_name(view), _live_name(view), SQL(options))
    )
    conn.execute(SQL("alter table {} owner to {}").format(_shadow_name(view), Identifier(owner)))
    for grantee, privileges in conn.execute(GRANTS, [table_of(view)]).fetchall():
        conn.execute(SQL("grant {} on {} to {}").format(SQL(privileges), _shadow_name(view), Identifier(grantee)))


def drop(conn: psycopg.Connection[Any], view: View) -> None:
    conn.execute(SQL("drop table if exists {}").format(_shadow_name(view)))


def truncate(conn: psycopg.Connection[Any], view: View) -> None:
    conn.execute(SQL("truncate {}").format(_shadow_name(view)))


def create_indexes(conn: psycopg.Connection[Any], view: View) -> None:
    """Create the live table's indexes after the rows, which is several times faster than with each row."""
    for name, definition in conn.execute(INDEXES, [view.name]).fetchall():
        beside = definition.replace(
            f" INDEX {name} ON {table_of(view)} ", f" INDEX {name}_shadow ON {shadow_of(view)} ", 1
        )
        if beside == definition:
            raise PromiseBroken(f"an index is defined as Postgres writes it, not: {definition}")
        conn.execute(beside)
    conn.execute(SQL("analyze {}").format(_shadow_name(view)))


def copy_rows_at(conn: psycopg.Connection[Any], view: View, position: int) -> None:
    """Copy the live rows as they were at a position, for a replay from there."""
    columns = ", ".join(view.columns)
    conn.execute(
        f"insert into {shadow_of(view)} ({columns}) {select_rows_at(view, table_of(view))}",
        {"up_to": position},
    )


# -- comparing --------------------------------------------------------------------------------------------------


def select_rows_at(view: View, table: str, where: str = "true") -> str:
    """SQL for the rows of a table when it was at %(up_to)s, without later changes."""
    ended = "case when to_position <= %(up_to)s then to_position end as to_position"
    columns = ", ".join(ended if name == "to_position" else name for name in view.columns)
    begun = "from_position" if view.is_versioned else "position"
    return f"select {columns} from {table} where {begun} <= %(up_to)s and {where}"  # noqa: S608  # constants


def digest_rows(conn: psycopg.Connection[Any], view: View, table: str, up_to: int) -> bytes:
    """SHA-256 of the canonical dump of a table's rows at a position: COPY text, in the order of its key."""
    found = hashlib.sha256()
    ordered = f"copy ({select_rows_at(view, table)} order by {', '.join(view.key)}) to stdout"
    with conn.cursor() as cursor, cursor.copy(ordered, {"up_to": up_to}) as copy:
        for block in copy:
            found.update(block)
    return found.digest()


def compare(conn: psycopg.Connection[Any], view: View, up_to: int) -> Comparison:
    """Compare live and shadow table as both were at a position."""
    tables = (table_of(view), shadow_of(view))
    if len({digest_rows(conn, view, table, up_to) for table in tables}) == 1:
        return Comparison()
    return _find_differences(conn, view, "true", {"up_to": up_to})


def compare_since(
    conn: psycopg.Connection[Any], view: View, since: int, up_to: int, streams: Sequence[UUID]
) -> Comparison:
    """Compare like compare(), but only rows that events of these streams after position `since` can have made."""
    if not streams:
        return Comparison()
    where = "id = any(%(streams)s)" if view.is_versioned else "position > %(since)s"
    return _find_differences(conn, view, where, {"up_to": up_to, "since": since, "streams": list(streams)})


def _find_differences(conn: psycopg.Connection[Any], view: View, where: str, bound: dict[str, Any]) -> Comparison:
    where = f"{where} and {NOT_DESTROYED_SINCE.format(paper=view.paper)}"
    query = DIFFERENCES.format(
        live=select_rows_at(view, table_of(view), where),
        shadow=select_rows_at(view, shadow_of(view), where),
        key=", ".join(view.key),
        texts=", ".join(f"{name}::text" for name in view.key),
    )
    with conn.cursor(row_factory=args_row(lambda count, *values: (count, Difference(*values)))) as cursor:
        found = cursor.execute(
            query, {**bound, "destroying": [kind.topic for kind in DESTROYING], "limit": DIFFERENCES_MAX}
        ).fetchall()
    return Comparison(found[0][0] if found else 0, [difference for _, difference in found])


# -- swapping ---------------------------------------------------------------------------------------------------


def drop_old(conn: psycopg.Connection[Any], view: View) -> None:
    conn.execute(SQL("drop table if exists {}").format(_name_with(view, "_old")))


def exchange(conn: psycopg.Connection[Any], view: View, *, wait: str) -> None:
    """Rename the view to NAME_old and the shadow to the view, in the caller's transaction; readers wait for its commit.

    Raises LockNotAvailable when readers hold the old table longer than `wait`, so that no queue forms behind them.
    """
    _lock_live(conn, view, wait)
    _rename_table(conn, view, "", "_old")
    _rename_table(conn, view, "_shadow", "")


def exchange_back(conn: psycopg.Connection[Any], view: View, *, wait: str) -> None:
    """Swap the view and NAME_old; otherwise like exchange(). Drops the shadow of a broken rebuild."""
    drop(conn, view)
    _lock_live(conn, view, wait)
    _rename_table(conn, view, "", "_shadow")
    _rename_table(conn, view, "_old", "")
    _rename_table(conn, view, "_shadow", "_old")


def _lock_live(conn: psycopg.Connection[Any], view: View, wait: str) -> None:
    conn.execute(SQL("set local lock_timeout = {}").format(wait))
    conn.execute(SQL("lock table {} in access exclusive mode").format(_live_name(view)))


def _rename_table(conn: psycopg.Connection[Any], view: View, before: str, after: str) -> None:
    conn.execute(SQL("alter table {} rename to {}").format(_name_with(view, before), Identifier(view.name + after)))
    for name, _ in conn.execute(INDEXES, [view.name + after]).fetchall():
        renamed = name.removesuffix(before) + after
        conn.execute(SQL("alter index views.{} rename to {}").format(Identifier(name), Identifier(renamed)))


def _name_with(view: View, suffix: str) -> Identifier:
    return Identifier("views", view.name + suffix)


def _live_name(view: View) -> Identifier:
    return _name_with(view, "")


def _shadow_name(view: View) -> Identifier:
    return _name_with(view, "_shadow")


def _fetch_one(conn: psycopg.Connection[Any], query: str, *bound: Any) -> tuple[Any, ...]:
    return tuple(require_value(conn.execute(query, bound).fetchone(), f"there is a row of {bound}"))


OWNER = """
    select pg_get_userbyid(relowner), coalesce('with (' || array_to_string(reloptions, ', ') || ')', '')
    from pg_class
    where oid = %s::regclass
"""
CREATE = "create {} table {} (like {}) {}"
GRANTS = """
    select r.rolname, string_agg(a.privilege_type, ', ')
    from pg_class as c
    cross join aclexplode(c.relacl) as a
    join pg_roles as r on r.oid = a.grantee
    where c.oid = %s::regclass and a.grantee <> c.relowner
    group by r.rolname
"""
INDEXES = "select indexname, indexdef from pg_indexes where schemaname = 'views' and tablename = %s order by indexname"
# A paper that was destroyed after the compared position has lost its key already: the replay lacks its personal values,
# and the live rows lose them when the follower is there.
NOT_DESTROYED_SINCE = """not exists (
        select from archive.archive_events as gone
        where gone.originator_id = {paper} and gone.topic = any(%(destroying)s)
            and gone.notification_id > %(up_to)s
    )"""
DIFFERENCES = """
    with live as ({live}), shadow as ({shadow})
    select
        count(*) over (),
        array[{texts}],
        case when l is null then 'missing in the view' when s is null then 'only in the view' else 'changed' end,
        array(
            select key
            from jsonb_each(to_jsonb(l)) as x
            full join jsonb_each(to_jsonb(s)) as y using (key)
            where x.value is distinct from y.value
            order by key
        )
    from live as l
    full join shadow as s using ({key})
    where to_jsonb(l) is distinct from to_jsonb(s)
    order by {key}
    limit %(limit)s
"""
