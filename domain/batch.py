"""Batches: the pages of one feeder pass become documents, one for each form (B1 to B11, edge case 5).

Pure. paper/ reads pages; a person reviews the proposed documents before they are archived (scan_session.py).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TypeVar

import msgspec

from domain.refusals import N_, FieldError, ValidationFailed
from domain.scan_code import Scheme, candidates, is_well_formed

SEPARATORS = frozenset({"PATCHT", "DOSSIERSEPARATOR"})
"""The codes of separator sheets, without blanks and dashes: the usual Patch T, or DOSSIER-SEPARATOR."""

_T = TypeVar("_T")


class BatchPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a batch: its number, the scan codes on it, whether it is blank, and whether it is a separator sheet."""

    number: int
    codes: tuple[str, ...] = ()
    blank: bool = False
    separator: bool = False


class BatchDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Pages that belong together, by number. `codes` are those of its first page: empty when no authorization is named
    yet, more than one when a person has to choose."""

    codes: tuple[str, ...]
    pages: tuple[int, ...]


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Every page of a batch is in exactly one document, a separator, or blank. `repeated`: codes found in several
    documents, for example of a form that was fed twice or whose pages were mixed up."""

    documents: tuple[BatchDocument, ...]
    separators: tuple[int, ...]
    blanks: tuple[int, ...]
    repeated: tuple[str, ...]


def page_of(number: int, texts: Iterable[str], *, blank: bool, schemes: Iterable[Scheme] = ()) -> BatchPage:
    """Build a page from the texts that were read from it: its codes in canonical form, ours and those of `schemes`.

    Other text on a page (an address in a QR code, the number of a book) starts no document.
    """
    folded = {text: "".join(filter(str.isalnum, text)).upper() for text in texts}
    schemes = tuple(schemes)
    codes = (text for text in folded if folded[text] not in SEPARATORS and is_well_formed(text, schemes))
    return BatchPage(
        number=number,
        codes=tuple(dict.fromkeys(candidates(code)[0] for code in codes)),
        blank=blank,
        separator=not SEPARATORS.isdisjoint(folded.values()),
    )


def split_batch(pages: Iterable[BatchPage]) -> Batch:
    """Split a batch into documents, in the order of its pages.

    A page with a code starts a document and belongs to it, unless the page before it has the same code. A separator
    ends a document and belongs to none; a blank page directly after it is its back. A code applies until the next code
    or separator. Other blank pages stay in place; pages that are all blank make no document.
    """
    runs, separators, backs = _split_runs(pages)
    documents = tuple(
        BatchDocument(codes=run[0].codes, pages=_numbers_of(run)) for run in runs if not all(map(_is_empty, run))
    )
    empty = chain.from_iterable(run for run in runs if all(map(_is_empty, run)))
    return Batch(
        documents=documents,
        separators=_numbers_of(separators),
        blanks=tuple(sorted(_numbers_of((*backs, *empty)))),
        repeated=_codes_of_several(documents),
    )


def _split_runs(pages: Iterable[BatchPage]) -> tuple[list[list[BatchPage]], list[BatchPage], list[BatchPage]]:
    """Pages from one boundary to the next, some runs empty; the separators; their backs."""
    runs: list[list[BatchPage]] = [[]]
    separators, backs = list[BatchPage](), list[BatchPage]()
    behind_separator = False
    for page in pages:
        if _is_separator_sheet(page):
            separators.append(page)
            runs.append([])
        elif behind_separator and _is_empty(page):
            backs.append(page)
        elif page.codes and not _is_same_form(runs[-1], page):
            runs.append([page])
        else:
            runs[-1].append(page)
        behind_separator = _is_separator_sheet(page)
    return runs, separators, backs


def _is_separator_sheet(page: BatchPage) -> bool:
    """True if the page is a separator. A sheet with a scan code is a form, whatever else is on it, and is never
    dropped."""
    return page.separator and not page.codes


def _is_empty(page: BatchPage) -> bool:
    return page.blank and not page.codes


def _is_same_form(run: Sequence[BatchPage], page: BatchPage) -> bool:
    """True if the page continues the form of the run. Forms of several pages have their code on each page, and a duplex
    feeder may add blank backs between them."""
    before = next((one for one in reversed(run) if not _is_empty(one)), None)
    return before is not None and {*before.codes} == {*page.codes}


def _numbers_of(pages: Iterable[BatchPage]) -> tuple[int, ...]:
    return tuple(page.number for page in pages)


def _codes_of_several(documents: Iterable[BatchDocument]) -> tuple[str, ...]:
    counts = Counter(chain.from_iterable(document.codes for document in documents))
    return tuple(code for code, count in counts.items() if count > 1)


def collate_sides(fronts: Sequence[_T], backs: Sequence[_T], *, last_first: bool) -> tuple[_T, ...]:
    """Interleave two passes of a one-sided feeder: front, back, front, back.

    `last_first`: the stack was turned over as a whole, so that the back of the last sheet came first. Raises
    ValidationFailed, with the two counts, unless the counts are equal and not zero: otherwise a person has to say which
    back belongs to which front.
    """
    counts = {"fronts": len(fronts), "backs": len(backs)}
    if not fronts or len(fronts) != len(backs):
        uneven = N_("there are {fronts} fronts and {backs} backs; scan the missing side, or pair the sheets yourself")
        raise ValidationFailed(FieldError("backs", uneven, **counts), extra=counts)
    return tuple(chain.from_iterable(zip(fronts, reversed(backs) if last_first else backs, strict=True)))
