"""The policy against the table of rights in the contract (docs/api-guide.md, "Rights"), written out by hand."""

import pytest

from domain.access import Principal, Rights, Role, Verb, may, require_verb, rights_of, sensitivities_of
from domain.refusals import Forbidden
from domain.values import Sensitivity
from tests.builders.papers import a_document_type

#                                viewer staff supervisor operator station integration
TABLE = {
    Verb.PUBLIC:                "yes yes yes yes yes yes",
    Verb.SESSION:               "yes yes yes yes yes yes",
    Verb.CUSTOMERS_READ:        "yes yes yes yes no  yes",
    Verb.CUSTOMERS_WRITE:       "no  no  no  yes no  yes",
    Verb.DOCUMENTS_READ:        "yes yes yes yes no  no",
    Verb.AUTHORIZATIONS_READ:   "yes yes yes yes no  yes",
    Verb.CONTENT_READ:          "yes yes yes yes no  no",
    Verb.HISTORY_READ:          "yes yes yes yes no  no",
    Verb.EVENTS_READ:           "yes yes yes yes no  yes",
    Verb.DOCUMENTS_ARCHIVE:     "no  yes yes yes no  no",
    Verb.AUTHORIZATIONS_NOTE:   "no  yes yes yes no  yes",
    Verb.DOCUMENTS_CORRECT:     "no  yes yes yes no  no",
    Verb.CUSTOMERS_REPORT:      "no  no  yes yes no  yes",
    Verb.DOCUMENTS_MOVE:        "no  no  yes yes no  no",
    Verb.FORMS_ISSUE:           "no  yes yes yes no  yes",
    Verb.SCAN_CODES_CHECK:      "no  yes yes yes no  no",
    Verb.AUTHORIZATIONS_CHANGE: "no  yes yes yes no  no",
    Verb.COLLECTIONS_REPORT:    "no  yes yes yes no  yes",
    Verb.SCANS_USE:             "no  yes yes yes no  no",
    Verb.SCANS_FILL:            "no  yes yes yes yes no",
    Verb.SCANNERS_READ:         "no  yes yes yes yes no",
    Verb.STATIONS_WORK:         "no  no  no  yes yes no",
    Verb.TYPES_READ:            "yes yes yes yes yes yes",
    Verb.TYPES_WRITE:           "no  no  yes yes no  no",
    Verb.ACCESS_LOG_READ:       "no  no  yes yes no  no",
    Verb.DISPOSALS:             "no  no  yes yes no  no",
    Verb.CUSTOMERS_EXPORT:      "no  no  yes yes no  no",
    Verb.OPERATIONS:            "no  no  no  yes no  no",
}  # fmt: skip
SEES = {
    Role.VIEWER: "ordinary financial",
    Role.STAFF: "ordinary financial identity health",
    Role.SUPERVISOR: "ordinary financial identity health",
    Role.OPERATOR: "ordinary financial identity health",
    Role.STATION: "",
    Role.INTEGRATION: "ordinary financial",
}
CELLS = [(verb, role, cell) for verb, row in TABLE.items() for role, cell in zip(Role, row.split(), strict=True)]


def of(role: Role, **changes: object) -> Principal:
    return Principal(**{"name": "j.smit", "role": role, "sensitivities": sensitivities_of(role), **changes})  # type: ignore[arg-type]  # a builder


@pytest.mark.parametrize(("verb", "role", "cell"), CELLS)
def test_each_role_has_the_verbs_of_the_contract(verb: Verb, role: Role, cell: str) -> None:
    assert may(of(role), verb) is (cell == "yes")


def test_the_table_names_every_verb_and_role() -> None:
    assert set(TABLE) == set(Verb)
    assert set(SEES) == set(Role)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("sensitivity", Sensitivity)
def test_each_role_sees_the_sensitivities_of_the_contract(role: Role, sensitivity: Sensitivity) -> None:
    sees = sensitivity.value in SEES[role].split()
    reads = may(of(role), Verb.DOCUMENTS_READ)
    assert (sensitivity in sensitivities_of(role)) is sees
    assert may(of(role), Verb.DOCUMENTS_READ, sensitivity=sensitivity) is (sees and reads)


def test_a_grant_adds_one_and_without_takes_one_away() -> None:
    assert sensitivities_of(Role.VIEWER, [Sensitivity.HEALTH]) == sensitivities_of(Role.VIEWER) | {Sensitivity.HEALTH}
    assert sensitivities_of(Role.STAFF, without=[Sensitivity.HEALTH]) == set(Sensitivity) - {Sensitivity.HEALTH}


def test_what_is_granted_and_taken_away_is_taken_away() -> None:
    both = sensitivities_of(Role.VIEWER, [Sensitivity.HEALTH], [Sensitivity.HEALTH])
    assert Sensitivity.HEALTH not in both


def test_a_grant_gives_no_verb() -> None:
    station = of(Role.STATION, sensitivities=frozenset(Sensitivity))
    assert not may(station, Verb.DOCUMENTS_READ, sensitivity=Sensitivity.ORDINARY)


def test_who_is_given_no_sensitivities_sees_none() -> None:
    assert not may(Principal(name="x", role=Role.OPERATOR), Verb.DOCUMENTS_READ, sensitivity=Sensitivity.ORDINARY)


@pytest.mark.parametrize(
    ("own_branch_only", "branch", "allowed"),
    [(True, "WEST", True), (True, "EAST", False), (True, None, True), (False, "WEST", True), (False, "EAST", True)],
)
def test_own_branch_only_ends_at_the_branch(own_branch_only: bool, branch: str | None, allowed: bool) -> None:
    actor = of(Role.STAFF, branch="WEST", own_branch_only=own_branch_only)
    assert may(actor, Verb.DOCUMENTS_READ, sensitivity=Sensitivity.ORDINARY, branch=branch) is allowed


def test_what_is_not_allowed_is_refused() -> None:
    require_verb(of(Role.SUPERVISOR), Verb.TYPES_WRITE)
    with pytest.raises(Forbidden):
        require_verb(of(Role.STAFF), Verb.TYPES_WRITE)


def test_types_of_a_sensitivity_that_was_taken_away_do_not_exist() -> None:
    types = [a_document_type("LETTER"), a_document_type("READING_DISABILITY"), a_document_type("IDENTIFICATION")]
    without = of(Role.STAFF, sensitivities=sensitivities_of(Role.STAFF, without=[Sensitivity.HEALTH]))
    assert rights_of(of(Role.STAFF), types) == Rights(["LETTER", "READING_DISABILITY", "IDENTIFICATION"])
    assert rights_of(without, types) == Rights(["LETTER", "IDENTIFICATION"])
    assert rights_of(of(Role.STATION), types) == Rights([])


def test_a_reader_sees_papers_of_its_types_and_where_said_of_its_branch() -> None:
    everywhere = rights_of(of(Role.STAFF, branch="WEST"), [a_document_type("LETTER")])
    own = rights_of(of(Role.STAFF, branch="WEST", own_branch_only=True), [a_document_type("LETTER")])
    assert [everywhere.may_see("LETTER", "WEST"), everywhere.may_see("LETTER", "EAST")] == [True, True]
    assert [own.may_see("LETTER", "WEST"), own.may_see("LETTER", "EAST")] == [True, False]
    assert not everywhere.may_see("FORM", "WEST")
