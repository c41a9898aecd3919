"""Desks and a station do at random what they do with scans; every page that was taken in stays in exactly one place.

A page is in its session, in one document, or it was removed, replaced or cancelled by a person: nothing else takes it
away, and nothing doubles it. A command may be met by another that slips in ahead of its append.
"""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from domain import scan_session
from domain.archive import Outcome, build_archive
from domain.commands import MAX_POSITION
from domain.document import DocumentArchived
from domain.refusals import (
    IllegalTransition,
    NotFound,
    PreconditionFailed,
    ScannerBusy,
    ScannerTooManyPages,
    ValidationFailed,
)
from domain.scan_session import (
    Arrangement,
    CapturedPage,
    CollatePasses,
    CollateSheets,
    MovePage,
    RemovePage,
    Rotate,
    ScannerChoice,
    ScanSession,
    ScanState,
    keeps_scanner,
)
from projections import scan_sessions
from tests.builders.papers import a_caller
from tests.builders.scans import FEEDER, GLASS, Scans
from tests.property.places import Place

PAGES_MAX = 8
OTHER = replace(FEEDER, scanner="desk-3:feeder", station="desk-3")
REFUSALS = (IllegalTransition, NotFound, PreconditionFailed, ScannerBusy, ScannerTooManyPages, ValidationFailed)
OPEN = (ScanState.REVIEW, ScanState.FAILED)
GOING_ON = (*OPEN, ScanState.AWAITING_CONFIRMATION, ScanState.SCANNING)
PAGE = re.compile(rb"(\d+):\xff\xd8 page (\d+)\|")
pick = st.integers(0, 999)
places = st.integers(1, 6)
devices = st.sampled_from([None, GLASS, GLASS, FEEDER, FEEDER, OTHER])
Command = Callable[[], object]


class Pass(NamedTuple):
    """What a station scans: its sheets are numbered from 1 and come to the places behind `first`."""

    session: UUID
    number: int
    first: int


class Batches(RuleBasedStateMachine):
    """`where` is the session or the document that a page is in, None when a person took it away."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.scans = Scans(build_archive(place.archive.ports, replace(place.archive.rules, scan_pages_max=PAGES_MAX)))
        self.sessions: list[UUID] = []
        self.passes: list[Pass] = []
        self.sheets: dict[tuple[Pass, int], int] = {}
        self.where: dict[int, UUID | None] = {}
        self.documents: dict[UUID, UUID] = {}
        self.commands: set[UUID] = set()
        self.marks, self.keys = 0, 0
        self.last: tuple[Callable[[], Outcome], Outcome] | None = None
        self.interruption: Command | None = None
        self.left = place.trace()

    def teardown(self) -> None:
        self.place.close()

    # -- a command and what it may do -------------------------------------------------------------------------

    def do(self, command: Command) -> Any:
        """The answer, or None when it was refused; what it changed in the session is looked at."""
        if self.interruption is not None:
            other, self.interruption = self.interruption, None
            self.place.before_append.append(other)
        try:
            answer = command()
        except REFUSALS:
            answer = None
        self.place.before_append.clear()
        if answer is None:
            assert self.place.trace() == self.left
        self.left = self.place.trace()
        return answer

    def step(self, session: UUID) -> tuple[ScanSession | None, ScanSession]:
        """The session before the last command that changed it, None when nothing new did, and as it is."""
        recorded = self.scans.archive.ports.log.load_recorded([session], MAX_POSITION)
        last = recorded[-1].envelope.meta.command_id
        before = [r.envelope.body for r in recorded if r.envelope.meta.command_id != last]
        fresh, now = last not in self.commands, self.scans.state(session)
        self.commands.add(last)
        return (scan_session.fold(before) if fresh else None), now

    def changed(self, session: UUID, allowed: Callable[[ScanSession], Iterable[int]]) -> None:
        """`allowed` are the pages that a person has taken away from what the session was."""
        before, now = self.step(session)
        if before is not None:
            gone = marks(before) - marks(now)
            assert gone == {*allowed(before)}
            assert marks(now) <= marks(before)
            self.where |= dict.fromkeys(gone, None)

    def mark(self) -> int:
        self.marks += 1
        return self.marks

    def session(self, n: int, *states: ScanState) -> UUID:
        """Rather one in such a state, or else one that goes on; now and then any."""
        among = self.sessions
        for wanted in (GOING_ON, states):
            found = [s for s in among if self.scans.state(s).state in wanted]
            among = found if found and n % 7 else among
        return among[n % len(among)]

    def may_begin(self) -> bool:
        """Few that go on, so that much happens to each."""
        return sum(self.scans.state(s).state in GOING_ON for s in self.sessions) < 3

    def place_in(self, session: UUID, at: int) -> int:
        """One of its places, now and then one that is not."""
        there = [n for n, _ in self.scans.state(session).pages_in_order]
        return there[at % len(there)] if there and at < 6 else at

    # -- begin and end ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.may_begin())
    @rule(device=devices)
    def start(self, device: ScannerChoice | None) -> None:
        session = self.do(lambda: self.scans.start(device))
        if session is not None:
            self.sessions.append(session)
            self.begun(session)

    def begun(self, session: UUID) -> None:
        before, now = self.step(session)
        if now.passes > (before.passes if before else 0):
            self.passes.append(Pass(session, now.passes, now.last_place + 1))

    @precondition(lambda self: self.sessions)
    @rule(n=pick)
    def confirm(self, n: int) -> None:
        session = self.session(n, ScanState.AWAITING_CONFIRMATION, ScanState.FAILED)
        if self.do(lambda: self.scans.confirm(session)):
            self.begun(session)

    @precondition(lambda self: self.passes)
    @rule(n=pick, problem=st.sampled_from([None, None, "scanner-jammed"]))
    def finish(self, n: int, problem: str | None) -> None:
        of = self.passes[n % len(self.passes)]
        if self.do(lambda: self.scans.finish(of.session, of.number, problem)):
            self.changed(of.session, lambda _: ())

    @precondition(lambda self: self.sessions)
    @rule(n=pick)
    def fall_silent(self, n: int) -> None:
        session, system = self.session(n, ScanState.SCANNING), a_caller(actor="system")
        self.do(lambda: self.scans.archive.scanning.interrupt_scan(session, "scanner-offline", system))
        self.changed(session, lambda _: ())

    @precondition(lambda self: self.may_begin())
    @rule(pages=st.integers(1, 4))
    def hand_in(self, pages: int) -> None:
        """A session of the caller's own pages."""
        self.start(None)
        for at in range(1, pages + 1):
            self.put_one(self.sessions[-1], at)

    @precondition(lambda self: self.sessions)
    @rule(n=pick, sure=st.integers(0, 4))
    def cancel(self, n: int, sure: int) -> None:
        if sure == 0:
            self.cancel_one(self.session(n))

    def cancel_one(self, session: UUID) -> None:
        if self.do(lambda: self.scans.cancel(session)):
            self.changed(session, marks)

    @rule(minutes=st.sampled_from([1, 3, 3]))
    def time_passes(self, minutes: int) -> None:
        self.place.clock.moment += timedelta(minutes=minutes)

    # -- pages ------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.sessions)
    @rule(n=pick, at=places, again=st.booleans())
    def put(self, n: int, at: int, again: bool) -> None:
        self.put_one(self.session(n, ScanState.SCANNING, *OPEN), at, again=again)

    def put_one(self, session: UUID, at: int, *, again: bool = False) -> None:
        there = self.scans.state(session).pages.get(at)
        mark = mark_of(there) if there and again else self.mark()
        if self.do(lambda: self.scans.put(session, at, mark, width_px=mark)):
            before, now = self.step(session)
            assert before is not None
            replaced = {mark_of(before.pages[at])} if at in before.pages else set()
            assert marks(now) == marks(before) - replaced | {mark}
            self.where |= {**dict.fromkeys(replaced, None), mark: session}

    @precondition(lambda self: self.passes)
    @rule(n=pick, again=st.integers(0, 3))
    def sheet(self, n: int, again: int) -> None:
        """The next sheet of a pass, however late, or one that was sent already."""
        passes = [p for p in self.passes if self.scans.state(p.session).state in GOING_ON or n % 7 == 0]
        of = (passes or self.passes)[-1 - n % min(len(passes or self.passes), 4)]
        sent = [number for sent, number in self.sheets if sent == of]
        number = sent[n % len(sent)] if sent and again == 0 else len(sent) + 1
        mark = self.sheets.get((of, number)) or self.mark()
        at, capture = of.first + number - 1, f"{of.number}.{number}"
        answer = self.do(lambda: self.scans.put_in(of.session, at, mark, width_px=mark, capture=capture))
        if answer is None:
            return
        taker, fresh = answer
        assert not (fresh and (of, number) in self.sheets)
        if fresh:
            self.took(taker.id, of, mark)
        self.sheets.setdefault((of, number), mark)

    def took(self, taker: UUID, of: Pass, mark: int) -> None:
        """What comes after the session of its pass was archived is in one of late pages."""
        if taker not in self.sessions:
            assert self.scans.state(of.session).state is ScanState.ARCHIVED
            self.sessions.append(taker)
        before, now = self.step(taker)
        assert before is not None
        assert marks(now) == marks(before) | {mark} != marks(before)
        self.where[mark] = taker

    @precondition(lambda self: self.sessions)
    @rule(n=pick, at=places, to=places, degrees=st.sampled_from([90, 180, 270]), how=pick)
    def arrange(self, n: int, at: int, to: int, degrees: int, how: int) -> None:
        session = self.session(n, *OPEN)
        at = self.place_in(session, at)
        commands: list[Arrangement] = [
            RemovePage(at), MovePage(at, to), MovePage(to, at), Rotate(at, degrees), CollatePasses(at > to),
            CollateSheets(((to, at),)), CollateSheets(((at,), (to,))),
        ]  # fmt: skip
        self.arrange_one(session, commands[how % len(commands)])

    def arrange_one(self, session: UUID, command: Arrangement) -> None:
        if self.do(lambda: self.scans.arrange(session, command)):
            removed = [command.n] if isinstance(command, RemovePage) else []
            self.changed(session, lambda before: [mark_of(before.pages[n]) for n in removed])

    # -- into documents ---------------------------------------------------------------------------------------

    @precondition(lambda self: self.sessions)
    @rule(n=pick, numbers=st.none() | st.lists(places, max_size=4), consent=st.booleans())
    def archive(self, n: int, numbers: list[int] | None, consent: bool) -> None:
        session = self.session(n, *OPEN)
        among = [self.place_in(session, at) for at in numbers] if numbers is not None else None
        self.archive_one(session, among and [*dict.fromkeys(among)], consent=consent)

    def archive_one(self, session: UUID, numbers: list[int] | None, *, consent: bool = False) -> None:
        self.keys += 1
        order: dict[str, Any] = {"key": f"k{self.keys}", "type": "GUARDIAN_CONSENT" if consent else "LETTER"}
        send = lambda: self.scans.ok(session, numbers, **order)  # noqa: E731  # sent again, it may be
        outcome: Outcome | None = self.do(send)
        if outcome is None:
            return
        before, now = self.step(session)
        assert before is not None
        [document] = {r.envelope.originator_id for r in outcome.recorded if is_archived(r.envelope.body)}
        [content] = [r.envelope.body.content.id for r in outcome.recorded if is_archived(r.envelope.body)]
        chosen = [before.pages[n] for n in (sorted(before.pages) if numbers is None else numbers) if n in before.pages]
        pages = [(page.degrees, mark_of(page)) for page in chosen]
        inside = [(int(d), int(m)) for d, m in PAGE.findall(self.place.contents.plain[content])]
        assert {*inside} <= {*pages}
        assert numbers is None or inside == pages
        assert marks(before) - marks(now) == {mark for _, mark in inside}
        self.where |= {mark: document for _, mark in inside}
        self.documents[document] = content
        self.last = send, outcome

    @precondition(lambda self: self.last)
    @rule()
    def send_again(self) -> None:
        """With the same Idempotency-Key, whatever happened since."""
        assert self.last is not None
        send, first = self.last
        again = send()
        assert (again.replayed, again.position, again.customer) == (True, first.position, first.customer)
        assert self.place.trace() == self.left

    # -- at one instant ---------------------------------------------------------------------------------------

    @precondition(lambda self: self.sessions)
    @rule(n=pick, at=places, to=places, quicker=pick, slower=pick)
    def two_at_one_instant(self, n: int, at: int, to: int, quicker: int, slower: int) -> None:
        """Twice as often."""
        self.two_at_once(n, at, to, quicker, slower)

    @precondition(lambda self: self.sessions)
    @rule(n=pick, at=places, to=places, quicker=pick, slower=pick)
    def two_at_once(self, n: int, at: int, to: int, quicker: int, slower: int) -> None:
        session = self.session(n, *OPEN)
        at, to = self.place_in(session, at), self.place_in(session, to)
        commands: list[Command] = [
            lambda: self.put_one(session, at),
            lambda: self.put_one(session, 6),
            lambda: self.arrange_one(session, RemovePage(at)),
            lambda: self.arrange_one(session, MovePage(at, to)),
            lambda: self.arrange_one(session, Rotate(at, 90)),
            lambda: self.arrange_one(session, CollateSheets(((to, at),))),
            lambda: self.archive_one(session, None),
            lambda: self.archive_one(session, [at]),
            lambda: self.archive_one(session, [*dict.fromkeys([to, at])]),
            lambda: self.archive_one(session, [1, 2]),
            lambda: self.cancel_one(session),
            lambda: self.sheet(0, 1) if self.passes else None,
            lambda: self.confirm(n),
            lambda: self.start(GLASS),
        ]
        self.interruption = commands[quicker % len(commands)]
        commands[slower % len(commands)]()
        self.interruption = None

    # -- what holds always ------------------------------------------------------------------------------------

    @invariant()
    def every_page_is_in_exactly_one_place(self) -> None:
        states = {session: self.scans.state(session) for session in self.sessions}
        found: list[tuple[int, UUID]] = [(m, s) for s, state in states.items() for m in ordered_marks(state)]
        for document, content in self.documents.items():
            found += [(int(m), document) for _, m in PAGE.findall(self.place.contents.plain[content])]
        assert sorted(found) == sorted((mark, place) for mark, place in self.where.items() if place is not None)
        kept = {page.content.id for state in states.values() for page in state.pages.values()}
        assert self.place.contents.plain.keys() == kept | {*self.documents.values()}

    @invariant()
    def a_session_has_its_key_until_it_is_over(self) -> None:
        for session in self.sessions:
            over = self.scans.state(session).state in scan_session.OVER
            assert self.holders(session) == (set() if over else {" intake"})

    def holders(self, paper: UUID) -> set[str]:
        try:
            return self.place.holders(paper)
        except KeyError:
            return set()

    @invariant()
    def a_scanner_has_one_session(self) -> None:
        now = self.place.clock.now()
        states = [self.scans.state(session) for session in self.sessions]
        held = [state.device.scanner for state in states if state.device and keeps_scanner(state, now)]
        assert len(held) == len(set(held))

    @invariant()
    def the_view_says_what_the_session_is(self) -> None:
        for session in self.sessions:
            fold, state = scan_sessions.VIEW.fold(()), self.scans.state(session)
            for recorded in self.scans.archive.ports.log.load_recorded([session], MAX_POSITION):
                fold.add_event(recorded, recorded.recorded_at)
            [row] = [
                r
                for r in fold.take_rows().rows
                if isinstance(r, scan_sessions.ScanSessionRow) and r.to_position is None
            ]
            assert (row.state, row.passes, row.pages, row.last_page, row.problem, row.version) == (
                state.state, state.passes, len(state.pages), state.last_place, state.problem, state.version,
            )  # fmt: skip


def mark_of(page: CapturedPage) -> int:
    """What it was captured with."""
    return page.width_px


def marks(state: ScanSession) -> set[int]:
    return {*ordered_marks(state)}


def ordered_marks(state: ScanSession) -> list[int]:
    return [mark_of(page) for _, page in state.pages_in_order]


def is_archived(event: object) -> bool:
    return isinstance(event, DocumentArchived)
