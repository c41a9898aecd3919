"""Figures of /metrics beside the request counters: the release, parts, disks, the last sweep and verification."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from service.beats import PartStatus
from service.metrics import format_family
from service.processes import PROC, stat_fields
from service.release import release_commit, release_version
from service.settings import Settings
from store.image_cache import FOLDER, noted_bytes

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
PARTS = (
    ("dossier_part_cpu_seconds_total", "Processor time of a part and its children", "counter"),
    ("dossier_part_resident_bytes", "Memory of a part and its children, shared pages counted for each", "gauge"),
    ("dossier_part_open_files", "Open descriptors of a part and its children", "gauge"),
    ("dossier_part_processes", "Processes of a part", "gauge"),
)
STANDING = (
    ("dossier_part_start_time_seconds", "Start of a part, in seconds since the epoch", "gauge"),
    ("dossier_part_restarts_total", "Restarts of a part", "counter"),
    ("dossier_part_silence_seconds", "Age of the last heartbeat of a part", "gauge"),
)
RUNS = (
    (
        "dossier_last_run_timestamp_seconds",
        "End of the last sweep, verification or back-up, in seconds since the epoch",
    ),
    ("dossier_last_run_seconds", "Duration of the last sweep, verification or back-up"),
    ("dossier_last_run_problems", "Problems that the last sweep, verification or back-up found"),
)


def build_figures(
    settings: Settings, standing: Sequence[PartStatus], runs: Iterable[tuple[str, float, float, int, Any]]
) -> bytes:
    """The figures as text. `runs` has name, end since the epoch, seconds, problems and result of each last run
    (store/runs.py)."""
    built = f'dossier_build_info{{version="{release_version()}",commit="{release_commit()}"}} 1'
    runs = [*runs]
    orphans = [result["orphans"] for name, *_, result in runs if name == "verify" and "orphans" in result]
    return b"".join(
        [
            format_family("dossier_build_info", "Version and commit of the running program", [built]),
            *_part_figures(standing),
            format_family("dossier_free_bytes", "Free bytes on the disk", _disk_samples(settings)),
            format_family(
                "dossier_page_image_cache_bytes",
                "Disk space of cached page images",
                [f"dossier_page_image_cache_bytes {noted_bytes(settings.home / FOLDER)}"],
            ),
            *(
                format_family(name, meaning, [f'{name}{{run="{run[0]}"}} {run[n]}' for run in runs])
                for n, (name, meaning) in enumerate(RUNS, 1)
            ),
            format_family(
                "dossier_orphans",
                "Contents that no event names, found by the last verification",
                [f"dossier_orphans {orphans[0]}"] if orphans else [],
            ),
        ]
    )


def _part_figures(standing: Sequence[PartStatus]) -> list[bytes]:
    children = children_by_parent()
    used = {
        one.part: _usage_of([*family_of(one.pid, children)] if one.pid else []) for one in standing
    }  # 0: not started yet
    told = {one.part: (one.since, one.restarts, one.beat_seconds) for one in standing}
    return [
        format_family(name, meaning, [f'{name}{{part="{part}"}} {values[n]}' for part, values in found.items()], kind)
        for found, families in ((used, PARTS), (told, STANDING))
        for n, (name, meaning, kind) in enumerate(families)
    ]


def _usage_of(pids: list[int]) -> tuple[float, int, int, int]:
    cpu, resident, files, there = 0.0, 0, 0, 0
    for pid in pids:
        with suppress(OSError):  # the process has ended meanwhile
            fields = stat_fields(pid)
            there += 1
            cpu += sum(map(int, fields[11:15])) / TICKS  # its own, and that of children that have ended
            resident += int(fields[21]) * PAGE_BYTES
            files += sum(1 for _ in (PROC / str(pid) / "fd").iterdir())
    return cpu, resident, files, there


def children_by_parent() -> dict[int, list[int]]:
    """The pids of the children of every process, by the pid of the parent."""
    found = dict[int, list[int]]()
    for entry in PROC.glob("[0-9]*"):
        with suppress(OSError):
            found.setdefault(int(stat_fields(entry.name)[1]), []).append(int(entry.name))
    return found


def family_of(pid: int, children: dict[int, list[int]]) -> Iterable[int]:
    """Yield a process, its children, and their children."""
    yield pid
    for child in children.get(pid, ()):
        yield from family_of(child, children)


def _disk_samples(settings: Settings) -> list[str]:
    samples = []
    for of, folder in (("home", settings.home), ("content", settings.content_directory)):
        with suppress(OSError):
            disk = os.statvfs(folder)
            samples.append(f'dossier_free_bytes{{of="{of}"}} {disk.f_bavail * disk.f_frsize}')
    return samples
