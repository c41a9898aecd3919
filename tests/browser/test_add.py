"""Upload customer document in a browser: Select file, No upload, search, choice, what was saved, the code field."""

import base64
import re
import secrets
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Dialog, FilePayload, Locator, Page, Route, expect

from tests.browser.desks import Desk
from tests.http.desk import CONSENT, a_customer, a_letter, archived, issued, view
from tests.http.line import a_line
from tests.http.served import Served
from tests.paper.files import a_jpeg, a_locked_pdf

REFUSED = "Failed to load resource"
UPLOAD_BYTES = 30_000_000
TYPING_MS = 40
"""Between two keys, milliseconds: slower than a wand."""


def a_card() -> str:
    return f"29{secrets.randbelow(10**12):012}"


def a_payload(data: bytes | None = None, name: str = "letter.pdf", media_type: str = "application/pdf") -> FilePayload:
    return {"name": name, "mimeType": media_type, "buffer": a_letter() if data is None else data}


def a_photo(name: str = "page.jpg") -> FilePayload:
    """Like no other."""
    size = (300 + secrets.randbelow(400), 200 + secrets.randbelow(400))
    return a_payload(a_jpeg(size), name, "image/jpeg")


class Adding:
    """A person at the page that adds a document."""

    def __init__(self, desk: Desk, base: str = "", /, **query: str) -> None:
        self.desk, self.staff = desk, desk.served.as_("staff")
        self.page = desk.open(f"{base}/add?" + "&".join(f"{name}={value}" for name, value in query.items()))

    def choose_file(self, *files: FilePayload) -> "Adding":
        return self.pick(*files).until_it_can_be_saved()

    def pick(self, *files: FilePayload) -> "Adding":
        with self.page.expect_file_chooser() as opened:
            self.page.locator("#pick").click()
        opened.value.set_files(files)
        return self

    def until_it_can_be_saved(self) -> "Adding":
        expect(self.save_button).not_to_have_attribute("aria-disabled", "true")
        return self

    def search(self, words: str) -> "Adding":
        """Search customer, by keys."""
        self.page.get_by_role("button", name="Search customer").last.click()
        self.page.get_by_label("Name, card number or birth date").fill(words)
        expect(self.page.locator("#found input")).to_have_count(1)
        self.page.keyboard.press("ArrowDown")
        self.page.keyboard.press("Enter")
        return self

    def choose_type(self, words: str) -> "Adding":
        """In the open list, by keys."""
        expect(self.dialog("Make a choice…")).to_be_visible()
        self.page.keyboard.type(words, delay=TYPING_MS)
        self.page.keyboard.press("Enter")
        expect(self.dialog("Make a choice…")).to_be_hidden()
        return self

    def dialog(self, name: str) -> Locator:
        return self.page.get_by_role("dialog", name=name)

    @property
    def save_button(self) -> Locator:
        return self.page.locator("#save")

    @property
    def done(self) -> Locator:
        return self.page.locator("[data-done]")

    @property
    def summary(self) -> Locator:
        return self.page.locator("[data-summary]")

    def documents(self, customer: str, count: int) -> list[dict[str, Any]]:
        """The customer's, when there are so many."""
        position = self.staff.get("/v1/document-types").json()["position"]
        items = view(self.staff, customer, position)
        assert len(items) == count
        return items


# -- Select file --------------------------------------------------------------------------------------------------


def test_select_file_as_the_help_page_has_it(desk: Desk) -> None:
    """C1 to C7: the button takes the file's name, the type list opens at once behind the customer, Save saves."""
    customer = a_customer(desk.served, name="Ada Vermeer")
    at = Adding(desk)
    at.page.get_by_role("radio", name="Select file").check()
    with at.page.expect_file_chooser() as opened:
        at.page.get_by_role("button", name="Select file", exact=True).click()
    opened.value.set_files([a_payload(name="my letter.pdf")])
    expect(at.page.locator("#pick")).to_have_text("my letter.pdf")
    at.search(customer).choose_type("letter")
    expect(at.page.locator("#who")).to_contain_text("Ada Vermeer")
    at.until_it_can_be_saved().save_button.click()
    expect(at.done).to_contain_text("for Ada Vermeer: Letter, my letter.pdf, 1 page")
    expect(at.page.locator("#look-up")).to_be_focused()
    expect(at.page.get_by_role("img", name="First page")).to_be_visible()
    (item,) = at.documents(customer, 1)
    assert (item["type"], item["file_name"]) == ("LETTER", "my letter.pdf")
    assert desk.violations() == []


def test_a_cancelled_file_dialog_keeps_the_label(desk: Desk) -> None:
    at = Adding(desk, source="file")
    with at.page.expect_file_chooser() as opened:
        at.page.locator("#pick").click()
    opened.value.set_files([])
    expect(at.page.locator("#pick")).to_have_text("Select file")


def test_invisible_characters_of_a_file_name_are_shown_nowhere(desk: Desk) -> None:
    """C3: a mark that turns the writing direction makes the file exe.pdf look like fdp.exe."""
    at = Adding(desk, source="file", customer=a_customer(desk.served), type="LETTER")
    at.choose_file(a_payload(name="a\u202efdp.\u200bexe.pdf"))
    for place in ("#pick", "[data-name]", "#rail"):
        expect(at.page.locator(place)).to_contain_text("afdp.exe.pdf")
    assert "\u202e" not in at.page.content()


def test_drop_paste_and_button_are_equal_ways(desk: Desk) -> None:
    customer = a_customer(desk.served)
    give = """([how, name, base64]) => {
        const bytes = Uint8Array.from(atob(base64), (sign) => sign.codePointAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], name, {type: "application/pdf"}));
        const event = how === "drop" ? new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true})
            : new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true});
        document.querySelector("main").dispatchEvent(event);
    }"""
    for count, how in enumerate(("button", "drop", "paste"), start=1):
        at = Adding(desk, source="file", customer=customer, type="LETTER")
        if how == "button":
            at.choose_file(a_payload(name="button.pdf"))
        else:
            at.page.evaluate(give, [how, f"{how}.pdf", base64.b64encode(a_letter()).decode()])
        expect(at.page.locator("#pick")).to_have_text(f"{how}.pdf")
        at.until_it_can_be_saved().save_button.click()
        expect(at.done).to_contain_text(f"{how}.pdf, 1 page")
        at.documents(customer, count)


def test_a_drop_on_a_customers_page_leads_to_add_with_the_file_chosen_for_them(desk: Desk) -> None:
    """From their list and from a paper of theirs. Nothing of the page that was left stays; Back leads to it."""
    customer = a_customer(desk.served, name="Ada Vermeer")
    paper = archived(desk.served.as_("staff"), customer)
    for count, way in enumerate((f"/customers/{customer}", f"/documents/{paper['id']}"), start=2):
        at = Adding(desk, source="none")
        page = desk.open(way)
        drop(page, f"drop-{count}.pdf")
        expect(page).to_have_url(re.compile(rf"/add\?source=file&customer={customer}$"))
        expect(page.locator("#pick")).to_have_text(f"drop-{count}.pdf")
        expect(page.locator("#who")).to_contain_text("Ada Vermeer")
        expect(page.locator("main")).to_have_count(1)
        expect(
            page.locator(f"body [data-live]:visible, [src*='{paper['id']}'], [href*='{paper['id']}']")
        ).to_have_count(0)
        page.locator("#type-choice").click()
        at.choose_type("letter").until_it_can_be_saved().save_button.click()
        expect(at.done).to_contain_text(f"for Ada Vermeer: Letter, drop-{count}.pdf")
        at.documents(customer, count)
    assert desk.violations() == []
    page.go_back()
    expect(page.get_by_role("heading", name="Letter", level=1)).to_be_visible()


DRAG = """(main, [event, name, base64]) => {
    const bytes = Uint8Array.from(atob(base64), (sign) => sign.codePointAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], name, {type: "application/pdf"}));
    return !main.dispatchEvent(new DragEvent(event, {dataTransfer: data, bubbles: true, cancelable: true}));
}"""


def drop(page: Page, name: str) -> None:
    """A file; not prevented, a browser would open it in place of the page."""
    for event in ("dragover", "drop"):
        assert page.locator("main").evaluate(DRAG, [event, name, base64.b64encode(a_letter()).decode()])


def test_a_drop_elsewhere_leads_to_select_file_too(desk: Desk) -> None:
    """From a page of nobody, and from another source, of which nothing that is entered is lost."""
    page = desk.open("/work")
    drop(page, "one.pdf")
    expect(page.locator("#pick")).to_have_text("one.pdf")
    expect(page.locator("#who")).to_have_text("No customer chosen")
    for source in ("none", "scan"):
        customer = a_customer(desk.served, name="Ada Vermeer")
        at = Adding(desk, source=source, customer=customer)
        if source == "none":
            at.page.get_by_label("Note").fill("kept by hand")
        drop(page, "two.pdf")
        expect(page.locator("#pick")).to_have_text("two.pdf")
        expect(page.locator("#who")).to_contain_text("Ada Vermeer")
        expect(page.get_by_role("radio", name="Select file")).to_be_checked()
        if source == "none":
            expect(page.get_by_label("Description")).to_have_value("kept by hand")
    assert desk.violations() == []


def test_a_drop_is_not_taken_where_something_typed_would_be_lost_or_by_who_may_not_add(
    desks: Callable[..., Desk], desk: Desk
) -> None:
    page = desk.open(f"/customers/{a_customer(desk.served)}/form")
    page.get_by_label("Description").fill("as agreed")
    drop(page, "one.pdf")
    said = page.locator("#said")
    expect(said).to_contain_text("The file was not added.")
    expect(page.get_by_label("Description")).to_have_value("as agreed")
    assert desk.violations() == []
    said.get_by_role("link", name="Select file").click()
    expect(page.locator("file-upload")).to_be_visible()
    page = desks("viewer").open("/customers")
    drop(page, "two.pdf")
    expect(page.locator("#said")).to_have_text(re.compile(r"The file was not added\.\s*$"))


def test_leaving_asks_when_something_was_typed_or_chosen_and_only_then(desk: Desk) -> None:
    asked: list[str] = []
    customer = a_customer(desk.served)

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    at = Adding(desk, source="file", customer=customer, type="LETTER")
    at.page.on("dialog", stay)
    work = at.page.get_by_role("link", name="Work list")
    at.page.get_by_label("Description").fill("as agreed")
    work.click()
    at.page.get_by_label("Description").fill("")
    at.choose_file(a_payload())
    work.click()
    expect(at.page.locator("#pick")).to_have_text("letter.pdf")
    assert asked == ["beforeunload"] * 2
    at.save_button.click()
    expect(at.done).to_be_visible()
    work.click()
    at.page.wait_for_url("**/work")
    assert asked == ["beforeunload"] * 2


@pytest.mark.parametrize(("language", "shown"), [("en", "03/12/2025"), ("nl", "03-12-2025"), ("de", "03.12.2025")])
def test_a_day_is_typed_and_shown_in_the_language_of_the_page(
    desks: Callable[..., Desk], served: Served, language: str, shown: str
) -> None:
    customer = a_customer(served)
    desk = desks(language=language)
    at = Adding(desk, source="file", customer=customer, type="LETTER")
    at.page.locator("#received_on").fill("3-12-2025")
    at.choose_file(a_payload())
    at.save_button.click()
    expect(at.done).to_be_visible()
    (item,) = at.documents(customer, 1)
    assert item["received_on"] == "2025-12-03"
    desk.open(f"/documents/{item['id']}?change=describe")
    expect(at.page.locator("#received_on")).to_have_value(shown)


def test_a_second_click_saves_once(desk: Desk) -> None:
    customer = a_customer(desk.served)
    at = Adding(desk, source="file", customer=customer, type="LETTER").choose_file(a_payload())
    at.save_button.dblclick()
    expect(at.done).to_have_count(1)
    at.documents(customer, 1)


def test_save_is_not_lit_while_it_is_at_work(desk: Desk) -> None:
    """Pressed once more it says how far the file is; after a refusal it can be pressed again."""
    customer = a_customer(desk.served)
    desk.expected = (REFUSED,)
    at = Adding(desk, source="file", customer=customer, type="LETTER").choose_file(a_payload())

    def answer(route: Route) -> None:
        expect(at.save_button).to_have_attribute("aria-disabled", "true")
        at.page.keyboard.press("Control+Enter")
        expect(at.page.locator("#files")).to_have_class(re.compile("pointed"))
        problem = {"type": "/problems/disk-full", "title": "The disk is full", "status": 507, "detail": "Full."}
        route.fulfill(status=507, json=problem)

    at.page.route("**/v1/documents", answer, times=1)
    at.save_button.click()
    expect(at.summary).to_contain_text("The disk is full")
    at.until_it_can_be_saved().save_button.click()
    expect(at.done).to_have_count(1)
    at.documents(customer, 1)


def test_a_large_upload_shows_how_far_it_is_and_goes_on_behind_a_cut(
    desks: Callable[..., Desk], served: Served, tmp_path: Path
) -> None:
    """30 MB by a thin line that is cut for a while: the bar is true, it goes on by itself, saved once."""
    customer = a_customer(served)
    (large := tmp_path / "large.pdf").write_bytes(a_letter() + b"\n%" + b"%" * UPLOAD_BYTES + b"\n%%EOF\n")
    with a_line(served.settings.port) as line:
        desk = desks(url=line.url)
        desk.expected = (REFUSED,)
        at = Adding(desk, source="file", customer=customer, type="LETTER")
        at.page.locator("#file").set_input_files(large)
        at.until_it_can_be_saved()
        at.page.evaluate(WATCH_THE_BAR)
        line.bytes_per_second = 8_000_000
        at.save_button.click()
        expect(at.page.locator("[data-state]")).to_contain_text(re.compile(r"^([2-9]\d)% of"))
        line.cut()
        # The browser itself does not always notice; then upload.js does, when nothing has moved for 30 s.
        expect(at.page.locator("[data-state]")).to_contain_text("It resumes automatically.", timeout=40_000)
        at.page.wait_for_timeout(2_500)  # longer than it waits before it tries again
        line.mend()
        expect(at.done).to_contain_text("large.pdf, 1 page", timeout=60_000)
        moves = at.page.evaluate("window.seen")
        assert len(set(moves)) >= 3
        assert moves[-1] == 100
        at.documents(customer, 1)


WATCH_THE_BAR = """() => {
    window.seen = [];
    const bar = document.querySelector("[data-files] progress");
    new MutationObserver(() => window.seen.push(bar.value)).observe(bar, {attributes: true});
}"""


def test_an_answer_that_was_lost_is_asked_for_again_with_the_same_key(desk: Desk) -> None:
    customer = a_customer(desk.served)
    keys: list[str] = []

    def lose_the_first_answer(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        answer = route.fetch()
        route.abort() if len(keys) == 1 else route.fulfill(response=answer)

    desk.expected = (REFUSED,)
    at = Adding(desk, source="file", customer=customer, type="LETTER").choose_file(a_payload())
    at.page.route("**/v1/documents", lose_the_first_answer)
    at.save_button.click()
    expect(at.done).to_be_visible(timeout=20_000)
    assert len(keys) == 2
    assert len(set(keys)) == 1
    at.documents(customer, 1)


def check_refused(at: Adding, words: str) -> None:
    """The sentence, the focus, and what was entered."""
    expect(at.summary).to_contain_text(words)
    expect(at.summary).to_be_focused()
    expect(at.page.get_by_label("Description")).to_have_value("as agreed")
    expect(at.page.locator("#pick")).not_to_have_text("Select file")


def test_every_refused_file_has_its_sentence_and_what_was_entered_stays(desk: Desk, tmp_path: Path) -> None:
    customer, known = a_customer(desk.served), a_letter()
    earlier = archived(desk.served.as_("staff"), customer, known)
    desk.expected = (REFUSED,)
    at = Adding(desk, source="file", customer=customer, type="LETTER")
    at.page.get_by_label("Description").fill("as agreed")
    at.choose_file(a_payload(b"PK\3\4" + bytes(200), name="papers.pdf")).save_button.click()
    check_refused(at, "This is a ZIP archive. Unpack it and add the files in it.")
    expect(at.page.locator("#rail")).to_contain_text("Select a file.")  # that one is none
    at.choose_file(a_payload(known)).save_button.click()
    check_refused(at, "The same file was added on")
    expect(at.save_button).to_have_attribute("aria-disabled", "true")
    assert at.summary.get_by_role("link").get_attribute("href") == f"/documents/{earlier['id']}"
    assert desk.violations() == []
    at.summary.get_by_role("button", name="Add anyway").click()
    expect(at.done).to_be_visible()
    at.documents(customer, 2)


def test_what_is_wrong_with_a_file_is_told_on_choosing_it(desk: Desk, tmp_path: Path) -> None:
    """Nothing is sent for it, and the list does not count it as chosen."""
    at = Adding(desk, source="file", customer=a_customer(desk.served), type="LETTER")
    at.page.get_by_label("Description").fill("as agreed")
    asked: list[str] = []
    desk.context.on("request", lambda request: asked.append(request.url))

    def check_told(words: str) -> None:
        expect(at.summary).to_contain_text(words)
        expect(at.save_button).to_have_attribute("aria-disabled", "true")
        expect(at.page.locator("#outcome")).to_contain_text("Select a file.")
        expect(at.page.get_by_label("Description")).to_have_value("as agreed")

    at.pick(a_payload(b""))
    check_told("The file is empty.")
    at.pick(a_payload(b"MZ\x90\0" + bytes(200)))
    check_told("This is a program, not a document.")
    with (large := tmp_path / "large.pdf").open("wb") as file:
        file.truncate(61_000_000)
    at.page.locator("#file").set_input_files(large)
    check_told("58.2 MB; the limit is 50 MB.")
    at.choose_file(a_payload(name="one.pdf"), a_payload(b"", name="empty.pdf"))
    expect(at.page.locator("#rail")).to_contain_text("Select file: one.pdf")
    expect(at.page.locator("[data-files] li").nth(1)).to_contain_text("The file is empty.")
    assert not [url for url in asked if url.endswith("/v1/documents")]


def test_a_file_that_is_chosen_twice_is_chosen_once(desk: Desk, tmp_path: Path) -> None:
    at = Adding(desk, source="file", customer=a_customer(desk.served), type="LETTER")
    for name in ("one.pdf", "two.pdf"):
        (tmp_path / name).write_bytes(a_letter())
    at.page.locator("#file").set_input_files([tmp_path / "one.pdf", tmp_path / "two.pdf"])
    expect(at.page.locator("[data-files] li")).to_have_count(2)
    at.page.locator("#file").set_input_files(tmp_path / "two.pdf")
    expect(at.page.locator("#alert")).to_contain_text("two.pdf is already selected.")
    expect(at.page.locator("[data-files] li")).to_have_count(2)


def test_a_pdf_with_a_password_is_said_to_have_no_preview_before_and_after_it_is_saved(desk: Desk) -> None:
    at = Adding(desk, source="file", customer=a_customer(desk.served), type="LETTER")
    at.choose_file(a_payload(a_locked_pdf()))
    expect(at.page.locator("[data-state]")).to_contain_text("This PDF has a password, so there is no preview.")
    at.save_button.click()
    expect(at.done).to_contain_text("This PDF has a password, so there is no preview.")


def test_several_files_have_each_their_own_result(desk: Desk) -> None:
    customer = a_customer(desk.served)
    at = Adding(desk, source="file", customer=customer, type="LETTER")
    at.choose_file(a_payload(name="one.pdf"), a_payload(b"", name="empty.pdf"), a_payload(name="two.pdf"))
    expect(at.page.locator("#pick")).to_have_text("3 files")
    at.save_button.click()
    expect(at.summary).to_have_text("2 of 3 files saved.")
    expect(at.summary).to_be_focused()
    rows = at.page.locator("[data-files] li")
    for row, words in zip(rows.all(), ("Saved", "Not saved: The file is empty.", "Saved"), strict=True):
        expect(row.locator("[data-state]")).to_have_text(words)
    at.documents(customer, 2)
    rows.nth(1).get_by_role("button", name="Remove").click()  # nothing is left to save
    expect(at.done).to_have_count(2)
    at.documents(customer, 2)


def test_files_under_way_go_where_the_first_one_goes_whoever_is_looked_up_meanwhile(
    desks: Callable[..., Desk], served: Served
) -> None:
    """The second one went to whose card was shot while the first one was sent."""
    first, card = a_customer(served), a_card()
    other = a_customer(served, card_numbers=[card])
    with a_line(served.settings.port) as line:
        desk = desks(url=line.url)
        desk.expected = (REFUSED,)  # by its stream of events, when the line ends before the page
        at = Adding(desk, source="file", customer=first, type="LETTER")
        files = [(a_letter() + b"\n%" + b"%" * n + b"\n%%EOF\n") for n in (12_000_000, 100)]
        at.choose_file(*(a_payload(data, name=f"{n}.pdf") for n, data in enumerate(files)))
        line.bytes_per_second = 4_000_000
        at.save_button.click()
        expect(at.page.locator("[data-state]").first).to_contain_text(re.compile(r"^[1-9]\d?% of"))
        at.page.locator("#main").focus()
        at.desk.shoot_with_wand(card)
        expect(at.page.locator("#sources")).to_have_js_property("inert", True)
        expect(at.done).to_have_count(2)
        expect(at.page.locator("#who")).to_have_attribute("data-customer", other)
        expect(at.page.locator("#sources")).to_have_js_property("inert", False)
    at.documents(first, 2)
    at.documents(other, 0)


def test_what_the_archive_cannot_do_just_now_is_said_and_the_form_is_kept(desk: Desk) -> None:
    """Save was dead behind it, and Search customer said nothing."""
    desk.expected = (REFUSED,)
    at = Adding(desk, source="none", customer=a_customer(desk.served), type="GUARDIAN_CONSENT")
    at.page.get_by_label("Note").fill("as agreed")
    away = '<main><section data-summary tabindex="-1">Not available just now</section></main>'

    def fail(route: Route) -> None:
        route.fulfill(status=503, content_type="text/html", body=away)

    for way, button in (("**/add/note*", "#save"), ("**/search", "#change")):
        at.page.route(way, fail)
        at.page.locator(button).click()
        expect(at.summary).to_have_text("Not available just now")
        expect(at.summary).to_be_focused()
        at.page.unroute(way)
    expect(at.page.get_by_label("Note")).to_have_value("as agreed")
    at.save_button.click()
    expect(at.page.get_by_role("alertdialog")).to_be_visible()


def test_pictures_become_one_document_when_they_are_to(desk: Desk) -> None:
    customer = a_customer(desk.served)
    at = Adding(desk, source="file", customer=customer, type="LETTER")
    at.choose_file(a_photo("1.jpg"), a_photo("2.jpg"))
    at.page.get_by_label("One document with all pages").check()
    at.save_button.click()
    expect(at.done).to_contain_text("2 pages")
    (item,) = at.documents(customer, 1)
    assert item["pages"] == 2


def test_one_document_of_pictures_and_a_pdf_is_refused_with_a_sentence(desk: Desk) -> None:
    customer = a_customer(desk.served)
    at = Adding(desk, source="file", customer=customer, type="LETTER")
    at.choose_file(a_photo(), a_payload())
    at.page.get_by_label("One document with all pages").check()
    at.save_button.click()
    expect(at.summary).to_contain_text("Only pictures can become one document.")
    at.documents(customer, 0)


def test_a_picture_is_shown_before_it_is_saved(desk: Desk) -> None:
    at = Adding(desk, source="file", customer=a_customer(desk.served), type="LETTER").choose_file(a_photo())
    expect(at.page.get_by_role("img", name="The chosen picture")).to_be_visible()


def test_a_pdf_is_looked_at_before_it_is_saved_and_never_as_a_page_of_the_archive(desk: Desk) -> None:
    """The link is looked at and not followed: the browser's viewer is another program, and slow to say where it is."""
    at = Adding(desk, source="file", customer=a_customer(desk.served), type="LETTER")
    at.page.evaluate(
        """() => {
            const make = URL.createObjectURL;
            globalThis.made = {};
            URL.createObjectURL = (blob) => { const address = make(blob); made[address] = blob.type; return address; };
        }"""
    )
    page_in_disguise = a_payload(b"%PDF-1.4\n<script>document.title = 1</script>", "page.html", "text/html")
    for file in (a_payload(), page_in_disguise):
        at.pick(file)
        link = at.page.get_by_role("link", name=f"View {file['name']}")
        expect(link).to_be_visible()
        shown = link.evaluate("(link) => [made[link.href], link.target, link.rel]")
        assert shown == ["application/pdf", "_blank", "noopener"]
    at.pick(a_payload(b"no PDF at all", "note.txt"))
    expect(at.page.locator("#pick")).to_have_text("note.txt")
    expect(at.page.get_by_role("link", name="View note.txt")).to_have_count(0)


def test_a_checked_code_makes_the_file_the_evidence_of_its_form(desk: Desk) -> None:
    staff, customer = desk.served.as_("staff"), a_customer(desk.served)
    code = issued(staff, customer)["scan_code"]
    at = Adding(desk, source="file")
    with at.page.expect_file_chooser() as opened:
        at.page.locator("#pick").click()
    opened.value.set_files([a_payload()])
    at.page.locator("#scan-code").fill(code)
    at.page.keyboard.press("Enter")
    expect(at.page.locator("#collection")).to_contain_text("Code checked.")
    expect(at.save_button).to_contain_text("OK")
    expect(at.page.locator("#pick")).to_have_text("letter.pdf")
    at.save_button.click()
    expect(at.done).to_be_visible()
    (item,) = at.documents(customer, 1)
    assert (item["scan_code"], item["status"], item["evidence"] is not None) == (code, "active", True)


# -- No upload ----------------------------------------------------------------------------------------------------


def test_no_upload_by_search_as_the_help_page_has_it(desk: Desk) -> None:
    """D1 to D7: field and button appear, the question, OK, noted; S8 shows it."""
    customer = a_customer(desk.served, name="Ada Vermeer")
    at = Adding(desk)
    expect(at.page.locator("#scan-code")).to_have_count(0)
    at.page.get_by_role("radio", name="No upload").check()
    expect(at.page.get_by_label("Document scan code")).to_be_visible()
    expect(at.page.locator("#about").get_by_role("button", name="Search customer")).to_be_visible()
    at.search(customer).choose_type("guardian")
    at.page.get_by_label("Shelf mark").fill("B 12")
    at.until_it_can_be_saved().save_button.click()
    question = at.page.get_by_role("alertdialog")
    for words in ("Ada Vermeer", "Guardian consent", "The original must be kept on paper."):
        expect(question).to_contain_text(words)
    question.get_by_role("button", name="Cancel").click()
    expect(at.page.get_by_label("Shelf mark")).to_have_value("B 12")
    expect(at.save_button).to_be_focused()
    at.save_button.click()
    question.get_by_role("button", name="OK").click()
    expect(at.page.locator("#noted")).to_contain_text("Authorization recorded for Ada Vermeer.")
    expect(at.page.locator("#noted").get_by_role("button", name="OK")).to_be_focused()
    assert desk.violations() == []
    at.page.get_by_role("link", name="View", exact=True).click()
    expect(at.page.get_by_role("link", name="Guardian consent", exact=True)).to_be_visible()


def test_focus_comes_back_to_a_button_that_was_exchanged_under_the_question(desk: Desk) -> None:
    """It was lost when the answer to the last change of a field came after the question."""
    at = Adding(desk, source="none", customer=a_customer(desk.served), type="GUARDIAN_CONSENT")
    at.until_it_can_be_saved()
    held: list[Route] = []
    at.page.route("**/add", lambda route: held.append(route))  # a method of a list takes no attribute
    at.page.get_by_label("Shelf mark").fill("B 12")
    at.save_button.click()
    question = at.page.get_by_role("alertdialog")
    expect(question).to_be_visible()
    at.page.evaluate("document.getElementById('save').dataset.before = ''")
    for route in held:
        route.continue_()
    expect(at.page.locator("#save[data-before]")).to_have_count(0)
    question.get_by_role("button", name="Cancel").click()
    expect(at.save_button).to_be_focused()


def test_no_upload_by_code_and_its_check_is_voided_by_a_change(desk: Desk) -> None:
    staff, customer = desk.served.as_("staff"), a_customer(desk.served)
    code = issued(staff, customer)["scan_code"]
    at = Adding(desk, source="none")
    at.page.locator("#scan-code").fill(code)
    at.page.get_by_role("button", name="Check").click()
    expect(at.page.locator("#collection")).to_contain_text("Code checked.")
    at.until_it_can_be_saved()
    at.page.locator("#scan-code").press("End")
    at.page.keyboard.press("Backspace")
    expect(at.page.locator("#collection")).to_be_hidden()
    expect(at.save_button).to_have_attribute("aria-disabled", "true")
    expect(at.page.locator("#who")).to_contain_text("No customer chosen")
    at.page.keyboard.type(code[-1])  # goes on where it was
    at.page.keyboard.press("Enter")
    at.until_it_can_be_saved()
    at.page.keyboard.press("Control+Enter")
    at.page.get_by_role("alertdialog").get_by_role("button", name="OK").click()
    expect(at.page.locator("#noted")).to_be_visible()
    (item,) = at.documents(customer, 1)
    assert (item["scan_code"], item["original_held"]) == (code, True)


def test_add_another_keeps_the_customer(desk: Desk) -> None:
    customer = a_customer(desk.served, name="Ada Vermeer")
    at = Adding(desk, source="none", customer=customer, type=CONSENT)
    at.save_button.click()
    at.page.get_by_role("alertdialog").get_by_role("button", name="OK").click()
    at.page.get_by_role("link", name="Add another").click()
    expect(at.page.locator("#who")).to_contain_text("Ada Vermeer")
    expect(at.page.get_by_role("radio", name="No upload")).to_be_checked()


def test_a_code_of_another_customer_is_told_and_can_be_followed(desk: Desk) -> None:
    chosen, owner = a_customer(desk.served, name="Ada Vermeer"), a_customer(desk.served, name="Bea Jansen")
    code = issued(desk.served.as_("staff"), owner)["scan_code"]
    at = Adding(desk, source="none", customer=chosen)
    at.page.locator("#scan-code").fill(code)
    at.page.keyboard.press("Enter")
    expect(at.page.locator("#about")).to_contain_text("The code belongs to Bea Jansen, not to Ada Vermeer.")
    at.page.get_by_role("button", name="Change to Bea Jansen").click()
    expect(at.page.locator("#who")).to_contain_text("Bea Jansen")
    expect(at.page.locator("#collection")).to_contain_text("Code checked.")


def test_the_way_on_without_a_code_that_nobody_has(desk: Desk) -> None:
    """Choosing goes on beside the refusal, Ctrl+Enter shows what is missing, one button does without the code."""
    customer = a_customer(desk.served, name="Ada Vermeer")
    at = Adding(desk, source="file", customer=customer, type="LETTER")
    at.page.locator("#scan-code").fill("2X7K-9QFM-4RTD-8HWA")
    at.page.get_by_role("button", name="Check").click()
    expect(at.page.locator("#scan-code-wrong")).to_be_visible()
    with at.page.expect_file_chooser() as opened:
        at.page.locator("#pick").click()
    opened.value.set_files([a_payload()])
    expect(at.page.locator("#rail")).to_contain_text("letter.pdf")
    expect(at.page.locator("#outcome")).to_contain_text("Correct the scan code, or continue without one.")
    at.page.keyboard.press("Control+Enter")
    expect(at.page.locator("#outcome")).to_have_class(re.compile("pointed"))
    assert desk.violations() == []
    at.page.get_by_role("button", name="Continue without a code").click()
    expect(at.page.locator("#scan-code")).to_have_value("")
    expect(at.page.locator("#scan-code")).to_be_focused()
    at.until_it_can_be_saved().save_button.click()
    expect(at.done).to_contain_text("for Ada Vermeer: Letter")
    at.documents(customer, 1)


# -- the code field -----------------------------------------------------------------------------------------------


def test_enter_in_a_code_field_never_saves(desk: Desk) -> None:
    customer = a_customer(desk.served, name="Ada Vermeer")
    at = Adding(desk, source="none", customer=customer, type=CONSENT).until_it_can_be_saved()
    for field in ("#scan-code", "#look-up", "#shelf_mark"):
        at.page.locator(field).press("Enter")
        expect(at.page.get_by_role("alertdialog")).to_have_count(0)
    at.page.locator("#look-up").fill(customer)
    at.page.keyboard.press("Enter")
    expect(at.page.locator("#look-up")).to_have_value("")
    expect(at.page.locator("#who")).to_contain_text("Ada Vermeer")
    at.documents(customer, 0)


def test_a_code_that_nobody_has_is_marked_for_the_next_one(desk: Desk) -> None:
    card = a_card()
    a_customer(desk.served, name="Ada Vermeer", card_numbers=[card])
    desk.expected = (REFUSED,)
    at = Adding(desk, source="file")
    desk.shoot_with_wand(a_card())
    expect(at.page.locator("#alert")).to_contain_text("No customer or authorization has this code.")
    expect(at.page.locator("#look-up")).to_have_attribute("aria-invalid", "true")
    assert desk.violations() == []
    desk.shoot_with_wand(card)
    expect(at.page.locator("#who")).to_contain_text("Ada Vermeer")
    expect(at.page.locator("#alert")).to_be_empty()


def test_a_code_of_two_customers_asks_which(desk: Desk) -> None:
    number = a_card()
    a_customer(desk.served, name="Bea Jansen", card_numbers=[number])
    desk.served.as_("operator").put(f"/v1/customers/{number}", json={"name": "Cas Smit"})
    at = Adding(desk, source="none")
    at.page.get_by_label("Note").fill("as agreed")
    desk.page.locator("#look-up").focus()
    desk.shoot_with_wand(number)
    expect(at.dialog("Which one?")).to_contain_text("This code matches 2 customers. Choose one.")
    at.page.get_by_role("button", name="Cas Smit").click()
    expect(at.page.locator("#who")).to_contain_text("Cas Smit")
    expect(at.page.get_by_label("Note")).to_have_value("as agreed")


def test_twenty_saves_by_wand_and_keys_alone(desk: Desk) -> None:
    """Shoot the form, Ctrl+Enter, Enter, Enter: the code field has the focus and the next one can be shot."""
    staff = desk.served.as_("staff")
    customers = [a_customer(desk.served) for _ in range(20)]
    codes = [issued(staff, customer)["scan_code"] for customer in customers]
    at = Adding(desk)
    at.page.keyboard.press("Alt+n")
    for code in codes:
        expect(at.page.locator("#noted")).to_have_count(0)
        desk.shoot_with_wand(code)
        expect(at.page.locator("#collection")).to_contain_text("Code checked.")
        at.until_it_can_be_saved()
        at.page.keyboard.press("Control+Enter")
        expect(at.page.get_by_role("alertdialog")).to_be_visible()
        at.page.keyboard.press("Enter")
        expect(at.page.locator("#noted")).to_be_visible()
        at.page.keyboard.press("Enter")
        expect(at.page.locator("#look-up")).to_be_focused()
    for customer in customers:
        at.documents(customer, 1)


def test_the_time_from_the_wand_to_the_customer_is_told(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    cards = [a_card() for _ in range(20)]
    for number, card in enumerate(cards):
        a_customer(desk.served, name=f"Customer {number} of twenty", card_numbers=[card])
    at = Adding(desk, source="file")
    took = []
    for number, card in enumerate(cards):
        desk.page.keyboard.type(card, delay=1)
        began = time.perf_counter()
        desk.page.keyboard.press("Enter")
        expect(at.page.locator("#who")).to_contain_text(f"Customer {number} of twenty")
        took.append(1_000 * (time.perf_counter() - began))
    with capsys.disabled():
        line = f"\nwand to customer: p50 {statistics.median(took):.0f} ms, p95 {sorted(took)[18]:.0f} ms (bar 200)\n"
        sys.stdout.write(line)


# -- search and choice --------------------------------------------------------------------------------------------


def test_a_dialog_is_left_by_escape_and_the_focus_goes_back(desk: Desk) -> None:
    at = Adding(desk, source="file", customer=a_customer(desk.served))
    for opener, name in (
        (at.page.locator("#customer-search"), "Search customer"),
        (at.page.locator("#type-choice"), "Make a choice…"),
    ):
        opener.click()
        expect(at.dialog(name)).to_be_visible()
        assert at.page.evaluate("document.activeElement.matches('dialog input')")
        at.page.keyboard.type("xy")
        at.page.keyboard.press("Escape")
        expect(at.dialog(name)).to_have_count(0)
        expect(opener).to_be_focused()


def test_a_customer_found_by_two_letters_and_by_diacritics(desk: Desk) -> None:
    name = f"Zoë Łukasz-{secrets.token_hex(4)}"
    customer = a_customer(desk.served, name=name)
    at = Adding(desk, source="file")
    at.page.locator("#customer-search").click()
    field = at.page.get_by_label("Name, card number or birth date")
    field.press_sequentially(f"zoe lukasz-{name[-8:]}", delay=20)
    expect(at.page.locator("#found")).to_contain_text(name)
    assert field.input_value() == f"zoe lukasz-{name[-8:]}"  # typing is not disturbed by what is found
    field.fill("zo")
    expect(at.page.locator("#found input")).not_to_have_count(0)
    field.fill(customer)
    expect(at.page.locator("#found input")).to_have_count(1)


def test_a_type_used_lately_is_chosen_by_enter_alone(desk: Desk) -> None:
    customer = a_customer(desk.served)
    at = Adding(desk, source="file", customer=customer, type="FORM").choose_file(a_payload())
    at.page.locator("#save-next").click()
    expect(at.done).to_be_visible()
    at.page.locator("#type-choice").click()
    expect(at.dialog("Make a choice…")).to_contain_text("Recently used at this desk")
    at.page.keyboard.press("Enter")
    expect(at.page.locator("#type-choice")).to_have_text("Form")


# -- what was saved -----------------------------------------------------------------------------------------------


def test_undo_withdraws_and_keeps_what_is_entered_next(desk: Desk) -> None:
    customer = a_customer(desk.served, name="Ada Vermeer")
    at = Adding(desk, source="file", customer=customer, type="LETTER").choose_file(a_payload())
    at.page.locator("#save-next").click()
    expect(at.done).to_be_visible()
    at.page.get_by_label("Description").fill("the next one")
    at.page.get_by_role("button", name="Undo").click()
    expect(at.page.locator("#done")).to_contain_text("Letter of Ada Vermeer is withdrawn")
    expect(at.page.get_by_label("Description")).to_have_value("the next one")
    (item,) = at.documents(customer, 1)
    assert item["status"] == "withdrawn"


def test_undo_takes_a_note_back(desk: Desk) -> None:
    customer = a_customer(desk.served, name="Ada Vermeer")
    at = Adding(desk, source="none", customer=customer, type=CONSENT)
    at.until_it_can_be_saved()
    at.save_button.click()
    at.page.get_by_role("alertdialog").get_by_role("button", name="OK").click()
    at.page.get_by_role("button", name="Undo").click()
    expect(at.page.locator("#done")).to_contain_text("Guardian consent of Ada Vermeer is no longer recorded.")
    (item,) = at.documents(customer, 1)
    assert item["status"] == "cancelled"


# -- without scripts ----------------------------------------------------------------------------------------------


@pytest.fixture
def plain(desks: Callable[..., Desk]) -> Desk:
    return desks(java_script_enabled=False)


def pressed(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).first.click()


def test_without_scripts_a_file_is_saved(plain: Desk) -> None:
    customer = a_customer(plain.served, name="Ada Vermeer")
    page = plain.open("/add")
    page.get_by_role("radio", name="Select file").check()
    pressed(page, "Use this source")
    page.locator("#note").fill("as agreed")
    page.locator("#customer-search").click()
    page.get_by_label("Name, card number or birth date").fill(customer)
    pressed(page, "Search")
    pressed(page, "OK")
    page.get_by_role("radio", name="Letter").check()
    pressed(page, "OK")
    expect(page.locator("#note")).to_have_value("as agreed")
    page.get_by_label("File", exact=True).set_input_files([a_payload()])
    pressed(page, "Save")
    expect(page.locator("[data-done]")).to_contain_text("for Ada Vermeer: Letter, letter.pdf")
    pressed(page, "Undo")
    expect(page.locator("#done")).to_contain_text("is withdrawn")


def test_without_scripts_an_authorization_is_noted(plain: Desk) -> None:
    customer = a_customer(plain.served, name="Ada Vermeer")
    code = issued(plain.served.as_("staff"), customer)["scan_code"]
    page = plain.open("/add?source=none")
    page.locator("#scan-code").fill(code)
    page.keyboard.press("Enter")
    expect(page.locator("#collection")).to_contain_text("Issued for Ada Vermeer")
    pressed(page, "OK")
    expect(page.get_by_role("heading", name="Record this authorization?")).to_be_visible()
    pressed(page, "OK")
    expect(page.locator("#noted")).to_contain_text("Authorization recorded for Ada Vermeer.")
    expect(page.get_by_role("button", name="OK")).to_be_focused()


# -- for everyone -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), pytest.param(1280, "light", marks=pytest.mark.long)])
def test_every_state_of_the_page_is_for_everyone(desks: Callable[..., Desk], width: int, scheme: str) -> None:
    """Those that no screen of the showroom has (test_every_page.py)."""
    desk = desks(width=width, color_scheme=scheme)
    desk.expected = (REFUSED,)
    customer = a_customer(desk.served, name="Ada Vermeer de la Fuente-Oosterhuis")
    code = issued(desk.served.as_("staff"), customer)["scan_code"]
    for path in (
        f"/add?source=none&customer={customer}&type=IDENTIFICATION",
        f"/add?source=none&customer={customer}&type=DEBT_AUTHORIZATION",
        f"/add?source=none&scan_code={code}&check=1",
        f"/add?source=file&scan_code={code[:-1]}&check=1",
    ):
        desk.open(path)
        assert desk.violations() == [], path
        assert not desk.is_too_wide(), path


@pytest.mark.parametrize("source", ["file", "none"])
def test_a_chosen_source_keeps_the_focus(desk: Desk, source: str) -> None:
    at = Adding(desk)
    at.page.keyboard.press({"file": "Alt+l", "none": "Alt+n"}[source])
    expect(at.page.locator("#scan-code")).to_be_visible()
    expect(at.page.locator(f"#sources [value={source}]")).to_be_focused()
    expect(at.page).to_have_url(re.compile(f"source={source}"))
