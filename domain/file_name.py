"""Names of files as senders give them, made safe to show. Nothing on disk is ever called by one."""

import re
import unicodedata

from domain.refusals import N_, FieldError, ValidationFailed

FILE_NAME_CHARACTERS_TAKEN_MAX = 4096
EXTENSION_CHARACTERS_MAX = 16
UNNAMED = "unnamed"
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
JOINERS = "\u200c\u200d"


def displayable(name: str, pointer: str, characters_max: int) -> str:
    """A sender's file name made safe to show: no path, no hidden characters, cut to the limit with its extension kept.

    Nothing on disk is ever called by it. A name beyond 4,096 characters is refused: no one chose that.
    """
    if len(name) > FILE_NAME_CHARACTERS_TAKEN_MAX:
        raise ValidationFailed(FieldError(pointer, N_("has a name that is too long")))
    last_step = re.split(r"[/\\]", name)[-1]
    plain = " ".join(printable(unicodedata.normalize("NFC", last_step)).split())
    return shortened(plain, characters_max) if plain.strip(". ") else UNNAMED


def shortened(name: str, characters_max: int) -> str:
    stem, dot, extension = name.rpartition(".")
    if len(name) <= characters_max or not stem or len(extension) > EXTENSION_CHARACTERS_MAX:
        return name[:characters_max]
    return stem[: characters_max - len(extension) - 1].rstrip() + dot + extension


def printable(name: str) -> str:
    """The name without what cannot be seen: controls, lone surrogates, marks that turn the writing direction.

    The two joiners stay, since some scripts are misspelled without them.
    """
    return "".join(c for c in name if unicodedata.category(c) not in HIDDEN or c in JOINERS)
