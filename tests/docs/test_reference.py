"""docs/reference.md is what the code says, and says all of it."""

from tests.docs.reference import EVENTS, REFERENCE, events_page, reference

HOW = "drifted: .venv/bin/python -m tests.docs.reference"


def test_the_page_is_what_the_code_says() -> None:
    """Every setting, command and problem stands there, for they are walked through and not listed."""
    assert REFERENCE.read_text(encoding="utf-8") == reference(), HOW


def test_the_fields_of_events_are_what_the_code_says() -> None:
    page = EVENTS.read_text(encoding="utf-8")
    assert events_page(page) == page, HOW
