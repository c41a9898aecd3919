"""What is reported about a customer: decisions of the file, and where it is found."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from domain.archive import Outcome
from domain.customer import CustomerStatus
from domain.customer_file import (
    CustomerDeceasedReported,
    CustomerFile,
    CustomerLeft,
    CustomerReturned,
    ReportCustomer,
    decide,
    fold,
)
from domain.refusals import CustomerErased, IllegalTransition, NotFound, ValidationFailed
from tests.builders.memory import MemoryDesk
from tests.builders.papers import a_caller

CUSTOMER, TODAY, SPRING, SUMMER = UUID(int=7), date(2026, 11, 24), date(2026, 4, 1), date(2026, 7, 1)


def report(status: str, on: date = SPRING) -> ReportCustomer:
    return ReportCustomer(customer=CUSTOMER, status=CustomerStatus(status), on=on, today=TODAY, reason="by letter")


def after(*reports: ReportCustomer) -> CustomerFile:
    events: list[Any] = []
    for one in reports:
        events += decide(fold(events), one)
    state = fold(events)
    assert state is not None
    return state


def test_a_report_says_what_the_customer_was_and_is() -> None:
    (left,) = decide(None, report("left"))
    assert left == CustomerLeft(customer=CUSTOMER, was=CustomerStatus.ACTIVE, on=SPRING, reason="by letter")
    (died,) = decide(fold([left]), report("deceased", SUMMER))
    assert isinstance(died, CustomerDeceasedReported)
    assert died.was is CustomerStatus.LEFT


def test_the_membership_ends_with_the_earliest_report_and_the_status_is_the_last_one() -> None:
    state = after(report("left", SUMMER), report("deleted_in_source", date(2026, 9, 1)), report("deceased", SPRING))
    assert (state.status, state.ended_on) == ("deceased", SPRING)


def test_a_second_report_of_a_kind_corrects_its_day() -> None:
    assert after(report("left", SPRING), report("left", SUMMER)).ended_on == SUMMER


def test_a_report_that_is_known_makes_no_event_whatever_its_reason() -> None:
    assert decide(after(report("left")), report("left")) == []


def test_who_returned_is_active_and_earlier_reports_no_longer_count() -> None:
    (event,) = decide(after(report("left")), report("active", SUMMER))
    assert isinstance(event, CustomerReturned)
    state = after(report("deceased"), report("active", SUMMER))
    assert (state.status, state.ended_on) == ("active", None)


@pytest.mark.parametrize("before", [[], [report("left"), report("active", SUMMER)]])
def test_nobody_returns_who_is_there(before: list[ReportCustomer]) -> None:
    with pytest.raises(IllegalTransition):
        decide(after(*before) if before else None, report("active"))


def test_nothing_is_reported_before_it_happens() -> None:
    with pytest.raises(ValidationFailed):
        decide(None, report("left", date(2026, 11, 25)))
    assert decide(None, report("left", TODAY))


# -- the use case ---------------------------------------------------------------------------------------------------


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


def reported(desk: MemoryDesk, customer: str, status: str = "left", *, key: str | None = None) -> Outcome:
    files, caller = desk.archive.customer_files, a_caller(idempotency_key=key)
    return files.report_customer(customer, CustomerStatus(status), SPRING, "by letter", caller)


def test_a_file_has_a_random_id_and_is_found_by_the_customers_id(desk: MemoryDesk) -> None:
    first = reported(desk, "100234").recorded[0].envelope
    second = reported(desk, "100234", "deceased").recorded[-1].envelope
    other = reported(desk, "100235").recorded[0].envelope
    assert first.originator_id == second.originator_id != other.originator_id
    assert desk.ids.given.count(first.originator_id) == 1
    assert (second.originator_version, second.body.customer) == (2, first.body.customer)
    assert first.body.customer == desk.keys.owner_of("100234").reference


def test_the_register_shows_the_last_report(desk: MemoryDesk) -> None:
    reported(desk, "100234", "deceased")
    assert desk.customers.known["100234"].status == "deceased"
    reported(desk, "100234", "active")
    assert desk.customers.known["100234"].status == "active"


def test_a_repeated_report_brings_the_register_up_that_a_crash_left_behind(desk: MemoryDesk) -> None:
    reported(desk, "100234")
    desk.customers.set_status("100234", CustomerStatus.ACTIVE)
    reported(desk, "100234")
    assert desk.customers.known["100234"].status == "left"
    assert desk.topics == ["customer-left.v1"]


def test_a_second_request_with_the_key_gets_the_first_answer(desk: MemoryDesk) -> None:
    first, again = (reported(desk, "100234", key="k") for _ in range(2))
    assert (again.replayed, again.position) == (True, first.position)


def test_the_answer_to_an_older_request_does_not_bring_its_status_back(desk: MemoryDesk) -> None:
    reported(desk, "100234", key="k")
    reported(desk, "100234", "deceased")
    reported(desk, "100234", key="k")
    assert desk.customers.known["100234"].status == "deceased"


def test_two_desks_report_at_once_and_there_is_one_file(desk: MemoryDesk) -> None:
    desk.log.before_append.append(lambda: reported(desk, "100234", "deceased"))
    outcome = reported(desk, "100234", "left")
    assert [r.envelope.body.topic for r in outcome.recorded] == ["customer-deceased-reported.v1", "customer-left.v1"]


def test_a_customer_of_papers_is_known_after_the_register_forgot_and_nobody_else(desk: MemoryDesk) -> None:
    desk.file()
    desk.customers.known.clear()
    assert reported(desk, "100234", "deleted_in_source").customer == "100234"
    with pytest.raises(NotFound):
        reported(desk, "100235")


def test_nothing_is_reported_about_the_erased(desk: MemoryDesk) -> None:
    desk.file()
    desk.keys.erase("100234")
    before = desk.trace()
    with pytest.raises(CustomerErased):
        reported(desk, "100234")
    assert desk.trace() == before
