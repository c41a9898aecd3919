"""Random lives of papers at several desks (lives.py), in memory and on Postgres, against model.py."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.holds import CUSTOMERS
from tests.property.lives import Lives
from tests.property.places import InMemory, OnPostgres, Place


def live(place: Callable[[], Place], *, lives: int, steps: int) -> None:
    machine: Any = lambda: Lives(place())  # noqa: E731  # typed as a class; a factory does as well
    run_state_machine_as_test(machine, settings=settings(max_examples=lives, stateful_step_count=steps))


def test_the_archive_in_memory_says_what_the_model_says() -> None:
    live(lambda: InMemory(*CUSTOMERS), lives=100, steps=50)


def test_the_archive_on_postgres_says_what_the_model_says(cluster_url: str, template: str) -> None:
    live(lambda: OnPostgres(cluster_url, template, *CUSTOMERS), lives=10, steps=30)


@pytest.mark.long
def test_the_archive_in_memory_says_what_the_model_says_of_many_lives() -> None:
    live(lambda: InMemory(*CUSTOMERS), lives=1_500, steps=60)


@pytest.mark.long
def test_the_archive_on_postgres_says_what_the_model_says_of_many_lives(cluster_url: str, template: str) -> None:
    live(lambda: OnPostgres(cluster_url, template, *CUSTOMERS), lives=100, steps=50)
