"""The corpus of real files beside the repository: what each is, and the answers that are fair for it."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "corpus"


class Sample(msgspec.Struct, frozen=True):
    """`answers` in words of the manifest, the best first; `problem` is the slug that goes with the best.

    `code_texts`: what its codes say, of a PDF those of its first five pages.
    """

    path: str
    answers: tuple[str, ...]
    problem: str | None
    code_texts: tuple[str, ...]

    @property
    def name(self) -> str:
        return Path(self.path).name.removesuffix(".xor5a.bin")

    def read(self) -> bytes:
        data = (FOLDER / self.path).read_bytes()
        return bytes(byte ^ 0x5A for byte in data) if self.path.endswith(".xor5a.bin") else data


def samples(*groups: str) -> list[Any]:
    """One pytest parameter for each sample of the groups, or a single one that is skipped, loudly."""
    manifest = FOLDER / "manifest.jsonl"
    if not manifest.exists():
        return [pytest.param(None, marks=pytest.mark.skip(f"NOT TESTED, the corpus is not there: {FOLDER}"))]
    rows = [json.loads(line) for line in manifest.read_text("utf-8").splitlines()]
    return [pytest.param(_sample(row), id=row["path"]) for row in rows if row["group"] in groups]


def of_each_kind(*groups: str) -> list[Any]:
    """As samples(), but of those that are alike in group, answer and ending of the name only the first in the short
    run."""
    told, seen = list[Any](), set[tuple[str, str, str]]()
    for parameter in samples(*groups):
        sample = parameter.values[0]
        kind = (
            (sample.path.partition("/")[0], sample.answers[0], sample.name.rpartition(".")[2]) if sample else ("",) * 3
        )
        told.append(
            pytest.param(sample, id=parameter.id, marks=[*parameter.marks, *([pytest.mark.long] * (kind in seen))])
        )
        seen.add(kind)
    return told


def _sample(row: dict[str, Any]) -> Sample:
    answers = (row["expected"], *row["also_ok"])
    return Sample(row["path"], answers, row["problem"], tuple(row.get("code_texts") or ()))
