"""Reading a customer file: what is taken, what is refused with which line, what stops the import."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date

import pytest

from domain.customer import CustomerKind
from service.csv_lines import FileUnreadable
from service.customers_csv import CustomerCounts, RefusedLine, import_customers
from store.register_load import Load, Loaded, RegisterLine
from tests.builders.customers import a_customer

HEADER = b"id,name,birth_date,card_numbers,home_branch,kind\n"
JAN = b"100234,Jan de Vries,1971-05-23,,CENTRAL,person\n"


class Import:
    """One import of these bytes. What reaches the store is kept in `batches`; store tests have the real one."""

    def __init__(self, content: bytes) -> None:
        self.file = io.BytesIO(content)
        self.batches: list[list[RegisterLine]] = []
        self.refused: list[RefusedLine] = []
        self.progress: list[CustomerCounts] = []

    def run(self) -> CustomerCounts:
        return import_customers(
            self.file,
            self.loading(),
            today=date(2026, 11, 24),
            on_refused=self.refused.append,
            on_progress=self.progress.append,
        )

    @contextmanager
    def loading(self) -> Iterator[Load]:
        yield self.load

    def load(self, lines: Sequence[RegisterLine]) -> Loaded:
        self.batches.append(list(lines))
        return Loaded(created=len(lines), changed=0, unchanged=0, refused=[])

    @property
    def lines(self) -> list[RegisterLine]:
        return [line for batch in self.batches for line in batch]


def imported(*lines: bytes, header: bytes = HEADER) -> Import:
    done = Import(header + b"".join(lines))
    done.run()
    return done


def test_a_line_becomes_a_customer_with_its_number() -> None:
    done = imported(b'7,"Vries, Jan ""de""",1971-05-23,20001 A-7,CENTRAL,organisation\n')
    kind = CustomerKind.ORGANISATION
    customer = a_customer("7", name='Vries, Jan "de"', card_numbers=("20001", "A-7"), kind=kind)
    assert done.lines == [RegisterLine(2, customer)]


def test_only_id_and_name_are_needed() -> None:
    done = imported(b"7,Jan,,,,\n")
    assert done.lines == [RegisterLine(2, a_customer("7", name="Jan", birth_date=None, home_branch=None))]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_byte_order_mark_and_either_line_end_are_tolerated(end: bytes) -> None:
    content = b"\xef\xbb\xbf" + (HEADER + JAN).replace(b"\n", end)
    for whole in (content, content.removesuffix(end)):
        done = Import(whole)
        assert done.run().created == 1
        assert done.lines == [RegisterLine(2, a_customer())]


def test_empty_lines_count_nowhere_but_in_the_numbers() -> None:
    done = imported(b"\n", b"  \r\n", JAN, b"\n")
    assert [line.number for line in done.lines] == [4]
    assert done.refused == []


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"id,name\n",
        HEADER.replace(b",", b";"),
        HEADER.upper(),
        HEADER.replace(b"kind", b"kind,status"),
        b"name,id,birth_date,card_numbers,home_branch,kind\n",
        JAN,
    ],
)
def test_another_header_stops_the_import_before_anything_is_stored(header: bytes) -> None:
    done = Import(header + JAN)
    with pytest.raises(FileUnreadable, match="must be exactly id,name,birth_date,card_numbers,home_branch,kind; it is"):
        done.run()
    assert done.batches == []


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding_stops_the_import_and_is_named(encoding: str) -> None:
    done = Import((HEADER + "7,Renée,,,,\n".encode()).decode().encode(encoding))
    with pytest.raises(FileUnreadable, match=r"line [12] is not UTF-8; save the file as CSV in UTF-8"):
        done.run()
    assert done.batches == []


def test_what_is_wrong_is_told_by_line_and_column_and_stops_no_other_line() -> None:
    done = imported(b"a b,,1971-5-3,1\x001 2,,robot\n", JAN, b"8,Piet,2027-01-01,,,\n")
    assert [line.number for line in done.lines] == [3]
    assert [[e.field for e in line.errors] for line in done.refused] == [
        ["id", "name", "card_numbers.0", "kind", "birth_date"],
        ["birth_date"],
    ]
    assert str(done.refused[1]) == "line 4: birth_date: must not be in the future"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"7,Jan\n", "line 2: has 2 fields and not 6"),
        (b"7,Vries, Jan,,,,\n", "line 2: has 7 fields and not 6"),
        (b'7,"Jan,,,,\n', "line 2: has a quote that is not closed, or text after a closing one"),
        (b'7,"Jan" Vries,,,,\n', "line 2: has a quote that is not closed, or text after a closing one"),
    ],
)
def test_a_line_that_is_no_record_costs_itself_alone(line: bytes, said: str) -> None:
    done = imported(line, JAN)
    assert [str(refused) for refused in done.refused] == [said]
    assert [line.number for line in done.lines] == [3]


def test_a_file_that_is_no_text_is_not_read_into_memory() -> None:
    done = Import(HEADER + b"7," + b"x" * 10_000_000)
    with pytest.raises(FileUnreadable, match="line 2 has more than 65536 bytes"):
        done.run()
    assert done.file.tell() < 100_000


def test_batches_have_a_thousand_lines_and_progress_follows_each() -> None:
    done = imported(*(b"%d,Jan,,,,\n" % n for n in range(2_499)), b"a b,Jan,,,,\n")
    assert [len(batch) for batch in done.batches] == [1_000, 1_000, 499]
    assert [p.created for p in done.progress] == [1_000, 2_000, 2_499]
    assert done.progress[-1] == CustomerCounts(created=2_499, refused=1, read_bytes=len(done.file.getvalue()))


def test_the_store_gets_the_first_batch_before_the_rest_is_read() -> None:
    done = Import(HEADER + b"".join(b"%d,Jan,,,,\n" % n for n in range(1_000)) + b"7,Ren\xe9e,,,,\n")
    with pytest.raises(FileUnreadable, match="line 1002 "):
        done.run()
    assert len(done.lines) == 1_000
