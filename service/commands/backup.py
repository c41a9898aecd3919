"""`dossier backup` and `dossier restore`: copy the archive while it runs, check the copy, and bring it back."""

from pathlib import Path

import click

from service.commands.common import as_json, load_settings, open_command_store, projector_role, require_home
from service.exits import DIFFERENT, OK, PARTLY
from service.output import print_facts, print_json, print_line, say, show_progress

PLACE = click.Path(file_okay=False, path_type=Path)


class BackupGroup(click.Group):
    """`backup DIR` and `backup verify DIR`: a first word that is no verb is the folder of `backup run`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "-h", "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=BackupGroup, subcommand_metavar="DIR | verify DIR | COMMAND")
def backup() -> None:
    """Copy the archive to a folder, beside a running `serve`, and check such a copy.

    `dossier backup DIR` is `dossier backup run DIR`.
    """


@backup.command("run")
@click.argument("folder", metavar="DIR", type=PLACE)
@click.option("--keys-to", metavar="DIR2", type=PLACE, help="Folder for the keys.  [default: DIR-keys]")
@as_json
def run_backup(folder: Path, keys_to: Path | None, as_json: bool) -> int:
    """Add a cut of the database and the new contents to DIR, and the keys to another folder.

    Contents that DIR has are not copied again. Keep the folder of the keys at another place than DIR: with both one can
    read everything. The exit code is 7 when the archive itself had lost contents; `verify` names them.
    """
    from msgspec.structs import asdict

    from service.backup import Backup
    from service.database import open_database
    from store.backups import BackupFolder

    settings = load_settings()
    require_home(settings)
    with (
        open_database(settings) as (_, addresses),
        open_command_store(settings, contents=True) as store,
        show_progress("copying") as advance,
    ):
        url = addresses.superuser or addresses.owner
        report = Backup(store, url, BackupFolder(folder), BackupFolder(keys_to or keys_beside(folder)), advance).run()
    print_facts(asdict(report), as_json=as_json)
    say(f"backed up {report.papers} papers up to position {report.position} to {folder}")
    if report.missing:
        say(f"{report.missing} contents of the archive are missing or cannot be read: run `dossier verify`")
    return PARTLY if report.missing else OK


@backup.command("verify")
@click.argument("folder", metavar="DIR", type=PLACE)
@click.option("--keys-from", metavar="DIR2", type=PLACE, help="Folder of the keys.  [default: DIR-keys]")
@click.option("--quick", is_flag=True, help="Check presence and size of contents, not their bytes.")
@as_json
def verify_backup(folder: Path, keys_from: Path | None, quick: bool, as_json: bool) -> int:
    """Check every cut in DIR and every content against their digests; needs no archive.

    The exit code is 6 when something is missing or was changed.
    """
    from msgspec.structs import asdict

    from service.backup_check import check_backup
    from store.backups import BackupFolder

    keys = BackupFolder(keys_from or keys_beside(folder))
    if keys_from is not None:
        keys.require_archive()
    with show_progress("checking") as advance:
        report = check_backup(BackupFolder(folder), keys, quick=quick, progress=advance)
    if as_json:
        print_json(report)
    else:
        for problem in report.problems:
            print_line(["problem", problem.kind, problem.id, problem.detail])
        print_facts({name: value for name, value in asdict(report).items() if name != "problems"}, as_json=False)
    if not report.keys_checked:
        say(f"{keys.root} is not there, so the keys were not checked: give their folder with --keys-from")
    if report.problems_found:
        say(f"the check found {report.problems_found} problems")
    return DIFFERENT if report.problems_found else OK


@click.command()
@click.argument("folder", metavar="DIR", type=PLACE)
@click.option("--home", metavar="HOME", type=PLACE, help="New data folder.  [default: DOSSIER_HOME]")
@click.option("--keys-from", metavar="DIR2", type=PLACE, help="Folder of the keys.  [default: DIR-keys]")
@click.option("--to", "to", metavar="POSITION", type=click.IntRange(min=0), help="Newest cut up to this position.")
@as_json
def restore(folder: Path, home: Path | None, keys_from: Path | None, to: int | None, as_json: bool) -> int:
    """Restore the newest cut of DIR into a new data folder, rebuild the views, and verify everything.

    With DOSSIER_DATABASE_URL the database is restored to that server, else to the embedded one. A data folder, content
    folder or database that has something is refused. The exit code is 6 when the verification finds problems.
    """
    from msgspec.structs import replace

    from service.restore import RestoreRun, choose_cut
    from service.verify import record_verification, verify
    from store.backups import BackupFolder

    settings = load_settings()
    if home is not None:
        settings = replace(settings, home=home.absolute())
    place = BackupFolder(folder)
    manifest = choose_cut(place, to)
    with show_progress("restoring") as advance:
        RestoreRun(settings, place, BackupFolder(keys_from or keys_beside(folder)), manifest, advance).run(say)
    with open_command_store(settings, contents=True) as store, show_progress("verifying") as advance:
        report = verify(store, projector_role=projector_role(store), progress=advance)
        record_verification(store, report)
    facts = {
        "home": str(settings.home),
        "cut": manifest.cut,
        "position": manifest.position,
        "papers": manifest.papers,
        "events": report.events,
        "contents": report.contents,
        "problems_found": report.problems_found,
    }
    print_facts(facts, as_json=as_json)
    say(f"restored {manifest.papers} papers up to position {manifest.position} to {settings.home}")
    if report.problems_found:
        say(f"verification found {report.problems_found} problems: run `dossier verify` with this DOSSIER_HOME")
    return DIFFERENT if report.problems_found else OK


def keys_beside(folder: Path) -> Path:
    """The folder of the keys where none is given: DIR-keys beside DIR."""
    absolute = folder.absolute()
    return absolute.with_name(f"{absolute.name}-keys")


COMMANDS = (backup, restore)
