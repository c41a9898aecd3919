"""Small decisions of the screens that add a document."""

from datetime import UTC, datetime, timedelta

import pytest

from desk.find import clean_code, is_exactly, is_name
from desk.saved import ON_THE_WAY, UNDO, is_fresh, seconds_left
from desk.search import mark_words

SAVED = datetime(2026, 11, 24, 9, 30, 11, 123_000, tzinfo=UTC)
ITEM = {"recorded_at": "2026-11-24T09:30:11.123Z", "status": "archived"}
MOMENT = timedelta(milliseconds=1)


def test_undo_is_offered_for_thirty_seconds() -> None:
    assert seconds_left(ITEM, SAVED) == 30
    assert seconds_left(ITEM, SAVED + timedelta(seconds=10)) == 20
    assert seconds_left(ITEM, SAVED + UNDO) == 0
    assert seconds_left(ITEM, SAVED + timedelta(days=1)) == 0


def test_what_is_withdrawn_is_not_undone() -> None:
    assert seconds_left({**ITEM, "status": "withdrawn"}, SAVED) == 0


def test_a_press_in_the_last_second_has_time_to_arrive() -> None:
    assert is_fresh(ITEM["recorded_at"], SAVED + UNDO + ON_THE_WAY)
    assert not is_fresh(ITEM["recorded_at"], SAVED + UNDO + ON_THE_WAY + MOMENT)


@pytest.mark.parametrize(
    ("shot", "code"),
    [
        ("2900 1001\r\n", "2900 1001"),
        ("]C1290010012345", "290010012345"),
        ("\x02290010012345\x03", "290010012345"),
        ("9" * 300, "9" * 200),
        (" \t", ""),
    ],
)
def test_what_a_gun_adds_is_no_part_of_the_code(shot: str, code: str) -> None:
    assert clean_code(shot) == code


@pytest.mark.parametrize(("text", "name"), [("de Vries", True), ("Łukasz", True), ("2900", False), ("A 12", False)])
def test_a_name_has_no_digits(text: str, name: bool) -> None:
    assert is_name(text) is name


@pytest.mark.parametrize(
    ("code", "fits"), [("2900-1001", True), ("2900 1001", True), ("29001001", True), ("2900100", False), ("c7", True)]
)
def test_a_code_fits_the_whole_of_a_card_or_a_number(code: str, fits: bool) -> None:
    assert is_exactly({"id": "c7", "card_numbers": ["29001001"]}, code) is fits


@pytest.mark.parametrize(
    ("name", "query", "words"),
    [
        ("A. de Vries", "vries", [("", "A."), ("", "de"), ("Vries", "")]),
        ("Zoë Müller-Vos", "zoe mull", [("Zoë", ""), ("Müll", "er-Vos")]),
        ("Jan Weiß", "weiss", [("", "Jan"), ("Weiß", "")]),
        ("Bea Smit", "1971", [("", "Bea"), ("", "Smit")]),
    ],
)
def test_what_a_search_says_of_a_name_is_marked(name: str, query: str, words: list[tuple[str, str]]) -> None:
    assert mark_words(name, query) == words
