"""Papers, types and customers as commands need them: read from the log, which is never behind as a view may be."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from domain import authorization, document, document_type
from domain.access import Rights
from domain.authorization import Authorization
from domain.commands import customer_id_of
from domain.document import Document
from domain.document_type import DocumentType
from domain.envelope import Recorded
from domain.ports import CustomerDirectory, CustomerReference, EventLog, KeyRing
from domain.refusals import CustomerUnknown, DocumentTypeUnknown, NotFound

P = TypeVar("P", Document, Authorization)
TYPE_TOPICS = [t.topic for t in (document_type.DocumentTypeDefined, document_type.DocumentTypeChanged)]


def load_types(log: EventLog) -> dict[str, DocumentType]:
    """All document types by code."""
    return document_type.fold(e.body for e in log.load_topics(TYPE_TOPICS))


class Papers(msgspec.Struct, frozen=True, kw_only=True):
    log: EventLog
    keys: KeyRing
    customers: CustomerDirectory

    def load_document(self, paper: UUID, rights: Rights) -> Document:
        return self._load_visible(paper, rights, document.fold, document.DocumentEvent)

    def load_authorization(self, paper: UUID, rights: Rights | None) -> Authorization:
        return self._load_visible(paper, rights, authorization.fold, authorization.AuthorizationEvent)

    def _load_visible(
        self, paper: UUID, rights: Rights | None, fold: Callable[[Iterable[Any]], P | None], events: Any
    ) -> P:
        """The current state of a paper of this kind. Raises NotFound unless it exists for this reader (`rights` None:
        every paper does)."""
        envelopes = self.log.load(paper)
        state = fold(e.body for e in envelopes if isinstance(e.body, events))
        if state is None or (rights and not rights.may_see(state.type.code, envelopes[0].meta.branch)):
            raise NotFound
        return state

    def load_recorded(self, papers: Sequence[UUID], up_to: int) -> Sequence[Recorded[Any]]:
        """The events of these papers up to a position, in the order of the log; for a caller who may see the papers."""
        return self.log.load_recorded(papers, up_to)

    def is_visible(self, paper: UUID, rights: Rights) -> bool:
        """True if a document or an authorization exists for this reader."""
        for read in (self.load_document, self.load_authorization):
            try:
                read(paper, rights)
            except NotFound:
                continue
            return True
        return False

    def is_document(self, paper: UUID) -> bool:
        """True if a paper of the log is a document, and not an authorization."""
        return any(isinstance(e.body, document.DocumentEvent) for e in self.log.load(paper))

    def customer_id(self, reference: UUID) -> str:
        """The id of the customer with this reference. Raises CustomerErased."""
        return customer_id_of(self.keys, reference)

    def owner_of(self, reference: UUID) -> CustomerReference:
        """The owner of existing papers. Raises CustomerErased."""
        return self.keys.owner_of(customer_id_of(self.keys, reference))

    def require_customer(self, customer: str) -> None:
        """Raise CustomerUnknown unless the library currently knows this id."""
        if not self.customers.exists(customer):
            raise CustomerUnknown

    def require_type(self, code: str) -> DocumentType:
        """The document type. Raises DocumentTypeUnknown."""
        found = load_types(self.log).get(code)
        if found is None:
            raise DocumentTypeUnknown(type=code)
        return found
