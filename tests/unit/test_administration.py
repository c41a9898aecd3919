"""Rules of tokens and users: given events, when a command, then events or a refusal."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from domain.access import Role
from domain.administration import (
    AddUser,
    Administration,
    AdministrationEvent,
    ChangePassword,
    Command,
    CreateToken,
    DisableUser,
    EnableUser,
    NewUser,
    ResetPassword,
    RevokeToken,
    User,
    UserDisabled,
    UserEnabled,
    UserPasswordChanged,
    UserPasswordReset,
    decide,
    fold,
)
from domain.refusals import IllegalTransition, NotFound, Unauthenticated, ValidationFailed
from domain.values import Sensitivity

FIRST, SECOND, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)


def creating(name: str = "kiosk", **changes: Any) -> CreateToken:
    usual: dict[str, Any] = {"name": name, "digest": b"digest of " + name.encode(), "role": Role.STAFF}
    return CreateToken(**usual | changes)


def adding(name: str = "j.smit", password: UUID = FIRST, **changes: Any) -> AddUser:
    return AddUser(NewUser(**{"name": name, "role": Role.STAFF, **changes}), password)


def given(*commands: Command) -> Administration:
    events: list[AdministrationEvent] = []
    for command in commands:
        events += decide(fold(events), command)
    return fold(events)


def refused(state: Administration, command: Command) -> Sequence[str]:
    """The fields that are wrong."""
    with pytest.raises(ValidationFailed) as wrong:
        decide(state, command)
    return [error.field for error in wrong.value.errors]


# -- tokens -----------------------------------------------------------------------------------------------------------


def test_a_token_is_found_by_its_digest() -> None:
    state = given(creating(branch="WEST", own_branch_only=True))
    principal = state.by_digest()[b"digest of kiosk"]
    assert (principal.name, principal.role, principal.branch) == ("kiosk", Role.STAFF, "WEST")
    assert principal.own_branch_only
    assert state.version == 1


def test_grant_and_without_change_what_the_role_sees() -> None:
    rights: dict[str, Any] = {"granted": (Sensitivity.HEALTH,), "without": (Sensitivity.IDENTITY,)}
    state = given(creating(role=Role.VIEWER, **rights), adding(role=Role.VIEWER, **rights))
    sees = {Sensitivity.ORDINARY, Sensitivity.FINANCIAL, Sensitivity.HEALTH}
    assert state.tokens["kiosk"].principal.sensitivities == known(state).principal.sensitivities == sees


def test_a_revoked_token_is_found_no_more() -> None:
    assert given(creating(), RevokeToken("kiosk")).by_digest() == {}


def test_one_token_revoked_leaves_the_others() -> None:
    state = given(creating("one"), creating("two"), RevokeToken("one"))
    assert [p.name for p in state.by_digest().values()] == ["two"]


def test_revoking_twice_changes_nothing() -> None:
    assert decide(given(creating(), RevokeToken("kiosk")), RevokeToken("kiosk")) == []


def test_an_unknown_token_cannot_be_revoked() -> None:
    with pytest.raises(NotFound):
        decide(given(adding("kiosk")), RevokeToken("kiosk"))


# -- names and rights -------------------------------------------------------------------------------------------------

ENDED = ([creating()], [creating(), RevokeToken("kiosk")], [adding("kiosk")], [adding("kiosk"), DisableUser("kiosk")])


@pytest.mark.parametrize("before", ENDED, ids=["token", "revoked token", "user", "disabled user"])
@pytest.mark.parametrize("name", ["kiosk", "Kiosk", "ＫＩＯＳＫ"])
def test_a_name_means_one_caller_for_ever_however_it_is_written(before: list[Command], name: str) -> None:
    assert refused(given(*before), creating(name)) == refused(given(*before), adding(name)) == ["name"]


@pytest.mark.parametrize("name", ["system", "System", "unknown", "cli:root"])
def test_a_name_of_the_archive_itself_is_given_to_nobody(name: str) -> None:
    assert refused(given(), creating(name)) == refused(given(), adding(name)) == ["name"]


def test_reading_the_own_branch_only_needs_a_branch() -> None:
    for command in (creating(own_branch_only=True), adding(own_branch_only=True)):
        assert refused(given(), command) == ["branch"]


# -- users ------------------------------------------------------------------------------------------------------------


def known(state: Administration, name: str = "j.smit") -> User:
    user = state.user_named(name)
    assert user is not None
    return user


def test_a_user_has_its_rights_and_the_password_that_counts() -> None:
    user = known(given(adding(role=Role.SUPERVISOR, branch="WEST", own_branch_only=True)), "J.Smit")
    assert (user.principal.name, user.principal.role, user.principal.branch) == ("j.smit", Role.SUPERVISOR, "WEST")
    assert user.principal.own_branch_only
    assert (user.password, user.disabled) == (FIRST, False)


def test_a_user_is_no_token() -> None:
    assert given(adding()).by_digest() == {}


def test_what_happens_to_a_user_keeps_its_name_as_it_was_given() -> None:
    state = given(adding())
    assert decide(state, ResetPassword("J.SMIT", SECOND)) == [UserPasswordReset(name="j.smit", password=SECOND)]
    assert decide(state, DisableUser("J.Smit")) == [UserDisabled(name="j.smit")]


def test_a_new_password_takes_the_place_of_the_one_before() -> None:
    state = given(adding(), ResetPassword("j.smit", SECOND), ChangePassword("j.smit", SECOND, THIRD))
    assert known(state).password == THIRD
    changing = ChangePassword("j.smit", THIRD, FIRST)
    assert decide(state, changing) == [UserPasswordChanged(name="j.smit", password=FIRST)]


def test_who_knows_a_password_that_counts_no_more_cannot_change_it() -> None:
    """Two windows at once, or somebody whose password was reset meanwhile."""
    for state in (given(adding(), ResetPassword("j.smit", SECOND)), given(adding(), DisableUser("j.smit"))):
        with pytest.raises(Unauthenticated):
            decide(state, ChangePassword("j.smit", FIRST, THIRD))


def test_a_disabled_user_comes_back_with_another_password() -> None:
    state = given(adding(), DisableUser("j.smit"))
    assert known(state).disabled
    with pytest.raises(IllegalTransition):
        decide(state, ResetPassword("j.smit", SECOND))
    assert decide(state, EnableUser("j.smit", SECOND)) == [UserEnabled(name="j.smit", password=SECOND)]
    back = known(given(adding(), DisableUser("j.smit"), EnableUser("j.smit", SECOND)))
    assert (back.disabled, back.password) == (False, SECOND)


def test_what_is_so_already_changes_nothing() -> None:
    assert decide(given(adding()), EnableUser("j.smit", SECOND)) == []
    assert decide(given(adding(), DisableUser("j.smit")), DisableUser("j.smit")) == []


def test_nothing_happens_to_who_was_never_added() -> None:
    commands = (ResetPassword("k", FIRST), ChangePassword("k", FIRST, SECOND), DisableUser("k"), EnableUser("k", FIRST))
    for command in commands:
        with pytest.raises(NotFound):
            decide(given(creating("k")), command)


def test_one_user_leaves_the_others_and_the_tokens_alone() -> None:
    state = given(creating(), adding("one"), adding("two"), DisableUser("one"))
    assert (known(state, "one").disabled, known(state, "two").disabled) == (True, False)
    assert [p.name for p in state.by_digest().values()] == ["kiosk"]


def test_what_was_folded_before_is_gone_on_from_and_stays_as_it_was() -> None:
    events = [*decide(Administration(), creating()), *decide(Administration(), adding())]
    events += decide(fold(events), DisableUser("j.smit"))
    for cut in range(len(events) + 1):
        first = fold(events[:cut])
        assert fold(events[cut:], first) == fold(events)
        assert first == fold(events[:cut])
