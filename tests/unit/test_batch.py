"""Batches become documents: examples a person at a feeder would know, and what holds for every batch there can be."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import batch
from domain.batch import Batch, BatchDocument, BatchPage
from domain.refusals import ValidationFailed
from domain.scan_code import Scheme, make_code

A, B = make_code("DA", 111_111_111_111), make_code("GC", 222_222_222_222)


def pages(*told: str) -> list[BatchPage]:
    """Each by a word: `A` and `B` have a code, `AB` both, `-` is blank, `|` a separator, anything else just a page."""
    codes = {"A": (A,), "B": (B,), "AB": (A, B)}
    return [
        BatchPage(number=number, codes=codes.get(word, ()), blank=word == "-", separator=word == "|")
        for number, word in enumerate(told, 1)
    ]


def documents(*told: str) -> list[tuple[tuple[str, ...], tuple[int, ...]]]:
    return [(document.codes, document.pages) for document in batch.split_batch(pages(*told)).documents]


def test_each_form_is_a_document_with_the_pages_behind_it() -> None:
    assert documents("A", "x", "x", "B", "x") == [((A,), (1, 2, 3)), ((B,), (4, 5))]


def test_pages_before_the_first_code_are_a_document_of_nobody_yet() -> None:
    assert documents("x", "x", "A", "x") == [((), (1, 2)), ((A,), (3, 4))]


def test_a_batch_without_a_code_is_one_document() -> None:
    assert documents("x", "-", "x") == [((), (1, 2, 3))]


def test_a_separator_begins_a_document_and_is_kept_beside_them() -> None:
    found = batch.split_batch(pages("x", "|", "x", "x", "|", "A"))
    assert [document.pages for document in found.documents] == [(1,), (3, 4), (6,)]
    assert found.separators == (2, 5)


def test_a_code_says_nothing_beyond_a_separator() -> None:
    assert documents("A", "x", "|", "x") == [((A,), (1, 2)), ((), (4,))]


def test_separators_at_the_ends_and_one_behind_another_make_no_documents() -> None:
    found = batch.split_batch(pages("|", "|", "x", "|", "|"))
    assert [document.pages for document in found.documents] == [(3,)]
    assert found.separators == (1, 2, 4, 5)


def test_the_back_of_a_separator_is_left_out_only_when_it_is_blank() -> None:
    found = batch.split_batch(pages("|", "-", "x", "|", "x"))
    assert ([document.pages for document in found.documents], found.blanks) == ([(3,), (5,)], (2,))


def test_only_one_blank_page_is_the_back_of_a_separator() -> None:
    found = batch.split_batch(pages("|", "-", "-", "x"))
    assert ([document.pages for document in found.documents], found.blanks) == ([(3, 4)], (2,))


def test_blank_backs_of_a_document_stay_in_it() -> None:
    assert documents("A", "-", "x", "-") == [((A,), (1, 2, 3, 4))]


@pytest.mark.parametrize("told", [["-"], ["-", "-"], ["-", "A"], ["x", "|", "-", "-"]])
def test_nothing_but_blank_pages_is_no_document(told: list[str]) -> None:
    found = batch.split_batch(pages(*told))
    assert all(any(not page.blank for page in pages(*told) if page.number in d.pages) for d in found.documents)
    assert len(found.blanks) == told.count("-")


def test_a_form_of_several_pages_with_its_code_on_each_is_one_document() -> None:
    found = batch.split_batch(pages("A", "A", "-", "A", "B"))
    assert [document.pages for document in found.documents] == [(1, 2, 3, 4), (5,)]
    assert found.repeated == ()


def test_a_code_that_comes_again_apart_is_told() -> None:
    found = batch.split_batch(pages("A", "x", "A", "B"))
    assert [document.pages for document in found.documents] == [(1, 2), (3,), (4,)]
    assert found.repeated == (A,)
    assert batch.split_batch(pages("A", "B", "A", "B")).repeated == (A, B)
    assert batch.split_batch(pages("A", "|", "A")).repeated == (A,)


def test_a_page_with_two_codes_leaves_the_choice_to_a_person() -> None:
    assert documents("AB", "x", "A") == [((A, B), (1, 2)), ((A,), (3,))]


def test_a_sheet_with_a_code_is_never_dropped() -> None:
    both = [BatchPage(number=1, codes=(A,), separator=True), BatchPage(number=2, codes=(B,), blank=True)]
    found = batch.split_batch(both)
    assert [document.pages for document in found.documents] == [(1,), (2,)]
    assert (found.separators, found.blanks) == ((), ())


def test_an_empty_batch_has_no_documents() -> None:
    assert batch.split_batch([]) == Batch(documents=(), separators=(), blanks=(), repeated=())


# -- what a page says


def test_a_page_has_the_codes_of_ours_that_were_read_from_it() -> None:
    spaced = f"{A[:2]} {A[2:6]} {A[6:]}".lower()
    page = batch.page_of(7, [spaced, A, "https://example.org/a", "9780393058673", "29004010023"], blank=False)
    assert page == BatchPage(number=7, codes=(A,))


def test_codes_of_imported_paper_count_where_a_type_has_such() -> None:
    luhn = "79927398713"
    assert batch.page_of(1, [luhn], blank=False).codes == ()
    assert batch.page_of(1, [luhn], blank=False, schemes=[Scheme.LUHN]).codes == (luhn,)
    assert batch.page_of(1, ["abc-1"], blank=False, schemes=[Scheme.NONE]).codes == ("ABC1",)


@pytest.mark.parametrize("text", ["PATCHT", "patch-t", " Patch T ", "DOSSIER-SEPARATOR", "dossier separator"])
def test_a_separator_sheet_is_known_by_its_code(text: str) -> None:
    for schemes in ([], [Scheme.NONE]):
        page = batch.page_of(1, [text], blank=False, schemes=schemes)
        assert page == BatchPage(number=1, separator=True)


@pytest.mark.parametrize("text", ["PATCH", "PATCHT1", "SEPARATOR", "", " "])
def test_other_texts_are_no_separators(text: str) -> None:
    assert batch.page_of(1, [text], blank=True) == BatchPage(number=1, blank=True)


# -- every batch


words = st.lists(st.sampled_from(["A", "B", "AB", "-", "|", "x"]), max_size=14)


@given(words)
def test_every_page_is_in_one_document_or_a_separator_or_blank(told: list[str]) -> None:
    found = batch.split_batch(pages(*told))
    inside = [number for document in found.documents for number in document.pages]
    assert sorted([*inside, *found.separators, *found.blanks]) == list(range(1, len(told) + 1))
    assert inside == sorted(inside), "in the order of the batch"


@given(words)
def test_a_document_has_the_codes_of_its_first_page_and_no_others(told: list[str]) -> None:
    given_pages = {page.number: page for page in pages(*told)}
    for document in batch.split_batch(given_pages.values()).documents:
        first, *others = (given_pages[number] for number in document.pages)
        assert document.codes == first.codes
        assert all({*page.codes} <= {*document.codes} for page in others)


@given(words)
def test_no_document_reaches_over_a_separator(told: list[str]) -> None:
    found = batch.split_batch(pages(*told))
    for document in found.documents:
        assert not [one for one in found.separators if document.pages[0] < one < document.pages[-1]]


@given(words)
def test_what_is_dropped_is_a_separator_or_empty(told: list[str]) -> None:
    given_pages = {page.number: page for page in pages(*told)}
    found = batch.split_batch(given_pages.values())
    assert all(given_pages[number].separator for number in found.separators)
    assert all(given_pages[number].blank for number in found.blanks)


@given(words)
def test_a_new_document_has_a_reason(told: list[str]) -> None:
    """A code, or a separator right before it but for blank pages; the first needs none."""
    found = batch.split_batch(pages(*told))
    for before, document in pairwise(found.documents):
        between = {number for number in found.separators if before.pages[-1] < number < document.pages[0]}
        assert document.codes or between


@given(words)
def test_codes_of_several_documents_are_told_and_no_others(told: list[str]) -> None:
    found = batch.split_batch(pages(*told))
    held = [code for document in found.documents for code in document.codes]
    assert {*found.repeated} == {code for code in held if held.count(code) > 1}
    assert len({*found.repeated}) == len(found.repeated)


@given(words)
def test_a_document_on_its_own_is_the_same_document(told: list[str]) -> None:
    given_pages = {page.number: page for page in pages(*told)}
    for document in batch.split_batch(given_pages.values()).documents:
        alone = batch.split_batch(given_pages[number] for number in document.pages)
        assert alone.documents == (BatchDocument(codes=document.codes, pages=document.pages),)


# -- two passes


@given(st.lists(st.integers(), min_size=1, max_size=9))
def test_fronts_and_backs_become_one_stack_whichever_way_it_was_turned(sheets: list[int]) -> None:
    fronts, backs = [(sheet, "front") for sheet in sheets], [(sheet, "back") for sheet in sheets]
    stack = tuple((sheet, side) for sheet in sheets for side in ("front", "back"))
    assert batch.collate_sides(fronts, backs, last_first=False) == stack
    assert batch.collate_sides(fronts, backs[::-1], last_first=True) == stack


@pytest.mark.parametrize(("fronts", "backs"), [(3, 2), (2, 3), (1, 0), (0, 1), (0, 0)])
@pytest.mark.parametrize("last_first", [False, True])
def test_unequal_passes_are_never_put_together(fronts: int, backs: int, last_first: bool) -> None:
    with pytest.raises(ValidationFailed) as refused:
        batch.collate_sides(range(fronts), range(backs), last_first=last_first)
    [error] = refused.value.errors
    said = f"there are {fronts} fronts and {backs} backs; scan the missing side, or pair the sheets yourself"
    assert str(error) == f"backs: {said}"
    assert refused.value.extra == {"fronts": fronts, "backs": backs}
