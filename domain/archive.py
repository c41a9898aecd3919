"""All use cases in one object. api/ and service/ call it; store/ implements its ports (domain/ports.py)."""

import msgspec

from domain.catalogues import Catalogues
from domain.corrections import Corrections
from domain.filing import ArchiveFile, Examined, Filing, NoteAuthorization, Noting, SeenPaper, build_examined
from domain.forms import CheckedForm, Forms, IssueForm, PrintedForm
from domain.life import AmendMandate, Life, SupersedeBy
from domain.ports import Clock, Ids, KeyRing, Ports
from domain.scanning import InspectedPage, LoadedScanSession, Reach, Scanning
from domain.use_cases import Caller, Outcome, Rules, UseCases

__all__ = [
    "AmendMandate",
    "Archive",
    "ArchiveFile",
    "Caller",
    "CheckedForm",
    "Examined",
    "InspectedPage",
    "IssueForm",
    "LoadedScanSession",
    "NoteAuthorization",
    "Outcome",
    "Ports",
    "PrintedForm",
    "Reach",
    "Rules",
    "SeenPaper",
    "SupersedeBy",
    "build_archive",
    "build_examined",
]


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """The use cases of a web worker and of a command, and the ports and rules that they were built from.

    The import of lists is built on its own (domain/importing.py)."""

    ports: Ports
    rules: Rules
    papers: UseCases
    catalogues: Catalogues
    filing: Filing
    noting: Noting
    forms: Forms
    corrections: Corrections
    life: Life
    scanning: Scanning

    @property
    def clock(self) -> Clock:
        return self.ports.clock

    @property
    def ids(self) -> Ids:
        return self.ports.ids

    @property
    def keys(self) -> KeyRing:
        return self.ports.keys

    def with_clock(self, clock: Clock) -> "Archive":
        """The same archive under another clock."""
        return build_archive(msgspec.structs.replace(self.ports, clock=clock), self.rules)


def build_archive(ports: Ports, rules: Rules) -> Archive:
    parts = {**msgspec.structs.asdict(ports), **msgspec.structs.asdict(rules)}
    return Archive(
        ports=ports,
        rules=rules,
        papers=UseCases(**parts),
        catalogues=Catalogues(**parts),
        filing=Filing(**parts),
        noting=Noting(**parts),
        forms=Forms(**parts),
        corrections=Corrections(**parts),
        life=Life(**parts),
        scanning=Scanning(**parts),
    )
