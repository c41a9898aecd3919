"""Use cases of the two small catalogues: document types, and tokens and users with the exports of customers."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from domain import administration, document_type
from domain.administration import Administration, ExportArchive, ExportCustomer
from domain.changes import Change, in_stream, require_version
from domain.commands import Caller, CallerRequest, Commands, retry_conflicts
from domain.document_type import DefineType, DocumentType
from domain.papers import load_types
from domain.ports import EventLog
from domain.refusals import PreconditionFailed


class Remembered(msgspec.Struct):
    """The state of tokens and users that this process has read. The stream only grows, so a folded state stays valid;
    of two threads that read further at once, the later one to write may set it back, which costs a second read."""

    access: Administration = Administration()


class Catalogues(msgspec.Struct, frozen=True, kw_only=True):
    commands: Commands
    log: EventLog
    remembered: Remembered = msgspec.field(default_factory=Remembered)

    def load_types(self) -> dict[str, DocumentType]:
        """All document types by code."""
        return load_types(self.log)

    def define_type(self, command: DefineType, caller: Caller, *, expected_version: int | None = None) -> bool:
        """Add or change a document type. Returns False when nothing changes. Durable on return."""
        return retry_conflicts(self._define_once, command, caller, expected_version)

    def _define_once(self, command: DefineType, caller: Caller, expected_version: int | None) -> bool:
        stream = document_type.stream_of(command.code)
        state = document_type.fold(e.body for e in self.log.load(stream)).get(command.code)
        version = state.version if state else 0
        require_version(expected_version, version)
        return self._append_events(stream, version, document_type.decide(state, command), caller)

    def ship_types(self, shipped: Mapping[str, document_type.Definition], caller: Caller) -> list[str]:
        """Define the shipped types that were never defined and return their codes; types that people changed stay as
        they are."""
        known = self.load_types()
        return [code for code in shipped if code not in known and self._ship_type(code, shipped[code], caller)]

    def _ship_type(self, code: str, definition: document_type.Definition, caller: Caller) -> bool:
        try:
            return self.define_type(DefineType(code, definition), caller, expected_version=0)
        except PreconditionFailed:
            return False  # another process defined it first

    def load_administration(self) -> Administration:
        """The current tokens and users. Loads and folds only the events after those that were read before."""
        known = self.remembered.access
        new = self.log.load(administration.STREAM, after=known.version)
        if new:
            known = self.remembered.access = administration.fold((e.body for e in new), known)
        return known

    def administer(self, command: administration.Command, caller: Caller) -> bool:
        """Apply a command to tokens and users. Returns False when nothing changes. Durable on return."""
        return retry_conflicts(self._administer_once, command, caller)

    def export_customer(self, customer: UUID | None, caller: Caller, *, joint: bool) -> None:
        """Record that everything about a customer leaves the archive. Durable on return."""
        self.administer(ExportCustomer(customer=customer, joint=joint), caller)

    def export_archive(self, position: int, caller: Caller) -> None:
        """Record that everything up to a position leaves the archive. Durable on return."""
        self.administer(ExportArchive(position), caller)

    def _administer_once(self, command: administration.Command, caller: Caller) -> bool:
        state = self.load_administration()
        events = administration.decide(state, command)
        return self._append_events(administration.STREAM, state.version, events, caller)

    def _append_events(self, stream: UUID, version: int, events: Sequence[Any], caller: Caller) -> bool:
        if events:
            change = Change(steps=in_stream(stream, events), versions={stream: version})
            self.commands.append(change, CallerRequest(caller))
        return bool(events)
