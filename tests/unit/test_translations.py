"""The catalogs against the source: every sentence that a refusal or a field can say, in every language, in step."""

import re
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from string import Formatter

import pytest
from babel.messages import Catalog

from domain import refusals
from tests.docs.translations import (
    COMMAND,
    LANGUAGES,
    ROOT,
    Sentences,
    marked,
    mo,
    path,
    po,
    read,
    sentences,
    untranslated,
    updated,
)
from web.problems import CURES, LOCALE, catalog, languages

both = pytest.mark.parametrize("tag", LANGUAGES)
FOUND = sentences()
MARKED = marked()
ALIKE = {
    "nl": "1 item|%(count)s items, %(order)s"
    "|BIC|Document|Document %(number)s:|IBAN|Live|OK|Offline|Parameters|Scanner|Scanners|Stations|Status",
    "de": "BIC|IBAN|Live|Name|OK|Offline|Organisation|Person|Position|Position %(position)s|Problem|Scanner|Status"
    "|Text|optional",
}
"""Words that are the same in both languages."""


def translations(tag: str) -> Iterator[tuple[str, str]]:
    return ((str(message.id), str(message.string)) for message in read(path(tag)) if message.id)


def words_of(sentence: str) -> str:
    """Without what is filled in."""
    return re.sub(r"%\(\w+\)s|\{\w+\}", "", sentence).removesuffix(" s")


def placeholders(sentence: str) -> set[str]:
    """{name} of refusals, %(name)s of screens."""
    named = {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}
    return named | {*re.findall(r"%\(\w+\)s|%%", sentence)}


# -- the catalogs ---------------------------------------------------------------------------------------------------


@both
def test_a_catalog_has_the_sentences_of_the_source_as_the_program_writes_them(tag: str) -> None:
    assert path(tag).read_text("utf-8") == po(updated(read(path(tag)), FOUND)), COMMAND


@both
def test_every_sentence_is_translated_and_none_is_in_doubt(tag: str) -> None:
    assert [message.id for message in untranslated(updated(read(path(tag)), FOUND))] == []


@both
def test_the_compiled_catalog_is_that_of_the_text(tag: str) -> None:
    assert path(tag).with_suffix(".mo").read_bytes() == mo(read(path(tag))), COMMAND


@both
def test_a_translation_fills_in_what_the_sentence_does(tag: str) -> None:
    assert [pair for pair in translations(tag) if placeholders(pair[0]) != placeholders(pair[1])] == []


@both
def test_no_sentence_is_left_in_english(tag: str) -> None:
    alike = {message for message, translated in translations(tag) if message == translated}
    assert {message for message in alike if any(map(str.isalpha, words_of(message)))} <= {*ALIKE[tag].split("|")}


@both
def test_a_translation_begins_and_ends_as_its_sentence_does(tag: str) -> None:
    """What follows a field's name or a colon begins small and has no full stop; a sentence has both."""
    odd = [
        translated
        for message, translated in translations(tag)
        if translated and message in MARKED
        if message[0].isupper() != translated[0].isupper() or message.endswith(".") != translated.endswith(".")
    ]
    assert odd == []


@both
def test_titles_are_short_in_every_language(tag: str) -> None:
    assert [said for kind in refusals.all_refusals() if len(said := catalog(tag)(kind.title)) > 60] == []


@pytest.mark.parametrize("kind", refusals.all_refusals(), ids=lambda kind: kind.slug)
def test_whatever_a_refusal_says_is_marked(kind: type[refusals.Refusal]) -> None:
    told = {kind.title, kind.sentence, *CURES.values()}
    for words in ("sentences", "sources", "states"):
        told |= set(getattr(kind, words, {}).values())
    assert told <= set(FOUND)


def test_a_language_without_a_catalog_is_english() -> None:
    assert languages() == {"en", *LANGUAGES}
    assert [catalog("fr")(sentence) for sentence in FOUND] == FOUND
    assert [catalog("en")(sentence) for sentence in FOUND] == FOUND


def test_an_installed_archive_has_the_catalogs() -> None:
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg")
    patterns = settings["options.package_data"]["web"].split(", ")
    carried = {pattern: {*LOCALE.parent.glob(pattern)} for pattern in patterns}
    assert {path(tag).with_suffix(".mo") for tag in LANGUAGES} <= set().union(*carried.values())
    assert [pattern for pattern, files in carried.items() if not files] == []


# -- the program ----------------------------------------------------------------------------------------------------


def a_catalog(**translated: str) -> Sentences:
    made = Sentences("nl")
    for message, string in translated.items():
        made.add(message, string)
    return made


def strings(made: Catalog) -> dict[str, str]:
    return {str(message.id): str(message.string or "") for message in made if message.id}


def test_a_new_sentence_is_listed_and_one_that_is_gone_leaves(tmp_path: Path) -> None:
    made = updated(a_catalog(kept="gehouden", gone="weg"), ["new and unlike", "kept"])
    assert strings(made) == {"kept": "gehouden", "new and unlike": ""}
    assert [message.id for message in untranslated(made)] == ["new and unlike"]
    assert "weg" not in po(made)
    written = tmp_path / "nl" / "LC_MESSAGES" / "dossier.po"
    written.parent.mkdir(parents=True)
    written.write_text(po(made), "utf-8")
    assert po(read(written)) == po(made)


def test_a_sentence_that_changed_a_little_is_in_doubt_and_not_compiled() -> None:
    made = updated(a_catalog(**{"The file is empty": "Het bestand is leeg"}), ["This file is empty"])
    (doubtful,) = untranslated(made)
    assert (doubtful.string, doubtful.fuzzy) == ("Het bestand is leeg", True)
    assert '#| msgid "The file is empty"' in po(made)
    assert b"leeg" not in mo(made)


def test_the_order_in_which_sentences_are_found_changes_nothing() -> None:
    one, other = (updated(a_catalog(a="x", b="y"), order) for order in (["a", "b"], ["b", "a"]))
    assert (po(one), mo(one)) == (po(other), mo(other))
