"""Builds what a timeline shows (S10) from events of a history and lines of the access log.

The labels are in act_words.py; templates/acts.html renders the acts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from api.call import Call
from desk import render
from domain.act_words import ACTS, BY_FIELDS, BY_SOURCE, CAUSES, OUTCOMES, SEQUENCES, SOURCES, STATUSES, VIEWS, ActWords
from domain.refusals import N_
from web.problems import catalog


class ActReader(NamedTuple):
    """How to write for one reader: language, time zone, and labels of the types this reader may see."""

    translate: Callable[[str], str]
    language: str
    locale: str
    zone: Any
    labels: Mapping[str, str]

    def day(self, value: str) -> str:
        return render.day_text(value, self.zone, self.locale)


def reader_of(call: Call) -> ActReader:
    labels = {code: call.types[code].definition.labels for code in call.rights.types}
    return ActReader(
        translate=catalog(call.language),
        language=call.language,
        locale=render.LOCALES.get(call.language, call.language),
        zone=call.parts.zone,
        labels={code: label.get(call.language, label["en"]) for code, label in labels.items()},
    )


class FieldChange(NamedTuple):
    """A field before and after, as text; `path` links to the paper it names. `is_new`: it had no value before."""

    label: str
    before: str | None
    after: str
    path: str | None
    is_new: bool


class Act(NamedTuple):
    """One row of a timeline: a change of one paper, or a reader's views of papers.

    `position` is None for views; they happened `times` times since `since`.
    """

    at: str
    position: int | None
    words: str
    icon: str
    papers: tuple[tuple[str, str | None], ...]
    actor: str
    branch: str
    reason: str | None = None
    changes: tuple[FieldChange, ...] = ()
    since: str | None = None
    times: int = 1


# -- changes --------------------------------------------------------------------------------------------------------


def act(item: Mapping[str, Any], reader: ActReader) -> Act:
    """The act for an item of a history."""
    action, subject = item["action"], item["subject"]
    words, icon = words_of(action, item["after"])
    return Act(
        at=item["recorded_at"],
        position=item["position"],
        words=reader.translate(words),
        icon=icon,
        papers=((subject.get("label", ""), path_of(subject["kind"], subject["id"])),),
        actor=item["actor"],
        branch=item["branch"],
        reason=item["reason"],
        changes=(*changes(item, reader),),
    )


def words_of(action: str, after: Mapping[str, Any]) -> ActWords:
    """The label of an event; more specific where its source or its only changed field allows it."""
    special = BY_SOURCE.get((action, after.get("source", ""))) or BY_FIELDS.get((action, frozenset(after)))
    return special or ACTS.get(action) or ActWords(action, "info")


def path_of(kind: str, name: str) -> str | None:
    return {"document": f"/documents/{name}", "authorization": f"/authorizations/{name}"}.get(kind)


def changes(item: Mapping[str, Any], reader: ActReader) -> Iterator[FieldChange]:
    """The changed fields, in the order of FIELDS.

    A new value is left out where the heading already shows it, or where only programs use it.
    """
    before, after = flatten_mandate(item["before"]), flatten_mandate(item["after"])
    label = item["subject"].get("label")
    for name in sorted({*before, *after}, key=rank_of):
        was, now = before.get(name), after.get(name)
        if name in before and not (name in ROOMS and was is None):
            yield change(name, was, now, reader, is_new=False)
        elif now not in (None, False, []) and name not in SAID and reader.labels.get(str(now)) != label:
            yield change(name, None, now, reader, is_new=True)


def rank_of(name: str) -> tuple[int, str]:
    return PLACES.get(name, len(PLACES)), name


def flatten_mandate(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, with those of `mandate` beside the others."""
    inner = fields.get("mandate") or {}
    return {**{name: value for name, value in fields.items() if name != "mandate"}, **inner}


def change(name: str, was: Any, now: Any, reader: ActReader, *, is_new: bool) -> FieldChange:
    label, write = FIELDS.get(name, (name.replace("_", " ").capitalize(), text))
    path = ROOMS[name] + str(now or was) if name in ROOMS else None
    return FieldChange(
        reader.translate(label),
        None if is_new else value_text(was, write, reader),
        value_text(now, write, reader),
        path,
        is_new,
    )


def value_text(value: Any, write: Callable[[Any, ActReader], str], reader: ActReader) -> str:
    return reader.translate(N_("nothing")) if value in (None, "", []) else write(value, reader)


# -- values as text -------------------------------------------------------------------------------------------------


def text(value: Any, reader: ActReader) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def day(value: Any, reader: ActReader) -> str:
    return reader.day(str(value))


def yes_no(value: Any, reader: ActReader) -> str:
    return reader.translate(N_("yes") if value else N_("no"))


def size(value: Any, reader: ActReader) -> str:
    return render.size(value, language=reader.language)


def count(value: Any, reader: ActReader) -> str:
    return render.number(value, language=reader.language)


def type_label(value: Any, reader: ActReader) -> str:
    return reader.labels.get(value, value)


def digest(value: Any, reader: ActReader) -> str:
    return f"sha-256 {str(value)[:12]}…"


def scan_code(value: Any, reader: ActReader) -> str:
    return render.group_code(value)


def iban(value: Any, reader: ActReader) -> str:
    return render.group_iban(value)


def document(value: Any, reader: ActReader) -> str:
    return reader.translate(N_("the document"))


def authorization(value: Any, reader: ActReader) -> str:
    return reader.translate(N_("the authorization"))


def one_of(words: Mapping[str, str]) -> Callable[[Any, ActReader], str]:
    return lambda value, reader: reader.translate(words.get(value, value))


FIELDS: dict[str, tuple[str, Callable[[Any, ActReader], str]]] = {
    "type": (N_("Document type"), type_label),
    "status": (N_("Status"), one_of(STATUSES)),
    "source": (N_("Source"), one_of(SOURCES)),
    "file_name": (N_("File"), text),
    "media_type": (N_("Media type"), text),
    "size_bytes": (N_("Size"), size),
    "sha256": (N_("Digest"), digest),
    "pages": (N_("Pages"), count),
    "page": (N_("Page"), count),
    "note": (N_("Description"), text),
    "title": (N_("Title"), text),
    "received_on": (N_("Received"), day),
    "ground": (N_("Legal ground"), text),
    "external_id": (N_("External id"), text),
    "evidence_of": (N_("Evidence of"), authorization),
    "evidence": (N_("Evidence"), document),
    "document": (N_("Document"), document),
    "by": (N_("Superseded by"), authorization),
    "paper": (N_("Paper"), text),
    "number_suffix": (N_("Number ends with"), text),
    "seen_on": (N_("Seen on"), day),
    "customer": (N_("Customer"), text),
    "linked_customer": (N_("Second customer"), text),
    "language": (N_("Language"), text),
    "lapses_on": (N_("To be signed before"), day),
    "valid_from": (N_("Valid from"), day),
    "valid_until": (N_("Valid until"), day),
    "signed_on": (N_("Signed on"), day),
    "scan_code": (N_("Scan code"), scan_code),
    "original_held": (N_("Original held"), yes_no),
    "shelf_mark": (N_("Shelf mark"), text),
    "last_collection_on": (N_("Last collection"), day),
    "on": (N_("On"), day),
    "effective_on": (N_("Effective from"), day),
    "presented_on": (N_("Presented on"), day),
    "due_on": (N_("Due on"), day),
    "outcome": (N_("Outcome"), one_of(OUTCOMES)),
    "cause": (N_("Why"), one_of(CAUSES)),
    "reference": (N_("Reference of the collection"), text),
    "debtor_name": (N_("Account holder"), text),
    "iban": (N_("IBAN"), iban),
    "bic": (N_("BIC"), text),
    "mandate_reference": (N_("Mandate reference"), text),
    "creditor_id": (N_("Creditor identifier"), text),
    "signature_date": (N_("Date of signature"), day),
    "sequence_type": (N_("Payment type"), one_of(SEQUENCES)),
    "problem": (N_("Problem"), text),
    "revoked": (N_("Revoked"), yes_no),
    "disabled": (N_("Disabled"), yes_no),
    "disposal": (N_("Disposal"), text),
    "listed": (N_("Papers listed"), count),
    "destroyed": (N_("Papers destroyed"), count),
    "kept": (N_("Papers kept"), count),
    "trigger": (N_("Retention counts from"), text),
    "months": (N_("Months kept"), count),
    "legal_basis": (N_("Legal basis"), text),
}
PLACES = {name: at for at, name in enumerate(FIELDS)}
ROOMS = {
    "evidence": "/documents/",
    "document": "/documents/",
    "evidence_of": "/authorizations/",
    "by": "/authorizations/",
}
SAID = ("status", "source", "media_type", "sha256", "size_bytes", "language")


# -- views ----------------------------------------------------------------------------------------------------------


def view(line: Mapping[str, Any], reader: ActReader, labels: Mapping[str, str]) -> Act:
    """The act for a line of the access log; `labels` are labels of papers by id."""
    paper = line["document"] or line["authorization"]
    kind = "document" if line["document"] else "authorization"
    words, icon = VIEWS.get(line["action"], ActWords(line["action"], "eye"))
    return Act(
        at=line["at"],
        position=None,
        words=reader.translate(words),
        icon=icon,
        papers=((labels.get(paper, ""), path_of(kind, paper)),) if paper else (),
        actor=line["actor"],
        branch=line["branch"],
    )


def merge_acts(looks: Iterable[Act]) -> Act:
    """Merges views of one kind by one person into the latest of them, with all the papers viewed."""
    first, *others = looks
    papers = count_papers(dict.fromkeys(paper for look in (first, *others) for paper in look.papers))
    since = others[-1].at if others else None
    return first._replace(papers=(*papers,), since=since, times=1 + len(others))


def count_papers(papers: Iterable[tuple[str, str | None]]) -> Iterator[tuple[str, str | None]]:
    """Groups papers of the same label; a group of several reads "Form × 3" and has no link."""
    by_label: dict[str, list[str | None]] = {}
    for label, path in papers:
        by_label.setdefault(label, []).append(path)
    for label, paths in by_label.items():
        yield (label, paths[0]) if len(paths) == 1 else (f"{label} × {len(paths)}".strip(), None)
