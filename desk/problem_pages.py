"""The pages that a problem's `type` links to: meaning and remedy. Neighbour: web/problems.py sends the problems."""

import re

from api.call import Call
from desk import render
from domain import refusals
from domain.refusals import NotFound
from web.problems import catalog, cure
from web.statuses import status_of


async def list_problems(call: Call) -> None:
    """GET /problems: lists all refusals."""
    call.language = render.language_of(call)
    translate = catalog(call.language)
    kinds = [(refusal.slug, status_of(refusal), translate(refusal.title)) for refusal in refusals.all_refusals()]
    render.show(call, "problems.html", kinds=kinds)


async def show_problem(call: Call) -> None:
    """GET /problems/{slug}: title, sentence, status, remedy. NotFound for an unknown slug."""
    refusal = next((refusal for refusal in refusals.all_refusals() if refusal.slug == call.params["slug"]), None)
    if refusal is None:
        raise NotFound
    call.language = render.language_of(call)
    translate = catalog(call.language)
    render.show(
        call,
        "problem_page.html",
        slug=refusal.slug,
        code=status_of(refusal),
        title=translate(refusal.title),
        sentence=re.sub(r"\{(\w+)\}", "…", translate(refusal.sentence)),
        cure=translate(cure(status_of(refusal))),
    )
