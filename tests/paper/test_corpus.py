"""Files that nobody here wrote, good and hostile, through the real pool: a fair answer each, in time and in memory."""

import asyncio
import io
import time
from collections.abc import Iterator

import pytest
from PIL import Image

from domain import refusals
from domain.finding import Finding
from domain.limits import Limits
from paper import rendering
from tests.paper import corpus, files
from tests.paper.pools import Pool, a_descriptor, a_pool

MIB = 1024 * 1024

# What the refusals of this product are called in the manifest.
ANSWERS = {
    "file-empty": "refuse as corrupt",
    "file-damaged": "refuse as corrupt",
    "file-type-not-allowed": "refuse as type",
    "file-too-many-pixels": "refuse as too large",
}

# Where we differ from the manifest, with the reason.
OTHER_ANSWERS = {
    "hostile/balloon_trunc2.jp2": (
        "refuse as type",
        "JPEG 2000 is not taken at all, so nobody looks whether it is whole",
    ),
}
OTHER_PROBLEMS = {
    "hostile/eicar.xor5a.bin": ("file-type-not-allowed", "a program"),
    "hostile/eicar_zip.xor5a.bin": ("file-type-not-allowed", "an archive; the same"),
}


@pytest.fixture(scope="module")
def watched() -> Iterator[Pool]:
    """A pool of this module alone, so that its largest child is one that had these files."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder, a_pool(Path(folder)) as pool:
        yield pool
        assert pool.stop() < 400 * MIB + 64 * MIB


def examine(pool: Pool, data: bytes, name: str) -> Finding | refusals.Refusal:
    with a_descriptor(data) as descriptor:
        try:
            return asyncio.run(pool.examiner.examine(descriptor, size=len(data), name=name))
        except refusals.Refusal as refusal:
            return refusal


FINDINGS: dict[str, Finding | refusals.Refusal] = {}


def found(pool: Pool, sample: corpus.Sample) -> Finding | refusals.Refusal:
    """What comes of a sample, which is examined once in a run."""
    if sample.path not in FINDINGS:
        FINDINGS[sample.path] = examine(pool, sample.read(), sample.name)
    return FINDINGS[sample.path]


def in_words(answer: Finding | refusals.Refusal) -> tuple[str, str | None]:
    """The answer and the problem as the manifest would put them."""
    if isinstance(answer, refusals.Refusal):
        return ANSWERS[answer.slug], answer.slug
    problem = "file-password-protected" if answer.password_protected else None
    return "accept" if answer.preview else "accept without preview", problem


@pytest.mark.parametrize("sample", corpus.samples("good", "encrypted", "hostile", "codes"))
def test_a_real_file_gets_a_fair_answer(watched: Pool, sample: corpus.Sample) -> None:
    begun = time.monotonic()
    answer, problem = in_words(found(watched, sample))
    assert time.monotonic() - begun < Limits().decode_seconds_max
    fair = (OTHER_ANSWERS[sample.path][0],) if sample.path in OTHER_ANSWERS else sample.answers
    assert answer in fair
    if answer == sample.answers[0]:
        assert problem == OTHER_PROBLEMS.get(sample.path, (sample.problem,))[0]


@pytest.mark.parametrize("sample", corpus.samples("good", "encrypted", "hostile"))
def test_a_real_file_that_is_taken_shows_its_first_page(watched: Pool, sample: corpus.Sample) -> None:
    data = sample.read()
    finding = found(watched, sample)
    if not isinstance(finding, Finding) or not finding.preview:
        return
    with a_descriptor(data) as descriptor:
        image = asyncio.run(
            watched.examiner.draw_page_image(descriptor, media_type=finding.media_type, page=1, width=300)
        )
        picture = Image.open(io.BytesIO(image), formats=("JPEG",))
        picture.load()
        assert 0 < picture.width <= 300
        assert 0 < picture.height <= rendering.SIDE_MAX
        assert finding.pages
        last = asyncio.run(
            watched.examiner.draw_page_image(descriptor, media_type=finding.media_type, page=finding.pages, width=16)
        )
        assert last.startswith(b"\xff\xd8\xff")
        with pytest.raises(refusals.NotFound):
            asyncio.run(
                watched.examiner.draw_page_image(
                    descriptor, media_type=finding.media_type, page=finding.pages + 1, width=16
                )
            )


def test_the_test_virus_is_refused_under_every_name(watched: Pool) -> None:
    for name in ("letter.txt", "letter.csv", "letter.eml", "letter.pdf", "eicar.com", ""):
        answer = examine(watched, files.eicar(), name)
        assert isinstance(answer, refusals.FileTypeNotAllowed)


@pytest.mark.parametrize("sample", corpus.samples("good"))
def test_a_real_file_cut_in_the_middle_is_never_taken(watched: Pool, sample: corpus.Sample) -> None:
    data = sample.read()
    whole = found(watched, sample)
    if not isinstance(whole, Finding) or whole.media_type in ("text/plain", "text/csv", "message/rfc822"):
        return
    for kept in (len(data) // 3, len(data) // 2, len(data) * 9 // 10):
        assert isinstance(examine(watched, data[:kept], sample.name), refusals.Refusal), kept
