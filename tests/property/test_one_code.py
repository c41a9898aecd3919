"""Two desks and one code in the same instant (I13, edge case 4), on Postgres: one wins, the other is told who."""

import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from domain import authorization
from domain.archive import Archive, Outcome, Ports, Rules, build_archive
from domain.catalogue import SHIPPED
from domain.refusals import IllegalTransition, Refusal, ScanCodeRedeemed
from store.system import RandomIds
from tests.builders.memory import EVERYTHING, Clock, Directory, MemoryContents
from tests.builders.papers import CREDITOR, a_caller, a_form, a_mandate_form, a_note, an_order, an_upload
from tests.builders.postgres_log import ask, open_log

Desk = Callable[[Archive, UUID], Outcome]


class Archives:
    """Two web workers of one archive: each has a log, keys and a pool of its own. They share the contents."""

    def __init__(self, url: str, logs: list[Any]) -> None:
        self.url, self.contents = url, MemoryContents()
        self.workers = [self._archive(parts) for parts in logs]
        self.workers[0].catalogues.ship_types(SHIPPED, a_caller(actor="system"))

    def _archive(self, parts: Any) -> Archive:
        return build_archive(
            Ports(
                log=parts.log,
                keys=parts.keys,
                contents=self.contents,
                customers=Directory("100234"),
                clock=Clock(),
                ids=RandomIds(),
            ),
            Rules(creditor=CREDITOR),
        )


@pytest.fixture
def archives(db: str) -> Iterator[Archives]:
    with open_log(db) as one, open_log(db) as other:
        yield Archives(db, [one, other])


def file_of(plain: bytes, **order: Any) -> Desk:
    """Select file by the code of a form."""

    def attach(archive: Archive, form: UUID) -> Outcome:
        archive_order = an_order(customer=None, type=None, authorization=form, **order)
        return archive.filing.archive_file(archive_order, an_upload(plain + form.bytes), a_caller(), EVERYTHING)

    return attach


def note(archive: Archive, form: UUID) -> Outcome:
    """No upload by the code of a form."""
    return archive.noting.note_authorization(
        a_note(customer=None, type=None, authorization=form), a_caller(actor="p.jansen"), EVERYTHING
    )


def at_once(archives: Archives, form: UUID, desks: tuple[Desk, Desk]) -> list[Outcome | Refusal]:
    """What each of the two desks is answered."""
    answers: list[Any] = [None, None]
    start = threading.Barrier(2)

    def act(n: int) -> None:
        start.wait()
        try:
            answers[n] = desks[n](archives.workers[n], form)
        except Exception as error:  # noqa: BLE001  # told below
            answers[n] = error

    threads = [threading.Thread(target=act, args=[n]) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers


def issue(archives: Archives, *, mandate: bool) -> UUID:
    order = a_mandate_form(mandate=None) if mandate else a_form()
    form: UUID = archives.workers[0].forms.issue_form(order, a_caller()).recorded[0].envelope.originator_id
    return form


def events_of(archives: Archives, form: UUID) -> list[str]:
    return [e.body.topic for e in archives.workers[0].ports.log.load(form)][1:]


SIGNED, ATTACHED = "authorization-signed.v1", "evidence-attached.v1"


def two_files(archives: Archives, round_: int, desks: tuple[Desk, Desk]) -> int:
    """Which desk won."""
    form = issue(archives, mandate=round_ % 2 == 0)
    before = len(archives.contents.plain)
    answers = at_once(archives, form, desks)
    [winner] = [n for n, answer in enumerate(answers) if isinstance(answer, Outcome)]
    loser = answers[1 - winner]
    assert isinstance(loser, ScanCodeRedeemed), repr(loser)
    state = authorization.fold(e.body for e in archives.workers[1 - winner].ports.log.load(form))
    assert state is not None
    assert loser.extra == {"existing": str(state.evidence)}
    assert state.evidence in {r.envelope.originator_id for r in answers[winner].recorded}  # type: ignore[union-attr]
    assert events_of(archives, form) == [SIGNED, ATTACHED]
    assert len(archives.contents.plain) == before + 1, "the loser's content was not dropped"
    return winner


def two_notes(archives: Archives, round_: int) -> int:
    form = issue(archives, mandate=round_ % 2 == 0)
    answers = at_once(archives, form, (note, note))
    [winner] = [n for n, answer in enumerate(answers) if isinstance(answer, Outcome)]
    loser = answers[1 - winner]
    assert isinstance(loser, IllegalTransition), repr(loser)
    assert loser.extra == {"state": "active"}
    assert events_of(archives, form) == [SIGNED]
    return winner


def a_file_and_a_note(archives: Archives, round_: int) -> int:
    """The file wins in both orders; a note that came before it is no loser, for its paper may follow."""
    form = issue(archives, mandate=round_ % 2 == 0)
    filed, noted = at_once(archives, form, (file_of(b"Geheim"), note))
    assert isinstance(filed, Outcome), repr(filed)
    assert events_of(archives, form) == [SIGNED, ATTACHED]
    if isinstance(noted, Outcome):
        return 1
    assert isinstance(noted, ScanCodeRedeemed), repr(noted)
    assert noted.extra == {"existing": str(filed.recorded[-1].envelope.body.document)}
    return 0


RACES: dict[str, Callable[[Archives, int], int]] = {
    "two files": lambda archives, n: two_files(archives, n, (file_of(b"one"), file_of(b"other"))),
    "the same file twice": lambda archives, n: two_files(archives, n, (file_of(b"same"), file_of(b"same"))),
    "one name elsewhere": lambda archives, n: two_files(
        archives, n, (file_of(b"one", external_id=f"crm-{n}"), file_of(b"other", external_id=f"crm-{n}"))
    ),
    "two notes": two_notes,
    "a file and a note": a_file_and_a_note,
}


def race(archives: Archives, name: str, rounds: int) -> None:
    winners = [RACES[name](archives, n) for n in range(rounds)]
    assert len(winners) == rounds
    unclaimed = ask(archives.url, "select count(*) from archive.archive_events where topic = %s", ATTACHED)
    assert unclaimed == [(0 if name == "two notes" else rounds,)]


@pytest.mark.parametrize("name", RACES)
def test_of_two_desks_with_one_code_one_wins_and_the_other_is_told_who(archives: Archives, name: str) -> None:
    race(archives, name, 8)


@pytest.mark.long
@pytest.mark.parametrize("name", RACES)
def test_of_two_desks_with_one_code_one_wins_in_each_of_200_rounds(archives: Archives, name: str) -> None:
    race(archives, name, 200)
