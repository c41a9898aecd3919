"""This tree: the rooms of its source, the files that git knows, and a copy of them."""

import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def load_rooms() -> tuple[str, ...]:
    """The rooms that the contracts of setup.cfg name."""
    setup = ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return tuple(setup["importlinter"]["root_packages"].split())


ROOMS = load_rooms()


def list_files(*patterns: str) -> list[Path]:
    """The files here that git knows or would add, relative to ROOT: no venv, no cache, no HOME."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", *patterns]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [Path(name) for name in names if (ROOT / name).is_file()]


def copy_tree(to: Path) -> Path:
    """Copy those files as they are now, committed or not."""
    for name in list_files():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, to / name)
    return to
