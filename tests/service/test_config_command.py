"""`dossier config check`: every setting with its origin, secrets masked, mistakes told all at once."""

from pathlib import Path

from service.settings import all_settings, mask_address
from tests.service.program import Ended, Program, a_stranger, environment
from tests.service.warm import Warm


def check(warm: Warm, env: dict[str, str], *options: str) -> Ended:
    return Ended(*warm.run(["config", "check", *options], env))


def test_every_setting_is_shown_with_its_value_and_its_origin(warm: Warm, tmp_path: Path) -> None:
    file = tmp_path / "dossier.toml"
    file.write_text('DOSSIER_BRANCH = "WEST"\nDOSSIER_PORT = 8081\nDOSSIER_HOSTS = ["a.example", "b.example"]\n')
    env = environment(tmp_path / "home", DOSSIER_CONFIG=str(file), DOSSIER_PORT="8082")
    ended = check(warm, env, "--json")
    assert ended.code == 0
    items = {i["name"]: i for i in ended.json["items"]}
    assert set(items) == {setting.name for setting in all_settings()}
    assert (items["DOSSIER_PORT"]["value"], items["DOSSIER_PORT"]["origin"]) == ("8082", "environment")
    assert (items["DOSSIER_BRANCH"]["value"], items["DOSSIER_BRANCH"]["origin"]) == ("WEST", "file")
    assert "a.example" in items["DOSSIER_HOSTS"]["value"]
    assert "[" not in items["DOSSIER_HOSTS"]["value"], "a list of the file is one with commas"
    assert (items["DOSSIER_WORKERS"]["value"], items["DOSSIER_WORKERS"]["origin"]) == ("2", "default")
    assert not (tmp_path / "home").exists()


def test_all_mistakes_are_told_at_once_and_the_exit_code_is_one(warm: Warm, tmp_path: Path) -> None:
    file = tmp_path / "dossier.toml"
    file.write_text('DOSSIER_BRNCH = "WEST"\n')
    wrong = {"DOSSIER_PORT": "http", "DOSSIER_TIMEZONE": "Mars/Base", "DOSSIER_CONTENT_URL": "ftp://somewhere"}
    wrong |= {"DOSSIER_QUEUE_WAIT_SECONDS": "nan", "DOSSIER_MIN_POSITION_WAIT_SECONDS": "inf"}
    wrong |= {"DOSSIER_TRUSTED_PROXIES": "10.0.0.0/8, nginx", "DOSSIER_OIDC_ROLE": "king"}
    wrong |= {"DOSSIER_OIDC_ISSUER": "http://elsewhere.example"}  # not HTTPS, and not this machine
    ended = check(warm, environment(tmp_path, DOSSIER_CONFIG=str(file), **wrong))
    assert ended.code == 1
    for name in (*wrong, "DOSSIER_BRNCH"):
        assert f"{name}: " in ended.err
    assert "DOSSIER_BRANCH" in ended.out


def test_a_file_that_is_no_toml_is_told(warm: Warm, tmp_path: Path) -> None:
    file = tmp_path / "dossier.toml"
    file.write_text("= what?")
    ended = check(warm, environment(tmp_path, DOSSIER_CONFIG=str(file)))
    assert (ended.code, ended.out) == (1, "")
    assert str(file) in ended.err


def test_an_identity_provider_needs_its_client_and_the_secret_is_never_shown(warm: Warm, tmp_path: Path) -> None:
    provider = {"DOSSIER_OIDC_ISSUER": "https://id.example", "DOSSIER_OIDC_CLIENT_ID": "dossier"}
    ended = check(warm, environment(tmp_path, **provider))
    assert (ended.code, "DOSSIER_OIDC_ISSUER: needs DOSSIER_OIDC_CLIENT_ID" in ended.err) == (1, True)
    for secret in ("se cret", "host=se cret", "https://se cret"):
        ended = check(warm, environment(tmp_path, DOSSIER_OIDC_CLIENT_SECRET=secret, **provider), "--json")
        assert (ended.code, "cret" in ended.out) == (0, False)


def test_a_password_is_masked_however_it_is_written() -> None:
    for address in (
        "postgresql://archivist:se%40cret@db/dossier",
        "postgresql://archivist@db/dossier?password=se%40cret&sslpassword=other-cret",
        "host=db user=archivist password=se@cret",
        "not an address at all se@cret",
    ):
        shown = mask_address(address)
        assert "cret" not in shown, shown
        assert "***" in shown


def test_a_database_that_does_not_answer_is_told_without_its_password(warm: Warm, tmp_path: Path) -> None:
    url = f"postgresql://archivist:secret-word@/dossier?host={tmp_path}"
    ended = check(warm, environment(tmp_path, url))
    assert ended.code == 1
    assert "does not answer" in ended.err
    assert "secret-word" not in ended.err + ended.out


def test_roles_that_the_login_may_act_as_are_told(filled: Program) -> None:
    ended = filled.run("config", "check", "--json")
    assert ended.json["database"]["roles"] == {"dossier_app": True, "dossier_projector": True}
    assert ended.err == ""


def test_a_login_without_the_roles_is_told_that_the_triggers_stand_alone(archive: Program, warm: Warm) -> None:
    url = a_stranger(archive)
    ended = check(warm, environment(archive.settings.home, url))
    assert ended.code == 0
    assert ended.err.count("may not act as the role") == 2
