"""Reads process information from /proc, for serve.py, metrics.py and figures.py."""

from pathlib import Path

PROC = Path("/proc")


def stat_fields(process: int | str) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold blanks: state first (proc(5) calls it the third).
    Raises OSError for a process that has ended."""
    return (PROC / str(process) / "stat").read_text(encoding="ascii", errors="replace").rpartition(") ")[2].split()


def is_there(process: int | str) -> bool:
    return (PROC / str(process)).exists()
