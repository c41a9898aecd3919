"""Every refusal of the archive. web/problems.py maps them to HTTP, service/exits.py to exit codes.

A refusal has a slug (stable, part of the contract), a title, and a sentence that a desk worker can act on. Sentences
are message ids for gettext: `N_` marks them; the edge translates them and fills in `values`.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, ClassVar
from uuid import UUID


def N_(message: str) -> str:
    """Mark a message for translation without translating it here."""
    return message


class Refusal(Exception):
    """The root of all refusals, for catching only. `values` fill the sentence; `extra` are further members of the
    problem."""

    slug: ClassVar[str]
    title: ClassVar[str]
    sentence: ClassVar[str]

    def __init__(self, *, extra: dict[str, Any] | None = None, **values: Any) -> None:
        self.values = values
        self.extra = extra or {}
        super().__init__(self.sentence.format_map(_Lenient(values)))


class _Lenient(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


class FieldError(Exception):
    """One wrong field, by its name in the domain: `signature_date`, `mandate.iban`, `card_numbers.3`; an empty name is
    the whole entry. The doors know where in a request it stood (web/pointers.py)."""

    def __init__(self, field: str, detail: str, **values: Any) -> None:
        self.field, self.detail, self.values = field, detail, values
        super().__init__(f"{field}: {detail.format_map(_Lenient(values))}")


class MalformedRequest(Refusal):
    slug = "malformed-request"
    title = N_("The request cannot be read")
    sentence = N_("The request cannot be read: {reason}.")


class Unauthenticated(Refusal):
    slug = "unauthenticated"
    title = N_("Sign in first")
    sentence = N_("Send a valid token, or sign in again.")


class SignInFailed(Unauthenticated):
    """The name or the password is wrong; the answer does not say which."""

    title = N_("Not signed in")
    sentence = N_("The user name or the password is wrong.")


class IdentityNotProven(Unauthenticated):
    """The identity provider's answer does not match the request, or does not come from the provider."""

    title = N_("Not signed in")
    sentence = N_("Signing in with your library account was not completed. Try again.")


class IdentityUnknown(Unauthenticated):
    """The identity provider knows the person, the archive does not."""

    title = N_("Not signed in")
    sentence = N_("Your library account is not a user of this archive. Ask its operator to add you.")


class Forbidden(Refusal):
    slug = "forbidden"
    title = N_("Not allowed")
    sentence = N_("Your role does not allow this. Ask a supervisor.")


class ForeignPage(Forbidden):
    """A browser sent the session cookie with a request from a page of another origin."""

    sentence = N_("Another page sent this request. Open the archive and repeat the action there.")


class AuthorizationOutOfReach(Forbidden):
    """The change would affect the paper's authorization, which this caller may not see."""

    sentence = N_("This paper belongs to an authorization that you may not change. Ask the branch that issued it.")


class PasswordMustBeChanged(Forbidden):
    """Another person made the password; it is valid for one sign-in."""

    sentence = N_("Choose a password of your own first.")


class NotFound(Refusal):
    slug = "not-found"
    title = N_("Not found")
    sentence = N_("This does not exist, or you are not allowed to see it.")


class MethodNotAllowed(Refusal):
    slug = "method-not-allowed"
    title = N_("Method not allowed")
    sentence = N_("This address does not accept that method.")


class NotAcceptable(Refusal):
    slug = "not-acceptable"
    title = N_("No such representation")
    sentence = N_("The archive cannot answer in a form that the request accepts.")


class RequestTimeout(Refusal):
    slug = "request-timeout"
    title = N_("The request took too long")
    sentence = N_("The rest of the request did not arrive in time. Nothing was stored; try again.")


class SlowUploadStopped(RequestTimeout):
    """All places for uploads were taken, and this one came most slowly while somebody else waited."""

    sentence = N_("The upload was slow while others waited, so it was stopped. Nothing was stored; try again.")


class LengthRequired(Refusal):
    slug = "length-required"
    title = N_("Content-Length is required")
    sentence = N_("Send the request with a Content-Length; chunked bodies are not accepted.")


class PreconditionFailed(Refusal):
    slug = "precondition-failed"
    title = N_("Someone else changed it")
    sentence = N_("This was changed since you read it (now version {version}). Read it again, then decide.")


class ContentTooLarge(Refusal):
    slug = "content-too-large"
    title = N_("Too large")
    sentence = N_("The upload is larger than the limit of {limit_bytes} bytes. Make the file smaller or split it.")


class UnsupportedMediaType(Refusal):
    slug = "unsupported-media-type"
    title = N_("Type of request body not supported")
    sentence = N_("This address does not accept that type of body: {reason}.")


class RangeNotSatisfiable(Refusal):
    slug = "range-not-satisfiable"
    title = N_("Range outside the content")
    sentence = N_("The content has {size_bytes} bytes; the requested range lies outside.")


class ValidationFailed(Refusal):
    slug = "validation-failed"
    title = N_("Some fields are wrong")
    sentence = N_("Correct the fields named below and send it again.")

    def __init__(self, *errors: FieldError, extra: dict[str, Any] | None = None) -> None:
        self.errors = errors
        super().__init__(extra=extra)


class PreconditionRequired(Refusal):
    slug = "precondition-required"
    title = N_("If-Match is required")
    sentence = N_("Send If-Match with the ETag of the version you read.")


class TooManyRequests(Refusal):
    slug = "too-many-requests"
    title = N_("Too many requests")
    sentence = N_("Wait {retry_after_seconds} seconds, then try again.")


class InternalError(Refusal):
    """A fault of the archive, not of the request; the edge answers it for every unexpected exception."""

    slug = "internal-error"
    title = N_("Something went wrong here")
    sentence = N_(
        "An error occurred in the archive. Give the operator the trace id; unconfirmed changes are not stored."
    )


class Unavailable(Refusal):
    slug = "unavailable"
    title = N_("Not available just now")
    sentence = N_("The archive cannot answer just now. Nothing was lost; try again in a moment.")


class ViewPaused(Refusal):
    slug = "view-paused"
    title = N_("Paused by an operator")
    sentence = N_(
        "An operator has paused the view that this answer is read from, and it lacks what you asked for, such as your"
        " latest change. Nothing was lost. Try again after it is resumed."
    )


class InsufficientStorage(Refusal):
    slug = "insufficient-storage"
    title = N_("The disk is full")
    sentence = N_("There is too little room to store this safely. Nothing was stored; tell the operator.")


class FileEmpty(Refusal):
    slug = "file-empty"
    title = N_("The file is empty")
    sentence = N_("The file has no content. Choose another file.")


class FileTypeNotAllowed(Refusal):
    slug = "file-type-not-allowed"
    title = N_("File type not accepted")
    sentence = N_("This file type ({found}) is not accepted. Save the file as PDF and try again.")

    def __init__(self, *, extra: dict[str, Any] | None = None, **values: Any) -> None:
        """`found` is a member of the problem too, because screens have their own names for some file types."""
        super().__init__(extra={**values, **(extra or {})}, **values)


class PageTypeNotAllowed(FileTypeNotAllowed):
    """A page of a scan has the wrong file type; a PDF is not accepted either."""

    sentence = N_("A page has to be a picture, such as JPEG, PNG or TIFF. This is {found}.")


class FileDamaged(Refusal):
    slug = "file-damaged"
    title = N_("The file is damaged")
    sentence = N_("The file cannot be read completely. Create it again or choose another file.")


class FilePasswordProtected(Refusal):
    slug = "file-password-protected"
    title = N_("The file has a password")
    sentence = N_("This document type does not allow files with a password. Remove the password and try again.")


class FileTooManyPixels(Refusal):
    slug = "file-too-many-pixels"
    title = N_("The picture is too large")
    sentence = N_(
        "The file has more pixels, frames or pages than are allowed. Scan it at a lower resolution or split it."
    )


class DuplicateContent(Refusal):
    slug = "duplicate-content"
    title = N_("This customer already has this file")
    sentence = N_("The same content is already in this customer's documents. Open the earlier one, or add it anyway.")


class CustomerUnknown(Refusal):
    slug = "customer-unknown"
    title = N_("Unknown customer")
    sentence = N_("There is no customer with this number. Search for the customer first.")


class CustomerErased(Refusal):
    slug = "customer-erased"
    title = N_("Customer erased")
    sentence = N_("The personal data of this customer was erased. Nothing can be added.")


class PaperDestroyed(Refusal):
    slug = "paper-destroyed"
    title = N_("This paper was destroyed")
    sentence = N_("Its retention has ended and the paper was destroyed. Its history shows when and under which rule.")


class ApprovalMissing(Refusal):
    slug = "approval-missing"
    title = N_("Not approved yet")
    sentence = N_("A rule of this list asks for the approval of a second person. Ask a colleague to approve it first.")


class ApprovalByProposer(Refusal):
    slug = "approval-by-proposer"
    title = N_("A second person approves")
    sentence = N_("You proposed this list yourself. Ask a colleague to approve it.")


class DocumentTypeUnknown(Refusal):
    slug = "document-type-unknown"
    title = N_("Unknown document type")
    sentence = N_("There is no document type {type}. Choose one from the list.")


class DocumentTypeInactive(Refusal):
    slug = "document-type-inactive"
    title = N_("Document type switched off")
    sentence = N_("The document type {type} is switched off. Choose another.")


class SourceNotAllowed(Refusal):
    slug = "source-not-allowed"
    title = N_("Source not allowed for this type")
    sentence = N_("The document type {type} does not allow the source {source}. Choose another source or type.")

    # The names of the sources, as in docs/domain.md §2.
    sources: ClassVar[dict[str, str]] = {"scan": N_("Scan page"), "file": N_("Select file"), "none": N_("No upload")}

    def __init__(self, *, source: str, **values: Any) -> None:
        super().__init__(source=self.sources[source], **values)


class ScanCodeUnknown(Refusal):
    slug = "scan-code-unknown"
    title = N_("Unknown scan code")
    sentence = N_("No form was issued with this scan code. Compare it with the paper.")


class ScanCodeMalformed(Refusal):
    slug = "scan-code-malformed"
    title = N_("The scan code is mistyped")
    sentence = N_(
        "A character of the scan code is wrong, missing or swapped. Compare it with the paper, group by group."
    )


class ScanCodeTaken(Refusal):
    slug = "scan-code-taken"
    title = N_("Scan code already used")
    sentence = N_("This scan code already belongs to another authorization. A code is never used again.")


class ScanCodeRedeemed(Refusal):
    slug = "scan-code-redeemed"
    title = N_("Already archived")
    sentence = N_(
        "The paper of this scan code is already archived. Open it; a better scan becomes a new version of its content."
    )


class ScanCodeOtherCustomer(Refusal):
    slug = "scan-code-other-customer"
    title = N_("The scan code belongs to another customer")
    sentence = N_(
        "The form with this scan code was issued for another customer. Check the code, or search for the customer."
    )


class CheckRequired(Refusal):
    slug = "check-required"
    title = N_("Check the scan code first")
    sentence = N_("This code was not checked, was checked too long ago, or was changed since. Check it again.")


class AuthorizationNotActive(Refusal):
    """The authorization is not active. `extra` holds its status, and its evidence when there is some."""

    slug = "authorization-not-active"
    title = N_("The authorization is not active")
    sentence = N_("The authorization of this scan code is not active.")
    sentences: ClassVar[dict[str, str]] = {
        "issued": N_("The form was issued, but it was never signed. Archive the signed form first."),
        "suspended": N_("The authorization of this scan code is suspended. Resume it first, or ask a supervisor."),
        "revoked": N_("The customer has revoked this authorization. Issue a new form if it is wanted again."),
        "expired": N_("The authorization of this scan code has expired. Issue a new form."),
        "superseded": N_("The authorization of this scan code was replaced by a newer one. Use the form of that one."),
        "cancelled": N_("The form with this scan code was cancelled. Issue a new form."),
        "destroyed": N_("The authorization of this scan code was destroyed after its retention. Issue a new form."),
    }

    def __init__(self, authorization_status: str, *, evidence: object = None) -> None:
        existing = {"existing": str(evidence)} if evidence else {}
        super().__init__(extra={"authorization_status": authorization_status, **existing})
        self.sentence = self.sentences[authorization_status]  # type: ignore[misc]  # the sentence of this status


class IbanInvalid(Refusal):
    slug = "iban-invalid"
    title = N_("The IBAN is wrong")
    sentence = N_("The IBAN has a wrong check number, length or country. Compare it with the paper.")


class MandateExists(Refusal):
    slug = "mandate-exists"
    title = N_("An active mandate exists")
    sentence = N_("The customer already has an active mandate for this account and creditor.")


class MandateReferenceTaken(Refusal):
    slug = "mandate-reference-taken"
    title = N_("Mandate reference already used")
    sentence = N_("This mandate reference already belongs to another mandate. Use another.")


class CollectionPresented(Refusal):
    slug = "collection-presented"
    title = N_("A collection was presented")
    sentence = N_(
        "A collection was presented under this mandate, so its paper or record must stay. Revoke the mandate, or ask a"
        " supervisor to replace the content."
    )


class IllegalTransition(Refusal):
    slug = "illegal-transition"
    title = N_("Not possible in this state")
    sentence = N_("This cannot be done while it is {state}.")

    # The names of states in the sentence: those of docs/domain.md §3, and of scan sessions and users.
    states: ClassVar[dict[str, str]] = {
        "archived": N_("archived"),
        "withdrawn": N_("withdrawn"),
        "issued": N_("issued and not signed"),
        "active": N_("active"),
        "suspended": N_("suspended"),
        "revoked": N_("revoked"),
        "expired": N_("expired"),
        "superseded": N_("superseded"),
        "cancelled": N_("cancelled"),
        "destroyed": N_("destroyed"),
        "incomplete": N_("without its collection data"),
        "awaiting_confirmation": N_("waiting for confirmation"),
        "scanning": N_("being scanned"),
        "review": N_("being reviewed"),
        "failed": N_("interrupted"),
        "disabled": N_("disabled"),
        "proposed": N_("proposed and not approved"),
        "approved": N_("approved"),
        "done": N_("done"),
    }

    def __init__(self, *, state: str) -> None:
        super().__init__(extra={"state": state}, state=self.states[state])


class UnderLegalHold(Refusal):
    """A hold covers the paper or the customer. `holds`: the ids of these holds."""

    slug = "under-legal-hold"
    title = N_("Under a legal hold")
    sentence = N_("A legal hold keeps this, so it is neither destroyed nor erased. A supervisor can lift the hold.")

    def __init__(self, *, holds: Sequence[UUID]) -> None:
        super().__init__(extra={"holds": [str(hold) for hold in holds]})


class RetentionNotReached(Refusal):
    """The retention rule still keeps the paper. `kept_until`: its last day; None while that day is not known."""

    slug = "retention-not-reached"
    title = N_("To be kept longer")
    sentence = N_("The rule of its document type keeps this paper until {kept_until}. Destroy it after that day.")
    undated = N_("The event that starts its retention has not happened yet, so this paper is kept.")

    def __init__(self, *, kept_until: date | None) -> None:
        day = kept_until.isoformat() if kept_until else None
        super().__init__(extra={"keep_until": day}, kept_until=day)
        if kept_until is None:
            self.sentence = self.undated  # type: ignore[misc]  # the sentence of this case


class LapseStands(Refusal):
    """The authorization would lapse again at once. `on`: the first day on which it had ended, counted again today."""

    slug = "lapse-stands"
    title = N_("The authorization has ended by today's date too")
    sentence = N_("By today's date the authorization ended on {on}, so it would end again at once. Issue a new form.")

    def __init__(self, *, on: date) -> None:
        super().__init__(extra={"on": on.isoformat()}, on=on.isoformat())


class EvidenceChanged(Refusal):
    slug = "evidence-changed"
    title = N_("The paper has changed meanwhile")
    sentence = N_(
        "After the authorization ended, its only paper was withdrawn, or restored to a form without a signature."
        " Restore the paper first, or issue a new form."
    )


class EvidenceAttachedSince(Refusal):
    slug = "evidence-attached"
    title = N_("The paper is archived")
    sentence = N_("The paper of this authorization is archived. Withdraw that document first if it is wrong too.")


class ScannerBusy(Refusal):
    slug = "scanner-busy"
    title = N_("The scanner is in use")
    sentence = N_("Another person is using this scanner. Wait a moment, or choose another scanner.")


class ScannerOffline(Refusal):
    slug = "scanner-offline"
    title = N_("The scanner does not answer")
    sentence = N_("The scanner or its station cannot be reached. Check that both are on, or choose another scanner.")


class ScannerJammed(Refusal):
    slug = "scanner-jammed"
    title = N_("Paper jam")
    sentence = N_("A sheet is stuck in the scanner. Take it out and continue; the pages before it are kept.")


class ScannerCoverOpen(Refusal):
    slug = "scanner-cover-open"
    title = N_("The cover is open")
    sentence = N_("Close the cover of the scanner and scan again; the pages before it are kept.")


class ScannerOutOfPaper(Refusal):
    slug = "scanner-out-of-paper"
    title = N_("No paper in the feeder")
    sentence = N_("Put the sheets into the feeder and scan again.")


class ScannerFailed(Refusal):
    slug = "scanner-failed"
    title = N_("The scanner stopped")
    sentence = N_("The scanner stopped before it had finished. The scanned pages are kept; scan the others again.")


class ScannerTooManyPages(Refusal):
    slug = "scanner-too-many-pages"
    title = N_("Too many pages")
    sentence = N_("This scan has reached its maximum number of pages. Archive them, then scan the rest.")


class IdempotencyKeyReused(Refusal):
    slug = "idempotency-key-reused"
    title = N_("Idempotency-Key used for another request")
    sentence = N_("This Idempotency-Key was already used for a different request. Use a new key.")


class IdempotencyInFlight(Refusal):
    slug = "idempotency-in-flight"
    title = N_("The same request is still in progress")
    sentence = N_("A request with this Idempotency-Key is still being stored. Try again in a moment.")


class ExternalIdTaken(Refusal):
    slug = "external-id-taken"
    title = N_("External id already used")
    sentence = N_("Another document or authorization already has this external id.")


def all_refusals() -> list[type[Refusal]]:
    """All refusals in the order of this file: for the problem pages, openapi.json and the tests."""
    return list(Refusal.__subclasses__())
