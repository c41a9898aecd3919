"""`dossier scan`: lists scanners and tests whether one of them scans (scanner/device_process.py)."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from service.commands.common import as_json, load_settings
from service.exits import FAILED, OK, CommandFailed
from service.output import print_list, say, show_progress

if TYPE_CHECKING:
    from domain.refusals import Refusal
    from scanner.messages import Faulted, PageDone, Scan
    from scanner.profiles import Profile
    from service.settings import Settings

DEVICES = ("device", "name", "vendor", "model", "kind", "configured", "found")
SEEN = ("device", "vendor", "model", "kind", "configured", "found")
PAGES = ("number", "width_px", "height_px", "dpi", "mode", "size_bytes", "warnings")
SOURCES = ("flatbed", "feeder")
JOB = "test"


@click.group()
def scan() -> None:
    """Scanners of this machine."""


@scan.command()
@as_json
def devices(as_json: bool) -> int:
    """List the scanners that SANE finds (discovery can take seconds) and those of DOSSIER_SCANNERS.

    A configured scanner that is not found is switched off, unplugged, or its name is wrong.
    """
    from scanner.device_process import list_devices
    from scanner.errors import DeviceFault

    settings = load_settings()
    found, code = [], OK
    try:
        found = [
            (device.name, device.vendor, device.model, device.kind) for device in list_devices(scan_folder_of(settings))
        ]
    except DeviceFault as fault:
        say(f"SANE cannot list devices: {fault.raw}")
        code = OK if settings.scanners else FAILED
    print_list(_add_names(_device_rows(found, settings.scanners), settings.scanner_names), DEVICES, as_json=as_json)
    return code


@scan.command()
@click.argument("device")
@click.option("--profile", default="letter", show_default=True, metavar="NAME", help="letter, id_card or photo.")
@click.option("--source", type=click.Choice(SOURCES), help="Paper source.  [default: the device's first]")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Save the first page here, further ones beside it."
)
@as_json
def test(device: str, profile: str, source: str | None, out: Path | None, as_json: bool) -> None:
    """Scan with DEVICE: one page of a flatbed, or all pages in a feeder.

    Sends nothing to the archive; without --out no page is kept. A fault is reported in the driver's own words.
    """
    from scanner.messages import Scan
    from scanner.profiles import PageSource

    settings = load_settings()
    request = Scan(
        job=JOB,
        device=device,
        holder="dossier scan test",
        profile=_find_profile(settings, device, profile),
        source=PageSource(source) if source else None,
    )
    with _scan_pages(request, settings) as (pages, fault):
        _copy_pages([Path(done.path) for done in pages], out)
        print_list([_facts_of(done) for done in pages], PAGES, as_json=as_json)
    if fault:
        say(f"{fault.fault}: {fault.raw}" + (f" (in use by: {fault.holder})" if fault.holder else ""))
        raise refusal_of(fault)


@scan.command()
@click.option(
    "--archive", "url", required=True, metavar="URL", help="The archive, such as https://archive.example.org."
)
@click.option(
    "--token-file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File that holds only a token of role station.",
)
@click.option("--name", required=True, metavar="NAME", help="Name of this station at the desk.")
@click.option("--device", "devices_", multiple=True, metavar="NAME", help="A scanner.  [default: DOSSIER_SCANNERS]")
@click.option("--branch", metavar="CODE", help="Branch of the station, when its token has none.")
def station(url: str, token_file: Path, name: str, devices_: tuple[str, ...], branch: str | None) -> None:
    """Offer the scanners of this machine to an archive and deliver their pages.

    Needs no database and no open port: it polls the archive for jobs. Pages wait in DOSSIER_HOME/scan until the archive
    has stored them, whatever happens to this machine, the network or the archive. Runs until SIGTERM or Ctrl-C.
    """
    from scanner.archive import ArchiveClient
    from scanner.station import AlreadyRunning
    from service import logs
    from service.scan_station import run_station

    settings = load_settings()
    scanners = devices_ or settings.scanners
    if not scanners:
        raise click.UsageError("no scanner is configured: give --device, or set DOSSIER_SCANNERS")
    logs.begin_logging()
    try:
        archive = ArchiveClient(url, token_file.read_text().strip(), station=name, branch=branch)
        run_station(
            archive, scanners, scan_folder_of(settings), changes=settings.scan_profiles, names=settings.scanner_names
        )
    except (ValueError, AlreadyRunning) as error:
        raise CommandFailed(FAILED, str(error)) from error


def scan_folder_of(settings: "Settings") -> Path:
    """The folder of locks and spool, shared with the station of `serve`, so that both respect each other's locks."""
    return settings.home / "scan"


def refusal_of(fault: "Faulted") -> "Refusal":
    """The refusal that staff see for this fault."""
    from domain.refusals import all_refusals

    [kind] = [refusal for refusal in all_refusals() if refusal.slug == fault.slug]
    return kind()


def _device_rows(found: list[tuple[str, str, str, str]], configured: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows of the devices that SANE found, then of configured ones that it did not find: simulated or disconnected."""
    from scanner.simulated import SCHEME

    rows = [dict(zip(SEEN, (*device, device[0] in configured, True), strict=True)) for device in found]
    names = {row["device"] for row in rows}
    for name in configured:
        if name not in names:
            simulated = name.startswith(SCHEME)
            kind = "draws form pages" if simulated else None
            rows.append(dict(zip(SEEN, (name, None, None, kind, True, simulated), strict=True)))
    return rows


def _add_names(rows: list[dict[str, Any]], given: tuple[str, ...]) -> list[dict[str, Any]]:
    """The rows with the name that the desk shows. Raises CommandFailed for a wrong DOSSIER_SCANNER_NAMES."""
    from scanner.names import names_of

    try:
        names = names_of([row["device"] for row in rows], given)
    except ValueError as error:
        raise CommandFailed(FAILED, f"DOSSIER_SCANNER_NAMES: {error}") from error
    return [{**row, "name": names[row["device"]]} for row in rows]


def _find_profile(settings: "Settings", device: str, name: str) -> "Profile":
    from scanner.profiles import profiles_of

    try:
        profiles = profiles_of(device, settings.scan_profiles)
    except ValueError as error:
        raise CommandFailed(FAILED, f"DOSSIER_SCAN_PROFILES: {error}") from error
    if name not in profiles:
        raise click.BadParameter(f"must be one of {', '.join(profiles)}", param_hint="--profile")
    return profiles[name]


@contextmanager
def _scan_pages(request: "Scan", settings: "Settings") -> "Iterator[tuple[list[PageDone], Faulted | None]]":
    """Lend the scanned pages, whose files are removed afterwards, and the fault that ended the batch, if any."""
    from scanner.device_process import DeviceProcess
    from scanner.messages import Faulted, PageDone, Progress

    with TemporaryDirectory(prefix="dossier-scan-") as folder:
        pages, fault = [], None
        with (
            show_progress("scanning") as advance,
            DeviceProcess(request, scan_folder_of(settings), spool=Path(folder)) as process,
        ):
            for event in process.iter_events():
                match event:
                    case Progress(rows=rows, rows_total=total):
                        advance(rows, total or rows)
                    case PageDone():
                        pages.append(event)
                    case Faulted():
                        fault = event
        yield pages, fault


def _copy_pages(pages: list[Path], out: Path | None) -> None:
    """Save the first page as `out`, the second as `out-2`."""
    if out is None:
        return
    for number, page in enumerate(pages, start=1):
        shutil.copyfile(page, out if number == 1 else out.with_stem(f"{out.stem}-{number}"))


def _facts_of(done: "PageDone") -> dict[str, Any]:
    import msgspec

    return {name: value for name, value in msgspec.to_builtins(done.page).items() if name in PAGES}


COMMANDS = (scan,)
