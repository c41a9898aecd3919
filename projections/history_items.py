"""An entry of a history as it is answered and printed; audit_history.py finds the rows."""

from collections.abc import Mapping
from typing import Any

import msgspec

from domain.iban import mask_iban
from projections import audit_history
from projections.reading import Moment, format_moment


class Subject(msgspec.Struct, frozen=True, omit_defaults=True):
    """What something was done to."""

    kind: str
    id: str
    label: str | msgspec.UnsetType = msgspec.UNSET


class HistoryItem(msgspec.Struct, frozen=True):
    """One thing that was done."""

    position: int
    recorded_at: Moment
    occurred_at: Moment
    actor: str
    branch: str
    action: str
    subject: Subject
    reason: str | None
    before: dict[str, Any]
    after: dict[str, Any]


def history_item(
    row: audit_history.HistoryRow, *, whole_iban: bool, labels: Mapping[str, str] | None = None, language: str = "en"
) -> HistoryItem:
    """`labels`: those of the type that the paper has now; its subject is named by one of them."""
    label = labels.get(language) or labels["en"] if labels else msgspec.UNSET
    subject = Subject(row.subject_kind, row.subject_name or str(row.subject_id), label)
    return HistoryItem(
        row.position,
        format_moment(row.recorded_at),
        format_moment(row.occurred_at),
        row.actor,
        row.branch,
        row.action,
        subject,
        row.reason,
        shown(row.before or {}, whole_iban=whole_iban),
        shown(row.after or {}, whole_iban=whole_iban),
    )


def shown(fields: Mapping[str, Any], *, whole_iban: bool) -> dict[str, Any]:
    """The fields as this reader sees them: an IBAN is whole only for who may amend it."""
    if whole_iban:
        return dict(fields)
    return {name: shown_value(name, value) for name, value in fields.items()}


def shown_value(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return shown(value, whole_iban=False)
    return mask_iban(value) if name == "iban" and isinstance(value, str) else value
