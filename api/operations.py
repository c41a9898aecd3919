"""Answers operators and their tools: liveness, readiness, version, metrics and the contract."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec

from api.call import Call
from domain.refusals import NotFound
from web.subpath import base_of


async def answer_alive(call: Call) -> None:
    """GET /livez: this process answers."""
    call.answer({"status": "ok"})


async def answer_ready(call: Call) -> None:
    """GET /readyz: the state of each part; 503 when one cannot serve."""
    parts = await call.parts.health()
    well = is_well(parts)
    call.answer({"status": "ok" if well else "failing", "parts": parts}, status=200 if well else 503)


def is_well(parts: Mapping[str, str]) -> bool:
    """True if the state of every part begins with "ok"; text after a comma is for people."""
    return all(state.partition(",")[0] == "ok" for state in parts.values())


async def answer_version(call: Call) -> None:
    call.answer({"version": call.parts.version, "commit": call.parts.commit, "institution": call.parts.institution})


async def send_metrics(call: Call) -> None:
    """GET /metrics on the main port; NotFound when the metrics have a port of their own."""
    if not call.parts.metrics_on_main_port:
        raise NotFound
    call.resp.content_type = "text/plain; version=0.0.4; charset=utf-8"
    call.resp.data = await call.parts.metrics()


async def send_contract(call: Call) -> None:
    """GET /openapi.json: the committed document, with the sub-path of DOSSIER_PUBLIC_URL as its server."""
    call.resp.content_type = "application/json"
    call.resp.data = contract_below(base_of(call.req.scope))


@cache
def contract_below(base: str) -> bytes:
    committed = files("api").joinpath("openapi.json").read_bytes()
    if not base:
        return committed
    document = msgspec.json.decode(committed)
    return msgspec.json.encode({**document, "servers": [{"url": base}]})
