"""`dossier customers`: fills the built-in register from a file (service/customers_csv.py)."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.commands.common import as_json, caller_of, load_settings, open_command_store, with_actor_options
from service.exits import FAILED, OK, PARTLY
from service.output import print_facts, say, show_progress

if TYPE_CHECKING:
    from service.customers_csv import CustomerCounts, RefusedLine
    from service.wiring import Store


@click.group()
def customers() -> None:
    """The customer register."""


@customers.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check every line and store nothing.")
@as_json
@with_actor_options
def import_file(file: Path, dry_run: bool, as_json: bool, actor: str | None, branch: str | None) -> int:
    """Import FILE, a CSV in UTF-8 with the header id,name,birth_date,card_numbers,home_branch,kind.

    Several card numbers are separated by a blank. A line that is refused is reported on stderr and does not stop the
    others: the exit code is then 7. Importing the same file again changes nothing twice. The register has no history,
    so it records nobody's name with the change.
    """
    from msgspec.structs import asdict

    settings = load_settings()
    caller_of(settings, actor, branch)
    with open_command_store(settings) as store:
        done = _run_import(store, file, dry_run=dry_run)
    print_facts({**asdict(done), "dry_run": dry_run}, as_json=as_json)
    if done.refused == 0:
        return OK
    return PARTLY if done.created + done.changed + done.unchanged else FAILED


def _run_import(store: "Store", file: Path, *, dry_run: bool) -> "CustomerCounts":
    from service.customers_csv import import_customers
    from store.register_load import open_loader

    size = file.stat().st_size
    with file.open("rb") as lines, show_progress(f"importing {file.name}") as advance:
        return import_customers(
            lines,
            open_loader(store.pool, dry_run=dry_run),
            today=store.archive().clock.today(),
            on_refused=_print_refused_line,
            on_progress=lambda done: advance(done.read_bytes, size),
        )


def _print_refused_line(line: "RefusedLine") -> None:
    for error in line.errors:
        say(f"line {line.number}: {str(error).lstrip('/:').strip()}")


COMMANDS = (customers,)
