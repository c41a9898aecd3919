"""`./run`, the one script: what it makes, what it leaves alone, what it says where it cannot. Its tree is made up."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.service.program import ROOT, environment
from tests.service.running import AS_ROOT, PLAIN, switched_to

# Stands for an interpreter: notes how it was called, and makes a venv of itself.
PYTHON = """#!/bin/sh
echo "$@" >> "$TREE/calls"
case "$1 $2" in
"-V ") echo "Python 3.11.0" ;;
"-c import sys, ensurepip"*) exit "${NO_PIP:-0}" ;;
"-c import"*) exit "${TOO_OLD:-0}" ;;
"-m venv")
    [ -z "${NO_VENV:-}" ] || exit 1
    rm -rf "$4"; mkdir -p "$4/bin"; cp "$0" "$4/bin/python"; cp "$0" "$4/bin/dossier" ;;
"-m pip") exit "${NO_PACKAGES:-0}" ;;
esac
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "a tree"
    shutil.copytree(ROOT / "requirements", tree / "requirements", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("run", "setup.cfg", "pyproject.toml"):
        shutil.copy2(ROOT / name, tree)
    script = tree / "run"
    script.write_text(script.read_text().replace("/usr/bin/python3", f"{tree}/system-python3"))
    add_python(tree / "python3")
    return tree


def add_python(path: Path, version: str = "3.11.0") -> None:
    path.write_text(PYTHON.replace("3.11.0", version))
    path.chmod(0o755)


def run(tree: Path, *arguments: str, account: str | None = None, **variables: str) -> tuple[int, str, list[str]]:
    """Exit code, what it said, and what it had the interpreter do."""
    calls = tree / "calls"
    calls.write_text("")
    calls.chmod(0o666)
    env = {"PATH": f"{tree}:/usr/bin:/bin", "TREE": str(tree), **variables}
    command = [*switched_to(account), str(tree / "run"), *arguments]
    ended = subprocess.run(command, env=env, cwd=tree.parent, capture_output=True, text=True, timeout=60)
    return ended.returncode, ended.stderr, calls.read_text().splitlines()


def installed(calls: list[str]) -> list[str]:
    """The sets of packages, by their locks."""
    return [Path(call.rpartition(" -r ")[2]).stem for call in calls if " -r " in call]


def test_the_first_call_makes_everything_and_the_next_one_nothing(tree: Path) -> None:
    code, said, calls = run(tree, "version")
    assert (code, installed(calls), calls[-1]) == (0, ["run"], "version")
    assert all("--require-hashes" in call for call in calls if " -r " in call)
    assert "making .venv" in said
    code, said, calls = run(tree, "version")
    assert (code, said, installed(calls), calls[-1]) == (0, "", [], "version")


def test_extras_and_the_tests_add_their_sets_and_take_none_away(tree: Path) -> None:
    assert installed(run(tree, "version", DOSSIER_EXTRAS="scanner,oidc")[2]) == ["run", "scanner", "oidc"]
    assert installed(run(tree, "test")[2]) == ["dev"]
    assert installed(run(tree, "version")[2]) == []


def test_the_tests_add_the_scanner_set_where_it_can_be_built(tree: Path) -> None:
    """Its driver comes as source: with a compiler and the headers of Python and SANE."""
    compiler = tree / "cc"
    compiler.write_text('#!/bin/sh\nexit "${LACKS_HEADERS:-0}"\n')
    compiler.chmod(0o755)
    assert installed(run(tree, "test", LACKS_HEADERS="1")[2]) == ["run", "dev", "oidc"]
    assert installed(run(tree, "test")[2]) == ["scanner"]


def test_a_changed_lock_is_installed_and_another_python_makes_all_anew(tree: Path) -> None:
    run(tree, "version")
    lock = tree / "requirements" / "run.lock"
    lock.write_text(lock.read_text() + "# changed\n")
    assert installed(run(tree, "version")[2]) == ["run"]
    python = tree / ".venv" / "bin" / "python"
    python.write_text(python.read_text().replace("3.11.0", "3.11.1"))
    assert installed(run(tree, "version")[2]) == ["run"]


def test_the_systems_python_comes_first_where_it_can_make_a_venv(tree: Path) -> None:
    """It is there with python3-venv or without; PYTHON names another one all the same."""
    add_python(tree / "system-python3", "3.13.0")
    assert "with Python 3.11.0" in run(tree, "version", NO_PIP="1")[1]
    shutil.rmtree(tree / ".venv")
    assert "with Python 3.13.0" in run(tree, "version")[1]
    assert "with Python 3.11.0" in run(tree, "version", PYTHON=str(tree / "python3"))[1]


def test_a_venv_of_another_python_is_left_as_it_is(tree: Path) -> None:
    run(tree, "version")
    add_python(tree / "system-python3", "3.13.0")
    assert run(tree, "version")[:2] == (0, "")


def test_an_installation_that_was_cut_short_is_done_again(tree: Path) -> None:
    assert run(tree, "version", NO_PACKAGES="1")[0] == 1
    assert installed(run(tree, "version")[2]) == ["run"]


def test_what_is_missing_is_said_with_its_cure(tree: Path) -> None:
    code, said, _ = run(tree, "serve", TOO_OLD="1")
    assert (code, "needs Python 3.11 or later" in said) == (1, True)
    code, said, _ = run(tree, "serve", NO_VENV="1")
    assert (code, "apt-get install python3-venv" in said) == (1, True)
    code, said, calls = run(tree, "serve", DOSSIER_EXTRAS="scanner,ocr")
    assert (code, calls) == (2, [])
    assert "DOSSIER_EXTRAS knows scanner, oidc; not ocr" in said


def test_who_may_not_write_in_the_tree_can_run_what_is_made(tree: Path) -> None:
    """A service account in a checkout of root's: it once failed at the lock that two who make it take turns by."""
    run(tree, "version")
    if AS_ROOT:
        for folder in (tree, *tree.parents):
            if folder.is_relative_to(Path(os.environ.get("PYTEST_DEBUG_TEMPROOT", "/tmp"))) and folder != Path("/tmp"):
                folder.chmod(0o755)
    else:
        tree.chmod(0o555)
    code, said, calls = run(tree, "version", account=PLAIN)
    tree.chmod(0o755)
    assert (code, said, calls[-1]) == (0, "", "version")


def test_it_runs_from_anywhere_and_through_a_link(tmp_path: Path) -> None:
    """The real one, in the tree of the tests: `./run test` made its venv."""
    link = tmp_path / "dossier"
    link.symlink_to(ROOT / "run")
    env = environment(tmp_path / "home")
    ended = subprocess.run([link, "version"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.strip()
    assert [*tmp_path.iterdir()] == [link]
