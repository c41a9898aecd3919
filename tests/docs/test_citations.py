"""Source, tests and docs cite rules of docs/domain.md by tag, and documents by name: what they cite exists.

The public contract (api/openapi.json) cites neither: its readers do not have them.
"""

import functools
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from tests.tree import ROOT, list_files

DOMAIN = (ROOT / "docs" / "domain.md").read_text(encoding="utf-8")

DEFINED = {
    *re.findall(r"^- \*\*([A-GIS]\d+)\*\* ", DOMAIN, re.MULTILINE),
    *(f"edge case {n}" for n in re.findall(r"^(\d+)\. ", DOMAIN.split("## 8. ")[1].split("\n## ")[0], re.MULTILINE)),
    *(f"§{n}" for n in re.findall(r"^## (\d+)\. ", DOMAIN, re.MULTILINE)),
}

NOT_BUILT = {
    *re.findall(r"^- \*\*([A-GIS]\d+)\*\* \*\(not built\)\*", DOMAIN, re.MULTILINE),
    *(f"edge case {n}" for n in re.findall(r"^(\d+)\. \*\(not built\)\*", DOMAIN, re.MULTILINE)),
}

TAG = re.compile(r"(?<![\w%`'\"/#&=.-])([A-GIS])(\d{1,2})(?:(?: to |[-–])\1(\d{1,2}))?(?![\w%'\"=/-]|\.\d)")  # a dash
EDGE = re.compile(r"[Ee]dge cases? (\d+(?:(?:, | and )\d+)*)")
SECTION = re.compile(r"domain\.md (?:[A-G]\d+, )?§(\d+)")
DOCUMENT = re.compile(r"(?<![\w/.-])((?:docs/|notes/)?[\w-]+\.md)\b")
# Paper sizes are no tags. In docs/ a bare name is a neighbour of the citing file.
PAPER_SIZES = {"A3", "A4"}
NAMED = re.compile(r"def test_(edge_case_\d+|[a-gis]\d+)_")


def files(*patterns: str) -> list[Path]:
    return [ROOT / path for path in list_files(*patterns) if not {"vendor", "golden"} & {*path.parts}]


@functools.cache
def texts_of(path: Path) -> list[str]:
    """What a file says to its reader: docstrings and comments of Python, all of the others."""
    source = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return [source]
    return re.findall(r'"""(?:.|\n)*?"""|(?:^|  )# .*$', source, re.MULTILINE)


def tags_in(text: str) -> Iterator[str]:
    for letter, first, last in TAG.findall(text):
        if letter + first not in PAPER_SIZES:
            yield from (f"{letter}{n}" for n in range(int(first), int(last or first) + 1))
    for numbers in EDGE.findall(text):
        yield from (f"edge case {n}" for n in re.findall(r"\d+", numbers))
    yield from (f"§{n}" for n in SECTION.findall(text))


# tests/docs writes pages of docs/, whose links are relative to that folder.
PAGES = {"docs": (ROOT / "docs",)}
CITING = files("*.py", "*.md", "*.html", "*.js", "*.sql")


def test_a_cited_rule_is_defined() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), tag)
        for path in CITING
        if path != Path(__file__)
        for tag in chain.from_iterable(map(tags_in, texts_of(path)))
    }
    assert len(found) > 200, "citations are not found any more"
    assert sorted((path, tag) for path, tag in found if tag not in DEFINED) == []


def test_a_rule_that_is_built_is_cited_by_a_test() -> None:
    """Or it is marked in docs/domain.md as not built. Whether the test asserts it is for a reader to judge."""
    tests = [path for path in files("tests/*.py") if path.parent.name != "docs"]
    named = {tag for path in tests for tag in NAMED.findall(path.read_text(encoding="utf-8"))}
    cited = {tag for path in tests for tag in chain.from_iterable(map(tags_in, texts_of(path)))}
    cited |= {tag.replace("_", " ") if "_" in tag else tag.upper() for tag in named}
    assert sorted(DEFINED - NOT_BUILT - cited - {tag for tag in DEFINED if tag.startswith("§")}) == []


def test_a_document_that_is_named_is_in_the_repository() -> None:
    missing = [
        (path.relative_to(ROOT).as_posix(), name)
        for path in CITING
        for name in chain.from_iterable(map(DOCUMENT.findall, texts_of(path)))
        if not any((folder / name).is_file() for folder in (ROOT, path.parent, *PAGES.get(path.parent.name, ())))
    ]
    assert missing == []


@pytest.mark.parametrize("text", ["by I77", "(B5 to B12)", "edge cases 4 and 31", "docs/domain.md §12"])
def test_a_tag_that_nothing_defines_is_noticed(text: str) -> None:
    assert not DEFINED.issuperset(tags_in(text))


def test_the_public_contract_cites_no_rule() -> None:
    contract = (ROOT / "api" / "openapi.json").read_text(encoding="utf-8")
    assert set(tags_in(contract)) == set()
    assert DOCUMENT.findall(contract) == []
