"""Disposals over HTTP: the list of what is due, a proposal, its approval by another, the run; each refusal once."""

import json
import secrets
from base64 import b64decode
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from domain.document_type import DefineType, Retention
from tests.builders.papers import a_caller, a_document_type
from tests.http.desk import at, problem_of
from tests.http.disposing import an_ended
from tests.http.served import Served, wait_until


@pytest.fixture(scope="module")
def code(served: Served) -> str:
    """A type whose rule asks for a second person."""
    code = f"ENDS_{secrets.token_hex(3).upper()}"
    kept = Retention(trigger="entitlement_end", months=24, legal_basis="proof of authority", approval=True)
    with served.archive() as archive:
        definition = a_document_type("OTHER_AUTHORIZATION", retention=kept).definition
        archive.catalogues.define_type(DefineType(code, definition), a_caller())
    return code


@pytest.fixture(scope="module")
def proposer(served: Served) -> httpx.Client:
    return served.as_("supervisor")


@pytest.fixture(scope="module")
def approver(served: Served) -> httpx.Client:
    return served.client(served.new_token(f"second-{secrets.token_hex(3)}", "supervisor"))


def due(client: httpx.Client, code: str, position: int, **query: Any) -> list[dict[str, Any]]:
    answer = client.get("/v1/disposals", params={"type": code, **query}, headers=at(position))
    assert answer.is_success, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_from_the_due_list_to_the_tombstone(
    served: Served, proposer: httpx.Client, approver: httpx.Client, code: str
) -> None:
    customer, paper = an_ended(served, code)
    [item] = due(proposer, code, served.last_position())
    assert (item["id"], item["customer"], item["because"], item["hold"], item["approval"]) == (
        paper, customer, "entitlement_end + 24 months", False, True,
    )  # fmt: skip
    assert due(proposer, code, 0, due="1990-01-01") == due(proposer, code, 0, due_before="1990-01-01") == []
    key = {"Idempotency-Key": secrets.token_hex(8)}
    proposed = proposer.post("/v1/disposals", json={"types": [code]}, headers=key)
    assert (proposed.status_code, proposed.json()["state"], proposed.json()["papers"]) == (201, "proposed", 1)
    assert proposer.post("/v1/disposals", json={"types": [code]}, headers=key).json()["id"] == proposed.json()["id"]
    address = proposed.headers["Location"]
    assert problem_of(proposer.post(f"{address}/run"), 409) == "approval-missing"
    assert problem_of(proposer.get(f"{address}/declaration"), 409) == "illegal-transition"
    reason = {"reason": "compared with the rules"}
    assert problem_of(proposer.post(f"{address}/approve", json=reason), 409) == "approval-by-proposer"
    approved = approver.post(f"{address}/approve", json=reason).json()
    assert (approved["state"], approved["needs_approval"]) == ("approved", True)
    assert proposer.post(f"{address}/run").status_code == 202
    wait_until(lambda: proposer.get(address).json()["state"] == "done", 30, "the run did not end")
    assert proposer.get(address).json()["destroyed"] == 1
    tombstone = proposer.get(f"/v1/authorizations/{paper}", headers=at(served.last_position())).json()
    assert (tombstone["status"], tombstone["note"]) == ("destroyed", None)
    assert due(proposer, code, 0) == []
    signed = proposer.get(f"{address}/declaration").json()
    published = served.as_("viewer").get("/v1/keys/signing").json()["public_key"]
    public = Ed25519PublicKey.from_public_bytes(b64decode(published))
    public.verify(b64decode(signed["signature"]), signed["statement"].encode())
    [gone] = signed["declaration"]["destroyed"]
    assert (gone["id"], gone["trigger"], gone["original_held"]) == (paper, "entitlement_end", True)
    assert signed["declaration"] == json.loads(signed["statement"])
    assert signed["declaration"]["proposed_by"] != signed["declaration"]["approved_by"]
    assert problem_of(proposer.post(f"{address}/run"), 409) == "illegal-transition"


def test_a_list_does_not_exist_without_the_rights_to_all_its_types(
    served: Served, proposer: httpx.Client, code: str
) -> None:
    an_ended(served, code)
    due(proposer, code, served.last_position())
    address = proposer.post("/v1/disposals", json={"types": [code]}).headers["Location"]
    assert problem_of(served.as_("supervisor", without=["ordinary"]).get(address), 404) == "not-found"
    own = served.as_("supervisor", branch="WEST", own_branch_only=True)
    assert problem_of(own.get(address), 403) == "forbidden"
    assert problem_of(own.get("/v1/disposals"), 403) == "forbidden"


def test_nothing_due_is_no_disposal(proposer: httpx.Client, code: str) -> None:
    answer = proposer.post("/v1/disposals", json={"due_before": "1990-01-01", "types": [code]})
    assert problem_of(answer, 422) == "validation-failed"
