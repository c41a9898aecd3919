"""The `dossier` command: collects the verbs of service/commands/ and turns every error into an exit code."""

import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from service.commands import (
    backup,
    config,
    customers,
    disposals,
    document_types,
    events,
    exporting,
    grounds,
    history,
    imports,
    projection,
    scanning,
    serving,
    status,
    tokens,
    users,
    verify,
)
from service.exits import FAILED, INTERRUPTED, OK, ending_of
from service.output import say


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """The customer document archive of a library.

    Data goes to stdout, everything else to stderr. Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 not allowed,
    5 conflict, 6 verification found differences, 7 partly done, 75 try again, 130 interrupted.
    """


for module in (
    serving,
    status,
    tokens,
    users,
    customers,
    imports,
    document_types,
    history,
    events,
    exporting,
    projection,
    scanning,
    verify,
    grounds,
    backup,
    disposals,
    config,
):
    for command in module.COMMANDS:
        cli.add_command(command)


def main() -> NoReturn:
    """Run the console script. SIGTERM raises SystemExit, so that every `finally` releases its locks and stops the
    embedded Postgres."""
    signal.signal(signal.SIGTERM, _leave)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # both are text streams here
    sys.exit(run(sys.argv[1:]))


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(INTERRUPTED)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        code = cli.main(arguments, prog_name="dossier", standalone_mode=False)
    except click.exceptions.Abort:
        say("interrupted")
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Exception as error:  # noqa: BLE001  # the edge of the program: users get words, never a traceback
        code, words = ending_of(error)
        say(f"dossier: {words}")
    return code if isinstance(code, int) else OK if code is None else FAILED


if __name__ == "__main__":
    main()
