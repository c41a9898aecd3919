"""An archive as a library has it on an ordinary day, and every screen there is to look at in it.

Real files of the corpus where it lies beside the repository, else pages drawn here. All people are made up.
"""

from datetime import date, timedelta
from io import BytesIO
from typing import Any, NamedTuple

import httpx
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from tests.browser.desks import a_user
from tests.http.desk import CONSENT, DEBT, at, corrected, handed_in, issued, item_of, noted, select_file, stepped
from tests.http.desk import a_letter as another_pdf
from tests.http.scanning import a_form_page, filled
from tests.http.scanning import archived as scanned
from tests.http.served import Served
from tests.paper.corpus import FOLDER

SCANNERS = "simulated:flatbed?seconds=0,simulated:feeder?pages=3&seconds=0,simulated:feeder?offline=1"
SETTINGS = {"DOSSIER_SCANNERS": SCANNERS, "DOSSIER_INSTITUTION": "City Library", "DOSSIER_BRANCH": "CENTRAL"}
READING, LETTER, FORM, IDENTIFICATION, CERTIFICATE = (
    "READING_DISABILITY", "LETTER", "FORM", "IDENTIFICATION", "REGISTRATION_CERTIFICATE")  # fmt: skip
CUSTOMERS: dict[str, dict[str, Any]] = {
    "104882": {"name": "A. de Vries", "birth_date": "1971-03-12", "card_numbers": ["29001001234567"]},
    "100234": {"name": "B. Jansen", "birth_date": "1990-05-02", "card_numbers": ["29001007654321"]},
    "120718": {"name": "Zoë van den Berg-Öztürk", "birth_date": "2014-11-30", "card_numbers": ["29001003344556"]},
    "118003": {"name": "Li Wu", "birth_date": "1958-01-09", "card_numbers": ["29001009988776", "29001001122334"]},
    "130001": {"name": "Basisschool De Regenboog", "kind": "organisation", "card_numbers": []},
    "104883": {"name": "Anneke de Vries", "birth_date": "1969-07-21", "card_numbers": ["29001005566778"]},
}
BRANCHES = {"104882": "CENTRAL", "100234": "NORTH", "120718": "CENTRAL", "118003": "NORTH", "130001": "CENTRAL"}
LETTER_TEXT = (
    "Dear library,",
    "thank you for your letter. As agreed I shall pay what is left in",
    "two parts, on the first of the next two months.",
    "Please send reminders by post from now on: the address is the",
    "one that you have. My card was found again under a chair of your",
    "reading room, and I should like to keep its number.",
    "",
    "With kind regards,",
    "A. de Vries",
    "",
)
# File of the corpus, type, note, days ago.
PAPERS = (
    ("google-doc-document.pdf", LETTER, "Asks for reminders by post", 4),
    ("lorem-ipsum.docx", LETTER, "Complaint about a late fee", 90),
    ("multipage.tiff", FORM, "Home delivery, three pages", 160),
    ("hopper_gray.jpg", CERTIFICATE, "Photo of the certificate", 410),
    ("pdflatex-forms.pdf", FORM, "Registration of a second card", 500),
    ("multi-language.txt", LETTER, None, 700),
)


class Showroom(NamedTuple):
    """Where everything is. `as_of` is a position in the middle of the first customer's life, `at` the last of all."""

    served: Served
    user: str
    customer: str
    document: str
    long_document: str
    mandate: str
    as_of_signed: int
    issued: str
    consent: str
    suspended: str
    code: str
    scan: str
    as_of: int
    at: int


class Screen(NamedTuple):
    """A page to look at. `role` None: nobody is signed in; "user": somebody with a password, and so a session."""

    name: str
    path: str
    role: str | None = "operator"

    def address(self, room: Showroom) -> str:
        return self.path.format(**room._asdict())


SCREENS = (
    Screen("s01-add-document", "/add"),
    Screen("s02-scan-page", "/add?source=scan&session={scan}&customer={customer}"),
    Screen("s02b-scan-page-nothing-yet", "/add?source=scan"),
    Screen("s03-select-file", "/add?source=file&customer={customer}&type=LETTER"),
    Screen("s04-no-upload", "/add?source=none&customer={customer}&type=DEBT_AUTHORIZATION"),
    Screen("s05-search-customer", "/search?source=file&q=vries"),
    Screen("s06-make-a-choice", "/choice?source=file&customer={customer}"),
    Screen("s07-saved", "/add?source=file&saved={document}&at={at}"),
    Screen("s08-customer-documents", "/customers/{customer}"),
    Screen("s08b-in-the-past", "/customers/{customer}?as_of={as_of}"),
    Screen("s08c-nothing-yet", "/customers/104883"),
    Screen("s08d-find-a-customer", "/customers?q=vries"),
    Screen("s08e-add-customer", "/customers/new"),
    Screen("s08f-change-customer", "/customers/{customer}/edit"),
    Screen("s08g-issue-a-form", "/customers/{customer}/form?type=DEBT_AUTHORIZATION"),
    Screen("s08h-export-everything", "/customers/{customer}/export"),
    Screen("s09-document", "/documents/{document}?change=describe"),
    Screen("s09b-twelve-pages", "/documents/{long_document}"),
    Screen("s09c-print", "/documents/{document}/print"),
    Screen("s09d-authorization", "/authorizations/{mandate}?change=amend"),
    Screen("s09e-authorization-issued", "/authorizations/{issued}"),
    Screen("s09f-authorization-in-the-past", "/authorizations/{mandate}?as_of={as_of_signed}"),
    Screen("s10-timeline", "/customers/{customer}/timeline"),
    Screen("s10b-timeline-of-a-document", "/documents/{document}/timeline"),
    Screen("s10c-timeline-of-an-authorization", "/authorizations/{mandate}/timeline"),
    Screen("s11-work-list", "/work?all=1"),
    Screen("s12-operators", "/operators"),
    Screen("s13-sign-in", "/sign-in", None),
    Screen("s13b-new-password", "/password", "user"),
    Screen("s13c-settings", "/settings", "user"),
    Screen("s14-nothing-found", "/find?code=29001001111111"),
    Screen("s14b-not-allowed", "/operators", "viewer"),
    Screen("s14c-not-there", "/customers/99999999"),
    Screen("s15-problems", "/problems", None),
    Screen("s15b-problem", "/problems/mandate-exists", None),
    Screen("s16-reference", "/docs", None),
    Screen("s16b-try", "/docs/try", None),
)


def furnish(served: Served) -> Showroom:
    """Fill an empty archive; when this returns its views show everything."""
    visser, bakker = (desk_of(served, *one) for one in (("t.visser", "CENTRAL"), ("m.bakker", "NORTH")))
    for customer, fields in CUSTOMERS.items():
        served.as_("operator").put(f"/v1/customers/{customer}", json={**fields, "home_branch": BRANCHES.get(customer)})
    first = [paper(bakker if number % 2 else visser, "104882", *one) for number, one in enumerate(PAPERS)]
    as_of = first[-1]["position"]
    long_document = item_of(
        select_file(visser, "104882", a_book(), name="minutes.pdf", type=LETTER, note="Minutes, 12 pages")
    )
    noted(visser, "104882", type=IDENTIFICATION, original=None, verification=seen_paper())
    document = scanned(
        visser, filled(visser, *map(a_letter, range(1, 4))), "104882", type=LETTER, note="Payment arrangement"
    )
    corrected(visser, first[1], "withdraw", reason="Belongs to a neighbour of the same name")
    described = corrected(
        visser, document, "describe", note="Payment arrangement, signed by both", reason="More precise"
    )
    mandate, as_of_signed = a_life(visser)
    suspended = stepped(
        visser, noted(visser, "104882", note="Partner collects reservations"), "suspend", reason="Card is lost"
    )
    consent = noted(visser, "120718", type=CONSENT, valid_until=in_days(12), note="Borrows from the adults' shelves")
    noted(bakker, "118003", type=READING, original={"held": True, "shelf_mark": "N-04"}, valid_until=in_days(25))
    waiting = issued(visser, "104882", type=DEBT, mandate=account("A. de Vries", "NL91ABNA0417164300"))
    noted(bakker, "130001", type=DEBT, mandate={**account("De Regenboog", "DE89370400440532013000"), **signed()})
    scan = filled(visser, a_letter(5), a_letter(6), a_form_page(visser, waiting["form"]))
    filled(bakker, a_letter(7))
    last = noted(bakker, "100234", original={"held": True, "shelf_mark": "N-11"})
    visser.get("/v1/customers/104882/documents", headers=at(last["position"])).raise_for_status()
    return Showroom(
        served=served,
        user=a_user(served, "operator", "j.smit"),
        customer="104882",
        document=described["id"],
        long_document=long_document["id"],
        mandate=mandate["id"],
        as_of_signed=as_of_signed,
        issued=waiting["authorization"]["id"],
        consent=consent["id"],
        suspended=suspended["id"],
        code=waiting["scan_code"],
        scan=scan["id"],
        as_of=as_of,
        at=last["position"],
    )


def desk_of(served: Served, name: str, branch: str) -> httpx.Client:
    return served.client(served.new_token(name, "supervisor", branch=branch))


def paper(desk: httpx.Client, customer: str, name: str, kind: str, note: str | None, days_ago: int) -> dict[str, Any]:
    """One file of the corpus, as somebody brought it."""
    file = FOLDER / "good" / name
    data, name = (file.read_bytes(), name) if file.exists() else (another_pdf(2), f"{file.stem}.pdf")
    received = in_days(-days_ago)
    return item_of(select_file(desk, customer, data, name=name, type=kind, note=note, received_on=received))


def a_life(desk: httpx.Client) -> tuple[dict[str, Any], int]:
    """A mandate that came back signed, was collected, and whose bank account has changed; when it had come back."""
    form = issued(desk, "104882", type=DEBT, mandate=account("A. de Vries", "BE68539007547034"))
    page = a_form_page(desk, form["form"])
    mandate = signed_one = handed_in(desk, form["scan_code"], page, name="form.jpg")
    for days_ago, outcome in ((40, "returned"), (10, "paid")):
        collection = {"presented_on": in_days(-days_ago - 4), "due_on": in_days(-days_ago), "outcome": outcome}
        mandate = stepped(desk, mandate, "collections", **collection)
    amended = stepped(desk, mandate, "amend", iban="FR1420041010050500013M02606", reason="Moved to another bank")
    return amended, signed_one["position"]


def account(holder: str, iban: str) -> dict[str, str]:
    return {"debtor_name": holder, "iban": iban}


def signed() -> dict[str, str]:
    return {"signature_date": in_days(-30)}


def seen_paper() -> dict[str, str]:
    return {"paper": "Identity card", "number_suffix": "47K", "seen_on": in_days(-1)}


def a_letter(number: int) -> bytes:
    """A page as a scanner at 150 dpi gives it; no two look alike."""
    page = Image.new("L", (1240, 1754), 250)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(27)
    for line, words in enumerate(
        ["To the City Library", "", f"Page {number}", *[""] * number, *LETTER_TEXT[number % 4 :]]
    ):
        pen.text((150, 150 + 48 * line), words, fill=25, font=font)
    out = BytesIO()
    page.save(out, "JPEG", dpi=(150, 150), quality=80)
    return out.getvalue()


def a_book(pages: int = 12) -> bytes:
    out = BytesIO()
    canvas = Canvas(out, pagesize=A4)
    for number in range(1, pages + 1):
        canvas.setFont("Helvetica-Bold", 16)
        canvas.drawString(72, 760, f"Minutes of the reading circle, {number} of {pages}")
        canvas.setFont("Helvetica", 11)
        for line, words in enumerate(LETTER_TEXT * 3):
            canvas.drawString(72, 720 - 18 * line, words)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def in_days(days: int) -> str:
    return (date.today() + timedelta(days=days)).isoformat()  # noqa: DTZ011  # a day more or less is the same picture
