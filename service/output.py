"""Output of commands: data on stdout (a table, lines, or JSON), everything else on stderr. Colours, tables and progress
bars appear only on a terminal; rich itself respects NO_COLOR. exits.py maps errors to exit codes."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
import msgspec

Item = Mapping[str, Any]
Advance = Callable[[int, int], None]


def say(text: str) -> None:
    """Print a message for a person on stderr."""
    click.echo(text, err=True)


def print_json(value: Any) -> None:
    """Print one line of JSON, in UTF-8 regardless of the terminal's encoding."""
    click.echo(msgspec.json.encode(value))


def print_list(items: Sequence[Item], columns: Sequence[str], *, as_json: bool, **more: Any) -> None:
    """Print a list as the HTTP API does: {"items": […], …}; otherwise a table of `columns`, tab-separated off a
    terminal."""
    if as_json:
        print_json({"items": items, **more})
    elif sys.stdout.isatty():
        _print_table(items, columns)
    else:
        print_line(columns)
        for item in items:
            print_line([item.get(column) for column in columns])


def print_facts(facts: Item, *, as_json: bool) -> None:
    """Print one object as JSON, or a line for each of its fields."""
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        print_line([name, value])


def print_line(values: Sequence[Any]) -> None:
    click.echo("\t".join(text_of(value) for value in values))


def text_of(value: Any) -> str:
    """A value as text for a person. Characters that could control a terminal or break a line are escaped."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={text_of(inner)}" for name, inner in value.items())
    if isinstance(value, Sequence | frozenset | set) and not isinstance(value, str | bytes):
        return ", ".join(text_of(inner) for inner in value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value))


def _print_table(items: Sequence[Item], columns: Sequence[str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for item in items:
        table.add_row(*(Text(text_of(item.get(column))) for column in columns))
    Console().print(table)


@contextmanager
def show_progress(what: str) -> Iterator[Advance]:
    """Lend a function of (done, total) that draws a progress bar when stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    parts = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*parts, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)
