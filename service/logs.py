"""The structured log: what any room says by `logging` leaves as one JSON line on stderr. service/serve.py begins it.

A line holds time, level and message; our messages name parts, views and positions, never a person. What could quote
data is left out: the words of an exception, and the values in a library's message. Requests: api/wrapper.py.
"""

import json
import logging
import sys
import time

OURS = ("dossier", "paper")


class Lines(logging.Handler):
    """One write a line, so that those of several processes do not mix."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[0] if record.exc_info else None
        sys.stderr.write(line(record.levelname.lower(), words(record) + (f": {error.__name__}" if error else "")))
        sys.stderr.flush()


def words(record: logging.LogRecord) -> str:
    if record.name.startswith(OURS):
        return record.getMessage()
    return f"{record.name}: {str(record.msg).partition(chr(10))[0]}"


def line(level: str, message: str) -> str:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return json.dumps({"time": now, "level": level, "message": message}) + "\n"


def begin() -> None:
    """From warnings up, in this process and what it forks, gunicorn among it (api/worker.py)."""
    logging.basicConfig(handlers=[Lines()], level=logging.WARNING, force=True)
