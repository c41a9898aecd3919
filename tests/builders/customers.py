"""A customer with usual values, and a directory in memory; tests/contract/ holds it to the port beside the register."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from domain.customer import Customer, CustomerQuery, card_code, parse_query, search_name

ALIKE_MIN = 0.6


def a_customer(id: str = "100234", **changes: Any) -> Customer:  # noqa: A002  # the contract's name of the field
    """A person without a card: a card belongs to one customer only, so a test that needs one names it."""
    usual: dict[str, Any] = {"name": "Jan de Vries", "birth_date": date(1971, 5, 23), "home_branch": "CENTRAL"}
    return Customer(id=id, **{**usual, **changes})


class MemoryCustomers:
    """Looks at every customer for every search, in the steps that the port names."""

    def __init__(self) -> None:
        self.known: dict[str, Customer] = {}

    def put(self, customer: Customer) -> bool:
        created = customer.id not in self.known
        self.known[customer.id] = customer
        return created

    def exists(self, customer_id: str) -> bool:
        return customer_id in self.known

    def get(self, customer_id: str) -> Customer | None:
        return self.known.get(customer_id)

    def existing_ids(self, customer_ids: Iterable[str]) -> set[str]:
        return set(customer_ids) & self.known.keys()

    def search(self, text: str, limit: int) -> list[Customer]:
        query = parse_query(text)
        by_name = sorted(self.known.values(), key=lambda c: (search_name(c.name), c.id))
        found: dict[str, Customer] = {}
        steps = (has_id, has_card, born_that_day, born_that_year, begins_with_id, begins_with_card, has_beginnings)
        for fits in (*steps, is_alike):
            found |= {c.id: c for c in by_name if c.id not in found and fits(c, query)}
        return list(found.values())[:limit]


def has_id(customer: Customer, query: CustomerQuery) -> bool:
    return customer.id == query.text


def has_card(customer: Customer, query: CustomerQuery) -> bool:
    return query.card_code in map(card_code, customer.card_numbers)


def born_that_day(customer: Customer, query: CustomerQuery) -> bool:
    return query.birth_date is not None and query.birth_date == customer.birth_date


def begins_with_id(customer: Customer, query: CustomerQuery) -> bool:
    return query.birth_date is None and query.text != "" and customer.id.startswith(query.text)


def born_that_year(customer: Customer, query: CustomerQuery) -> bool:
    born = customer.birth_date
    words = search_name(customer.name).split()
    return (
        query.birth_year is not None
        and born is not None
        and born.year == query.birth_year
        and all(any(word.startswith(typed) for word in words) for typed in query.words_beside_year)
    )


def begins_with_card(customer: Customer, query: CustomerQuery) -> bool:
    is_begun = any(card_code(number).startswith(query.card_code) for number in customer.card_numbers)
    return query.birth_date is None and query.may_begin_card and is_begun


def has_beginnings(customer: Customer, query: CustomerQuery) -> bool:
    return by_words(customer, query, str.startswith)


def is_alike(customer: Customer, query: CustomerQuery) -> bool:
    return by_words(customer, query, lambda word, typed: word.startswith(typed) or likeness(typed, word) >= ALIKE_MIN)


def by_words(customer: Customer, query: CustomerQuery, fits: Callable[[str, str], bool]) -> bool:
    """Whether each typed word fits some word of the name; a date in the query stands above names."""
    words = search_name(customer.name).split()
    typed = query.words if query.birth_date is None else ()
    return bool(typed) and all(any(fits(word, t) for word in words) for t in typed)


def likeness(typed: str, word: str) -> float:
    """The share of the typed word's trigrams that the word has, as pg_trgm counts."""
    return len(trigrams(typed) & trigrams(word)) / len(trigrams(typed))


def trigrams(word: str) -> set[str]:
    padded = f"  {word} "
    return {padded[i : i + 3] for i in range(len(padded) - 2)}
