"""Scan sessions (B1 to B11, edge cases 5 and 24): given events, when a command, then events or a refusal."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain import scan_session
from domain.refusals import (
    IllegalTransition,
    NotFound,
    PreconditionFailed,
    Refusal,
    ScannerBusy,
    ScannerTooManyPages,
    ValidationFailed,
)
from domain.scan_session import (
    LIKE_MAX,
    ArchivePages,
    Cancel,
    Capture,
    CollatePasses,
    CollateSheets,
    Command,
    DropExpired,
    Expire,
    Finish,
    Interrupt,
    MovePage,
    PageCaptured,
    PagesArchived,
    PagesArranged,
    Placed,
    RemovePage,
    Reopen,
    Rotate,
    ScanCancelled,
    ScanClosed,
    ScanConfirmed,
    ScanEvent,
    ScanExpired,
    ScanFinished,
    ScanInterrupted,
    ScannerYielded,
    ScanReopened,
    ScanSession,
    ScanStarted,
    ScanState,
    Start,
    Stop,
    TakeUp,
    YieldScanner,
    keeps_scanner,
    require_unchanged,
)
from tests.builders.scans import (
    FEEDER,
    GLASS,
    NOW,
    PAGES_MAX,
    STATES,
    a_look,
    a_page,
    after,
    awaiting,
    capture,
    confirm,
    failed,
    folded,
    handed_in,
    reviewed,
    scanning,
    sheet,
)

DOCUMENT = UUID(int=0xD0C)


def decided(state: ScanSession | None, command: Command) -> list[type[ScanEvent]]:
    return [type(event) for event in scan_session.decide(state, command)]


def contents(state: ScanSession) -> dict[int, UUID]:
    return {n: page.content.id for n, page in state.pages_in_order}


def marks(state: ScanSession) -> list[int]:
    """The pages in their order, by what they were captured with."""
    return [page.content.id.int - 0xC000 for _, page in state.pages_in_order]


# -- every state and every command ------------------------------------------------------------------------------

COMMANDS: dict[str, Command] = {
    "confirm": confirm(),
    "a page of the caller": capture(3),
    "a sheet of the pass": sheet(1, 3, 3),
    "finish": Finish(1),
    "finish with a problem": Finish(1, "scanner-cover-open", "open"),
    "finish of another pass": Finish(2),
    "stop": Stop(),
    "rotate": Rotate(1, 90),
    "move": MovePage(1, 1),
    "remove": RemovePage(1),
    "collate passes": CollatePasses(last_first=True),
    "collate sheets": CollateSheets(((2, 1),)),
    "archive": ArchivePages((1,), DOCUMENT),
    "cancel": Cancel(),
    "interrupt": Interrupt("scanner-offline"),
    "expire": Expire(),
    "reopen": Reopen(),
    "drop": DropExpired(),
    "yield": YieldScanner(NOW + timedelta(minutes=3)),
}
NO = IllegalTransition
ALLOWED: dict[str, dict[str, Any]] = {
    "awaiting_confirmation": {
        "confirm": [ScanConfirmed],
        "cancel": [ScanCancelled],
        "finish": [], "finish with a problem": [], "finish of another pass": [], "interrupt": [],
        "yield": [ScannerYielded], "expire": [ScanCancelled], "drop": [],
    },
    "scanning": {
        "expire": [ScanExpired], "drop": [],
        "a page of the caller": [PageCaptured], "a sheet of the pass": [PageCaptured],
        "finish": [ScanFinished], "finish with a problem": [ScanInterrupted], "finish of another pass": [],
        "stop": [ScanFinished], "cancel": [ScanCancelled], "interrupt": [ScanInterrupted], "yield": ScannerBusy,
    },
    "review": {
        "expire": [ScanExpired], "reopen": [], "drop": [],
        "confirm": [ScanConfirmed],
        "a page of the caller": [PageCaptured], "a sheet of the pass": [PageCaptured],
        "finish": [], "finish with a problem": [], "finish of another pass": [], "stop": [], "interrupt": [],
        "rotate": [PagesArranged], "move": [PagesArranged], "remove": [PagesArranged],
        "collate passes": ValidationFailed, "collate sheets": [PagesArranged],
        "archive": [PagesArchived], "cancel": [ScanCancelled], "yield": [],
    },
    "failed": {
        "expire": [ScanExpired], "reopen": [], "drop": [],
        "confirm": [ScanConfirmed],
        "a page of the caller": [PageCaptured], "a sheet of the pass": [PageCaptured],
        "finish": [ScanFinished], "finish with a problem": [ScanInterrupted], "finish of another pass": [], "stop": [],
        "rotate": [PagesArranged], "move": [PagesArranged], "remove": [PagesArranged],
        "collate passes": ValidationFailed, "collate sheets": [PagesArranged],
        "archive": [PagesArchived], "cancel": [ScanCancelled], "interrupt": [], "yield": [],
    },
    "archived": {
        "expire": [], "drop": [],
        "finish": [], "finish with a problem": [], "finish of another pass": [], "interrupt": [],
        "yield": [],
    },
    "cancelled": {
        "expire": [], "drop": [],
        "finish": [], "finish with a problem": [], "finish of another pass": [], "interrupt": [], "cancel": [],
        "yield": [],
    },
    "expired": {
        "finish": [], "finish with a problem": [], "finish of another pass": [], "interrupt": [], "yield": [],
        "cancel": [ScanCancelled], "expire": [], "reopen": [ScanReopened], "drop": [ScanCancelled],
    },
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("state", STATES)
def test_what_each_state_takes(state: str, command: str) -> None:
    given, expected = STATES[state](), ALLOWED[state].get(command, NO)
    assert given.state == state
    if expected is NO:
        with pytest.raises(IllegalTransition) as refused:
            scan_session.decide(given, COMMANDS[command])
        assert refused.value.extra == {"state": state}
    elif expected in (ScannerBusy, ValidationFailed):
        with pytest.raises(expected):
            scan_session.decide(given, COMMANDS[command])
    else:
        assert decided(given, COMMANDS[command]) == expected


def test_every_command_stands_in_the_table() -> None:
    assert {type(c) for c in COMMANDS.values()} | {Start, TakeUp} == set(Command.__args__)
    assert set(STATES) == set(ALLOWED) == {state.value for state in ScanState}


@pytest.mark.parametrize("state", STATES)
def test_each_event_is_one_version(state: str) -> None:
    given = STATES[state]()
    for command in COMMANDS.values():
        try:
            events = scan_session.decide(given, command)
        except Refusal:
            continue
        assert folded(given, events).version == given.version + len(events)


@pytest.mark.parametrize("given", [reviewed(), failed()])
def test_a_session_that_is_reopened_is_what_it_was(given: ScanSession) -> None:
    expired = after(given, Expire())
    assert (expired.state, expired.pages) == (ScanState.EXPIRED, given.pages)
    assert msgspec.structs.replace(after(expired, Reopen()), version=given.version) == given


# -- begin ------------------------------------------------------------------------------------------------------


def test_the_glass_waits_for_a_yes() -> None:
    state = awaiting()
    assert (state.state, state.device, state.passes, state.pages) == (ScanState.AWAITING_CONFIRMATION, GLASS, 0, {})


def test_a_feeder_begins_at_once() -> None:
    """B2."""
    state = after(None, Start(FEEDER, NOW))
    assert (state.state, state.passes, state.asked_at) == (ScanState.SCANNING, 1, NOW)


def test_without_a_scanner_the_pages_come_from_the_caller() -> None:
    state = after(None, Start(None, NOW))
    assert (state.state, state.device) == (ScanState.REVIEW, None)
    with pytest.raises(IllegalTransition):
        scan_session.decide(state, confirm())


@pytest.mark.parametrize("state", [awaiting, reviewed, failed])
def test_a_yes_begins_the_next_pass_and_the_problem_of_the_last_is_past(state: Callable[[], ScanSession]) -> None:
    given, later = state(), NOW + timedelta(minutes=1)
    then = after(given, confirm(now=later))
    assert (then.state, then.passes, then.asked_at, then.problem) == (
        ScanState.SCANNING, given.passes + 1, later, None,
    )  # fmt: skip
    assert then.pages == given.pages


def test_a_pass_for_which_there_is_no_place_is_not_begun() -> None:
    full = after(reviewed(), *(capture(n) for n in range(3, 6)))
    with pytest.raises(ScannerTooManyPages):
        scan_session.decide(full, confirm(pages_max=5))
    assert decided(full, confirm(pages_max=6)) == [ScanConfirmed]


@pytest.mark.parametrize(
    ("state", "minutes", "kept"),
    [
        ("awaiting_confirmation", 0, True),
        ("awaiting_confirmation", 2, True),
        ("awaiting_confirmation", 2.01, False),
        ("scanning", 600, True),
        ("review", 0, False),
        ("failed", 0, False),
        ("archived", 0, False),
        ("cancelled", 0, False),
    ],
)
def test_a_scanner_is_kept_while_it_scans_and_two_minutes_for_a_yes(state: str, minutes: float, kept: bool) -> None:
    assert keeps_scanner(STATES[state](), NOW + timedelta(minutes=minutes)) is kept


def test_who_yields_the_scanner_goes_on_waiting_for_its_yes() -> None:
    with pytest.raises(ScannerBusy):
        scan_session.decide(awaiting(), YieldScanner(NOW + timedelta(minutes=2)))
    yielded = after(awaiting(), YieldScanner(NOW + timedelta(minutes=3)))
    assert yielded == msgspec.structs.replace(awaiting(), version=2)
    assert decided(yielded, confirm()) == [ScanConfirmed]


# -- pages ------------------------------------------------------------------------------------------------------


def test_a_page_is_all_that_was_found_of_it() -> None:
    page = a_page(7, capture="1.1", scan_codes=("DA48271903665144", "other"), warnings=("skewed", "dark"), dpi=None)
    state = after(None, Start(FEEDER, NOW), Capture(1, page, PAGES_MAX))
    assert state.pages == {1: page}
    assert state.captures == {"1.1"}


def test_the_same_page_at_its_place_again_changes_nothing() -> None:
    state = handed_in(2)
    assert decided(state, capture(2, 2, content=a_page(99).content)) == []


def test_another_page_at_a_place_takes_it() -> None:
    state = handed_in(3)
    [event] = scan_session.decide(state, capture(2, 9))
    assert isinstance(event, PageCaptured)
    assert (event.n, event.replaced) == (2, state.pages[2].content.id)
    assert marks(folded(state, [event])) == [1, 9, 3]


def test_the_same_page_at_another_place_is_another_page() -> None:
    assert marks(after(handed_in(2), capture(3, 1))) == [1, 2, 1]


def test_places_may_be_missing_while_pages_come_in() -> None:
    state = after(None, Start(None, NOW), capture(5), capture(2))
    assert (list(state.pages), [n for n, _ in state.pages_in_order], state.last_place) == ([5, 2], [2, 5], 5)
    assert marks(after(state, capture(3))) == [2, 3, 5]


def test_a_place_beyond_the_limit_is_refused_and_the_pages_stay() -> None:
    state = handed_in(3)
    with pytest.raises(ScannerTooManyPages):
        scan_session.decide(state, Capture(4, a_page(4), 3))
    assert decided(state, Capture(3, a_page(4), 3)) == [PageCaptured]


def test_a_sheet_that_is_sent_twice_is_taken_once() -> None:
    """Also when its page stands elsewhere by now, was removed, or was replaced."""
    moved = after(reviewed(), MovePage(1, 2))
    removed = after(reviewed(), RemovePage(2))
    replaced = after(reviewed(), capture(2, 9))
    for state in (scanning(), reviewed(), moved, removed, replaced, after(failed(), confirm())):
        assert decided(state, sheet(1, 2, 2)) == []


def test_sheets_that_look_alike_to_the_last_bit_are_all_taken() -> None:
    """Blank sheets of one device, for example; by their digest alone one of them would be lost."""
    state = after(None, Start(FEEDER, NOW), sheet(1, 1, 1, 5), sheet(1, 2, 1, 5))
    assert marks(state) == [5, 5]


def test_a_late_sheet_never_takes_the_place_of_another() -> None:
    """Its pass was given up, and another was begun meanwhile (edge case 24)."""
    given_up = after(scanning(), Interrupt("scanner-offline"), confirm(), sheet(2, 1, 3), sheet(2, 2, 4))
    state = after(given_up, sheet(1, 3, 3), sheet(1, 4, 4))
    assert marks(state) == [101, 102, 201, 202, 103, 104]
    assert state.pages.keys() == set(range(1, 7))


def test_a_late_sheet_comes_in_after_somebody_has_removed_pages() -> None:
    state = after(scanning(), Interrupt("scanner-offline"), RemovePage(1), sheet(1, 3, 3))
    assert (marks(state), list(state.pages)) == ([102, 103], [1, 3])


def test_a_late_sheet_for_which_there_is_no_place_is_refused() -> None:
    state = after(reviewed(), confirm())
    with pytest.raises(ScannerTooManyPages):
        scan_session.decide(state, Capture(1, a_page(9, capture="2.1"), 2))


def test_a_sheet_that_looks_like_one_before_it_is_told() -> None:
    """For as long as both are there, whichever comes first now."""
    twice = after(handed_in(2), capture(3, 30, look=a_look(1)))
    assert twice.twin_places == {3}
    assert after(twice, MovePage(3, 1)).twin_places == {2}
    assert after(twice, RemovePage(1)).twin_places == frozenset()


def test_of_three_scans_of_a_sheet_two_are_alike_when_the_first_is_removed() -> None:
    thrice = after(handed_in(1), capture(2, 20, look=a_look(1)), capture(3, 30, look=a_look(1)))
    assert thrice.twin_places == {2, 3}
    assert after(thrice, RemovePage(1)).twin_places == {2}


def test_a_page_that_is_replaced_is_not_compared_with_the_one_it_replaces() -> None:
    assert after(handed_in(1), capture(1, 20, look=a_look(1))).twin_places == frozenset()


def test_pages_with_other_codes_are_other_sheets() -> None:
    form = {"look": a_look(1), "scan_codes": ("DA482719036651440",)}
    assert after(handed_in(1), capture(2, 9, **form)).twin_places == frozenset()


def test_of_many_pages_that_look_the_same_a_page_names_the_latest() -> None:
    many = after(handed_in(1), *(capture(n, n, look=a_look(1)) for n in range(2, 13)))
    assert (many.twin_places, len(many.pages[12].like)) == (frozenset(range(2, 13)), LIKE_MAX)


def test_blank_pages_are_no_twins() -> None:
    blank: dict[str, Any] = {"look": a_look(1), "warnings": ("blank",)}
    assert after(None, Start(None, NOW), capture(1, **blank), capture(2, **blank)).twin_places == frozenset()
    assert after(handed_in(1), capture(2, **blank)).twin_places == frozenset()


# -- the end of a pass ------------------------------------------------------------------------------------------


def test_a_pass_that_is_done_is_looked_through() -> None:
    state = after(scanning(), Finish(1))
    assert (state.state, state.problem, marks(state)) == (ScanState.REVIEW, None, [101, 102])


def test_a_jam_keeps_the_pages_before_it() -> None:
    """Edge case 5."""
    state = failed()
    assert (state.state, state.problem, marks(state)) == (ScanState.FAILED, "scanner-jammed", [101, 102])
    assert marks(after(state, confirm(), sheet(2, 1, 3), Finish(2))) == [101, 102, 201]


def test_the_drivers_words_stand_in_the_event_alone() -> None:
    [event] = scan_session.decide(scanning(), Finish(1, "scanner-failed", "SANE_STATUS_IO_ERROR at /dev/usb/lp0"))
    assert event == ScanInterrupted(problem="scanner-failed", told="SANE_STATUS_IO_ERROR at /dev/usb/lp0")
    assert "told" not in ScanSession.__struct_fields__


def test_the_same_end_told_again_changes_nothing() -> None:
    assert decided(failed(), Finish(1, "scanner-jammed", "again")) == []
    assert decided(reviewed(), Finish(1)) == []


def test_a_station_that_was_given_up_may_come_back_with_the_rest() -> None:
    """Edge case 24: an hour without a network in mid-batch."""
    given_up = after(scanning(), Interrupt("scanner-offline"))
    assert (given_up.state, given_up.problem) == (ScanState.FAILED, "scanner-offline")
    whole = after(given_up, sheet(1, 3, 3), Finish(1))
    assert (whole.state, whole.problem, marks(whole)) == (ScanState.REVIEW, None, [101, 102, 103])
    jammed = after(given_up, Finish(1, "scanner-jammed"))
    assert (jammed.state, jammed.problem) == (ScanState.FAILED, "scanner-jammed")


def test_the_end_of_an_older_pass_does_not_end_the_present_one() -> None:
    second = after(scanning(), Interrupt("scanner-offline"), confirm())
    for end in (Finish(1), Finish(1, "scanner-jammed"), Finish(3)):
        assert decided(second, end) == []


# -- arranging --------------------------------------------------------------------------------------------------


def test_turning_adds_up() -> None:
    state = handed_in(2)
    for degrees, then in ((90, 90), (180, 270), (270, 180), (180, 0)):
        state = after(state, Rotate(2, degrees))
        assert [page.degrees for _, page in state.pages_in_order] == [0, then]


@pytest.mark.parametrize(
    ("n", "to", "order"),
    [(1, 1, [1, 2, 3, 4]), (1, 2, [2, 1, 3, 4]), (1, 4, [2, 3, 4, 1]), (4, 1, [4, 1, 2, 3]), (3, 2, [1, 3, 2, 4])],
)
def test_a_page_is_moved_to_a_place(n: int, to: int, order: Sequence[int]) -> None:
    state = after(handed_in(4), Rotate(n, 90), MovePage(n, to))
    assert (marks(state), list(state.pages)) == (order, [1, 2, 3, 4])
    assert state.pages[to].degrees == 90


@pytest.mark.parametrize("to", [0, 5, -1])
def test_a_page_is_not_moved_out_of_the_session(to: int) -> None:
    with pytest.raises(ValidationFailed) as refused:
        scan_session.decide(handed_in(4), MovePage(1, to))
    assert [error.field for error in refused.value.errors] == ["to"]


def test_what_stays_after_a_removal_moves_up() -> None:
    state = after(handed_in(3), RemovePage(2))
    assert (marks(state), list(state.pages)) == ([1, 3], [1, 2])


def test_arranging_closes_gaps() -> None:
    state = after(None, Start(None, NOW), capture(2), capture(5), Rotate(5, 90))
    assert (marks(state), list(state.pages)) == ([2, 5], [1, 2])


@pytest.mark.parametrize("command", [Rotate(9, 90), MovePage(9, 1), RemovePage(9), RemovePage(0)])
def test_a_page_that_is_not_there_is_not_found(command: Command) -> None:
    with pytest.raises(NotFound):
        scan_session.decide(handed_in(3), command)


def test_a_session_of_which_every_page_was_removed_goes_on() -> None:
    empty = after(reviewed(), RemovePage(1), RemovePage(1))
    assert (empty.state, empty.pages) == (ScanState.REVIEW, {})
    assert after(empty, confirm(), sheet(2, 1, 1)).state is ScanState.SCANNING


# -- the end ----------------------------------------------------------------------------------------------------


def test_pages_that_are_all_in_a_document_end_the_session() -> None:
    events = scan_session.decide(handed_in(2), ArchivePages((2, 1), DOCUMENT))
    assert events == [
        PagesArchived(document=DOCUMENT, pages=(a_page(2).content.id, a_page(1).content.id)),
        ScanClosed(),
    ]
    state = folded(handed_in(2), events)
    assert (state.state, state.pages, state.documents) == (ScanState.ARCHIVED, {}, (DOCUMENT,))


def test_pages_that_are_not_in_the_document_stay_in_review() -> None:
    """A batch becomes several documents."""
    first, second = UUID(int=1), UUID(int=2)
    state = after(handed_in(4), Rotate(4, 90), ArchivePages((1, 3), first))
    assert (state.state, marks(state), list(state.pages)) == (ScanState.REVIEW, [2, 4], [1, 2])
    assert state.pages[2].degrees == 90
    state = after(state, ArchivePages((2, 1), second))
    assert (state.state, state.documents) == (ScanState.ARCHIVED, (first, second))


def test_pages_of_a_scan_that_failed_can_be_archived() -> None:
    assert decided(failed(), ArchivePages((1, 2), DOCUMENT)) == [PagesArchived, ScanClosed]


def test_a_sheet_of_a_page_that_is_archived_is_not_taken_again() -> None:
    state = after(failed(), ArchivePages((1,), DOCUMENT))
    assert decided(state, sheet(1, 1, 1)) == []
    assert decided(state, sheet(1, 3, 3)) == [PageCaptured]


@pytest.mark.parametrize("numbers", [(), (4,), (1, 1), (1, 4), (0,)])
def test_a_document_is_made_of_pages_of_the_session_each_once(numbers: tuple[int, ...]) -> None:
    with pytest.raises(ValidationFailed) as refused:
        scan_session.decide(handed_in(3), ArchivePages(numbers, DOCUMENT))
    assert [error.field for error in refused.value.errors] == ["pages"]


@pytest.mark.parametrize("change", [Rotate(1, 90), MovePage(1, 2), RemovePage(1), capture(1, 9)])
def test_a_document_of_pages_that_are_others_by_now_is_refused(change: Command) -> None:
    seen = handed_in(3)
    now = after(seen, change)
    with pytest.raises(PreconditionFailed) as refused:
        require_unchanged(seen, now, (1, 3))
    assert refused.value.values == {"version": now.version}


def test_what_becomes_of_other_pages_is_no_hindrance() -> None:
    seen = handed_in(3)
    require_unchanged(seen, after(seen, Rotate(2, 90), capture(4)), (1, 3))


def test_who_cancels_leaves_no_page() -> None:
    state = after(failed(), Cancel())
    assert (state.state, contents(state), state.last_place) == (ScanState.CANCELLED, {}, 0)


def test_a_session_begins_with_its_start() -> None:
    [started] = scan_session.decide(None, Start(None, NOW))
    assert started == ScanStarted(device=None, at=NOW)
    state = scan_session.fold([started])
    assert state is not None
    assert (state.version, scan_session.fold([])) == (1, None)


def test_pages_as_they_are_stand_in_the_event() -> None:
    [event] = scan_session.decide(after(handed_in(3), Rotate(2, 90)), MovePage(3, 1))
    ids = [a_page(n).content.id for n in (3, 1, 2)]
    assert event == PagesArranged(pages=(Placed(ids[0], 0), Placed(ids[1], 0), Placed(ids[2], 90)))
