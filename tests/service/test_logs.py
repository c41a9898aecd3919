"""What the parts of a running archive say by `logging` is JSON, a line each, and quotes nothing (service/logs.py)."""

import json
import logging
import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from service import logs


@pytest.fixture
def root() -> Iterator[None]:
    """The root logger as it was, afterwards: pytest has handlers of its own there."""
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    root.handlers.clear()
    logs.begin_logging()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.usefixtures("root")
def test_what_the_follower_says_is_a_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("dossier.projections").error("view %s parked %s", "audit_history", "document-archived.v1")

    [line] = lines(capsys)
    assert line.keys() == {"time", "level", "part", "pid", "message"}
    assert (line["part"], line["pid"]) == ("serve", os.getpid())
    assert (line["level"], line["message"]) == ("error", "view audit_history parked document-archived.v1")


@pytest.mark.usefixtures("root")
def test_an_exception_is_told_by_its_type_alone(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("Jan Smit")
    except ValueError:
        logging.getLogger("paper.pool").warning("a child ended", exc_info=True)

    assert [line["message"] for line in lines(capsys)] == ["a child ended: ValueError"]


@pytest.mark.usefixtures("root")
def test_a_library_s_message_is_told_without_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <Task ValueError('Jan Smit')>")
    logging.getLogger("library.pool").warning("error connecting in %r: %s", "pool-1", "Jan Smit")

    assert [line["message"] for line in lines(capsys)] == [
        "asyncio: Task exception was never retrieved",
        "library.pool: error connecting in …: …",
    ]


@pytest.mark.usefixtures("root")
def test_numbers_and_signals_of_a_library_are_told_and_the_reasons_of_its_errors(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """M3: which worker was killed, and by what, stood nowhere."""
    gunicorn = logging.getLogger("gunicorn.error")
    monkeypatch.setattr(gunicorn, "propagate", True)  # gunicorn ends it in a process in which it was configured
    monkeypatch.setattr(gunicorn, "handlers", [])
    monkeypatch.setattr(gunicorn, "level", logging.NOTSET)
    gunicorn.error("Worker (pid:%s) was sent %s! Perhaps out of memory?", 4711, "SIGKILL")
    refused = psycopg.OperationalError('connection to server at "10.0.0.7", port 5432 failed: Connection refused')
    gunicorn.error("error connecting in %r: %s", "Jan Smit", refused)

    assert [line["message"] for line in lines(capsys)] == [
        "gunicorn.error: Worker (pid:4711) was sent SIGKILL! Perhaps out of memory?",
        "gunicorn.error: error connecting in …: OperationalError: no server listens at that address",
    ]
