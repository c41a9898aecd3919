"""Events to rows and back: encodes, seals the fields marked `Sealed`, opens them, and upcasts (store/upcasts.py).

A row's state is msgpack of (body, meta, sealed). `sealed` is nonce + AES-256-GCM over the marked values under the
paper's key, with the stream's id, the version and the topic as associated data: a value cannot be moved to another
event.
"""

import os
from collections.abc import Callable
from struct import pack
from typing import Any, Generic, TypeVar, get_args, get_type_hints
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eventsourcing.persistence import Mapper, StoredEvent
from msgspec import UNSET

from domain.administration import AdministrationEvent
from domain.authorization import AuthorizationEvent
from domain.customer_file import CustomerFileEvent
from domain.disposal import DisposalEvent
from domain.document import DocumentEvent
from domain.document_type import TypeEvent
from domain.envelope import Envelope, Event, Meta
from domain.refusals import CustomerErased
from domain.scan_session import ScanEvent
from store.upcasts import UPCASTS

B = TypeVar("B")
NONCE_BYTES = 12


class Wire(msgspec.Struct, Generic[B], array_like=True):
    """The encoded form: the body without its sealed values, the meta, the sealed values."""

    body: B
    meta: Meta
    sealed: bytes = b""


class EventPlan(msgspec.Struct):
    """The way one event class is written and read, computed once from its annotations."""

    topic: str
    event_class: type[Event]
    sealed: tuple[str, ...]
    blank: dict[str, Any]
    decode: Callable[[bytes], Wire[Any]]
    open: Callable[[bytes], tuple[Any, ...]]


def plan_of(event_class: type[Event]) -> EventPlan:
    """The plan of an event class."""
    hints = get_type_hints(event_class, include_extras=True)
    sealed = {n: _strip_mark(h) for n, h in hints.items() if _is_sealed(h)}
    return EventPlan(
        topic=event_class.topic,
        event_class=event_class,
        sealed=tuple(sealed),
        blank=dict.fromkeys(sealed, UNSET),
        decode=msgspec.msgpack.Decoder(Wire[event_class]).decode,  # type: ignore[valid-type]  # one decoder per event class
        open=msgspec.msgpack.Decoder(tuple[tuple(sealed.values())] if sealed else tuple[()]).decode,  # type: ignore[misc]  # built at run time
    )


def _is_sealed(hint: Any) -> bool:
    metadata = getattr(hint, "__metadata__", ())
    return any(isinstance(m, msgspec.Meta) and (m.extra or {}).get("sealed") for m in metadata)


def _strip_mark(hint: Any) -> Any:
    """The type without the mark and without UnsetType: a stored sealed value is never UNSET."""
    union = [a for a in get_args(get_args(hint)[0]) if a is not msgspec.UnsetType]
    event_class = union[0]
    for other in union[1:]:
        event_class = event_class | other
    return event_class


EVENT_CLASSES: tuple[type[Event], ...] = (
    *get_args(DocumentEvent),
    *get_args(AuthorizationEvent),
    *get_args(CustomerFileEvent),
    *get_args(DisposalEvent),
    *get_args(TypeEvent),
    *get_args(AdministrationEvent),
    *get_args(ScanEvent),
    *UPCASTS,
)
PLANS: dict[type[Event], EventPlan] = {event_class: plan_of(event_class) for event_class in EVENT_CLASSES}
BY_TOPIC: dict[str, EventPlan] = {plan.topic: plan for plan in PLANS.values()}


class EventUnreadable(Exception):
    """The topic is unknown to this release, or the bytes do not have the form of the topic."""


class SealingMapper(Mapper[UUID]):
    """The mapper. `cipher(paper)` returns the paper's cipher, None when its key is destroyed. `damaged` is called for a
    value that cannot be opened although its key exists: an alarm; the value then reads as erased."""

    def __init__(
        self,
        cipher: Callable[[UUID], AESGCM | None],
        damaged: Callable[[UUID, int], None] = lambda *_: None,
        *,
        randomness: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.cipher_of, self.damaged, self._randomness = cipher, damaged, randomness
        self.encode = msgspec.msgpack.Encoder(uuid_format="bytes").encode

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        envelope: Envelope[Event] = domain_event
        plan = PLANS[type(envelope.body)]
        sealed = self._seal_values(plan, envelope) if plan.sealed else b""
        body = msgspec.structs.replace(envelope.body, **plan.blank) if plan.sealed else envelope.body
        state = self.encode(Wire(body, envelope.meta, sealed))
        return StoredEvent(envelope.originator_id, envelope.originator_version, plan.topic, state)

    def _seal_values(self, plan: EventPlan, envelope: Envelope[Event]) -> bytes:
        values = [getattr(envelope.body, name) for name in plan.sealed]
        if UNSET in values:
            raise ValueError(f"{plan.topic}: a sealed field was left out; it would read as erased")
        cipher = self.cipher_of(envelope.originator_id)
        if cipher is None and envelope.originator_version > 1:
            raise CustomerErased  # an existing paper without a key
        if cipher is None:
            raise LookupError(f"{plan.topic}: new_paper() comes before the first event")
        nonce = self._randomness(NONCE_BYTES)
        return nonce + cipher.encrypt(nonce, self.encode(values), _associated_data(envelope, plan.topic))

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        if not isinstance(stored_event.originator_id, UUID):
            raise TypeError("a stream of this archive is named by a UUID")
        return self.open_event(
            stored_event.originator_id, stored_event.originator_version, stored_event.topic, stored_event.state
        )

    def open_event(self, stream: UUID, version: int, topic: str, state: bytes) -> Envelope[Any]:
        """The event of a row, upcast to its current version. Raises EventUnreadable."""
        try:
            plan = BY_TOPIC[topic]
            wire = plan.decode(state)
        except (KeyError, msgspec.DecodeError) as error:
            raise EventUnreadable(topic) from error
        envelope = Envelope(stream, version, wire.body, wire.meta)
        if wire.sealed and (cipher := self.cipher_of(stream)):
            self._open_sealed(plan, envelope, wire.sealed, cipher)
        while upcast := UPCASTS.get(type(envelope.body)):
            envelope = msgspec.structs.replace(envelope, body=upcast(envelope.body))
        return envelope

    def _open_sealed(self, plan: EventPlan, envelope: Envelope[Any], sealed: bytes, cipher: AESGCM) -> None:
        try:
            plain = cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _associated_data(envelope, plan.topic))
            values = plan.open(plain)
        except (InvalidTag, ValueError, msgspec.DecodeError):  # ValueError: too short to hold a nonce
            self.damaged(envelope.originator_id, envelope.originator_version)
            return
        for name, value in zip(plan.sealed, values, strict=True):
            msgspec.structs.force_setattr(envelope.body, name, value)


def _associated_data(envelope: Envelope[Any], topic: str) -> bytes:
    return envelope.originator_id.bytes + pack(">q", envelope.originator_version) + topic.encode()
