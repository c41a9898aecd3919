"""Faults in all rooms, one at a time, in a copy of the tree: for each some test of the files beside it has to fail.

`python -m tests.seeded_faults [WORD…]`: all, or those whose name or room has one of the words. Run it before tests are
taken out or merged, and afterwards: what was caught has to be caught still. It ends with 1 where a fault gets by.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.tree import ROOT, copy_tree

SECONDS_MAX = 300
FAILED = 1  # pytest: tests were run, and some failed


class Fault(NamedTuple):
    """`old`, which stands once in the file `path`, becomes `new`; `tests` are the files that have to tell."""

    name: str
    path: str
    old: str
    new: str
    tests: str


FAULTS = (
    # -- domain
    Fault(
        "a caller of one branch reads all branches",
        "domain/access.py",
        "and (branch is None or not actor.own_branch_only or branch == actor.branch)",
        "and (branch is None or actor.name != '')",
        "unit/test_access.py",
    ),
    Fault(
        "a type above the reader's sensitivity is seen",
        "domain/access.py",
        "codes = [t.code for t in types if t.definition.sensitivity in actor.sensitivities]",
        "codes = [t.code for t in types]",
        "unit/test_access.py",
    ),
    Fault(
        "a slip in the check digits of a code of ours is taken",
        "domain/scan_code.py",
        "return code if code == make_code(code[:2], int(code[2:14])) else None",
        "return code",
        "unit/test_scan_code.py",
    ),
    Fault(
        "a separator sheet ends no document",
        "domain/batch.py",
        "            separators.append(page)\n            runs.append([])\n",
        "            separators.append(page)\n",
        "unit/test_batch.py",
    ),
    Fault(
        "the check number of an IBAN is not looked at",
        "domain/iban.py",
        "    if mod97(folded[4:] + folded[:4]) != 1:\n        raise IbanInvalid\n",
        "",
        "unit/test_iban.py",
    ),
    Fault(
        "a paper that is withdrawn is withdrawn again",
        "domain/document.py",
        "            _require_status(state, DocumentStatus.ARCHIVED)\n            return [DocumentWithdrawn(",
        "            return [DocumentWithdrawn(",
        "unit/test_document.py",
    ),
    Fault(
        "a passport is kept without a ground",
        "domain/document.py",
        "if document_type.definition.verify_only and not ground:",
        "if document_type.definition.verify_only and ground == '':",
        "unit/test_document.py",
    ),
    Fault(
        "a change of an authorization is made to a version that nobody read",
        "domain/life.py",
        "        require_version(expected_version, state.version)\n",
        "",
        "unit/test_life.py",
    ),
    Fault(
        "content of a refused upload stays in the store",
        "domain/received_file.py",
        "        contents.drop(content)\n        raise  # after any",
        "        raise  # after any",
        "unit/test_archive_file.py",
    ),
    Fault(
        "what somebody else checked counts as checked",
        "domain/check_tokens.py",
        "bound: list[Any] = [payload, actor, state.scan_code]",
        "bound: list[Any] = [payload, state.scan_code]",
        "unit/test_forms.py http/test_api_check.py",
    ),
    Fault(
        "a twin of a request does it again",
        "domain/commands.py",
        "            return replay(request, earlier)\n        try:\n            return retry_conflicts(attempt)",
        "            pass\n        try:\n            return retry_conflicts(attempt)",
        "unit/test_archive_file.py unit/test_life.py http/test_api_idempotency.py",
    ),
    # -- api
    Fault(
        "the verb of a route is not asked of the role",
        "api/admission.py",
        "    require_verb(principal, route.verb)\n",
        "",
        "http/test_api_access.py",
    ),
    Fault(
        "a one-time password opens the archive",
        "api/admission.py",
        "if session is not None and session.must_change and route.verb is not Verb.SESSION:",
        "if session is not None and session.must_change and route.verb is Verb.OPERATIONS:",
        "http/test_api_session.py",
    ),
    Fault(
        "a page of another site may change things with the cookie",
        "web/origin.py",
        'foreign = site not in OWN if site is not None else req.get_header("Origin") != origin_of(req)',
        "foreign = False",
        "http/test_api_session.py",
    ),
    Fault(
        "a script may read the cookie",
        "web/cookies.py",
        "http_only=True",
        "http_only=False",
        "http/test_api_session.py",
    ),
    Fault(
        "a form that ends early is taken for whole",
        "web/multipart.py",
        "        try:\n            self._parser.close()\n",
        "        try:\n            pass\n",
        "http/test_uploads.py",
    ),
    Fault(
        "a file over the limit is taken",
        "web/uploads.py",
        "if self.form.file.size > self.limits.upload_bytes_max:",
        "if self.form.file.size > 2 * self.limits.upload_bytes_max:",
        "http/test_uploads.py http/test_api_limits.py",
    ),
    Fault(
        "a weak tag counts as the version that was read",
        "api/call.py",
        """found = re.fullmatch(r'"(\\d{1,18})"', header.strip())""",
        """found = re.fullmatch(r'(?:W/)?"(\\d{1,18})"', header.strip())""",
        "http/test_api_corrections.py",
    ),
    Fault(
        "a download leaves no line in the access log",
        "api/content.py",
        '    await call.record_access("content", status=status, customer=file.customer, document=file.id)\n',
        "",
        "http/test_api_access.py",
    ),
    Fault(
        "an earlier content is for every reader",
        "api/content.py",
        "if not shown and not may(call.principal, Verb.DOCUMENTS_CORRECT):",
        "if not shown and not may(call.principal, Verb.DOCUMENTS_READ):",
        "http/test_api_content.py",
    ),
    Fault(
        "a range beyond the end is answered as if it were there",
        "web/ranges.py",
        "    if first >= size:\n        raise RangeNotSatisfiable(size_bytes=size)\n",
        "    first = min(first, size - 1)\n",
        "http/test_ranges.py",
    ),
    Fault(
        "as of the future is answered",
        "api/call.py",
        "        if moment > self.parts.archive.clock.now():\n",
        "        if moment.year > 9_000:\n",
        "http/test_api_view.py",
    ),
    # -- the screens
    Fault(
        "a screen shows what a person typed as HTML",
        "desk/render.py",
        "autoescape=True",
        "autoescape=False",
        "http/test_sign_in_pages.py http/test_view_page.py http/test_document_page.py",
    ),
    Fault(
        "a button is shown to who may not use it",
        "desk/render.py",
        "return call.principal_ is not None and may(call.principal_, Verb(verb))",
        "return call.principal_ is not None and Verb(verb) in Verb",
        "http/test_screens_access.py",
    ),
    Fault(
        "a code that a wand shoots outside of a field is lost",
        "desk/assets/wand.js",
        "if (!isText(field) && !isTwice(code)) route(code);",
        "if (!isText(field) && isTwice(code)) route(code);",
        "browser/test_wand.py",
    ),
    Fault(
        "an upload that the network cut off is sent with another key",
        "desk/assets/upload.js",
        'request.setRequestHeader("Idempotency-Key", one.key);',
        'request.setRequestHeader("Idempotency-Key", `${one.key}-${Math.random()}`);',
        "browser/test_add.py",
    ),
    Fault(
        "nobody is told that the session is about to end",
        "desk/assets/session.js",
        "  warning.showModal();\n",
        "",
        "browser/test_session.py",
    ),
    # -- store
    Fault(
        "a content whose last chunks are gone passes for whole",
        "store/content_format.py",
        'return prefix + counter.to_bytes(4, "big") + (b"\\x01" if last else b"\\x00")',
        'return prefix + counter.to_bytes(4, "big") + b"\\x00"',
        "store/test_content_format.py store/test_content_format_document.py",
    ),
    Fault(
        "an acknowledged content is not on the disk yet",
        "store/content_directory.py",
        "                    os.fdatasync(file)\n",
        "                    file.__index__()\n",
        "store/test_content_power_loss.py",
    ),
    Fault(
        "a session that nobody used for long goes on",
        "store/sessions.py",
        "        and s.last_seen_at > clock_timestamp() - make_interval(mins => %(minutes)s)\n",
        "        and (s.last_seen_at is not null or %(minutes)s > 0)\n",
        "store/test_sessions.py",
    ),
    Fault(
        "a password is hashed without the institution's key",
        "store/passwords.py",
        'return self._digest("password", normalize("NFKC", plain).encode("utf-8", "surrogatepass"))',
        'return normalize("NFKC", plain).encode("utf-8", "surrogatepass")',
        "store/test_passwords.py",
    ),
    Fault(
        "a key that is used for something else is not refused",
        "migrations/0029_baseline/functions/append.sql",
        "if old.body <> body_ then",
        "if false then",
        "contract/test_event_log.py",
    ),
    Fault(
        "the log can be changed",
        "migrations/0029_baseline/log.sql",
        "alter table archive.archive_events enable always trigger append_only;",
        "alter table archive.archive_events disable trigger append_only;",
        "store/test_log.py store/test_log_rights.py",
    ),
    # -- projections
    Fault(
        "the history tells of papers that are beyond the reader's rights",
        "projections/audit_history.py",
        'VISIBLE = """d.type = any(%(types)s)',
        'VISIBLE = """cardinality(%(types)s::text[]) >= 0',
        "http/test_api_history.py http/test_api_canaries.py",
    ),
    Fault(
        "of two followers both write",
        "projections/tracking.py",
        "    if before != {t.name: t.position for t in now}:\n        raise NotLeader\n",
        "",
        "views/test_follow.py",
    ),
    Fault(
        "what is due today lapses tomorrow",
        "projections/authorizations.py",
        "and due_on <= %(today)s",
        "and due_on < %(today)s",
        "views/test_customer_documents.py",
    ),
    # -- paper
    Fault(
        "a program that calls itself a letter is taken",
        "paper/media_types.py",
        "            raise FileTypeNotAllowed(found=found)\n    return None\n\n\ndef _by_container",
        "            continue\n    return None\n\n\ndef _by_container",
        "paper/test_media_types.py",
    ),
    Fault(
        "a decoder may open files",
        "paper/walls.py",
        "    return install_filter(calls)\n\n\ndef find_missing",
        "    return True\n\n\ndef find_missing",
        "paper/test_walls.py",
    ),
    # -- scanner
    Fault(
        "a page that the disk has changed is delivered",
        "scanner/spool.py",
        "return page if digest_of(data) == page.sha256 else None",
        "return page",
        "scanner/test_spool.py",
    ),
    Fault(
        "a page is forgotten although the archive is away",
        "scanner/delivery.py",
        "                    return answer.summary\n                case Verdict.CANCELLED",
        "                    self._spool.forget(job.spool_id, page.number)\n                case Verdict.CANCELLED",
        "scanner/test_station.py",
    ),
    # -- service
    Fault(
        "verify passes over an event that was changed",
        "service/verify.py",
        "        if leaf != leaf_of(stream, version, recorded_at, topic, state):\n",
        "        if leaf is None:\n",
        "service/test_verify_command.py",
    ),
    Fault(
        "papers lapse while the clocks disagree",
        "service/lapses.py",
        "            if wrong:\n                continue\n",
        "",
        "service/test_lapses.py",
    ),
    Fault(
        "/readyz is well without room for an upload",
        "service/health.py",
        'return "ok" if free >= self._limits.disk_free_bytes_min else f"only {free} bytes free"',
        'return "ok"',
        "http/test_api_outages.py",
    ),
)


def main(words: list[str]) -> int:
    chosen = [f for f in FAULTS if not words or any(word in f"{f.name} {f.path}" for word in words)]
    with copied_tree() as tree:
        missed = [fault.name for fault in chosen if not is_caught(fault, tree)]
    print(f"{len(chosen) - len(missed)} of {len(chosen)} faults are caught")
    return 1 if missed else 0


@contextmanager
def copied_tree() -> Iterator[Path]:
    """The tree as it stands here, commits or not; what lies beside it is found beside the copy as well."""
    with tempfile.TemporaryDirectory(prefix="dossier-faults-") as folder:
        Path(folder).chmod(0o755)
        tree = copy_tree(Path(folder) / "tree")
        if (ROOT.parent / "shared").exists():
            (Path(folder) / "shared").symlink_to(ROOT.parent / "shared")
        yield tree


def is_caught(fault: Fault, tree: Path) -> bool:
    """Whether a test fails of it. The first one that does is told."""
    file = tree / fault.path
    sound = file.read_text("utf-8")
    assert sound.count(fault.old) == 1, f"{fault.path} has {sound.count(fault.old)} times: {fault.old}"
    begun = time.monotonic()
    file.write_text(sound.replace(fault.old, fault.new), "utf-8")
    try:
        code, said = tested(tree, fault.tests.split())
    finally:
        file.write_text(sound, "utf-8")
    seconds, caught = time.monotonic() - begun, code == FAILED
    first = re.search(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
    print(f"{'caught' if caught else 'MISSED'} {seconds:5.1f} s  {fault.name}: {first[1] if first else said[-300:]}")
    sys.stdout.flush()
    return caught


def tested(tree: Path, files: list[str]) -> tuple[int, str]:
    """The exit code of pytest and what it said; it ends with the first failure. Nothing compiled is kept: a file can
    have one size in both of its states, and change twice in a second."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *(f"tests/{f}" for f in files)]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ended = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX)
    except subprocess.TimeoutExpired:
        return FAILED, "FAILED by-time"
    return ended.returncode, ended.stdout + ended.stderr


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
