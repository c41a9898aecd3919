"""Checks a back-up without an archive: every file of every complete cut against its manifest, and every content against
its digest. Reads each content once, whichever cuts list it."""

import heapq
import time
from collections.abc import Callable, Iterator
from itertools import groupby

import msgspec

from domain.ports import Missing
from domain.refusals import Unavailable
from service.backup import load_line
from service.restore import require_keys_of
from store.backups import (
    ARCHIVE_DUMP,
    CONTENTS,
    BackupDamaged,
    BackupFolder,
    BackupUnfit,
    Manifest,
    StoredContentLine,
)
from store.content_directory import ContentDirectory

PROBLEMS_MAX = 1_000
Progress = Callable[[int, int], None]


class BackupProblem(msgspec.Struct, frozen=True):
    """One finding. `kind` is stable; `id` is a cut or a content."""

    kind: str
    id: str
    detail: str = ""


class BackupCheck(msgspec.Struct, kw_only=True):
    """The result. `unfinished` cuts are leftovers of runs that did not end; the next run removes them. `keys_checked`
    is false when the folder of the keys was not there: the cuts cannot be restored without it."""

    archive: str
    cuts: int
    newest_cut: str
    position: int
    papers: int
    unfinished: int
    keys_checked: bool
    contents: int = 0
    content_bytes: int = 0
    seconds: float = 0.0
    problems_found: int = 0
    problems: list[BackupProblem] = msgspec.field(default_factory=list)

    def add_problem(self, kind: str, subject: str, detail: str = "") -> None:
        self.problems_found += 1
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(BackupProblem(kind, subject, detail))


def check_backup(
    folder: BackupFolder, keys: BackupFolder, *, quick: bool, progress: Progress = lambda *_: None
) -> BackupCheck:
    """Check all complete cuts. `quick` compares the sizes of contents, not their bytes. Raises BackupUnfit without a
    complete cut, BackupForeign for keys of another archive."""
    begun, archive = time.monotonic(), folder.require_archive()
    cuts = folder.list_cuts()
    if not cuts:
        raise BackupUnfit(
            f"{folder.root} has no complete back-up: the last run did not end, run `dossier backup` again"
        )
    newest = cuts[-1]
    report = BackupCheck(
        archive=str(archive),
        cuts=len(cuts),
        newest_cut=newest.cut,
        position=newest.position,
        papers=newest.papers,
        unfinished=len(folder.list_unfinished()),
        keys_checked=keys.root.exists(),
    )
    readable = []
    for manifest in cuts:
        for name in (ARCHIVE_DUMP, CONTENTS):
            try:
                folder.require_file(manifest, name)
            except BackupDamaged:
                report.add_problem("file-differs", manifest.cut, name)
            else:
                readable += [manifest.cut] if name == CONTENTS else []
        if report.keys_checked:
            _check_keys(keys, manifest, report)
    _check_contents(folder, archive_contents(folder), readable, report, quick=quick, progress=progress)
    report.seconds = time.monotonic() - begun
    return report


def archive_contents(folder: BackupFolder) -> ContentDirectory:
    return folder.open_contents(folder.require_archive())


def _check_keys(keys: BackupFolder, manifest: Manifest, report: BackupCheck) -> None:
    try:
        require_keys_of(keys, manifest)
    except BackupUnfit as error:
        report.add_problem("keys-missing", manifest.cut, str(error))
    except BackupDamaged as error:
        report.add_problem("keys-differ", manifest.cut, str(error))


def _check_contents(
    folder: BackupFolder,
    contents: ContentDirectory,
    cuts: list[str],
    report: BackupCheck,
    *,
    quick: bool,
    progress: Progress,
) -> None:
    expected = max((manifest.contents for manifest in folder.list_cuts()), default=0)
    for key, lines in _merge_lines(folder, cuts):
        report.contents += 1
        report.content_bytes += lines[0].size_bytes
        progress(min(report.contents, expected), expected)
        if len({*lines}) > 1:
            report.add_problem("cuts-disagree", key)
        if problem := _check_content(contents, lines[0], quick=quick):
            report.add_problem(problem, key)


def _merge_lines(folder: BackupFolder, cuts: list[str]) -> Iterator[tuple[str, list[StoredContentLine]]]:
    """Each content with its lines of all cuts; memory use is that of one line a cut."""
    merged = heapq.merge(*(folder.iter_contents(cut) for cut in cuts), key=lambda line: line.key)
    for key, lines in groupby(merged, key=lambda line: line.key):
        yield key, list(lines)


def _check_content(contents: ContentDirectory, line: StoredContentLine, *, quick: bool) -> str | None:
    """The kind of the problem; None when there is none."""
    try:
        size = contents.size(line.key)
        if size is None:
            return "content-missing"
        if size != line.size_bytes or (not quick and load_line(contents, line.key) != line):
            return "content-differs"
    except Missing:
        return "content-missing"
    except Unavailable:
        return "content-unreadable"
    return None
