"""Whatever use cases ask of the database has an index, also while the tables are so small that reading them is cheaper.

A connection keeps the plan that it made: one made for a page would read a table of any size.
"""

import re
from collections import Counter
from datetime import date
from uuid import uuid4

import psycopg
import pytest

from projections import scan_sessions, work_list
from store import key_wraps, keys, log, recorder, register
from tests.builders.postgres_log import archive_letter, open_log

ASKED: dict[str, tuple[str, str]] = {
    "who owns a value": (log.CLAIMED, "text, bytea[]"),
    "events of papers": (log.OF_STREAMS, "uuid[], bigint"),
    "events at positions": (log.AT, "bigint[]"),
    "how large a catalogue is": (log.COUNT_OF_TOPICS, "text[]"),
    "a catalogue": (log.OF_TOPICS, "text[]"),
    "a stream": (recorder.SELECT_EVENTS, "uuid"),
    "references of customers": (keys.BY_CUSTOMER_IDS, "text[]"),
    "customers of references": (keys.IDS_OF, "uuid[]"),
    "who was erased": (keys.ERASED, "bytea[]"),
    "keys of papers": (keys.PAPERS, "uuid[]"),
    "who is a customer": (register.EXISTING, "text[]"),
    "one customer": (register.EXISTS, "text"),
    "expired scans": (scan_sessions.EXPIRED_BEFORE, "timestamptz"),
}


@pytest.mark.parametrize("what", ASKED)
def test_a_question_of_a_use_case_goes_by_an_index_in_an_archive_with_one_paper(db: str, what: str) -> None:
    with open_log(db) as parts:
        archive_letter(parts.log, parts.keys)
        with psycopg.connect(db) as conn:
            conn.execute("analyze")
        with parts.recorder.datastore.get_connection() as conn:
            plan = generic_plan(conn, *ASKED[what])
    assert "Seq Scan" not in plan, plan


@pytest.mark.parametrize(
    ("listed", "index"),
    [(work_list.ENDING, "authorizations_by_end_then"), (work_list.ORIGINALS, "authorizations_by_original_then")],
)
def test_a_later_page_of_a_work_list_begins_where_the_page_before_ended(
    db: str, listed: tuple[str, str], index: str
) -> None:
    """And reads on in the order of an index: it never sorts all versions that there ever were."""
    _, later = listed
    bound: dict[str, object] = {"types": "{MANDATE}", "branch": None, "asked": None, "limit": 51}
    bound |= {"pinned": 9, "last": 3, "day": date(2026, 1, 1), "until": date(2026, 2, 1)}
    with psycopg.connect(db) as conn:
        conn.execute("set enable_seqscan = off; set enable_bitmapscan = off; set enable_sort = off")
        plan = "\n".join(line for (line,) in conn.execute(f"explain {later}".encode(), bound))
    assert index in plan, plan


@pytest.mark.parametrize("is_analyzed", [True, False])
def test_keys_that_wraps_name_are_found_without_reading_the_customers(db: str, is_analyzed: bool) -> None:
    """Also those of the few customers who came last, for whom a guess by the average would read all before them."""
    with psycopg.connect(db) as conn:
        conn.execute(
            """
            insert into keys.customer (reference, customer_id, kek_version, wrapped)
            select gen_random_uuid(), n::text, case when n > 20000 then 3 else 1 end, 'wrapped'
            from generate_series(1, 20003) as n
            """
        )
        if is_analyzed:
            conn.execute("analyze keys.customer")
        plan = "\n".join(line for (line,) in conn.execute(f"explain {key_wraps.NAMED}".encode()))
        found = Counter(version for version, _, _ in conn.execute(key_wraps.NAMED.encode()))
        counted = conn.execute(key_wraps.CUSTOMERS.encode()).fetchall()
    assert "Seq Scan on customer" not in plan, plan
    assert found == {1: key_wraps.WRAPS_TRIED, 3: 3}
    assert counted == [(1, 20_000), (3, 3)]


def generic_plan(conn: psycopg.Connection[dict[str, str]], statement: str, types: str) -> str:
    """The plan that a connection settles on for a statement that it prepared."""
    numbered = iter(range(1, 10))
    text = re.sub("%[sb]", lambda _: f"${next(numbered)}", statement).replace("%%", "%")
    name = f"asked_{uuid4().hex}"
    conn.execute("set plan_cache_mode = force_generic_plan")
    conn.execute(f"prepare {name} ({types}) as {text}".encode())
    arguments = ", ".join("null" for _ in types.split(","))
    rows = conn.execute(f"explain execute {name} ({arguments})".encode()).fetchall()
    conn.execute("reset plan_cache_mode")
    return "\n".join(row["QUERY PLAN"] for row in rows)
