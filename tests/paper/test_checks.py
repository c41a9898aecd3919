"""Whether content is whole, how many pages it has, and what a desk should know of it before opening it."""

import io

import pikepdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image, TiffImagePlugin

from domain import refusals
from domain.finding import Finding
from domain.limits import Limits
from paper import checks, zip_directories
from tests.paper import files

LIMITS = Limits()
PICTURES = {
    "jpeg": files.a_jpeg((160, 120)),
    "progressive jpeg": files.a_jpeg((160, 120), progressive=True),
    "png": files.a_png((160, 120)),
    "tiff": files.a_tiff(),
    "tiff of 3 pages": files.a_tiff(3, compression="tiff_lzw"),
    "bilevel tiff": files.a_tiff(2, (160, 120), "1", compression="group4"),
    "big tiff": files.a_tiff(2, big_tiff=True),
    "heic": files.a_heic(2),
    "webp": files.a_film("WEBP", 1, (160, 120)),
    "webp film": files.a_film("WEBP"),
    "avif": files.a_film("AVIF", 1, (160, 120)),
    "gif": files.a_film("GIF", 1, (160, 120)),
    "gif film": files.a_film("GIF"),
    "png film": files.a_film("PNG"),
    "bmp": files.saved(files.a_picture(), "BMP"),
}
OTHERS = {
    "pdf": files.a_pdf(3),
    "compressed pdf": files.a_rewritten_pdf(files.a_pdf(3), object_stream_mode=pikepdf.ObjectStreamMode.generate),
    "linearized pdf": files.a_rewritten_pdf(files.a_pdf(30), linearize=True),
    "docx": files.a_docx(),
    "odt": files.an_odt(),
    "doc": files.a_doc(),
    "xls": files.an_xls(),
    "rtf": rb"{\rtf1 {\b a \{letter\} }\par of {\i two} lines\\}",
}


def examine(data: bytes, name: str = "letter.bin", limits: Limits = LIMITS) -> Finding:
    return checks.examine(data, name, limits)


def verdict(data: bytes, limits: Limits = LIMITS) -> str:
    try:
        return examine(data, limits=limits).media_type
    except refusals.Refusal as refusal:
        return refusal.slug


@pytest.mark.parametrize(
    ("name", "pages"),
    [("jpeg", 1), ("tiff", 1), ("tiff of 3 pages", 3), ("bilevel tiff", 2), ("big tiff", 2), ("heic", 2), ("bmp", 1)]
    + [(film, 1) for film in ("webp film", "gif film", "png film", "avif")],
)
def test_pictures_have_pages_and_films_are_one_page(name: str, pages: int) -> None:
    finding = examine(PICTURES[name])
    assert (finding.pages, finding.preview, finding.password_protected, finding.flags) == (pages, True, False, ())


@pytest.mark.parametrize("name", ["pdf", "compressed pdf"])
def test_a_pdf_has_its_pages(name: str) -> None:
    finding = examine(OTHERS[name])
    assert (finding.media_type, finding.pages, finding.preview) == ("application/pdf", 3, True)


@pytest.mark.parametrize("name", ["docx", "odt", "doc", "xls", "rtf"])
def test_office_files_have_neither_pages_nor_preview(name: str) -> None:
    finding = examine(OTHERS[name])
    assert (finding.pages, finding.preview, finding.password_protected, finding.flags) == (None, False, False, ())


def test_texts_have_neither_pages_nor_preview() -> None:
    assert examine(b"Good morning", "note.txt") == Finding(
        media_type="text/plain", pages=None, preview=False, password_protected=False
    )


@pytest.mark.parametrize("name", [*PICTURES, *OTHERS])
def test_a_file_cut_anywhere_is_never_taken(name: str) -> None:
    whole = (PICTURES | OTHERS)[name]
    # A PDF may lose the line end behind %%EOF, a TIFF the zeros up to 16 with which Pillow fills its pages.
    nothing = 1 if "pdf" in name else len(whole) - len(whole.rstrip(b"\0")) if "tiff" in name else 0
    step = max(1, len(whole) // 150)
    kept = {*range(8, len(whole) - 64, step), *range(max(8, len(whole) - 64), len(whole) - nothing)}
    taken = [length for length in sorted(kept) if not verdict(whole[:length]).startswith("file-")]
    assert taken == []


@pytest.mark.parametrize("name", [*PICTURES, "pdf", "linearized pdf", "docx", "odt"])
def test_bytes_behind_the_end_do_no_harm(name: str) -> None:
    whole = (PICTURES | OTHERS)[name]
    assert examine(whole + bytes(100)) == examine(whole)


@settings(max_examples=150)
@given(st.sampled_from(["jpeg", "progressive jpeg"]), st.integers(0, 10_000), st.integers(0, 7), st.booleans())
def test_an_eighth_of_a_jpeg_is_judged_as_the_whole_of_it(name: str, where: int, bit: int, cut: bool) -> None:
    changed = bytearray(PICTURES[name])
    where %= len(changed)
    changed[where] ^= 1 << bit
    data = bytes(changed[: where + 3] if cut else changed)
    try:
        Image.open(io.BytesIO(data), formats=("JPEG",)).load()
        fully = "image/jpeg"
    except Exception:  # noqa: BLE001  Whatever Pillow says of it, it is no.
        fully = "file-damaged"
    assert verdict(data) in (fully, "file-type-not-allowed")


def test_pixels_are_counted_before_anything_is_decoded(limits: Limits) -> None:
    narrow = replace(limits, image_pixels_max=1200)
    assert verdict(files.a_png((40, 30)), narrow) == "image/png"
    for data in (files.a_png((40, 31)), files.a_jpeg((40, 31)), files.a_tiff(1, (40, 31)), files.a_heic(1, (64, 64)),
                 files.a_film("AVIF", 1, (64, 64)), files.a_film("GIF", 2, (40, 31)), files.a_film("WEBP", 1, (40, 31)),
                 files.saved(files.a_picture((40, 31)), "BMP")):  # fmt: skip
        assert verdict(data, narrow) == "file-too-many-pixels"
    assert verdict(files.a_lying_png(70_000, 70_000)) == "file-too-many-pixels"
    assert verdict(files.a_lying_png(7_000, 7_000)) == "file-damaged"


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "WEBP", "PNG"])
def test_frames_are_limited_on_both_sides(kind: str) -> None:
    limits = replace(LIMITS, image_frames_max=5)
    five, six = (files.a_tiff(frames) if kind == "TIFF" else files.a_film(kind, frames) for frames in (5, 6))
    assert verdict(five, limits).startswith("image/")
    assert verdict(six, limits) == "file-too-many-pixels"


def test_pictures_of_a_heic_are_limited_on_both_sides() -> None:
    limits = replace(LIMITS, image_frames_max=2)
    assert verdict(files.a_heic(2), limits) == "image/heic"
    assert verdict(files.a_heic(3), limits) == "file-too-many-pixels"


def test_pages_of_a_pdf_are_limited_on_both_sides() -> None:
    limits = replace(LIMITS, pdf_pages_max=3)
    assert verdict(files.a_pdf(3), limits) == "application/pdf"
    assert verdict(files.a_pdf(4), limits) == "file-too-many-pixels"


FRAMES = {
    "tiff": files.a_tiff(5, (16, 16)),
    "gif film": files.a_film("GIF", 5),
    "webp film": files.a_film("WEBP", 5),
    "png film": files.a_film("PNG", 5),
    "heic": files.a_heic(5),
    "progressive jpeg": files.a_jpeg((16, 16), progressive=True),
}


@pytest.mark.parametrize("name", FRAMES)
def test_pixels_of_all_frames_are_limited_on_both_sides(name: str) -> None:
    """A scan of a progressive JPEG counts as a frame."""
    data = FRAMES[name]
    pixels = 5 * 64 * 64 if name == "heic" else 256 * (data.count(b"\xff\xda") if "jpeg" in name else 5)
    assert verdict(data, replace(LIMITS, file_pixels_max=pixels)).startswith("image/")
    assert verdict(data, replace(LIMITS, file_pixels_max=pixels - 1)) == "file-too-many-pixels"


def test_a_small_file_of_endless_pixels_is_refused_before_any_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """It held a decoder for 20 seconds."""
    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "load", lambda self: pytest.fail("a frame was decoded"))
    assert verdict(files.a_slow_tiff(200)) == "file-too-many-pixels"


def test_a_tiff_whose_pages_run_in_a_circle_ends() -> None:
    one = bytearray(files.a_tiff(1))
    first = int.from_bytes(one[4:8], "little")
    entries = int.from_bytes(one[first : first + 2], "little")
    one[first + 2 + 12 * entries : first + 6 + 12 * entries] = first.to_bytes(4, "little")
    assert verdict(bytes(one)) == "image/tiff"


def test_an_office_file_that_unpacks_too_far_is_refused_by_its_directory_alone() -> None:
    # The size stands at 24 of a central entry; the file itself stays small.
    bomb = bytearray(files.a_docx(more={"word/bomb": b""}))
    entry = bytes(bomb).rindex(b"PK\x01\x02")
    for size, expected in ((1 << 30, "file-too-many-pixels"), (1 << 20, files.DOCX_MAIN.removesuffix(".main+xml"))):
        bomb[entry + 24 : entry + 28] = size.to_bytes(4, "little")
        assert verdict(bytes(bomb)) == expected


def test_entries_of_an_office_file_are_limited_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_directories, "ENTRIES_MAX", 4)
    assert verdict(files.a_docx(more={"a": b"", "b": b""})).startswith("application/")
    assert verdict(files.a_docx(more={"a": b"", "b": b"", "c": b""})) == "file-too-many-pixels"


def test_an_office_file_whose_entries_lie_over_one_another_is_damaged() -> None:
    whole = bytearray(files.a_docx(more={"a": b"x" * 50}))
    entry = bytes(whole).rindex(b"PK\x01\x02")
    whole[entry + 42 : entry + 46] = (0).to_bytes(4, "little")
    assert verdict(bytes(whole)) == "file-damaged"


@pytest.mark.parametrize(
    ("data", "preview"),
    [
        (files.a_locked_pdf(), False),
        (files.an_odt(manifest=b"<manifest:encryption-data/>"), False),
        (files.an_ole({"EncryptionInfo": b"", "EncryptedPackage": b""}), False),
        (files.a_doc(locked=True), False),
        (files.an_xls(locked=True), False),
    ],
)
def test_a_file_with_a_password_is_taken_and_says_so(data: bytes, preview: bool) -> None:
    finding = examine(data)
    assert (finding.password_protected, finding.pages, finding.preview) == (True, None, preview)


def test_a_pdf_that_only_forbids_printing_has_no_password() -> None:
    finding = examine(files.a_locked_pdf(user=""))
    assert (finding.password_protected, finding.pages, finding.preview) == (False, 1, True)


@pytest.mark.parametrize(
    ("data", "flag"),
    [
        (files.a_docx(more={"word/vbaProject.xml": b"", "basic.xml": b""}), None),
        (files.a_docx(more={"word/vbaProject.bin": b""}), "macros"),
        (files.an_odt(more={"Basic/Standard/Module1.xml": b""}), "macros"),
        (files.a_doc(storages=("Macros",)), "macros"),
        (files.a_docx(more={"word/embeddings/oleObject1.bin": b""}), "attachments"),
        (files.a_docx(more={"word/activeX/activeX1.xml": b""}), "active-content"),
        (files.an_ole({"__properties_version1.0": b""}, ("__attach_version1.0_#00000000",)), "attachments"),
        (rb"{\rtf1 {\object\objemb{\*\objdata 01}}}", "active-content"),
        (files.a_pdf(), None),
        (files.a_pdf(catalogue=b"/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>"), "javascript"),
        (files.a_pdf(catalogue=b"/OpenAction << /S /J#61vaScript /J#53 (1) >>"), "javascript"),
        (files.a_pdf(catalogue=b"/OpenAction << /S /Launch /F (calc.exe) >>"), "active-content"),
        (files.a_pdf(catalogue=b"/OpenAction << /S /GoToR /F (other.pdf) >>"), "active-content"),
        (files.a_pdf(catalogue=b"/OpenAction << /S /URI /URI (http://x.test) >>"), "active-content"),
        (files.a_pdf(catalogue=b"/OpenAction << /S /GoTo /D [] /Next << /S /#55RI /URI () >> >>"), "active-content"),
        (files.a_pdf(catalogue=b"/AA << /WC << /S /JavaScript /JS () >> >>"), "javascript"),
        (files.a_pdf(catalogue=b"/AA << /WC << /S /Launch /F (calc.exe) >> >>"), "active-content"),
        (files.a_pdf(catalogue=b"/OpenAction [0 /Fit] /X << /S /URI /URI (http://x.test) >>"), None),
        (files.a_pdf(catalogue=b"/Names << /EmbeddedFiles << /Names [] >> >>"), "attachments"),
    ],
)
def test_what_is_active_or_hidden_is_flagged(data: bytes, flag: str | None) -> None:
    assert examine(data).flags == ((flag,) if flag else ())


def test_packed_bytes_that_look_like_a_short_name_flag_nothing() -> None:
    assert examine(files.a_pdf(content=b"% \xff\x80/JS \x00/AA (\xfe")).flags == ()


def test_what_is_active_is_flagged_inside_object_streams_too() -> None:
    plain = files.a_pdf(catalogue=b"/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>")
    packed = files.a_rewritten_pdf(plain, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    assert b"JavaScript" not in packed
    assert examine(packed).flags == ("javascript",)


@pytest.mark.parametrize("mode", ["disable", "generate"])
@pytest.mark.parametrize(("opens", "flags"), [(True, ("active-content",)), (False, ())])
def test_an_address_is_flagged_when_it_opens_with_the_file_and_not_behind_a_link(
    mode: str, opens: bool, flags: tuple[str, ...]
) -> None:
    file = io.BytesIO()
    with pikepdf.open(io.BytesIO(files.a_pdf(3))) as pdf:
        action = pdf.make_indirect(pikepdf.Dictionary(S=pikepdf.Name.URI, URI="http://x.test"))
        if opens:
            pdf.Root.OpenAction = action
        else:
            link = pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Link, Rect=[0, 0, 9, 9], A=action)
            pdf.pages[0].obj.Annots = pikepdf.Array([link])
            pdf.Root.OpenAction = pdf.make_indirect(pikepdf.Array([pdf.pages[0].obj, pikepdf.Name.Fit]))
        pdf.save(file, object_stream_mode=getattr(pikepdf.ObjectStreamMode, mode))
    assert examine(file.getvalue()).flags == flags


@pytest.mark.parametrize("mode", ["disable", "generate"])
@pytest.mark.parametrize("by_reference", [False, True])
@pytest.mark.parametrize("place", ["file", "page", "annotation"])
def test_an_address_among_the_additional_actions_is_flagged(mode: str, by_reference: bool, place: str) -> None:
    file = io.BytesIO()
    with pikepdf.open(io.BytesIO(files.a_pdf())) as pdf:
        link, ours = a_link(), pikepdf.Dictionary(S=pikepdf.Name.URI, URI="http://x.test/(a>>b)")
        first = pikepdf.Dictionary(S=pikepdf.Name.GoTo, D=pikepdf.String("(>>"), Next=ours)
        actions = pikepdf.Dictionary(O=first)
        if by_reference:
            first.Next = pdf.make_indirect(ours)
            actions.O = pdf.make_indirect(first)
            actions = pdf.make_indirect(actions)
        pdf.pages[0].obj.Annots = pikepdf.Array([pdf.make_indirect(link)])
        holder = {"file": pdf.Root, "page": pdf.pages[0].obj, "annotation": pdf.pages[0].obj.Annots[0]}[place]
        holder.AA = actions
        pdf.save(file, object_stream_mode=getattr(pikepdf.ObjectStreamMode, mode))
    assert examine(file.getvalue()).flags == ("active-content",)


@pytest.mark.parametrize("mode", ["disable", "generate"])
def test_a_link_beside_additional_actions_is_not_flagged(mode: str) -> None:
    file = io.BytesIO()
    with pikepdf.open(io.BytesIO(files.a_pdf(3))) as pdf:
        for page in pdf.pages:
            going = pikepdf.Dictionary(S=pikepdf.Name.GoTo, D=pikepdf.Array([page.obj, pikepdf.Name.Fit]))
            page.obj.AA = pikepdf.Dictionary(O=pdf.make_indirect(going))
            page.obj.Annots = pikepdf.Array([pdf.make_indirect(a_link()), a_link()])
            page.obj.Annots[0].AA = pikepdf.Dictionary(E=going)
        pdf.save(file, object_stream_mode=getattr(pikepdf.ObjectStreamMode, mode))
    assert examine(file.getvalue()).flags == ()


def a_link() -> pikepdf.Dictionary:
    action = pikepdf.Dictionary(S=pikepdf.Name.URI, URI="http://x.test")
    return pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Link, Rect=[0, 0, 9, 9], A=action)


@settings(max_examples=150)
@given(data=st.data())
def test_a_file_with_some_bytes_changed_gives_a_finding_or_a_refusal(data: st.DataObject) -> None:
    # Pictures and PDFs go through C libraries, which a test process should not offer broken bytes: see test_corpus.
    changed = bytearray(OTHERS[data.draw(st.sampled_from(["docx", "odt", "doc", "xls", "rtf"]))])
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    assert "/" in (answer := verdict(bytes(changed))) or answer.startswith("file-")
