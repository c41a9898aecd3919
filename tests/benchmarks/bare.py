"""The yardstick: what Falcon, psycopg, fsync and Postgres do for the same requests with no rule, right, seal or decode.

An upload is parsed, its file written durably, two rows committed; a list is one SELECT of 20 rows, answered with the
same fields; a download looks its row up and sends the file. bench_serving.py runs it beside the archive, on the same
Postgres and web worker.
"""

import asyncio
import hashlib
import os
import sys
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import falcon.asgi
import msgspec
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from domain.limits import Limits
from web.worker import run

TABLES = """
    create table event (id uuid primary key, topic text, state jsonb, at timestamptz default now());
    create table document (
        id uuid primary key, customer text, kind text default 'document', type text, type_label text default 'Letter',
        status text default 'archived', source text default 'file', file_name text, note text, media_type text,
        size_bytes bigint, sha256 text, pages int, scan_code text, evidence uuid, original_held bool default false,
        shelf_mark text, received_on date, recorded_at timestamptz default now(), actor text, branch text,
        keep_until date, hold bool default false, version int default 1, content_version int default 1
    );
    create index on document (customer, recorded_at desc);
"""
LIST = "select * from document where customer = %s order by recorded_at desc limit 20"
ONE = "select * from document where id = %s"
NOTED = "insert into event (id, topic, state) values (%s, 'stored', %s)"
SHOWN = """
    insert into document (id, customer, type, file_name, note, media_type, size_bytes, sha256, pages, actor, branch)
    values (%s, %s, %s, 'page.jpg', %s, 'image/jpeg', %s, %s, 1, 'bench', 'MAIN')
"""


class Bare:
    def __init__(self, url: str, home: Path) -> None:
        self.url, self.home = url, home

    async def process_startup(self, scope: Any, event: Any) -> None:
        settings = {"autocommit": True, "row_factory": dict_row}
        self.pool = AsyncConnectionPool(self.url, min_size=8, max_size=8, kwargs=settings, open=False)
        await self.pool.open()

    async def process_shutdown(self, scope: Any, event: Any) -> None:
        await self.pool.close()

    async def on_post_upload(self, req: Any, resp: Any) -> None:
        fields: dict[str, Any] = {}
        async for part in await req.get_media():
            fields[part.name] = await part.stream.read() if part.name == "file" else await part.text
        paper, content = uuid4(), fields.pop("file")
        digest = hashlib.sha256(content).hexdigest()
        await asyncio.to_thread(self.write, str(paper), content)
        shown = [paper, fields["customer"], fields["type"], fields["note"], len(content), digest]
        async with self.pool.connection() as conn, conn.transaction():
            await conn.execute(NOTED, [paper, msgspec.json.encode(fields).decode()], prepare=True)
            await conn.execute(SHOWN, shown, prepare=True)
        resp.status, resp.data = 201, msgspec.json.encode({"id": paper})

    def write(self, name: str, content: bytes) -> None:
        part = self.home / f"{name}.part"
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.rename(self.home / name)
        folder = os.open(self.home, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    async def on_get_list(self, req: Any, resp: Any, customer: str) -> None:
        async with self.pool.connection() as conn:
            rows = await (await conn.execute(LIST, [customer], prepare=True)).fetchall()
        resp.content_type = "application/json"
        resp.data = msgspec.json.encode({"items": rows})

    async def on_get_content(self, req: Any, resp: Any, paper: str) -> None:
        async with self.pool.connection() as conn:
            row: Any = await (await conn.execute(ONE, [UUID(paper)], prepare=True)).fetchone()
        resp.content_type = row["media_type"]
        resp.data = await asyncio.to_thread((self.home / paper).read_bytes)


def main(url: str, home: str, port: str) -> None:
    bare = Bare(url, Path(home))
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App(middleware=[bare])
    app.add_route("/documents", bare, suffix="upload")
    app.add_route("/customers/{customer}/documents", bare, suffix="list")
    app.add_route("/documents/{paper}/content", bare, suffix="content")
    run(
        lambda: app,
        bind=[f"127.0.0.1:{port}"],
        workers=2,
        limits=Limits(),
        on_ready=lambda address: print(f"ready {address}", flush=True),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
