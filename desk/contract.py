"""The published contract: routes of the API and pages of problems. web/openapi.py generates openapi.json from it.

The server sends the committed api/openapi.json; a test compares it with this contract.
"""

from api.meanings import MEANINGS, PATH_PARAMETERS, ROOMS
from api.routes import ROUTES as OF_API
from desk.pages import PROBLEM_PAGES
from web.openapi import Contract

DESCRIPTION = """The archive of a library's customer documents and authorizations.

Errors are RFC 9457 problems with the media type application/problem+json; each type has a page below /problems.
An unknown query parameter or body field is refused. Every answer carries Request-Id."""

ROUTES = (*OF_API, *PROBLEM_PAGES)
CONTRACT = Contract(
    title="Dossier",
    summary="The customer document archive of a library",
    description=DESCRIPTION,
    routes=ROUTES,
    rooms=ROOMS,
    path_parameters=PATH_PARAMETERS,
    meanings=MEANINGS,
    may_be_absent={("Subject", "label")},
)
