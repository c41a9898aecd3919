"""Maps errors to the exit code and message of a command; __main__.py uses it. The codes are part of the contract
(README): 0 ok, 1 failed, 2 usage, 3 not found, 4 not allowed, 5 conflict, 6 verification found differences, 7 partly
done, 75 try again, 130 interrupted."""

import traceback

from domain.administration import NameTaken
from domain.refusals import FieldError, NotFound, Refusal, Unavailable, ValidationFailed

OK, FAILED, USAGE, NOT_FOUND, NOT_ALLOWED, CONFLICT, DIFFERENT, PARTLY = range(8)
TRY_AGAIN = 75
INTERRUPTED = 130

CODES = {
    "method-not-allowed": FAILED,
    "not-acceptable": FAILED,
    "length-required": FAILED,
    "content-too-large": FAILED,
    "unsupported-media-type": FAILED,
    "range-not-satisfiable": FAILED,
    "precondition-required": FAILED,
    "internal-error": FAILED,
    "file-type-not-allowed": FAILED,
    "malformed-request": USAGE,
    "validation-failed": USAGE,
    "file-empty": USAGE,
    "file-damaged": USAGE,
    "file-password-protected": USAGE,
    "file-too-many-pixels": USAGE,
    "document-type-inactive": USAGE,
    "source-not-allowed": USAGE,
    "scan-code-malformed": USAGE,
    "iban-invalid": USAGE,
    "scanner-too-many-pages": USAGE,
    "idempotency-key-reused": USAGE,
    "not-found": NOT_FOUND,
    "customer-unknown": NOT_FOUND,
    "customer-erased": NOT_FOUND,
    "paper-destroyed": NOT_FOUND,
    "document-type-unknown": NOT_FOUND,
    "scan-code-unknown": NOT_FOUND,
    "unauthenticated": NOT_ALLOWED,
    "forbidden": NOT_ALLOWED,
    "precondition-failed": CONFLICT,
    "duplicate-content": CONFLICT,
    "scan-code-taken": CONFLICT,
    "scan-code-redeemed": CONFLICT,
    "scan-code-other-customer": CONFLICT,
    "check-required": CONFLICT,
    "authorization-not-active": CONFLICT,
    "mandate-exists": CONFLICT,
    "mandate-reference-taken": CONFLICT,
    "collection-presented": CONFLICT,
    "illegal-transition": CONFLICT,
    "approval-missing": CONFLICT,
    "approval-by-proposer": CONFLICT,
    "under-legal-hold": CONFLICT,
    "retention-not-reached": CONFLICT,
    "lapse-stands": CONFLICT,
    "evidence-attached": CONFLICT,
    "evidence-changed": CONFLICT,
    "scanner-busy": CONFLICT,
    "external-id-taken": CONFLICT,
    "request-timeout": TRY_AGAIN,
    "too-many-requests": TRY_AGAIN,
    "unavailable": TRY_AGAIN,
    "view-paused": TRY_AGAIN,
    "insufficient-storage": TRY_AGAIN,
    "scanner-offline": TRY_AGAIN,
    "scanner-jammed": TRY_AGAIN,
    "scanner-cover-open": TRY_AGAIN,
    "scanner-out-of-paper": TRY_AGAIN,
    "scanner-failed": TRY_AGAIN,
    "idempotency-in-flight": TRY_AGAIN,
}
"""The exit code of every refusal, by its slug."""


class CommandFailed(Exception):
    """A command cannot do its work: exit code and message."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def ending_of(error: Exception) -> tuple[int, str]:
    """The exit code and message for an error: never a traceback, never a text that could name a person."""
    match error:
        case CommandFailed():
            return error.code, str(error)
        case NotFound():  # its own sentence is about rights, which commands do not check
            return NOT_FOUND, "nothing has this name or id"
        case NameTaken():
            return CONFLICT, field_words(error.errors[0])
        case ValidationFailed():
            return USAGE, "; ".join(field_words(wrong) for wrong in error.errors) or str(error)
        case Unavailable() if error.__cause__ is not None:
            return (
                _ending_of_unexpected(error.__cause__)
                if isinstance(error.__cause__, Exception)
                else (TRY_AGAIN, str(error))
            )
        case Refusal():
            return CODES[error.slug], str(error)
        case FieldError():
            return USAGE, field_words(error)
    return _ending_of_unexpected(error)


def field_words(error: FieldError) -> str:
    """A field's error as `name: is too long`; of a nested field the innermost name."""
    _, _, detail = str(error).partition(": ")
    return f"{error.field.rpartition('.')[2]}: {detail}"


def _ending_of_unexpected(error: Exception) -> tuple[int, str]:
    """The ending for errors of other rooms. They are imported here, because most commands end well and should start
    fast."""
    import psycopg
    from psycopg_pool import PoolTimeout

    from domain.ports import VersionConflict
    from migrations.files import MigrationError
    from service.belonging import KeysLost, OtherArchive, StoreUnfit
    from service.causes import database_cause
    from service.connections import TooFewConnections
    from service.csv_lines import FileUnreadable
    from service.database import ServerUnfit
    from service.ports import PortTaken, PortUnfit
    from service.prepare import HomeUnfit
    from service.restore import HomeTaken
    from service.serve import AlreadyServed, WallsMissing
    from service.settings import SettingsError
    from store.backups import BackupBusy, BackupDamaged, BackupForeign, BackupUnfit
    from store.content_sweeper import SweepRefused
    from store.dumps import DumpFailed
    from store.key_encryption import KeyUnfit
    from store.postgres import PostgresError

    match error:
        case SettingsError():
            return USAGE, str(error)
        case AlreadyServed() | PortTaken() | OtherArchive() | BackupForeign() | HomeTaken():
            return CONFLICT, str(error)
        case BackupDamaged():
            return DIFFERENT, str(error)
        case BackupBusy():
            return TRY_AGAIN, str(error)
        case BackupUnfit() | DumpFailed():
            return FAILED, str(error)
        case VersionConflict():
            return CONFLICT, "somebody else changed the same thing at the same time; try again"
        case MigrationError() | PostgresError() | FileUnreadable() | KeysLost() | SweepRefused():
            return FAILED, str(error)
        case TooFewConnections() | ServerUnfit():
            return FAILED, str(error)
        case PortUnfit() | HomeUnfit() | StoreUnfit() | KeyUnfit() | WallsMissing():
            return FAILED, str(error)
        case psycopg.errors.InsufficientPrivilege():
            return NOT_ALLOWED, "the database login may not do this"
        case psycopg.OperationalError() | PoolTimeout():
            return TRY_AGAIN, database_cause(error)
    return FAILED, f"an error in the program itself: {type(error).__name__} at {_place_of(error)}"


def _place_of(error: Exception) -> str:
    """File and line of the error, for a bug report: the message of an unknown error could name a person, a place
    cannot."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return f"{'/'.join(last[0].filename.split('/')[-2:])}:{last[0].lineno}" if last else "an unknown place"
