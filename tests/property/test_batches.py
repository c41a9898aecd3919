"""Random batches of scans at several desks (batches.py), in memory and on Postgres: no page is lost or doubled."""

from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.batches import Batches
from tests.property.places import InMemory, OnPostgres, Place


def scan(place: Callable[[], Place], **how: Any) -> None:
    machine: Any = lambda: Batches(place())  # noqa: E731  # typed as a class; a factory does as well
    run_state_machine_as_test(machine, settings=settings(**how))


def test_no_page_is_lost_or_doubled_in_memory() -> None:
    scan(lambda: InMemory("100234"), max_examples=80, stateful_step_count=40)


def test_no_page_is_lost_or_doubled_on_postgres(cluster_url: str, template: str) -> None:
    scan(lambda: OnPostgres(cluster_url, template, "100234"), max_examples=8, stateful_step_count=30)
