"""`dossier tokens`: shown once, kept as a digest, ended for good."""

from pathlib import Path

import pytest

from domain.access import Role, Verb, may
from service.wiring import Store
from tests.service.program import Program


def principal_of(store: Store, token: str) -> object:
    digest = store.keys.keyed_digest("token", token.encode())
    return store.archive().catalogues.load_administration().by_digest().get(digest)


def test_a_new_token_stands_alone_on_stdout_and_opens_the_archive(archive: Program) -> None:
    ended = archive.run("tokens", "create", "kiosk", "--role", "viewer")
    token = ended.out.removesuffix("\n")
    assert len(token) >= 43
    assert token.split() == [token]
    assert ended.err == ""
    principal = archive.archive.catalogues.load_administration().by_digest()[
        archive.store.keys.keyed_digest("token", token.encode())
    ]
    assert (principal.name, principal.role) == ("kiosk", Role.VIEWER)
    assert may(principal, Verb.DOCUMENTS_READ)


def test_the_token_itself_is_kept_nowhere(archive: Program) -> None:
    token = archive.run("tokens", "create", "kiosk", "--role", "viewer").out.strip().encode()
    stored = [bytes(state) for (state,) in archive.sql("select state from archive.archive_events")]
    assert not [state for state in stored if token in state]
    assert not [p for p in Path(archive.settings.home).rglob("*") if p.is_file() and token in p.read_bytes()]
    assert token.decode() not in archive.run("tokens", "list", "--json").out
    assert token.decode() not in archive.run("events", "export", "--open").out


def test_branch_and_sensitivities_are_those_that_were_asked_for(archive: Program) -> None:
    rights = ["--branch", "WEST", "--own-branch-only", "--grant", "health", "--without", "financial"]
    archive.run("tokens", "create", "west", "--role", "viewer", *rights)
    listed = archive.run("tokens", "list", "--json").json["items"][-1]
    assert listed == {
        "name": "west",
        "role": "viewer",
        "branch": "WEST",
        "own_branch_only": True,
        "sensitivities": ["health", "ordinary"],
        "revoked": False,
    }


def test_a_revoked_token_opens_nothing_and_its_name_is_never_given_again(archive: Program) -> None:
    token = archive.run("tokens", "create", "kiosk", "--role", "viewer").out.strip()
    assert archive.run("tokens", "revoke", "kiosk").out == ""
    assert principal_of(archive.store, token) is None
    assert archive.run("tokens", "list", "--json").json["items"][-1]["revoked"] is True
    assert "already revoked" in archive.run("tokens", "revoke", "kiosk", "--yes").err
    again = archive.run("tokens", "create", "kiosk", "--role", "viewer", code=5)
    assert (again.out, again.err.count("name:")) == ("", 1)


def test_a_token_that_was_never_made_is_not_found(filled: Program) -> None:
    assert filled.run("tokens", "revoke", "nobody", code=3).out == ""


@pytest.mark.parametrize(
    "wrong",
    [
        ["a name with blanks", "--role", "viewer"],
        ["kiosk", "--role", "viewer", "--own-branch-only"],
        ["kiosk", "--role", "viewer", "--branch", "not a branch"],
        ["kiosk", "--role", "viewer", "--grant", "secret"],
        ["kiosk", "--role", "viewer", "--actor", "has blanks"],
    ],
    ids=["name", "own branch without a branch", "branch", "sensitivity", "actor"],
)
def test_what_cannot_be_a_token_is_refused_before_anything_is_written(filled: Program, wrong: list[str]) -> None:
    before = filled.store.log.last_position()
    assert filled.run("tokens", "create", *wrong, code=2).out == ""
    assert filled.store.log.last_position() == before


def test_the_log_tells_who_made_a_token_and_where(archive: Program) -> None:
    archive.run("tokens", "create", "one", "--role", "viewer")
    archive.run("tokens", "create", "two", "--role", "viewer", "--actor", "j.smit")
    archive.run("tokens", "revoke", "two", "--actor", "j.smit", "--branch", "WEST")
    told = [(e["actor"], e["branch"]) for e in archive.run("events", "tail", "--limit", "3", "--json").lines]
    assert told[0][0].startswith("cli:")
    assert [branch for _, branch in told] == ["MAIN", "MAIN", "WEST"]
    assert told[1:] == [("j.smit", "MAIN"), ("j.smit", "WEST")]
