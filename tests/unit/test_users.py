"""Users and their passwords: what counts when, what is asked of a new one, and what a crash in between leaves."""

import re

import pytest

from domain.administration import DisableUser, User, UserAdded
from domain.refusals import FieldError, IllegalTransition, NotFound, Unauthenticated, ValidationFailed
from domain.users import PASSWORD_CHARACTERS_MAX, Users
from tests.builders.memory_passwords import MemoryUsers, a_user
from tests.builders.papers import a_caller

OWN = "correct horse battery"


@pytest.fixture
def desk() -> MemoryUsers:
    return MemoryUsers()


def added(desk: MemoryUsers, name: str = "j.smit") -> tuple[User, str]:
    """A user and the password for the first sign-in."""
    password = desk.users.add_user(a_user(name), a_caller())
    return known(desk, name), password


def known(desk: MemoryUsers, name: str = "j.smit") -> User:
    user = desk.archive.catalogues.load_administration().user_named(name)
    assert user is not None
    return user


def changed(desk: MemoryUsers, user: User, new: str = OWN, old: str | None = None) -> User:
    desk.users.change_password(user, old, new, a_caller())
    return known(desk, user.principal.name)


# -- one-time passwords -----------------------------------------------------------------------------------------------


def test_a_new_user_signs_in_with_the_password_that_was_printed(desk: MemoryUsers) -> None:
    user, password = added(desk)
    assert desk.users.authenticate_user("j.smit", password) == desk.users.authenticate_user("J.SMIT", password) == user
    assert desk.passwords.find_one_time([user.password]) == {user.password: True}


def test_a_one_time_password_can_be_typed_from_paper_and_is_like_no_other(desk: MemoryUsers) -> None:
    given = {added(desk, f"user-{n}")[1] for n in range(50)}
    assert len(given) == 50
    assert all(re.fullmatch(r"([a-hj-km-np-z2-9]{5}-){3}[a-hj-km-np-z2-9]{5}", password) for password in given)


def test_a_reset_password_takes_the_place_of_the_old_one(desk: MemoryUsers) -> None:
    user, _ = added(desk)
    changed(desk, user)
    password = desk.users.reset_password("j.smit", a_caller())
    assert desk.users.authenticate_user("j.smit", OWN) is None
    assert desk.users.authenticate_user("j.smit", password) == known(desk)
    assert [kept.once for kept in desk.passwords.kept.values()] == [True]


def test_of_a_refused_user_nothing_counts(desk: MemoryUsers) -> None:
    """The name was taken."""
    user, password = added(desk)
    with pytest.raises(ValidationFailed):
        desk.users.add_user(a_user("J.Smit"), a_caller())
    assert known(desk) == user
    assert desk.users.authenticate_user("j.smit", password) == user
    assert len(desk.log.topics(after=desk.begun_at)) == 1
    assert [*desk.passwords.kept] == [user.password], "nothing was stored for it"


# -- passwords of one's own -------------------------------------------------------------------------------------------


def test_a_password_of_ones_own_counts_from_now_on(desk: MemoryUsers) -> None:
    user, one_time = added(desk)
    now = changed(desk, user)
    assert desk.users.authenticate_user("j.smit", OWN) == now
    assert desk.users.authenticate_user("j.smit", one_time) is None
    assert desk.passwords.find_one_time([now.password]) == {now.password: False}
    assert [*desk.passwords.kept] == [now.password], "the others are forgotten"


def test_the_old_password_is_compared_where_it_is_asked(desk: MemoryUsers) -> None:
    user = changed(desk, added(desk)[0])
    with pytest.raises(FieldError) as wrong:
        desk.users.change_password(user, "not the old one", "another password", a_caller())
    assert wrong.value.field == "old"
    assert desk.users.authenticate_user("j.smit", OWN) == user
    assert changed(desk, user, "another password", OWN) == desk.users.authenticate_user("j.smit", "another password")


@pytest.mark.parametrize(
    ("new", "fits"),
    [
        ("x" * 11, False),
        ("x" * 12, True),
        ("ü" * 12, True),
        ("x" * PASSWORD_CHARACTERS_MAX, True),
        ("x" * (PASSWORD_CHARACTERS_MAX + 1), False),
        ("  twelve  and blanks  ", True),
        ("a.long.user.name", False),
        ("A.Long.USER.name", False),
    ],
)
def test_a_new_password_is_long_and_not_the_user_name_and_otherwise_as_one_likes(
    desk: MemoryUsers, new: str, fits: bool
) -> None:
    user, _ = added(desk, "a.long.user.name")
    if fits:
        assert desk.users.authenticate_user("a.long.user.name", new) is None
        assert changed(desk, user, new) == desk.users.authenticate_user("a.long.user.name", new)
    else:
        with pytest.raises(FieldError) as wrong:
            changed(desk, user, new)
        assert wrong.value.field == "new"
        assert known(desk, "a.long.user.name") == user


def test_a_new_password_is_not_the_one_that_counts(desk: MemoryUsers) -> None:
    """Above all not the one-time password, which somebody else knows."""
    user, one_time = added(desk)
    with pytest.raises(FieldError) as wrong:
        changed(desk, user, one_time)
    assert wrong.value.field == "new"


def test_the_least_length_is_a_setting(desk: MemoryUsers) -> None:
    user, _ = added(desk)
    strict = Users(
        catalogues=desk.archive.catalogues, ids=desk.ids, passwords=desk.passwords, password_characters_min=15
    )
    with pytest.raises(FieldError):
        strict.change_password(user, None, "x" * 14, a_caller())
    assert strict.change_password(user, None, "x" * 15, a_caller())


def test_who_was_reset_meanwhile_cannot_change_anything(desk: MemoryUsers) -> None:
    user, _ = added(desk)
    password = desk.users.reset_password("j.smit", a_caller())
    with pytest.raises(Unauthenticated):
        desk.users.change_password(user, None, OWN, a_caller())
    assert desk.users.authenticate_user("j.smit", password) == known(desk)


# -- disabled and back ------------------------------------------------------------------------------------------------


def test_a_disabled_user_does_not_come_in_and_nothing_of_a_password_is_kept(desk: MemoryUsers) -> None:
    _, password = added(desk)
    assert desk.users.disable_user("J.Smit", a_caller())
    assert desk.users.authenticate_user("j.smit", password) is None
    assert desk.passwords.kept == {}
    assert not desk.users.disable_user("j.smit", a_caller())
    with pytest.raises(IllegalTransition):
        desk.users.reset_password("j.smit", a_caller())


def test_a_user_comes_back_with_a_new_one_time_password(desk: MemoryUsers) -> None:
    _, first = added(desk)
    assert desk.users.enable_user("j.smit", a_caller()) is None, "it is not disabled"
    assert desk.users.authenticate_user("j.smit", first) is not None
    assert len(desk.passwords.kept) == 1, "no other was stored"
    desk.users.disable_user("j.smit", a_caller())
    password = desk.users.enable_user("j.smit", a_caller())
    assert password is not None
    assert desk.users.authenticate_user("j.smit", password) == known(desk)
    assert desk.users.authenticate_user("j.smit", first) is None


def test_who_is_nobody_cannot_be_reset_disabled_or_enabled(desk: MemoryUsers) -> None:
    for step in (desk.users.reset_password, desk.users.disable_user, desk.users.enable_user):
        with pytest.raises(NotFound):
            step("nobody", a_caller())
    assert desk.passwords.kept == {}


# -- sign-in ----------------------------------------------------------------------------------------------------------


def test_every_sign_in_compares_one_password_also_for_who_is_nobody(desk: MemoryUsers) -> None:
    """So that the time tells nobody which names there are."""
    user, password = added(desk)
    added(desk, "gone")
    desk.users.disable_user("gone", a_caller())
    desk.passwords.compared.clear()
    for name, typed in (("j.smit", password), ("j.smit", "wrong"), ("gone", password), ("nobody", password), ("", "")):
        desk.users.authenticate_user(name, typed)
    assert desk.passwords.compared == [user.password, user.password, None, None, None]


# -- a crash in between -----------------------------------------------------------------------------------------------


def test_a_password_that_no_event_names_lets_nobody_in(desk: MemoryUsers) -> None:
    """The program ended between the two."""
    user, password = added(desk)
    desk.passwords.put(desk.ids.new(), "j.smit", "stored before the crash", once=True)
    assert desk.users.authenticate_user("j.smit", "stored before the crash") is None
    assert desk.users.authenticate_user("j.smit", password) == user


def test_a_password_that_was_not_forgotten_yet_lets_nobody_in(desk: MemoryUsers) -> None:
    """The program ended right behind the event."""
    user, password = added(desk)
    desk.archive.catalogues.administer(DisableUser("j.smit"), a_caller())
    assert user.password in desk.passwords.kept
    assert desk.users.authenticate_user("j.smit", password) is None


def test_no_event_holds_a_password(desk: MemoryUsers) -> None:
    _, password = added(desk)
    (event,) = (e.body for e in desk.log.load(desk.archive.ports.log.load_topics(["user-added.v1"])[0].originator_id))
    assert isinstance(event, UserAdded)
    assert password not in repr(event)
