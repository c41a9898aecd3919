"""Small real file systems for tests that fill, break or cut the power of one. Needs the right to mount."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, *arguments: str) -> Iterator[Path]:
    """The folder with a file system mounted on it as `mount` is told; skips where that is not permitted."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *arguments, folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"NOT TESTED, this account may not mount: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def may_mount(folder: Path) -> bool:
    """Tried, not computed: in a container root may lack the right."""
    try:
        with mounted(folder / "may-mount", "-t", "tmpfs", "none"):
            return True
    except pytest.skip.Exception:
        return False


def disk_image(file: Path, size_bytes: int, *options: str) -> Path:
    """A disk with an empty ext4 as a sparse file; skips where there is no mkfs.ext4."""
    if not (make := shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin:/bin")):
        pytest.skip("NOT TESTED, there is no mkfs.ext4 here (Debian: e2fsprogs)")
    with file.open("xb") as image:
        image.truncate(size_bytes)
    subprocess.run([make, "-q", "-F", *options, file], check=True)
    return file
