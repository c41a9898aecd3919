"""Two passes of a one-sided feeder become sheets (docs/domain.md edge case 5): by their passes, or as a person says."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import scan_session
from domain.refusals import PreconditionFailed, ValidationFailed
from domain.scan_session import (
    CollatePasses,
    CollateSheets,
    Command,
    Finish,
    MovePage,
    PagesArranged,
    RemovePage,
    Rotate,
    ScanSession,
    Start,
)
from tests.builders.memory import MemoryDesk
from tests.builders.scans import FEEDER, NOW, Scans, after, capture, confirm, folded, handed_in, sheet

AS_SCANNED, REVERSED = CollatePasses(last_first=False), CollatePasses(last_first=True)


def fed(*sheets_of_passes: int) -> ScanSession:
    """A session of passes with so many sheets each; the marks of its pages are 100 * pass + sheet."""
    state, place = after(None, Start(FEEDER, NOW)), 0
    for number, count in enumerate(sheets_of_passes, 1):
        if number > 1:
            state = after(state, confirm())
        for n in range(1, count + 1):
            state = after(state, sheet(number, n, place + n))
        state, place = after(state, Finish(number)), place + count
    return state


def marks(state: ScanSession) -> list[int]:
    """The pages in their order, by what they were captured with."""
    return [page.content.id.int - 0xC000 for _, page in state.pages_in_order]


def refused_fields(state: ScanSession, command: Command) -> list[str]:
    with pytest.raises(ValidationFailed) as refused:
        scan_session.decide(state, command)
    return [error.field for error in refused.value.errors]


# -- by their passes ----------------------------------------------------------------------------------------------


def test_backs_in_the_order_of_their_fronts_come_behind_them() -> None:
    assert marks(after(fed(3, 3), AS_SCANNED)) == [101, 201, 102, 202, 103, 203]


def test_backs_of_a_stack_that_was_turned_over_come_behind_their_fronts() -> None:
    assert marks(after(fed(3, 3), REVERSED)) == [101, 203, 102, 202, 103, 201]


def test_who_chose_the_wrong_order_says_the_other() -> None:
    """And the same again changes nothing."""
    wrong = after(fed(3, 3), AS_SCANNED)
    right = after(wrong, REVERSED)
    assert marks(right) == [101, 203, 102, 202, 103, 201]
    assert scan_session.decide(right, REVERSED) == []


def test_pages_keep_their_turn() -> None:
    state = after(fed(2, 2), Rotate(3, 180), AS_SCANNED)
    assert [(mark, page.degrees) for mark, (_, page) in zip(marks(state), state.pages_in_order, strict=True)] == [
        (101, 0), (201, 180), (102, 0), (202, 0),
    ]  # fmt: skip


def test_pages_of_other_passes_and_of_the_caller_stay_around_them() -> None:
    state = after(fed(2, 2, 2), capture(7, 7), AS_SCANNED)
    assert marks(state) == [101, 102, 201, 301, 202, 302, 7]


def test_a_pass_that_brought_nothing_is_none() -> None:
    """Nobody had put the backs into the feeder yet."""
    assert marks(after(fed(2, 0, 2), AS_SCANNED)) == [101, 301, 102, 302]


def test_a_sheet_that_came_late_is_where_it_was_in_its_pass() -> None:
    late = after(fed(1, 2), sheet(1, 2, 2))
    assert marks(late) == [101, 201, 202, 102]
    assert marks(after(late, AS_SCANNED)) == [101, 201, 102, 202]


def test_more_than_nine_sheets_are_in_the_order_of_their_numbers() -> None:
    assert marks(after(fed(11, 11), AS_SCANNED))[16:] == [109, 209, 110, 210, 111, 211]


@pytest.mark.parametrize(
    ("passes", "counts"), [((3, 2), (3, 2)), ((2, 3), (2, 3)), ((3,), (3, 0)), ((1, 3, 2), (3, 2)), ((0,), (0, 0))]
)
@pytest.mark.parametrize("command", [AS_SCANNED, REVERSED])
def test_unequal_passes_ask_with_their_counts(
    passes: Sequence[int], counts: tuple[int, int], command: CollatePasses
) -> None:
    with pytest.raises(ValidationFailed) as refused:
        scan_session.decide(fed(*passes), command)
    assert [error.field for error in refused.value.errors] == ["backs"]
    assert refused.value.extra == {"fronts": counts[0], "backs": counts[1]}


def test_the_callers_own_pages_are_of_no_pass() -> None:
    assert refused_fields(handed_in(4), AS_SCANNED) == ["backs"]


def test_a_page_that_was_removed_or_replaced_leaves_a_sheet_without_a_side() -> None:
    for change in (RemovePage(2), capture(2, 9)):
        assert refused_fields(after(fed(3, 3), change), AS_SCANNED) == ["backs"]


# -- as a person says ---------------------------------------------------------------------------------------------


def test_a_person_says_which_pages_are_a_sheet() -> None:
    """The second front has no back: the feeder took two sheets at once."""
    state = after(fed(3, 2), CollateSheets(((1, 5), (2,), (3, 4))))
    assert marks(state) == [101, 202, 102, 103, 201]
    assert list(state.pages) == [1, 2, 3, 4, 5]


def test_sheets_stand_where_the_first_of_their_pages_was() -> None:
    assert marks(after(handed_in(6), CollateSheets(((3, 6), (2, 5))))) == [1, 3, 6, 2, 5, 4]


def test_places_that_are_missing_are_closed() -> None:
    state = after(None, Start(None, NOW), capture(2), capture(5), capture(9), CollateSheets(((2, 9),)))
    assert (marks(state), list(state.pages)) == ([2, 9, 5], [1, 2, 3])


@pytest.mark.parametrize("sheets", [((1, 4),), ((1, 1),), ((1, 2), (3, 1)), ((0, 1),)])
def test_a_sheet_is_made_of_pages_of_the_session_each_once(sheets: tuple[tuple[int, ...], ...]) -> None:
    assert refused_fields(handed_in(3), CollateSheets(sheets)) == ["sheets"]


def test_sheets_as_they_are_already_change_nothing() -> None:
    assert scan_session.decide(handed_in(3), CollateSheets(((1, 2), (3,)))) == []


# -- whatever is said ---------------------------------------------------------------------------------------------


@given(st.permutations(range(1, 8)), st.integers(1, 7), st.lists(st.integers(1, 2), min_size=7, max_size=7))
def test_no_page_is_lost_or_doubled_and_the_others_keep_their_order(
    numbers: list[int], count: int, sides: list[int]
) -> None:
    named, sheets = numbers[:count], list[tuple[int, ...]]()
    left = list(named)
    for side in sides:
        if left:
            sheets.append(tuple(left[:side]))
            del left[:side]
    state = handed_in(7)
    events = scan_session.decide(state, CollateSheets(tuple(sheets)))
    now = folded(state, events)
    assert sorted(marks(now)) == list(range(1, 8))
    assert [mark for mark in marks(now) if mark in named] == named
    assert [mark for mark in marks(now) if mark not in named] == sorted({*range(1, 8)} - {*named})
    assert all(isinstance(event, PagesArranged) for event in events)


# -- as somebody saw them -----------------------------------------------------------------------------------------


def test_numbers_of_pages_that_were_moved_since_are_not_taken() -> None:
    """Who removes page 2 does not mean what is page 2 when somebody else has been there."""
    scans = Scans(MemoryDesk().archive)
    session = scans.handed_in(3)
    seen = scans.state(session).version
    scans.arrange(session, MovePage(3, 1), version=seen)
    for command in (RemovePage(2), Rotate(2, 90), MovePage(2, 1), CollateSheets(((1, 3),))):
        with pytest.raises(PreconditionFailed) as refused:
            scans.arrange(session, command, version=seen)
        assert refused.value.values == {"version": seen + 1}
    assert marks_of(scans, session) == [b"3", b"1", b"2"]
    scans.arrange(session, RemovePage(2), version=seen + 1)
    assert marks_of(scans, session) == [b"3", b"2"]


def marks_of(scans: Scans, session: UUID) -> list[bytes]:
    return [plain.rpartition(b" ")[2] for plain in scans.plain(session)]
