"""The words of acts: each event and each line of the access log as people call it, and the words of their fields.

Every topic of docs/events.md is here; a test holds the tables to them. acts.py puts them together.
"""

from typing import NamedTuple

from domain.refusals import N_


class Words(NamedTuple):
    words: str
    icon: str


OF_PAPERS = {
    "document-archived": Words(N_("Document saved"), "file"),
    "identity-seen": Words(N_("Identification seen, not kept"), "eye"),
    "document-described": Words(N_("Details changed"), "pen"),
    "document-reclassified": Words(N_("Type corrected"), "type"),
    "document-withdrawn": Words(N_("Withdrawn"), "hide"),
    "document-restored": Words(N_("Restored"), "undo"),
    "document-reassigned": Words(N_("Moved to other customer"), "move"),
    "content-replaced": Words(N_("Content replaced"), "replace"),
    "customer-linked": Words(N_("Second customer linked"), "link"),
    "customer-unlinked": Words(N_("Second customer unlinked"), "link"),
    "authorization-issued": Words(N_("Form issued"), "print"),
    "authorization-registered": Words(N_("Authorization recorded"), "seal"),
    "authorization-signed": Words(N_("Authorization signed"), "seal"),
    "evidence-attached": Words(N_("Evidence attached"), "link"),
    "evidence-withdrawn": Words(N_("Evidence withdrawn"), "hide"),
    "evidence-restored": Words(N_("Evidence restored"), "undo"),
    "mandate-amended": Words(N_("Mandate amended"), "pen"),
    "authorization-suspended": Words(N_("Authorization suspended"), "pause"),
    "authorization-resumed": Words(N_("Authorization resumed"), "play"),
    "revocation-received": Words(N_("Revocation received"), "inbox"),
    "authorization-revoked": Words(N_("Authorization revoked"), "x"),
    "authorization-superseded": Words(N_("Authorization superseded"), "replace"),
    "authorization-expired": Words(N_("Authorization expired"), "clock"),
    "authorization-reinstated": Words(N_("End of the authorization taken back"), "undo"),
    "authorization-cancelled": Words(N_("Form cancelled"), "x"),
    "collection-reported": Words(N_("Collection reported"), "inbox"),
    "authorization-reassigned": Words(N_("Authorization moved to other customer"), "move"),
}
OF_OTHERS = {
    "document-type-defined": Words(N_("Document type added"), "plus"),
    "document-type-changed": Words(N_("Document type changed"), "type"),
    "token-created": Words(N_("Token made"), "lock"),
    "token-revoked": Words(N_("Token revoked"), "lock"),
    "user-added": Words(N_("User added"), "user"),
    "user-bound": Words(N_("User bound to library account"), "user"),
    "user-unbound": Words(N_("User unbound from library account"), "user"),
    "user-disabled": Words(N_("User disabled"), "user"),
    "user-enabled": Words(N_("User enabled"), "user"),
    "user-password-changed": Words(N_("Password changed"), "lock"),
    "user-password-reset": Words(N_("Password reset"), "lock"),
    "scan-started": Words(N_("Scan started"), "scan"),
    "scan-confirmed": Words(N_("Scan confirmed"), "scan"),
    "page-captured": Words(N_("Page scanned"), "scan"),
    "pages-arranged": Words(N_("Pages arranged"), "scan"),
    "scan-finished": Words(N_("Pass finished"), "scan"),
    "scan-interrupted": Words(N_("Scan interrupted"), "alert"),
    "pages-archived": Words(N_("Pages saved"), "scan"),
    "scan-cancelled": Words(N_("Scan cancelled"), "x"),
    "scan-expired": Words(N_("Scan given up: nobody went on with it"), "clock"),
    "scan-reopened": Words(N_("Scan reopened"), "undo"),
    "scan-closed": Words(N_("Scan closed"), "scan"),
    "scanner-yielded": Words(N_("Scanner given to another desk"), "scan"),
}
ACTS = {**OF_PAPERS, **OF_OTHERS}
BY_SOURCE = {
    ("document-archived", "scan"): Words(N_("Scanned and saved"), "scan"),
    ("document-archived", "file"): Words(N_("File saved"), "upload"),
    ("authorization-registered", "none"): Words(N_("Authorization recorded, no file"), "held"),
}
BY_FIELDS = {
    ("document-described", frozenset({"note"})): Words(N_("Description changed"), "pen"),
    ("document-described", frozenset({"title"})): Words(N_("Title changed"), "pen"),
    ("document-described", frozenset({"received_on"})): Words(N_("Date of receipt changed"), "pen"),
}
VIEWS = {
    "content": Words(N_("Content read"), "download"),
    "page": Words(N_("Pages viewed"), "eye"),
    "check": Words(N_("Code checked"), "wand"),
    "form": Words(N_("Form printed"), "print"),
    "history": Words(N_("History viewed"), "past"),
    "export": Words(N_("Exported"), "download"),
    "authorization": Words(N_("Authorization viewed"), "eye"),
    "document": Words(N_("Details viewed"), "eye"),
    "customer": Words(N_("Customer viewed"), "eye"),
    "list": Words(N_("Seen in a list"), "docs"),
    "search": Words(N_("Found by a search"), "search"),
    "print": Words(N_("Printed"), "print"),
    "existence": Words(N_("Met as a duplicate"), "lock"),
}
STATUSES = {
    "archived": N_("Archived"), "withdrawn": N_("Withdrawn"), "issued": N_("Issued"), "active": N_("Active"),
    "suspended": N_("Suspended"), "revoked": N_("Revoked"), "expired": N_("Expired"),
    "superseded": N_("Superseded"), "cancelled": N_("Cancelled"),
}  # fmt: skip
SOURCES = {"scan": N_("Scan page"), "file": N_("Select file"), "none": N_("No upload")}
OUTCOMES = {"paid": N_("Paid"), "rejected": N_("Rejected"), "returned": N_("Returned"), "refunded": N_("Refunded")}
CAUSES = {
    "form": N_("never signed within the time printed on the form"),
    "validity": N_("its time was over"),
    "no-collection": N_("36 months without a collection"),
}
SEQUENCES = {"first": N_("First"), "recurring": N_("Recurring"), "one_off": N_("One-off")}
