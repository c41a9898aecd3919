"""A command on a terminal of its own, as a person has it: what is typed reaches it, Ctrl-C by the terminal itself."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.http.served import wait_until
from tests.service.program import ROOT

SECONDS = 60
CTRL_C = "\x03"


class Terminal:
    """`screen` is all that was written to it; with `out` kept apart, that is stderr alone."""

    def __init__(self, *arguments: object, env: dict[str, str], out_apart: bool = False) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
        self.process = subprocess.Popen(
            ["setsid", "--ctty", sys.executable, "-m", "service", *(str(a) for a in arguments)],
            cwd=ROOT,
            env={"TERM": "xterm-256color", **env},
            stdin=theirs,
            stdout=subprocess.PIPE if out_apart else theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self._seen = b""

    @property
    def screen(self) -> str:
        return self._seen.decode("utf-8", "replace").replace("\r\n", "\n")

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def wait_for(self, text: str) -> None:
        """Until it stands on the screen and the command waits for what is typed."""
        until = time.monotonic() + SECONDS
        while text not in self.screen:
            assert self._look(until), f"{text!r} does not come: {self.screen}"
        wait_until(self._asleep, SECONDS, "the command does not wait for anything")

    def _asleep(self) -> bool:
        """Python only heeds a signal between two steps or in a wait: one that comes just before the wait is missed."""
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"

    def ended(self) -> int:
        """The exit code, and the whole screen read."""
        until = time.monotonic() + SECONDS
        while self._look(until):
            pass
        return self.process.wait(SECONDS)

    def _look(self, until: float) -> bool:
        """Take in what was written; False when nothing will come any more."""
        ready, _, _ = select.select([self._ours], [], [], max(0.0, until - time.monotonic()))
        assert ready, f"the command neither goes on nor ends: {self.screen}"
        with suppress(OSError):  # EIO: nobody has the other end open any more
            more = os.read(self._ours, 65_536)
            self._seen += more
            return bool(more)
        return False

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(SECONDS)
        if self.process.stdout:
            self.process.stdout.close()
        os.close(self._ours)


@contextmanager
def terminal(*arguments: object, env: dict[str, str], out_apart: bool = False) -> Iterator[Terminal]:
    opened = Terminal(*arguments, env=env, out_apart=out_apart)
    try:
        yield opened
    finally:
        opened.close()
