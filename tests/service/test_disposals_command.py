"""`dossier disposals`: what is due is listed, frozen, approved by another and destroyed."""

import time
from uuid import UUID, uuid4

from domain.document_type import DefineType, Retention
from domain.holding import HoldOrder
from projections.disposals import PaperRetentions
from service.removal import remove_destroyed
from tests.builders.papers import a_caller, a_document_type
from tests.service.ended import an_ended, rights_of_all
from tests.service.program import Program

PAPERS, SECONDS_A_PAPER_MAX = 100, 0.01
"""1,000 papers in 10 s."""


def hold(archive: Program, paper: UUID) -> None:
    order = HoldOrder("a court asks")
    archive.archive.holding.hold_authorization(
        paper, order, a_caller(), rights=rights_of_all(archive), expected_version=None
    )


def ask_for_approval(archive: Program) -> None:
    """The rule of the type asks for a second person."""
    kept = Retention(trigger="entitlement_end", months=24, legal_basis="proof of authority", approval=True)
    definition = a_document_type("OTHER_AUTHORIZATION", retention=kept).definition
    archive.archive.catalogues.define_type(DefineType("OTHER_AUTHORIZATION", definition), a_caller())


def propose(archive: Program, *options: str) -> str:
    return str(archive.run("disposals", "propose", "--json", "--actor", "j.smit", *options).json["id"])


def status_of(archive: Program, paper: UUID) -> str:
    [(status,)] = archive.sql(
        "select status from views.customer_documents where id = %s and to_position is null", paper
    )
    return str(status)


def test_what_is_due_is_listed_with_its_rule_and_its_holds(archive: Program) -> None:
    held, due, _ = an_ended(archive, days=2_000), an_ended(archive), an_ended(archive, days=100)
    archive.letter()
    hold(archive, held)
    archive.follow()
    items = archive.run("disposals", "due", "--json").json["items"]
    assert [(i["id"], i["hold"], i["customer"]) for i in items] == [
        (str(due), False, "100234"),
        (str(held), True, "100234"),
    ]
    assert (items[0]["because"], items[0]["original_held"]) == ("entitlement_end + 24 months", True)
    later = archive.run("disposals", "due", "--json", "--before", "2199-01-01").json["items"]
    assert len(later) == 3


def test_a_list_is_approved_by_another_and_destroyed(archive: Program) -> None:
    ask_for_approval(archive)
    held, due = an_ended(archive), an_ended(archive)
    hold(archive, held)
    archive.follow()
    disposal = propose(archive)
    assert archive.run("disposals", "show", disposal, "--json").json["papers"] == 1
    approve = ("disposals", "approve", disposal, "--reason", "compared with the rules", "--json")
    assert "second person" in archive.run("disposals", "run", disposal, code=5).err
    assert "yourself" in archive.run(*approve, "--actor", "j.smit", code=5).err
    assert archive.run(*approve, "--actor", "m.jansen").json["state"] == "approved"
    done = archive.run("disposals", "run", disposal, "--json").json
    assert (done["state"], done["destroyed"], done["kept"]) == ("done", 1, 0)
    archive.follow()
    assert (status_of(archive, due), status_of(archive, held)) == ("destroyed", "revoked")
    assert archive.run("verify", "--json").json["problems"] == []
    archive.run("disposals", "run", disposal, code=5)


def test_what_came_under_a_hold_meanwhile_is_kept_and_named(archive: Program) -> None:
    paper = an_ended(archive)
    archive.follow()
    disposal = propose(archive)
    hold(archive, paper)
    archive.follow()
    ended = archive.run("disposals", "run", disposal, "--json", code=7)
    assert ended.err == f"kept: {paper} (under-legal-hold)\n"
    assert (ended.json["destroyed"], ended.json["kept"]) == (0, 1)


def test_nothing_due_is_no_disposal_and_an_unknown_one_is_not_found(archive: Program) -> None:
    an_ended(archive, days=100)
    archive.follow()
    archive.run("disposals", "propose", "--before", "2199-01-01", code=2)
    archive.run("disposals", "run", uuid4(), code=3)


def test_a_view_that_is_behind_lets_the_run_try_again(archive: Program) -> None:
    paper = an_ended(archive)
    archive.follow()
    disposal = propose(archive)
    hold(archive, paper)
    archive.run("disposals", "run", disposal, code=75)


def test_a_hundred_papers_are_destroyed_in_a_second(archive: Program) -> None:
    for _ in range(PAPERS):
        an_ended(archive)
    archive.follow()
    use = archive.archive
    retentions = PaperRetentions(archive.store.pool, use.catalogues.load_types)
    due = retentions.list_due(use.clock.today(), None, 1_000)
    disposal = use.disposals.propose_disposal([one.listed for one in due], a_caller()).id
    begun = time.monotonic()
    assert use.disposals.run_disposal(disposal, retentions, a_caller()).state.destroyed == PAPERS
    assert remove_destroyed(archive.store) == 0
    assert time.monotonic() - begun < PAPERS * SECONDS_A_PAPER_MAX
