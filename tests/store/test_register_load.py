"""Imports into the register: what each line becomes, twice the same file, two lines alike, a dry run, a kill."""

import io
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from domain.customer import Customer
from domain.refusals import Unavailable
from service.customers_csv import CustomerCounts, RefusedLine, import_customers
from store.register_load import RegisterLine, open_loader
from tests.builders.customers import SearchedRegister, a_customer

HEADER = "id,name,birth_date,card_numbers,home_branch,kind\n"
TODAY = date(2026, 11, 24)


@pytest.fixture
def pool(db: str) -> Iterator[ConnectionPool]:
    with ConnectionPool(db, min_size=1, max_size=4, kwargs={"autocommit": True}) as pool:
        yield pool


@pytest.fixture
def customers(pool: ConnectionPool) -> SearchedRegister:
    return SearchedRegister(pool)


def file_of(*customers: Customer) -> str:
    return HEADER + "".join(
        f"{c.id},{c.name},{c.birth_date or ''},{' '.join(c.card_numbers)},{c.home_branch or ''},{c.kind}\n"
        for c in customers
    )


def run(pool: ConnectionPool, text: str, *, dry_run: bool = False) -> tuple[CustomerCounts, list[str]]:
    """Counts without the bytes, and what was told of refused lines."""
    told: list[RefusedLine] = []
    file = io.BytesIO(text.encode())
    done = import_customers(file, open_loader(pool, dry_run=dry_run), today=TODAY, on_refused=told.append)
    assert done.read_bytes == len(text.encode())
    return CustomerCounts(created=done.created, changed=done.changed, unchanged=done.unchanged, refused=done.refused), [
        str(line) for line in told
    ]


def people(n: int, first: int = 0) -> list[Customer]:
    return [
        a_customer(f"{i}", name=f"Jan Bakker {i}", card_numbers=(f"K-{i}", f"L-{i}")) for i in range(first, first + n)
    ]


def everything(db: str) -> list[object]:
    with psycopg.connect(db) as conn:
        return [
            *conn.execute("select * from register.customer order by 1").fetchall(),
            *conn.execute("select * from register.card order by 1").fetchall(),
        ]


def test_lines_are_created_changed_or_unchanged(pool: ConnectionPool, customers: SearchedRegister) -> None:
    for customer in people(3):
        customers.put(customer)
    cards = a_customer("0", name="Jan Bakker 0", card_numbers=("L-0", "K-0"))
    name = a_customer("1", name="Jan Bakker-Bos", card_numbers=("K-1", "L-1"))
    same, new = people(2, first=2)
    assert run(pool, file_of(cards, name, same, new)) == (CustomerCounts(created=1, changed=2, unchanged=1), [])
    assert customers.get_many(["0", "1", "2", "3"]) == {"0": cards, "1": name, "2": same, "3": new}


def test_the_same_file_a_second_time_changes_nothing(pool: ConnectionPool, db: str) -> None:
    text = file_of(*people(2_500))
    assert run(pool, text) == (CustomerCounts(created=2_500), [])
    before = everything(db)
    assert run(pool, text) == (CustomerCounts(unchanged=2_500), [])
    assert everything(db) == before


def test_a_status_that_was_reported_is_no_difference(pool: ConnectionPool) -> None:
    run(pool, file_of(*people(1)))
    with pool.connection() as conn:
        conn.execute("update register.customer set status = 'left'")
    assert run(pool, file_of(*people(1))) == (CustomerCounts(unchanged=1), [])


def test_an_imported_customer_is_found_as_one_that_was_put(pool: ConnectionPool, customers: SearchedRegister) -> None:
    run(pool, file_of(a_customer("7", name="Renée Łoś", card_numbers=("K-7",))))
    for text in ("renee los", "k7", "23-05-1971", "reneee"):
        assert [c.id for c in customers.search(text, 10)] == ["7"]


@pytest.mark.parametrize("apart", [0, 1_500])
def test_of_two_lines_with_one_id_or_one_card_the_first_counts(
    pool: ConnectionPool, customers: SearchedRegister, apart: int
) -> None:
    """Whether both come in one batch or not, and the second time as the first."""
    first = a_customer("A", card_numbers=("1", "2"))
    between = people(apart)
    same_id = a_customer("A", name="Piet", card_numbers=("3",))
    same_card = a_customer("B", card_numbers=("4", "2"))
    free_card = a_customer("C", card_numbers=("3",))
    at = apart + 3
    told = [f"line {at}: id: is also in line 2", f"line {at + 1}: card_numbers.1: is also in line 2"]
    text = file_of(first, *between, same_id, same_card, free_card)
    assert run(pool, text) == (CustomerCounts(created=apart + 2, refused=2), told)
    assert run(pool, text) == (CustomerCounts(unchanged=apart + 2, refused=2), told)
    assert customers.get_many("ABC") == {"A": first, "C": free_card}


def test_a_card_of_a_customer_outside_the_file_costs_its_line_alone(
    pool: ConnectionPool, customers: SearchedRegister
) -> None:
    customers.put(a_customer("other", card_numbers=("X-1",)))
    customers.put(a_customer("1", name="Piet"))
    lines = [*people(1), a_customer("1", card_numbers=("9", "x1")), *people(2, first=2)]
    told = ["line 3: card_numbers.1: belongs to another customer"]
    assert run(pool, file_of(*lines)) == (CustomerCounts(created=3, refused=1), told)
    assert customers.get("1") == a_customer("1", name="Piet")
    assert customers.search("9", 10) == ()


def test_a_line_that_needs_what_a_refused_line_would_have_given_back_is_refused_too(
    pool: ConnectionPool, customers: SearchedRegister
) -> None:
    customers.put(a_customer("other", card_numbers=("X",)))
    customers.put(a_customer("1", card_numbers=("1",)))
    _, told = run(pool, file_of(a_customer("1", card_numbers=("X",)), a_customer("2", card_numbers=("1",))))
    assert [line.split(":")[0] for line in told] == ["line 2", "line 3"]
    assert customers.get("1") == a_customer("1", card_numbers=("1",))
    assert not customers.exists("2")


def test_cards_may_change_hands_within_a_file(pool: ConnectionPool, customers: SearchedRegister) -> None:
    customers.put(a_customer("1", card_numbers=("A",)))
    customers.put(a_customer("2", card_numbers=("B",)))
    exchanged = [a_customer("1", card_numbers=("C",)), a_customer("2", card_numbers=("A", "B"))]
    assert run(pool, file_of(*exchanged)) == (CustomerCounts(changed=2), [])
    assert customers.get_many(["1", "2"]) == {"1": exchanged[0], "2": exchanged[1]}


def test_a_dry_run_tells_the_same_and_stores_nothing(
    pool: ConnectionPool, customers: SearchedRegister, db: str
) -> None:
    customers.put(a_customer("other", card_numbers=("X",)))
    customers.put(people(1)[0])
    lines = [
        *people(1_200),
        a_customer("0", name="again"),
        a_customer("new", card_numbers=("X",)),
        a_customer("same", name="Wei"),
    ]
    before = everything(db)
    planned = run(pool, file_of(*lines), dry_run=True)
    assert everything(db) == before
    assert planned == run(pool, file_of(*lines))
    assert planned[0] == CustomerCounts(created=1_200, unchanged=1, refused=2)


def test_an_import_that_was_killed_goes_on_where_it_stopped(db: str, pool: ConnectionPool) -> None:
    text = file_of(*people(2_500))
    head = "".join(text.splitlines(keepends=True)[:1_501])
    with subprocess.Popen([sys.executable, "-c", PROGRAM, db], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(head.encode())
        process.stdin.flush()
        wait_for(lambda: count(db) == 1_000)
        process.send_signal(signal.SIGKILL)
        with suppress(BrokenPipeError):
            process.stdin.close()
    assert run(pool, text) == (CustomerCounts(created=1_500, unchanged=1_000), [])
    assert run(pool, text) == (CustomerCounts(unchanged=2_500), [])


PROGRAM = """
import sys
from datetime import date
from psycopg_pool import ConnectionPool
from service.customers_csv import import_customers
from store.register_load import open_loader

with ConnectionPool(sys.argv[1], min_size=1, kwargs={"autocommit": True}) as pool:
    import_customers(sys.stdin.buffer, open_loader(pool), today=date(2026, 11, 24), on_refused=print)
"""


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def count(db: str) -> int:
    with psycopg.connect(db) as conn:
        row = conn.execute("select count(*) from register.customer").fetchone()
    assert row is not None
    return int(row[0])


def test_a_connection_that_breaks_is_unavailable_and_the_batches_before_are_stored(
    db: str, pool: ConnectionPool
) -> None:
    def broken_after_three() -> None:
        with open_loader(pool) as load:
            load([RegisterLine(n, customer) for n, customer in enumerate(people(3), 2)])
            with psycopg.connect(db, autocommit=True) as other:
                other.execute(END_THE_OTHERS)
            load([RegisterLine(9, a_customer("9"))])

    with pytest.raises(Unavailable):
        broken_after_three()
    assert count(db) == 3


END_THE_OTHERS = """
    select pg_terminate_backend(pid)
    from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
"""


def test_the_connection_goes_back_as_it_was(pool: ConnectionPool) -> None:
    for _ in range(3):
        run(pool, file_of(*people(2)))
    with pool.connection() as conn:
        assert conn.execute("select from pg_class where relname = 'claimed'").fetchone() is None
