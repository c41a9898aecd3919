"""Values parsed at the edge: both sides of each rule, and the field that is named when one is broken."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from domain.refusals import FieldError
from domain.values import ACTOR, parse_branch_code, parse_customer_id, parse_date, parse_prose, uuid7

FIELD = "field"


def refused(parse: Callable[..., Any], text: str, **limits: int) -> FieldError:
    with pytest.raises(FieldError) as error:
        parse(text, FIELD, **limits)
    assert error.value.field == FIELD
    return error.value


@pytest.mark.parametrize("text", ["1", "100234", "a" * 64, "X-1.2_é", "客1", "+31"])
def test_a_customer_number_is_taken_as_the_library_system_has_it(text: str) -> None:
    assert parse_customer_id(text) == text


@pytest.mark.parametrize(
    "text", ["", "a" * 65, "1 2", "1\t", "a/b", "a\\b", "a?b", "a#b", "a%b", "a\x00b", "a\x7f", "1\n", ".", ".."]
)
def test_a_customer_number_has_no_blank_and_nothing_of_an_address(text: str) -> None:
    refused(parse_customer_id, text)


@pytest.mark.parametrize("text", ["j.smit", "Özgür", "客", "desk:3", "a" * 80])
def test_whoever_acts_has_a_name_in_any_language(text: str) -> None:
    assert ACTOR.fullmatch(text)


@pytest.mark.parametrize(
    "text", ["", "a b", "a" * 81, "ad\u200bmin", "\u202enimda", "admin\ufeff", "ad\u00admin", "admin\x85", "a\ud800"]
)
def test_a_name_that_acts_has_nothing_that_cannot_be_seen(text: str) -> None:
    """In a history it would look like another's."""
    assert not ACTOR.fullmatch(text)


@pytest.mark.parametrize("text", ["MAIN", "a", "9", "North-2.b_c", "a" * 32])
def test_a_branch_is_a_short_code(text: str) -> None:
    assert parse_branch_code(text) == text


@pytest.mark.parametrize("text", ["", "-a", ".a", "a" * 33, "a b", "é", "MAIN\n"])
def test_a_branch_is_nothing_else(text: str) -> None:
    refused(parse_branch_code, text)


def test_a_date_is_a_day_of_the_calendar() -> None:
    assert parse_date("2024-02-29", FIELD) == date(2024, 2, 29)


@pytest.mark.parametrize(
    "text", ["", "2023-02-29", "2026-13-01", "20261124", "2026-W48-2", "2026-11-24T09:00", "24-11-2026", "٢٠٢٦-١١-٢٤"]
)
def test_a_date_has_one_form(text: str) -> None:
    refused(parse_date, text)


def test_prose_has_lines_and_any_language() -> None:
    text = "línea uno\r\n\tзаметка 備考 🙂"
    assert parse_prose(text, FIELD, characters_max=100) == text


def test_prose_ends_at_its_limit() -> None:
    assert parse_prose("é" * 10, FIELD, characters_max=10)
    assert refused(parse_prose, "é" * 11, characters_max=10).values == {"limit": 10}


@pytest.mark.parametrize("text", ["a\x00b", "\x1b[31m", "\x7f", "\ud800", "a\udfffb"])
def test_prose_has_no_control_characters_and_no_half_ones(text: str) -> None:
    refused(parse_prose, text, characters_max=100)


def test_an_id_has_the_form_of_version_seven() -> None:
    made = uuid7(lambda: 0x0123456789AB)
    assert str(made).startswith("01234567-89ab-7")
    assert (made.version, made.variant) == (7, "specified in RFC 4122")


def test_two_ids_of_one_moment_differ() -> None:
    assert len({uuid7(lambda: 1) for _ in range(1000)}) == 1000
