"""What is said of a failure that a driver tells: its reason, never its text, which names logins, hosts and values."""

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import PoolTimeout

from service.causes import cause_of
from service.settings import describe_unknown_names
from store.pools import limit_connect_time

TOLD = {
    'connection failed: FATAL:  password authentication failed for user "j.smit"': "refuses the password",
    'FATAL:  database "library" does not exist': "no such database",
    'FATAL:  role "j.smit" does not exist': "the login does not exist",
    "FATAL:  unsupported startup parameter: options": "connect directly",
    "FATAL:  sorry, too many clients already": "no free connection",
    'could not translate host name "j.smit" to address': "its host is not known",
    "consuming input failed: server closed the connection unexpectedly": "the connection was cut",
}


@pytest.mark.parametrize("text", TOLD)
def test_a_reason_is_told_and_no_name(text: str) -> None:
    told = cause_of(psycopg.OperationalError(text))
    assert TOLD[text] in told
    assert "smit" not in told
    assert "library" not in told


def test_what_is_not_recognized_is_told_by_its_type() -> None:
    assert cause_of(ValueError("Jan Smit")) == "ValueError"
    assert cause_of(psycopg.errors.UniqueViolation("Jan Smit")) == "UniqueViolation (23505)"
    assert cause_of(PoolTimeout("pool-1")) == "no connection became free in time"
    assert cause_of(OSError(28, "No space left on device", "/home/j.smit")) == "No space left on device"


def test_a_mistyped_setting_in_the_environment_is_told() -> None:
    """L6: in the file it was refused, in the environment nobody heard of it."""
    told = describe_unknown_names({"DOSSIER_PROT": "9", "DOSSIER_PORT": "8", "DOSSIER_CONFIG": "x", "HOME": "/"})
    assert told == ["DOSSIER_PROT is ignored: there is no such setting; did you mean DOSSIER_PORT?"]


def test_an_attempt_to_connect_has_a_limit_unless_the_address_has_one() -> None:
    """psycopg's own are 130 s: a failover then took a worker away for two minutes."""
    assert conninfo_to_dict(limit_connect_time("postgresql://a:b@h1,h2/x"))["connect_timeout"] == "10"
    assert limit_connect_time("postgresql://h/x?connect_timeout=3") == "postgresql://h/x?connect_timeout=3"
