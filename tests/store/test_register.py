"""The register in Postgres beyond the port: whose a card is, writers who meet, plans, and the readers of api/."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from domain.customer import Customer, CustomerKind, parse_query
from domain.refusals import Unavailable, ValidationFailed
from store import register
from store.register import search_steps
from tests.builders.customers import SearchedRegister, a_customer


@pytest.fixture
def pool(db: str) -> Iterator[ConnectionPool]:
    with ConnectionPool(db, min_size=1, max_size=8, kwargs={"autocommit": True}) as pool:
        yield pool


@pytest.fixture
def customers(pool: ConnectionPool) -> SearchedRegister:
    return SearchedRegister(pool)


def ids(found: tuple[Customer, ...]) -> list[str]:
    return [customer.id for customer in found]


# -- writing ----------------------------------------------------------------------------------------------------


def test_an_entry_is_written_whole(customers: SearchedRegister) -> None:
    assert customers.put(a_customer(card_numbers=("1", "2", "3")))
    moved = a_customer(
        name="School De Ark",
        birth_date=None,
        card_numbers=("3", "4", "1"),
        home_branch=None,
        kind=CustomerKind.ORGANISATION,
    )
    assert not customers.put(moved)
    assert customers.get(moved.id) == moved
    assert ids(customers.search("2", 10)) == []
    assert ids(customers.search("vries", 10)) == []


def test_a_status_that_was_reported_outlives_a_new_entry(customers: SearchedRegister, pool: ConnectionPool) -> None:
    customers.put(a_customer())
    with pool.connection() as conn:
        conn.execute("update register.customer set status = 'deceased'")
    customers.put(a_customer(name="Jan Bakker"))
    found = customers.get("100234")
    assert found is not None
    assert (found.name, found.status) == ("Jan Bakker", "deceased")


def test_a_card_of_another_customer_is_refused_by_its_place_and_nothing_is_changed(customers: SearchedRegister) -> None:
    customers.put(a_customer("1", card_numbers=("A-1", "A-2")))
    customers.put(a_customer("2", card_numbers=("B-1",)))
    for again in (
        a_customer("2", name="Piet", card_numbers=("B-2", "a2", "A1")),
        a_customer("3", card_numbers=("A1",)),
    ):
        with pytest.raises(ValidationFailed) as refused:
            customers.put(again)
        at = [error.field for error in refused.value.errors]
        assert at == [f"card_numbers.{n}" for n, number in enumerate(again.card_numbers) if number in ("a2", "A1")]
    assert customers.get("2") == a_customer("2", card_numbers=("B-1",))
    assert not customers.exists("3")


def test_a_card_that_was_given_back_can_be_another_customers(customers: SearchedRegister) -> None:
    customers.put(a_customer("1", card_numbers=("A-1",)))
    customers.put(a_customer("1"))
    assert customers.put(a_customer("2", card_numbers=("A1",)))
    assert ids(customers.search("a-1", 10)) == ["2"]


def test_of_many_who_want_one_card_at_once_one_gets_it(customers: SearchedRegister) -> None:
    def put(n: int) -> bool:
        with suppress(ValidationFailed):
            return customers.put(a_customer(f"C{n}", card_numbers=(f"X{n}", "SAME", f"Y{n}")))
        return False

    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(put, range(40)))
    assert sum(done) == 1
    assert ids(customers.search("same", 10)) == [f"C{done.index(True)}"]
    assert sum(customers.exists(f"C{n}") for n in range(40)) == 1


def test_of_many_who_put_one_customer_at_once_one_is_told_that_it_is_new(customers: SearchedRegister) -> None:
    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda n: customers.put(a_customer(card_numbers=(f"{n}", "A"))), range(40)))
    assert sum(done) == 1
    found = customers.get("100234")
    assert found is not None
    assert len(found.card_numbers) == 2


def test_a_writer_whom_postgres_ends_in_a_deadlock_writes_again(customers: SearchedRegister, db: str) -> None:
    """The other one holds card B and then wants A; the register holds A and waits for B, and is the one to be ended."""
    customers.put(a_customer("1"))
    with psycopg.connect(db, autocommit=True) as other, ThreadPoolExecutor(1) as thread:
        other.execute("set deadlock_timeout = '1min'")
        other.execute("begin")
        other.execute(TAKE_CARD, ["b"])
        done = thread.submit(customers.put, a_customer("2", card_numbers=("A", "B")))
        while other.execute(WAITING_FOR_US).fetchone() is None:
            time.sleep(0.01)
        other.execute(TAKE_CARD, ["a"])
        other.execute("rollback")
        assert done.result()
    assert ids(customers.search("b", 10)) == ["2"]


TAKE_CARD = "insert into register.card (code, number, customer_id, n) values (%s, 'x', '1', 0)"
WAITING_FOR_US = "select from pg_stat_activity where pg_backend_pid() = any(pg_blocking_pids(pid))"


def test_a_register_that_cannot_be_reached_is_unavailable(db: str) -> None:
    with ConnectionPool(db.replace("/test_", "/gone_"), min_size=0, max_size=1, timeout=0.2) as pool:
        away = SearchedRegister(pool)
        for call in (lambda: away.exists("1"), lambda: away.get("1"), lambda: away.put(a_customer())):
            with pytest.raises(Unavailable):
                call()


# -- search -----------------------------------------------------------------------------------------------------


def test_the_readers_of_the_door_find_the_same(customers: SearchedRegister, db: str) -> None:
    customers.put(a_customer("1", name="Jan de Vries", card_numbers=("A-1", "A-2")))
    customers.put(a_customer("2", name="Piet Janssen"))

    async def read() -> None:
        async with await psycopg.AsyncConnection.connect(db, autocommit=True) as conn:
            assert await register.load_customer(conn, "1") == customers.get("1")
            assert await register.load_customer(conn, "9") is None
            assert await register.load_customers(conn, ["2", "9", "1"]) == customers.get_many(["1", "2"])

    asyncio.run(read())


def test_a_name_that_nearly_all_have_hides_nobody(pool: ConnectionPool, customers: SearchedRegister) -> None:
    crowd(pool, 5_000, "Jan de Vries")
    customers.put(a_customer("last", name="Wei de Vries"))
    assert ids(customers.search("vries wei", 10)) == ["last"]
    assert ids(customers.search("de vries wei", 10)) == ["last"]
    assert ids(customers.search("vriess wei", 10))[0] == "last"
    assert len(customers.search("vries", 200)) == 200


def test_a_phrase_of_particles_comes_before_the_crowd_that_has_them_apart(
    pool: ConnectionPool, customers: SearchedRegister
) -> None:
    crowd(pool, 1_000, "Daan van Berg")
    customers.put(a_customer("last", name="Wei van Dijk"))
    assert ids(customers.search("van d", 10))[0] == "last"


def test_a_surname_of_two_letters_comes_before_the_crowd_that_begins_with_them(
    pool: ConnectionPool, customers: SearchedRegister
) -> None:
    crowd(pool, 1_000, "Piet Lindeman")
    customers.put(a_customer("last", name="Wei Li"))
    assert ids(customers.search("li", 10))[0] == "last"


# What is typed, and the index that must answer each step; a step of names goes through a function, see below.
PLANS = [
    ("n17", ["customer_pkey", "customer_pkey", "card_pkey", "customer_by_name"]),
    ("23-05-1971", ["customer_pkey", "customer_by_birth_date"]),
    ("1971", ["customer_pkey", "customer_by_birth_date", "customer_pkey", "card_pkey", "customer_by_name"]),
]


@pytest.mark.parametrize(("text", "indexes"), PLANS)
def test_no_step_of_a_search_reads_the_whole_table(pool: ConnectionPool, text: str, indexes: list[str]) -> None:
    crowd(pool, 5_000, "Jan de Vries")
    steps = [s for s in search_steps(parse_query(text), 20) if s.sql not in (register.NAMED, register.ALIKE)]
    with pool.connection() as conn:
        for step, index in zip(steps, indexes, strict=True):
            plan = "\n".join(line for (line,) in conn.execute(f"explain {step.sql}", step.values))
            assert index in plan
            assert "Seq Scan" not in plan


@pytest.mark.parametrize("text", ["vries", "vries jan", "vriess", "de", "de v"])
def test_names_come_out_of_the_trigram_index_however_common_they_are(pool: ConnectionPool, text: str) -> None:
    """auto_explain tells the plans inside of functions; a scan of the table would be cheaper by the planner's count."""
    crowd(pool, 5_000, "Jan de Vries")
    told: list[str] = []
    with pool.connection() as conn:
        conn.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
        conn.execute("load 'auto_explain'")
        conn.execute("set auto_explain.log_min_duration = 0")
        conn.execute("set auto_explain.log_nested_statements = on")
        conn.execute("set auto_explain.log_level = notice")
        for step in search_steps(parse_query(text), 20):
            conn.execute(step.sql, step.values)
        conn.execute("set auto_explain.log_min_duration = -1")
    inside = [plan for plan in told if "from register.customer\n" in plan]
    assert len(inside) == 3
    assert all("customer_by_trigram" in plan and "Seq Scan" not in plan for plan in inside)


def crowd(pool: ConnectionPool, many: int, name: str) -> None:
    """So many customers of one name, and what the planner should know of them."""
    with pool.connection() as conn:
        rows = [(f"n{n}", name, f" {name.lower()} ", date(1900 + n % 100, 5, 23)) for n in range(many)]
        with conn.cursor() as cursor, cursor.copy(CROWD) as copy:
            for row in rows:
                copy.write_row((*row, "person", "active"))
        conn.execute("vacuum analyze register.customer")


CROWD = "copy register.customer (customer_id, name, search_name, birth_date, kind, status) from stdin"
