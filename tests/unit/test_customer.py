"""Register entries: which are taken, what each refused field is told. Folding and queries: what the box understands."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.customer import (
    CARD_NUMBERS_MAX,
    SEARCH_NAME_CHARACTERS_MAX,
    Customer,
    CustomerKind,
    card_code,
    fold_text,
    parse_customer,
    parse_query,
    search_name,
)
from domain.refusals import ValidationFailed

TODAY = date(2026, 11, 24)


def parsed(**changes: Any) -> Customer:
    usual: dict[str, Any] = {
        "id": "100234",
        "name": "Jan de Vries",
        "birth_date": date(1971, 5, 23),
        "card_numbers": ["20001"],
        "home_branch": "CENTRAL",
        "kind": "person",
        "today": TODAY,
    }
    return parse_customer(**usual | changes)


def wrong_fields(**changes: Any) -> list[str]:
    with pytest.raises(ValidationFailed) as refused:
        parsed(**changes)
    return [error.field for error in refused.value.errors]


# -- a register entry -------------------------------------------------------------------------------------------


def test_an_entry_keeps_what_it_is_given_and_squeezes_blanks_in_the_name() -> None:
    assert parsed(name="  Jan\u00a0 de  Vries ", card_numbers=["A-1", "2"]) == Customer(
        id="100234",
        name="Jan de Vries",
        birth_date=date(1971, 5, 23),
        card_numbers=("A-1", "2"),
        home_branch="CENTRAL",
        kind=CustomerKind.PERSON,
    )


def test_only_a_name_is_needed() -> None:
    school = parsed(birth_date=None, card_numbers=[], home_branch=None, kind="organisation")
    assert (school.birth_date, school.card_numbers, school.home_branch) == (None, (), None)
    assert school.kind is CustomerKind.ORGANISATION


def test_a_name_that_is_written_apart_and_put_together_is_one_name() -> None:
    assert parsed(name="Rene\u0301e").name == parsed(name="Renée").name


@pytest.mark.parametrize("name", ["王", "J", "x" * 200, "Σωκράτης", "O'Neill-Bøe", "👩‍🦰", "مریم"])
def test_names_of_all_people_are_taken(name: str) -> None:
    assert parsed(name=name).name == name


@pytest.mark.parametrize(
    "name",
    ["", "   ", "x" * 201, "a\x00b", "a\nb", "a\tb", "a\x7fb", "a\x85b", "a\u2028b", "\ud800", "a\u202eb", "\u2066a"],
)
def test_names_without_letters_too_long_or_with_control_characters_are_refused(name: str) -> None:
    assert wrong_fields(name=name) == ["name"]


@pytest.mark.parametrize("born", [TODAY, date(1876, 1, 1)])
def test_birth_dates_up_to_today_and_150_years_back_are_taken(born: date) -> None:
    assert parsed(birth_date=born).birth_date == born


@pytest.mark.parametrize("born", [date(2026, 11, 25), date(1875, 12, 31), date(1, 1, 1)])
def test_birth_dates_to_come_or_long_ago_are_refused(born: date) -> None:
    assert wrong_fields(birth_date=born) == ["birth_date"]


@pytest.mark.parametrize("number", ["1", "x" * 64, "A-B.C+D$/%", "卡1"])
def test_card_numbers_of_printable_characters_are_taken(number: str) -> None:
    assert parsed(card_numbers=[number]).card_numbers == (number,)


@pytest.mark.parametrize("number", ["", "x" * 65, "1 2", "1\t2", "1\u00a02", "1\x002", "--", "\ud800"])
def test_other_card_numbers_are_refused_each_by_its_place(number: str) -> None:
    assert wrong_fields(card_numbers=["7", number]) == ["card_numbers.1"]


@pytest.mark.parametrize("again", ["A1", "a1", "A-1"])
def test_a_card_that_stands_twice_is_refused_the_second_time(again: str) -> None:
    assert wrong_fields(card_numbers=["A1", "2", again]) == ["card_numbers.2"]


def test_as_many_cards_as_the_limit_are_taken_and_not_one_more() -> None:
    numbers = [str(n) for n in range(CARD_NUMBERS_MAX + 1)]
    assert len(parsed(card_numbers=numbers[:-1]).card_numbers) == CARD_NUMBERS_MAX
    assert wrong_fields(card_numbers=numbers) == ["card_numbers"]


def test_all_fields_that_are_wrong_are_told_at_once() -> None:
    wrong = {"id": "a b", "name": "", "birth_date": date(2030, 1, 1), "card_numbers": ["1 2"], "home_branch": "?"}
    told = wrong_fields(**wrong, kind="robot")
    assert told == ["id", "name", "birth_date", "card_numbers.0", "home_branch", "kind"]


# -- search -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Jan de Vries", "jan de vries"),
        ("  JAN\tde  Vries ", "jan de vries"),
        ("Łukasz Żółć", "lukasz zolc"),
        ("İbrahim Yıldız", "ibrahim yildiz"),
        ("Straße", "strasse"),
        ("Þórður Ægisson", "thordur aegisson"),
        ("ﬁ ℡ Ａ", "fi tel a"),
        ("van 't Hof (oud)", "van t hof oud"),
        ("100% _x_ \\", "100 x"),
        ("---", ""),
    ],
)
def test_names_are_folded_to_words(name: str, folded: str) -> None:
    assert fold_text(name) == folded


@pytest.mark.parametrize(
    ("name", "searched"),
    [
        ("Mary O'Neill", "mary o neill oneill"),
        ("Anne‑Marie d’Hondt", "anne marie d hondt annemarie dhondt"),  # as word processors write it
        ("Jörg Müller", "jorg muller joerg mueller"),
        ("- Jan -", "jan"),
    ],
)
def test_other_spellings_follow_the_name(name: str, searched: str) -> None:
    assert search_name(name) == searched


@given(st.text(max_size=200))
def test_what_is_searched_has_neither_wildcards_nor_doubled_blanks(name: str) -> None:
    searched = search_name(name)
    assert not set(searched) & set("%_\\")
    assert searched.split(" ") == searched.split() or searched == ""


def test_a_name_that_grows_when_folded_is_cut() -> None:
    assert len(search_name("\N{SQUARE APAATO}" * 200)) == SEARCH_NAME_CHARACTERS_MAX


@given(st.text(max_size=60))
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert fold_text(fold_text(text)) == fold_text(text)


@given(st.text())
def test_anything_can_be_typed(text: str) -> None:
    query = parse_query(text)
    assert query.text.isprintable()
    assert len(query.words) <= 8


@pytest.mark.parametrize(
    ("typed", "born", "words"),
    [
        ("2001-05-23", date(2001, 5, 23), ()),
        ("23-05-2001", date(2001, 5, 23), ()),
        ("3.5.2001", date(2001, 5, 3), ()),
        ("jan 23/05/2001 vries", date(2001, 5, 23), ("jan", "vries")),
        ("29-02-2000", date(2000, 2, 29), ()),
        ("29-02-2001", None, ("29", "02", "2001")),
        ("05-23-2001", None, ("05", "23", "2001")),
        ("2001-5-23", None, ("2001", "5", "23")),
        ("12001-05-23", None, ("12001", "05", "23")),
        ("23-05-20011", None, ("23", "05", "20011")),
        ("31-02-2001 23-05-2001", date(2001, 5, 23), ("31", "02", "2001")),
        ("٢٣-٠٥-٢٠٠١", None, ("٢٣", "٠٥", "٢٠٠١")),
    ],
)
def test_a_day_is_understood_in_the_forms_that_papers_show(
    typed: str, born: date | None, words: tuple[str, ...]
) -> None:
    query = parse_query(typed)
    assert (query.birth_date, query.words) == (born, words)


def test_words_that_narrow_a_search_stand_longest_first_without_particles_and_single_letters() -> None:
    assert parse_query("j van der berg dijkstra 王 al").selective_words == ["dijkstra", "berg", "王"]


def test_hyphens_blanks_and_case_do_not_tell_cards_apart() -> None:
    assert {card_code(n) for n in ("KB-77 x", "kb77X", "KB\u201177x", " kb 77-X\r\n")} == {"kb77x"}
