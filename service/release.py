"""The running program: the version of setup.cfg, and the commit that it was built from. A wheel and a `git archive`
have the commit in service/commit.txt (setup.py, .gitattributes); a checkout has its own."""

import importlib.metadata
import re
from functools import cache
from pathlib import Path

UNKNOWN = "unknown"
ROOT = Path(__file__).resolve().parents[1]
COMMIT = re.compile(r"[0-9a-f]{40}")


def release_version() -> str:
    return importlib.metadata.version("dossier")


@cache
def release_commit(root: Path = ROOT) -> str:
    """40 hexadecimal digits, or "unknown". Cached from the start: a later pull does not change the running program."""
    try:
        built_in = (root / "service" / "commit.txt").read_text(encoding="ascii").strip()
        return built_in if COMMIT.fullmatch(built_in) else _commit_of_checkout(root)
    except (OSError, UnicodeDecodeError):
        return UNKNOWN


def _commit_of_checkout(root: Path) -> str:
    """The commit from git's files. The git command may be missing, and refuses a checkout of another account."""
    git = root / ".git"
    if git.is_file():  # a linked work tree
        git = root / git.read_text(encoding="utf-8").removeprefix("gitdir: ").strip()
    head = (git / "HEAD").read_text(encoding="ascii").strip()
    name = head.removeprefix("ref: ")
    common = git / "commondir"
    home = git / common.read_text(encoding="utf-8").strip() if common.exists() else git
    loose = home / name
    found = (
        head
        if name == head
        else loose.read_text(encoding="ascii")
        if loose.exists()
        else _commit_in_packed_refs(home, name)
    )
    return found.strip() if COMMIT.fullmatch(found.strip()) else UNKNOWN


def _commit_in_packed_refs(home: Path, name: str) -> str:
    lines = (home / "packed-refs").read_text(encoding="utf-8").splitlines()
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), UNKNOWN)
