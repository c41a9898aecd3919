"""What a running archive says to who reads Dutch or German: problems, fields, reasons, states, and the pages behind."""

import httpx
import pytest

from domain import refusals
from domain.refusals import Refusal
from tests.docs.translations import LANGUAGES
from tests.http import wire
from tests.http.desk import a_customer, archived, correct, corrected, no_upload, problem_of
from tests.http.served import Served
from web.problems import catalog
from web.statuses import status_of

# So that the archive does not wait for a body that it has refused.
EXPECT = "Expect: 100-continue"
every_language = pytest.mark.parametrize("language", ["en", *LANGUAGES])


def reader(served: Served, language: str) -> httpx.Client:
    """A member of staff whose programs ask for this language."""
    client = served.client(served.as_("staff").headers["Authorization"].removeprefix("Bearer "))
    client.headers["Accept-Language"] = language
    return client


def said(answer: httpx.Response) -> str:
    detail: str = answer.json()["detail"]
    return detail


def fields(answer: httpx.Response) -> dict[str, str]:
    assert problem_of(answer, 422) == "validation-failed"
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


# -- problems -------------------------------------------------------------------------------------------------------


@every_language
def test_a_problem_is_in_the_readers_language_and_says_so(served: Served, language: str) -> None:
    answer = reader(served, language).get("/v1/documents/no-id")
    assert problem_of(answer, 404) == "not-found"
    translate = catalog(language)
    assert answer.json()["title"] == translate(refusals.NotFound.title)
    assert answer.json()["detail"] == translate(refusals.NotFound.sentence)
    assert answer.headers["Content-Language"] == language
    assert answer.headers["Vary"] == "Accept-Language"


@pytest.mark.parametrize(
    ("wanted", "title"),
    [
        ("nl", "Niet gevonden"), ("nl-BE", "Niet gevonden"), ("NL-nl", "Niet gevonden"), ("de-AT", "Nicht gefunden"),
        ("de;q=0.3, nl;q=0.9", "Niet gevonden"), ("nl;q=0.3, de;q=0.9", "Nicht gefunden"),
        ("fr, de;q=0.5, nl;q=0.2", "Nicht gefunden"), ("nl;q=0, de;q=0.1", "Nicht gefunden"),
        ("en, nl;q=0.9", "Not found"), ("fr", "Not found"), ("*", "Not found"), ("", "Not found"),
    ],
)  # fmt: skip
def test_the_best_wanted_language_that_there_is_is_taken(served: Served, wanted: str, title: str) -> None:
    answer = reader(served, wanted).get("/v1/documents/no-id")
    assert (answer.json()["title"], answer.status_code) == (title, 404)


@pytest.mark.parametrize(
    ("language", "required", "text", "unknown"),
    [
        ("nl", "is verplicht", "moet tekst zijn", "is geen veld van dit verzoek"),
        ("de", "ist erforderlich", "muss Text sein", "ist kein Feld dieser Anfrage"),
    ],
)
def test_what_is_wrong_with_a_field_is_said_in_the_readers_language(
    served: Served, language: str, required: str, text: str, unknown: str
) -> None:
    staff = reader(served, language)
    assert fields(staff.post("/v1/authorizations", json={})) == {"/type": required, "/customer": required}
    assert fields(staff.post("/v1/authorizations", json={"note": 7})) == {"/note": text}
    assert fields(staff.post("/v1/authorizations", json={"colour": "red"})) == {"/colour": unknown}


@pytest.mark.parametrize(
    ("language", "limit", "malformed"),
    [
        ("nl", "moet een geheel getal van 1 tot en met 200 zijn", "de inhoud is onjuist opgebouwd."),
        ("de", "muss eine ganze Zahl von 1 bis 200 sein", "ihr Inhalt ist fehlerhaft aufgebaut."),
    ],
)
def test_values_and_reasons_are_filled_in(served: Served, language: str, limit: str, malformed: str) -> None:
    staff = reader(served, language)
    assert fields(staff.get(f"/v1/customers/{a_customer(served)}/documents?limit=900")) == {"/query/limit": limit}
    answer = staff.post("/v1/authorizations", content=b"{", headers={"Content-Type": "application/json"})
    assert problem_of(answer, 400) == "malformed-request"
    assert said(answer).endswith(f": {malformed}")


@pytest.mark.parametrize(
    ("language", "state", "source"),
    [("nl", "‘ingetrokken’", "‘Geen upload’"), ("de", "„zurückgezogen“", "„Kein Upload“")],
)
def test_states_and_sources_are_words_of_the_readers_language(
    served: Served, language: str, state: str, source: str
) -> None:
    staff, customer = reader(served, language), a_customer(served)
    withdrawn = corrected(staff, archived(staff, customer), "withdraw")
    again = correct(staff, withdrawn["id"], "withdraw", withdrawn["version"], reason="by mistake")
    assert problem_of(again, 409) == "illegal-transition"
    assert state in said(again)
    refused = no_upload(staff, customer, type="LETTER")
    assert problem_of(refused, 422) == "source-not-allowed"
    assert source in said(refused)


@pytest.mark.parametrize(
    ("request_head", "kind"),
    [
        (("GET", "/v1/doc%00uments"), refusals.MalformedRequest),
        (
            ("POST", "/v1/documents", "Content-Length: 9", "Content-Encoding: gzip", EXPECT),
            refusals.UnsupportedMediaType,
        ),
        (("POST", "/v1/documents", wire.MULTIPART, f"Content-Length: {10**12}", EXPECT), refusals.ContentTooLarge),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_refused_before_the_application_is_in_the_readers_language_too(
    served: Served, language: str, request_head: tuple[str, ...], kind: type[Refusal]
) -> None:
    method, path, *headers = request_head
    answer = wire.ask(served, wire.head(method, path, *headers, f"Accept-Language: {language}"))
    assert (answer.status, answer.slug) == (status_of(kind), kind.slug)
    assert answer.problem["title"] == catalog(language)(kind.title)
    assert (answer.headers["content-language"], answer.headers["vary"]) == (language, "Accept-Language")


# -- pages ----------------------------------------------------------------------------------------------------------


@every_language
def test_the_page_of_a_problem_is_in_the_readers_language(served: Served, language: str) -> None:
    anyone, translate = served.client(None), catalog(language)
    for kind in refusals.all_refusals():
        page = anyone.get(f"/problems/{kind.slug}", headers={"Accept-Language": f"fr, {language};q=0.5"})
        assert f'<html lang="{language}">' in page.text
        assert f"<h1>{translate(kind.title)}</h1>" in page.text.replace("&#39;", "'")
        assert (page.headers["Content-Language"], page.headers["Vary"]) == (language, "Accept-Language, Cookie")
        assert "{" not in page.text


@every_language
def test_the_list_of_problems_is_in_the_readers_language(served: Served, language: str) -> None:
    page = served.client(None).get("/problems", headers={"Accept-Language": language})
    assert f'<html lang="{language}">' in page.text
    assert f"<h1>{catalog(language)('Problems')}</h1>" in page.text
    assert all(catalog(language)(kind.title) in page.text.replace("&#39;", "'") for kind in refusals.all_refusals())
    assert (page.headers["Content-Language"], page.headers["Vary"]) == (language, "Accept-Language, Cookie")
