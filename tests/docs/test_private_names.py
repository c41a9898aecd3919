"""Names of other libraries that they do not promise to keep: all of them, and the versions that they were tried with.

After an update of one of these libraries read what its release changed in the modules named here, run the whole check,
and write its version into LIBRARIES.
"""

import ast
import importlib
import inspect
from collections.abc import Iterator
from importlib.metadata import version

import pytest

from tests.tree import ROOMS, ROOT, list_files

LIBRARIES = {
    "eventsourcing": "9.5.6",
    "gunicorn": "27.0.1",
    "prometheus_client": "0.26.0",
    "psycopg": "3.3.9",
}
# File of ours: module of theirs: names, as they stand in its source.
USED: dict[str, dict[str, str]] = {
    "projections/view.py": {"psycopg.pq.abc": "pipeline_status"},
    "service/metrics.py": {"prometheus_client.values": "MutexValue ValueClass"},
    "store/arrays.py": {"psycopg.postgres": "types"},
    "store/recorder.py": {
        "eventsourcing.postgres": "after_connect_func max_notification_id_statement pool register_type_adapters"
        " select_events_statement",
    },
    "store/sealed_append.py": {
        "psycopg.errors": "error_from_result",
        "psycopg.generators": "execute send",
        "psycopg.pq.abc": "send_prepare send_query_prepared",
    },
    "web/worker.py": {
        "gunicorn.arbiter": "murder_workers start",
        "gunicorn.asgi.protocol": "_awaiting_request _body_receiver _close_transport _complete _conn_lost_handled"
        " _keepalive _on_headers_complete _request_ready _send_response_start",
        "gunicorn.workers.gasgi": "ASGIProtocol _cleanup _setup_event_loop handle_exit_signal nr_conns servers state",
    },
}
# Modules that are private as a whole, or so near to the wire that a release may change them.
INNER = ("gunicorn", "prometheus_client.values", "psycopg.generators", "psycopg.postgres", "psycopg.pq.abc")


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_has_the_version_that_its_private_names_were_tried_with(library: str) -> None:
    assert version(library) == LIBRARIES[library], (
        f"read its changes, run the whole check, then write it into {__file__}"
    )


@pytest.mark.parametrize(("file", "module"), [(file, module) for file, used in USED.items() for module in used])
def test_a_private_name_is_in_the_library_and_in_our_file(file: str, module: str) -> None:
    theirs = inspect.getsource(importlib.import_module(module))
    ours = (ROOT / file).read_text(encoding="utf-8")
    for name in USED[file][module].split():
        assert name in theirs
        assert name in ours


def test_inner_modules_are_imported_where_this_page_says_alone() -> None:
    found = {path for path, name in imported() if name.startswith(INNER)}
    assert found <= {*USED, "service/web.py"}


def test_no_private_attribute_of_others_is_used_beside_these() -> None:
    """In a file of USED whatever begins with _ is made there, or is listed."""
    for file, used in USED.items():
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        private = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and is_private(n)}
        unknown = private - {*made_in(tree)}
        assert unknown <= {name for names in used.values() for name in names.split()}


def is_private(attribute: ast.Attribute) -> bool:
    """os._exit() is documented, and __wrapped__ fails when the module is imported."""
    return attribute.attr.startswith("_") and not attribute.attr.startswith("__") and attribute.attr != "_exit"


def imported() -> Iterator[tuple[str, str]]:
    for path in list_files(*(f"{room}/*.py" for room in ROOMS)):
        for node in ast.walk(ast.parse((ROOT / path).read_bytes())):
            if isinstance(node, ast.ImportFrom) and node.module:
                yield from ((str(path), f"{node.module}.{name.name}") for name in node.names)
            elif isinstance(node, ast.Import):
                yield from ((str(path), name.name) for name in node.names)


def made_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
