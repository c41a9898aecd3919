"""What a desk does over HTTP, with usual values; a test names what differs."""

import secrets
from typing import Any

import httpx

from tests.http.served import Served
from tests.paper.files import a_pdf

IBANS = ("NL91ABNA0417164300", "BE68539007547034", "DE89370400440532013000", "FR1420041010050500013M02606")


def a_customer(served: Served, **fields: Any) -> str:
    """A new customer of the register; its id."""
    customer = f"c{secrets.token_hex(5)}"
    answer = served.as_("operator").put(f"/v1/customers/{customer}", json={"name": "Jan de Vries", **fields})
    assert answer.status_code == 201, answer.text
    return customer


def a_letter(pages: int = 1) -> bytes:
    """A PDF like no other."""
    return a_pdf(pages, catalogue=b"/Unlike (%s)" % secrets.token_hex(8).encode())


def a_text() -> bytes:
    return f"Dear library, my number is {secrets.token_hex(8)}.\n".encode()


def select_file(
    client: httpx.Client,
    customer: str | None,
    data: bytes | None = None,
    *,
    name: str = "letter.pdf",
    headers: dict[str, str] | None = None,
    **fields: str | None,
) -> httpx.Response:
    """POST /documents. A field that is None is left out."""
    form = {"customer": customer, "type": "LETTER", **fields}
    sent = {key: value for key, value in form.items() if value is not None}
    file = {"file": (name, a_letter() if data is None else data)}
    return client.post("/v1/documents", data=sent, files=file, headers=headers)


def archived(client: httpx.Client, customer: str, data: bytes | None = None, **more: Any) -> dict[str, Any]:
    """The item of a file that was archived."""
    return item_of(select_file(client, customer, data, **more))


def no_upload(
    client: httpx.Client, customer: str | None, headers: dict[str, str] | None = None, **fields: Any
) -> httpx.Response:
    """POST /authorizations. A field that is None is left out."""
    usual = {"customer": customer, "type": "GUARDIAN_CONSENT", "original": {"held": True, "shelf_mark": "B 12"}}
    body = {key: value for key, value in {**usual, **fields}.items() if value is not None}
    return client.post("/v1/authorizations", json=body, headers=headers)


def noted(client: httpx.Client, customer: str, **more: Any) -> dict[str, Any]:
    """The item of an authorization that was noted."""
    return item_of(no_upload(client, customer, **more))


def a_mandate(**fields: Any) -> dict[str, Any]:
    return {"debtor_name": "J. de Vries", "iban": IBANS[0], "signature_date": "2026-01-31", **fields}


def correct(client: httpx.Client, document: str, verb: str, version: int | str | None, **body: Any) -> httpx.Response:
    """POST /documents/{id}/{verb} with an If-Match; None sends none."""
    headers = {} if version is None else {"If-Match": version if isinstance(version, str) else f'"{version}"'}
    return client.post(f"/v1/documents/{document}/{verb}", json=body, headers=headers)


def corrected(client: httpx.Client, document: dict[str, Any], verb: str, **body: Any) -> dict[str, Any]:
    """The document after a correction of its present version."""
    return item_of(correct(client, document["id"], verb, document["version"], **{"reason": "by mistake", **body}))


def item_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.is_success, answer.text
    item: dict[str, Any] = answer.json()
    return item


def at(position: int) -> dict[str, str]:
    """The header of a reader who wants to see what was written."""
    return {"Archive-Min-Position": str(position)}


def view(client: httpx.Client, customer: str, position: int = 0, **query: Any) -> list[dict[str, Any]]:
    """Every item of the customer's list, page by page."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        params = {**query, **({"cursor": cursor} if cursor else {})}
        page = client.get(f"/v1/customers/{customer}/documents", params=params, headers=at(position)).json()
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            return items


def problem_of(answer: httpx.Response, status: int) -> str:
    """The slug of a refusal."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text[:1000]}"
    slug: str = answer.json()["type"].removeprefix("/problems/")
    return slug


def pointers(answer: httpx.Response) -> set[str]:
    """The fields that a refusal names."""
    assert problem_of(answer, 422) == "validation-failed"
    return {error["pointer"] for error in answer.json()["errors"]}
