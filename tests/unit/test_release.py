"""Which commit runs is known in a checkout, in a work tree, in a tarball; else it is said that it is not."""

import subprocess
from pathlib import Path

import pytest

from service.release import UNKNOWN, release_commit


def git(folder: Path, *words: str) -> str:
    made = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=True)
    return made.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / "service").mkdir(parents=True)
    (root / "service" / "commit.txt").write_text("$Format:%H$\n")
    (root / ".gitattributes").write_text("service/commit.txt export-subst\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-qm", "first")
    return root


def test_a_checkout_a_packed_one_a_detached_one_and_a_work_tree_tell_it(checkout: Path, tmp_path: Path) -> None:
    told = git(checkout, "rev-parse", "HEAD")
    git(checkout, "worktree", "add", "-q", "-b", "other", str(tmp_path / "beside"))
    assert [release_commit(checkout), release_commit(tmp_path / "beside")] == [told, told]
    release_commit.cache_clear()
    git(checkout, "pack-refs", "--all")
    assert release_commit(checkout) == told
    release_commit.cache_clear()
    git(checkout, "checkout", "-q", "--detach")
    assert release_commit(checkout) == told


def test_a_tarball_tells_it_and_a_bare_copy_says_that_it_does_not_know(checkout: Path, tmp_path: Path) -> None:
    tarball = tmp_path / "release.tar"
    git(checkout, "archive", "-o", str(tarball), "HEAD")
    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "-xf", tarball, "-C", tmp_path / "unpacked"], check=True)
    assert release_commit(tmp_path / "unpacked") == git(checkout, "rev-parse", "HEAD")
    (tmp_path / "copy" / "service").mkdir(parents=True)
    assert release_commit(tmp_path / "copy") == UNKNOWN
    (tmp_path / "copy" / "service" / "commit.txt").write_text("$Format:%H$\n")
    assert release_commit(tmp_path / "copy") == UNKNOWN
