"""`dossier types`: the catalogue of "Make a choice…"."""

import click

from service.commands.common import as_json, load_settings, open_command_store
from service.output import print_list

COLUMNS = ("code", "label", "kind", "sensitivity", "sources", "verify_only", "active", "version")


@click.group()
def types() -> None:
    """Document types."""


@types.command(name="list")
@as_json
def list_types(as_json: bool) -> None:
    """List all document types, inactive ones included, in the order in which they were defined."""
    from msgspec.structs import asdict

    with open_command_store(load_settings()) as store:
        found = store.archive().catalogues.load_types()
    items = [
        {
            "code": kind.code,
            "label": kind.definition.labels.get("en", kind.code),
            **asdict(kind.definition),
            "version": kind.version,
        }
        for kind in found.values()
    ]
    print_list(items, COLUMNS, as_json=as_json)


COMMANDS = (types,)
