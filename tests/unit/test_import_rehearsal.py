"""A dry run tells of every line what the import then makes of it, and leaves nothing."""

from collections.abc import Sequence
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from domain.importing import AlreadyImported, Importing, ImportLine, RefusedDraft, Result, build_importing
from service.import_rehearsal import rehearsal_of
from tests.builders.imports import a_given_file, a_line, a_luhn_code, a_mandate_line, examine
from tests.builders.memory import MemoryDesk
from tests.builders.papers import CREDITOR, a_caller, an_iban

CUSTOMERS = st.sampled_from(["100234", "100235", "nobody"])
FILES = st.sampled_from([None, a_given_file(b"one"), a_given_file(b"two"), a_given_file(b"three")])
EXTERNAL_IDS = st.sampled_from([None, None, "1", "2"])
CODES = st.sampled_from([None, None, a_luhn_code(1), a_luhn_code(2), "123"])
MANDATES = st.builds(
    a_mandate_line,
    customer=CUSTOMERS,
    iban=st.sampled_from([an_iban("INGB", 1), an_iban("INGB", 2), "NL00"]),
    mandate_reference=st.sampled_from([None, "LIB-1", "LIB-2"]),
    signature_date=st.sampled_from([date(2015, 1, 1), date(2026, 1, 1), date(2030, 1, 1)]),
    scan_code=CODES,
    external_id=EXTERNAL_IDS,
    file=FILES,
)
LETTERS = st.builds(a_line, customer=CUSTOMERS, type=st.just("LETTER"), external_id=EXTERNAL_IDS, file=FILES)
CONSENTS = st.builds(a_line, customer=CUSTOMERS, note=st.sampled_from([None, "a"]), external_id=EXTERNAL_IDS)
LISTS = st.lists(st.one_of(MANDATES, LETTERS, CONSENTS), max_size=12)


def a_desk() -> MemoryDesk:
    desk = MemoryDesk()
    desk.define("DEBT_AUTHORIZATION", scheme="luhn")
    return desk


def bring(importing: Importing, lines: Sequence[ImportLine], batch: int) -> list[Result]:
    """All customers are looked up before the first batch."""
    known = importing.look_up({line.customer for line in lines})
    batches = [lines[n : n + batch] for n in range(0, len(lines), batch)]
    prepared = (importing.prepare_lines(some, known, a_caller(), examine) for some in batches)
    return [result for one in prepared for result in importing.append_lines(one)]


def outcomes(results: Sequence[Result]) -> list[tuple[type[object], type[object]]]:
    return [(type(r), type(r.error) if isinstance(r, RefusedDraft) else object) for r in results]


@given(before=LISTS, lines=LISTS, batch=st.integers(1, 5))
def test_a_dry_run_tells_what_the_import_makes_of_every_line(
    before: list[ImportLine], lines: list[ImportLine], batch: int
) -> None:
    """Whatever is there before, and however the list falls into batches."""
    desk = a_desk()
    bring(desk.importing, before, 12)
    trace = desk.trace()
    told = bring(build_importing(rehearsal_of(desk.archive.ports), CREDITOR), lines, batch)
    assert desk.trace() == trace
    assert outcomes(told) == outcomes(bring(desk.importing, lines, batch))


@given(lines=LISTS, batch=st.integers(1, 5), again=st.integers(1, 5))
def test_brought_again_whatever_was_taken_is_there(lines: list[ImportLine], batch: int, again: int) -> None:
    """What was refused is refused again, unless a later line with the same external id was taken."""
    desk = a_desk()
    first = bring(desk.importing, lines, batch)
    trace = desk.trace()
    second = bring(desk.importing, lines, again)
    assert desk.trace() == trace
    papers = [result.paper if not isinstance(result, RefusedDraft) else None for result in first]
    for paper, result in zip(papers, second, strict=True):
        if paper is None and isinstance(result, AlreadyImported):
            assert result.paper in papers
        else:
            assert result == AlreadyImported(paper) if paper else isinstance(result, RefusedDraft)
