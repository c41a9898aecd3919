"""The structured log: messages of `logging` from any room become one JSON line each on stderr. service/serve.py begins
it. A line has time, level, part, pid and message; our messages name parts, views and positions, never a person. Texts
that could quote data are left out: messages of exceptions, for which service/causes.py gives the reason, and the values
in a library's message except numbers and names of signals. Requests are logged by web/wrapper.py."""

import json
import logging
import os
import re
import sys
import time
from typing import Any

from service.causes import cause_of

OURS = ("dossier", "paper", "scanner")
HIDDEN = "…"
SIGNAL = re.compile(r"SIG[A-Z0-9+]{1,12}")
_part = ["serve"]


class JsonLines(logging.Handler):
    """Writes each record with a single write, so that lines of several processes do not mix."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        log_line(record.levelname.lower(), message_of(record) + (f": {reason_of(error)}" if error else ""))


def message_of(record: logging.LogRecord) -> str:
    """Our own message, or the message of a library without values that could be data."""
    if record.name.startswith(OURS):
        return record.getMessage()
    template = str(record.msg).partition("\n")[0]
    return f"{record.name}: {fill_template(template, record.args)}"


def fill_template(template: str, values: Any) -> str:
    """A library's message with its numbers, signals and the reasons of its errors; other values are hidden, because
    they could be data."""
    if not values:
        return template
    shown = (
        {k: format_value(v) for k, v in values.items()}
        if isinstance(values, dict)
        else tuple(map(format_value, values))
    )
    try:
        return re.sub(r"%(\([^)]*\))?[-#0 +]*[0-9.]*[a-zA-Z]", r"%\1s", template) % shown
    except (TypeError, ValueError, KeyError):
        return template


def format_value(value: Any) -> str:
    """A number or signal name as it is, the reason of an error, otherwise a placeholder."""
    if isinstance(value, int | float) or (isinstance(value, str) and SIGNAL.fullmatch(value)):
        return str(value)
    return reason_of(value) if isinstance(value, BaseException) else HIDDEN


def reason_of(error: BaseException) -> str:
    """The type of an error and its reason, where it is known: `OperationalError: no server listens at that address`."""
    name, why = type(error).__name__, cause_of(error)
    return name if why == name else why if why.startswith(f"{name} ") else f"{name}: {why}"


def format_line(level: str, message: str) -> str:
    """One JSON line with time, level, part, pid and message."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    told = {"time": now, "level": level, "part": _part[0], "pid": os.getpid(), "message": message}
    return json.dumps(told, ensure_ascii=False) + "\n"


def log_line(level: str, message: str) -> None:
    """Write a line of the structured log."""
    sys.stderr.write(format_line(level, message))
    sys.stderr.flush()


def set_part(part: str) -> None:
    """Set the part name in the log lines of this process and of those it forks."""
    _part[0] = part


def begin_logging(part: str = "serve") -> None:
    """Log warnings and errors of this process and of those it forks, gunicorn included (web/worker.py)."""
    set_part(part)
    logging.basicConfig(handlers=[JsonLines()], level=logging.WARNING, force=True)
