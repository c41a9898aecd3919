"""Access rules: one principal for tokens and users, one policy function, the default table of docs/api-guide.md."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

import msgspec

from domain.document_type import DocumentType
from domain.refusals import Forbidden
from domain.values import Sensitivity


class Role(StrEnum):
    VIEWER = "viewer"
    STAFF = "staff"
    SUPERVISOR = "supervisor"
    OPERATOR = "operator"
    STATION = "station"
    INTEGRATION = "integration"


# The actions that a line of the access log can name.
AccessAction = Literal[
    "content", "page", "check", "form", "history", "export", "sign-in", "authorization", "existence",
    "document", "customer", "list", "search", "print",
]  # fmt: skip
# The kinds of a list or a search in the access log; for the feed: that it continues. Typed words are never stored.
AccessKind = Literal[
    "papers", "words", "ending", "originals", "name", "number", "birth-date", "external-id", "stream",
]  # fmt: skip


class Verb(StrEnum):
    """Every action that a caller can ask for. A route names exactly one; a test fails for a route without one."""

    PUBLIC = "public"
    SESSION = "session"
    CUSTOMERS_READ = "customers.read"
    CUSTOMERS_WRITE = "customers.write"
    CUSTOMERS_EXPORT = "customers.export"
    CUSTOMERS_REPORT = "customers.report"
    DOCUMENTS_READ = "documents.read"
    AUTHORIZATIONS_READ = "authorizations.read"
    CONTENT_READ = "content.read"
    HISTORY_READ = "history.read"
    EVENTS_READ = "events.read"
    DOCUMENTS_ARCHIVE = "documents.archive"
    AUTHORIZATIONS_NOTE = "authorizations.note"
    DOCUMENTS_CORRECT = "documents.correct"
    DOCUMENTS_MOVE = "documents.move"
    FORMS_ISSUE = "forms.issue"
    SCAN_CODES_CHECK = "scan-codes.check"
    AUTHORIZATIONS_CHANGE = "authorizations.change"
    COLLECTIONS_REPORT = "collections.report"
    SCANS_USE = "scans.use"
    SCANS_FILL = "scans.fill"
    SCANNERS_READ = "scanners.read"
    STATIONS_WORK = "stations.work"
    TYPES_READ = "types.read"
    TYPES_WRITE = "types.write"
    ACCESS_LOG_READ = "access-log.read"
    DISPOSALS = "disposals"
    OPERATIONS = "operations"


# A session belongs to its caller: every signed-in caller may ask about it and end it.
EVERYBODY = {Verb.PUBLIC, Verb.SESSION}
PAPERS = {Verb.DOCUMENTS_READ, Verb.AUTHORIZATIONS_READ, Verb.CONTENT_READ, Verb.HISTORY_READ}
READS = PAPERS | {Verb.EVENTS_READ, Verb.CUSTOMERS_READ, Verb.TYPES_READ}
DESK = READS | {
    Verb.DOCUMENTS_ARCHIVE,
    Verb.AUTHORIZATIONS_NOTE,
    Verb.DOCUMENTS_CORRECT,
    Verb.FORMS_ISSUE,
    Verb.SCAN_CODES_CHECK,
    Verb.AUTHORIZATIONS_CHANGE,
    Verb.COLLECTIONS_REPORT,
    Verb.SCANS_USE,
    Verb.SCANS_FILL,
    Verb.SCANNERS_READ,
}
SUPERVISION = DESK | {
    Verb.DISPOSALS,
    Verb.CUSTOMERS_EXPORT,
    Verb.CUSTOMERS_REPORT,
    Verb.DOCUMENTS_MOVE,
    Verb.TYPES_WRITE,
    Verb.ACCESS_LOG_READ,
}
PROGRAMS = {
    Verb.EVENTS_READ,
    Verb.CUSTOMERS_READ,
    Verb.CUSTOMERS_WRITE,
    Verb.CUSTOMERS_REPORT,
    Verb.AUTHORIZATIONS_READ,
    Verb.AUTHORIZATIONS_NOTE,
    Verb.FORMS_ISSUE,
    Verb.COLLECTIONS_REPORT,
    Verb.TYPES_READ,
}

VERBS: dict[Role, frozenset[Verb]] = {
    Role.VIEWER: frozenset(READS),
    Role.STAFF: frozenset(DESK),
    Role.SUPERVISOR: frozenset(SUPERVISION),
    Role.OPERATOR: frozenset(Verb),
    Role.STATION: frozenset({Verb.TYPES_READ, Verb.SCANNERS_READ, Verb.SCANS_FILL, Verb.STATIONS_WORK}),
    Role.INTEGRATION: frozenset(PROGRAMS),
}

EVERYTHING = frozenset(Sensitivity)
OPEN = frozenset({Sensitivity.ORDINARY, Sensitivity.FINANCIAL})
"""The sensitivities that every reader of papers sees by default; the others are granted by role."""
SENSITIVITIES: dict[Role, frozenset[Sensitivity]] = {
    Role.VIEWER: OPEN,
    Role.STAFF: EVERYTHING,
    Role.SUPERVISOR: EVERYTHING,
    Role.OPERATOR: EVERYTHING,
    Role.STATION: frozenset(),
    Role.INTEGRATION: OPEN,
}


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A caller: a token or a user. `branch` fixes the branch it writes for; `own_branch_only` also limits what it
    reads."""

    name: str
    role: Role
    branch: str | None = None
    own_branch_only: bool = False
    sensitivities: frozenset[Sensitivity] = frozenset()


def sensitivities_of(
    role: Role, granted: Iterable[Sensitivity] = (), without: Iterable[Sensitivity] = ()
) -> frozenset[Sensitivity]:
    """The sensitivities that a role may read by default, with those `granted` and minus those in `without`."""
    return (SENSITIVITIES[role] | frozenset(granted)) - frozenset(without)


def may(actor: Principal, verb: Verb, *, sensitivity: Sensitivity | None = None, branch: str | None = None) -> bool:
    """True if the actor may do this: the one policy. `sensitivity` and `branch` describe the requested thing; None: it
    has none."""
    if verb in EVERYBODY:
        return True
    return (
        verb in VERBS[actor.role]
        and (sensitivity is None or sensitivity in actor.sensitivities)
        and (branch is None or not actor.own_branch_only or branch == actor.branch)
    )


def require_verb(actor: Principal, verb: Verb) -> None:
    """Raise Forbidden unless the actor's role includes the verb."""
    if not may(actor, verb):
        raise Forbidden


class Rights(msgspec.Struct, frozen=True):
    """The papers that exist for a reader: those of these type codes and, when `branch` is given, of that branch only
    (I12)."""

    types: list[str]
    branch: str | None = None

    def may_see(self, type_code: str, branch: str) -> bool:
        """True if a paper of this type and branch exists for the reader."""
        return type_code in self.types and self.branch in (None, branch)


NO_RIGHTS = Rights([])
"""Rights of a reader for whom no paper exists."""


def rights_of(actor: Principal, types: Iterable[DocumentType]) -> Rights:
    """The Rights of an actor, for the WHERE clause of every read: a paper that a caller may not see does not exist for
    it."""
    codes = [t.code for t in types if t.definition.sensitivity in actor.sensitivities]
    return Rights(codes, actor.branch if actor.own_branch_only else None)
