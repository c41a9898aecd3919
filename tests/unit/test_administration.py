"""Rules of tokens: given events, when a command, then events or a refusal."""

from typing import Any

import pytest

from domain.access import Role
from domain.administration import Administration, CreateToken, RevokeToken, TokenCreated, TokenRevoked, decide, fold
from domain.refusals import NotFound, ValidationFailed
from domain.values import Sensitivity


def creating(name: str = "kiosk", **changes: Any) -> CreateToken:
    usual: dict[str, Any] = {"name": name, "digest": b"digest of " + name.encode(), "role": Role.STAFF}
    return CreateToken(**usual | changes)


def given(*commands: CreateToken | RevokeToken) -> Administration:
    events: list[TokenCreated | TokenRevoked] = []
    for command in commands:
        events += decide(fold(events), command)
    return fold(events)


def test_a_token_is_found_by_its_digest() -> None:
    state = given(creating(branch="WEST", own_branch_only=True))
    principal = state.by_digest()[b"digest of kiosk"]
    assert (principal.name, principal.role, principal.branch) == ("kiosk", Role.STAFF, "WEST")
    assert principal.own_branch_only
    assert state.version == 1


def test_grant_and_without_change_what_the_role_sees() -> None:
    state = given(creating(granted=(Sensitivity.HEALTH,), without=(Sensitivity.IDENTITY,), role=Role.VIEWER))
    assert state.tokens["kiosk"].principal.sensitivities == {
        Sensitivity.ORDINARY,
        Sensitivity.FINANCIAL,
        Sensitivity.HEALTH,
    }


def test_a_revoked_token_is_found_no_more() -> None:
    assert given(creating(), RevokeToken("kiosk")).by_digest() == {}


def test_one_token_revoked_leaves_the_others() -> None:
    state = given(creating("one"), creating("two"), RevokeToken("one"))
    assert [p.name for p in state.by_digest().values()] == ["two"]


def test_a_name_is_given_once_also_after_it_was_revoked() -> None:
    for state in (given(creating()), given(creating(), RevokeToken("kiosk"))):
        with pytest.raises(ValidationFailed) as refused:
            decide(state, creating())
        assert [e.pointer for e in refused.value.errors] == ["/name"]


def test_revoking_twice_changes_nothing() -> None:
    assert decide(given(creating(), RevokeToken("kiosk")), RevokeToken("kiosk")) == []


def test_an_unknown_token_cannot_be_revoked() -> None:
    with pytest.raises(NotFound):
        decide(given(), RevokeToken("kiosk"))


def test_reading_the_own_branch_only_needs_a_branch() -> None:
    with pytest.raises(ValidationFailed) as refused:
        decide(given(), creating(own_branch_only=True))
    assert [e.pointer for e in refused.value.errors] == ["/branch"]
