"""All use cases in one object. api/ and service/ call it; store/ implements its ports (domain/use_cases.py)."""

from domain.catalogues import Catalogues
from domain.corrections import Corrections
from domain.filing import ArchiveFile, Examined, NoteAuthorization, SeenPaper, build_examined
from domain.forms import CheckedForm, Forms, IssueForm, PrintedForm
from domain.importing import Importing
from domain.life import AmendMandate, Life, SupersedeBy
from domain.scanning import InspectedPage, LoadedScanSession, Reach, Scanning
from domain.use_cases import Caller, Outcome

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
    "PrintedForm",
    "Reach",
    "SeenPaper",
    "SupersedeBy",
    "build_examined",
]


class Archive(Importing, Corrections, Scanning, Forms, Life, Catalogues, frozen=True, kw_only=True):
    """The use cases. Corrections includes Filing, because new content is stored in the same way."""
