"""Numbers for Prometheus, shared by all processes of one `serve` through small files in HOME/run/metrics."""

import os
import shutil
from pathlib import Path
from typing import Any
from uuid import UUID

from api.wrapper import METHODS

FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def prepare(home: Path) -> None:
    """Once, before anything is imported or forked: the library reads the variable when it is imported."""
    folder = home / "run" / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ[FOLDER] = str(folder)


class Metrics:
    """Counters of one process and the text of all. Labels are route templates: never a path, a query or a name."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        own = CollectorRegistry()
        self._requests = Counter("dossier_requests", "Answered requests", ["method", "route", "status"], registry=own)
        self._seconds = Histogram(
            "dossier_request_seconds", "Time to the answer's headers", ["method", "route"], registry=own
        )
        self._damaged = Counter(
            "dossier_damaged_values", "Sealed values that could not be opened though their key is there", registry=own
        )
        self._labelled: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A method that HTTP does not have counts as OTHER: callers may invent as many as they like."""
        method = method if method in METHODS else "OTHER"
        found = self._labelled.get((method, route, status))
        if found is None:
            found = self._requests.labels(method, route, str(status)), self._seconds.labels(method, route)
            self._labelled[method, route, status] = found
        found[0].inc()
        found[1].observe(seconds)

    def damaged(self, stream: UUID, version: int) -> None:
        self._damaged.inc()


def text(rows: list[tuple[str, int, int, int, float]]) -> bytes:
    """All processes' numbers, and of each view (name, position, lag, parked events, lag in seconds) how it stands."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    everything = CollectorRegistry()
    MultiProcessCollector(everything)  # type: ignore[no-untyped-call]  # the library has no types here
    views = [_gauge(name, meaning, {row[0]: row[n] for row in rows}) for n, (name, meaning) in enumerate(GAUGES, 1)]
    return b"".join([generate_latest(everything), *views])


GAUGES = (
    ("dossier_view_position", "Where a view stands in the log"),
    ("dossier_view_lag_events", "Positions that a view has still to take"),
    ("dossier_view_parked_events", "Events that a view could not take, and those behind them"),
    ("dossier_view_lag_seconds", "Age of the oldest event that a view has still to take"),
)


def _gauge(name: str, meaning: str, by_view: dict[str, Any]) -> bytes:
    """As the library writes it; in its own files such a figure would be one of each process."""
    lines = [f"# HELP {name} {meaning}", f"# TYPE {name} gauge"]
    return "\n".join([*lines, *(f'{name}{{view="{view}"}} {value}' for view, value in by_view.items()), ""]).encode()
