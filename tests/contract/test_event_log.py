"""What every `EventLog` promises, asked of the one in Postgres and of the one in memory that unit tests stand on."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest
from msgspec.structs import replace

from domain.document import CustomerLinked, CustomerUnlinked, DocumentWithdrawn
from domain.document_type import DocumentTypeDefined, stream_of
from domain.envelope import UNSET, Envelope, Event
from domain.ports import (
    AlreadyClaimed,
    Appended,
    Claim,
    CommandKey,
    CustomerReference,
    CustomerReferenceRaced,
    EventLog,
    KeyRing,
    Replayed,
    UnsentAppend,
    VersionConflict,
)
from domain.refusals import CustomerErased, IdempotencyKeyReused
from domain.scan_session import PageCaptured, ScanCancelled, ScanClosed, ScanFinished, ScanStarted
from domain.values import uuid7
from tests.builders.events import BY_KIND, SCAN_CODE, a_letter, an_envelope
from tests.builders.memory import Clock
from tests.builders.memory_keys import MemoryKeys
from tests.builders.memory_log import MemoryLog
from tests.builders.papers import a_content, a_document_type
from tests.builders.postgres_log import archive_letter, open_log

ROUNDS = 20


class Given(NamedTuple):
    """A log, its keys, an erasure that no cache stands before, and who reads what another process opened just now."""

    log: EventLog
    keys: KeyRing
    erase: Callable[[str], None]
    load_afresh: Callable[[UUID], Sequence[Envelope[Any]]]


@contextmanager
def in_memory(_url: Callable[[], str]) -> Iterator[Given]:
    keys = MemoryKeys()
    log = MemoryLog(keys, Clock())
    yield Given(log, keys, keys.erase, log.load)


@contextmanager
def in_postgres(url: Callable[[], str]) -> Iterator[Given]:
    with open_log(url(), connections=4) as parts:

        def erase(customer_id: str) -> None:
            digest = parts.keys.keyed_digest("erased", customer_id.encode())
            with psycopg.connect(parts.url) as conn:
                gone = "delete from keys.customer where customer_id = %s returning reference"
                [reference] = conn.execute(gone, [customer_id]).fetchone() or [None]
                conn.execute(
                    "insert into keys.erasure (reference, customer_digest) values (%s, %s)", [reference, digest]
                )
            parts.keys.forget_all()

        def load_afresh(paper: UUID) -> Sequence[Envelope[Any]]:
            with open_log(parts.url) as other:
                return other.log.load(paper)

        yield Given(parts.log, parts.keys, erase, load_afresh)


@pytest.fixture(params=[in_memory, in_postgres], ids=lambda p: p.__name__)
def given(request: pytest.FixtureRequest) -> Iterator[Given]:
    with request.param(lambda: request.getfixturevalue("db")) as parts:
        yield parts


def withdraw(given: Given, paper: UUID, version: int = 2, **options: Any) -> Appended:
    customer = given.log.load(paper)[0].body.customer
    event = DocumentWithdrawn(customer=customer, reason="of the neighbour")
    return given.log.append([an_envelope(event, paper, version)], **options)


def a_key(key: str = "k", *, actor: str = "j.smit", body: bytes = b"body") -> CommandKey:
    return CommandKey(actor, key, body)


def a_claim(owner: UUID, value: bytes = b"value", *, kind: str = "external-id", shared: bool = False) -> Claim:
    return Claim(kind=kind, digest=value, owner=owner, shared=shared)


# -- Reading --------------------------------------------------------------------------------------------------


def test_a_stream_is_read_as_it_was_written(given: Given) -> None:
    paper, _ = archive_letter(given.log, given.keys)
    withdraw(given, paper)
    first, second = given.log.load(paper)
    assert (first.originator_version, second.originator_version) == (1, 2)
    assert first.body == a_letter(first.body.customer, content=first.body.content)
    assert second == an_envelope(DocumentWithdrawn(customer=first.body.customer, reason="of the neighbour"), paper, 2)


def test_a_stream_is_read_on_from_a_version(given: Given) -> None:
    paper, _ = archive_letter(given.log, given.keys)
    withdraw(given, paper)
    assert [[e.originator_version for e in given.log.load(paper, after=n)] for n in range(4)] == [[1, 2], [2], [], []]


def test_an_unknown_stream_is_empty(given: Given) -> None:
    archive_letter(given.log, given.keys)
    assert list(given.log.load(uuid4())) == []


def test_positions_rise_and_a_moment_is_a_whole_millisecond_of_utc(given: Given) -> None:
    appended = [archive_letter(given.log, given.keys)[1] for _ in range(3)]
    positions = [p for a in appended for p in a.positions]
    assert positions == sorted(set(positions))
    for a in appended:
        assert a.recorded_at.utcoffset() == timedelta(0)
        assert a.recorded_at.microsecond % 1000 == 0


def test_some_streams_are_read_up_to_a_position_in_the_order_of_the_log(given: Given) -> None:
    one, _ = archive_letter(given.log, given.keys)
    other, _ = archive_letter(given.log, given.keys)
    archive_letter(given.log, given.keys, "somebody else")
    last = withdraw(given, one)
    withdraw(given, other)
    read = given.log.load_recorded([other, one], last.positions[-1])
    assert [(r.envelope.originator_id, r.envelope.originator_version) for r in read] == [(one, 1), (other, 1), (one, 2)]
    assert [r.position for r in read] == sorted(r.position for r in read)
    assert read[-1].recorded_at == last.recorded_at


def test_what_append_answered_is_what_is_read(given: Given) -> None:
    paper, appended = archive_letter(given.log, given.keys)
    [read] = given.log.load_recorded([paper], appended.positions[-1])
    assert (read.position, read.recorded_at) == (appended.positions[0], appended.recorded_at)
    assert list(given.log.load_recorded([paper], appended.positions[-1] - 1)) == []


def test_a_catalogue_is_read_by_its_topics_in_the_order_of_the_log(given: Given) -> None:
    archive_letter(given.log, given.keys)
    for code in ("LETTER", "FORM"):
        event = DocumentTypeDefined(code=code, definition=a_document_type(code).definition)
        given.log.append([an_envelope(event, stream_of(code))])
    assert [e.body.code for e in given.log.load_topics(["document-type-defined.v1"])] == ["LETTER", "FORM"]
    assert list(given.log.load_topics(["document-type-changed.v1"])) == []


def test_a_command_of_two_papers_is_one_moment_in_the_order_given(given: Given) -> None:
    owner = given.keys.owner_of("100234")
    one, other = uuid7(), uuid7()
    for paper in (one, other):
        given.keys.new_paper(paper)
    letter = a_letter(owner.reference, content=a_content(id=uuid7()))
    withdrawn = DocumentWithdrawn(customer=owner.reference, reason="x")
    steps = [
        an_envelope(letter, one),
        an_envelope(a_letter(owner.reference, content=a_content(id=uuid7())), other),
        an_envelope(withdrawn, one, 2),
    ]
    appended = given.log.append(steps, papers={one: owner, other: owner})
    read = given.log.load_recorded([one, other], appended.positions[-1])
    assert [r.envelope for r in read] == steps
    assert [r.position for r in read] == list(appended.positions)
    assert {r.recorded_at for r in read} == {appended.recorded_at}


# -- Commands sent twice --------------------------------------------------------------------------------------


def test_a_key_that_was_used_answers_what_it_made_and_appends_nothing(given: Given) -> None:
    paper, first = archive_letter(given.log, given.keys, command=a_key())
    second = uuid7()
    with pytest.raises(Replayed) as replayed:
        archive_letter(given.log, given.keys, paper=second, command=a_key())
    assert replayed.value.earlier.papers == (paper,)
    assert replayed.value.earlier.position == first.positions[-1]
    assert list(given.log.load(second)) == []


def test_a_key_names_all_the_papers_that_its_command_changed(given: Given) -> None:
    owner = given.keys.owner_of("100234")
    papers = [uuid7(), uuid7()]
    letters = [an_envelope(a_letter(owner.reference, content=a_content(id=uuid7())), paper) for paper in papers]
    for paper in papers:
        given.keys.new_paper(paper)
    appended = given.log.append(letters, papers=dict.fromkeys(papers, owner), command=a_key())
    earlier = given.log.find_command(a_key())
    assert earlier is not None
    assert (set(earlier.papers), earlier.position) == (set(papers), appended.positions[-1])


def test_what_a_key_made_ends_where_its_command_ended(given: Given) -> None:
    paper, first = archive_letter(given.log, given.keys, command=a_key())
    withdraw(given, paper, command=a_key("another"))
    earlier = given.log.find_command(a_key())
    assert earlier is not None
    assert earlier.position == first.positions[-1]


def test_a_new_key_made_nothing(given: Given) -> None:
    archive_letter(given.log, given.keys, command=a_key())
    assert given.log.find_command(a_key("another")) is None
    assert given.log.find_command(a_key(actor="p.jansen")) is None


def test_a_key_with_another_body_is_refused_where_it_is_asked_for_and_where_it_is_appended(given: Given) -> None:
    archive_letter(given.log, given.keys, command=a_key())
    with pytest.raises(IdempotencyKeyReused):
        given.log.find_command(a_key(body=b"other"))
    with pytest.raises(IdempotencyKeyReused):
        archive_letter(given.log, given.keys, command=a_key(body=b"other"))


def test_two_actors_may_use_one_key(given: Given) -> None:
    archive_letter(given.log, given.keys, command=a_key())
    assert archive_letter(given.log, given.keys, command=a_key(actor="p.jansen"))


def test_a_replay_comes_before_every_other_refusal(given: Given) -> None:
    paper, _ = archive_letter(given.log, given.keys, command=a_key(), claims=[a_claim(uuid7())])
    with pytest.raises(Replayed):
        archive_letter(given.log, given.keys, command=a_key(), claims=[a_claim(uuid7())])
    with pytest.raises(Replayed):
        withdraw(given, paper, version=1, command=a_key())


def test_of_twins_at_one_instant_one_is_appended_and_the_other_told(given: Given) -> None:
    archive_letter(given.log, given.keys)
    for n in range(ROUNDS):
        start = Barrier(2)

        def save(key: str = f"twin-{n}", start: Barrier = start) -> UUID:
            start.wait()
            return archive_letter(given.log, given.keys, command=a_key(key))[0]

        appended, told = outcomes(save, save)
        assert [type(t) for t in told] == [Replayed]
        [replayed] = told
        assert isinstance(replayed, Replayed)
        assert list(replayed.earlier.papers) == appended


def outcomes(*calls: Callable[[], UUID]) -> tuple[list[UUID], list[Exception]]:
    """What some calls at once returned, and what they raised."""
    with ThreadPoolExecutor(len(calls)) as threads:
        running = [threads.submit(call) for call in calls]
    raised = [error for r in running if isinstance(error := r.exception(), Exception)]
    return [r.result() for r in running if r.exception() is None], raised


# -- Claims ---------------------------------------------------------------------------------------------------


def test_a_claimed_value_names_its_owner(given: Given) -> None:
    paper = uuid7()
    archive_letter(given.log, given.keys, paper=paper, claims=[a_claim(paper)])
    with pytest.raises(AlreadyClaimed) as taken:
        archive_letter(given.log, given.keys, claims=[a_claim(uuid7())])
    assert (taken.value.kind, taken.value.owner) == ("external-id", paper)


def test_a_value_of_another_kind_is_another_claim(given: Given) -> None:
    for kind in ("external-id", "mandate"):
        claim = a_claim(uuid7(), given.keys.claim_digest(kind, b"value"), kind=kind)
        assert archive_letter(given.log, given.keys, claims=[claim])


def test_who_owns_a_value_may_claim_it_again(given: Given) -> None:
    paper, _ = archive_letter(given.log, given.keys, claims=[a_claim(owner := uuid7())])
    assert withdraw(given, paper, claims=[a_claim(owner)])


def test_a_shared_claim_does_not_mind_and_leaves_the_first_its_value(given: Given) -> None:
    first, second = uuid7(), uuid7()
    archive_letter(given.log, given.keys, claims=[a_claim(first)])
    archive_letter(given.log, given.keys, claims=[a_claim(second, shared=True)])
    with pytest.raises(AlreadyClaimed) as taken:
        archive_letter(given.log, given.keys, claims=[a_claim(uuid7())])
    assert taken.value.owner == first


def test_a_shared_claim_that_comes_first_is_a_claim(given: Given) -> None:
    first = uuid7()
    archive_letter(given.log, given.keys, claims=[a_claim(first, shared=True)])
    with pytest.raises(AlreadyClaimed) as taken:
        archive_letter(given.log, given.keys, claims=[a_claim(uuid7())])
    assert taken.value.owner == first


def test_of_two_claims_at_one_instant_one_wins(given: Given) -> None:
    archive_letter(given.log, given.keys)
    start = Barrier(2)

    def save() -> UUID:
        start.wait()
        return archive_letter(given.log, given.keys, claims=[a_claim(uuid7())])[0]

    appended, told = outcomes(save, save)
    assert (len(appended), [type(t) for t in told]) == (1, [AlreadyClaimed])


def test_who_owns_which_value_can_be_asked(given: Given) -> None:
    one, other = uuid7(), uuid7()
    archive_letter(
        given.log, given.keys, claims=[a_claim(one, b"a"), a_claim(other, b"b"), a_claim(one, b"c", kind="k")]
    )
    assert given.log.owners_of_claims("external-id", [b"b", b"a", b"c"]) == {b"a": one, b"b": other}
    assert given.log.owners_of_claims("k", [b"c"]) == {b"c": one}
    assert given.log.owners_of_claims("external-id", []) == {}


# -- Claims given back ----------------------------------------------------------------------------------------


def test_a_released_value_may_be_claimed_by_another(given: Given) -> None:
    owner, next_ = uuid7(), uuid7()
    paper, _ = archive_letter(given.log, given.keys, claims=[a_claim(owner), a_claim(owner, b"kept")])
    withdraw(given, paper, released=[a_claim(owner)])
    assert given.log.owners_of_claims("external-id", [b"value", b"kept"]) == {b"kept": owner}
    assert archive_letter(given.log, given.keys, claims=[a_claim(next_)])
    assert given.log.owners_of_claims("external-id", [b"value"]) == {b"value": next_}


def test_a_value_changes_hands_in_one_command(given: Given) -> None:
    owner, next_ = uuid7(), uuid7()
    paper, _ = archive_letter(given.log, given.keys, claims=[a_claim(owner)])
    withdraw(given, paper, released=[a_claim(owner)], claims=[a_claim(next_)])
    assert given.log.owners_of_claims("external-id", [b"value"]) == {b"value": next_}


def test_what_is_released_and_claimed_by_its_owner_stays(given: Given) -> None:
    owner = uuid7()
    paper, _ = archive_letter(given.log, given.keys, claims=[a_claim(owner)])
    withdraw(given, paper, released=[a_claim(owner)], claims=[a_claim(owner)])
    assert given.log.owners_of_claims("external-id", [b"value"]) == {b"value": owner}


def test_nobody_releases_what_another_owns_or_what_is_of_another_kind(given: Given) -> None:
    owner = uuid7()
    paper, _ = archive_letter(given.log, given.keys, claims=[a_claim(owner)])
    withdraw(given, paper, released=[a_claim(uuid7()), a_claim(owner, kind="mandate"), a_claim(owner, b"nobody's")])
    assert given.log.owners_of_claims("external-id", [b"value"]) == {b"value": owner}
    with pytest.raises(AlreadyClaimed):
        archive_letter(given.log, given.keys, claims=[a_claim(uuid7())])


@pytest.mark.parametrize("owner_is_last", [False, True])
def test_a_value_that_several_give_back_is_free_whoever_of_them_owns_it(given: Given, owner_is_last: bool) -> None:
    """As when an authorization moves with two papers of one content, of which one is withdrawn."""
    owner = uuid7()
    paper, _ = archive_letter(given.log, given.keys, claims=[a_claim(owner)])
    released = [a_claim(owner), a_claim(uuid7())]
    withdraw(given, paper, released=released[::-1] if owner_is_last else released)
    assert given.log.owners_of_claims("external-id", [b"value"]) == {}


def test_a_refused_command_releases_nothing(given: Given) -> None:
    owner, other = uuid7(), uuid7()
    paper, _ = archive_letter(given.log, given.keys, claims=[a_claim(owner), a_claim(other, b"taken")])
    with pytest.raises(AlreadyClaimed):
        withdraw(given, paper, released=[a_claim(owner)], claims=[a_claim(owner, b"taken")])
    with pytest.raises(VersionConflict):
        withdraw(given, paper, version=1, released=[a_claim(owner)])
    assert given.log.owners_of_claims("external-id", [b"value"]) == {b"value": owner}


# -- All or nothing -------------------------------------------------------------------------------------------


def test_a_refused_claim_leaves_no_event_no_other_claim_no_key_and_no_command(given: Given) -> None:
    archive_letter(given.log, given.keys, claims=[a_claim(uuid7(), b"taken")])
    refused = uuid7()
    claims = [a_claim(refused, b"free"), a_claim(refused, b"taken")]
    with pytest.raises(AlreadyClaimed):
        archive_letter(given.log, given.keys, "newcomer", paper=refused, claims=claims, command=a_key())
    assert list(given.log.load(refused)) == []
    assert given.log.find_command(a_key()) is None
    assert given.keys.owner_of("newcomer").fresh
    assert archive_letter(given.log, given.keys, claims=[a_claim(uuid7(), b"free")], command=a_key())


def test_a_stream_that_grew_meanwhile_refuses_the_whole_command(given: Given) -> None:
    paper, _ = archive_letter(given.log, given.keys)
    withdraw(given, paper)
    with pytest.raises(VersionConflict):
        withdraw(given, paper, version=2, claims=[a_claim(paper)], command=a_key())
    assert len(given.log.load(paper)) == 2
    assert given.log.find_command(a_key()) is None
    assert archive_letter(given.log, given.keys, claims=[a_claim(uuid7())])


# -- Customers ------------------------------------------------------------------------------------------------


def test_two_first_papers_of_one_customer_race_and_the_second_asks_again(given: Given) -> None:
    first, second = given.keys.owner_of("100234"), given.keys.owner_of("100234")
    assert first.fresh
    assert second.fresh
    one, other = uuid7(), uuid7()
    for paper in (one, other):
        given.keys.new_paper(paper)
    given.log.append([an_envelope(a_letter(first.reference), one)], papers={one: first})
    letter = an_envelope(a_letter(second.reference, content=a_content(id=uuid7())), other)
    with pytest.raises(CustomerReferenceRaced):
        given.log.append([letter], papers={other: second}, claims=[a_claim(other)])
    assert list(given.log.load(other)) == []
    assert given.keys.owner_of("100234").reference == first.reference
    assert archive_letter(given.log, given.keys, claims=[a_claim(other)])


def test_what_was_refused_may_be_appended_again(given: Given) -> None:
    archive_letter(given.log, given.keys, claims=[a_claim(uuid7())])
    owner, paper = given.keys.owner_of("newcomer"), uuid7()
    given.keys.new_paper(paper)
    letter = an_envelope(a_letter(owner.reference, content=a_content(id=uuid7())), paper)
    with pytest.raises(AlreadyClaimed):
        given.log.append([letter], papers={paper: owner}, claims=[a_claim(paper)])
    given.log.append([letter], papers={paper: owner})
    assert file_name(given, paper) == "verhuizing.pdf"


def test_the_owners_of_many_customers_are_those_of_each(given: Given) -> None:
    for customer in ("100234", "erased"):
        archive_letter(given.log, given.keys, customer)
    given.erase("erased")
    owners = given.keys.owners_of(["100234", "newcomer", "erased", "100234", "newcomer"])
    assert list(owners) == ["100234", "newcomer"]
    assert owners["100234"] == given.keys.owner_of("100234")
    assert owners["newcomer"].fresh
    assert given.keys.owners_of([]) == {}


def test_papers_of_many_customers_are_appended_at_once(given: Given) -> None:
    archive_letter(given.log, given.keys)
    customers = ["100234", "newcomer", "newcomer", "another"]
    owners = given.keys.owners_of(customers)
    papers = {uuid7(): owners[customer] for customer in customers}
    for paper in papers:
        given.keys.new_paper(paper)
    given.log.append(
        [an_envelope(a_letter(o.reference, content=a_content(id=uuid7())), paper) for paper, o in papers.items()],
        papers=papers,
    )
    given.erase("newcomer")
    assert [file_name(given, paper) for paper in papers] == ["verhuizing.pdf", UNSET, UNSET, "verhuizing.pdf"]


def test_an_erased_customers_events_read_as_erased(given: Given) -> None:
    paper, _ = archive_letter(given.log, given.keys)
    kept, _ = archive_letter(given.log, given.keys, "100235")
    given.erase("100234")
    [erased] = given.log.load(paper)
    assert (erased.body.file_name, erased.body.description, erased.body.sha256) == (UNSET, UNSET, UNSET)
    assert erased.body.type.code == "LETTER"
    assert given.log.load(kept)[0].body.file_name == "verhuizing.pdf"


def test_an_erased_customers_paper_takes_no_event(given: Given) -> None:
    paper, _ = archive_letter(given.log, given.keys)
    given.erase("100234")
    with pytest.raises(CustomerErased):
        withdraw(given, paper, claims=[a_claim(paper)], command=a_key())
    assert len(given.log.load(paper)) == 1
    assert given.log.find_command(a_key()) is None


def test_a_customer_erased_between_asking_and_appending_takes_no_paper(given: Given) -> None:
    archive_letter(given.log, given.keys)
    owner, paper = given.keys.owner_of("100234"), uuid7()
    given.erase("100234")
    given.keys.new_paper(paper)
    letter = an_envelope(a_letter(owner.reference, content=a_content(id=uuid7())), paper)
    with pytest.raises((CustomerErased, CustomerReferenceRaced)):
        given.log.append([letter], papers={paper: owner})
    assert list(given.log.load(paper)) == []


def test_an_erased_customer_has_no_owner_any_more(given: Given) -> None:
    archive_letter(given.log, given.keys)
    reference = given.keys.owner_of("100234").reference
    given.erase("100234")
    with pytest.raises(CustomerErased):
        given.keys.owner_of("100234")
    assert given.keys.customer_ids([reference]) == {}


# -- Papers that change hands ---------------------------------------------------------------------------------


def wrap(
    given: Given, paper: UUID, owner: CustomerReference, *, version: int = 2, gone: Sequence[CustomerReference] = ()
) -> Appended:
    """The paper comes to this customer; it goes from those."""
    event = CustomerLinked(customer=owner.reference, linked=owner.reference, reason="x")
    unwrapped = [(paper, one.reference) for one in gone]
    return given.log.append([an_envelope(event, paper, version)], papers={paper: owner}, unwrapped=unwrapped)


def unwrap(given: Given, paper: UUID, *gone: CustomerReference, version: int) -> Appended:
    event = CustomerUnlinked(customer=gone[0].reference, linked=gone[0].reference, reason="x")
    return given.log.append([an_envelope(event, paper, version)], unwrapped=[(paper, one.reference) for one in gone])


def file_name(given: Given, paper: UUID) -> object:
    return given.load_afresh(paper)[0].body.file_name


def test_a_linked_paper_is_read_as_long_as_one_of_its_customers_is_there(given: Given) -> None:
    paper, _ = archive_letter(given.log, given.keys)
    wrap(given, paper, given.keys.owner_of("100235"))
    given.erase("100234")
    assert file_name(given, paper) == "verhuizing.pdf"
    given.erase("100235")
    assert file_name(given, paper) is UNSET


def test_a_moved_paper_goes_with_the_customer_it_came_to_and_stays_without_the_other(given: Given) -> None:
    paper, _ = archive_letter(given.log, given.keys)
    first, second = given.keys.owner_of("100234"), given.keys.owner_of("100235")
    assert second.fresh
    wrap(given, paper, second, gone=[first])
    assert file_name(given, paper) == "verhuizing.pdf"
    given.erase("100234")
    assert file_name(given, paper) == "verhuizing.pdf"
    assert withdraw(given, paper, version=3)
    given.erase("100235")
    assert file_name(given, paper) is UNSET


def test_an_unlinked_customers_erasure_leaves_the_paper(given: Given) -> None:
    paper, _ = archive_letter(given.log, given.keys)
    second = given.keys.owner_of("100235")
    wrap(given, paper, second)
    unwrap(given, paper, given.keys.owner_of("100235"), version=3)
    given.erase("100235")
    assert file_name(given, paper) == "verhuizing.pdf"
    given.erase("100234")
    assert file_name(given, paper) is UNSET


def test_a_customer_who_holds_the_paper_already_may_come_to_it_again(given: Given) -> None:
    paper, _ = archive_letter(given.log, given.keys)
    wrap(given, paper, given.keys.owner_of("100235"))
    wrap(given, paper, given.keys.owner_of("100235"), version=3, gone=[given.keys.owner_of("100234")])
    given.erase("100234")
    assert file_name(given, paper) == "verhuizing.pdf"


def test_to_take_a_wrap_that_is_not_there_does_nothing(given: Given) -> None:
    archive_letter(given.log, given.keys, "100235")
    paper, _ = archive_letter(given.log, given.keys)
    assert unwrap(given, paper, given.keys.owner_of("100235"), version=2)
    assert file_name(given, paper) == "verhuizing.pdf"


def test_a_wrap_that_another_took_meanwhile_is_a_conflict_of_versions(given: Given) -> None:
    """Decided while two held it: the paper moved to the second, whom the first desk lets go."""
    paper, _ = archive_letter(given.log, given.keys)
    first, second = given.keys.owner_of("100234"), given.keys.owner_of("100235")
    wrap(given, paper, second)
    unwrap(given, paper, first, version=3)
    with pytest.raises(VersionConflict):
        unwrap(given, paper, second, version=3)


def test_the_last_wrap_of_a_paper_cannot_be_taken(given: Given) -> None:
    paper, _ = archive_letter(given.log, given.keys)
    first, second = given.keys.owner_of("100234"), given.keys.owner_of("100235")
    with pytest.raises(ValueError, match="left without a key"):
        unwrap(given, paper, first, version=2)
    wrap(given, paper, second)
    with pytest.raises(ValueError, match="left without a key"):
        unwrap(given, paper, first, second, version=3)
    assert len(given.log.load(paper)) == 2
    given.erase("100234")
    assert file_name(given, paper) == "verhuizing.pdf"


def test_a_paper_is_unwrapped_together_with_an_event_of_its_own_only(given: Given) -> None:
    """So the version of its stream stands between two that would each leave the other's wrap."""
    paper, _ = archive_letter(given.log, given.keys)
    other, _ = archive_letter(given.log, given.keys)
    first = given.keys.owner_of("100234")
    wrap(given, paper, given.keys.owner_of("100235"))
    event = DocumentWithdrawn(customer=first.reference, reason="x")
    with pytest.raises(ValueError, match="without an event"):
        given.log.append([an_envelope(event, other, 2)], unwrapped=[(paper, first.reference)])


def test_an_erased_paper_comes_back_to_nobody(given: Given) -> None:
    """Not even by a process that held its key in memory when it was erased."""
    paper, _ = archive_letter(given.log, given.keys)
    archive_letter(given.log, given.keys, "100235")
    second = given.keys.owner_of("100235")
    given.erase("100234")
    with pytest.raises(CustomerErased):
        wrap(given, paper, second)
    assert len(given.log.load(paper)) == 1


def test_a_paper_comes_to_no_erased_customer(given: Given) -> None:
    paper, _ = archive_letter(given.log, given.keys)
    archive_letter(given.log, given.keys, "100235")
    second = given.keys.owner_of("100235")
    given.erase("100235")
    with pytest.raises((CustomerErased, CustomerReferenceRaced)):
        wrap(given, paper, second)
    assert len(given.log.load(paper)) == 1


def test_a_refused_move_leaves_the_paper_where_it_was(given: Given) -> None:
    paper, _ = archive_letter(given.log, given.keys)
    withdraw(given, paper)
    archive_letter(given.log, given.keys, "100235")
    with pytest.raises(VersionConflict):
        wrap(given, paper, given.keys.owner_of("100235"), version=2, gone=[given.keys.owner_of("100234")])
    given.erase("100235")
    assert file_name(given, paper) == "verhuizing.pdf"


# -- Letting go -----------------------------------------------------------------------------------------------


def begin_scan(given: Given) -> UUID:
    """A session with one page."""
    session = uuid7()
    given.keys.new_paper(session)
    begun = [an_envelope(BY_KIND[ScanStarted], session), an_envelope(a_captured_page(), session, 2)]
    given.log.append(begun, papers={session: given.keys.intake_owner()})
    return session


def a_captured_page() -> Event:
    return replace(BY_KIND[PageCaptured], content=a_content(id=uuid7()))


def end_scan(given: Given, session: UUID, version: int = 3, **options: Any) -> Appended:
    return given.log.append([an_envelope(ScanCancelled(), session, version)], ended=[session], **options)


def test_what_a_session_held_can_be_read_by_nobody_after_its_end(given: Given) -> None:
    session, other = begin_scan(given), begin_scan(given)
    end_scan(given, session)
    assert [e.body.scan_codes for e in given.load_afresh(session)[1:2]] == [UNSET]
    assert [e.body.scan_codes for e in given.load_afresh(other)[1:2]] == [(SCAN_CODE,)]


def test_a_session_that_is_over_takes_nothing_sealed(given: Given) -> None:
    session = begin_scan(given)
    end_scan(given, session)
    with pytest.raises(CustomerErased):
        given.log.append([an_envelope(a_captured_page(), session, 4)])


def test_a_refused_end_and_a_replay_let_nothing_go(given: Given) -> None:
    session, other = begin_scan(given), begin_scan(given)
    end_scan(given, other, command=a_key())
    with pytest.raises(VersionConflict):
        end_scan(given, session, version=2)
    with pytest.raises(Replayed):
        end_scan(given, session, command=a_key())
    assert given.load_afresh(session)[1].body.scan_codes == (SCAN_CODE,)


def test_only_a_session_that_is_over_lets_go_of_its_key(given: Given) -> None:
    """What a stream is its first event says, whatever comes after it."""
    session, (letter, _) = begin_scan(given), archive_letter(given.log, given.keys)
    last = given.log.load_recorded([letter], 1 << 62)[-1].position
    for paper, event, version in (
        (session, BY_KIND[ScanFinished], 3),
        (letter, ScanCancelled(), 2),
        (letter, ScanClosed(), 2),
    ):
        with pytest.raises(ValueError, match="a paper would lose its keys"):
            given.log.append([an_envelope(event, paper, version)], ended=[paper])
    assert given.log.load_recorded([letter], 1 << 62)[-1].position == last
    assert given.load_afresh(session)[1].body.scan_codes == (SCAN_CODE,)
    assert given.load_afresh(letter)[0].body.file_name == "verhuizing.pdf"


# -- Sent, and asked for later ----------------------------------------------------------------------------------


def letters_later(given: Given, *papers: UUID, customer: str = "100234", claims: Sequence[Claim] = ()) -> UnsentAppend:
    """First letters of a customer, ready to be appended."""
    owner = given.keys.owner_of(customer)
    for paper in papers:
        given.keys.new_paper(paper)
    letters = [an_envelope(a_letter(owner.reference, content=a_content(id=uuid7())), paper) for paper in papers]
    return given.log.append_later(letters, claims=claims, papers=dict.fromkeys(papers, owner))


@pytest.mark.parametrize("is_sent", [True, False])
def test_an_append_that_is_asked_for_later_is_one_like_any_other(given: Given, is_sent: bool) -> None:
    papers = [uuid7(), uuid7()]
    later = letters_later(given, *papers, claims=[a_claim(papers[0])])
    if is_sent:
        later.send()
    appended = later.result()
    recorded = given.log.load_recorded(papers, max(appended.positions))
    assert [(r.position, r.recorded_at) for r in recorded] == [(p, appended.recorded_at) for p in appended.positions]
    assert [given.load_afresh(paper)[0].body.file_name for paper in papers] == ["verhuizing.pdf"] * 2
    assert given.log.owners_of_claims("external-id", [b"value"]) == {b"value": papers[0]}


def test_while_one_is_under_way_others_read_and_append(given: Given) -> None:
    later = letters_later(given, paper := uuid7())
    later.send()
    other, _ = archive_letter(given.log, given.keys, "somebody else")
    assert len(given.log.load(other)) == 1
    later.result()
    assert len(given.log.load(paper)) == 1


def test_one_that_is_refused_says_so_when_it_is_asked_and_the_next_goes_in(given: Given) -> None:
    """More often than there are connections."""
    owner, _ = archive_letter(given.log, given.keys, claims=[a_claim(UUID(int=1), b"taken")])
    for _ in range(ROUNDS):
        later = letters_later(given, paper := uuid7(), claims=[a_claim(paper, b"taken")])
        later.send()
        with pytest.raises(AlreadyClaimed) as taken:
            later.result()
        assert (taken.value.kind, taken.value.owner) == ("external-id", UUID(int=1))
        assert list(given.log.load(paper)) == []
    letters_later(given, paper := uuid7()).result()
    assert len(given.log.load(paper)) == len(given.log.load(owner)) == 1


def test_of_two_that_were_made_ready_for_a_newcomer_the_second_asks_again(given: Given) -> None:
    first, second = (letters_later(given, uuid7(), customer="newcomer") for _ in range(2))
    first.result()
    with pytest.raises(CustomerReferenceRaced):
        second.result()


def test_one_for_a_customer_who_is_erased_before_it_is_sent_is_refused(given: Given) -> None:
    archive_letter(given.log, given.keys)
    later = letters_later(given, paper := uuid7())
    given.erase("100234")
    with pytest.raises(CustomerErased):
        later.result()
    assert list(given.log.load(paper)) == []
