"""What the pages tell of settings, commands, problems and events, out of the code. test_reference.py holds them to it.

    .venv/bin/python -m tests.docs.reference

writes docs/reference.md, and in docs/events.md the part between its two marks.
"""

import types
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import click
import msgspec
from msgspec import UnsetType

from domain import refusals
from domain.envelope import Meta
from service.__main__ import cli
from service.settings import all_settings
from store.mapper import PLANS
from web.statuses import status_of

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE, EVENTS = DOCS / "reference.md", DOCS / "events.md"
BEGIN, END = "<!-- made by tests/docs/reference.py -->\n", "<!-- end -->\n"
HEAD = """# Reference

Made from the code by `python -m tests.docs.reference`; a test fails when it is out of date. The terms are explained in
[architecture](architecture.md), [events](events.md) and [operations](operations.md).
"""


def reference() -> str:
    return "\n".join([HEAD, *settings(), *commands(), *problems()])


def events_page(text: str) -> str:
    """The page with its made part made anew; the rest is written by hand."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "".join([before, BEGIN, "\n", "\n".join([*topics(), *structures()]), "\n", END, after])


# -- the program ------------------------------------------------------------------------------------------------


def settings() -> Iterator[str]:
    yield "## Settings\n\nFrom the environment, then the TOML file that `DOSSIER_CONFIG` names, then the default.\n"
    yield "| Setting | Default | Meaning |\n|---|---|---|"
    for setting in all_settings():
        yield f"| `{setting.name}` | {_shown(setting.default)} | {setting.meaning} |"
    yield ""


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        default = ", ".join(map(str, default))
    return "" if default in (None, "") else f"`{default}`"


def commands() -> Iterator[str]:
    yield "## Commands\n\n`./run COMMAND`; `--help` behind any of them tells its options. Where `dossier` is in the"
    yield 'PATH, `eval "$(_DOSSIER_COMPLETE=bash_source dossier)"` completes commands in bash; zsh, fish: `zsh_source`,'
    yield "`fish_source`.\n"
    yield "| Command | Does |\n|---|---|"
    for path, command in verbs("dossier", cli):
        yield f"| `{path}` | {command.get_short_help_str(200)} |"
    yield ""


def verbs(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, inner in sorted(command.commands.items()):
            yield from verbs(f"{path} {name}", inner)
    else:
        yield path, command


def problems() -> Iterator[str]:
    yield "## Problems\n\nEach `type` is `/problems/` and the slug, a page of a running archive.\n"
    yield "| Slug | Status | What is said |\n|---|---|---|"
    for kind in refusals.all_refusals():
        yield f"| `{kind.slug}` | {status_of(kind)} | {kind.title}. {kind.sentence} |"
    yield ""


# -- events -----------------------------------------------------------------------------------------------------


def topics() -> Iterator[str]:
    yield "| Topic | In clear | Sealed |\n|---|---|---|"
    for kind, plan in PLANS.items():
        hints = get_type_hints(kind, include_extras=True)
        clear = [f.name for f in msgspec.structs.fields(kind) if f.name not in plan.sealed]
        yield f"| `{plan.topic}` | {_fields(clear, hints)} | {_fields(plan.sealed, hints)} |"
    yield ""


def structures() -> Iterator[str]:
    """Every structure and list of words that stands in an event, in the order in which the events name them."""
    yield "| Named above | Is |\n|---|---|"
    for kind in _inside([*PLANS, Meta]):
        if issubclass(kind, Enum):
            yield f"| {kind.__name__} | one of {', '.join(f'`{member.value}`' for member in kind)} |"
        else:
            hints = get_type_hints(kind, include_extras=True)
            yield f"| {kind.__name__} | {_fields([f.name for f in msgspec.structs.fields(kind)], hints)} |"


def _fields(names: Sequence[str], hints: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {_named(hints[name])}" for name in names)


def _inside(kinds: Sequence[type[msgspec.Struct]]) -> list[type[Any]]:
    found: dict[type[Any], None] = {}
    waiting = [hint for kind in kinds for hint in get_type_hints(kind).values()]
    while waiting:
        hint = waiting.pop(0)
        waiting += get_args(hint)
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct | Enum) and hint not in found:
            found[hint] = None
            waiting += get_type_hints(hint).values() if issubclass(hint, msgspec.Struct) else []
    return [*found, Meta]


NAMES = {UUID: "id", datetime: "time", date: "date", str: "text", bytes: "bytes", int: "number", bool: "yes or no"}


def _named(hint: Any) -> str:
    """A type as the page tells it: `?` for what may be absent, `[]` for several."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _named(arguments[0])
    if origin in (Union, types.UnionType):
        inner = [a for a in arguments if a not in (UnsetType, types.NoneType)]
        return " or ".join(map(_named, inner)) + "?" * (types.NoneType in arguments)
    if origin is tuple:
        return f"{_named(arguments[0])}[]"
    if origin is dict:
        return f"{_named(arguments[1])} for each {_named(arguments[0])}"
    return NAMES.get(hint) or str(hint.__name__)


if __name__ == "__main__":
    REFERENCE.write_text(reference(), encoding="utf-8")
    EVENTS.write_text(events_page(EVENTS.read_text(encoding="utf-8")), encoding="utf-8")
