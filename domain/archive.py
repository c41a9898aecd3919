"""All use cases in one object. api/ and service/ call it; store/ implements its ports (domain/ports.py)."""

import msgspec

from domain.arrivals import Arrivals
from domain.catalogues import Catalogues
from domain.check_tokens import CheckTokens
from domain.claims import Claims
from domain.commands import Caller, Commands, Outcome
from domain.corrections import Corrections
from domain.customer_files import CustomerFiles
from domain.destroying import Destroying
from domain.disposals import Disposals
from domain.filing import Filing
from domain.forms import CheckedForm, Forms, IssueForm, PrintedForm
from domain.holding import Holding
from domain.life import AmendMandate, Life, SupersedeBy
from domain.noting import Noting
from domain.orders import ArchiveFile, NoteAuthorization, SeenPaper
from domain.papers import Papers
from domain.ports import Clock, Ids, KeyRing, Ports
from domain.received_file import Examined, build_examined
from domain.scanning import InspectedPage, LoadedScanSession, Reach, Scanning

__all__ = [
    "AmendMandate",
    "Archive",
    "ArchiveFile",
    "Caller",
    "CheckedForm",
    "Examined",
    "InspectedPage",
    "IssueForm",
    "LoadedScanSession",
    "NoteAuthorization",
    "Outcome",
    "Ports",
    "PrintedForm",
    "Reach",
    "Rules",
    "SeenPaper",
    "SupersedeBy",
    "build_archive",
    "build_examined",
]


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the use cases. `creditor` is the institution's SEPA creditor identifier, as domain/iban.py
    returns it; a form can be signed for `form_days`."""

    creditor: str | None = None
    form_days: int = 180
    check_token_seconds: int = 600
    scan_pages_max: int = 500


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """The use cases of a web worker and of a command, and the ports and rules that they were built from.

    The import of lists is built on its own (domain/importing.py)."""

    ports: Ports
    rules: Rules
    papers: Papers
    catalogues: Catalogues
    filing: Filing
    noting: Noting
    forms: Forms
    corrections: Corrections
    customer_files: CustomerFiles
    destroying: Destroying
    disposals: Disposals
    life: Life
    holding: Holding
    scanning: Scanning

    @property
    def clock(self) -> Clock:
        return self.ports.clock

    @property
    def ids(self) -> Ids:
        return self.ports.ids

    @property
    def keys(self) -> KeyRing:
        return self.ports.keys

    def with_clock(self, clock: Clock) -> "Archive":
        """The same archive under another clock."""
        return build_archive(msgspec.structs.replace(self.ports, clock=clock), self.rules)


def build_archive(ports: Ports, rules: Rules) -> Archive:
    """Give each group of use cases what it needs. The parts that they share keep no state."""
    log, keys, contents, clock, ids = ports.log, ports.keys, ports.contents, ports.clock, ports.ids
    commands = Commands(log=log, keys=keys, clock=clock, ids=ids)
    papers = Papers(log=log, keys=keys, customers=ports.customers)
    claims = Claims(keys)
    checks = CheckTokens(keys=keys, clock=clock, seconds=rules.check_token_seconds)
    files = CustomerFiles(
        commands=commands,
        claims=claims,
        log=log,
        keys=keys,
        customers=ports.customers,
        clock=clock,
        ids=ids,
    )
    filing = Filing(
        commands=commands,
        papers=papers,
        arrivals=Arrivals(claims, keys),
        checks=checks,
        keys=keys,
        contents=contents,
        clock=clock,
        ids=ids,
    )
    holding = Holding(commands=commands, papers=papers, files=files, log=log, keys=keys, clock=clock, ids=ids)
    destroying = Destroying(commands=commands, claims=claims, log=log, clock=clock)
    return Archive(
        ports=ports,
        rules=rules,
        papers=papers,
        catalogues=Catalogues(commands=commands, log=log),
        filing=filing,
        noting=Noting(
            commands=commands,
            papers=papers,
            claims=claims,
            checks=checks,
            keys=keys,
            clock=clock,
            ids=ids,
            creditor=rules.creditor,
        ),
        forms=Forms(
            commands=commands,
            papers=papers,
            claims=claims,
            checks=checks,
            log=log,
            keys=keys,
            customers=ports.customers,
            clock=clock,
            ids=ids,
            creditor=rules.creditor,
            form_days=rules.form_days,
        ),
        corrections=Corrections(
            commands=commands,
            papers=papers,
            claims=claims,
            log=log,
            keys=keys,
            contents=contents,
            clock=clock,
            ids=ids,
            form_days=rules.form_days,
        ),
        customer_files=files,
        destroying=destroying,
        disposals=Disposals(
            commands=commands,
            destroying=destroying,
            holding=holding,
            log=log,
            keys=keys,
            clock=clock,
            ids=ids,
        ),
        life=Life(
            commands=commands,
            papers=papers,
            claims=claims,
            log=log,
            clock=clock,
            ids=ids,
            creditor=rules.creditor,
            form_days=rules.form_days,
        ),
        holding=holding,
        scanning=Scanning(
            commands=commands,
            claims=claims,
            filing=filing,
            log=log,
            keys=keys,
            contents=contents,
            clock=clock,
            ids=ids,
            pages_max=rules.scan_pages_max,
        ),
    )
