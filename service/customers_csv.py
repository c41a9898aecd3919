"""`customers import FILE.csv` without its command line: reads, checks and reports; store/register_load.py stores."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date
from itertools import islice
from typing import BinaryIO

import msgspec

from domain.customer import Customer, CustomerKind, parse_customer
from domain.refusals import FieldError, ValidationFailed
from domain.values import parse_date
from service.csv_lines import parse_records
from store.register_load import Load, RegisterLine

HEADER = ["id", "name", "birth_date", "card_numbers", "home_branch", "kind"]
BATCH_LINES = 1_000


class RefusedLine(msgspec.Struct, frozen=True):
    """Numbered as an editor does, the header being line 1. The field of an error is a column, as birth_date."""

    number: int
    errors: tuple[FieldError, ...]

    def __str__(self) -> str:
        return f"line {self.number}: " + "; ".join(str(e).lstrip("/: ") for e in self.errors)


class CustomerCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Lines so far by outcome, and bytes read. Empty lines are not counted."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    read_bytes: int = 0


class CustomerLine(msgspec.Struct, frozen=True):
    """One line of the file, as a customer or as its errors; `end` is the offset of the byte after it."""

    number: int
    end: int
    parsed: Customer | tuple[FieldError, ...]


def import_customers(
    file: BinaryIO,
    loading: AbstractContextManager[Load],
    *,
    today: date,
    on_refused: Callable[[RefusedLine], None],
    on_progress: Callable[[CustomerCounts], None] = lambda _: None,
) -> CustomerCounts:
    """Import every line independently: a refused line does not stop the others. `loading` is
    store/register_load.loading(). Batches have 1,000 lines; each is durable before `on_progress` is called.
    Idempotent: importing the same file again counts stored customers as unchanged. Raises FileUnreadable and
    Unavailable."""
    done = CustomerCounts()
    reads = _parse_lines(file, today)
    with loading as load:
        while batch := list(islice(reads, BATCH_LINES)):
            loaded = load([RegisterLine(r.number, r.parsed) for r in batch if isinstance(r.parsed, Customer)])
            refused = [RefusedLine(r.number, r.parsed) for r in batch if not isinstance(r.parsed, Customer)]
            refused += [RefusedLine(number, (error,)) for number, error in loaded.refused]
            for line in sorted(refused, key=lambda line: line.number):
                on_refused(line)
            done = CustomerCounts(
                created=done.created + loaded.created,
                changed=done.changed + loaded.changed,
                unchanged=done.unchanged + loaded.unchanged,
                refused=done.refused + len(refused),
                read_bytes=batch[-1].end,
            )
            on_progress(done)
    return done


def _parse_lines(file: BinaryIO, today: date) -> Iterator[CustomerLine]:
    for line in parse_records(file, HEADER):
        parsed = (line.fields,) if isinstance(line.fields, FieldError) else _parse_fields(line.fields, today)
        yield CustomerLine(line.number, line.end, parsed)


def _parse_fields(fields: Sequence[str], today: date) -> Customer | tuple[FieldError, ...]:
    customer_id, name, birth_date, card_numbers, home_branch, kind = fields
    born, wrong = _parse_birth_date(birth_date)
    try:
        customer = parse_customer(
            customer_id,
            name=name,
            birth_date=born,
            card_numbers=card_numbers.split(),
            home_branch=home_branch or None,
            kind=kind or CustomerKind.PERSON,
            today=today,
        )
    except ValidationFailed as error:
        return (*error.errors, *wrong)
    return wrong or customer


def _parse_birth_date(text: str) -> tuple[date | None, tuple[FieldError, ...]]:
    try:
        return parse_date(text, "birth_date") if text else None, ()
    except FieldError as error:
        return None, (error,)
