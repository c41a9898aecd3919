"""Describes the fields of the contract for openapi.json: text, example and closed list of values, by field name.

A field has one meaning in all structs, unless an entry `Struct.field` overrides it.
"""

from collections.abc import Iterable
from typing import Any

from domain.access import Role
from domain.authorization import AuthorizationStatus
from domain.customer import CustomerKind, CustomerStatus
from domain.document import DocumentStatus
from domain.scan_session import ScanState
from domain.values import Kind, ScannerSource, Source
from web.openapi import NOTHING, Meaning

SCANNER_STATES = ("ready", "busy", "offline", "jammed", "cover_open", "out_of_paper")


def means(text: str, example: Any = NOTHING, values: Iterable[str] | None = None) -> Meaning:
    return Meaning(text, example, None if values is None else tuple(map(str, values)))


PAPER = "0193573b-8e1d-7c40-9f35-2f1f6a4b9c11"
OTHER_PAPER = "0193573c-03a2-7d11-8a6e-91c0f4f5d2ab"
AT = "2026-11-24T09:30:11.123Z"
DAY = "2026-11-24"
CODE = "L7K2-Q9XT-4M"
IBAN = "NL91ABNA0417164300"

MEANINGS: dict[str, Meaning] = {
    "action": means("What was done: the event's name without its version.", "document-archived"),
    "AccessItem.action": means("What was done.", "content"),
    "active": means("Whether papers of this type may be added now; false switches the type off. Default true.", True),
    "actor": means("The user or token that made the change.", "j.smit"),
    "after": means("The changed fields as they were afterwards.", {"note": "from Rotterdam"}),
    "approval": means("Whether a person approves a disposal under this rule. Default false.", False),
    "as_of": means("The instant that the request's `as_of` named; null without one."),
    "asked_at": means("When it was requested.", AT),
    "at": means("When it happened.", AT),
    "Instant.at": means("The first moment at which the log had this position; null before the first event.", AT),
    "authorization": means("The authorization, as a row of the list."),
    "AccessItem.authorization": means("Id of the authorization that was read, if any.", PAPER),
    "authorizations": means("The number of authorizations in the list, including mandates.", 2),
    "backs": means(
        "The second-last pass scanned the fronts of the sheets, the last pass their backs: `as_scanned` in the same "
        "order, `reversed` when the whole stack was turned over.",
        "reversed",
    ),
    "before": means("The changed fields as they were before.", {"note": None}),
    "begun_at": means("When work on it began; null while it waits.", AT),
    "bic": means("BIC of the account's bank.", "ABNANL2A"),
    "AmendBody.bic": means("BIC of the account's bank; null removes it.", "ABNANL2A"),
    "birth_date": means("Date of birth.", "1990-02-03"),
    "blanks": means("Numbers of blank pages.", [4]),
    "branch": means("Code of the branch it belongs to.", "CENTRAL"),
    "by": means("Id of the authorization that takes its place.", OTHER_PAPER),
    "capacity_years": means("Age from which a customer signs alone; null: the type has no such rule.", 16),
    "card_numbers": means(
        "Numbers of the customer's library cards; each belongs to one customer. Default none.", ["1234567"]
    ),
    "changed_at": means("When the session was last changed.", AT),
    "check_token": means(
        "Proof of a Check, valid for ten minutes and for the caller that checked the code.", "q3V0bHkK"
    ),
    "code": means("Code of the document type.", "LETTER"),
    "collection": means("Collection data of a mandate; null for other authorizations."),
    "complete": means("Whether everything was counted or listed; false: there are more.", True),
    "CollectionAnswer.complete": means(
        "Whether IBAN and signature date are known, so that money can be collected.", True
    ),
    "CollectionState.complete": means(
        "Whether IBAN and signature date are known, so that money can be collected; null when it is no mandate.", True
    ),
    "content_free_bytes": means("Free space where contents are stored, in bytes.", 52_428_800_000),
    "content_version": means("Number of the content, from 1; replacing the content raises it.", 1),
    "creditor_id": means("SEPA creditor identifier. Default: the institution's.", "NL98ZZZ999999990000"),
    "customer": means("Id of the customer in the library system.", "100234"),
    "SummaryAnswer.customer": means("The customer."),
    "FormAnswer.customer": means("The customer."),
    "CheckAnswer.customer": means("The customer, to be compared with the person and the card."),
    "CustomerItemList.customer": means("The customer."),
    "customer_name": means("Name of the customer.", "Jan de Vries"),
    "data": means("The event's fields, with `actor` and `branch`; personal fields only for callers who may see them."),
    "datacontenttype": means("Media type of `data`.", "application/json"),
    "debtor_name": means("Name of the account holder.", "J. de Vries"),
    "degrees": means("Rotation of the page in degrees, clockwise.", 90),
    "detail": means("What is wrong and what to do, in the caller's language."),
    "document": means("Id of the document that was read, if any.", PAPER),
    "documents": means("The number of documents in the list.", 5),
    "ScanItem.documents": means("Ids of the documents that pages of the session became.", [PAPER]),
    "SplitItem.documents": means("The documents that the pages seem to be."),
    "done": means("Number of `total` that are done.", 120),
    "dpi": means("Resolution in dots per inch; null when the image does not say.", 300),
    "due_on": means("Day on which the direct debit is due; at most a year after `presented_on`.", DAY),
    "duplicate": means("`allow` adds it although this customer already has the same content.", "allow"),
    "effective_on": means("Day from which the revocation counts; default the day of receipt.", DAY),
    "ended_at": means("When it ended; null until then.", AT),
    "ends_at": means("When the session ends; null for a token.", AT),
    "ends_on": means("First day on which the authorization has ended by the calendar.", DAY),
    "error_type": means("Type of the error that the view met.", "KeyError"),
    "errors": means("What is wrong with single fields; only in `validation-failed`."),
    "events_by_minute": means("Events of each of the last sixty minutes, the present minute last.", [0, 3, 1]),
    "evidence": means("Id of the document that is the authorization's evidence; null without one.", OTHER_PAPER),
    "evidence_of": means(
        "Id of the authorization that this document is the evidence of; null for other documents.", None
    ),
    "existing": means("Id of the existing paper that prevents the change, for callers who may see it.", PAPER),
    "ReportBody.event": means(
        "What happened. `returned`: the customer is a customer again, or an earlier report was a mistake.",
        "left",
        ("deceased", "left", "deleted_in_source", "returned"),
    ),
    "external_id": means("The caller's own id of the paper, unique in the archive.", "erp-4711"),
    "file_name": means("Name of the uploaded file; null without one.", "letter.pdf"),
    "first_page": means("Number of the first page of this pass.", 1),
    "flags": means("Risks that were found in the file, such as scripts.", []),
    "form": means("Address of the printable form.", f"/v1/forms/{PAPER}.pdf"),
    "found": means("Media type that was found in the file.", "application/zip"),
    "ground": means("Legal ground for keeping a copy of a paper that is only verified.", "court order 12/34"),
    "has_previous": means("Whether the view can be rolled back to its state before the last rebuild.", False),
    "height_px": means("Height in pixels.", 3508),
    "held": means("Whether the paper original is kept.", True),
    "authorization_status": means(
        "Status of the authorization that prevents the change.", "revoked", AuthorizationStatus
    ),
    "holder": means("Who uses the scanner.", "j.smit"),
    "hold": means("Whether a legal hold keeps the paper or its customer from disposal.", False),
    "home_branch": means("Code of the customer's branch.", "CENTRAL"),
    "iban": means("IBAN of the account.", IBAN),
    "Mandate.iban": means("IBAN of the account; masked for callers who may not amend it.", "NL91 **** 4300"),
    "id": means("Id, a UUID version 7.", PAPER),
    "CustomerAnswer.id": means("Id of the customer in the library system.", "100234"),
    "OwnScanner.id": means("The station's own name of the scanner.", "flatbed"),
    "ScannerItem.id": means("Id of the scanner: station and scanner.", "desk-1:flatbed"),
    "CloudEvent.id": means("Position of the event in the log.", "412"),
    "instance": means("Path of the request.", "/v1/documents"),
    "items": means("The items of this page."),
    "keep_until": means("Day until which the type's rule keeps the paper; null while that is not known.", "2033-12-31"),
    "keys_off": means("Whether the user has switched single-key shortcuts off.", False),
    "kind": means("Kind of paper.", "document", Kind),
    "CustomerBody.kind": means("Person or organisation. Default person.", "person", CustomerKind),
    "CustomerAnswer.kind": means("Person or organisation.", "person", CustomerKind),
    "AccessItem.kind": means(
        "Kind of list (`papers` of a customer, `words` in them, `ending`, `originals`) or of search (`name`, "
        "`number`, `birth-date`, `external-id`); `stream`: the feed; otherwise null. Never the text that was typed.",
        "papers",
    ),
    "TypeAnswer.kind": means("Kind of the type's papers.", "document"),
    "TypeBody.kind": means("Kind of the type's papers.", "document"),
    "TaskBody.kind": means("The task to queue.", "rebuild"),
    "TaskItem.kind": means("The task that was queued.", "rebuild"),
    "Subject.kind": means("Kind of the subject.", "document"),
    "Subject.id": means("Its id; the code of a document type, the name of a user or token.", PAPER),
    "Subject.label": means("Label of the type that the paper has today.", "Letter"),
    "label": means("Label in the caller's language.", "Letter"),
    "labels": means("Labels by language; English (`en`) is required.", {"en": "Letter", "nl": "Brief"}),
    "lag": means("How many events the view has not processed yet.", 0),
    "language": means("Language: `en`, `nl` or `de`; null: the caller's.", "nl"),
    "last_collection_on": means("Due day of the last collection; null before the first.", DAY),
    "AuthorizationBody.last_collection_on": means(
        "Due day of the last collection that was made before the mandate came to this archive.", DAY
    ),
    "legal_basis": means("The law or rule behind the retention.", "AWR art. 52"),
    "linked_customers": means("Ids of further customers that a joint document is shown with.", []),
    "mandate": means("Collection data, for the type of a SEPA mandate."),
    "AuthorizationItem.mandate": means("Collection data; null when it is no mandate."),
    "mandate_reference": means("Unique mandate reference; default: the archive makes one.", "DOS-0193573B"),
    "media_type": means("Media type found from the content; null without a file.", "application/pdf"),
    "media_types": means(
        "Media types that the type accepts; empty: all that the archive accepts.", ["application/pdf"]
    ),
    "moments": means("Moments, newest first, each once.", [AT]),
    "months": means("Months after the trigger.", 84),
    "must_change_password": means("Whether the user has to choose a new password first.", False),
    "AccessItem.page": means("Number of the page that was read as an image; otherwise null.", 1),
    "AccessItem.scan_session": means("Id of the scan session whose page was read; otherwise null.", PAPER),
    "n": means("Number of the page, from 1.", 1),
    "name": means("Name.", "Jan de Vries"),
    "StationItem.name": means("Name of the station.", "desk-1"),
    "OwnScanner.name": means("Name for people.", "Flatbed at desk 1"),
    "ScannerItem.name": means("Name for people.", "Flatbed at desk 1"),
    "new": means("The new password."),
    "next": means("The `cursor` of the next page; null on the last page. Also in the header Link.", None),
    "CloudEventList.next": means("The `after` of the next page; null when there is nothing more yet.", None),
    "note": means("Note of staff about the paper.", "from Rotterdam"),
    "DescribeBody.note": means("The new note; null removes it.", "from Rotterdam"),
    "number_suffix": means("Last characters of the paper's number.", "4711"),
    "occurred_at": means("When it happened, if it was recorded later.", AT),
    "of_age": means(
        "Whether the customer signs alone today by the type's age rule; null without a rule or a known birth date.",
        True,
    ),
    "old": means("The current password; may be left out right after signing in with a one-time password."),
    "ReportBody.on": means("The day on which it happened; not in the future.", DAY),
    "original": means("Whether the paper original is kept, and where."),
    "original_held": means("Whether the paper original is kept.", False),
    "outcome": means("Outcome of the direct debit.", "paid"),
    "pages": means("Number of pages; null when it is not known.", 2),
    "ScanItem.pages": means("The pages, in their order."),
    "SessionItem.pages": means("Number of pages.", 2),
    "SplitDocument.pages": means("Numbers of the pages.", [1, 2]),
    "ArchiveScanBody.pages": means("Numbers of the pages, in the order of the document; default all.", [1, 2]),
    "pages_max": means("Number of pages that the session can still have.", 500),
    "paper": means("The paper that was seen.", "passport"),
    "parked": means("Events that a view could not process."),
    "ViewItem.parked": means("How many events the view could not process.", 0),
    "parked_at": means("When the view parked the event.", AT),
    "pass": means("Number of the pass, from 1.", 1),
    "passes": means("Number of the last pass.", 1),
    "password": means("The password."),
    "password_protected": means("Whether the file needs a password.", False),
    "password_protected_allowed": means("Whether the type accepts files that need a password. Default true.", True),
    "paused": means("Whether the view is paused.", False),
    "per_second": means("Events per second that the view processed in the last minute.", 1.5),
    "pointer": means(
        "A JSON pointer into the body, or `/query/NAME`, `/form/NAME`, `/header/NAME`, `/path/NAME`.", "/form/type"
    ),
    "position": means("Position of the log that the answer reflects.", 412),
    "SavedItem.position": means("Position of the write in the log; others read it with Archive-Min-Position.", 412),
    "FormAnswer.position": means("Position of the write in the log; others read it with Archive-Min-Position.", 412),
    "HistoryItem.position": means("Position of the event in the log.", 412),
    "ParkedItem.position": means("Position of the event in the log.", 412),
    "Instant.position": means("A position of the log.", 412),
    "ViewItem.position": means("Position up to which the view has processed the log.", 412),
    "presented_on": means("Day on which the direct debit was given to the bank.", DAY),
    "preview": means("Whether page images can be made.", True),
    "problem": means("The problem that stopped the last pass; null if there is none."),
    "FinishBody.problem": means(
        "Why the pass stopped, by the problem's name; left out when it ended well.", "scanner-jammed"
    ),
    "profile": means("Scan profile.", "letter"),
    "profiles": means("Scan profiles.", ["letter"]),
    "reads_by_minute": means(
        "Entries of the access log in each of the last sixty minutes, the present minute last.", [0, 2]
    ),
    "reason": means("Reason of the change.", "typing error"),
    "HistoryItem.reason": means("Reason of the change; null for changes without one.", "typing error"),
    "rebuilt_at": means("When the view was last rebuilt.", AT),
    "received_on": means("Day of receipt.", DAY),
    "recorded_at": means("When the archive recorded it.", AT),
    "reference": means("The caller's own reference of the collection.", "2026-11/4711"),
    "repeated": means("Codes that several documents have, such as that of a form that was scanned twice.", []),
    "result": means('The JSON that the command of this name prints, or `{"error": …}`; null until it has ended.'),
    "retention": means("How long papers of the type are kept; null: no rule."),
    "role": means("Role of the caller.", "staff", Role),
    "scan_code": means("Code of an issued form; null without one.", CODE),
    "scan_codes": means("Texts of the QR and Code 128 codes on the page, the archive's own or not.", [CODE]),
    "SplitDocument.scan_codes": means(
        "Codes on the first page: none when no form is recognised, several when a person has to choose.", [CODE]
    ),
    "scanner": means("Id of the scanner; null when the pages come from the caller.", "desk-1:flatbed"),
    "scanners": means("Every scanner that the station has now."),
    "scheme": means("Scheme of codes on imported forms; null: the archive's own."),
    "seen_at": means("When the station last reported.", AT),
    "seen_on": means("Day on which it was seen.", DAY),
    "sensitivity": means("How sensitive papers of the type are; decides who sees them.", "ordinary"),
    "separators": means("Numbers of separator pages.", [3]),
    "sequence_type": means("SEPA sequence type. Default recurring.", "recurring"),
    "sha256": means(
        "SHA-256 of the content in hexadecimal; null without a file.",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ),
    "ScanPage.sha256": means(
        "SHA-256 of the image in hexadecimal.", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    ),
    "due_before": means("Papers that may be destroyed before this day; null: up to today.", DAY),
    "DueItem.due_on": means("First day on which it may be destroyed.", DAY),
    "because": means("The rule: what it counts from, and for how long.", "mandate_end + 14 months"),
    "DueItem.approval": means("Whether the rule asks for the approval of a second person.", False),
    "DisposalBody.types": means("Only papers of these types; null: of all that the caller sees.", ["LETTER"]),
    "DisposalAnswer.state": means("State of the disposal.", "proposed", ("proposed", "approved", "running", "done")),
    "DisposalAnswer.papers": means("Number of papers of the list.", 12),
    "DestroyedPaper.type": means("Code of the paper's type.", "LETTER"),
    "DestroyedPaper.due_on": means("First day on which it could be destroyed.", DAY),
    "DestroyedPaper.contents": means("SHA-256 digests of its sealed contents, in hexadecimal.", []),
    "destroyed_at": means("When it was destroyed.", AT),
    "destroyed_by": means("Who destroyed it.", "j.smit"),
    "disposal": means("Id of the disposal.", PAPER),
    "institution": means("Name of the institution.", "Central library"),
    "proposed_by": means("Who proposed the list.", "j.smit"),
    "proposed_at": means("When the list was proposed.", AT),
    "approved_by": means("Who approved the list; null without an approval.", "m.jansen"),
    "approved_at": means("When the list was approved; null without an approval.", AT),
    "completed_by": means("Who ran the disposal.", "j.smit"),
    "completed_at": means("When the run ended.", AT),
    "Declaration.destroyed": means("The destroyed papers.", []),
    "Declaration.kept": means("The papers of the list that were not destroyed.", []),
    "KeptPaper.paper": means("Id of the paper.", PAPER),
    "KeptPaper.because": means("The refusal that kept it.", "under-legal-hold"),
    "declaration": means("The declaration to read."),
    "statement": means("The signed text: the declaration as JSON. The signature is of its UTF-8 bytes.", "{}"),
    "algorithm": means("The signature algorithm (RFC 8032).", "Ed25519"),
    "signature": means("The signature, in base64.", "ZXhhbXBsZQ=="),
    "public_key": means("The raw public key, in base64.", "ZXhhbXBsZQ=="),
    "proposer": means("Who proposed the list.", "j.smit"),
    "needs_approval": means("Whether a second person has to approve the list.", True),
    "approver": means("Who approved the list; null before.", None),
    "destroyed": means("Number of papers that were destroyed.", 11),
    "kept": means("Number of papers that were not destroyed, because they are held or kept longer by now.", 1),
    "sheets": means(
        "Each sheet as the numbers of its front and back page, or of the one page it has.", [[1, 3], [2, 4]]
    ),
    "shelf_mark": means("Where the paper original is kept.", "B 12"),
    "signature_date": means("Day of the signature.", DAY),
    "signed_on": means("Day of the signature.", DAY),
    "size_bytes": means("Size of the content in bytes; null without a file.", 18_231),
    "source": means("How the paper was added: by scan, as a file, or without an upload.", "file", Source),
    "JobItem.source": means("Part of the scanner to use.", "feeder", ScannerSource),
    "ScanBody.source": means("Part of the scanner to use; default the scanner's first.", "feeder"),
    "ScanItem.source": means("Part of the scanner that is used.", "feeder"),
    "CloudEvent.source": means("Path of the feed.", "/v1/events"),
    "sources": means("Ways in which papers of the type may be added. Default scan and file.", ["scan", "file"]),
    "OwnScanner.sources": means("Parts of the scanner.", ["flatbed"]),
    "ScannerItem.sources": means("Parts of the scanner.", ["flatbed"]),
    "specversion": means("Version of CloudEvents.", "1.0"),
    "started_at": means("When the session began.", AT),
    "state": means("State of the scan session.", "review", ScanState),
    "StationItem.state": means("Whether the station reported within 15 seconds.", "online", ("online", "offline")),
    "ScannerItem.state": means("State of the scanner.", "ready", SCANNER_STATES),
    "OwnScanner.state": means("State of the scanner.", "ready"),
    "station": means("Name of the scan station.", "desk-1"),
    "status": means("Status of the paper.", "archived", dict.fromkeys([*DocumentStatus, *AuthorizationStatus])),
    "CustomerAnswer.status": means("Status of the customer.", "active", CustomerStatus),
    "CollectionAnswer.status": means("Status of the authorization.", "active", AuthorizationStatus),
    "WorkItem.status": means("Status of the authorization.", "active", AuthorizationStatus),
    "AccessItem.status": means("HTTP status of the answer.", 200),
    "ScanProblem.status": means("HTTP status of such a problem.", 503),
    "ScanProblem.title": means("The kind of problem, in the caller's language."),
    "ScanProblem.type": means("Path of the page that explains the problem.", "/problems/scanner-jammed"),
    "Problem.status": means("HTTP status of the answer.", 422),
    "subject": means("The thing that was changed."),
    "ParkedItem.subject": means("Id of the paper, session or type.", PAPER),
    "CloudEvent.subject": means(
        "Id of the document, authorization, scan session or customer; code of a document type; a name.", PAPER
    ),
    "tasks": means("Tasks that operators queued, newest first."),
    "time": means("When the event was recorded.", AT),
    "title": means("Title that people gave the document; null without one.", "Letter about fines"),
    "DescribeBody.title": means("The new title; null removes it.", "Letter about fines"),
    "Problem.title": means("The kind of problem, in the caller's language."),
    "to": means("The new place of the page, from 1.", 2),
    "told": means("The driver's own text, for operators."),
    "topic": means("Name of the event with its version.", "document-archived.v1"),
    "total": means("Number of steps of the task; 0 while it is not known.", 400),
    "trace_id": means("Id of the request; the same as the header Request-Id.", "0af7651916cd43dd8448eb211c80319c"),
    "trigger": means("The event from which the months count.", "validity_end"),
    "type": means("Code of the document type.", "LETTER"),
    "CloudEvent.type": means("Name of the event with its version.", "document-archived.v1"),
    "type_label": means(
        "Label of the type, in the caller's language, as it was when the paper was recorded.", "Letter"
    ),
    "user": means("User name, or name of the token.", "j.smit"),
    "valid_from": means("First day of validity.", DAY),
    "valid_until": means("Last day of validity; null: no end.", "2027-11-24"),
    "validity_months": means("Months after which papers of the type lapse; null: never.", 12),
    "verification": means("The paper that was verified at the desk, for a type that is verified and not kept."),
    "verify_only": means("Whether papers of the type are verified and not kept. Default false.", False),
    "version": means("Version of the resource, the number in its ETag.", 1),
    "view": means("Name of the view.", "customer_documents"),
    "TaskBody.view": means(
        "Name of the view; required for pause, resume and back, left out for verify, and default all for the others.",
        "customer_documents",
    ),
    "TaskItem.view": means("Name of the view; null: all of them.", "customer_documents"),
    "views": means("Every view."),
    "warnings": means("Possible defects of the page.", ["page-damaged"]),
    "why": means(
        "Cause of the end: `revocation`; `form`, a form that was not signed; `validity`; `unused`, a mandate without a "
        "collection for 36 months.",
        "validity",
    ),
    "withdrawn_evidence": means(
        "Id of the document that was withdrawn as the authorization's evidence, while it has no other; else null.", None
    ),
    "width_px": means("Width in pixels.", 2480),
}

ROOMS = {
    "customers": "The register of customers, and each customer's papers.",
    "documents": "Documents: add, read, correct, replace.",
    "authorizations": "Authorizations and SEPA mandates: note, read, change, end.",
    "forms": "Printable forms with a scan code.",
    "scan-codes": "Check: find the form of a scan code.",
    "scan-stations": "Scan stations, which report scanners and take jobs.",
    "scanners": "Scanners and their state.",
    "scan-sessions": "Scan page by page, review, archive.",
    "document-types": "The catalogue of document types.",
    "work-list": "Papers that need work at the desk.",
    "operations": "State and tasks for operators.",
    "keys": "Public keys of the institution.",
    "disposals": "Destruction of papers whose retention has ended.",
    "history": "The changes, with actor and time.",
    "events": "The feed of events, as CloudEvents.",
    "access-log": "The reads, with actor and time.",
    "session": "Sign in, sign out, preferences of a user.",
    "service": "Health, version, metrics, this contract, explanations of problems.",
}
"""The tags of operations: the path step after /v1, or `service`."""

PATH_PARAMETERS = {
    "id": "Id of the document, authorization, form or session.",
    "customers": "Id of the customer in the library system.",
    "n": "Number of the page, from 1.",
    "code": "Code of the document type.",
    "scan-codes": "The scan code as it was typed or scanned.",
    "name": "Name of the station, which it chooses.",
    "slug": "Name of the problem.",
}
"""By the parameter's name, or by a room in which the parameter has a meaning of its own."""
