"""What a desk does over HTTP, with usual values; a test names what differs."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from tests.builders.memory import Clock
from tests.http.served import Served
from tests.paper.files import a_pdf

CONSENT, DEBT = "GUARDIAN_CONSENT", "DEBT_AUTHORIZATION"
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


def an_iban() -> str:
    """A valid Dutch IBAN with an account number of chance."""
    account = "".join(secrets.choice("0123456789") for _ in range(10))
    digits = "".join(str(int(sign, 36)) for sign in f"ABNA{account}NL00")
    return f"NL{98 - int(digits) % 97:02}ABNA{account}"


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
    usual = {"customer": customer, "type": CONSENT, "original": {"held": True, "shelf_mark": "B 12"}}
    body = {key: value for key, value in {**usual, **fields}.items() if value is not None}
    return client.post("/v1/authorizations", json=body, headers=headers)


def a_branch() -> str:
    """Where nothing is but what its test brings: a list of what waits has an end."""
    return secrets.token_hex(4).upper()


def noted(client: httpx.Client, customer: str, **more: Any) -> dict[str, Any]:
    """The item of an authorization that was noted."""
    return item_of(no_upload(client, customer, **more))


def a_mandate(**fields: Any) -> dict[str, Any]:
    return {"debtor_name": "J. de Vries", "iban": IBANS[0], "signature_date": "2026-01-31", **fields}


def issue(
    client: httpx.Client, customer: str | None, headers: dict[str, str] | None = None, **fields: Any
) -> httpx.Response:
    """POST /forms. A field that is None is left out."""
    body = {key: value for key, value in {"customer": customer, "type": CONSENT, **fields}.items() if value is not None}
    return client.post("/v1/forms", json=body, headers=headers)


def issued(client: httpx.Client, customer: str, **more: Any) -> dict[str, Any]:
    """The answer of a form that was issued: `authorization`, `scan_code`, `form` …"""
    return item_of(issue(client, customer, **more))


def debt_issued(client: httpx.Client, customer: str, **more: Any) -> dict[str, Any]:
    """The form of a mandate with its collection data, which nobody has signed yet."""
    mandate = {name: value for name, value in a_mandate().items() if name != "signature_date"}
    return issued(client, customer, **{"type": DEBT, "mandate": mandate, **more})


def check(client: httpx.Client, code: str) -> httpx.Response:
    """GET /scan-codes/{code}, whatever stands in it."""
    return client.get(f"/v1/scan-codes/{quote(code, safe='')}")


def token_for(client: httpx.Client, code: str) -> str:
    """The check token of a Check that went well."""
    token: str = item_of(check(client, code))["check_token"]
    return token


def hand_in(
    client: httpx.Client, code: str, data: bytes | None = None, *, customer: str | None = None, **more: Any
) -> httpx.Response:
    """POST /documents with a scan code and nothing else that can be left out: the signed form comes in as a file."""
    return select_file(client, customer, data, **{"type": None, "scan_code": code, **more})


def handed_in(client: httpx.Client, code: str, data: bytes | None = None, **more: Any) -> dict[str, Any]:
    """The row of the authorization with its evidence."""
    return item_of(hand_in(client, code, data, **more))


def step(
    client: httpx.Client,
    authorization: str,
    verb: str,
    version: int | str | None,
    headers: dict[str, str] | None = None,
    **body: Any,
) -> httpx.Response:
    """POST /authorizations/{id}/{verb} with an If-Match; None sends none."""
    match = {} if version is None else {"If-Match": version if isinstance(version, str) else f'"{version}"'}
    return client.post(f"/v1/authorizations/{authorization}/{verb}", json=body, headers={**match, **(headers or {})})


def stepped(client: httpx.Client, authorization: dict[str, Any], verb: str, **body: Any) -> dict[str, Any]:
    """The authorization after a step of its present version."""
    usual = {} if verb == "collections" else {"reason": "as asked"}
    return item_of(step(client, authorization["id"], verb, authorization["version"], **{**usual, **body}))


def wrongly_lapsed(served: Served, authorization: dict[str, Any]) -> dict[str, Any]:
    """The authorization after a clock that was years ahead ended it."""
    ahead = Clock(datetime.now(UTC) + timedelta(days=2_000))
    with served.archive() as archive:
        assert archive.with_clock(ahead).life.lapse_authorization(UUID(authorization["id"]))
    position = served.last_position()
    return item_of(served.as_("staff").get(f"/v1/authorizations/{authorization['id']}", headers=at(position))) | {
        "position": position
    }


def replace(
    client: httpx.Client,
    document: str,
    data: bytes,
    version: int | str | None,
    *,
    name: str = "better.pdf",
    reason: str | None = "a better scan",
) -> httpx.Response:
    """PUT /documents/{id}/content with an If-Match; None sends none."""
    headers = {} if version is None else {"If-Match": version if isinstance(version, str) else f'"{version}"'}
    fields = {} if reason is None else {"reason": reason}
    return client.put(f"/v1/documents/{document}/content", data=fields, files={"file": (name, data)}, headers=headers)


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


def access_lines(served: Served, actor: str, role: str = "operator", **query: Any) -> list[dict[str, Any]]:
    """An actor's lines of the access log, newest first, when the views have the papers that they are about."""
    query = {"actor": actor, "limit": 200, **query}
    items: list[dict[str, Any]] = item_of(
        served.as_(role).get("/v1/access-log", params=query, headers=at(served.last_position()))
    )["items"]
    return items


def view(client: httpx.Client, customer: str, position: int = 0, **query: Any) -> list[dict[str, Any]]:
    """Every item of the customer's list."""
    return every_item(client, f"/v1/customers/{customer}/documents", position, **query)


def every_item(client: httpx.Client, path: str, position: int = 0, **query: Any) -> list[dict[str, Any]]:
    """Every item of a list, page by page."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        params = {**query, **({"cursor": cursor} if cursor else {})}
        page = client.get(path, params=params, headers=at(position)).json()
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


def said_in(client: httpx.Client, address: str, position: int = 0) -> str:
    """What a history tells of each step, newest first: the actions, in one line."""
    answer = client.get(f"/v1/{address}/history", headers=at(position))
    return " ".join(item["action"] for item in item_of(answer)["items"])


@contextmanager
def refusing_lines(served: Served) -> Iterator[None]:
    """Meanwhile the table takes no line of the access log."""
    served.sql(
        "create function access.refuse() returns trigger language plpgsql as $$ begin raise 'no line'; end $$;"
        " create trigger refusing before insert on access.log for each statement execute function access.refuse()"
    )
    try:
        yield
    finally:
        served.sql("drop function access.refuse() cascade")
