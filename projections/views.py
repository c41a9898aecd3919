"""Every view by name, in the order in which their tracking rows are locked."""

from projections import audit_history, authorizations, customer_documents, scan_sessions
from projections.view import View

VIEWS: dict[str, View] = {
    v.name: v for v in (audit_history.VIEW, authorizations.VIEW, customer_documents.VIEW, scan_sessions.VIEW)
}


def table_of(view: View) -> str:
    return f"views.{view.name}"
