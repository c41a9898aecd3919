"""Scan page: use cases of a session from the first sheet to the document (B1 to B11). domain/scan_session.py decides.

The images of a session are sealed under its own key, which belongs to the archive's intake until the pages are in a
customer's document. Then, or when the session is cancelled, key and images are destroyed.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

import msgspec

from domain import scan_session
from domain.access import Rights
from domain.changes import Change, in_stream, merge_changes, require_version
from domain.claims import Claims
from domain.commands import MAX_POSITION, Caller, CallerRequest, Commands, Outcome, retry_conflicts
from domain.filing import Filing
from domain.orders import ArchiveFile, without_token
from domain.ports import Claim, Clock, Contents, EventLog, FirstUse, Ids, KeyRing, NothingAppended, VersionConflict
from domain.received_file import Examined, store_content
from domain.refusals import (
    CheckRequired,
    CustomerErased,
    DuplicateContent,
    ExternalIdTaken,
    NotFound,
    ScannerBusy,
    Unavailable,
)
from domain.scan_session import (
    ARCHIVED,
    OVER,
    ArchivePages,
    Arrangement,
    Cancel,
    Capture,
    CapturedPage,
    Confirm,
    DropExpired,
    Expire,
    Finish,
    Interrupt,
    Reopen,
    ScanEvent,
    ScannerChoice,
    ScanSession,
    Start,
    Stop,
    TakeUp,
    YieldScanner,
    keeps_scanner,
    require_archivable,
    require_unchanged,
)
from domain.values import Content, time_of


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """The sessions that a caller may use: those of a branch, or those on the scanners of some stations; None: all of
    them.

    `stations` maps each station to the time since which it belongs to the caller: an earlier session belongs to another
    branch.
    """

    branch: str | None = None
    stations: Mapping[str, datetime] | None = None

    def covers(self, session: "LoadedScanSession") -> bool:
        """True if the caller may use the session."""
        return self._covers_station(session) and self.branch in (None, session.branch)

    def _covers_station(self, session: "LoadedScanSession") -> bool:
        if self.stations is None:
            return True
        device = session.state.device
        since = self.stations.get(device.station) if device else None
        return since is not None and time_of(session.id) >= since


class LoadedScanSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session in the log up to `position`, with the actor and branch that started it and the time of its last
    event."""

    id: UUID
    state: ScanSession
    actor: str
    branch: str
    position: int
    touched_at: datetime
    replayed: bool = False


class InspectedPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page image with the findings of paper/. `capture` names the pass and the sheet when a station sends it."""

    file: Examined
    width_px: int
    height_px: int
    dpi: int | None
    scan_codes: tuple[str, ...]
    warnings: tuple[str, ...]
    look: bytes
    capture: str | None = None


class PageThere(NothingAppended):
    """Another request has stored the page meanwhile, as `session` shows."""

    def __init__(self, session: LoadedScanSession) -> None:
        super().__init__()
        self.session = session


class Scanning(msgspec.Struct, frozen=True, kw_only=True):
    """Raises NotFound for a session out of reach, IllegalTransition and the refusals of scan_session.py. Durable on
    return. A session has at most `pages_max` pages."""

    commands: Commands
    claims: Claims
    filing: Filing
    log: EventLog
    keys: KeyRing
    contents: Contents
    clock: Clock
    ids: Ids
    pages_max: int

    # -- begin and end ----------------------------------------------------------------------------------------

    def find_earlier_start(self, asked: object, caller: Caller) -> LoadedScanSession | None:
        """The answer to an earlier request with the same Idempotency-Key, or None; asked before the scanner is looked
        up, because it may have been switched off since."""
        request = self._request_of_start(asked, caller)
        earlier = self.commands.find_earlier(request)
        return self._replay_session(request, earlier) if earlier else None

    def _request_of_start(self, asked: object, caller: Caller) -> CallerRequest:
        return self.commands.request_of(caller, "scan", asked)

    def start_scan(self, device: ScannerChoice | None, caller: Caller, *, asked: object) -> LoadedScanSession:
        """Start a session and claim its scanner. `asked` is the caller's request for this device. Raises ScannerBusy
        with the session's holder."""
        request = self._request_of_start(asked, caller)
        return self.commands.answer_once(request, partial(self._start_once, device, request), self._replay_session)

    def _start_once(self, device: ScannerChoice | None, request: CallerRequest) -> LoadedScanSession:
        session = self.ids.new()
        events = scan_session.decide(None, Start(device, self.clock.now()))
        self.keys.new_paper(session)
        state = scan_session.evolve(None, events[0])
        change = Change(
            steps=in_stream(session, events),
            claims=self._scanner_claims(state, session),
            papers={session: self.keys.intake_owner()},
        )
        return self._append_to_session(session, change, request)

    def confirm_scan(self, session: UUID, caller: Caller, reach: Reach) -> LoadedScanSession:
        """Confirm the pass: the Yes of the flatbed, and of every further pass."""
        return self._change_session(session, Confirm(self.clock.now(), self.pages_max), "confirm", caller, reach)

    def finish_pass(self, session: UUID, finish: Finish, caller: Caller, reach: Reach) -> LoadedScanSession:
        """Record a station's report that a pass has ended."""
        return self._change_session(session, finish, finish, caller, reach)

    def stop_scan(self, session: UUID, caller: Caller, reach: Reach) -> LoadedScanSession:
        """Stop the current pass. Its pages stay; the station releases the device within a moment."""
        return self._change_session(session, Stop(), "stop", caller, reach)

    def arrange_pages(
        self, session: UUID, command: Arrangement, caller: Caller, reach: Reach, *, version: int | None = None
    ) -> LoadedScanSession:
        """Rotate, move, remove or collate pages. `version` is the version in which the caller saw the page numbers;
        raises PreconditionFailed when it is outdated. None: the current one."""
        return self._change_session(session, command, (type(command).__name__, command), caller, reach, version)

    def cancel_scan(self, session: UUID, caller: Caller, reach: Reach) -> LoadedScanSession:
        """Cancel the session; its key and its images are destroyed."""
        return self._change_session(session, Cancel(), "cancel", caller, reach)

    def interrupt_scan(self, session: UUID, problem: str, caller: Caller) -> bool:
        """Interrupt a scan whose station does not recover. Its pages stay and more may arrive. Returns False when it is
        not scanning."""
        return self._end_by_clock(session, Interrupt(problem), caller, untouched_since=None)

    def expire_scan(self, session: UUID, untouched_since: datetime, caller: Caller) -> bool:
        """Expire a session that was not used since `untouched_since`; its pages and its key stay for a grace period.
        Returns False when it was used or has ended."""
        return self._end_by_clock(session, Expire(), caller, untouched_since=untouched_since)

    def drop_expired_scan(self, session: UUID, untouched_since: datetime, caller: Caller) -> bool:
        """As cancel_scan(), for an expired session after its grace period. Returns False when it was reopened."""
        return self._end_by_clock(session, DropExpired(), caller, untouched_since=untouched_since)

    def reopen_scan(self, session: UUID, caller: Caller, reach: Reach) -> LoadedScanSession:
        """Undo the end by the calendar, with all pages. Raises IllegalTransition when they are destroyed."""
        return self._change_session(session, Reopen(), "reopen", caller, reach)

    def _end_by_clock(
        self,
        session: UUID,
        command: Interrupt | Expire | DropExpired,
        caller: Caller,
        *,
        untouched_since: datetime | None,
    ) -> bool:
        """Apply a command that the calendar found in a view; the log decides whether it still holds."""
        return retry_conflicts(self._end_once, session, command, caller, untouched_since)

    def _end_once(
        self,
        session: UUID,
        command: Interrupt | Expire | DropExpired,
        caller: Caller,
        untouched_since: datetime | None,
    ) -> bool:
        found = self._load_session(session)
        if found.state.state in OVER or (untouched_since and found.touched_at >= untouched_since):
            return False
        change = self._scan_change(session, found.state, scan_session.decide(found.state, command))
        if change.steps:
            self._append_to_session(session, change, CallerRequest(caller))
        return bool(change.steps)

    def _change_session(
        self,
        session: UUID,
        command: scan_session.Command,
        asked: object,
        caller: Caller,
        reach: Reach,
        version: int | None = None,
    ) -> LoadedScanSession:
        """Apply a command. `asked` is the command as its Idempotency-Key compares it."""
        request = self.commands.request_of(caller, session, asked, about=session)
        attempt = partial(self._change_once, session, command, request, reach, version)
        return self.commands.answer_once(request, attempt, self._replay_session)

    def _change_once(
        self,
        session: UUID,
        command: scan_session.Command,
        request: CallerRequest,
        reach: Reach,
        version: int | None,
    ) -> LoadedScanSession:
        found = self.load_scan_session(session, reach)
        require_version(version, found.state.version)
        change = self._scan_change(session, found.state, scan_session.decide(found.state, command))
        return self._append_to_session(session, change, request) if change.steps else found

    def _replay_session(self, request: CallerRequest, earlier: FirstUse) -> LoadedScanSession:
        """The session as the first request with this key left it. For a start it is the youngest session of that
        append: a session that yielded its scanner to it had waited for two minutes."""
        about = request.about if request.about in earlier.papers else max(earlier.papers)
        return msgspec.structs.replace(self._load_session(about, earlier.position), replayed=True)

    # -- pages ------------------------------------------------------------------------------------------------

    def capture_page(
        self, session: UUID, n: int, page: InspectedPage, caller: Caller, reach: Reach
    ) -> tuple[LoadedScanSession, bool]:
        """Store one page image at place `n`. Returns the session and False when the page is there already, by its
        digest or its capture. The session is another one when a station's page arrives after the requested session was
        archived."""
        return retry_conflicts(self._capture_once, session, n, page, caller, reach)

    def _capture_once(
        self, session: UUID, n: int, page: InspectedPage, caller: Caller, reach: Reach
    ) -> tuple[LoadedScanSession, bool]:
        """Many pages may come at once: the content is stored once, and only the append is repeated after a conflict."""
        found = self._session_for_page(self.load_scan_session(session, reach), page.capture, caller)
        place = n if found.id == session else 1
        if not scan_session.decide(found.state, self._build_capture(place, page, NOT_STORED)):
            return found, False
        try:
            with store_content(self.contents, self.ids.new(), found.id, page.file) as content:
                capture = self._build_capture(place, page, content)
                return retry_conflicts(self._append_page, found.id, capture, caller, reach), True
        except PageThere as there:
            return there.session, False
        except CustomerErased:
            raise VersionConflict from None  # its key was destroyed when it ended

    def _session_for_page(self, found: LoadedScanSession, capture: str | None, caller: Caller) -> LoadedScanSession:
        """The session that accepts a page of this one: itself, or, when it is archived, the session for the station's
        late pages. That one may be archived too, so this repeats."""
        state = found.state
        if state.state is not ARCHIVED or state.device is None or capture is None or capture in state.captures:
            return found
        claim = self.claims.claim_of("late-pages", str(found.id), self.ids.new())
        taker = self.log.owners_of_claims(claim.kind, [claim.digest]).get(claim.digest)
        if taker is None:
            taker = claim.owner
            self._take_up(state.device, claim, msgspec.structs.replace(caller, branch=found.branch))
        return self._session_for_page(self._load_session(taker), capture, caller)

    def _take_up(self, device: ScannerChoice, claim: Claim, caller: Caller) -> None:
        session = claim.owner
        self.keys.new_paper(session)
        events = scan_session.decide(None, TakeUp(device, self.clock.now()))
        papers = {session: self.keys.intake_owner()}
        change = Change(steps=in_stream(session, events), claims=[claim], papers=papers)
        self.commands.append(change, CallerRequest(caller))

    def _append_page(self, session: UUID, capture: Capture, caller: Caller, reach: Reach) -> LoadedScanSession:
        """Append the page. Raises PageThere when another request has stored it."""
        found = self.load_scan_session(session, reach)
        events = scan_session.decide(found.state, capture)
        if not events:
            raise PageThere(found)
        return self._append_to_session(session, self._scan_change(session, found.state, events), CallerRequest(caller))

    def _build_capture(self, n: int, page: InspectedPage, content: Content) -> Capture:
        return Capture(n, _page_from(page, content), self.pages_max)

    # -- into a document --------------------------------------------------------------------------------------

    def find_earlier_archive(
        self, session: UUID, asked: Sequence[int] | None, order: ArchiveFile, caller: Caller
    ) -> Outcome | None:
        """The answer to an earlier request with the same Idempotency-Key, or None."""
        request = self._request_of_archive(session, asked, order, caller)
        earlier = self.commands.find_earlier(request)
        return self._replay_archive(session, request, earlier) if earlier else None

    def _request_of_archive(
        self, session: UUID, asked: Sequence[int] | None, order: ArchiveFile, caller: Caller
    ) -> CallerRequest:
        pages = None if asked is None else tuple(asked)
        return self.commands.request_of(caller, "archive-scan", session, pages, without_token(order))

    def _replay_archive(self, session: UUID, request: CallerRequest, earlier: FirstUse) -> Outcome:
        papers = tuple(paper for paper in earlier.papers if paper != session)
        return self.commands.replay_outcome(request, FirstUse(papers, earlier.position))

    def archive_scan(
        self,
        seen: LoadedScanSession,
        asked: Sequence[int] | None,
        numbers: Sequence[int],
        order: ArchiveFile,
        file: Examined,
        caller: Caller,
        *,
        rights: Rights,
        reach: Reach,
    ) -> Outcome:
        """OK (B9, B10): archive `file`, made of these pages (`asked` by number, or all) as they were `seen`. Document,
        evidence and the removal of the pages are one append.

        With a code its Check must be valid, else CheckRequired. Raises PreconditionFailed when the pages have changed,
        and the refusals of filing.py.
        """
        request = self._request_of_archive(seen.id, asked, order, caller)
        attempt = partial(self._archive_once, seen, numbers, order, file, request, rights, reach)
        return self.commands.answer_once(request, attempt, partial(self._replay_archive, seen.id))

    def _archive_once(
        self,
        seen: LoadedScanSession,
        numbers: Sequence[int],
        order: ArchiveFile,
        file: Examined,
        request: CallerRequest,
        rights: Rights,
        reach: Reach,
    ) -> Outcome:
        found = self._require_pages(seen, numbers, reach)
        try:
            outcome = self._archive_pages(found, numbers, order, file, request, rights)
        except (DuplicateContent, ExternalIdTaken):  # a twin may have archived these pages
            self._require_pages(seen, numbers, reach)
            raise
        self._drop_images([found.state.pages[n].content.id for n in numbers])
        return outcome

    def answer_for_lost_images(
        self,
        seen: LoadedScanSession,
        asked: Sequence[int] | None,
        numbers: Sequence[int],
        order: ArchiveFile,
        caller: Caller,
        *,
        reach: Reach,
    ) -> Outcome:
        """The answer of archive_scan() when the images of the pages were destroyed before a file was made of them.
        Raises Unavailable when no request archived, changed or cancelled the pages, so that the images should exist."""
        if twin := self.find_earlier_archive(seen.id, asked, order, caller):
            return twin
        self._require_pages(seen, numbers, reach)
        raise Unavailable

    def _require_pages(self, seen: LoadedScanSession, numbers: Sequence[int], reach: Reach) -> LoadedScanSession:
        """The current session. Raises a refusal unless these pages are the same as when they were seen."""
        found = self.load_scan_session(seen.id, reach)
        require_archivable(found.state, numbers)
        require_unchanged(seen.state, found.state, numbers)
        return found

    def _archive_pages(
        self,
        found: LoadedScanSession,
        numbers: Sequence[int],
        order: ArchiveFile,
        file: Examined,
        request: CallerRequest,
        rights: Rights,
    ) -> Outcome:
        """Archive as Select file does, and remove the pages from their session in the same append."""
        paper = self.ids.new()
        events = scan_session.decide(found.state, ArchivePages(tuple(numbers), paper))
        leaving = self._scan_change(found.id, found.state, events)
        if order.authorization is None:
            return self.filing.archive_new(order, file, request, paper, leaving)
        if order.check_token is None:
            raise CheckRequired
        return self.filing.archive_evidence(order.authorization, order, file, request, rights, paper, leaving)

    # -- shared -----------------------------------------------------------------------------------------------

    def load_scan_session(self, session: UUID, reach: Reach) -> LoadedScanSession:
        """The session. Raises NotFound when it is out of reach."""
        found = self._load_session(session)
        if not reach.covers(found):
            raise NotFound
        return found

    def _load_session(self, session: UUID, up_to: int = MAX_POSITION) -> LoadedScanSession:
        found = self._load_session_once(session, up_to)
        if up_to == MAX_POSITION and found.state.is_shut and found.state.state not in OVER:
            return self._load_session_once(session, up_to)  # it ended between the read of its events and of its key
        return found

    def _load_session_once(self, session: UUID, up_to: int) -> LoadedScanSession:
        recorded = self.log.load_recorded([session], up_to)
        state = scan_session.fold(r.envelope.body for r in recorded if isinstance(r.envelope.body, ScanEvent))
        if state is None:
            raise NotFound
        first = recorded[0].envelope.meta
        return LoadedScanSession(
            id=session,
            state=state,
            actor=first.actor,
            branch=first.branch,
            position=recorded[-1].position,
            touched_at=recorded[-1].recorded_at,
        )

    def _scan_change(self, session: UUID, before: ScanSession, events: Sequence[ScanEvent]) -> Change:
        """The change with its consequences: the scanner it claims or releases, the images it removes, and the session's
        key at its end."""
        after = before
        for event in events:
            after = scan_session.evolve(after, event)
        kept = {page.content.id for page in after.pages.values()}
        scanner = self._scanner_claims(before, session)
        return Change(
            steps=in_stream(session, events),
            versions={session: before.version},
            claims=scanner if after.passes > before.passes else [],
            released=[] if keeps_scanner(after, self.clock.now()) else scanner,
            forgotten=[p.content.id for p in before.pages.values() if p.content.id not in kept],
            ended=[session] if after.state in OVER else [],
        )

    def _append_to_session(self, session: UUID, change: Change, request: CallerRequest) -> LoadedScanSession:
        try:
            recorded = self.commands.append(change, request)
        except ScannerBusy as busy:
            return self._append_to_session(session, self._yield_scanner(busy, change), request)
        except CustomerErased:
            raise VersionConflict from None  # its key went with its end
        self._drop_images(change.forgotten)
        return self._load_session(session, recorded[-1].position)

    def _yield_scanner(self, busy: ScannerBusy, change: Change) -> Change:
        """The change, with the scanner moved from a session that has waited too long for its Yes. Raises ScannerBusy
        when that session keeps it."""
        holder = self._load_session(UUID(busy.extra["session"]))
        try:
            events = scan_session.decide(holder.state, YieldScanner(self.clock.now()))
        except ScannerBusy:
            raise ScannerBusy(extra={"holder": holder.actor, "page": holder.state.last_place + 1}) from None
        yielded = self._scan_change(holder.id, holder.state, events)
        return merge_changes(change, yielded)

    def _drop_images(self, contents: Sequence[UUID]) -> None:
        """Drop images after the commit; after a crash in between the sweeper removes them as orphans."""
        for content in contents:
            self.contents.drop(content)

    def _scanner_claims(self, state: ScanSession, session: UUID) -> list[Claim]:
        """The claim that gives a scanner to one session at a time; none for a session without a scanner."""
        return [self.claims.claim_of("scanner", state.device.scanner, session)] if state.device else []


def _page_from(page: InspectedPage, content: Content) -> CapturedPage:
    return CapturedPage(
        content=content,
        sha256=page.file.sha256,
        width_px=page.width_px,
        height_px=page.height_px,
        dpi=page.dpi,
        scan_codes=page.scan_codes,
        warnings=page.warnings,
        look=page.look,
        capture=page.capture,
    )


NOT_STORED = Content(id=UUID(int=0), media_type="", size_bytes=0, sealed_size_bytes=0, sealed_sha256=b"")
"""A placeholder for the content of a page until it is known whether the page changes anything."""
