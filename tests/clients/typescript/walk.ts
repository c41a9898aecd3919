// What an integrator writes against the generated TypeScript types: upload, read, download, correct, list. Prints JSON.
// Run by test_generated_clients.py as `walk.js URL TOKEN CUSTOMER`.
import createClient from "openapi-fetch";
import type { components, paths } from "./archive.js";

declare const process: { argv: string[]; stdout: { write(text: string): void } };

function form(body: object): FormData {
  const fields = new FormData();
  for (const [name, value] of Object.entries(body)) fields.append(name, value as string | Blob);
  return fields;
}

function had<T>(answer: { data?: T; error?: components["schemas"]["Problem"] }): T {
  if (answer.data === undefined) throw new Error(answer.error?.detail ?? "no answer");
  return answer.data;
}

const [url, token, customer] = process.argv.slice(2) as [string, string, string];
const archive = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${token}` } });
const content = `Letter of ${customer}\n`;

const written = had(
  await archive.PUT("/v1/customers/{id}", { params: { path: { id: customer } }, body: { name: "Eva Bos" } }),
);
const file = new File([content], "letter.txt", { type: "text/plain" }) as unknown as string;
const uploaded = had(
  await archive.POST("/v1/documents", {
    params: { header: { "Idempotency-Key": `${customer}-1` } },
    body: { file, customer, type: "LETTER", note: "by hand" },
    bodySerializer: form,
  }),
);
const path = { id: uploaded.id };
const read = await archive.GET("/v1/documents/{id}", { params: { path } });
const downloaded = had(await archive.GET("/v1/documents/{id}/content", { params: { path }, parseAs: "arrayBuffer" }));
const corrected = had(
  await archive.POST("/v1/documents/{id}/describe", {
    params: { path, header: { "If-Match": read.response.headers.get("ETag") ?? "" } },
    body: { reason: "typing error", note: "by post" },
  }),
);
const listed = had(
  await archive.GET("/v1/customers/{id}/documents", {
    params: { path: { id: customer }, query: { kind: "document" } },
  }),
);
const refused = await archive.GET("/v1/documents/{id}", { params: { path: { id: "nothing" } } });

process.stdout.write(
  JSON.stringify({
    name: written.name,
    position: uploaded.position,
    status: had(read).status,
    same: new TextDecoder().decode(downloaded) === content,
    note: corrected.note,
    listed: listed.items.map((item) => item.note),
    customer: listed.customer.name,
    refused: refused.error?.type,
  }),
);
