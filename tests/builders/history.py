"""Asks the history of this repository, where there is one, what was committed before."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def git(*arguments: str, check: bool = True) -> str:
    """What git says of this checkout; nothing where it is none, or where git refuses and `check` is False."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        return ""
    command = ["git", "-c", "safe.directory=*", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=check).stdout
