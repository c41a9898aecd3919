"""Entries of a history as the API and the command show them; audit_history.py finds the rows."""

from collections.abc import Mapping
from typing import Any

import msgspec

from domain.iban import mask_iban
from domain.moment import Moment, format_moment
from projections import audit_history


class Subject(msgspec.Struct, frozen=True, omit_defaults=True):
    """The paper, type, user, token or session that an event changed."""

    kind: str
    id: str
    label: str | msgspec.UnsetType = msgspec.UNSET


class HistoryItem(msgspec.Struct, frozen=True):
    """One event of a history."""

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
    """The entry of a row. `labels` are those of the paper's present type; one of them names the subject."""
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
        render_fields(row.before or {}, whole_iban=whole_iban),
        render_fields(row.after or {}, whole_iban=whole_iban),
    )


def render_fields(fields: Mapping[str, Any], *, whole_iban: bool) -> dict[str, Any]:
    """The fields for this reader: the IBAN is masked unless the reader may amend it (`whole_iban`)."""
    if whole_iban:
        return dict(fields)
    return {name: render_value(name, value) for name, value in fields.items()}


def render_value(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return render_fields(value, whole_iban=False)
    return mask_iban(value) if name == "iban" and isinstance(value, str) else value
