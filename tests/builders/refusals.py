"""One of each refusal, raised with what it cannot be without."""

from datetime import date
from typing import Any
from uuid import UUID

from domain.refusals import Refusal

NEEDED: dict[str, dict[str, Any]] = {
    "under-legal-hold": {"holds": [UUID(int=1)]},
    "retention-not-reached": {"kept_until": date(2026, 2, 2)},
    "lapse-stands": {"on": date(2026, 2, 2)},
    "authorization-not-active": {"authorization_status": "revoked"},
    "illegal-transition": {"state": "withdrawn"},
    "source-not-allowed": {"type": "LETTER", "source": "none"},
}


def a_refusal(kind: type[Refusal]) -> Refusal:
    return kind(**NEEDED.get(kind.slug, {}))
