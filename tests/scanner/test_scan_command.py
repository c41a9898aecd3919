"""`dossier scan devices` and `scan test`, as a shell runs them; no archive has to be there."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from scanner.device_process import DeviceProcess
from scanner.messages import PageStarted
from scanner.profiles import PageSource
from service.exits import CONFLICT, FAILED, OK, TRY_AGAIN, USAGE
from tests.scanner.devices import Desk
from tests.scanner.escl import DEVICE, Scanner
from tests.service.program import Ended, command, environment

BackEnd = Callable[..., Path]
Run = Callable[..., Ended]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*arguments: object, **variables: str) -> Ended:
        return command("scan", *arguments, env=environment(tmp_path / "home", **variables))

    return run


def test_devices_are_those_of_sane_and_the_configured_ones(back_end: BackEnd, run: Run) -> None:
    back_end()
    ended = run(
        "devices",
        "--json",
        DOSSIER_SCANNERS="test:1, simulated:feeder?pages=5, net:away:x",
        DOSSIER_SCANNER_NAMES="net:away:x=Front desk",
    )
    assert (ended.code, ended.err) == (OK, "")
    found = {item["device"]: (item["configured"], item["found"], item["model"]) for item in ended.json["items"]}
    assert found == {
        "test:0": (False, True, "frontend-tester"),
        "test:1": (True, True, "frontend-tester"),
        "simulated:feeder?pages=5": (True, True, None),
        "net:away:x": (True, False, None),
    }
    assert [item["name"] for item in ended.json["items"]] == ["test:0", "test:1", "Simulated scanner", "Front desk"]


@pytest.mark.parametrize(("scanners", "code"), [("", FAILED), ("simulated", OK)])
def test_without_python_sane_the_configured_ones_are_told(tmp_path: Path, run: Run, scanners: str, code: int) -> None:
    for name in ("sane", "_sane"):
        (tmp_path / f"{name}.py").write_text("raise ImportError")
    ended = run("devices", "--json", DOSSIER_SCANNERS=scanners, PYTHONPATH=str(tmp_path))
    assert (ended.code, [item["device"] for item in ended.json["items"]]) == (code, [scanners] if scanners else [])
    assert "python-sane is not installed" in ended.err


def test_a_page_is_scanned_and_kept_where_it_is_wanted(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "page.jpg"
    ended = run("test", "simulated:flatbed?seconds=0", "--profile", "id_card", "--out", out, "--json")
    [page] = ended.json["items"]
    assert (ended.code, page["number"], page["dpi"], page["mode"], page["warnings"]) == (OK, 1, 300, "colour", [])
    with Image.open(out) as picture:
        assert picture.size == (page["width_px"], page["height_px"])


def test_all_pages_of_a_feeder_are_kept_beside_the_first(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    ended = run("test", "simulated?pages=3&seconds=0", "--source", "feeder", "--out", tmp_path / "out" / "page.jpg")
    assert ended.code == OK
    assert [line.partition("\t")[0] for line in ended.out.splitlines()] == ["number", "1", "2", "3"]
    kept = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert kept == ["page-2.jpg", "page-3.jpg", "page.jpg"]


def test_a_fault_is_told_in_plain_words_and_in_those_of_the_driver(scanner: Scanner, run: Run) -> None:
    """The pages before it are listed."""
    scanner.load(3, jam=2)
    ended = run("test", DEVICE, "--source", "feeder", "--json", DOSSIER_SCAN_PROFILES="letter.resolution_dpi=75")
    assert ended.code == TRY_AGAIN
    assert [(page["number"], page["dpi"]) for page in ended.json["items"]] == [(1, 75)]
    assert "jammed: Document feeder jammed" in ended.err
    assert "A sheet is stuck in the scanner." in ended.err


def test_a_device_in_use_is_left_alone_and_its_user_named(run: Run, tmp_path: Path) -> None:
    """A station beside `serve` has the same locks."""
    desk, device = Desk(tmp_path / "home" / "scan"), "simulated:feeder?stall=1"
    with DeviceProcess(desk.request(device, source=PageSource.FEEDER), desk.state) as process:
        assert any(isinstance(event, PageStarted) for event in process.iter_events())
        ended = run("test", device)
    assert ended.code == CONFLICT
    assert "in use by: Ms Winter" in ended.err


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "said"),
    [
        (["simulated", "--profile", "receipt"], {}, USAGE, "must be one of letter, id_card, photo"),
        (["simulated", "--source", "window"], {}, USAGE, "'flatbed', 'feeder'"),
        (["simulated"], {"DOSSIER_SCAN_PROFILES": "letter.speed=2"}, FAILED, "DOSSIER_SCAN_PROFILES: letter.speed=2"),
        (["simulated:drum"], {}, TRY_AGAIN, "invalid: simulated:drum"),
    ],
)
def test_what_cannot_be_done_is_said(
    run: Run, arguments: list[str], variables: dict[str, str], code: int, said: str
) -> None:
    ended = run("test", *arguments, **variables)
    assert ended.code == code
    assert said in ended.err


def test_no_page_stays_behind(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    ended = run("test", "simulated?seconds=0", TMPDIR=str(tmp_path / "tmp"))
    assert ended.code == OK
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.suffix for path in left] == [".lock"]
    assert [*(tmp_path / "tmp").iterdir()] == []
