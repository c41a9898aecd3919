"""`dossier verify`: checks that everything that was ever acknowledged is there, intact, and shown correctly
(service/verify.py)."""

import click

from service.commands.common import as_json, load_settings, open_command_store, projector_role
from service.exits import DIFFERENT, OK
from service.output import print_json, print_line, say, show_progress


@click.command()
@click.option("--quick", is_flag=True, help="Check presence and size of contents, not their bytes.")
@click.option("--no-views", is_flag=True, help="Do not rebuild the views for comparison.")
@as_json
def verify(quick: bool, no_views: bool, as_json: bool) -> int:
    """Check the log, the keys, every content and the views against each other, beside a running `serve` or without.

    Problems are reported by kind, id and position, never with a name; the exit code is then 6. Orphans (content older
    than a day that no event names) are counted but are no loss: the sweeper removes them.
    """
    from msgspec.structs import asdict

    from service.verify import record_verification
    from service.verify import verify as run

    with open_command_store(load_settings(), contents=True) as store, show_progress("verifying") as advance:
        report = run(store, quick=quick, views=not no_views, projector_role=projector_role(store), progress=advance)
        record_verification(store, report)
    if as_json:
        print_json(report)
    else:
        for problem in report.problems:
            print_line(["problem", problem.kind, problem.id, problem.position, problem.detail])
        for name, value in asdict(report).items():
            if name != "problems":
                print_line([name, value])
    if report.problems_found:
        say(f"verification found {report.problems_found} problems")
    return DIFFERENT if report.problems_found else OK


COMMANDS = (verify,)
