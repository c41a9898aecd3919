"""What a desk and a station do with scans over HTTP, with usual values; a test names what differs."""

import hashlib
import io
import secrets
from typing import Any

import httpx
import pikepdf
import pypdfium2  # type: ignore[import-untyped]  # It ships without types.
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from tests.http.desk import item_of

SESSIONS = "/v1/scan-sessions"
DPI = 50
A4_PIXELS = (413, 585)  # to look at one costs by its pixels
JPEG = {"Content-Type": "image/jpeg"}


# -- pages --------------------------------------------------------------------------------------------------------


def a_page(text: str | None = None, **options: Any) -> bytes:
    """A JPEG of a letter like no other: A4, grey."""
    words = secrets.token_hex(8) if text is None else text
    page = Image.new("L", A4_PIXELS, 250)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    at = 45
    while at < 500:
        line = hashlib.sha256(f"{words} {at}".encode()).hexdigest()
        pen.text((40 + int(line[0], 16) * 6, at), f"{line[: 8 + int(line[1], 16)]} {words}", fill=20, font=font)
        at += 14 + int(line[2:4], 16) // 4
    return saved(page, **options)


def a_code_page(text: str, **options: Any) -> bytes:
    """A JPEG of a page with a QR code of this text on it."""
    code = Image.fromarray(zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode).to_image(scale=4))
    page = Image.new("L", (600, 800), 250)
    page.paste(code, (100, 100))
    return saved(page, **options)


def saved(page: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    page.save(out, "JPEG", dpi=(DPI, DPI), **options)
    return out.getvalue()


def a_form_page(client: httpx.Client, form: str) -> bytes:
    """A JPEG of a form that was issued, as a scanner at 200 dpi gives it. `form` is its address."""
    pdf = client.get(form)
    assert pdf.status_code == 200, pdf.text
    picture: Image.Image = pypdfium2.PdfDocument(pdf.content)[0].render(scale=200 / 72).to_pil()
    out = io.BytesIO()
    picture.convert("L").save(out, "JPEG", dpi=(200, 200), quality=85)
    return out.getvalue()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def images_in(pdf: bytes) -> list[bytes]:
    """The bytes of the one image of each page, as they lie in the file."""
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        found = []
        for page in opened.pages:
            [image] = page.get_images().values()
            found.append(image.read_raw_bytes())
        return found


def turns_in(pdf: bytes) -> list[int]:
    """By how many degrees a reader turns each page."""
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        return [int(page.get("/Rotate", 0)) for page in opened.pages]


# -- sessions -----------------------------------------------------------------------------------------------------


def start(client: httpx.Client, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    return client.post(SESSIONS, json=body, headers=headers)


def started(client: httpx.Client, **body: Any) -> dict[str, Any]:
    """A session, of the caller's own pages if no scanner is named."""
    return item_of(start(client, **body))


def session(client: httpx.Client, of: dict[str, Any]) -> dict[str, Any]:
    """As it is now."""
    return item_of(client.get(f"{SESSIONS}/{of['id']}"))


def put(
    client: httpx.Client, of: dict[str, Any], n: int | str, data: bytes, capture: str | None = None
) -> httpx.Response:
    """PUT …/pages/{n}; with `capture` as a station does."""
    headers = {**JPEG, **({"Archive-Capture": capture} if capture else {})}
    return client.put(f"{SESSIONS}/{of['id']}/pages/{n}", content=data, headers=headers)


def filled(client: httpx.Client, *pages: bytes) -> dict[str, Any]:
    """A session with these pages, or with one."""
    of = started(client)
    for n, data in enumerate(pages or (a_page(),), 1):
        answer = put(client, of, n, data)
        assert answer.status_code == 201, answer.text
    return session(client, of)


def arrange(
    client: httpx.Client, of: dict[str, Any], n: int, verb: str, headers: dict[str, str] | None = None, **body: Any
) -> httpx.Response:
    """POST …/pages/{n}/rotate, /move or /remove."""
    return client.post(f"{SESSIONS}/{of['id']}/pages/{n}/{verb}", json=body, headers=headers)


def image(client: httpx.Client, of: dict[str, Any], n: int, **query: Any) -> httpx.Response:
    return client.get(f"{SESSIONS}/{of['id']}/pages/{n}", params=query)


def cancel(client: httpx.Client, of: dict[str, Any]) -> httpx.Response:
    return client.delete(f"{SESSIONS}/{of['id']}")


def confirm(client: httpx.Client, of: dict[str, Any], headers: dict[str, str] | None = None) -> httpx.Response:
    return client.post(f"{SESSIONS}/{of['id']}/confirm", headers=headers)


def ok(
    client: httpx.Client, of: dict[str, Any], customer: str | None, headers: dict[str, str] | None = None, **body: Any
) -> httpx.Response:
    """POST …/archive. A field that is None is left out."""
    usual = {"customer": customer, "type": "LETTER", **body}
    sent = {name: value for name, value in usual.items() if value is not None}
    return client.post(f"{SESSIONS}/{of['id']}/archive", json=sent, headers=headers)


def archived(client: httpx.Client, of: dict[str, Any], customer: str | None, **body: Any) -> dict[str, Any]:
    """The row of the document that the pages became."""
    answer = ok(client, of, customer, **body)
    assert answer.status_code == 201, answer.text
    return item_of(answer)


# -- stations -----------------------------------------------------------------------------------------------------


def a_scanner(**changes: Any) -> dict[str, Any]:
    """As its station tells of it."""
    usual = {
        "id": "glass",
        "name": "HP M479",
        "state": "ready",
        "sources": ["flatbed"],
        "profiles": ["letter", "photo"],
    }
    return {**usual, **changes}


FEEDER = a_scanner(id="feeder", name="Fujitsu fi-7160", sources=["feeder", "flatbed"])


class Station:
    """A branch PC with its token and its scanners; it says what it has."""

    def __init__(self, client: httpx.Client, name: str, *scanners: dict[str, Any]) -> None:
        self.client, self.name = client, name
        answer = self.report(*(scanners or (a_scanner(), FEEDER)))
        assert answer.status_code == 200, answer.text

    def report(self, *scanners: dict[str, Any]) -> httpx.Response:
        return self.client.put(f"/v1/scan-stations/{self.name}", json={"scanners": scanners})

    def scanner(self, scanner: str = "glass") -> str:
        """As the desk names it."""
        return f"{self.name}:{scanner}"

    def jobs(self, wait: int = 0) -> list[dict[str, Any]]:
        answer = self.client.get(f"/v1/scan-stations/{self.name}/jobs", params={"wait": wait})
        items: list[dict[str, Any]] = item_of(answer)["items"]
        return items

    def job(self, of: dict[str, Any], number: int = 1) -> dict[str, Any]:
        """The pass of this session, as soon as the view has it; a moment ago it was perhaps at the one before."""
        while True:
            for job in self.jobs(wait=5):
                if (job["id"], job["pass"]) == (of["id"], number):
                    return job

    def send(self, job: dict[str, Any], sheet: int, data: bytes | None = None) -> httpx.Response:
        """One sheet of a job."""
        place, capture = job["first_page"] + sheet - 1, f"{job['pass']}.{sheet}"
        return put(self.client, job, place, a_page() if data is None else data, capture)

    def finish(self, job: dict[str, Any], problem: str | None = None, told: str | None = None) -> httpx.Response:
        body = {"pass": job["pass"], "problem": problem, "told": told}
        return self.client.post(f"{SESSIONS}/{job['id']}/finish", json=body)


def a_station(served: Any, *scanners: dict[str, Any], **rights: Any) -> Station:
    """One with a name and a token of its own."""
    name = f"s{secrets.token_hex(4)}"
    return Station(served.client(served.new_token(f"station-{name}", "station", **rights)), name, *scanners)
