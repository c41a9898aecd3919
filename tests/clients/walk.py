"""What an integrator writes against the generated Python client: upload, read, download, correct, list. Prints JSON.

Run by test_generated_clients.py as `walk.py URL TOKEN CUSTOMER`, with the client `archive_client` on the path.
"""

import io
import json
import sys

from archive_client import AuthenticatedClient
from archive_client.api.customers import customers_documents, customers_write
from archive_client.api.documents import documents_archive, documents_content, documents_describe, documents_read
from archive_client.models import CustomerBody, CustomersDocumentsKind, DescribeBody, DocumentsArchiveBody, Problem
from archive_client.types import File


def walk(url: str, token: str, customer: str) -> dict[str, object]:
    client = AuthenticatedClient(base_url=url, token=token, raise_on_unexpected_status=True)
    written = customers_write.sync(customer, client=client, body=CustomerBody(name="Eva Bos"))
    content = f"Letter of {customer}\n".encode()
    file = File(payload=io.BytesIO(content), file_name="letter.txt", mime_type="text/plain")
    body = DocumentsArchiveBody(file=file, customer=customer, type_="LETTER", note="by hand")
    uploaded = documents_archive.sync(client=client, body=body, idempotency_key=f"{customer}-1")
    read = documents_read.sync_detailed(uploaded.id, client=client)
    downloaded = documents_content.sync(uploaded.id, client=client)
    corrected = documents_describe.sync(
        uploaded.id,
        client=client,
        body=DescribeBody(reason="typing error", note="by post"),
        if_match=read.headers["ETag"],
    )
    listed = customers_documents.sync(customer, client=client, kind=CustomersDocumentsKind.DOCUMENT)
    refused = documents_read.sync("nothing", client=client)
    return {
        "name": written.name,
        "position": uploaded.position,
        "status": read.parsed.status,
        "same": downloaded.payload.read() == content,
        "note": corrected.note,
        "listed": [item.note for item in listed.items],
        "customer": listed.customer.name,
        "refused": refused.type_ if isinstance(refused, Problem) else None,
    }


if __name__ == "__main__":
    json.dump(walk(*sys.argv[1:]), sys.stdout)
