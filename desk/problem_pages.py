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
    kinds = [(kind.slug, status_of(kind), translate(kind.title)) for kind in refusals.all_refusals()]
    render.show(call, "problems.html", kinds=kinds)


async def show_problem(call: Call) -> None:
    """GET /problems/{slug}: title, sentence, status, remedy. NotFound for an unknown slug."""
    kind = next((kind for kind in refusals.all_refusals() if kind.slug == call.params["slug"]), None)
    if kind is None:
        raise NotFound
    call.language = render.language_of(call)
    translate = catalog(call.language)
    render.show(
        call,
        "problem_page.html",
        slug=kind.slug,
        code=status_of(kind),
        title=translate(kind.title),
        sentence=re.sub(r"\{(\w+)\}", "…", translate(kind.sentence)),
        cure=translate(cure(status_of(kind))),
    )
