"""The commands that run the archive: serve, migrate, adopt, sweep, version, openapi; service/ does the work."""

import click

from service.commands.common import (
    always_json,
    as_json,
    assume_yes,
    caller_of,
    load_settings,
    open_command_store,
    require_home,
    with_actor_options,
)
from service.output import print_facts, print_json, say


@click.command()
def serve() -> int:
    """Run database, projector, decoders and web server until Ctrl-C or SIGTERM.

    Prints `ready http://HOST:PORT` once requests are answered.
    """
    import sys

    from service.exits import ending_of
    from service.logs import log_line
    from service.serve import serve as run

    try:
        return run(load_settings())
    except Exception as error:  # the edge of the program: readers of the log get a JSON line
        if sys.stderr.isatty():
            raise
        code, words = ending_of(error)
        log_line("error", f"serve does not start, exit code {code}: {words}")
        return code


@click.command()
def migrate() -> None:
    """Bring the database up to this release: migrations, keys, document types, the first operator token.

    `serve` does the same at each start.
    """
    from migrations.runner import newest_version
    from service.database import open_database
    from service.prepare import make_folders, prepare_archive

    settings = load_settings()
    make_folders(settings)
    with open_database(settings) as (_, addresses):
        prepare_archive(settings, addresses, say)
    say(f"the database is at migration {newest_version()}")


@click.command()
@as_json
@with_actor_options
def sweep(as_json: bool, actor: str | None, branch: str | None) -> None:
    """Remove content that no event names after a day, stale temporary files and old Idempotency-Keys.

    `serve` does the same every hour. None of it is in the log, so neither is the caller.
    """
    from msgspec.structs import asdict

    from service.sweep import sweep as remove

    settings = load_settings()
    caller_of(settings, actor, branch)
    with open_command_store(settings, contents=True) as store:
        print_facts(asdict(remove(store, settings.limits)), as_json=as_json)


@click.command()
@assume_yes
@with_actor_options
def adopt(yes: bool, actor: str | None, branch: str | None) -> None:
    """Mark the content folder and the key folder as this archive's, permanently.

    Needed when their files ARCHIVE are lost, and when a database from a back-up replaces a newer one. Do not adopt a
    content folder that another archive uses: contents that this database does not name are removed after a day.
    """
    import psycopg

    from service.belonging import adopt_folders as make_ours
    from service.belonging import describe_content_folder, require_keys
    from service.database import open_database

    settings = load_settings()
    caller_of(settings, actor, branch)
    require_home(settings)
    with open_database(settings) as (_, addresses), psycopg.connect(addresses.owner, autocommit=True) as conn:
        require_keys(conn, settings.home / "keys")
        say(describe_content_folder(settings, conn))
        if not yes:
            click.confirm(
                f"Make {settings.content_directory} the content folder of this archive?", abort=True, err=True
            )
        make_ours(settings, conn)
    say(f"{settings.content_directory} and {settings.home / 'keys'} belong to this archive")


@click.command()
@as_json
def version(as_json: bool) -> None:
    """Print the version of this installation and the commit that it was built from."""
    from service import release

    if as_json:
        print_json({"version": release.release_version(), "commit": release.release_commit()})
    else:
        click.echo(f"{release.release_version()} {release.release_commit()}")


@click.command()
@always_json
def openapi() -> None:
    """Print the HTTP contract as OpenAPI 3.1, as committed in api/openapi.json."""
    from desk.contract import CONTRACT
    from web.openapi import text

    click.echo(text(CONTRACT), nl=False)


COMMANDS = (serve, migrate, adopt, sweep, version, openapi)
