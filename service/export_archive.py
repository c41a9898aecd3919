"""Writes the whole archive as an OCFL storage root, for `dossier export archive`: an object a stream, and the register.

An object has the stream's events, opened, as JSON lines, and for a document every content as it was uploaded. What was
erased or destroyed is not there. All of it is at one position of the log.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from domain.archive import Caller
from domain.document import ContentReplaced, DocumentArchived
from domain.envelope import Recorded
from domain.file_name import portable_name
from domain.moment import format_moment
from domain.values import Content
from service.access import access_of, record_reads
from service.export import new_folder, require_free
from service.ocfl import OcflFile, OcflRoot, OcflVersion
from service.wiring import Store

STREAMS_AT_ONCE = 200
EVENTS, REGISTER = "events.jsonl", "customers.jsonl"
WITH_CONTENT = (DocumentArchived, ContentReplaced)
encode_line = msgspec.json.Encoder(decimal_format="number").encode


class ExportedArchive(msgspec.Struct, frozen=True):
    """What was exported: the objects are those of the streams, and one of the register."""

    folder: str
    position: int
    objects: int
    contents: int


def export_archive(store: Store, folder: Path, caller: Caller) -> ExportedArchive:
    """Export everything into a new folder. The access line and the event are durable before the first file."""
    require_free(folder)
    position = store.log.fence()
    record_reads(store, [access_of(caller, "export")])
    store.archive().catalogues.export_archive(position, caller)
    with new_folder(folder) as made:
        root = OcflRoot(made)
        written = _Written()
        root.write_object("urn:dossier:register", [_register_of(store, caller)])
        for streams in _pages_of_streams(store, position):
            store.keys.prefetch_keys(streams)
            for stream, recorded in _by_stream(store.log.load_recorded(streams, position)).items():
                root.write_object(stream.urn, _versions_of(store, stream, recorded, written))
                written.objects += 1
    return ExportedArchive(str(folder), position, written.objects + 1, written.contents)


class _Written(msgspec.Struct):
    objects: int = 0
    contents: int = 0


# -- what is in it ------------------------------------------------------------------------------------------------


def _pages_of_streams(store: Store, position: int) -> Iterator[list[UUID]]:
    """Every stream in the order of its first event."""
    after = 0
    while True:
        with store.pool.connection() as conn:
            found = conn.execute(STREAMS_AFTER, [after, position, STREAMS_AT_ONCE]).fetchall()
        if not found:
            return
        yield [stream for _, stream in found]
        after = found[-1][0]


STREAMS_AFTER = """
    select notification_id, originator_id
    from archive.archive_events
    where originator_version = 1 and notification_id > %s and notification_id <= %s
    order by notification_id
    limit %s
"""


def _by_stream(recorded: Sequence[Recorded[Any]]) -> dict[UUID, list[Recorded[Any]]]:
    found: dict[UUID, list[Recorded[Any]]] = {}
    for one in recorded:
        found.setdefault(one.envelope.originator_id, []).append(one)
    return found


def _register_of(store: Store, caller: Caller) -> OcflVersion:
    """The customers of the register and of the log: the reference by which events name them, and their entry."""
    with store.pool.connection() as conn:
        rows = conn.execute(CUSTOMERS).fetchall()
    lines = (encode_line({"reference": reference, "id": i, "entry": entry}) + b"\n" for reference, i, entry in rows)
    return OcflVersion(
        created=format_moment(store.archive().clock.now()),
        message="register",
        user=caller.actor,
        files=[OcflFile(REGISTER, lines)],
    )


CUSTOMERS = """
    select k.reference, coalesce(k.customer_id, c.customer_id),
        case when c.customer_id is not null then json_build_object(
            'name', c.name, 'birth_date', c.birth_date, 'home_branch', c.home_branch, 'kind', c.kind,
            'status', c.status,
            'card_numbers', array(
                select n.number from register.card as n where n.customer_id = c.customer_id order by n.n
            )
        ) end
    from register.customer as c
    full join keys.customer as k on k.customer_id = c.customer_id
    order by 2
"""


def _versions_of(
    store: Store, stream: UUID, recorded: Sequence[Recorded[Any]], written: _Written
) -> Iterator[OcflVersion]:
    """A version for each content of the stream, with the events up to the next content; one without contents."""
    for number, end in enumerate(_ends_of_versions(recorded), start=1):
        events = recorded[:end]
        last = events[-1]
        body = next((e.envelope.body for e in reversed(events) if isinstance(e.envelope.body, WITH_CONTENT)), None)
        files = [OcflFile(EVENTS, (_event_line(one) for one in events))]
        if body is not None and (pieces := _open_content(store, stream, body.content)):
            files.append(OcflFile(f"{number}-{portable_name(body.file_name or 'content')}", pieces))
            written.contents += 1
        yield OcflVersion(
            created=format_moment(last.recorded_at),
            message=last.envelope.body.topic,
            user=last.envelope.meta.actor,
            files=files,
        )


def _ends_of_versions(recorded: Sequence[Recorded[Any]]) -> list[int]:
    replaced = [n for n, one in enumerate(recorded) if n and isinstance(one.envelope.body, ContentReplaced)]
    return [*replaced, len(recorded)]


def _open_content(store: Store, stream: UUID, content: Content) -> Iterator[bytes] | None:
    return store.contents.read(stream, content.id, content.sealed_size_bytes, 0, content.size_bytes - 1)


def _event_line(recorded: Recorded[Any]) -> bytes:
    envelope = recorded.envelope
    line = {
        "position": recorded.position,
        "recorded_at": format_moment(recorded.recorded_at),
        "version": envelope.originator_version,
        "topic": envelope.body.topic,
        **msgspec.structs.asdict(envelope.meta),
        "body": envelope.body,
    }
    return encode_line(line) + b"\n"
