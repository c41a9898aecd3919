"""The whole check, the same by hand and on CI: `./run test [--long]`. With pytest's own arguments only those tests.

`./run test --screenshots DIR` makes pictures of every screen instead.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

# Step, its command as modules of this Python or scripts beside it, and its budget in seconds.
STEPS = (
    ("ruff check", ("ruff", "check", "--quiet"), 5),
    ("ruff format", ("ruff", "format", "--check", "--quiet"), 5),
    ("mypy", ("mypy", "--no-error-summary"), 60),
    ("imports", ("lint-imports", "--no-logo", "setup.cfg"), 10),
)
# About half of what all test folders take; the others run beside.
ONE_HALF = ("faults", "http", "property", "service")
# As many failed tests run once more, alone; more than that are no race between two halves on a busy machine.
ONCE_MORE_MAX = 3


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background has it ignored, in all below too
    if arguments[:1] == ["--screenshots"]:
        return pictures(*arguments[1:])
    rest = [argument for argument in arguments if argument != "--long"]
    if len(rest) < len(arguments):
        os.environ["DOSSIER_LONG"] = "1"
    failed = [] if rest else [name for name, command, budget_s in STEPS if not passes(name, command, budget_s)]
    if run("pytest", *rest) if rest else run_halves():
        failed.append("pytest")
    if failed:
        print(f"check failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def run_halves() -> int:
    """Two at once, for a test waits most of its time; what the second says comes behind what the first does."""
    names = sorted(folder.name for folder in ROOT.glob("tests/*/") if any(folder.glob("test_*.py")))
    one, other = ([f"tests/{name}" for name in names if (name in ONE_HALF) is wanted] for wanted in (True, False))
    with tempfile.TemporaryDirectory() as caches, tempfile.TemporaryFile() as said:
        caches_of_halves = [Path(caches, "one"), Path(caches, "other")]
        with started("pytest", *other, *cache_in(caches_of_halves[1]), stdout=said, stderr=said) as second:
            statuses = [run("pytest", *one, *cache_in(caches_of_halves[0]))]
            statuses.append(second.wait())
        said.seek(0)
        shutil.copyfileobj(said, sys.stdout.buffer)
        sys.stdout.flush()
        if not set(statuses) <= {0, 1}:  # ended early or found nothing: no failed test
            return 1
        return run_once_more([test for cache in caches_of_halves for test in failed_in(cache)])


def run_once_more(tests: list[str]) -> int:
    """Run the failed tests once more with the machine to themselves; those that pass then are named as races.

    A test that fails beside the other half and passes alone is to be mended all the same; it does not stop the rest.
    """
    if not tests or len(tests) > ONCE_MORE_MAX:
        return len(tests)
    print(f"\n{len(tests)} failed; once more, alone:", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        status = run("pytest", *tests, *cache_in(cache))
        raced = sorted(set(tests) - set(failed_in(cache))) if status in (0, 1) else []
    for test in raced:
        print(f"RACED, to be mended: {test} failed beside the other half and passed alone", file=sys.stderr)
    return status


def cache_in(folder: Path) -> tuple[str, str]:
    return ("-o", f"cache_dir={folder}")


def failed_in(cache: Path) -> list[str]:
    """The names of the tests that pytest noted as failed in this cache."""
    noted = cache / "v" / "cache" / "lastfailed"
    return sorted(json.loads(noted.read_text())) if noted.exists() else []


def pictures(folder: str = "screenshots") -> int:
    os.environ["DOSSIER_SCREENSHOTS"] = str(Path(folder).resolve())
    return run("pytest", "-q", "tests/browser/test_screenshots.py")


def passes(name: str, command: tuple[str, ...], budget_s: int) -> bool:
    begun = time.monotonic()
    status = run(*command)
    seconds = time.monotonic() - begun
    over = "  OVER" if seconds > budget_s else ""
    print(f"{name:<12}{'failed' if status else 'ok':<8}{seconds:6.1f} of {budget_s:4d} s{over}", flush=True)
    return status == 0


def run(script: str, *arguments: str) -> int:
    """Its output goes where ours goes."""
    return started(script, *arguments).wait()


def started(script: str, *arguments: str, **streams: Any) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([Path(sys.executable).with_name(script), *arguments], cwd=ROOT, **streams)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
