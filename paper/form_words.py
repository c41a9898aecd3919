"""The words of the printed form of form.py, in English, Dutch and German.

A mandate must state what the rulebook of the SEPA core scheme prescribes (EPC016-06, on the mandate): the authority of
(A) the creditor and (B) the bank, and the right to a refund. The English is the rulebook's own, the Dutch and German
the banks' own; do not rephrase them.
"""

from datetime import date
from typing import Final

import msgspec


class FormWords(msgspec.Struct, frozen=True, kw_only=True):
    """One language. form.py fills {library}, {type}, {code}, {first} and {last}; format_date() fills {day} and the
    others."""

    day: str
    months: tuple[str, ...]

    mandate: str
    issued: str
    lapses: str

    customer: str
    name: str
    number: str
    birth_date: str
    minor: str

    statement: str
    declaration: str
    direct_debit: str
    refund: str
    from_until: str
    only_from: str
    only_until: str

    collection: str
    creditor: str
    creditor_id: str
    reference: str
    debtor: str
    payment: str
    recurring: str
    one_off: str

    note: str

    guardian_name: str
    guardian_capacity: str
    place_and_date: str
    signature: str
    debtor_signature: str
    guardian_signature: str
    readable: str

    def format_date(self, day: date) -> str:
        """The date with the month as a word, so that day and month cannot be confused."""
        return self.day.format(day=day.day, month=self.months[day.month - 1], year=day.year)


ENGLISH: Final = FormWords(
    day="{day} {month} {year}",
    months=(
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
    mandate="SEPA Core Direct Debit Mandate",
    issued="Issued on {first}",
    lapses="Please return it signed by {last} at the latest.",
    customer="Customer",
    name="Name",
    number="Customer number",
    birth_date="Date of birth",
    minor="The customer is a minor: a parent or guardian signs this form.",
    statement="What you are signing",
    declaration=(
        "By signing “{type}” you declare that what this form says is correct, and that {library} may act on it for the"
        " customer named above. You can withdraw this at any time: tell the library."
    ),
    direct_debit=(
        "By signing this mandate form, you authorise (A) {library} to send instructions to your bank to debit your"
        " account and (B) your bank to debit your account in accordance with the instructions from {library}."
    ),
    refund=(
        "As part of your rights, you are entitled to a refund from your bank under the terms and conditions of your"
        " agreement with your bank. A refund must be claimed within 8 weeks starting from the date on which your"
        " account was debited. Your rights are explained in a statement that you can obtain from your bank."
    ),
    from_until="Valid from {first} up to and including {last}.",
    only_from="Valid from {first}.",
    only_until="Valid up to and including {last}.",
    collection="Collection data",
    creditor="Creditor",
    creditor_id="Creditor identifier",
    reference="Mandate reference",
    debtor="Name of the account holder",
    payment="Type of payment",
    recurring="Recurrent",
    one_off="One-off",
    note="Note",
    guardian_name="Name of the parent or guardian",
    guardian_capacity="Capacity (parent, guardian, …)",
    place_and_date="Place and date",
    signature="Signature",
    debtor_signature="Signature of the account holder",
    guardian_signature="Signature of the parent or guardian",
    readable="Keep this form readable: it is scanned. Do not write, fold or staple on the code.",
)  # fmt: skip

DUTCH: Final = FormWords(
    day="{day} {month} {year}",
    months=(
        "januari", "februari", "maart", "april", "mei", "juni",
        "juli", "augustus", "september", "oktober", "november", "december",
    ),
    mandate="Machtiging Europese incasso (SEPA)",
    issued="Uitgegeven op {first}",
    lapses="Lever het formulier uiterlijk {last} ondertekend in.",
    customer="Klant",
    name="Naam",
    number="Klantnummer",
    birth_date="Geboortedatum",
    minor="De klant is minderjarig: een ouder of voogd ondertekent dit formulier.",
    statement="Waarvoor u tekent",
    declaration=(
        "Door ‘{type}’ te ondertekenen verklaart u dat wat op dit formulier staat juist is, en dat {library} er voor"
        " de hierboven genoemde klant naar mag handelen. U kunt dit altijd intrekken: laat het de bibliotheek weten."
    ),
    direct_debit=(
        "Door ondertekening van dit formulier geeft u toestemming aan (A) {library} om incasso-opdrachten te sturen"
        " naar uw bank om een bedrag van uw rekening af te schrijven en aan (B) uw bank om een bedrag van uw rekening"
        " af te schrijven overeenkomstig de opdracht van {library}."
    ),
    refund=(
        "Als u het niet eens bent met deze afschrijving kunt u deze laten terugboeken. Neem hiervoor binnen 8 weken na"
        " afschrijving contact op met uw bank. Vraag uw bank naar de voorwaarden."
    ),
    from_until="Geldig van {first} tot en met {last}.",
    only_from="Geldig vanaf {first}.",
    only_until="Geldig tot en met {last}.",
    collection="Incassogegevens",
    creditor="Incassant",
    creditor_id="Incassant-ID",
    reference="Kenmerk machtiging",
    debtor="Naam rekeninghouder",
    payment="Soort betaling",
    recurring="Doorlopend",
    one_off="Eenmalig",
    note="Opmerking",
    guardian_name="Naam van de ouder of voogd",
    guardian_capacity="Hoedanigheid (ouder, voogd, …)",
    place_and_date="Plaats en datum",
    signature="Handtekening",
    debtor_signature="Handtekening rekeninghouder",
    guardian_signature="Handtekening van de ouder of voogd",
    readable="Houd dit formulier leesbaar: het wordt gescand. De code niet beschrijven, vouwen of nieten.",
)  # fmt: skip

GERMAN: Final = FormWords(
    day="{day}. {month} {year}",
    months=(
        "Januar", "Februar", "März", "April", "Mai", "Juni",
        "Juli", "August", "September", "Oktober", "November", "Dezember",
    ),
    mandate="SEPA-Basis-Lastschriftmandat",
    issued="Ausgestellt am {first}",
    lapses="Bitte geben Sie es bis zum {last} unterschrieben zurück.",
    customer="Kundin oder Kunde",
    name="Name",
    number="Kundennummer",
    birth_date="Geburtsdatum",
    minor="Die Kundin oder der Kunde ist minderjährig: Die gesetzliche Vertretung unterschreibt dieses Formular.",
    statement="Was Sie unterschreiben",
    declaration=(
        "Mit Ihrer Unterschrift unter „{type}“ erklären Sie, dass die Angaben auf diesem Formular richtig sind und dass"
        " {library} für die oben genannte Person danach handeln darf. Sie können dies jederzeit widerrufen: Teilen Sie"
        " es der Bibliothek mit."
    ),
    direct_debit=(
        "Ich ermächtige (A) {library}, Zahlungen von meinem Konto mittels Lastschrift einzuziehen. Zugleich weise ich"
        " (B) mein Kreditinstitut an, die von {library} auf mein Konto gezogenen Lastschriften einzulösen."
    ),
    refund=(
        "Hinweis: Ich kann innerhalb von acht Wochen, beginnend mit dem Belastungsdatum, die Erstattung des belasteten"
        " Betrages verlangen. Es gelten dabei die mit meinem Kreditinstitut vereinbarten Bedingungen."
    ),
    from_until="Gültig vom {first} bis einschließlich {last}.",
    only_from="Gültig ab {first}.",
    only_until="Gültig bis einschließlich {last}.",
    collection="Lastschriftdaten",
    creditor="Zahlungsempfänger",
    creditor_id="Gläubiger-Identifikationsnummer",
    reference="Mandatsreferenz",
    debtor="Name der Kontoinhaberin oder des Kontoinhabers",
    payment="Zahlungsart",
    recurring="Wiederkehrend",
    one_off="Einmalig",
    note="Bemerkung",
    guardian_name="Name der gesetzlichen Vertretung",
    guardian_capacity="Eigenschaft (Elternteil, Vormund, …)",
    place_and_date="Ort und Datum",
    signature="Unterschrift",
    debtor_signature="Unterschrift der Kontoinhaberin oder des Kontoinhabers",
    guardian_signature="Unterschrift der gesetzlichen Vertretung",
    readable="Bitte lesbar halten: Das Formular wird gescannt. Den Code nicht beschreiben, knicken oder heften.",
)  # fmt: skip

_LANGUAGES: Final = {"en": ENGLISH, "nl": DUTCH, "de": GERMAN}


def language_of(wanted: str) -> tuple[str, FormWords]:
    """The language that a form is printed in and its words; English for a language without words here."""
    return (wanted, _LANGUAGES[wanted]) if wanted in _LANGUAGES else ("en", ENGLISH)
