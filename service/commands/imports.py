"""`dossier import`: imports papers of another system, from a list or a folder (service/import_run.py)."""

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING, Any

import click

from service.commands.common import as_json, caller_of, load_settings, open_command_store, with_actor_options
from service.exits import FAILED, OK, PARTLY
from service.output import Item, print_facts, print_list, say, show_progress, text_of

if TYPE_CHECKING:
    from domain.archive import Caller
    from service.import_run import ImportCounts, LineOutcome
    from service.settings import Settings
    from service.wiring import Store

Tell = Callable[[Sequence["LineOutcome"]], None]
TEMPORARY_BYTES_MAX = 60  # the path of a Unix socket has at most 107
SHOWN = ("line", "file", "customer", "outcome", "words")
COLUMNS = ("line", "file", "customer", "type", "external_id", "outcome", "paper", "words")


@click.command(name="import")
@click.argument("source", metavar="DIR|FILE.csv", type=click.Path(exists=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check every line, print its outcome, store nothing.")
@click.option(
    "--report",
    metavar="FILE.csv",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the outcome of every line to this file.",
)
@as_json
@with_actor_options
def import_papers(
    source: Path, dry_run: bool, report: Path | None, as_json: bool, actor: str | None, branch: str | None
) -> int:
    """Import papers of another system, from a list or a folder.

    FILE.csv is a list in UTF-8 with the header file,customer,type,received_on,note,scan_code,iban,debtor_name,
    mandate_reference,signature_date,external_id, optionally followed by last_collection_on. A file is named by its path
    within the folder of the list; an authorization may have none. DIR is a folder with such a list in it, manifest.csv,
    or without one with files in CUSTOMER/TYPE/.

    A line that is refused is reported on stderr and does not stop the others: the exit code is then 7. After any end,
    start the import again with the same list: no paper is stored twice.
    """
    from service.import_run import CONNECTIONS

    settings = load_settings()
    caller = caller_of(settings, actor, branch)
    items: list[Item] = []
    opened = open_command_store(settings, CONNECTIONS, contents=True)
    with decoders(settings) as socket, opened as store, open_report(report, source) as write:

        def write_outcomes(told: Sequence["LineOutcome"]) -> None:
            if report is None and not dry_run:
                return
            lines = [item_of(one, dry_run=dry_run) for one in told]
            write(lines)
            if dry_run:
                items.extend(lines)

        done = _run_import(store, socket, caller, source, write_outcomes, dry_run=dry_run)
    return _print_result(done, items, dry_run=dry_run, as_json=as_json)


def _run_import(
    store: "Store", socket: Path, caller: "Caller", source: Path, tell: Tell, *, dry_run: bool
) -> "ImportCounts":
    from domain.importing import build_importing
    from paper.client import Examiner
    from service.import_lines import listing_of
    from service.import_rehearsal import rehearsal_of
    from service.import_run import Importer, import_listing

    limits = store.settings.limits
    listing = listing_of(source, limits)
    importer = Importer(
        importing=build_importing(
            rehearsal_of(store.ports()) if dry_run else store.ports(), store.settings.creditor_id
        ),
        caller=caller,
        examiner=Examiner(socket, limits),
        limits=limits,
        free_bytes=store.free_bytes,
    )
    with show_progress(f"importing {text_of(source.name)}") as advance:

        def report_outcomes(some: Sequence["LineOutcome"]) -> None:
            tell(some)
            _print_refusals(some)
            advance(some[-1].line.read, listing.size)

        return import_listing(listing, importer, report_outcomes)


def _print_result(done: "ImportCounts", items: Sequence[Item], *, dry_run: bool, as_json: bool) -> int:
    """Print the lines of a dry run, or the counts of an import, and return the exit code."""
    from msgspec.structs import asdict

    counts = asdict(done)
    if dry_run:
        print_list(items, SHOWN, as_json=as_json, **counts, dry_run=True)
        say(", ".join(f"{name} {count}" for name, count in counts.items()))
    else:
        print_facts({**counts, "dry_run": False}, as_json=as_json)
    if done.refused == 0:
        return OK
    return PARTLY if done.taken + done.there else FAILED


def _print_refusals(told: Sequence["LineOutcome"]) -> None:
    for one in told:
        if one.outcome == "refused" or one.ended:
            say(text_of(f"{one.line.place}: {one.words}"))


def item_of(told: "LineOutcome", *, dry_run: bool) -> Item:
    """A line with its outcome. In a dry run `paper` is set only for papers that exist in the archive."""
    row = told.line.row
    named = {name: row.get(name) or None for name in ("file", "customer", "type", "external_id")}
    is_stored = told.paper and not (dry_run and (told.outcome == "taken" or told.words))
    paper = str(told.paper) if is_stored else None
    return {"line": told.line.number, **named, "outcome": told.outcome, "paper": paper, "words": told.words or None}


@contextmanager
def open_report(report: Path | None, source: Path) -> Iterator[Callable[[Sequence[Item]], None]]:
    """Lend a function that appends lines to the report and flushes them, so that a stopped import leaves them. The file
    is readable by its owner only, because it names customers."""
    if report is None:
        yield lambda _: None
        return
    if report.resolve().is_relative_to(source.resolve()):
        raise click.BadParameter("must not be the list itself or a file in the folder", param_hint="--report")
    with os.fdopen(
        os.open(report, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", newline=""
    ) as file:
        lines = csv.DictWriter(file, COLUMNS)
        lines.writeheader()

        def write(some: Sequence[Item]) -> None:
            lines.writerows(some)
            file.flush()

        yield write


@contextmanager
def decoders(settings: "Settings") -> Iterator[Path]:
    """Run the sandboxed decoders, as `serve` does, and lend the path of their socket. Call it before any thread or
    connection exists, because it forks."""
    from paper import pool
    from service.serve import ServedProcess, start_child, stop_child

    place = None if len(os.fsencode(gettempdir())) < TEMPORARY_BYTES_MAX else "/tmp"
    with TemporaryDirectory(prefix="dossier-import-", dir=place) as folder:
        socket = Path(folder) / "paper.sock"
        child = ServedProcess("paper", partial(pool.serve, socket, limits=settings.limits))
        start_child(child, doors_of_others=[])
        try:
            yield socket
        finally:
            stop_child(child)


COMMANDS: tuple[Any, ...] = (import_papers,)
