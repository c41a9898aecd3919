"""Check at the desk (B5 to B8): looks up a scan code and fills in customer and type from its form."""

from collections.abc import Mapping
from typing import Any

import msgspec

from api.call import Call
from desk.changes import end_of_log
from desk.door import ask
from desk.refused import ShownProblem, problem_of
from domain.refusals import NotFound, Refusal, Unavailable
from domain.scan_code import candidates


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """The result of Check. `fields` are the page's fields, completed from `found`, the API's answer.

    `other` is the form's customer if it is not the chosen one; `existing` the paper that has already used the code;
    `is_current` whether the answer still belongs to the code in the field.
    """

    fields: Mapping[str, str]
    found: Mapping[str, Any] | None = None
    problem: ShownProblem | None = None
    other: Mapping[str, Any] | None = None
    existing: Mapping[str, Any] | None = None
    is_current: bool = False


async def check(call: Call, fields: Mapping[str, str]) -> Check:
    """Applies the page's fields. Calls the API only if Check was pressed, or to show the refusal of this code again."""
    fields = void_changed_code(fields)
    if fields.pop("without_code", None):
        fields = {**without_check(fields), "scan_code": ""}
    if fields.pop("not_them", None):
        fields = {**without_check(fields), "scan_code": "", "customer": "", "type": ""}
    if owner := fields.pop("instead", None):
        fields |= {"customer": owner, "check": "instead"}
    code = fields.get("scan_code", "")
    wanted = fields.get("check") or code == fields.get("refused_code")
    kept = {name: value for name, value in fields.items() if name not in ("check", "refused_code")}
    if not (code and wanted):
        return Check(fields=kept, is_current=bool(fields.get("by_code") and fields.get("check_token")))
    try:
        found = (await ask(call, "GET", "/v1/scan-codes/{code}", code=code)).body
    except Refusal as refusal:
        problem = problem_of(call, refusal)
        return Check(fields=without_check(kept), problem=problem, existing=await existing_paper(call, problem.extra))
    return settle_check(kept, found)


def void_changed_code(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields, without the answer of Check and what it filled in if the code has changed since (B9)."""
    by_code = fields.get("by_code")
    if by_code and by_code not in candidates(fields.get("scan_code", "")):
        return {**without_check(fields), "customer": "", "type": ""}
    return dict(fields)


def without_check(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name not in ("by_code", "check_token")}


def settle_check(fields: Mapping[str, str], found: Mapping[str, Any]) -> Check:
    """Takes customer and type from the form; a different chosen customer is a conflict (D8)."""
    customer, chosen = found["customer"]["id"], fields.get("customer")
    if chosen and chosen != customer:
        return Check(fields=without_check(fields), other=found["customer"])
    code, token = found["scan_code"], found["check_token"]
    form = {"customer": customer, "type": found["authorization"]["type"], "by_code": code, "check_token": token}
    return Check(fields={**fields, **form, "scan_code": code}, found=found, is_current=True)


async def existing_paper(call: Call, extra: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The paper that a refusal names, read at the end of the log, because it may be only just saved."""
    if not (paper := extra.get("existing")):
        return None
    try:
        headers = {"Archive-Min-Position": await end_of_log(call)}
        return dict((await ask(call, "GET", "/v1/documents/{id}", headers=headers, id=paper)).body)
    except (NotFound, Unavailable):
        return None
