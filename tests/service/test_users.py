"""`dossier users`: a one-time password is shown once, kept as a hash, and whoever loses it is out at once."""

import re
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest

from domain.access import Role
from domain.administration import CreateToken, User
from service import exits
from service.prepare import make_first_user, system_caller
from service.settings import load_settings_from
from tests.builders.memory_passwords import MemoryUsers
from tests.builders.papers import a_caller
from tests.service.program import Ended, Program

ONE_TIME = re.compile(r"([a-z2-9]{5}-){3}[a-z2-9]{5}\n")
OWN = "correct horse battery"


def signed_in(archive: Program, name: str, password: str) -> User | None:
    return archive.store.users(archive.archive).authenticate_user(name, password)


def added(archive: Program, name: str = "j.smit", *rights: str) -> str:
    """The password that the command printed."""
    return archive.run("users", "add", name, "--role", "staff", *rights).out.strip()


def sessions(archive: Program) -> int:
    [(count,)] = archive.sql("select count(*) from staff.session")
    return int(count)


def begin_session(archive: Program, user: User) -> None:
    archive.sql(
        "insert into staff.session (key, user_name, password, by) values ('k', %s, %s, 'password')",
        user.principal.name,
        user.password,
    )


def test_a_one_time_password_stands_alone_on_stdout_and_opens_the_archive(archive: Program) -> None:
    ended = archive.run("users", "add", "j.smit", "--role", "supervisor")
    assert ONE_TIME.fullmatch(ended.out)
    assert ended.err == ""
    user = signed_in(archive, "j.smit", ended.out.strip())
    assert user is not None
    assert (user.principal.name, user.principal.role) == ("j.smit", "supervisor")


def test_the_password_itself_is_kept_nowhere(archive: Program) -> None:
    password = added(archive).encode()
    stored = [bytes(state) for (state,) in archive.sql("select state from archive.archive_events")]
    stored += [row.encode() for (row,) in archive.sql("select row_to_json(p)::text from staff.password as p")]
    assert not [state for state in stored if password in state]
    assert not [p for p in Path(archive.settings.home).rglob("*") if p.is_file() and password in p.read_bytes()]
    assert password.decode() not in archive.run("users", "list", "--json").out
    assert password.decode() not in archive.run("events", "export", "--open").out


def test_the_list_tells_rights_and_what_becomes_of_a_password(archive: Program) -> None:
    rights = ["--branch", "WEST", "--own-branch-only", "--grant", "health", "--without", "financial"]
    archive.run("users", "add", "west", "--role", "viewer", *rights)
    user = signed_in(archive, "own", added(archive, "own"))
    assert user is not None
    archive.store.users(archive.archive).change_password(user, None, OWN, system_caller(archive.settings))
    added(archive, "gone")
    archive.run("users", "disable", "gone")
    listed = {item["name"]: item for item in archive.run("users", "list", "--json").json["items"]}
    assert listed["west"] == {
        "name": "west",
        "role": "viewer",
        "branch": "WEST",
        "own_branch_only": True,
        "sensitivities": ["health", "ordinary"],
        "state": "one-time password",
        "subject": None,
    }
    states = {name: item["state"] for name, item in listed.items()}
    assert states == {"admin": "one-time password", "west": "one-time password", "own": "active", "gone": "disabled"}


@pytest.mark.parametrize("name", ["J.Smit", "admin", "Operator"])
def test_a_name_that_is_taken_is_a_conflict(archive: Program, name: str) -> None:
    added(archive)
    before = archive.store.log.last_position()
    ended = archive.run("users", "add", name, "--role", "viewer", code=exits.CONFLICT)
    assert "a token or user of this name exists" in ended.err
    assert archive.store.log.last_position() == before


@pytest.mark.parametrize(
    "command",
    [
        ("users", "reset", "nobody"),
        ("tokens", "revoke", "none", "--yes"),
        ("projection", "rebuild", "nosuch"),
        ("projection", "back", "nosuch"),
    ],
)
def test_a_command_says_that_a_name_is_unknown_in_words_of_its_own(archive: Program, command: tuple[str, ...]) -> None:
    """Not in those of a reader with rights."""
    assert "for you to see" not in archive.run(*command, code=exits.NOT_FOUND).err


def test_a_reset_prints_a_new_password_and_ends_the_old_one_and_all_sessions(archive: Program) -> None:
    first = added(archive)
    user = signed_in(archive, "j.smit", first)
    assert user is not None
    begin_session(archive, user)
    ended = archive.run("users", "reset", "J.Smit")
    assert ONE_TIME.fullmatch(ended.out)
    assert signed_in(archive, "j.smit", first) is None
    assert signed_in(archive, "j.smit", ended.out.strip()) is not None
    assert sessions(archive) == 0


def test_a_disabled_user_is_out_until_it_is_enabled_with_another_password(archive: Program) -> None:
    first = added(archive)
    user = signed_in(archive, "j.smit", first)
    assert user is not None
    begin_session(archive, user)
    assert archive.run("users", "disable", "j.smit").out == ""
    assert (signed_in(archive, "j.smit", first), sessions(archive)) == (None, 0)
    assert "already disabled" in archive.run("users", "disable", "j.smit", "--yes").err
    assert archive.run("users", "reset", "j.smit", code=5).out == ""
    password = archive.run("users", "enable", "j.smit").out.strip()
    assert signed_in(archive, "j.smit", password) is not None
    assert signed_in(archive, "j.smit", first) is None
    assert archive.run("users", "enable", "j.smit", code=5).out == ""
    assert signed_in(archive, "j.smit", password) is not None, "nothing was changed"


@pytest.mark.parametrize(("first", "second"), [("change", "reset"), ("disable", "enable")])
def test_of_two_at_once_the_password_of_the_last_one_counts(
    archive: Program, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    """The first is between its event and the hashes that it forgets when the second comes."""
    user = signed_in(archive, "j.smit", added(archive))
    assert user is not None
    users, caller = archive.store.users(archive.archive), system_caller(archive.settings)
    keep_only = users.passwords.keep_only
    begun: list[Future[Ended]] = []

    def late(name: str, password: UUID | None) -> None:
        begun.append(threads.submit(archive.run, "users", second, "J.Smit"))
        wait_until_done_or_waiting(archive, begun[0])
        keep_only(name, password)

    monkeypatch.setattr(users.passwords, "keep_only", late)
    with ThreadPoolExecutor(1) as threads:
        if first == "change":
            users.change_password(user, None, OWN, caller)
        else:
            users.disable_user("j.smit", caller)
    assert signed_in(archive, "j.smit", begun[0].result().out.strip()) is not None


def wait_until_done_or_waiting(archive: Program, ended: Future[Ended]) -> None:
    deadline = time.monotonic() + 20
    while not ended.done() and time.monotonic() < deadline:
        if archive.sql("select 1 from pg_locks where locktype = 'advisory' and not granted"):
            return
        time.sleep(0.02)
    assert ended.done(), "it neither ended nor waited"


def test_a_user_who_was_never_added_is_not_found(filled: Program) -> None:
    for verb in ("reset", "disable", "enable"):
        assert filled.run("users", verb, "nobody", code=3).out == ""


@pytest.mark.parametrize(
    "wrong",
    [
        ["a name with blanks", "--role", "viewer"],
        ["j.smit"],
        ["j.smit", "--role", "king"],
        ["j.smit", "--role", "viewer", "--own-branch-only"],
        ["j.smit", "--role", "viewer", "--branch", "not a branch"],
        ["j.smit", "--role", "viewer", "--grant", "secret"],
        ["j.smit", "--role", "viewer", "--actor", "has blanks"],
        ["system", "--role", "viewer"],
    ],
)
def test_who_cannot_be_a_user_is_refused_and_nothing_is_written(filled: Program, wrong: list[str]) -> None:
    before, stored = filled.store.log.last_position(), filled.sql("select id from staff.password order by id")
    assert filled.run("users", "add", *wrong, code=2).out == ""
    assert filled.store.log.last_position() == before
    assert filled.sql("select id from staff.password order by id") == stored


def test_the_log_tells_who_did_it_and_where(archive: Program) -> None:
    added(archive)
    archive.run("users", "reset", "j.smit", "--actor", "k.visser")
    archive.run("users", "disable", "j.smit", "--actor", "k.visser", "--branch", "WEST")
    told = [(e["actor"], e["branch"]) for e in archive.run("events", "tail", "--limit", "3", "--json").lines]
    assert told[0][0].startswith("cli:")
    assert [branch for _, branch in told] == ["MAIN", "MAIN", "WEST"]
    assert [actor for actor, _ in told[1:]] == ["k.visser", "k.visser"]


# -- the first user ---------------------------------------------------------------------------------------------------


def test_the_first_start_made_an_operator_whose_password_lies_in_home(archive: Program) -> None:
    path = archive.settings.home / "admin.password"
    assert path.stat().st_mode & 0o777 == 0o600
    user = signed_in(archive, "admin", path.read_text().removesuffix("\n"))
    assert user is not None
    assert user.principal.role == "operator"


def test_a_second_start_makes_no_other_and_leaves_the_file(archive: Program) -> None:
    path = archive.settings.home / "admin.password"
    password = path.read_text()
    archive.run("migrate")
    assert path.read_text() == password
    archive.run("users", "disable", "admin")
    archive.run("migrate")
    assert [item["name"] for item in archive.run("users", "list", "--json").json["items"]] == ["admin"]


@pytest.mark.parametrize(("verb", "name"), [("reset", "admin"), ("disable", "admin"), ("reset", "Admin")])
def test_the_file_goes_when_its_password_counts_no_more(archive: Program, verb: str, name: str) -> None:
    archive.run("users", "add", "other", "--role", "operator")
    archive.run("users", verb, "other")
    assert (archive.settings.home / "admin.password").exists()
    archive.run("users", verb, name)
    assert not (archive.settings.home / "admin.password").exists()


def test_where_a_token_has_the_name_no_first_user_is_made(tmp_path: Path) -> None:
    """An archive of an earlier release, whose operator then adds one of another name."""
    desk = MemoryUsers()
    desk.archive.catalogues.administer(CreateToken(name="Admin", digest=b"d", role=Role.OPERATOR), a_caller())
    settings = load_settings_from({"DOSSIER_HOME": str(tmp_path)})
    assert make_first_user(settings, desk.users, a_caller()) == []
    assert desk.archive.catalogues.load_administration().users == {}
    assert [*tmp_path.iterdir()] == []
