"""How the codes of a page are read in the tests: as page.py has them read, whatever the page came from."""

import io
from collections.abc import Iterator

from PIL import Image

from domain.limits import Limits
from paper import page
from tests.paper import files, scans
from tests.paper.corpus import Sample

PAGES_MAX = 5
_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


def read_from(picture: Image.Image) -> tuple[str, ...]:
    """Codes on a picture that arrives as a PNG."""
    return page.inspect(files.saved(picture, "PNG", compress_level=0), Limits()).scan_codes


def page_images(sample: Sample) -> Iterator[Image.Image]:
    """The first pages of a PDF as a scanner would see them, the frames of other files; none of what is no picture."""
    data = sample.read()
    if sample.path.endswith(".pdf"):
        yield from (scans.drawn(data, 200, number) for number in range(min(PAGES_MAX, scans.pages_in(data))))
        return
    try:
        picture = Image.open(io.BytesIO(data))
        for frame in range(min(PAGES_MAX, getattr(picture, "n_frames", 1))):
            picture.seek(frame)
            yield picture.copy() if picture.mode in _PNG_MODES else picture.convert("RGB")
    except OSError:
        return
