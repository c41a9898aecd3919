"""Check (B5 to B8): whose form a scan code is and what it says; each refusal in its own words; guessing."""

import secrets
import string
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
import pytest

from domain import refusals
from domain.archive import Caller, IssueForm
from domain.refusals import AuthorizationNotActive
from domain.scan_code import group_code, make_code, random_number
from tests.http.desk import (
    CONSENT,
    DEBT,
    IBANS,
    a_customer,
    a_letter,
    a_text,
    access_lines,
    at,
    check,
    corrected,
    debt_issued,
    hand_in,
    handed_in,
    issued,
    item_of,
    no_upload,
    problem_of,
    replace,
    step,
    stepped,
    token_for,
    view,
)
from tests.http.served import Served, wait_until
from web.problems import catalog
from web.statuses import status_of

YESTERDAY = (datetime.now(UTC) - timedelta(days=2)).date().isoformat()  # two days, so that no zone matters
MISSES_MAX = 20
DESKS = 120
LANGUAGES = ("en", "nl", "de")


@pytest.fixture(scope="module")
def spare(served: Served) -> Iterator[str]:
    """Tokens of desks that have missed nothing yet."""
    return iter(served.new_tokens([f"spare-{secrets.token_hex(4)}" for _ in range(DESKS)], "supervisor"))


@pytest.fixture
def staff(served: Served, spare: Iterator[str]) -> httpx.Client:
    """A desk of its own: misses are counted for each actor, and other tests miss as well."""
    return served.client(next(spare))


def a_desk(served: Served, role: str = "supervisor", **rights: Any) -> tuple[str, httpx.Client]:
    name = f"desk-{secrets.token_hex(4)}"
    return name, served.client(served.new_token(name, role, **rights))


def a_code(prefix: str = "GC") -> str:
    """One of ours that no form has."""
    return make_code(prefix, random_number())


def mistyped(code: str) -> str:
    """With one wrong digit."""
    return code[:7] + str((int(code[7]) + 1) % 10) + code[8:]


def said(answer: httpx.Response) -> tuple[str, str]:
    return answer.json()["title"], answer.json()["detail"]


# -- what it shows ------------------------------------------------------------------------------------------------


def test_check_shows_the_customer_and_the_authorization(served: Served, staff: httpx.Client) -> None:
    """B6."""
    customer = a_customer(served, card_numbers=[secrets.token_hex(5)], birth_date="1971-05-23", home_branch="EAST")
    made = issued(staff, customer)
    answer = check(staff, made["scan_code"])
    assert answer.status_code == 200
    shown = answer.json()
    assert set(shown) == {"scan_code", "customer", "authorization", "collection", "check_token"}
    assert shown["scan_code"] == made["scan_code"]
    assert shown["customer"] == staff.get(f"/v1/customers/{customer}").json()
    row = {n: v for n, v in made["authorization"].items() if n not in ("customer", "position")}
    assert shown["authorization"] == row
    assert shown["collection"] is None
    assert answer.headers["ETag"] == '"1"'


def test_check_shows_the_collection_data_with_the_whole_iban(served: Served, staff: httpx.Client) -> None:
    """B7: it is compared with the paper."""
    made = debt_issued(staff, a_customer(served))
    shown = item_of(check(staff, made["scan_code"]))["collection"]
    mandate = staff.get(f"/v1/authorizations/{made['authorization']['id']}", headers=at(made["position"])).json()
    assert shown == {**mandate["mandate"], "status": "issued", "last_collection_on": None, "complete": False}
    assert shown["iban"] == IBANS[0]


def test_after_no_upload_the_same_code_still_checks(served: Served, staff: httpx.Client) -> None:
    """docs/domain.md §3: redeemed means that evidence is attached; the paper can be scanned later."""
    made = debt_issued(staff, a_customer(served))
    noted = item_of(no_upload(staff, None, type=None, scan_code=made["scan_code"], signed_on="2026-01-05"))
    shown = item_of(check(staff, made["scan_code"]))
    assert (shown["authorization"]["status"], shown["collection"]["status"]) == ("active", "active")
    assert shown["authorization"]["original_held"] is True
    assert (shown["collection"]["signature_date"], shown["collection"]["complete"]) == ("2026-01-05", True)
    assert shown["authorization"]["version"] == noted["version"]


def test_a_collection_is_told_with_its_last_day(served: Served, staff: httpx.Client) -> None:
    made = debt_issued(staff, a_customer(served))
    item = item_of(no_upload(staff, None, type=None, scan_code=made["scan_code"], signed_on="2026-01-05"))
    stepped(staff, item, "collections", presented_on="2026-02-01", due_on="2026-02-06", outcome="paid")
    assert item_of(check(staff, made["scan_code"]))["collection"]["last_collection_on"] == "2026-02-06"


def test_check_shows_the_customer_of_today(served: Served, staff: httpx.Client) -> None:
    """After a move the right one; and with the name of today."""
    customer, right = a_customer(served), a_customer(served)
    made = issued(staff, customer)
    stepped(staff, made["authorization"], "reassign", customer=right)
    served.as_("operator").put(f"/v1/customers/{right}", json={"name": "Piet Jansen"})
    shown = item_of(check(staff, made["scan_code"]))
    assert (shown["customer"]["id"], shown["customer"]["name"]) == (right, "Piet Jansen")


def test_a_customer_whom_the_library_system_no_longer_knows_has_an_id_and_a_status(
    served: Served, staff: httpx.Client
) -> None:
    """docs/domain.md §7: an orphan; its paper may still come in."""
    customer = a_customer(served)
    made = issued(staff, customer)
    served.sql("delete from register.customer where customer_id = %s", [customer])
    shown = item_of(check(staff, made["scan_code"]))
    assert (shown["customer"]["id"], shown["customer"]["status"]) == (customer, "deleted_in_source")
    assert handed_in(staff, made["scan_code"], check_token=shown["check_token"])["status"] == "active"


def test_check_writes_no_event_and_changes_nothing(served: Served, staff: httpx.Client) -> None:
    """B5."""
    made = issued(staff, customer := a_customer(served))
    before = view(staff, customer, made["position"])
    last = served.last_position()
    for code in (made["scan_code"], mistyped(made["scan_code"]), a_code()):
        check(staff, code)
        staff.head(f"/v1/scan-codes/{code}")
    assert served.last_position() == last
    assert view(staff, customer) == before


# -- what people and guns type ------------------------------------------------------------------------------------

TYPED: dict[str, Callable[[str], str]] = {
    "as it is printed": group_code,
    "small letters": str.lower,
    "hyphens": lambda code: "-".join((code[:2], code[2:6], code[6:10], code[10:])),
    "hyphens that do not break": lambda code: code[:6] + "\u2011" + code[6:],
    "blanks around it": lambda code: f"  {code} ",
    "a blank that does not break": lambda code: code[:6] + "\u00a0" + code[6:],
    "an O for each nought": lambda code: code[:2] + code[2:].replace("0", "O"),
    "a small o for each nought": lambda code: code[:2] + code[2:].replace("0", "o"),
    "an I for each one": lambda code: code[:2] + code[2:].replace("1", "I"),
    "a small L for each one": lambda code: code[:2] + code[2:].replace("1", "l"),
    "superscripts": lambda code: code.translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")),
    "wide characters": lambda code: "".join(chr(ord(c) + 0xFEE0) for c in code),
    "the kind of its barcode before it": lambda code: f"]Q3{code}",
}


@pytest.mark.parametrize("how", TYPED)
def test_a_code_is_found_however_it_was_typed(served: Served, staff: httpx.Client, how: str) -> None:
    """Edge case 2."""
    made = issued(staff, a_customer(served))
    typed = TYPED[how](made["scan_code"])
    shown = item_of(check(staff, typed))
    assert shown["scan_code"] == made["scan_code"], "it is told as it is kept"
    note = no_upload(staff, None, type=None, scan_code=typed)
    assert note.json()["id"] == made["authorization"]["id"]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\t"])
def test_the_enter_of_a_gun_is_no_part_of_a_code(served: Served, staff: httpx.Client, end: str) -> None:
    """Edge case 2: in a body it comes along; in an address no client sends it and it is refused."""
    customer = a_customer(served)
    noted, filed = issued(staff, customer), issued(staff, customer)
    body = {"scan_code": f"{noted['scan_code']}{end}", "original": {"held": True}}
    assert staff.post("/v1/authorizations", json=body).status_code == 201
    assert hand_in(staff, f"{filed['scan_code']}{end}").status_code == 201
    assert problem_of(check(staff, f"{noted['scan_code']}{end}"), 400) == "malformed-request"


def test_every_escape_of_an_address_is_read(served: Served, staff: httpx.Client) -> None:
    code = issued(staff, a_customer(served))["scan_code"]
    escaped = "".join(f"%{ord(sign):02X}" for sign in code)
    for written in (escaped, escaped.lower(), quote(group_code(code))):
        assert item_of(staff.get(f"/v1/scan-codes/{written}"))["scan_code"] == code
    assert problem_of(staff.get(f"/v1/scan-codes/{group_code(code).replace(' ', '+')}"), 422) == "scan-code-malformed"


@pytest.mark.parametrize(
    "slip",
    [
        mistyped,
        lambda code: code[:4] + code[5] + code[4] + code[6:] if code[4] != code[5] else mistyped(code),
        lambda code: code[:-1],
        lambda code: code + "0",
        lambda code: code[:8] + code[7] + code[8:],
        lambda code: code[2:],
        lambda code: "XX" + code[2:],
    ],
    ids=["a wrong digit", "two swapped", "one lost", "one more", "one doubled", "no prefix", "another prefix"],
)
def test_a_slip_is_called_a_slip(served: Served, staff: httpx.Client, slip: Callable[[str], str]) -> None:
    """Edge case 2: no form of another customer is ever shown."""
    made = issued(staff, a_customer(served))
    assert problem_of(check(staff, slip(made["scan_code"])), 422) == "scan-code-malformed"


@pytest.mark.parametrize("card", ["29007001234567", "T0012345", "A12345B"])
def test_a_card_number_is_no_scan_code(served: Served, staff: httpx.Client, card: str) -> None:
    """Edge case 2: nobody is found by it, though a customer has that card."""
    number = f"{card}{secrets.randbelow(10**6)}"
    a_customer(served, card_numbers=[number])
    assert problem_of(check(staff, number), 422) == "scan-code-malformed"
    assert problem_of(hand_in(staff, number), 422) == "scan-code-malformed"
    assert problem_of(no_upload(staff, None, type=None, scan_code=number), 422) == "scan-code-malformed"


HOSTILE = {
    "one sign": "x",
    "a blank": " ",
    "blanks": "   ",
    "a dash": "-",
    "very long": "1" * 2000,
    "Arabic digits": "DA٤٨٢٧١٩٠٣٦٦٥١٤٤",
    "Devanagari digits": "DA४८२७१९०३६६५१४४",
    "a Cyrillic prefix": "DА48271903665144",
    "an emoji": "👩‍🦰",
    "an accent": "DÁ48271903665144",
    "SQL": "' or '1'='1",
    "a template": "{{7*7}}",
    "a format": "%s%n{0}{scan_code}",
    "a percent sign": "%",
    "a query": "DA48271903665144?x=1",
    "a fragment": "DA48271903665144#x",
    "a semicolon": "DA48271903665144;x",
    "a file": "code.pdf",
    "a star": "*",
    "a null in words": "null",
    "turned about": "\u202e44156630917284AD",
    "a bell that is spelt": "\u2407",
    "a surrogate pair": "𝟒𝟖𝟐𝟕",
    "a UUID": "0193f3a0-0000-7000-8000-000000000001",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_whatever_stands_in_the_place_of_a_code_is_answered(served: Served, staff: httpx.Client, what: str) -> None:
    text, errors = HOSTILE[what], served.errors()
    assert problem_of(check(staff, text), 422) == "scan-code-malformed"
    body = {"scan_code": text, "original": {"held": True}}
    answer = staff.post("/v1/authorizations", json=body)
    assert answer.status_code == 422
    form = hand_in(staff, text, a_text())
    assert form.status_code == 422
    assert served.errors() == errors


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("%00", 400), ("DA48%00", 400), ("..", 404), ("%2e%2e", 400), ("DA%2F..%2F48", 400), ("%ff%fe", 400),
        ("%0D%0ASet-Cookie:x", 400), ("a%5Cb", 400), ("%7f", 400), ("a/b", 404), ("a%2Fb", 404),
        ("1" * 3000, 400),
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_before_anything_is_looked_up(served: Served, path: str, status: int) -> None:
    name, desk = a_desk(served)
    answer = desk.get(f"/v1/scan-codes/{path}")
    assert answer.status_code == status, answer.text
    assert lines_of(served, name) == []


# -- each refusal in its own words --------------------------------------------------------------------------------

REFUSALS: dict[str, Callable[[Served, httpx.Client], tuple[str, dict[str, Any]]]] = {}


def refuses(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def keep(make_one: Callable[[Served, httpx.Client], Any]) -> Callable[..., Any]:
        REFUSALS[what] = make_one
        return make_one

    return keep


@refuses("scan-code-malformed")
def _(served: Served, staff: httpx.Client) -> tuple[str, dict[str, Any]]:
    return mistyped(issued(staff, a_customer(served))["scan_code"]), {}


@refuses("scan-code-unknown")
def _(served: Served, staff: httpx.Client) -> tuple[str, dict[str, Any]]:
    return a_code(), {}


@refuses("scan-code-redeemed")
def _(served: Served, staff: httpx.Client) -> tuple[str, dict[str, Any]]:
    code = issued(staff, a_customer(served))["scan_code"]
    return code, {"existing": handed_in(staff, code)["evidence"]}


@refuses("suspended")
def _(served: Served, staff: httpx.Client) -> tuple[str, dict[str, Any]]:
    code, item = noted_form(served, staff)
    stepped(staff, item, "suspend")
    return code, {"authorization_status": "suspended"}


@refuses("revoked")
def _(served: Served, staff: httpx.Client) -> tuple[str, dict[str, Any]]:
    code, item = noted_form(served, staff)
    stepped(staff, item, "revoke", received_on="2026-02-01")
    return code, {"authorization_status": "revoked"}


@refuses("superseded")
def _(served: Served, staff: httpx.Client) -> tuple[str, dict[str, Any]]:
    code, item = noted_form(served, staff)
    other = issued(staff, item["customer"])
    stepped(staff, item, "supersede", by=other["authorization"]["id"])
    return code, {"authorization_status": "superseded"}


@refuses("cancelled")
def _(served: Served, staff: httpx.Client) -> tuple[str, dict[str, Any]]:
    made = issued(staff, a_customer(served))
    stepped(staff, made["authorization"], "cancel")
    return made["scan_code"], {"authorization_status": "cancelled"}


@refuses("expired")
def _(served: Served, staff: httpx.Client) -> tuple[str, dict[str, Any]]:
    """By the calendar, whether or not the follower has written it down."""
    made = issued(staff, a_customer(served), valid_until=YESTERDAY)
    item = item_of(no_upload(staff, None, type=None, scan_code=made["scan_code"], signed_on="2026-01-02"))
    assert problem_of(check(staff, made["scan_code"]), 409) == "authorization-not-active"
    wait_until(
        lambda: staff.get(f"/v1/authorizations/{item['id']}").json()["status"] == "expired", 30, "it does not lapse"
    )
    return made["scan_code"], {"authorization_status": "expired"}


@refuses("customer-erased")
def _(served: Served, staff: httpx.Client) -> tuple[str, dict[str, Any]]:
    """Erasure has no address yet; this is what it will leave. The form is issued here, so that no worker has its key
    in memory, where a key may stay for a minute."""
    customer = a_customer(served)
    caller = Caller(actor="staff", branch="MAIN", correlation_id=uuid4())
    with served.archive() as archive:
        outcome = archive.forms.issue_form(IssueForm(customer=customer, type=CONSENT, language="en"), caller)
        digest = archive.keys.keyed_digest("erased", customer.encode())
    served.sql(
        "with gone as (delete from keys.customer where customer_id = %s returning reference)"
        " insert into keys.erasure (reference, customer_digest) select reference, %s from gone",
        [customer, digest],
    )
    return outcome.recorded[0].envelope.body.scan_code, {}


def noted_form(served: Served, staff: httpx.Client) -> tuple[str, dict[str, Any]]:
    """The code of a form whose original is held, and the authorization."""
    made = issued(staff, a_customer(served))
    return made["scan_code"], item_of(no_upload(staff, None, type=None, scan_code=made["scan_code"]))


def words_of(what: str) -> tuple[type[refusals.Refusal], str]:
    """The kind of a refusal and the sentence that is its own."""
    if what in AuthorizationNotActive.sentences:
        return AuthorizationNotActive, AuthorizationNotActive.sentences[what]
    kind = next(kind for kind in refusals.all_refusals() if kind.slug == what)
    return kind, kind.sentence


@pytest.mark.parametrize("what", REFUSALS)
def test_each_refusal_has_its_own_sentence_in_three_languages(served: Served, staff: httpx.Client, what: str) -> None:
    """B8."""
    code, told = REFUSALS[what](served, staff)
    kind, sentence = words_of(what)
    details = set()
    for language in LANGUAGES:
        answer = staff.get(f"/v1/scan-codes/{code}", headers={"Accept-Language": language})
        assert problem_of(answer, status_of(kind)) == kind.slug
        translate = catalog(language)
        assert said(answer) == (translate(kind.title), translate(sentence))
        assert {name: answer.json().get(name) for name in told} == told
        assert answer.headers["Content-Language"] == language
        details.add(answer.json()["detail"])
    assert len(details) == len(LANGUAGES), "a sentence is not translated"


def test_no_two_refusals_say_the_same(staff: httpx.Client) -> None:
    for language in LANGUAGES:
        translate = catalog(language)
        sentences = [translate(words_of(what)[1]) for what in REFUSALS]
        assert len(set(sentences)) == len(REFUSALS)


@pytest.mark.parametrize("what", sorted(REFUSALS.keys() - {"scan-code-unknown", "customer-erased", "expired"}))
def test_what_check_refuses_cannot_be_saved_without_a_check_either(
    served: Served, staff: httpx.Client, what: str
) -> None:
    """But for what is over and was signed: its older paper is archived and brings nothing back (edge case 10)."""
    code, _ = REFUSALS[what](served, staff)
    kind, _ = words_of(what)
    answer = hand_in(staff, code)
    if what in ("suspended", "revoked", "superseded"):
        assert answer.status_code == 201, answer.text
        assert answer.json()["status"] == what
    else:
        assert problem_of(answer, status_of(kind)) == kind.slug


def test_redeemed_names_the_document_and_a_withdrawn_one_redeems_nothing(served: Served, staff: httpx.Client) -> None:
    """B8; and it is offered as a new version of the same document (edge case 3)."""
    code = issued(staff, a_customer(served))["scan_code"]
    item = handed_in(staff, code)
    document = staff.get(f"/v1/documents/{item['evidence']}", headers=at(item["position"])).json()
    refused = check(staff, code)
    assert problem_of(refused, 409) == "scan-code-redeemed"
    assert refused.json()["existing"] == item["evidence"]
    withdrawn = corrected(staff, document, "withdraw")
    assert item_of(check(staff, code))["authorization"]["withdrawn_evidence"] == item["evidence"]
    restored = corrected(staff, withdrawn, "restore")
    better = replace(staff, item["evidence"], a_text(), restored["version"], name="better.txt")
    assert better.json()["content_version"] == 2


def test_what_is_over_names_its_paper_where_it_has_one(served: Served, staff: httpx.Client) -> None:
    code = issued(staff, a_customer(served))["scan_code"]
    item = handed_in(staff, code)
    stepped(staff, item | {"version": 3}, "revoke", received_on="2026-02-01")
    refused = check(staff, code)
    assert problem_of(refused, 409) == "authorization-not-active"
    assert refused.json()["existing"] == item["evidence"]


def test_a_form_that_nobody_may_see_is_a_form_that_was_never_issued(served: Served) -> None:
    """I12, edge case 18: as unknown as one that nobody issued; at another branch too."""
    staff = served.as_("staff", branch="EAST")
    made = issued(staff, a_customer(served), type="READING_DISABILITY")
    blind, elsewhere = a_desk(served, without=("health",)), a_desk(served, branch="WEST", own_branch_only=True)
    for name, desk in (blind, elsewhere):
        hidden, absent = check(desk, made["scan_code"]), check(desk, a_code("RD"))
        assert problem_of(hidden, 404) == problem_of(absent, 404) == "scan-code-unknown"
        assert hidden.json().keys() == absent.json().keys()
        assert said(hidden) == said(absent)
        assert [(line["status"], line["authorization"]) for line in lines_of(served, name)] == [(404, None)] * 2
        for refused in (
            hand_in(desk, made["scan_code"]),
            no_upload(desk, None, type=None, scan_code=made["scan_code"]),
        ):
            assert problem_of(refused, 404) == "scan-code-unknown"
    assert check(staff, made["scan_code"]).status_code == 200


# -- the token ----------------------------------------------------------------------------------------------------


def save_with(desk: httpx.Client, code: str, token: str | None) -> list[httpx.Response]:
    """Select file and No upload, both with this token."""
    file = hand_in(desk, code, check_token=token)
    return [file, no_upload(desk, None, type=None, scan_code=code, check_token=token)]


def test_a_token_of_this_check_is_good_for_a_save(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    filed, noted = issued(staff, customer)["scan_code"], issued(staff, customer)["scan_code"]
    assert hand_in(staff, filed, check_token=token_for(staff, filed)).status_code == 201
    answer = no_upload(staff, None, type=None, scan_code=noted, check_token=token_for(staff, noted))
    assert answer.status_code == 201


def test_a_save_that_is_sent_again_with_its_key_and_its_token_is_answered_as_before(
    served: Served, staff: httpx.Client
) -> None:
    """The save itself changed what the token was about. A token that was got anew asks for nothing else either."""
    customer, data = a_customer(served), a_letter()
    filed, noted = issued(staff, customer)["scan_code"], issued(staff, customer)["scan_code"]

    def file(token: str | None) -> httpx.Response:
        return hand_in(staff, filed, data, check_token=token, headers={"Idempotency-Key": f"file-{filed}"})

    def note(token: str | None) -> httpx.Response:
        key = {"Idempotency-Key": f"note-{noted}"}
        return no_upload(staff, None, type=None, scan_code=noted, check_token=token, headers=key)

    for save, code in ((file, filed), (note, noted)):
        token = token_for(staff, code)
        first = save(token)
        assert first.status_code == 201, first.text
        for again in (save(token), save(None)):
            assert again.json() == first.json()
            assert again.headers["Idempotency-Replayed"] == "true"
            assert {n: again.headers[n] for n in ("ETag", "Location")} == {
                n: first.headers[n] for n in ("ETag", "Location")
            }


def test_a_token_is_that_of_one_code(served: Served, staff: httpx.Client) -> None:
    """B9: of the *same* code."""
    one, other = (issued(staff, a_customer(served))["scan_code"] for _ in range(2))
    for answer in save_with(staff, one, token_for(staff, other)):
        assert problem_of(answer, 409) == "check-required"


def test_a_token_is_that_of_one_actor(served: Served, staff: httpx.Client) -> None:
    code = issued(staff, a_customer(served))["scan_code"]
    _, colleague = a_desk(served)
    for answer in save_with(staff, code, token_for(colleague, code)):
        assert problem_of(answer, 409) == "check-required"


def test_a_token_is_that_of_what_was_shown(served: Served, staff: httpx.Client) -> None:
    """The collection data was compared with the paper, and then somebody changed it."""
    made = debt_issued(staff, a_customer(served))
    code = made["scan_code"]
    item = item_of(no_upload(staff, None, type=None, scan_code=code))
    token = token_for(staff, code)
    stepped(staff, item, "amend", debtor_name="K. Another")
    assert problem_of(hand_in(staff, code, check_token=token), 409) == "check-required"
    assert hand_in(staff, code, check_token=token_for(staff, code)).status_code == 201


def test_who_comes_second_with_a_good_token_is_told_of_the_paper_that_was_first(
    served: Served, staff: httpx.Client
) -> None:
    """Edge case 4: not that the check is stale, which would send the desk round once more."""
    code = issued(staff, a_customer(served))["scan_code"]
    token = token_for(staff, code)
    first = handed_in(a_desk(served)[1], code)
    for answer in save_with(staff, code, token):
        assert problem_of(answer, 409) == "scan-code-redeemed"
        assert answer.json()["existing"] == first["evidence"]


def test_a_token_without_its_code_is_asked_for_it(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served)
    token = token_for(staff, issued(staff, customer)["scan_code"])
    assert problem_of(no_upload(staff, customer, check_token=token), 409) == "check-required"
    answer = hand_in(staff, "", customer=customer, type="LETTER", check_token=token)
    assert problem_of(answer, 409) == "check-required"
    assert view(staff, customer, status="active") == []


def tampered(token: str) -> Iterator[str]:
    """Cut, lengthened, swapped about, with single signs changed, and other things in its place."""
    payload, signature = token.split(".")
    yield from (payload, signature, f"{signature}.{payload}", f"{payload}.", f".{signature}", f"{payload}..{signature}")
    yield from (token[:-1], token[1:], f"{token}A", f"A{token}", token[: len(token) // 2], token.swapcase())
    yield from (token.replace(".", "_"), f"{payload}.{payload}", ".", "x", "é.é", "\u00e9", "null", "0" * 256)
    yield from (f"{payload}.{'A' * len(signature)}", f"{'A' * len(payload)}.{signature}")
    for place in range(0, len(token), 5):
        sign = "A" if token[place] != "A" else "B"
        yield token[:place] + sign + token[place + 1 :]


def test_no_other_text_is_a_token(served: Served, staff: httpx.Client) -> None:
    """The signature's last sign has bits that carry nothing, so it is left out of what is changed."""
    code, errors = issued(staff, a_customer(served))["scan_code"], served.errors()
    token = token_for(staff, code)
    last = len(token) - 1
    for forged in tampered(token):
        if forged[:last] == token[:last] and len(forged) == len(token):
            continue
        answer = no_upload(staff, None, type=None, scan_code=code, check_token=forged)
        assert problem_of(answer, 409) == "check-required", forged
    for forged in ("", "x" * 257, "a\0b", "a\nb"):
        answer = staff.post("/v1/authorizations", json={"scan_code": code, "check_token": forged})
        assert answer.status_code == 422, forged
    for forged in ("x" * 5000, "a\0b", "\ud7ff", token + "\r"):
        assert hand_in(staff, code, check_token=forged).status_code in (409, 413, 422)
    assert served.errors() == errors
    assert check(staff, code).status_code == 200


def test_a_token_says_nothing_of_the_customer(served: Served, staff: httpx.Client) -> None:
    customer = a_customer(served, name="Wilhelmina")
    made = debt_issued(staff, customer)
    token = token_for(staff, made["scan_code"])
    assert len(token) <= 256
    for word in (customer, "Wilhelmina", made["scan_code"], IBANS[0]):
        assert word not in token


# -- who looked ---------------------------------------------------------------------------------------------------


def lines_of(served: Served, actor: str) -> list[dict[str, Any]]:
    """Its lines of the access log in their order."""
    return access_lines(served, actor, action="check")[::-1]


def test_every_look_is_a_line_of_the_access_log_hit_or_miss(served: Served) -> None:
    """B8, edge case 25: who looked at my form?"""
    name, desk = a_desk(served, branch="WEST")
    made = issued(desk, customer := a_customer(served))
    code, statement = made["scan_code"], made["authorization"]["id"]
    check(desk, code)
    desk.head(f"/v1/scan-codes/{code}")
    check(desk, mistyped(code))
    check(desk, a_code())
    handed_in(desk, code)
    check(desk, code)
    assert [(line["status"], line["authorization"], line["customer"]) for line in lines_of(served, name)] == [
        (200, statement, customer),
        (200, statement, customer),
        (422, None, None),
        (404, None, None),
        (409, statement, customer),
    ]
    assert {(line["branch"], line["document"]) for line in lines_of(served, name)} == {("WEST", None)}


def test_a_save_that_names_no_form_is_a_miss_like_any_other(served: Served) -> None:
    """Else one could guess there."""
    name, desk = a_desk(served)
    hand_in(desk, a_code())
    no_upload(desk, None, type=None, scan_code="DA48271903665141")
    assert [line["status"] for line in lines_of(served, name)] == [404, 422]


def test_no_code_is_in_what_the_program_says(served: Served, staff: httpx.Client) -> None:
    code = issued(staff, a_customer(served))["scan_code"]
    for typed in (code, group_code(code), mistyped(code)):
        check(staff, typed)
    assert code not in served.said()
    assert mistyped(code) not in served.said()
    assert quote(group_code(code)) not in served.said()


# -- guessing -----------------------------------------------------------------------------------------------------


def elsewhere(served: Served, desk: httpx.Client, code: str) -> httpx.Response:
    """On a connection of its own, so that any of the processes may be asked."""
    with httpx.Client(base_url=served.url, headers=desk.headers) as client:
        return client.get(f"/v1/scan-codes/{code}")


def test_after_twenty_misses_a_minute_an_actor_has_to_wait_in_every_process(served: Served) -> None:
    name, desk = a_desk(served)
    code = issued(desk, a_customer(served))["scan_code"]
    for n in range(MISSES_MAX):
        assert check(desk, code).status_code == 200, "hits are not counted"
        answer = elsewhere(served, desk, a_code() if n % 2 else mistyped(code))
        assert problem_of(answer, answer.status_code) in ("scan-code-unknown", "scan-code-malformed")
    for _ in range(6):
        for asked in (code, a_code(), mistyped(code), "x"):
            refused = elsewhere(served, desk, asked)
            assert problem_of(refused, 429) == "too-many-requests"
            assert refused.headers["Retry-After"] == "60"
    lines = lines_of(served, name)
    assert [line["status"] for line in lines].count(429) == 24, "they are in the log too, and count for nothing"
    assert {line["authorization"] for line in lines if line["status"] == 429} == {None}


def test_who_has_to_wait_cannot_guess_elsewhere_and_all_else_goes_on(served: Served) -> None:
    _, desk = a_desk(served)
    customer = a_customer(served)
    code = issued(desk, customer)["scan_code"]
    for _ in range(MISSES_MAX):
        check(desk, a_code())
    for asked in (code, a_code()):
        assert problem_of(hand_in(desk, asked), 429) == "too-many-requests"
        assert problem_of(no_upload(desk, None, type=None, scan_code=asked), 429) == "too-many-requests"
    assert no_upload(desk, customer).status_code == 201
    assert issued(desk, customer)["scan_code"] != code
    _, colleague = a_desk(served)
    assert check(colleague, code).status_code == 200


@pytest.mark.parametrize("language", ["nl", "de"])
def test_who_has_to_wait_is_told_so_in_its_language(served: Served, language: str) -> None:
    _, desk = a_desk(served)
    for _ in range(MISSES_MAX):
        check(desk, "x")
    answer = desk.get("/v1/scan-codes/x", headers={"Accept-Language": language})
    translate = catalog(language)
    assert said(answer)[0] == translate(refusals.TooManyRequests.title)
    assert said(answer)[0] != refusals.TooManyRequests.title


def test_misses_at_once_are_counted_too(served: Served) -> None:
    """One at a time in each process, so that no more than one of each goes over."""
    name, desk = a_desk(served)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: elsewhere(served, desk, a_code()), range(60)))
    misses = [answer for answer in answers if answer.status_code == 404]
    assert MISSES_MAX <= len(misses) < MISSES_MAX + served.settings.workers
    assert {answer.status_code for answer in answers} == {404, 429}
    assert len(lines_of(served, name)) == 60


def test_a_minute_later_it_may_ask_again(served: Served) -> None:
    """The lines are made older: they cannot be changed, so they are put back by their own clock."""
    name, desk = a_desk(served)
    code = issued(desk, a_customer(served))["scan_code"]
    old = (
        "insert into access.log (at, actor, branch, action, status, trace_id)"
        " select clock_timestamp() - interval '61 seconds', %s, 'MAIN', 'check', 404, '' from generate_series(1, 30)"
    )
    served.sql(old, [name])
    assert check(desk, code).status_code == 200
    served.sql(old.replace("61", "50"), [name])
    assert problem_of(check(desk, code), 429) == "too-many-requests"


# -- who may ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "station", "integration"])
def test_check_is_for_the_desk(served: Served, staff: httpx.Client, role: str) -> None:
    code = issued(staff, a_customer(served))["scan_code"]
    assert problem_of(check(served.as_(role), code), 403) == "forbidden"


def test_a_program_that_notes_by_code_is_counted_as_well(served: Served) -> None:
    """It may not Check, and does not learn by noting what Check would tell."""
    _, program = a_desk(served, "integration")
    for _ in range(MISSES_MAX):
        assert no_upload(program, None, type=None, scan_code=a_code()).status_code == 404
    assert problem_of(no_upload(program, None, type=None, scan_code=a_code()), 429) == "too-many-requests"


def test_an_id_is_no_code(served: Served, staff: httpx.Client) -> None:
    """What else names an authorization opens nothing here."""
    made = debt_issued(staff, a_customer(served), external_id=(external := f"e{secrets.token_hex(6)}"))
    statement = made["authorization"]["id"]
    mandate = staff.get(f"/v1/authorizations/{statement}", headers=at(made["position"])).json()["mandate"]
    for text in (statement, UUID(statement).hex, external, mandate["mandate_reference"], mandate["iban"]):
        assert problem_of(check(staff, text), 422) == "scan-code-malformed"


def test_codes_of_ours_are_spread_over_all_numbers(served: Served, staff: httpx.Client) -> None:
    """Nobody guesses the next from the last: of twenty in a row no two share their first six digits."""
    codes = [issued(staff, a_customer(served))["scan_code"] for _ in range(20)]
    assert len({code[2:8] for code in codes}) == len(codes)
    assert set("".join(code[2:] for code in codes)) == set(string.digits)


def test_a_step_needs_no_check(served: Served, staff: httpx.Client) -> None:
    """The life of an authorization is asked for by its id; there is no token to it."""
    made = issued(staff, a_customer(served), type=DEBT)
    answer = step(staff, made["authorization"]["id"], "cancel", 1, reason="as asked", check_token="x")
    assert problem_of(answer, 422) == "validation-failed"
