"""The web child of serve: gunicorn with the guard of web/worker.py, serving the application of web/app.py."""

import os
import socket
from functools import partial
from pathlib import Path

from desk.app import create_app
from paper.confinement import die_with_parent
from service.beats import Beats
from service.settings import Settings
from service.wiring import UNAVAILABLE, Proven, open_parts
from web.problems import to_stderr
from web.worker import run as run_server


def run_web(
    settings: Settings,
    url: str,
    role: str | None,
    door: socket.socket,
    decoders: Path,
    ready: Path,
    missing_walls: tuple[str, ...],
    beats: Beats,
    proven: Proven,
) -> None:
    """Serve requests at `door` until SIGTERM; the supervisor keeps it open across restarts. Prints
    `ready http://HOST:PORT` once, when requests are answered. Starts without the database too and then answers 503; the
    role is an argument because it could not be queried."""
    app = create_app(
        partial(
            open_parts,
            settings,
            url,
            role=role,
            socket=decoders,
            missing_walls=missing_walls,
            proven=proven,
            beating=beats.part_statuses,
        ),
        limits=settings.limits,
        write=to_stderr,
        hosts=settings.hosts,
        base=settings.base,
        unavailable=UNAVAILABLE,
    )
    code = run_server(
        lambda: app,
        bind=[f"fd://{door.detach()}"],
        workers=settings.workers,
        limits=settings.limits,
        on_ready=partial(print_ready, ready),
        # Otherwise workers of a killed arbiter hold the port for a second, and clients that reach them are cut off.
        on_fork=die_with_parent,
        beat=beats.beat_of("web"),
        trusted_proxies=[str(network) for network in settings.trusted_proxies],
    )
    raise SystemExit(code)


def print_ready(told: Path, address: str) -> None:
    """Print the ready line once a start, also when the web child is restarted."""
    try:
        os.close(os.open(told, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    print(f"ready {address}", flush=True)  # noqa: T201  # the caller of serve waits for this line
