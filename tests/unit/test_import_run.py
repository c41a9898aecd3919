"""An import from its list to what is told of every line, over ports in memory; tests/service has the command."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from domain.limits import Limits
from domain.refusals import InsufficientStorage, Unavailable
from paper.client import Examiner
from service.csv_lines import FileUnreadable
from service.import_lines import listing_of
from service.import_run import LOOKED_UP_AT_ONCE, ImportCounts, Importer, LineOutcome, import_listing
from tests.builders.imports import a_list
from tests.builders.memory import MemoryDesk
from tests.builders.papers import a_caller, an_iban

LIMITS = Limits()
CONSENT = {"customer": "100234", "type": "GUARDIAN_CONSENT"}
MANDATE = {"customer": "100234", "type": "DEBT_AUTHORIZATION", "signature_date": "2026-03-01"}


class Bringing:
    """One import into a desk. `told` is what was said of the lines, by batches."""

    def __init__(self, desk: MemoryDesk, folder: Path, *, free_bytes: int = 1 << 40) -> None:
        self.manifest = folder / "list.csv"
        self.told: list[list[LineOutcome]] = []
        self._importer = Importer(
            importing=desk.importing,
            caller=a_caller(),
            examiner=Examiner(folder / "nobody", LIMITS),
            limits=LIMITS,
            free_bytes=lambda: free_bytes,
        )

    def run(self, rows: Sequence[dict[str, str]] | bytes) -> ImportCounts:
        self.manifest.write_bytes(rows if isinstance(rows, bytes) else a_list(rows).encode())
        return import_listing(listing_of(self.manifest, LIMITS), self._importer, lambda told: self.told.append([*told]))

    @property
    def lines(self) -> Iterator[LineOutcome]:
        return (one for batch in self.told for one in batch)


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


@pytest.fixture
def bringing(desk: MemoryDesk, tmp_path: Path) -> Bringing:
    return Bringing(desk, tmp_path)


def consents(number: int) -> list[dict[str, str]]:
    return [CONSENT | {"note": f"line {n}"} for n in range(number)]


@pytest.mark.parametrize("number", [0, 1, 99, 100, 101, LOOKED_UP_AT_ONCE, LOOKED_UP_AT_ONCE + 101])
def test_every_line_is_taken_and_told_in_its_order(bringing: Bringing, number: int) -> None:
    """All are of one customer, of whom nothing was there: no batch can be prepared before the first is taken."""
    assert bringing.run(consents(number)) == ImportCounts(taken=number)
    assert [one.line.number for one in bringing.lines] == list(range(2, number + 2))
    assert len({one.paper for one in bringing.lines}) == number


def test_a_batch_is_told_when_the_next_one_is_prepared_and_each_commit_has_a_hundred(
    desk: MemoryDesk, bringing: Bringing
) -> None:
    bringing.run(consents(250))
    assert [len(batch) for batch in bringing.told] == [100, 100, 50]
    commands = [desk.log.load(one.paper)[0].meta.command_id for one in bringing.lines if one.paper]
    assert [commands.count(command) for command in dict.fromkeys(commands)] == [100, 100, 50]


@pytest.mark.parametrize("between", [0, 150])
def test_the_words_name_the_line_that_is_in_the_way_in_whatever_batch_it_stands(
    bringing: Bringing, between: int
) -> None:
    rows = [MANDATE | {"mandate_reference": "LIB-1"}, *consents(between), MANDATE | {"mandate_reference": "LIB-1"}]
    other = MANDATE | {"mandate_reference": "lib-1", "note": "another"}
    bringing.run([*rows, other])
    *_, same, refused = bringing.lines
    assert (same.outcome, same.words) == ("there", "line 2 says the same")
    assert refused.words.startswith("mandate_reference: This mandate reference already belongs to another mandate.")
    assert refused.words.endswith(" (line 2)")


def test_of_what_was_there_before_the_words_name_the_paper(desk: MemoryDesk, bringing: Bringing) -> None:
    paper = desk.note(external_id="old-1", type="OTHER_AUTHORIZATION")
    bringing.run([CONSENT | {"external_id": "old-1"}])
    [refused] = bringing.lines
    assert refused.words == f"external_id: Another document or authorization already has this external id. ({paper})"


def test_a_line_that_cannot_be_read_is_told_among_the_others(bringing: Bringing) -> None:
    rows = [CONSENT, CONSENT | {"received_on": "soon"}, CONSENT | {"note": "x"}]
    assert bringing.run(rows) == ImportCounts(taken=2, refused=1)
    assert [one.words for one in bringing.lines] == ["", "received_on: must be a date like 2026-11-24", ""]


def test_all_that_is_wrong_with_a_line_is_told_at_once(bringing: Bringing) -> None:
    bringing.run([CONSENT | {"iban": "x", "signature_date": "2030-01-01"}])
    [refused] = bringing.lines
    assert refused.words == "iban: is only for mandates; signature_date: must not be in the future"


def test_what_is_over_is_counted_among_the_taken(bringing: Bringing) -> None:
    old = MANDATE | {"iban": an_iban("INGB"), "signature_date": "2015-01-31"}
    assert bringing.run([old]) == ImportCounts(taken=1, ended=1)
    [told] = bringing.lines
    assert told.words == "36 months without a collection ended on 2018-01-31: `serve` will record it as expired"


def test_lines_before_a_place_that_cannot_be_read_are_taken(bringing: Bringing) -> None:
    """Whatever is looked up at once."""
    text = a_list(consents(150)).encode() + b"\xff\xfe\n"
    with pytest.raises(FileUnreadable, match="line 152 is not UTF-8"):
        bringing.run(text)
    assert sum(one.outcome == "taken" for one in bringing.lines) == 150


def test_when_the_database_goes_away_what_was_taken_is_told_and_the_rest_is_brought_again(
    desk: MemoryDesk, bringing: Bringing
) -> None:
    def lost() -> None:
        raise Unavailable

    rows = consents(300)
    bringing.run(rows[:100])
    bringing.told.clear()
    desk.log.before_append.append(lost)
    with pytest.raises(Unavailable):
        bringing.run(rows)
    assert [one.outcome for one in bringing.lines] == ["taken"] * 100, "the batch that was under way behind it"
    assert bringing.run(rows) == ImportCounts(taken=100, there=200)


@pytest.mark.parametrize(
    ("last", "steps"),
    [
        ({"note": "of its own"}, "sent 0, sent 1, asked 0, sent 2, asked 1, asked 2"),
        ({"note": "line 150"}, "sent 0, sent 1, asked 0, asked 1, sent 2, asked 2"),
        ({"external_id": "old-1"}, "sent 0, sent 1, asked 0, asked 1, sent 2, asked 2"),
    ],
)
def test_two_batches_are_under_way_unless_one_says_what_another_says(
    desk: MemoryDesk, bringing: Bringing, last: dict[str, str], steps: str
) -> None:
    desk.note()
    rows = [*consents(199), CONSENT | {"external_id": "old-1", "note": "another"}, CONSENT | last]
    bringing.run(rows)
    assert ", ".join(desk.log.later) == steps
    assert [one.line.number for one in bringing.lines] == list(range(2, 203))


def test_without_room_no_file_is_stored(desk: MemoryDesk, tmp_path: Path) -> None:
    bringing = Bringing(desk, tmp_path, free_bytes=LIMITS.disk_free_bytes_min - 1)
    (tmp_path / "scan.txt").write_text("a paper")
    rows = [*consents(100), CONSENT | {"file": "scan.txt"}]
    with pytest.raises(InsufficientStorage):
        bringing.run(rows)
    assert desk.contents.plain == {}
    assert sum(one.outcome == "taken" for one in bringing.lines) == 100
