"""docs/content-format.md is exact: its reader opens what we seal, its vector is what we seal, its numbers are ours."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from store.content_format import CHUNK_BYTES, KEY_INFO, MAGIC, content_key, seal_content, size_when_sealed
from tests.builders.content import content_directory

DOCUMENT = (Path(__file__).parents[2] / "docs" / "content-format.md").read_text()
VECTOR = dict(re.findall(r"^\| ([a-z, A-Z]+) \| `(.+)` \|$", DOCUMENT, re.MULTILINE))
PAPER_KEY = bytes.fromhex(VECTOR["paper key"])
CONTENT = UUID(VECTOR["content id"])


def sealed_with_the_prefix(plain: bytes) -> bytes:
    prefix = bytes.fromhex(VECTOR["nonce prefix"])
    return b"".join(seal_content(content_key(PAPER_KEY, CONTENT), CONTENT, [plain], randomness=lambda _count: prefix))


def read_with_the_reader(folder: Path, file: Path) -> subprocess.CompletedProcess[bytes]:
    """The program as printed, run by itself: nothing of ours is importable where it runs."""
    [code] = re.findall(r"```python\n(.+?)```", DOCUMENT, re.DOTALL)
    program = folder / "read_content.py"
    program.write_text(code)
    return subprocess.run([sys.executable, "-I", program, PAPER_KEY.hex(), file], capture_output=True, cwd=folder)


@pytest.mark.parametrize("size", [0, 1, 20_480, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 5])
def test_the_printed_reader_opens_what_a_store_holds(tmp_path: Path, size: int) -> None:
    plain = bytes(number % 251 for number in range(size))
    content = UUID("0199a000-0000-7000-8000-0000000000c5")
    store = content_directory(tmp_path / "content")
    store.put(str(content), seal_content(content_key(PAPER_KEY, content), content, [plain]))

    done = read_with_the_reader(tmp_path, tmp_path / "content" / "c5" / str(content))

    assert done.stderr == b""
    assert done.stdout == plain


@pytest.mark.parametrize("kept", [0, 12, 40, 12 + 65_552, 12 + 2 * 65_552])
def test_the_printed_reader_refuses_a_cut_file(tmp_path: Path, kept: int) -> None:
    file = tmp_path / str(CONTENT)
    file.write_bytes(sealed_with_the_prefix(bytes(3 * CHUNK_BYTES))[:kept])

    assert read_with_the_reader(tmp_path, file).returncode != 0


def test_the_vector_is_what_we_seal() -> None:
    assert content_key(PAPER_KEY, CONTENT).hex() == VECTOR["content key"]
    assert sealed_with_the_prefix(VECTOR["plain, ASCII"].encode()).hex() == VECTOR["sealed"]
    assert sealed_with_the_prefix(b"").hex() == VECTOR["sealed, of empty content"]
    long = sealed_with_the_prefix(bytes(number % 251 for number in range(131_073)))
    assert f"{len(long):,} bytes and the SHA-256 `{hashlib.sha256(long).hexdigest()}`" in " ".join(DOCUMENT.split())


def test_the_vector_has_not_moved_with_the_document() -> None:
    """Files of version 1 lie on disks: neither code nor page may change what they mean."""
    assert VECTOR["sealed"] == (
        "4453523110707265666978217595d92a4f8d36238130e94a888b13516b72b71d74c85e7b21e17f75bca96a9d920d2b51a7c8d9137fc264f7"
        "7f47a879"
    )


def test_the_numbers_on_the_page_are_those_of_the_code() -> None:
    page = " ".join(DOCUMENT.split())

    assert f"ASCII `{MAGIC.decode()}`" in page
    assert f'the {len(KEY_INFO)} ASCII bytes "{KEY_INFO.decode()}"' in page
    assert f"{size_when_sealed(0)} bytes for empty content, {size_when_sealed(20_480):,} for 20 KiB" in page
