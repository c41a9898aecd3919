"""All use cases in one object. api/ and service/ call it; store/ implements its ports (domain/use_cases.py)."""

from domain.catalogues import Catalogues
from domain.corrections import Corrections
from domain.filing import ArchiveFile, Examined, NoteAuthorization, Verification, build_examined
from domain.forms import Checked, Forms, IssueForm, PrintedForm
from domain.importing import Importing
from domain.life import AmendMandate, Life, SupersedeBy
from domain.scanning import Inspected, Reach, Scanning, Session
from domain.use_cases import Caller, Outcome

__all__ = [
    "AmendMandate",
    "Archive",
    "ArchiveFile",
    "Caller",
    "Checked",
    "Examined",
    "Inspected",
    "IssueForm",
    "NoteAuthorization",
    "Outcome",
    "PrintedForm",
    "Reach",
    "Session",
    "SupersedeBy",
    "Verification",
    "build_examined",
]


class Archive(Importing, Corrections, Scanning, Forms, Life, Catalogues, frozen=True, kw_only=True):
    """The use cases. Corrections includes Filing, because new content is stored in the same way."""
