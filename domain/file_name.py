"""Names of files as senders give them, made safe to show. No file on the disk is named after one."""

import re
import unicodedata

from domain.refusals import N_, FieldError, ValidationFailed

FILE_NAME_CHARACTERS_TAKEN_MAX = 4096
EXTENSION_CHARACTERS_MAX = 16
PORTABLE_CHARACTERS_MAX = 80
UNNAMED = "unnamed"
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
JOINERS = "\u200c\u200d"


def displayable(name: str, field: str, characters_max: int) -> str:
    """A sender's file name made safe to show: no path, no hidden characters, cut to the limit with its extension kept.

    No file on the disk is named after it. Raises ValidationFailed for a name of more than 4,096 characters, which no
    person typed.
    """
    if len(name) > FILE_NAME_CHARACTERS_TAKEN_MAX:
        raise ValidationFailed(FieldError(field, N_("has a name that is too long")))
    last_step = re.split(r"[/\\]", name)[-1]
    plain = " ".join(printable(unicodedata.normalize("NFC", last_step)).split())
    return shorten_name(plain, characters_max) if plain.strip(". ") else UNNAMED


def shorten_name(name: str, characters_max: int) -> str:
    """The name cut to the limit, with its extension kept when that is short."""
    stem, dot, extension = name.rpartition(".")
    if len(name) <= characters_max or not stem or len(extension) > EXTENSION_CHARACTERS_MAX:
        return name[:characters_max]
    return stem[: characters_max - len(extension) - 1].rstrip() + dot + extension


def printable(name: str) -> str:
    """The name without invisible characters: controls, lone surrogates, marks that change the writing direction.

    The two joiners stay, because some scripts are misspelled without them.
    """
    return "".join(c for c in name if unicodedata.category(c) not in HIDDEN or c in JOINERS)


def portable_name(name: str) -> str:
    """The name as a file on any system can have it: ASCII letters, digits, `-`, `_` and dots inside, at most 80."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", printable(name)) if not unicodedata.combining(c))
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", plain).strip("._")
    return shorten_name(safe, PORTABLE_CHARACTERS_MAX) if safe else UNNAMED
