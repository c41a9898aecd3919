"""What names a person is sealed, tied to its place, and reads as UNSET when its key is gone."""

import os
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eventsourcing.persistence import StoredEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.document import Description, DocumentArchived, DocumentWithdrawn
from domain.envelope import UNSET, Event, Meta
from domain.refusals import CustomerErased
from store.mapper import NONCE_BYTES, PLANS, SealingMapper, Wire
from tests.builders.events import BY_KIND, CUSTOMER, EVERY, OTHER_PAPER, PAPER, a_letter, an_envelope

SEALING = [event for event in EVERY if PLANS[type(event)].sealed]
SEALED_FIELDS = [(event, field) for event in SEALING for field in PLANS[type(event)].sealed]
# With a sign that no field's name and no code has: `branch` alone stands in clear in every event.
CANARIES = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=40).map("§".__add__)


class Ring:
    """Keys by paper; what is missing was erased. `damaged` are the places that could not be opened."""

    def __init__(self, *papers: UUID) -> None:
        self.ciphers = {paper: AESGCM(os.urandom(32)) for paper in papers}
        self.damaged: list[tuple[UUID, int]] = []
        self.mapper = SealingMapper(self.ciphers.get, lambda paper, version: self.damaged.append((paper, version)))


def name(event: Any) -> str:
    return event.topic if isinstance(event, Event) else str(event)


def open_at(ring: Ring, stored: StoredEvent, **moved: Any) -> Any:
    place = {"stream": stored.originator_id, "version": stored.originator_version, "topic": stored.topic, **moved}
    return ring.mapper.open_event(place["stream"], place["version"], place["topic"], stored.state).body


def sealed_of(event: Event) -> dict[str, Any]:
    return {field: getattr(event, field) for field in PLANS[type(event)].sealed}


def is_erased(event: Event) -> bool:
    return all(value is UNSET for value in sealed_of(event).values())


# -- There and back -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", EVERY, ids=name)
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    ring = Ring(PAPER)
    envelope = an_envelope(event, version=7)
    assert ring.mapper.to_domain_event(ring.mapper.to_stored_event(envelope)) == envelope
    assert ring.damaged == []


def test_nothing_given_is_not_erased() -> None:
    """None was written and sealed; UNSET means that the key is gone."""
    ring = Ring(PAPER)
    event = a_letter(file_name=None, ground=None, external_id=None)
    assert open_at(ring, ring.mapper.to_stored_event(an_envelope(event))) == event


def test_a_description_comes_back_with_its_title() -> None:
    """The one field that came later to a form which was stored already; the golden files have none."""
    ring = Ring(PAPER)
    event = a_letter(description=Description("moved", date(2026, 11, 20), "Moving house"))
    assert open_at(ring, ring.mapper.to_stored_event(an_envelope(event))) == event


def test_the_same_event_twice_gives_other_bytes() -> None:
    ring = Ring(PAPER)
    one, two = (ring.mapper.to_stored_event(an_envelope(a_letter())) for _ in "12")
    assert one.state != two.state


def test_sealing_does_not_change_the_event_that_was_given() -> None:
    event = a_letter()
    Ring(PAPER).mapper.to_stored_event(an_envelope(event))
    assert event == a_letter()


# -- Nothing in clear -----------------------------------------------------------------------------------------


def canaried(value: Any, canary: str) -> Any:
    """The same value with every text and every bytes in it replaced."""
    match value:
        case str() if type(value) is str:
            return canary
        case bytes():
            return canary.encode()
        case msgspec.Struct():
            return replace(value, **{f: canaried(getattr(value, f), canary) for f in value.__struct_fields__})
    return value


@pytest.mark.parametrize("event", SEALING, ids=name)
@settings(max_examples=40)
@given(canary=CANARIES)
def test_no_sealed_text_stands_in_clear(event: Event, canary: str) -> None:
    ring = Ring(PAPER)
    given_event = replace(event, **{f: canaried(v, canary) for f, v in sealed_of(event).items()})
    stored = ring.mapper.to_stored_event(an_envelope(given_event))
    assert canary.encode() not in stored.state
    assert open_at(ring, stored) == given_event


@pytest.mark.parametrize(("event", "field"), SEALED_FIELDS, ids=name)
def test_each_sealed_field_is_left_out_of_what_is_clear(event: Event, field: str) -> None:
    stored = Ring(PAPER).mapper.to_stored_event(an_envelope(event))
    body, _meta, _sealed = msgspec.msgpack.decode(stored.state)
    assert field not in body
    assert body.keys() == set(event.__struct_fields__) - set(PLANS[type(event)].sealed)


# Every text in clear, by the class it stands in. None of these may ever name a customer: a personal field is Sealed.
CLEAR = {
    "TypeStamp.code",
    "TypeStamp.labels",
    "Content.media_type",
    "Content.sealed_sha256",
    "Content.flags",
    "AuthorizationIssued.language",
    "MandateAmended.fields",
    "DocumentTypeDefined.code",
    "DocumentTypeChanged.code",
    "Definition.labels",
    "Definition.media_types",
    "Retention.trigger",
    "Retention.legal_basis",
    "DestructionGround.trigger",
    "DestructionGround.legal_basis",
    "DuePaper.type",
    "DuePaper.trigger",
    "DuePaper.legal_basis",
    "KeptPaper.because",
    "DisposalProposed.proposer",
    "DisposalApproved.approver",
    "TokenCreated.name",
    "TokenCreated.digest",
    "TokenCreated.branch",
    "TokenRevoked.name",
    "UserAdded.name",
    "UserAdded.branch",
    "UserBound.name",
    "UserBound.issuer",
    "UserBound.subject",
    "UserUnbound.name",
    "UserUnbound.issuer",
    "UserUnbound.subject",
    "UserPasswordReset.name",
    "UserPasswordChanged.name",
    "UserDisabled.name",
    "UserEnabled.name",
    "ScannerChoice.scanner",
    "ScannerChoice.station",
    "ScannerChoice.profile",
    "PageCaptured.warnings",
    "PageCaptured.capture",
    "PageCapturedV1.warnings",
    "PageCapturedV1.capture",
    "ScanInterrupted.problem",
    "Meta.actor",
    "Meta.branch",
}


def texts(kind: Any) -> Iterator[str]:
    """The fields of a struct, and of the structs in it, that are not sealed and can hold text, bytes or anything."""
    for field, hint in get_type_hints(kind, include_extras=True).items():
        if field not in kind.__struct_fields__ or is_marked(hint):
            continue
        for part in parts(hint):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                yield from texts(part)
            elif part in (str, bytes, Any, object):
                yield f"{kind.__name__}.{field}"


def is_marked(hint: Any) -> bool:
    return get_origin(hint) is Annotated and any(
        isinstance(m, msgspec.Meta) and (m.extra or {}).get("sealed") for m in get_args(hint)[1:]
    )


def parts(hint: Any) -> Iterator[Any]:
    """A type hint taken apart: list[tuple[str, int] | None] gives str, int and NoneType."""
    inner = get_args(hint)
    if not inner:
        yield hint
    for part in inner:
        yield from parts(part)


def test_a_new_text_field_is_sealed_or_said_to_be_clear() -> None:
    found = {field for kind in [*PLANS, Meta] for field in texts(kind)}
    assert found == CLEAR


def test_the_search_for_clear_texts_finds_what_is_hidden_deep() -> None:
    class Inner(msgspec.Struct):
        remark: str
        when: date

    class Outer(Event, frozen=True, kw_only=True):
        inner: list[tuple[int, Inner | None]]
        data: dict[str, bytes] | None
        anything: Any
        sealed: Annotated[str | msgspec.UnsetType, msgspec.Meta(extra={"sealed": True})]

    assert set(texts(Outer)) == {"Inner.remark", "Outer.data", "Outer.anything"}


# -- Without the key, or from another place -------------------------------------------------------------------


@pytest.mark.parametrize("event", SEALING, ids=name)
def test_without_its_key_an_event_reads_as_erased_and_is_no_alarm(event: Event) -> None:
    ring = Ring(PAPER)
    stored = ring.mapper.to_stored_event(an_envelope(event))
    ring.ciphers.clear()
    opened = open_at(ring, stored)
    assert is_erased(opened)
    assert opened == replace(event, **dict.fromkeys(sealed_of(event), UNSET))
    assert ring.damaged == []


@pytest.mark.parametrize("event", SEALING, ids=name)
@pytest.mark.parametrize("moved", [{"stream": OTHER_PAPER}, {"version": 2}], ids=["stream", "version"])
def test_a_sealed_value_that_was_moved_is_damage(event: Event, moved: dict[str, Any]) -> None:
    """Also to a paper that has the very same key: the place is part of what is sealed."""
    ring = Ring(PAPER)
    ring.ciphers[OTHER_PAPER] = ring.ciphers[PAPER]
    stored = ring.mapper.to_stored_event(an_envelope(event))
    assert is_erased(open_at(ring, stored, **moved))
    assert ring.damaged == [(moved.get("stream", PAPER), moved.get("version", 1))]


def test_a_sealed_value_under_another_topic_is_damage() -> None:
    """Withdrawn and restored have the same fields, so that only the seal tells one from the other."""
    ring = Ring(PAPER)
    stored = ring.mapper.to_stored_event(an_envelope(BY_KIND[DocumentWithdrawn]))
    assert is_erased(open_at(ring, stored, topic="document-restored.v1"))
    assert ring.damaged == [(PAPER, 1)]


def test_another_papers_key_does_not_open_it() -> None:
    ring = Ring(PAPER, OTHER_PAPER)
    stored = ring.mapper.to_stored_event(an_envelope(a_letter()))
    ring.ciphers[PAPER] = ring.ciphers[OTHER_PAPER]
    assert is_erased(open_at(ring, stored))
    assert ring.damaged == [(PAPER, 1)]


@given(data=st.data())
def test_no_change_of_a_sealed_value_is_an_exception(data: st.DataObject) -> None:
    ring = Ring(PAPER)
    stored = ring.mapper.to_stored_event(an_envelope(a_letter()))
    wire = msgspec.msgpack.decode(stored.state, type=Wire[DocumentArchived])
    changed = data.draw(
        st.one_of(
            st.binary(min_size=1, max_size=80),
            st.integers(1, len(wire.sealed) - 1).map(lambda end: wire.sealed[:end]),
            st.integers(0, len(wire.sealed) - 1).map(
                lambda at: wire.sealed[:at] + bytes([wire.sealed[at] ^ 1]) + wire.sealed[at + 1 :]
            ),
        )
    )
    damaged = StoredEvent(PAPER, 1, stored.topic, ring.mapper.encode(Wire(wire.body, wire.meta, changed)))
    assert is_erased(open_at(ring, damaged))
    assert ring.damaged == [(PAPER, 1)]


def test_a_sealed_value_of_another_form_is_damage_although_its_seal_is_right() -> None:
    ring = Ring(PAPER)
    stored = ring.mapper.to_stored_event(an_envelope(a_letter()))
    wire = msgspec.msgpack.decode(stored.state, type=Wire[DocumentArchived])
    nonce = os.urandom(NONCE_BYTES)
    bound = PAPER.bytes + (1).to_bytes(8, "big") + stored.topic.encode()
    sealed = nonce + ring.ciphers[PAPER].encrypt(nonce, msgspec.msgpack.encode(["one value of five"]), bound)
    other = StoredEvent(PAPER, 1, stored.topic, ring.mapper.encode(Wire(wire.body, wire.meta, sealed)))
    assert is_erased(open_at(ring, other))
    assert ring.damaged == [(PAPER, 1)]


# -- What is refused to be written ----------------------------------------------------------------------------


@pytest.mark.parametrize(("event", "field"), SEALED_FIELDS, ids=name)
def test_a_sealed_field_that_was_left_out_is_not_written(event: Event, field: str) -> None:
    """It would look erased for ever."""
    with pytest.raises(ValueError, match="left out"):
        Ring(PAPER).mapper.to_stored_event(an_envelope(replace(event, **{field: UNSET})))


def test_the_first_event_of_a_paper_without_a_key_is_a_mistake_of_ours() -> None:
    with pytest.raises(LookupError):
        Ring().mapper.to_stored_event(an_envelope(a_letter()))


def test_a_later_event_of_a_paper_without_a_key_is_of_an_erased_customer() -> None:
    with pytest.raises(CustomerErased):
        Ring().mapper.to_stored_event(an_envelope(DocumentWithdrawn(customer=CUSTOMER, reason="x"), version=2))
