"""Sends everything about one person as a BagIt bag in a zip (docs/domain.md G12), while it is made.

Nothing of it lies on the disk: a reader who leaves, or a worker that is killed, leaves nothing behind. An answer that
fails half way is cut off, so its zip has no directory and nobody takes it for a whole one.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import closing
from functools import partial
from itertools import chain

import msgspec

from api.call import Call
from domain.bag import Bag
from domain.customer import Customer
from domain.file_name import portable_name
from domain.refusals import NotFound
from domain.report import PrintedReport
from projections.person import PersonExport, PersonOrder, PersonSources
from projections.person_pages import PersonPages, bag_info, pages_of
from web.problems import catalog
from web.query import Parameter
from web.zip_stream import ZipStream

LANGUAGES = ("en", "nl", "de")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}
EXPORT = (
    Parameter(
        "language",
        "the language of the pages for people; default: that of the request",
        {"type": "string", "enum": [*LANGUAGES]},
    ),
    Parameter(
        "joint",
        "false: leave out the content and free text of papers that also concern another person",
        {"type": "boolean", "default": True},
    ),
)


async def send_export(call: Call) -> None:
    """GET /customers/{id}/export. The access line and the event are durable before the first byte; a HEAD has no
    event."""
    order = await order_of(call)
    await call.record_access("export", customer=order.reference)
    if not call.req.scope["state"].get("head"):
        catalogues = call.parts.archive.catalogues
        await call.parts.blocking(
            partial(catalogues.export_customer, order.reference, call.caller(), joint=order.joint)
        )
    name = f"person-{portable_name(order.customer_id)}-{order.today}"
    call.resp.set_headers({**HEADERS, "Content-Disposition": f'attachment; filename="{name}.zip"'})
    call.resp.content_type = "application/zip"
    call.resp.stream = SentExport(pieces_of(call, order, name))


async def order_of(call: Call) -> PersonOrder:
    """Raises NotFound for an id that neither the register nor the archive knows."""
    customer_id = call.params["id"]
    customer: Customer | None = await call.parts.customers.get(customer_id)
    reference = await call.parts.customers.reference_of(customer_id)
    if customer is None and reference is None:
        raise NotFound
    await call.wait_for_views()
    clock = call.parts.archive.clock
    asked = call.text("language") or call.language
    return PersonOrder(
        customer_id=customer_id,
        customer=customer,
        reference=reference,
        rights=call.rights,
        types=call.types,
        administration=await call.parts.blocking(call.parts.archive.catalogues.load_administration),
        language=asked if asked in LANGUAGES else "en",
        now=clock.now(),
        today=clock.today(),
        zone=call.parts.zone,
        institution=call.parts.institution,
        joint=call.text("joint") != "false",
        names=call.parts.export_names,
    )


def sources_of(call: Call) -> PersonSources:
    return PersonSources(
        connection=call.parts.connection,
        load_recorded=partial(call.parts.blocking, call.parts.archive.papers.load_recorded),
        read_access=call.parts.read_access,
        read_content=call.parts.read_content,
    )


async def pieces_of(call: Call, order: PersonOrder, name: str) -> AsyncGenerator[bytes, None]:
    """The bytes of the zip, about a MiB at a time. Files are read, digested and packed in a thread; between two calls
    into it neither a thread nor a connection is held for a slow reader."""
    export, stream = PersonExport(order, sources_of(call)), ZipStream(name)
    bag = Bag(stream)
    async for parts in export.parts():
        with closing(bag.put(parts)) as steps:
            while await call.parts.blocking(_fill, stream, steps):
                yield stream.take()
    report = PersonPages(order, export.shown, catalog(order.language)).report()
    pdf = await call.parts.examiner.draw_report(msgspec.json.encode(report), asker=call.asker)
    await call.parts.blocking(_finish, stream, bag, report, pdf, bag_info(order, f"Dossier {call.parts.version}"))
    yield stream.take()


def _fill(stream: ZipStream, steps: Iterator[None]) -> bool:
    """Run steps until the stream is full; False when they ended."""
    return any(stream.is_full for _ in steps)


def _finish(stream: ZipStream, bag: Bag, report: PrintedReport, pdf: bytes, info: Mapping[str, str]) -> None:
    for _ in chain(bag.put(pages_of(report, pdf)), bag.finish(info)):
        pass
    stream.finish()


class SentExport:
    """The stream of an answer. Falcon closes it however the answer ends, and with it the file that is being read."""

    def __init__(self, pieces: AsyncGenerator[bytes, None]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> "SentExport":
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._pieces)

    async def close(self) -> None:
        await self._pieces.aclose()
