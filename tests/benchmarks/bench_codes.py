"""How many codes are read from pages in which state, how many wrongly, and how long a page takes.

    ./run bench codes [ROUNDS]    forms, letters and bar codes through the ladder of tests/paper/scans.py; the corpus

Seconds are those of the processor: with others at work, the clock tells about them.
"""

import random
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import partial

from PIL import Image

from domain.limits import Limits
from paper import codes, page, pictures
from tests.paper import corpus, files, scans
from tests.paper.readings import page_images, read_from
from tests.paper.test_codes import LONGEST, a_page_of_bars

READ_BAR, CORPUS_BAR, PAGE_MS_BAR = 0.99, 0.95, 150
RESOLUTIONS = (150, 200, 300)


def main(rounds: int) -> None:
    pictures.configure(Limits())
    forms(rounds)
    letters(rounds)
    bars(rounds)
    what_each_look_adds(rounds)
    the_corpus()


def forms(rounds: int) -> None:
    print(f"our forms, turned by up to 3 degrees, every other one upside down: read of {rounds}")
    read, ms = 0, list[float]()
    for dpi in RESOLUTIONS:
        counts = dict.fromkeys(scans.LADDER, 0)
        for rung, number, (code, picture) in on_rungs(rounds, partial(a_form, dpi=dpi)):
            jpeg = files.saved(picture, "JPEG", quality=85, dpi=(dpi, dpi))
            found, spent = timed(jpeg)
            ms.append(spent)
            counts[rung] += found == (code,)
            if {*found} - {code}:
                print(f"    WRONG: {found} for {code}, {dpi} dpi, {rung}, {number}")
        read += sum(counts.values())
        print(f"    {dpi} dpi  " + "  ".join(f"{rung}: {count}" for rung, count in counts.items()))
    told(read, len(ms), READ_BAR)
    milliseconds("a page with a code", ms)


def letters(rounds: int) -> None:
    """Every look is tried on them."""
    ms, false = list[float](), 0
    for _, _, (_, picture) in on_rungs(rounds, lambda number: ("", scans.a_letter(number))):
        found, spent = timed(files.saved(picture, "JPEG", quality=85, dpi=(200, 200)))
        ms.append(spent)
        false += found != ()
    print(f"letters without a code, 200 dpi: {false} of {len(ms)} with something read, bar 0")
    milliseconds("a page without a code", ms)


def bars(rounds: int) -> None:
    counts = Counter[str]()
    for seed in range(10 * rounds):
        real, picture = a_page_of_bars(seed)
        found = {*read_from(picture)}
        counts.update(read=len(found & real), wrong=len(found - real), of=len(real))
    print(f"Code 128, Code 39 and EAN of 0.2 to 0.4 mm in all states, 200 dpi: {dict(counts)}")


def what_each_look_adds(rounds: int) -> None:
    """Forms with modules of 0.5 mm, half of ours, and pages of bars: what is read with the first looks only."""
    pages = [a_page_of_bars(seed) for seed in range(2 * rounds)]
    pages += [({code}, picture) for _, _, (code, picture) in on_rungs(rounds, a_small_code)]
    whole = codes._LOOKS
    for count in range(1, len(whole) + 1):
        codes._LOOKS = whole[:count]  # type: ignore[misc,assignment]  # to measure what it is made of
        read = sum(len(real & {*codes.find_texts(picture)}) for real, picture in pages)
        print(f"    up to {whole[count - 1].change.__name__.strip('_'):18} {read}")


def the_corpus() -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for param in corpus.samples("codes"):
        if (sample := param.values[0]) is None:
            return
        found = {text for image in page_images(sample) for text in read_from(image)}
        real = {codes._visible_text(text) for text in sample.code_texts}
        kind = "nothing" if not real else sample.name.split("-")[0]
        counts[kind].update(of=1, right=int(found == real), wrong=len(found - real))
    print("corpus: " + "  ".join(f"{kind}: {count['right']} of {count['of']}" for kind, count in counts.items()))
    every = sum(counts.values(), Counter[str]())
    told(every["right"], every["of"], CORPUS_BAR)
    print(f"    {every['wrong']} with a wrong text, bar 0")


def on_rungs(
    rounds: int, make: Callable[[int], tuple[str, Image.Image]]
) -> Iterator[tuple[str, int, tuple[str, Image.Image]]]:
    for number in range(rounds):
        code, clean = make(number)
        for rung, worsen in scans.LADDER.items():
            yield rung, number, (code, worsen(clean, number))


def a_form(number: int, dpi: int) -> tuple[str, Image.Image]:
    chance = random.Random(number)
    code = LONGEST if number % 4 == 3 else scans.a_code(chance.randrange(10**12))
    picture = scans.a_form_page(code, dpi)
    return code, scans.turned(picture, 180 * (number % 2) + chance.uniform(-3, 3))


def a_small_code(number: int) -> tuple[str, Image.Image]:
    code, picture = a_form(4 * number, 200)
    half = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BOX)
    sheet = Image.new("L", picture.size, 255)
    sheet.paste(half, (400, 600))
    return code, sheet


def timed(jpeg: bytes) -> tuple[tuple[str, ...], float]:
    """The codes of a page image as it is inspected, and the milliseconds of that."""
    began = time.process_time()
    found = page.inspect(jpeg, Limits()).scan_codes
    return found, 1000 * (time.process_time() - began)


def told(read: int, of: int, bar: float) -> None:
    print(f"    {read} of {of} = {read / of:.1%}, bar {bar:.0%}", flush=True)


def milliseconds(name: str, ms: list[float]) -> None:
    most = statistics.quantiles(ms, n=20)[-1]
    print(f"    {name}, inspected: median {statistics.median(ms):.0f} ms, 95 % under {most:.0f}, bar {PAGE_MS_BAR}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
