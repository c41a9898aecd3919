"""Labels and icons of history events and access-log actions, and labels of their coded values.

A test compares the tables with the topics of docs/events.md. Screens (desk/acts.py) and exports of a person
(projections/person_pages.py) apply them.
"""

from typing import NamedTuple

from domain.refusals import N_


class ActWords(NamedTuple):
    words: str
    icon: str


OF_PAPERS = {
    "document-archived": ActWords(N_("Document saved"), "file"),
    "identity-seen": ActWords(N_("Identification seen, not kept"), "eye"),
    "document-described": ActWords(N_("Details changed"), "pen"),
    "document-reclassified": ActWords(N_("Type corrected"), "type"),
    "document-withdrawn": ActWords(N_("Withdrawn"), "hide"),
    "document-restored": ActWords(N_("Restored"), "undo"),
    "document-reassigned": ActWords(N_("Moved to other customer"), "move"),
    "content-replaced": ActWords(N_("Content replaced"), "replace"),
    "customer-linked": ActWords(N_("Second customer linked"), "link"),
    "customer-unlinked": ActWords(N_("Second customer unlinked"), "link"),
    "document-hold-placed": ActWords(N_("Legal hold placed"), "lock"),
    "document-hold-lifted": ActWords(N_("Legal hold lifted"), "lock"),
    "content-destroyed": ActWords(N_("Destroyed after its retention"), "x"),
    "authorization-issued": ActWords(N_("Form issued"), "print"),
    "authorization-registered": ActWords(N_("Authorization recorded"), "seal"),
    "authorization-signed": ActWords(N_("Authorization signed"), "seal"),
    "evidence-attached": ActWords(N_("Evidence attached"), "link"),
    "evidence-withdrawn": ActWords(N_("Evidence withdrawn"), "hide"),
    "evidence-restored": ActWords(N_("Evidence restored"), "undo"),
    "note-withdrawn": ActWords(N_("Recording withdrawn: made by mistake"), "undo"),
    "mandate-amended": ActWords(N_("Mandate amended"), "pen"),
    "authorization-suspended": ActWords(N_("Authorization suspended"), "pause"),
    "authorization-resumed": ActWords(N_("Authorization resumed"), "play"),
    "revocation-received": ActWords(N_("Revocation received"), "inbox"),
    "authorization-revoked": ActWords(N_("Authorization revoked"), "x"),
    "authorization-superseded": ActWords(N_("Authorization superseded"), "replace"),
    "authorization-expired": ActWords(N_("Authorization expired"), "clock"),
    "authorization-reinstated": ActWords(N_("Authorization reinstated"), "undo"),
    "authorization-cancelled": ActWords(N_("Form cancelled"), "x"),
    "collection-reported": ActWords(N_("Collection reported"), "inbox"),
    "authorization-reassigned": ActWords(N_("Authorization moved to other customer"), "move"),
    "customer-deceased-reported": ActWords(N_("Customer reported deceased"), "user"),
    "customer-left": ActWords(N_("Customer left the library"), "user"),
    "customer-deleted-in-source": ActWords(N_("Customer deleted in the library system"), "user"),
    "customer-returned": ActWords(N_("Customer is a customer again"), "user"),
    "customer-hold-placed": ActWords(N_("Legal hold placed on all papers of the customer"), "lock"),
    "customer-hold-lifted": ActWords(N_("Legal hold lifted from all papers of the customer"), "lock"),
    "authorization-hold-placed": ActWords(N_("Legal hold placed"), "lock"),
    "authorization-hold-lifted": ActWords(N_("Legal hold lifted"), "lock"),
    "authorization-destroyed": ActWords(N_("Authorization destroyed after its retention"), "x"),
}
OF_OTHERS = {
    "disposal-proposed": ActWords(N_("Disposal proposed"), "docs"),
    "disposal-approved": ActWords(N_("Disposal approved"), "done"),
    "disposal-completed": ActWords(N_("Disposal done"), "x"),
    "document-type-defined": ActWords(N_("Document type added"), "plus"),
    "document-type-changed": ActWords(N_("Document type changed"), "type"),
    "token-created": ActWords(N_("Token created"), "lock"),
    "token-revoked": ActWords(N_("Token revoked"), "lock"),
    "user-added": ActWords(N_("User added"), "user"),
    "user-bound": ActWords(N_("User bound to library account"), "user"),
    "user-unbound": ActWords(N_("User unbound from library account"), "user"),
    "user-disabled": ActWords(N_("User disabled"), "user"),
    "user-enabled": ActWords(N_("User enabled"), "user"),
    "user-password-changed": ActWords(N_("Password changed"), "lock"),
    "user-password-reset": ActWords(N_("Password reset"), "lock"),
    "customer-exported": ActWords(N_("Everything about the customer exported"), "download"),
    "archive-exported": ActWords(N_("Whole archive exported"), "download"),
    "scan-started": ActWords(N_("Scan started"), "scan"),
    "scan-confirmed": ActWords(N_("Scan confirmed"), "scan"),
    "page-captured": ActWords(N_("Page scanned"), "scan"),
    "pages-arranged": ActWords(N_("Pages arranged"), "scan"),
    "scan-finished": ActWords(N_("Pass finished"), "scan"),
    "scan-interrupted": ActWords(N_("Scan interrupted"), "alert"),
    "pages-archived": ActWords(N_("Pages saved"), "scan"),
    "scan-cancelled": ActWords(N_("Scan cancelled"), "x"),
    "scan-expired": ActWords(N_("Scan expired: it was left unfinished"), "clock"),
    "scan-reopened": ActWords(N_("Scan reopened"), "undo"),
    "scan-closed": ActWords(N_("Scan closed"), "scan"),
    "scanner-yielded": ActWords(N_("Scanner handed to another desk"), "scan"),
}
ACTS = {**OF_PAPERS, **OF_OTHERS}
BY_SOURCE = {
    ("document-archived", "scan"): ActWords(N_("Scanned and saved"), "scan"),
    ("document-archived", "file"): ActWords(N_("File saved"), "upload"),
    ("authorization-registered", "none"): ActWords(N_("Authorization recorded, no file"), "held"),
}
BY_FIELDS = {
    ("document-described", frozenset({"note"})): ActWords(N_("Description changed"), "pen"),
    ("document-described", frozenset({"title"})): ActWords(N_("Title changed"), "pen"),
    ("document-described", frozenset({"received_on"})): ActWords(N_("Date of receipt changed"), "pen"),
}
VIEWS = {
    "content": ActWords(N_("Content read"), "download"),
    "page": ActWords(N_("Pages viewed"), "eye"),
    "check": ActWords(N_("Code checked"), "wand"),
    "form": ActWords(N_("Form printed"), "print"),
    "history": ActWords(N_("History viewed"), "past"),
    "export": ActWords(N_("Exported"), "download"),
    "authorization": ActWords(N_("Authorization viewed"), "eye"),
    "document": ActWords(N_("Details viewed"), "eye"),
    "customer": ActWords(N_("Customer viewed"), "eye"),
    "list": ActWords(N_("Seen in a list"), "docs"),
    "search": ActWords(N_("Found by a search"), "search"),
    "print": ActWords(N_("Printed"), "print"),
    "existence": ActWords(N_("Named as the original of a duplicate"), "lock"),
}
STATUSES = {
    "archived": N_("Archived"), "withdrawn": N_("Withdrawn"), "issued": N_("Issued"), "active": N_("Active"),
    "suspended": N_("Suspended"), "revoked": N_("Revoked"), "expired": N_("Expired"),
    "superseded": N_("Superseded"), "cancelled": N_("Cancelled"),
    "destroyed": N_("Destroyed"),
}  # fmt: skip
SOURCES = {"scan": N_("Scan page"), "file": N_("Select file"), "none": N_("No upload")}
OUTCOMES = {"paid": N_("Paid"), "rejected": N_("Rejected"), "returned": N_("Returned"), "refunded": N_("Refunded")}
CAUSES = {
    "form": N_("the form was not signed in time"),
    "validity": N_("its validity ended"),
    "no-collection": N_("36 months without a collection"),
}
SEQUENCES = {"first": N_("First"), "recurring": N_("Recurring"), "one_off": N_("One-off")}
