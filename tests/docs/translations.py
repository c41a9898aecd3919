"""The catalogs of what the archive says. docs/translations.md has the words; test_translations.py holds them to it.

    .venv/bin/python -m tests.docs.translations

finds the sentences that `N_` marks and those of the screens' templates, brings web/locale/*/LC_MESSAGES/dossier.po up
to them, compiles the .mo beside it, and lists what is left to translate. A sentence that changed a little keeps its old
translation, marked `fuzzy`: mend it, drop the mark, and run this again.
"""

import sys
from collections.abc import Iterable, Iterator
from configparser import ConfigParser
from io import BytesIO
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import generate_po, read_po

from desk.render import TEMPLATES
from web.problems import LOCALE

ROOT = Path(__file__).parents[2]
LANGUAGES = ("de", "nl")
COMMAND = ".venv/bin/python -m tests.docs.translations"
HEAD = f"# What the archive says. Words and rules: docs/translations.md. Afterwards: {COMMAND}"


def main() -> int:
    found = sentences()
    open_ones = 0
    for tag in LANGUAGES:
        catalog = updated(read(path(tag)), found)
        path(tag).parent.mkdir(parents=True, exist_ok=True)
        path(tag).write_text(po(catalog), encoding="utf-8")
        path(tag).with_suffix(".mo").write_bytes(mo(catalog))
        left = [*untranslated(catalog)]
        sys.stdout.writelines([f"{tag}: {len(found)} sentences, {len(left)} to translate\n", *map(told, left)])
        open_ones += len(left)
    return 1 if open_ones else 0


def sentences() -> list[str]:
    """Every message that a room marks or a screen shows, sorted."""
    return sorted({*marked(), *shown()})


def marked() -> set[str]:
    """Those of the code: refusals, what is wrong with fields, words that screens ask for."""
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg")
    rooms = {package.partition(".")[0] for package in settings["options"]["packages"].split()}
    files = [file for room in rooms for file in (ROOT / room).rglob("*.py")]
    return {str(message) for file in files for _, message, _, _ in extract_from_file("python", file, {"N_": None})}


def shown() -> set[str]:
    """Those of the screens' templates."""
    files = TEMPLATES.rglob("*.html")
    return {str(message) for file in files for _, message, _, _ in extract_from_file("jinja2", file, {"_": None})}


def path(tag: str) -> Path:
    return LOCALE / tag / "LC_MESSAGES" / "dossier.po"


class Sentences(Catalog):
    """A catalog whose head has what gettext needs and nothing that changes by itself: no dates, people, versions."""

    def __init__(self, tag: str) -> None:
        super().__init__(locale=tag, header_comment=HEAD, fuzzy=False)

    mime_headers = property(
        lambda self: [
            ("Language", self.locale_identifier),
            ("Plural-Forms", self.plural_forms),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit\n"),
        ]
    )


def read(file: Path) -> Sentences:
    """What is translated already; empty for a new language."""
    catalog = Sentences(file.parts[-3])
    if file.exists():
        with file.open("rb") as opened:
            messages = [message for message in read_po(opened, catalog.locale) if message.id]
        for message in messages:
            catalog[message.id] = message
    return catalog


def updated(catalog: Sentences, found: Iterable[str]) -> Sentences:
    """With exactly the sentences found. What a new one resembles is proposed for it, and marked so."""
    template = Catalog()
    for message in found:
        template.add(message)
    catalog.update(template, update_creation_date=False)
    return catalog


def po(catalog: Sentences) -> str:
    """The file as text: sorted, a line for each sentence, without places, so that only words change it."""
    lines = generate_po(
        catalog, ignore_obsolete=True, include_previous=True, no_location=True, sort_by="message", width=0
    )
    return "".join(lines).rstrip("\n") + "\n"


def mo(catalog: Sentences) -> bytes:
    """The compiled catalog, without what is marked fuzzy: the same bytes for the same sentences."""
    compiled = BytesIO()
    write_mo(compiled, catalog)
    return compiled.getvalue()


def untranslated(catalog: Sentences) -> Iterator[Message]:
    return (message for message in catalog if message.id and (message.fuzzy or not message.string))


def told(message: Message) -> str:
    return f"  {message.id}" + (f"\n    fuzzy: {message.string}" if message.fuzzy else "") + "\n"


if __name__ == "__main__":
    sys.exit(main())
