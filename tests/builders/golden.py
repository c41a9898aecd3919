"""Golden files of stored events: how they are read, and how a new event class gets one (tests/store/golden/README.md).

    .venv/bin/python -m tests.builders.golden

adds the files that are missing, each with its line in SHA256SUMS. It never changes one that is there: what was written
must be read for ever.
"""

import hashlib
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.envelope import Event, Meta
from store.mapper import BY_TOPIC, SealingMapper
from store.upcasts import UPCASTS
from tests.builders.events import BY_KIND, META, PAPER, an_envelope

FOLDER = Path(__file__).parent.parent / "store" / "golden"
SUMS = FOLDER / "SHA256SUMS"
PAPER_KEY = bytes(range(32))
NONCE = bytes(range(0x40, 0x4C))


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """`state` is what lies in the database, in hex; `event` is how it read when it was added, opened."""

    topic: str
    stream: UUID
    version: int
    paper_key: str
    state: str
    meta: Meta
    event: dict[str, Any]

    def mapper(self, *, erased: bool = False) -> SealingMapper:
        cipher = None if erased else AESGCM(bytes.fromhex(self.paper_key))
        return SealingMapper(lambda paper: cipher if paper == self.stream else None, randomness=lambda _: NONCE)


def of(topic: str) -> Golden:
    return msgspec.json.decode((FOLDER / f"{topic}.json").read_bytes(), type=Golden)


def topics() -> list[str]:
    return sorted(path.name.removesuffix(".json") for path in FOLDER.glob("*.json"))


def reading(topic: str, current: str) -> dict[str, Any]:
    """The event as it reads today, as one of the topic `current`: what a later upcast makes of the same bytes lies in a
    file of its own, since a golden file is never changed."""
    later = FOLDER / "as" / current / f"{topic}.json"
    return msgspec.json.decode(later.read_bytes(), type=dict[str, Any]) if later.exists() else of(topic).event


def sums() -> dict[str, str]:
    """The digest of each golden file by its path in the folder, as it was when the file was added."""
    lines = (line.split("  ", 1) for line in SUMS.read_text().splitlines())
    return {name: digest for digest, name in lines}


def sums_now() -> dict[str, str]:
    files = sorted(FOLDER.rglob("*.json"))
    return {str(path.relative_to(FOLDER)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def plain(value: Any) -> Any:
    """As in the files: ids, dates and bytes (base64) as text, erased fields left out."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _make(kind: type[Event]) -> Golden:
    body, version = BY_KIND[kind], 3
    blank = Golden(
        topic=kind.topic, stream=PAPER, version=version, paper_key=PAPER_KEY.hex(), state="", meta=META, event={}
    )
    stored = blank.mapper().to_stored_event(an_envelope(body, PAPER, version))
    return msgspec.structs.replace(blank, state=stored.state.hex(), event=plain(body))


def add_missing() -> None:
    for topic in BY_TOPIC.keys() - set(topics()):
        event_class = BY_TOPIC[topic].event_class
        assert event_class not in UPCASTS, f"{topic} is outdated, its golden file was lost: fetch it from the history"
        text = msgspec.json.format(msgspec.json.encode(_make(event_class)), indent=2)
        (FOLDER / f"{topic}.json").write_bytes(text + b"\n")
    frozen = {**sums_now(), **sums()}
    SUMS.write_text("".join(f"{frozen[name]}  {name}\n" for name in sorted(frozen)))


if __name__ == "__main__":
    add_missing()
