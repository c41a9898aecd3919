"""`dossier export`: what leaves the archive as a whole (service/export.py)."""

from pathlib import Path

import click

from service.commands.common import as_json, caller_of, load_settings, open_command_store, with_actor_options
from service.output import print_facts

LANGUAGES = ("en", "nl", "de")


@click.group()
def export() -> None:
    """Export what the archive has, in a form that other programs read."""


@export.command()
@click.argument("id")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Of the overview.")
@click.option("--without-joint", is_flag=True, help="Leave out the content of papers that also concern another person.")
@as_json
@with_actor_options
def customer(
    id: str,  # noqa: A002  # the argument's name
    folder: Path,
    language: str,
    without_joint: bool,
    as_json: bool,
    actor: str | None,
    branch: str | None,
) -> None:
    """Write everything about the customer with this ID into the new folder DIR, as a BagIt bag."""
    import msgspec

    from service.export import export_customer

    settings = load_settings()
    caller = caller_of(settings, actor, branch)
    with open_command_store(settings, contents=True) as store:
        done = export_customer(store, id, folder, caller, language=language, joint=not without_joint)
    print_facts(msgspec.structs.asdict(done), as_json=as_json)


@export.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@as_json
@with_actor_options
def archive(folder: Path, as_json: bool, actor: str | None, branch: str | None) -> None:
    """Write the whole archive, in clear, into the new folder DIR, as an OCFL storage root."""
    import msgspec

    from service.export_archive import export_archive

    settings = load_settings()
    caller = caller_of(settings, actor, branch)
    with open_command_store(settings, contents=True) as store:
        done = export_archive(store, folder, caller)
    print_facts(msgspec.structs.asdict(done), as_json=as_json)


COMMANDS = (export,)
