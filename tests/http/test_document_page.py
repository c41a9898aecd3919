"""A document's page (S9) as the server makes it: what it tells, and every correction as a form that works by itself."""

import hashlib
from typing import Any

import httpx
import pytest

from tests.http.desk import (
    a_customer,
    a_letter,
    a_text,
    archived,
    at,
    corrected,
    handed_in,
    issued,
    item_of,
    no_upload,
    noted,
    replace,
    said_in,
    select_file,
)
from tests.http.pages import Page, Visitor
from tests.http.served import Served
from tests.paper.files import a_locked_pdf

SEEN = {"paper": "passport", "number_suffix": "X41", "seen_on": "2026-01-05"}
STAFF = ["reclassify", "describe", "withdraw"]
SUPERVISOR = ["reclassify", "describe", "reassign", "link-customer", "content", "withdraw"]


@pytest.fixture
def staff(served: Served) -> httpx.Client:
    return served.as_("staff")


def opened(served: Served, paper: dict[str, Any], role: str = "staff", **query: str) -> Page:
    with Visitor(served, role, **at(paper.get("position", 0))) as visitor:
        return visitor.open(f"/documents/{paper['id']}", at=str(paper.get("position", 0)), **query)


def offered(page: Page) -> list[str]:
    """The corrections whose forms are there."""
    return [a["id"].removeprefix("form-") for a, _ in page.all("form") if a.get("id", "").startswith("form-")]


def form_of(page: Page, name: str) -> dict[str, str]:
    """What the correction's form holds before anybody types."""
    key = page.value("key").rpartition("-")[0]
    return {"version": page.value("version"), "key": f"{key}-{name}"}


def send(served: Served, paper: dict[str, Any], name: str, role: str = "supervisor", **fields: str) -> Page:
    """The form of the page as it is now, filled in."""
    kept = form_of(opened(served, paper, role), name)
    with Visitor(served, role) as visitor:
        return visitor.send(f"/documents/{paper['id']}/{name}", {**kept, "reason": "by mistake", **fields})


# -- what it tells --------------------------------------------------------------------------------------------------


def test_it_tells_what_is_known_and_shows_every_page_of_a_list(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    paper = archived(staff, customer, a_letter(3), note="Answer to reminder", received_on="2026-03-04")
    page = opened(served, paper)
    for words in (
        "Letter",
        "Answer to reminder",
        "4 Mar 2026",
        "letter.pdf",
        "3 pages",
        "Select file",
        "staff",
        "branch MAIN",
    ):
        assert words in page.main, words
    images = [a for a, _ in page.all("img") if "width=1000" in a["src"]]
    assert [a["alt"] for a in images] == ["Page 1 of Letter", "Page 2 of Letter", "Page 3 of Letter"]
    assert [a.get("loading") for a in images] == [None, "lazy", "lazy"]
    assert all(staff.get(a["src"]).headers["Content-Type"] == "image/jpeg" for a in images)


def test_a_long_document_stands_on_several_pages(served: Served, staff: httpx.Client) -> None:
    paper = archived(staff, a_customer(served), a_letter(101))
    first, second = opened(served, paper), opened(served, paper, page="101")
    assert first.has("page-100")
    assert not first.has("page-101")
    assert [a["id"] for a, _ in second.all("li") if a.get("id", "").startswith("page-")] == ["page-101"]
    assert "Pages after page 100" in first.main
    assert opened(served, paper, page="102").answer.status_code == 422


def test_the_original_goes_out_byte_by_byte_under_its_own_name(served: Served, staff: httpx.Client) -> None:
    data = a_letter()
    paper = archived(staff, a_customer(served), data, name="brief – kopie.pdf")
    page = opened(served, paper)
    link = next(a["href"] for a, words in page.all("a") if words == "Download original")
    answer = staff.get(link)
    assert (
        hashlib.sha256(answer.content).hexdigest()
        == page.one("sha-256")[1]["title"]
        == hashlib.sha256(data).hexdigest()
    )
    assert "brief%20%E2%80%93%20kopie.pdf" in answer.headers["Content-Disposition"]
    assert staff.get(link, headers={"Range": "bytes=0-3"}).content == data[:4]


@pytest.mark.parametrize("data", [a_letter(), b"x" * 3_000_000], ids=["small", "streamed"])
def test_the_digest_is_verified_when_somebody_asks(served: Served, staff: httpx.Client, data: bytes) -> None:
    name = "letter.pdf" if data.startswith(b"%PDF") else "long.txt"
    paper = archived(staff, a_customer(served), data, name=name)
    assert "Content verified" not in opened(served, paper).main
    page = opened(served, paper, verify="now")
    assert "Content verified" in page.text_of("digest")
    lines = served.as_("supervisor").get("/v1/access-log", params={"paper": paper["id"], "action": "content"}).json()
    assert len(lines["items"]) == 1


def test_a_content_that_is_another_one_is_told_aloud(served: Served, staff: httpx.Client) -> None:
    """The digest that is shown comes from the view: behind its back it is made another's here."""
    paper = archived(staff, a_customer(served))
    opened(served, paper)
    other = hashlib.sha256(b"another").hexdigest()
    exchange(served, paper, paper["sha256"], other)
    digest = opened(served, paper, verify="now").text_of("digest")
    exchange(served, paper, other, paper["sha256"])
    assert "The content has changed since it was archived." in digest
    assert "verified" not in digest


def exchange(served: Served, paper: dict[str, Any], old: str, new: str) -> None:
    served.sql(
        "update views.customer_documents set sha256 = %s, item = replace(item, %s, %s) where id = %s",
        [new, old, new, paper["id"]],
    )


def test_what_was_only_seen_says_so(served: Served, staff: httpx.Client) -> None:
    seen = item_of(no_upload(staff, a_customer(served), type="IDENTIFICATION", original=None, verification=SEEN))
    page = opened(served, seen)
    for words in ("Seen, not kept", "passport", "X41", "5 Jan 2026"):
        assert words in page.main, words
    assert "Download original" not in page.main
    assert "content" not in offered(opened(served, seen, "supervisor"))


def test_what_has_no_pages_to_show_says_why(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    text = archived(staff, customer, a_text(), name="note.txt")
    locked = archived(staff, customer, a_locked_pdf(), name="locked.pdf")
    assert "There is no preview of this file" in opened(served, text).main
    assert "This file has a password" in opened(served, locked).main
    for paper in (text, locked):
        assert opened(served, paper).all("a", href=f"/v1/documents/{paper['id']}/content")
        assert not [a for a, _ in opened(served, paper).all("img")]


def test_a_withdrawn_one_says_who_why_and_is_read_by_those_who_correct(served: Served, staff: httpx.Client) -> None:
    paper = corrected(staff, archived(staff, a_customer(served)), "withdraw", reason="the wrong customer")
    page, reader = opened(served, paper), opened(served, paper, "viewer")
    assert "This document was withdrawn. staff" in page.main
    assert "the wrong customer" in page.main
    assert offered(page) == ["restore"]
    assert page.has("page-1")
    assert not reader.has("page-1")
    assert "Only staff who may correct documents can see its pages." in reader.main
    assert "Download original" not in reader.main


def test_what_belongs_together_is_linked(served: Served, staff: httpx.Client) -> None:
    customer, partner = a_customer(served), a_customer(served, name="B. Jansen")
    row = handed_in(staff, issued(staff, customer)["scan_code"])
    evidence = {"id": row["evidence"], "position": row["position"], "version": 1}
    joint = corrected(served.as_("supervisor"), evidence, "link-customer", customer=partner)
    page = opened(served, joint)
    assert page.all("a", href=f"/authorizations/{row['id']}")
    assert [words for _, words in page.all("a", href=f"/customers/{partner}")] == ["B. Jansen"]
    assert "reclassify" not in offered(page)


def test_an_authorization_has_no_page_as_a_document(served: Served, staff: httpx.Client) -> None:
    assert opened(served, noted(staff, a_customer(served))).answer.status_code == 404
    assert opened(served, {"id": "nonsense"}).answer.status_code == 404


# -- the past -------------------------------------------------------------------------------------------------------


def test_as_it_was_it_has_its_words_and_its_pages_of_then_and_no_forms(served: Served, staff: httpx.Client) -> None:
    supervisor, customer = served.as_("supervisor"), a_customer(served)
    first = archived(staff, customer, a_letter(2), note="first words")
    second = corrected(staff, first, "describe", note="second words")
    last = item_of(replace(supervisor, first["id"], a_letter(5), second["version"]))
    then = opened(served, last, as_of=str(first["position"]))
    assert "You are viewing" in then.words
    assert "first words" in then.main
    assert offered(then) == []
    images = [a["src"] for a, _ in then.all("img") if "width=1000" in a["src"]]
    assert len(images) == 2
    assert all("content_version=1" in src for src in images)
    assert staff.get(images[1]).status_code == 200
    assert "This content was replaced" in opened(served, last, "viewer", as_of=str(first["position"])).main


def test_earlier_contents_are_a_link_away_for_those_who_correct(served: Served, staff: httpx.Client) -> None:
    first = archived(staff, a_customer(served), a_letter(2))
    last = item_of(replace(served.as_("supervisor"), first["id"], a_letter(5), 1))
    page = opened(served, last)
    [link] = [a["href"] for a, words in page.all("a") if words == "Content 1"]
    with Visitor(served) as visitor:
        assert "2 pages" in visitor.open(link).text_of("main")
    assert "Content 1" not in opened(served, last, "viewer").main


# -- who may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "expected"), [("viewer", []), ("staff", STAFF), ("supervisor", SUPERVISOR)])
def test_a_role_without_the_right_has_no_button(
    served: Served, staff: httpx.Client, role: str, expected: list[str]
) -> None:
    assert offered(opened(served, archived(staff, a_customer(served)), role)) == expected


def test_a_form_sent_without_the_right_is_refused_by_a_page_that_explains(served: Served, staff: httpx.Client) -> None:
    paper = archived(staff, a_customer(served))
    with Visitor(served, "viewer") as visitor:
        page = visitor.send(f"/documents/{paper['id']}/withdraw", {"reason": "mine", "version": "1"})
    assert page.answer.status_code == 403
    assert "Your account may not do this." in page.main


# -- corrections ----------------------------------------------------------------------------------------------------


def test_each_correction_is_done_said_and_in_the_history(served: Served, staff: httpx.Client) -> None:
    customer, other, partner = (a_customer(served) for _ in range(3))
    paper: dict[str, Any] = archived(staff, customer)
    steps: tuple[tuple[str, dict[str, str], str], ...] = (
        ("reclassify", {"type": "FORM"}, "Type corrected."),
        (
            "describe",
            {"title": "Thanks", "note": "By post", "received_on": "2026-01-02"},
            "Details saved.",
        ),
        ("reassign", {"customer": other}, "Document moved to the other customer."),
        ("link-customer", {"customer": partner}, "Second customer linked."),
        ("unlink-customer", {"customer": partner}, "Second customer unlinked."),
        ("withdraw", {}, "Document withdrawn."),
        ("restore", {}, "Document restored."),
    )
    for name, fields, words in steps:
        page = send(served, paper, name, **fields)
        assert page.answer.status_code == 200, page.main
        assert words in page.text_of("said")
        paper = {**paper, "position": int(page.answer.url.params["at"])}
    assert said_in(staff, f"documents/{paper['id']}", paper["position"]) == (
        "document-restored document-withdrawn customer-unlinked customer-linked document-reassigned "
        "document-described document-reclassified document-archived"
    )
    assert "Thanks" in page.main
    assert page.one("who")[1]["data-customer"] == other


def test_the_content_is_replaced_by_a_form_with_a_file(served: Served, staff: httpx.Client) -> None:
    paper, better = archived(staff, a_customer(served)), a_letter(4)
    with Visitor(served, "supervisor") as visitor:
        action = opened(served, paper, "supervisor").one("form-content")[1]["action"]
        page = visitor.send(action, {"reason": "a better scan"}, files={"file": ("better.pdf", better)})
    assert "Content replaced." in page.text_of("said")
    assert "4 pages" in page.main
    assert page.one("sha-256")[1]["title"] == hashlib.sha256(better).hexdigest()


def test_sent_twice_it_is_done_once(served: Served, staff: httpx.Client) -> None:
    paper = archived(staff, a_customer(served))
    page = opened(served, paper, "supervisor")
    with Visitor(served, "supervisor") as visitor:
        fields = {**form_of(page, "describe"), "note": "once", "received_on": "2026-01-02", "reason": "clearer"}
        for _ in range(2):
            sent = visitor.send(f"/documents/{paper['id']}/describe", fields)
            assert "Details saved." in sent.text_of("said")
        action, better = page.one("form-content")[1]["action"].replace("version=1", "version=2"), a_letter(4)
        for _ in range(2):
            sent = visitor.send(action, {"reason": "better"}, files={"file": ("better.pdf", better)})
            assert "Content replaced." in sent.text_of("said")
    position = int(sent.answer.url.params["at"])
    assert (
        said_in(staff, f"documents/{paper['id']}", position) == "content-replaced document-described document-archived"
    )


def test_a_refused_correction_keeps_what_was_typed_and_its_form_open(served: Served, staff: httpx.Client) -> None:
    paper = archived(staff, a_customer(served))
    page = send(served, paper, "describe", title="Thanks", note="By post", received_on="2999-01-01", reason="later")
    assert page.answer.status_code == 422
    assert "must not be in the future" in page.main
    assert "open" in page.one("change-describe")[1]
    typed = {name: page.value(name) for name in ("title", "note", "received_on")}
    assert typed == {"title": "Thanks", "note": "By post", "received_on": "01/01/2999"}
    assert page.one("describe-reason")[1]["value"] == "later"


def test_a_refused_file_keeps_the_reason(served: Served, staff: httpx.Client) -> None:
    paper = archived(staff, a_customer(served))
    with Visitor(served, "supervisor") as visitor:
        action = opened(served, paper, "supervisor").one("form-content")[1]["action"]
        page = visitor.send(action, {"reason": "a better scan"}, files={"file": ("empty.pdf", b"")})
    assert page.answer.status_code == 422
    assert page.one("content-reason")[1]["value"] == "a better scan"
    assert "Select the file again" in page.main


def test_a_reason_is_asked_by_the_archive_too(served: Served, staff: httpx.Client) -> None:
    page = send(served, archived(staff, a_customer(served)), "withdraw", reason="")
    assert page.answer.status_code == 422
    assert "aria-invalid" in page.one("withdraw-reason")[1]


@pytest.mark.parametrize("name", ["reassign", "link-customer"])
def test_the_other_customer_is_looked_for_and_chosen(served: Served, staff: httpx.Client, name: str) -> None:
    paper, other = archived(staff, a_customer(served)), a_customer(served, name="Wilhelmina Zonderland")
    nobody = send(served, paper, name, q="Xyzzyx", reason="joint")
    assert "No customer has this name, card or number." in nobody.main
    assert nobody.one(f"{name}-reason")[1]["value"] == "joint"
    assert "Search for the customer first." in send(served, paper, name, reason="joint").main
    found = send(served, paper, name, q=other, reason="joint")
    assert "Wilhelmina Zonderland" in found.main
    assert found.value("customer") == other
    assert found.one(f"{name}-q")[1]["value"] == other
    assert "open" in found.one(f"change-{name}")[1]
    assert said_in(staff, f"documents/{paper['id']}") == "document-archived"


# -- somebody was first ---------------------------------------------------------------------------------------------


def test_a_stale_form_shows_both_versions_and_keeps_what_was_typed(served: Served, staff: httpx.Client) -> None:
    paper = archived(staff, a_customer(served), note="first words")
    mine = form_of(opened(served, paper), "describe")
    corrected(served.as_("supervisor"), paper, "describe", note="their words", reason="clearer")
    typed = {"title": "Mine", "note": "my words", "received_on": "2026-01-02", "reason": "I know better"}
    with Visitor(served) as visitor:
        page = visitor.send(f"/documents/{paper['id']}/describe", {**mine, **typed})
    assert page.answer.status_code == 412
    for words in (
        "Someone changed this",
        "supervisor",
        "first words",
        "their words",
        "Yours: Change description",
        "my words",
        "I know better",
    ):
        assert words in page.main, words
    shown = {"title": "Mine", "note": "my words", "received_on": "02/01/2026"}
    assert {name: page.value(name) for name in shown} == shown
    assert page.value("version") == "2"
    assert [words for _, words in page.all("a", href=f"/documents/{paper['id']}")] == [
        "Use their version",
        "Show the current version",
    ]
    assert page.all("button", form="form-describe")
    with Visitor(served) as visitor:
        done = visitor.send(f"/documents/{paper['id']}/describe", {**form_of(page, "describe"), **typed})
    assert "Details saved." in done.text_of("said")
    assert "my words" in done.main


@pytest.mark.parametrize(
    ("language", "day", "kind"),
    [("en", "2 Jan 2026", "Form"), ("nl", "2 jan 2026", "Formulier"), ("de", "02.01.2026", "Formular")],
)
def test_a_stale_form_says_once_what_was_typed_in_the_words_of_the_page(
    served: Served, staff: httpx.Client, language: str, day: str, kind: str
) -> None:
    supervisor, paper = served.as_("supervisor"), archived(staff, a_customer(served))
    before = opened(served, paper)
    corrected(supervisor, paper, "describe", note="theirs", reason="clearer")
    with Visitor(served, **{"Accept-Language": language}) as visitor:
        for name, typed, shown in (
            ("describe", {"received_on": "2026-01-02"}, day),
            ("reclassify", {"type": "FORM"}, kind),
        ):
            page = visitor.send(
                f"/documents/{paper['id']}/{name}", {**form_of(before, name), "reason": "mine", **typed}
            )
            assert f": {shown}" in page.main
            assert (len(page.all("div", role="alert")), page.all("section", role="alert")) == (1, [])


def test_who_wants_what_was_done_already_is_told_and_has_no_form_for_it(served: Served, staff: httpx.Client) -> None:
    paper = archived(staff, a_customer(served))
    mine = form_of(opened(served, paper), "withdraw")
    corrected(served.as_("supervisor"), paper, "withdraw", reason="not ours")
    with Visitor(served) as visitor:
        page = visitor.send(f"/documents/{paper['id']}/withdraw", {**mine, "reason": "twice"})
    assert page.answer.status_code == 412
    assert "not ours" in page.main
    assert "Reason: twice" in page.main
    assert not page.all("button", form="form-withdraw")


def test_a_replaced_content_meanwhile_is_told_with_its_file(served: Served, staff: httpx.Client) -> None:
    supervisor, paper = served.as_("supervisor"), archived(staff, a_customer(served))
    action = opened(served, paper, "supervisor").one("form-content")[1]["action"]
    assert replace(supervisor, paper["id"], a_letter(3), 1, name="theirs.pdf").is_success
    with Visitor(served, "supervisor") as visitor:
        page = visitor.send(action, {"reason": "mine is better"}, files={"file": ("mine.pdf", a_letter(2))})
    assert page.answer.status_code == 412
    assert "theirs.pdf" in page.main
    assert page.one("content-reason")[1]["value"] == "mine is better"


# -- the print ------------------------------------------------------------------------------------------------------


def test_the_print_has_every_page_on_a_sheet_and_its_whole_digest(served: Served, staff: httpx.Client) -> None:
    paper = select_file(staff, a_customer(served), a_letter(3)).json()
    with Visitor(served, **at(paper["position"])) as visitor:
        visitor.open(f"/documents/{paper['id']}", at=str(paper["position"]))
        page = visitor.open(f"/documents/{paper['id']}/print")
        assert len([a for a, _ in page.all("img") if "width=1600" in a["src"]]) == 3
        assert paper["sha256"] in page.main
        text = archived(staff, paper["customer"], a_text(), name="note.txt")
        visitor.open(f"/documents/{text['id']}", at=str(text["position"]))
        assert visitor.open(f"/documents/{text['id']}/print").answer.status_code == 404
