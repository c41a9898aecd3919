"""Runs commands without paying for their imports each time: a process that has loaded everything and forks for each.

What is forked is a process like any other, with streams, environment and an exit code of its own; what the real start
does beyond that is held by test_command.py, which starts the interpreter.
"""

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[2]
RUN_SECONDS_MAX = 60
LOADED = ("service.verify", "service.history", "service.events", "service.customers_csv", "service.serve", "rich.table")
FORKING = """
import importlib, json, os, sys
from service.__main__ import main
for name in sys.argv[1:]:
    importlib.import_module(name)

def live(wanted):
    for number, path in enumerate(("/dev/null", wanted["out"], wanted["err"])):
        os.dup2(os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(wanted["env"])
    sys.argv = ["dossier", *wanted["arguments"]]
    code = 99
    try:
        main()
    except SystemExit as left:
        code = left.code or 0
    finally:
        sys.stdout.flush()
        os._exit(code)

for line in sys.stdin:
    child = os.fork() or live(json.loads(line))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Warm:
    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="dossier-warm-")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DOSSIER_")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", FORKING, *LOADED],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, arguments: list[str], env: dict[str, str]) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of one command, run to its end."""
        out, err = (Path(self._folder.name) / name for name in ("out", "err"))
        wanted: dict[str, Any] = {"arguments": arguments, "env": env, "out": str(out), "err": str(err)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], RUN_SECONDS_MAX)
        assert ready, f"{arguments} did not end; it said {out.read_text('utf-8')!r} {err.read_text('utf-8')!r}"
        code = int(self._process.stdout.readline())
        texts = out.read_text("utf-8"), err.read_text("utf-8")
        out.unlink()
        err.unlink()
        return code, *texts

    def close(self) -> None:
        self._process.communicate(timeout=20)
        self._folder.cleanup()
