"""A page of the screens as a program sees it: what it says, what its forms hold. No scripts run here."""

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import httpx

from tests.http.served import Served

EMPTY = frozenset({"input", "meta", "link", "img", "br"})


class Page(HTMLParser):
    """`words` is all its text in one line; `elements` are (tag, attributes), each with the text inside it so far."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.answer = answer
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self._open: list[tuple[str, dict[str, str], list[str]]] = []
        self._said: list[str] = []
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = (tag, {name: value or "" for name, value in attrs}, list[str]())
        self.elements.append(element)
        if tag not in EMPTY:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}, []))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] in ("script", "template"):
            return
        self._said.append(data)
        for _, _, inside in self._open:
            inside.append(data)

    @property
    def words(self) -> str:
        return squeezed(self._said)

    @property
    def main(self) -> str:
        return self.text_of("main")

    def text_of(self, element_id: str) -> str:
        return squeezed(self.one(element_id)[2])

    def one(self, element_id: str) -> tuple[str, dict[str, str], list[str]]:
        return next(element for element in self.elements if element[1].get("id") == element_id)

    def has(self, element_id: str) -> bool:
        return any(attributes.get("id") == element_id for _, attributes, _ in self.elements)

    def value(self, name: str) -> str:
        """Of the last field with this name, which is that of the form in the middle of the page."""
        return self.fields()[name]

    def fields(self) -> dict[str, str]:
        """What the fields of all its forms would send."""
        found = {}
        for tag, attributes, inside in self.elements:
            if tag == "textarea":
                found[attributes["name"]] = "".join(inside)
            elif tag == "input" and attributes.get("name") and is_sent(attributes):
                found[attributes["name"]] = attributes.get("value", "")
        return found

    def all(self, tag: str, **wanted: str) -> list[tuple[dict[str, str], str]]:
        return [
            (attributes, squeezed(inside))
            for found, attributes, inside in self.elements
            if found == tag and wanted.items() <= attributes.items()
        ]


def is_sent(attributes: Mapping[str, str]) -> bool:
    return attributes.get("type") not in ("radio", "checkbox") or "checked" in attributes


def squeezed(pieces: list[str]) -> str:
    return re.sub(r"\s+", " ", "".join(pieces)).strip()


class Visitor:
    """A browser without scripts: keeps cookies, asks for HTML, does not follow by itself."""

    def __init__(self, served: Served, role: str = "staff", **headers: str) -> None:
        token = served.as_(role).headers["Authorization"]
        self.client = httpx.Client(
            base_url=served.url, headers={"Authorization": token, "Accept": "text/html", **headers}, verify=False
        )

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def open(self, path: str, **query: str) -> Page:
        """The page, after every way that it leads on to."""
        return Page(self.client.get(path, params=query or None, follow_redirects=True))

    def send(self, path: str, fields: Mapping[str, Any], **more: Any) -> Page:
        return Page(self.client.post(path, data=dict(fields), follow_redirects=True, **more))

    def led(self, path: str, **query: str) -> str:
        """Where it leads to; empty when it is a page itself."""
        return str(self.client.get(path, params=query or None).headers.get("Location", ""))
