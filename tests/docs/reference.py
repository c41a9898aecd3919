"""docs/reference.md out of the code: settings, commands, problems, events. `python -m tests.docs.reference` writes it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from domain import refusals
from domain.envelope import Event
from service.__main__ import cli
from service.settings import all_settings
from store.mapper import PLANS

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"
HEAD = """# Reference

Made from the code by `python -m tests.docs.reference`; a test fails when it drifts. What the words mean stands in
[architecture](architecture.md), [events](events.md) and [operations](operations.md).
"""


def page() -> str:
    return "\n".join([HEAD, *settings(), *commands(), *problems(), *events()]) + "\n"


def settings() -> Iterator[str]:
    yield "## Settings\n\nFrom the environment, then the TOML file that `DOSSIER_CONFIG` names, then the default.\n"
    yield "| Setting | Default | Meaning |\n|---|---|---|"
    for setting in all_settings():
        yield f"| `{setting.name}` | {_shown(setting.default)} | {setting.meaning} |"
    yield ""


def _shown(default: Any) -> str:
    return "" if default in (None, ()) else f"`{default}`"


def commands() -> Iterator[str]:
    yield "## Commands\n\n`./run COMMAND`; `--help` behind any of them tells its options.\n"
    yield "| Command | Does |\n|---|---|"
    for path, command in _walk("dossier", cli):
        yield f"| `{path}` | {command.get_short_help_str(200)} |"
    yield ""


def _walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, inner in sorted(command.commands.items()):
            yield from _walk(f"{path} {name}", inner)
    else:
        yield path, command


def problems() -> Iterator[str]:
    yield "## Problems\n\nEach `type` is `/problems/` and the slug, a page of a running archive.\n"
    yield "| Slug | Status | What is said |\n|---|---|---|"
    for kind in refusals.every():
        yield f"| `{kind.slug}` | {kind.status} | {kind.title}. {kind.sentence} |"
    yield ""


def events() -> Iterator[str]:
    yield "## Events\n\nEvery event also carries actor, branch, occurred at, command id and correlation id.\n"
    yield "| Topic | In clear | Sealed |\n|---|---|---|"
    for kind, plan in PLANS.items():
        yield f"| `{plan.topic}` | {', '.join(_clear(kind, plan.sealed))} | {', '.join(plan.sealed)} |"


def _clear(kind: type[Event], sealed: tuple[str, ...]) -> list[str]:
    return [f.name for f in msgspec.structs.fields(kind) if f.name not in sealed]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
