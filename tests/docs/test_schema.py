"""docs/schema.sql is what the baseline and all later migrations give."""

from tests.docs.schema import PAGE, page


def test_the_page_is_what_the_migrations_give(db: str) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(db), "drifted: .venv/bin/python -m tests.docs.schema"
