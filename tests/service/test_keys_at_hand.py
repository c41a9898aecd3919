"""Every wrap names its key-encryption key, and each of those is at hand (store/key_wraps.py, service/belonging.py).

Only kek.1 was looked at: without a later one a start went well, and its customers read as erased.
"""

import asyncio
import os
from pathlib import Path

import pytest

from service.health import Health
from service.prepare import make_folders
from service.settings import load_settings_from
from store.key_encryption import KeyEncryptionKeys, KeyUnfit, load_keys
from tests.builders.content import content_directory
from tests.service.program import Program, environment, program
from tests.service.test_health import USUAL, connected
from tests.service.warm import Warm

SECOND, FOREIGN = "02" * 32, "0f" * 32
NOBODY = 65534


def write_key(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text + "\n")
    path.chmod(mode)


@pytest.fixture
def keys(archive: Program, warm: Warm) -> Path:
    """The key folder of an archive with a customer under kek.1 and one under kek.2."""
    folder = archive.settings.home / "keys"
    archive.letter("100234")
    write_key(folder / "kek.2", SECOND)
    with program(archive.settings.home, archive.url, warm) as again:
        again.letter("100235")
    assert archive.sql("select kek_version from keys.customer where customer_id = '100235'") == [(2,)]
    return folder


def spoil(folder: Path, what: str) -> str:
    """Do it, and return the sentence that is due."""
    kek = folder / "kek.2"
    match what:
        case "missing":
            kek.unlink()
            return f"{kek} is missing, and 1 customer needs it: put the copy of it back"
        case "foreign":
            write_key(kek, FOREIGN)
            return f"{kek} is not the key of this database, and 1 customer needs that one: put the copy of it back"
        case "truncated":
            write_key(kek, SECOND[:40])
            return f"{kek} is damaged, a kek file has 64 hex digits: put the copy of it back"
        case "file for all":
            kek.chmod(0o644)
            return f"others can use {kek} (mode 0644): chmod 600 {kek}"
        case "folder for all":
            folder.chmod(0o755)
            return f"others can use {folder} (mode 0755): chmod 700 {folder}"
    raise AssertionError(what)


@pytest.mark.parametrize("what", ["missing", "foreign", "truncated", "file for all", "folder for all"])
def test_a_key_that_is_not_as_it_must_be_refuses_starts_and_commands_in_a_sentence(
    archive: Program, keys: Path, what: str
) -> None:
    archive.run("config", "check")
    due = spoil(keys, what)
    for command in (["migrate"], ["tokens", "list"], ["adopt", "--yes"]):
        ended = archive.run(*command, code=1)
        assert ended.err == f"dossier: {due}\n"
    assert due in archive.run("config", "check", code=1).err.splitlines()
    assert not (keys / "kek.3").exists()


def test_one_damaged_wrap_of_many_refuses_nothing(archive: Program, keys: Path) -> None:
    """It is for `verify` to tell: the key is the right one as long as it opens another's."""
    archive.tamper("update keys.customer set wrapped = '' where customer_id = '100234'")
    archive.run("migrate")


def test_readyz_tells_of_keys_once_a_minute(archive: Program, keys: Path, tmp_path: Path) -> None:
    both = load_keys(keys)
    assert both is not None
    first = KeyEncryptionKeys({1: bytes.fromhex((keys / "kek.1").read_text())})

    def told(kek: KeyEncryptionKeys) -> Health:
        content = content_directory(tmp_path / "content")
        return Health(connected(archive.url), content, USUAL, kek=kek, keys_folder=keys, lapses_note=keys / "note")

    def part(health: Health) -> str:
        return asyncio.run(health.check_parts())["keys"]

    assert part(told(first)) == "keys/kek.2 is missing, and 1 customer needs it: put the copy of it back"
    running = told(both)
    assert part(running) == "ok"
    (keys / "kek.2").unlink()
    assert part(running) == "ok", "not looked at again within the minute"
    assert part(told(both)).startswith("ok, but the next start is refused: keys/kek.2 is missing")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_mounts_for_the_group_of_the_account_is_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_key(tmp_path / "kek.1", SECOND, 0o440)
    tmp_path.chmod(0o550)
    with pytest.raises(KeyUnfit, match="others can use"):
        load_keys(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    assert load_keys(tmp_path)
    (tmp_path / "kek.1").chmod(0o444)
    with pytest.raises(KeyUnfit, match="others can use"):
        load_keys(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_home_that_all_may_list_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As adduser makes it. What belongs to another account, or is root's, is left as it is."""
    home = tmp_path / "home"
    home.mkdir()
    settings = load_settings_from(environment(home))
    home.chmod(0o755)
    make_folders(settings)
    assert home.stat().st_mode & 0o777 == 0o755
    os.chown(home, NOBODY, NOBODY)
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    make_folders(settings)
    assert home.stat().st_mode & 0o777 == 0o700
