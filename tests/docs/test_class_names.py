"""Public class names: one name names one thing in the whole tree, so that a reader who searches for it finds it.

docs/glossary.md holds the words; DOUBLES lists the names that two rooms share, each with its reason.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator

from tests.tree import ROOMS, ROOT

PORT = "a port and what stands behind it: api/ names what it is handed, the other room has it"
COMMAND = "commands of two aggregates; a command's name is part of stored Idempotency-Keys and cannot change"
DOUBLES = {
    "Blocking": (PORT, "api/parts.py", "web/threads.py"),
    "Cancel": (COMMAND, "domain/authorization.py", "domain/scan_session.py"),
    "Describe": (
        "a command of a document, a message to a scanner's process",
        "domain/document.py",
        "scanner/messages.py",
    ),
    "Examiner": (PORT, "api/parts.py", "paper/client.py"),
    "IdentityProvider": (PORT, "api/parts.py", "service/oidc.py"),
    "PageImages": (PORT, "api/page_images.py", "api/parts.py"),
    "Parts": (PORT, "api/parts.py", "web/app.py"),
    "Patience": (PORT, "api/parts.py", "store/standing.py"),
    "Reassign": (COMMAND, "domain/authorization.py", "domain/document.py"),
}


def classes() -> Iterator[tuple[str, str]]:
    """The name of each public class with its file."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.parse(path.read_bytes()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    yield node.name, path.relative_to(ROOT).as_posix()


def homes() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, path in classes():
        found[name].append(path)
    return {name: tuple(paths) for name, paths in found.items()}


def test_a_class_name_names_one_class_or_says_why_not() -> None:
    assert {name: paths for name, paths in homes().items() if len(paths) > 1} == {
        name: tuple(sorted(paths)) for name, (_, *paths) in DOUBLES.items()
    }
