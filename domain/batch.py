"""Batches: what a feeder took in one go becomes documents, one for each form (B1 to B11, edge case 5).

Pure. paper/ reads pages; a person sees what comes out here before anything of it is archived (scan_session.py).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TypeVar

import msgspec

from domain.refusals import N_, FieldError, ValidationFailed
from domain.scan_code import Scheme, candidates, is_well_formed

SEPARATORS = frozenset({"PATCHT", "DOSSIERSEPARATOR"})
"""What the code on a separator sheet says, blanks and dashes left out: the usual Patch T, or DOSSIER-SEPARATOR."""

_T = TypeVar("_T")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a batch as it matters here: its number, the scan codes on it, nothing on it, a separator sheet."""

    number: int
    codes: tuple[str, ...] = ()
    blank: bool = False
    separator: bool = False


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """Pages that belong together, by number. `codes` are those of its first page: none of a document that nobody is
    named for yet, more than one where a person has to choose."""

    codes: tuple[str, ...]
    pages: tuple[int, ...]


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Every page of a batch is in exactly one document, or a separator, or blank. `repeated`: codes of several
    documents, as of a form that was fed twice or whose pages were mixed up."""

    documents: tuple[Document, ...]
    separators: tuple[int, ...]
    blanks: tuple[int, ...]
    repeated: tuple[str, ...]


def page_of(number: int, texts: Iterable[str], *, blank: bool, schemes: Iterable[Scheme] = ()) -> Page:
    """A page by the texts that were read from it: its codes in canonical form, ours and those of `schemes`.

    What else a page says (an address in a QR code, the number of a book) begins no document.
    """
    folded = {text: "".join(filter(str.isalnum, text)).upper() for text in texts}
    schemes = tuple(schemes)
    codes = (text for text in folded if folded[text] not in SEPARATORS and is_well_formed(text, schemes))
    return Page(
        number=number,
        codes=tuple(dict.fromkeys(candidates(code)[0] for code in codes)),
        blank=blank,
        separator=not SEPARATORS.isdisjoint(folded.values()),
    )


def split_batch(pages: Iterable[Page]) -> Batch:
    """The documents of a batch, in the order of its pages.

    A page with a code begins a document and stays in it, unless the page before it has the same code. A separator ends
    one and is in none, and a blank page right behind it is its back. A code says nothing beyond the next code or
    separator. Other blank pages stay where they are; where there is nothing else, there is no document.
    """
    runs, separators, backs = _split_runs(pages)
    documents = tuple(
        Document(codes=run[0].codes, pages=_numbers_of(run)) for run in runs if not all(map(_is_empty, run))
    )
    empty = chain.from_iterable(run for run in runs if all(map(_is_empty, run)))
    return Batch(
        documents=documents,
        separators=_numbers_of(separators),
        blanks=tuple(sorted(_numbers_of((*backs, *empty)))),
        repeated=_codes_of_several(documents),
    )


def _split_runs(pages: Iterable[Page]) -> tuple[list[list[Page]], list[Page], list[Page]]:
    """Pages from one boundary to the next, some without any; the separators; their backs."""
    runs: list[list[Page]] = [[]]
    separators, backs = list[Page](), list[Page]()
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


def _is_separator_sheet(page: Page) -> bool:
    """A sheet with a scan code is a form, whatever else is on it, and is never dropped."""
    return page.separator and not page.codes


def _is_empty(page: Page) -> bool:
    return page.blank and not page.codes


def _is_same_form(run: Sequence[Page], page: Page) -> bool:
    """Forms of several pages have their code on each, and in a duplex feeder perhaps blank backs between."""
    before = next((one for one in reversed(run) if not _is_empty(one)), None)
    return before is not None and {*before.codes} == {*page.codes}


def _numbers_of(pages: Iterable[Page]) -> tuple[int, ...]:
    return tuple(page.number for page in pages)


def _codes_of_several(documents: Iterable[Document]) -> tuple[str, ...]:
    counts = Counter(chain.from_iterable(document.codes for document in documents))
    return tuple(code for code, count in counts.items() if count > 1)


def collate_sides(fronts: Sequence[_T], backs: Sequence[_T], *, last_first: bool) -> tuple[_T, ...]:
    """Two passes of a one-sided feeder as one stack: front, back, front, back.

    `last_first`: the stack was turned over as a whole, so that the back of the last sheet came first. Raises
    ValidationFailed, with the two counts, unless there are equally many and some: which back belongs to which front is
    then for a person to say.
    """
    counts = {"fronts": len(fronts), "backs": len(backs)}
    if not fronts or len(fronts) != len(backs):
        uneven = N_("there are {fronts} fronts and {backs} backs; scan what is missing, or say which belong together")
        raise ValidationFailed(FieldError("/backs", uneven, **counts), extra=counts)
    return tuple(chain.from_iterable(zip(fronts, reversed(backs) if last_first else backs, strict=True)))
