"""Finds out which of back-up, verification and sweep is overdue: a warning in /readyz and `dossier status`, never a
failure."""

from collections.abc import Mapping

from domain.limits import Limits

HOUR = 3600.0
SWEEP_HOURS_MAX = 4


def find_overdue(ages: Mapping[str, float], limits: Limits) -> list[str]:
    """What is overdue, in words. `ages`: seconds since the last run of each name in operations.last_run."""
    due_hours = {
        "backup": ("back-up", limits.backup_age_hours_max),
        "verify": ("verification", limits.verify_age_hours_max),
        "sweep": ("sweep", SWEEP_HOURS_MAX),
    }
    told = []
    for name, (word, hours_max) in due_hours.items():
        if name not in ages and name != "sweep":  # the first sweep comes an hour after the first start
            told.append(f"no {word} yet")
        elif ages.get(name, 0.0) > hours_max * HOUR:
            told.append(f"last {word} {ages[name] / HOUR:.0f} h ago")
    return told


AGES = "select name, extract(epoch from clock_timestamp() - ended_at)::float8 from operations.last_run"
