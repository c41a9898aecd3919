"""The whole check, the same by hand and on CI: `./run test [--long]`. With pytest's own arguments only those tests.

`./run test --screenshots DIR` makes pictures of every screen instead.
"""

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
ONE_HALF = ("http", "service")


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
    halves = [[f"tests/{name}" for name in names if (name in ONE_HALF) is wanted] for wanted in (True, False)]
    with tempfile.TemporaryFile() as said, started("pytest", *halves[1], stdout=said, stderr=said) as second:
        failed = run("pytest", *halves[0])
        failed += second.wait()
        said.seek(0)
        shutil.copyfileobj(said, sys.stdout.buffer)
        sys.stdout.flush()
    return failed


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
