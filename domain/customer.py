"""A customer of the register, and the query of the one search box. store/register.py stores and finds customers."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from enum import StrEnum
from typing import Any, Literal

import msgspec

from domain.refusals import N_, FieldError, ValidationFailed
from domain.values import parse_branch_code, parse_customer_id

NAME_CHARACTERS_MAX = 200
NAME_CHARACTERS_TYPED_MAX = 2000  # before blanks are squeezed; normalizing longer text takes quadratic time
CARD_NUMBERS_MAX = 20
CARD_NUMBER_CHARACTERS_MAX = 64
BIRTH_YEARS_MAX = 150
SEARCH_NAME_CHARACTERS_MAX = 400  # folding can turn one character into eighteen
QUERY_CHARACTERS_MAX = 200
CARD_BEGINNING_CHARACTERS_MIN = 3  # fewer characters match nearly every card
QUERY_WORDS_MAX = 8


class CustomerKind(StrEnum):
    PERSON = "person"
    ORGANISATION = "organisation"


class CustomerStatus(StrEnum):
    """`active`, or the status last reported for the customer (POST /customers/{id}/report)."""

    ACTIVE = "active"
    DECEASED = "deceased"
    LEFT = "left"
    DELETED_IN_SOURCE = "deleted_in_source"


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """The data needed to find a customer at the desk, and no more (docs/domain.md §7)."""

    id: str
    name: str
    birth_date: date | None = None
    card_numbers: tuple[str, ...] = ()
    home_branch: str | None = None
    kind: CustomerKind = CustomerKind.PERSON
    status: CustomerStatus = CustomerStatus.ACTIVE


def parse_customer(
    id: str,  # noqa: A002  # the contract's name of the field
    *,
    name: str,
    birth_date: date | None,
    card_numbers: Sequence[str],
    home_branch: str | None,
    kind: str,
    today: date,
) -> Customer:
    """Parse a register entry; blanks in the name are squeezed. Raises ValidationFailed with every wrong field."""
    wrong = [
        *_errors_of(parse_customer_id, id, "id"),
        *_errors_of(_check_name, name),
        *_errors_of(_check_birth_date, birth_date, today),
        *_errors_of_cards(card_numbers),
        *(_errors_of(parse_branch_code, home_branch, "home_branch") if home_branch is not None else ()),
        *_errors_of(_check_kind, kind),
    ]
    if wrong:
        raise ValidationFailed(*wrong)
    return Customer(
        id=id,
        name=_squeeze_blanks(name),
        birth_date=birth_date,
        card_numbers=tuple(card_numbers),
        home_branch=home_branch,
        kind=CustomerKind(kind),
    )


def _errors_of(check: Callable[..., object], *arguments: Any) -> list[FieldError]:
    try:
        check(*arguments)
    except FieldError as error:
        return [error]
    return []


def _check_name(name: str) -> None:
    if len(name) > NAME_CHARACTERS_TYPED_MAX or not 1 <= len(_squeeze_blanks(name)) <= NAME_CHARACTERS_MAX:
        raise FieldError("name", N_("must have 1 to {limit} characters"), limit=NAME_CHARACTERS_MAX)
    if NOT_IN_NAMES.search(name):
        raise FieldError("name", N_("must not contain control characters"))


# Control characters, line and paragraph separators, halves of surrogate pairs, and marks that change text direction.
NOT_IN_NAMES = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def _squeeze_blanks(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).split())


def _check_birth_date(birth_date: date | None, today: date) -> None:
    if birth_date is None:
        return
    if birth_date > today:
        raise FieldError("birth_date", N_("must not be in the future"))
    if birth_date.year < today.year - BIRTH_YEARS_MAX:
        raise FieldError("birth_date", N_("must be at most {limit} years ago"), limit=BIRTH_YEARS_MAX)


def _errors_of_cards(numbers: Sequence[str]) -> Iterator[FieldError]:
    if len(numbers) > CARD_NUMBERS_MAX:
        yield FieldError("card_numbers", N_("must be at most {limit} numbers"), limit=CARD_NUMBERS_MAX)
        return
    seen: set[str] = set()
    for i, number in enumerate(numbers):
        yield from _errors_of(_check_card, number, f"card_numbers.{i}", seen)
        seen.add(card_code(number))


def _check_card(number: str, field: str, seen: set[str]) -> None:
    printable = number.isprintable() and " " not in number and card_code(number)
    if not printable or len(number) > CARD_NUMBER_CHARACTERS_MAX:
        limit = CARD_NUMBER_CHARACTERS_MAX
        raise FieldError(field, N_("must be 1 to {limit} printable characters without blanks"), limit=limit)
    if card_code(number) in seen:
        raise FieldError(field, N_("is listed twice"))


def _check_kind(kind: str) -> None:
    if kind not in list(CustomerKind):
        raise FieldError("kind", N_("must be one of {allowed}"), allowed=", ".join(CustomerKind))


def card_code(number: str) -> str:
    """The code by which cards are compared. Scanners omit the printed hyphens; people type blanks and small letters."""
    return BETWEEN_GROUPS.sub("", number).casefold()


BETWEEN_GROUPS = re.compile(r"[\s\u2010-\u2015-]+")


# -- search -----------------------------------------------------------------------------------------------------


class CustomerQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The parsed text of the search box. `words` are folded like names, `card_code` like card numbers. `birth_year`:
    the first word that can be a year, when no whole date was typed; `words_beside_year` are the other words."""

    text: str
    card_code: str
    birth_date: date | None
    words: tuple[str, ...]
    birth_year: int | None = None

    @property
    def kind(self) -> Literal["birth-date", "number", "name"]:
        """The kind of the query, without its text. A card number, a customer's id and a scan code all count as
        numbers."""
        if self.birth_date is not None:
            return "birth-date"
        return "number" if any(c.isdigit() for c in self.text) and self.birth_year is None else "name"

    @property
    def words_beside_year(self) -> tuple[str, ...]:
        """The words other than the birth year."""
        return tuple(w for w in self.words if w != str(self.birth_year))

    @property
    def may_begin_card(self) -> bool:
        """True if the text may be the beginning of a card number: every library's card numbers contain digits."""
        return len(self.card_code) >= CARD_BEGINNING_CHARACTERS_MIN and any(c.isdigit() for c in self.card_code)

    @property
    def selective_words(self) -> list[str]:
        """The words that narrow a search, longest first: no particles and no single Latin letter."""
        telling = (w for w in self.words if w not in PARTICLES and len(w.encode()) > 1)
        return sorted(telling, key=len, reverse=True)


# Found in a third of all names, so they narrow nothing; and people confuse them ("van de Berg", "van den Berg").
PARTICLES = frozenset(
    {"aan", "al", "da", "das", "de", "del", "den", "der", "di", "do", "dos", "du", "el", "het", "in", "la", "le", "los"}
    | {"op", "te", "ten", "ter", "van", "von", "zu"}
)


def parse_query(text: str) -> CustomerQuery:
    """Parse any text; text that fits no customer finds none. A date may be typed beside a name."""
    text = "".join(c if c.isprintable() else " " for c in text[:QUERY_CHARACTERS_MAX]).strip()
    birth_date, rest = _split_date(text)
    words = tuple(dict.fromkeys(fold_text(rest).split()))[:QUERY_WORDS_MAX]
    year = None if birth_date else next((int(w) for w in words if BIRTH_YEAR.fullmatch(w)), None)
    return CustomerQuery(text=text, card_code=card_code(text), birth_date=birth_date, words=words, birth_year=year)


def _split_date(text: str) -> tuple[date | None, str]:
    """The first valid date and the remaining text: 2001-05-23, or day first with - . or / between, as on forms and
    identity cards."""
    for found in DATE.finditer(text):
        year, month, day = (int(found[1 + i] or found[6 - i]) for i in range(3))
        try:
            return date(year, month, day), text[: found.start()] + " " + text[found.end() :]
        except ValueError:
            continue
    return None, text


DATE = re.compile(r"(?<!\S)(?:(\d{4})-(\d\d)-(\d\d)|(\d\d?)[-./](\d\d?)[-./](\d{4}))(?!\S)", re.ASCII)


BIRTH_YEAR = re.compile(r"(?:18|19|20)[0-9]{2}")


def search_name(name: str) -> str:
    """The name as it is searched: words in small letters without diacritics, one blank between them, at most 400
    characters.

    Other spellings of its words are appended: O'Neill and Anne-Marie as one word, Müller as Mueller.
    """
    words = unicodedata.normalize("NFC", name).lower().split()
    together = [fold_text(CONNECTORS.sub("", w)) for w in words if CONNECTORS.search(w)]
    transcribed = [fold_text(w.translate(TRANSCRIPTION)) for w in words if w.translate(TRANSCRIPTION) != w]
    return " ".join([fold_text(name), *together, *transcribed])[:SEARCH_NAME_CHARACTERS_MAX].strip()


CONNECTORS = re.compile(r"(?<=\w)['\u2019\u2010-\u2015-](?=\w)")
TRANSCRIPTION = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})


def fold_text(text: str) -> str:
    """The text in small letters without diacritics; each run of other characters becomes one blank."""
    if not text.isascii():
        small = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
        text = "".join(c for c in small if unicodedata.category(c)[0] != "M").translate(LETTERS)
    return NO_WORD.sub(" ", text.lower()).strip()


# Letters that Unicode does not decompose; case folding has already turned ß into ss.
LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "ı": "i", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ħ": "h", "ŧ": "t", "ŋ": "n"}
)
NO_WORD = re.compile(r"[\W_]+")
