"""A BagIt bag as it is written into its target (RFC 8493); tests/http/test_api_export.py validates whole ones."""

import hashlib

import pytest

from domain.bag import Bag, BagPart
from domain.file_name import PORTABLE_CHARACTERS_MAX, portable_name


class Target:
    """Keeps the files, in the order of their writing."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._path = ""

    def begin(self, path: str, *, compress: bool) -> None:
        assert path not in self.files
        self._path, self.files[path] = path, b""

    def write(self, data: bytes) -> None:
        self.files[self._path] += data

    def end(self) -> None:
        self._path = ""


def text(path: str, *pieces: bytes) -> BagPart:
    return BagPart(path, lambda: pieces)


def written(*parts: BagPart, **info: str) -> dict[str, bytes]:
    target = Target()
    bag = Bag(target)
    for steps in (bag.put(parts), bag.finish(info)):
        for _ in steps:
            pass
    return target.files


def test_the_manifests_name_every_file_with_its_digest() -> None:
    files = written(text("a.txt", b"one"), text("b/c.txt", b"two", b"three"), Source="Library")
    assert [*files] == [
        "data/a.txt",
        "data/b/c.txt",
        "bagit.txt",
        "bag-info.txt",
        "manifest-sha256.txt",
        "tagmanifest-sha256.txt",
    ]
    digest = hashlib.sha256(b"twothree").hexdigest()
    assert f"{digest}  data/b/c.txt\n" in files["manifest-sha256.txt"].decode()
    assert files["bag-info.txt"].decode() == "Source: Library\nPayload-Oxum: 11.2\n"
    digest = hashlib.sha256(files["manifest-sha256.txt"]).hexdigest()
    assert f"{digest}  manifest-sha256.txt\n" in files["tagmanifest-sha256.txt"].decode()


def test_consecutive_parts_of_one_path_are_one_file() -> None:
    assert written(text("a.json", b"[1"), text("a.json", b"]"))["data/a.json"] == b"[1]"
    with pytest.raises(ValueError, match="once"):
        written(text("a", b"1"), text("b", b"2"), text("a", b"3"))


def test_a_part_without_bytes_to_read_is_no_file() -> None:
    files = written(BagPart("gone.pdf", lambda: None), text("a", b"1"))
    assert "data/gone.pdf" not in files
    assert b"gone" not in files["manifest-sha256.txt"]


def test_an_empty_file_is_a_file() -> None:
    assert written(text("empty"))["data/empty"] == b""


def test_a_description_is_one_line() -> None:
    assert b"Source: a b\n" in written(Source="a\r\n b")["bag-info.txt"]


@pytest.mark.parametrize(
    ("name", "portable"),
    [
        ("letter.pdf", "letter.pdf"),
        ("Ünder the 100%\n.pdf", "Under_the_100_.pdf"),
        ("../../etc/passwd", "etc_passwd"),
        (".hidden", "hidden"),
        ("письмо", "unnamed"),
        ("", "unnamed"),
    ],
)
def test_a_portable_name_fits_every_system(name: str, portable: str) -> None:
    assert portable_name(name) == portable


def test_a_portable_name_is_short_and_keeps_its_extension() -> None:
    name = portable_name("x" * 300 + ".pdf")
    assert len(name) == PORTABLE_CHARACTERS_MAX
    assert name.endswith(".pdf")
