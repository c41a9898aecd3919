"""The document types that the archive ships (docs/domain.md §4). An institution changes them by API."""

from domain.document_type import Definition, Retention
from domain.scan_code import Scheme
from domain.values import Kind, Sensitivity, Source

SCAN_AND_FILE = (Source.SCAN, Source.FILE)
ALL_SOURCES = (Source.SCAN, Source.FILE, Source.NONE)
MEMBERSHIP = Retention(trigger="membership_end", months=24, legal_basis="privacy statement of the library")


def _build_labels(en: str, nl: str, de: str) -> dict[str, str]:
    return {"en": en, "nl": nl, "de": de}


def _build_letter(en: str, nl: str, de: str) -> Definition:
    return Definition(
        labels=_build_labels(en, nl, de),
        kind=Kind.DOCUMENT,
        sensitivity=Sensitivity.ORDINARY,
        sources=SCAN_AND_FILE,
        retention=MEMBERSHIP,
    )


SHIPPED: dict[str, Definition] = {
    "DEBT_AUTHORIZATION": Definition(
        labels=_build_labels("Debt authorization", "Incassomachtiging", "Einzugsermächtigung"),
        kind=Kind.MANDATE,
        sensitivity=Sensitivity.FINANCIAL,
        sources=ALL_SOURCES,
        scheme=Scheme.MOD97,
        # SEPA: the creditor must show the mandate for 13 months after a collection; 14 leaves room for the post.
        retention=Retention(trigger="mandate_end", months=14, legal_basis="SEPA core rulebook, refund of 13 months"),
    ),
    "READING_DISABILITY": Definition(
        labels=_build_labels("Reading disability form", "Formulier leesbeperking", "Nachweis einer Lesebehinderung"),
        kind=Kind.AUTHORIZATION,
        sensitivity=Sensitivity.HEALTH,
        sources=ALL_SOURCES,
        scheme=Scheme.MOD97,
        retention=Retention(trigger="entitlement_end", months=3, legal_basis="GDPR Art. 9"),
    ),
    "GUARDIAN_CONSENT": Definition(
        labels=_build_labels(
            "Guardian consent", "Toestemming ouder of voogd", "Einwilligung der Erziehungsberechtigten"
        ),
        kind=Kind.AUTHORIZATION,
        sensitivity=Sensitivity.ORDINARY,
        sources=ALL_SOURCES,
        scheme=Scheme.MOD97,
        capacity_years=18,
        retention=Retention(trigger="age_limit", months=12, legal_basis="proof of consent"),
    ),
    "IDENTIFICATION": Definition(
        labels=_build_labels("Identification", "Identificatie", "Ausweis"),
        kind=Kind.DOCUMENT,
        sensitivity=Sensitivity.IDENTITY,
        sources=ALL_SOURCES,
        verify_only=True,
        retention=Retention(trigger="verification", months=0, legal_basis="verify, do not keep"),
    ),
    "LETTER": _build_letter("Letter", "Brief", "Brief"),
    "FORM": _build_letter("Form", "Formulier", "Formular"),
    "REGISTRATION_CERTIFICATE": _build_letter("Registration certificate", "Inschrijfbewijs", "Anmeldebescheinigung"),
    "DEREGISTRATION_CERTIFICATE": _build_letter(
        "Deregistration certificate", "Uitschrijfbewijs", "Abmeldebescheinigung"
    ),
    "OTHER_AUTHORIZATION": Definition(
        labels=_build_labels("Other authorization", "Overige machtiging", "Sonstige Ermächtigung"),
        kind=Kind.AUTHORIZATION,
        sensitivity=Sensitivity.ORDINARY,
        sources=ALL_SOURCES,
        scheme=Scheme.MOD97,
        retention=Retention(trigger="entitlement_end", months=24, legal_basis="proof of authority"),
    ),
}
