"""`dossier status`: the state of the archive on one page, beside a running `serve` or without one."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from service.commands.common import as_json, load_settings, open_command_store
from service.exits import FAILED, OK, ending_of
from service.output import print_json, print_line, text_of

if TYPE_CHECKING:
    from service.beats import PartStatus


@click.command()
@as_json
def status(as_json: bool) -> int:
    """Show version, parts, database, views, keys, stations, last runs, disk space, and what to do.

    Works beside a running `serve` and without one. The exit code is 1 when something is wrong.
    """
    from service.lapses import load_note, note_path_of
    from service.parts_door import fetch_part_statuses
    from service.release import release_commit, release_version
    from service.upkeep import find_overdue

    settings = load_settings()
    parts = fetch_part_statuses(settings.home)
    found: dict[str, Any] = {
        "version": release_version(),
        "commit": release_commit(),
        "home": str(settings.home),
        "settings": list_settings(),
        "serving": parts is not None,
        "parts": [fields_of_part(part) for part in parts or ()],
        "warnings": [],
        "problems": [],
    }
    try:
        with open_command_store(settings) as store:
            found |= query_store_state(store)
            found["warnings"] = find_overdue({run["run"]: run["age_seconds"] for run in found["runs"]}, settings.limits)
        if note := load_note(note_path_of(settings.home)):
            found["clock"] = note
    except Exception as error:  # noqa: BLE001  # the reason why the archive does not open is the answer
        found["problems"].append(ending_of(error)[1])
    found["problems"] += find_problems(found, settings.limits)
    if as_json:
        print_json(found)
    else:
        print_status(found)
    return FAILED if found["problems"] else OK


def list_settings() -> dict[str, str]:
    """The settings that differ from their defaults, secrets masked."""
    import os

    from service.settings import check_settings

    return {setting.name: setting.value for setting in check_settings(os.environ) if setting.origin != "default"}


def fields_of_part(part: "PartStatus") -> dict[str, Any]:
    from msgspec.structs import asdict

    since = datetime.fromtimestamp(part.since, UTC).isoformat(timespec="seconds")
    return {**asdict(part), "since": since, "beat_seconds": round(part.beat_seconds, 1)}


def query_store_state(store: Any) -> dict[str, Any]:
    """The facts that database and disk hold."""
    from migrations.runner import newest_version
    from service.wiring import WHERE_VIEWS_STAND
    from store import runs
    from store.key_wraps import CUSTOMERS
    from store.stations import ALL

    with store.pool.connection() as conn:
        server = conn.execute("show server_version").fetchone()[0]
        rows = conn.execute(WHERE_VIEWS_STAND).fetchall()
        last = conn.execute(runs.LAST).fetchall()
        needed = conn.execute(CUSTOMERS).fetchall()
        offered = conn.execute(ALL).fetchall()
    names = ("view", "position", "lag_events", "parked", "lag_seconds")
    return {
        "database": {"server_version": server, "migration": newest_version()},
        "views": [dict(zip(names, row, strict=True)) for row in rows],
        "keys": [{"name": f"kek.{version}", "customers": customers} for version, customers in needed],
        "stations": [station_of(*row) for row in offered],
        "runs": [run_of(*row) for row in last],
        "content": {"folder": str(store.settings.content_directory), "free_bytes": store.directory.free_bytes()},
    }


def station_of(name: str, _actor: str, branch: str, _seen: datetime, scanners: Any, silent: float, _: datetime) -> Any:
    names = [str(scanner.get("name", "")) for scanner in scanners]
    return {"station": name, "branch": branch, "silent_seconds": round(silent, 1), "scanners": names}


def run_of(name: str, ended: float, seconds: float, problems: int, result: Any) -> dict[str, Any]:
    at = datetime.fromtimestamp(ended, UTC)
    age = round((datetime.now(UTC) - at).total_seconds())
    told = {"ended_at": at.isoformat(timespec="seconds"), "age_seconds": age, "seconds": round(seconds, 1)}
    return {"run": name, **told, "problems": problems, "result": result}


def find_problems(found: dict[str, Any], limits: Any) -> list[str]:
    """Everything that is wrong, each with what to do."""
    said = []
    if not found["serving"]:
        said.append("no `dossier serve` runs on this DOSSIER_HOME: start it, or read its log")
    said += [
        f"{part['part']} (pid {part['pid']}) does not respond: serve restarts it, read its log"
        for part in found["parts"]
        if part["beat_seconds"] > limits.silence_seconds_max
    ]
    for view in found.get("views", ()):
        if found["serving"] and view["lag_seconds"] > limits.view_lag_seconds_max:
            said.append(f"{view['view']} is {view['lag_seconds']:.0f} s behind: read the projector's lines in the log")
        if view["parked"]:
            said.append(f"{view['view']} has {view['parked']} parked events: run `dossier projection parked`")
    if found["serving"] and "clock" in found:
        said.append(f"no authorization or scan expires by the calendar: {found['clock']}")
    for run in found.get("runs", ()):
        if run["problems"] and run["run"] == "verify":
            said.append(f"the last verification found {run['problems']} problems: run `dossier verify`")
        elif run["problems"]:
            said.append(
                f"the last sweep was refused ({run['result'].get('error')}): read the projector's lines in the log"
            )
    room = found.get("content", {}).get("free_bytes", limits.disk_free_bytes_min)
    if room < limits.disk_free_bytes_min:
        said.append(f"only {room} bytes are free for content: free some space, uploads are refused until then")
    return said


def print_status(found: dict[str, Any]) -> None:
    """Print a line for each fact, part, view and problem."""
    for name in ("version", "commit", "home", "settings", "serving", "database", "content"):
        if name in found:
            print_line([name, found[name]])
    for kind in ("keys", "stations", "runs"):
        for one in found.get(kind, ()):
            print_line([kind.removesuffix("s"), *(f"{name} {text_of(value)}" for name, value in one.items())])
    for part in found["parts"]:
        print_line(["part", *(f"{name} {text_of(value)}" for name, value in part.items())])
    for view in found.get("views", ()):
        print_line(["view", *(f"{name} {text_of(value)}" for name, value in view.items())])
    for warning in found["warnings"]:
        print_line(["warning", warning])
    for problem in found["problems"]:
        print_line(["problem", problem])


COMMANDS = (status,)
