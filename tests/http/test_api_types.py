"""The catalogue of document types: read, added to, changed, in effect at once in every process."""

import secrets
from typing import Any

import httpx
import pytest

from domain.catalogue import SHIPPED
from tests.http.desk import (
    a_customer,
    a_text,
    archived,
    corrected,
    issued,
    no_upload,
    noted,
    pointers,
    problem_of,
    select_file,
    view,
)
from tests.http.served import Served

ROUNDS = 25


def a_code() -> str:
    return f"T_{secrets.token_hex(4).upper()}"


def a_type(**changes: Any) -> dict[str, Any]:
    usual = {
        "labels": {"en": "Fine", "nl": "Boete"},
        "kind": "document",
        "sensitivity": "ordinary",
        "sources": ["file"],
    }
    return {**usual, **changes}


def put(client: httpx.Client, code: str, **changes: Any) -> httpx.Response:
    return client.put(f"/v1/document-types/{code}", json=a_type(**changes))


def test_the_shipped_types_are_there_with_their_labels(served: Served) -> None:
    listed = served.as_("staff").get("/v1/document-types", headers={"Accept-Language": "nl-NL, en;q=0.5"}).json()
    types = {item["code"]: item for item in listed["items"]}
    assert set(types) >= set(SHIPPED)
    letter = types["LETTER"]
    assert (letter["label"], letter["labels"]["en"], letter["kind"]) == ("Brief", "Letter", "document")
    assert types["IDENTIFICATION"]["verify_only"] is True
    assert types["DEBT_AUTHORIZATION"]["retention"]["trigger"] == "mandate_end"


def test_a_type_is_added_read_and_changed(served: Served) -> None:
    supervisor, code = served.as_("supervisor"), a_code()
    made = put(supervisor, code)
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    assert supervisor.get(f"/v1/document-types/{code}").json() == made.json()
    changed = put(supervisor, code, validity_months=12)
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert int(changed.headers["Archive-Position"]) > int(made.headers["Archive-Position"])
    again = put(supervisor, code, validity_months=12)
    assert (again.status_code, again.headers["ETag"]) == (200, '"2"')


def test_a_change_of_a_type_minds_if_match(served: Served) -> None:
    supervisor, code = served.as_("supervisor"), a_code()
    put(supervisor, code)
    address, body = f"/v1/document-types/{code}", a_type(validity_months=1)
    assert problem_of(supervisor.put(address, json=body, headers={"If-Match": '"7"'}), 412) == "precondition-failed"
    assert supervisor.put(address, json=body, headers={"If-Match": '"1"'}).status_code == 200


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"labels": {"nl": "Boete"}}, "/labels"),
        ({"kind": "thing"}, "/kind"),
        ({"sensitivity": "secret"}, "/sensitivity"),
        ({"sources": ["mail"]}, "/sources/0"),
        ({"validity_months": 0}, "/validity_months"),
        ({"retention": {"trigger": "end", "months": -1}}, "/retention/months"),
        ({"colour": "red"}, "/colour"),
        ({"active": "yes"}, "/active"),
    ],
)
def test_a_wrong_field_of_a_type_is_named(served: Served, changes: dict[str, Any], pointer: str) -> None:
    assert pointers(put(served.as_("supervisor"), a_code(), **changes)) == {pointer}


@pytest.mark.parametrize("code", ["letter", "A-B", "É", "A" * 65])
def test_a_wrong_code_is_named(served: Served, code: str) -> None:
    assert pointers(put(served.as_("supervisor"), code)) == {"/path/code"}


@pytest.mark.parametrize("beginning", ["2FA", "_A", "A"])
def test_a_type_that_can_be_made_can_be_named_by_every_route(served: Served, beginning: str) -> None:
    """Two patterns were in use: what one route made, the others refused for ever."""
    supervisor, customer, code = served.as_("supervisor"), a_customer(served), f"{beginning}_{a_code()}"
    assert put(supervisor, code, kind="authorization", sources=["scan", "file", "none"]).status_code == 201
    assert noted(supervisor, customer, type=code)["type"] == code
    assert issued(supervisor, customer, type=code)["authorization"]["type"] == code
    other = f"{beginning}_{a_code()}"
    assert put(supervisor, other).status_code == 201
    letter = archived(supervisor, customer)
    assert corrected(supervisor, letter, "reclassify", type=other)["type"] == other


def test_a_row_keeps_the_label_of_its_day(served: Served) -> None:
    """Edge case 20: a type is renamed, old rows stay as they were called."""
    supervisor, customer, code = served.as_("supervisor"), a_customer(served), a_code()
    put(supervisor, code)
    archived(supervisor, customer, a_text(), type=code, name="a.txt")
    put(supervisor, code, labels={"en": "Penalty"})
    last = archived(supervisor, customer, a_text(), type=code, name="b.txt")
    assert [row["type_label"] for row in view(supervisor, customer, last["position"])] == ["Penalty", "Fine"]


def test_a_new_type_is_usable_and_a_switched_off_one_is_not_from_the_moment_of_the_answer(served: Served) -> None:
    """Whichever process made the change and whichever takes the next request."""
    supervisor, customer = served.as_("supervisor"), a_customer(served)
    for _ in range(ROUNDS):
        code = a_code()
        assert put(supervisor, code).status_code == 201
        assert supervisor.get(f"/v1/document-types/{code}").status_code == 200
        assert select_file(supervisor, customer, a_text(), name="a.txt", type=code).status_code == 201
        assert put(supervisor, code, active=False).status_code == 200
        refused = select_file(supervisor, customer, a_text(), name="a.txt", type=code)
        assert problem_of(refused, 422) == "document-type-inactive"


def test_no_upload_takes_only_types_that_allow_it(served: Served) -> None:
    supervisor, customer, code = served.as_("supervisor"), a_customer(served), a_code()
    put(supervisor, code, kind="authorization")
    assert problem_of(no_upload(supervisor, customer, type=code), 422) == "source-not-allowed"
    put(supervisor, code, kind="authorization", sources=["none"])
    assert no_upload(supervisor, customer, type=code).status_code == 201


def test_a_token_works_from_the_moment_it_is_made(served: Served) -> None:
    for _ in range(10):
        client = served.client(served.new_token(f"new-{secrets.token_hex(4)}", "staff"))
        assert client.get("/v1/document-types").status_code == 200
