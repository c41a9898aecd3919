"""Settings of a user: language, keyboard shortcuts, and the branch of this session. Works without scripts."""

from api import own_session
from api.call import Call
from desk.entrance import local_path
from desk.fields import fields_of
from desk.refused import problem_of
from desk.render import LANGUAGES, go, show
from domain.refusals import FieldError, Refusal, ValidationFailed
from domain.values import parse_branch_code
from web.statuses import status_of

HERE = "/settings"


async def show_settings(call: Call) -> None:
    """GET /settings."""
    own_session.require_session(call)
    show(call, "settings.html", named=None, problem=None)


async def choose(call: Call) -> None:
    """POST /settings: from the settings page, or a language from the bar of any page, to which it redirects back."""
    own_session.require_session(call)
    fields = await fields_of(call)
    language, branch = fields.get("language"), fields.get("branch")
    try:
        await own_session.save_choices(
            call,
            language=language if language in LANGUAGES else None,
            branch=parse_branch_code(branch) if branch else None,
            keys_off="keys_off" in fields if "own_page" in fields else None,
        )
    except FieldError as wrong:
        refusal: Refusal = ValidationFailed(wrong)
        return show(call, "settings.html", status=status_of(refusal), named=branch, problem=problem_of(call, refusal))
    return go(call, local_path(fields.get("next") or HERE))
