"""Where a wrong field stood in a request, as the JSON pointer of a problem. Inner layers name a field in their own
words (`mandate.iban`); only the door knows whether that was a form, a query or a JSON body."""

from typing import Final

FORM: Final = "/form"
QUERY: Final = "/query"
JSON_BODY: Final = ""


class Pointer(str):
    """The field of a FieldError whose place the door has already given."""

    __slots__ = ()


def in_query(name: str) -> Pointer:
    return Pointer(f"{QUERY}/{escape_step(name)}")


def in_form(part: str) -> Pointer:
    return Pointer(f"{FORM}/{escape_step(part)}")


def in_header(name: str) -> Pointer:
    return Pointer(f"/header/{name}")


def in_path(name: str) -> Pointer:
    return Pointer(f"/path/{name}")


def pointer_of(field: str, fields_at: str = JSON_BODY) -> str:
    """The pointer of a FieldError's field; `fields_at` is where the request had the fields that inner layers name."""
    if isinstance(field, Pointer) or not field:
        return str(field)
    return f"{fields_at}/{field.replace('.', '/')}"


def place_of_fields(method: str, content_type: str | None) -> str:
    """The place of the fields of a request: its form, its JSON body, or its query if it has no body."""
    if method in ("GET", "HEAD"):
        return QUERY
    media = (content_type or "").partition(";")[0].strip().lower()
    return FORM if media == "multipart/form-data" else JSON_BODY


def escape_step(step: str) -> str:
    """A name as one step of a JSON pointer (RFC 6901)."""
    return step.replace("~", "~0").replace("/", "~1")
