"""Header values that no file name, tag or digest can break out of."""

import email.message
import email.policy
import hashlib
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.file_name import printable
from domain.refusals import MalformedRequest
from web.headers import (
    EntityTag,
    content_disposition,
    digest_field,
    entity_tags,
    etag,
    weak_match,
)

names = st.text(st.characters(codec=None), max_size=60)
SAFE = re.compile(r"attachment(; filename=\"[ -~]+\"(; filename\*=UTF-8''[!-~]+)?)?")


def file_name_read_from(value: str) -> str | None:
    """As a mail reader of the standard library reads it; it knows RFC 2231, of which RFC 8187 is a part."""
    message = email.message.EmailMessage(email.policy.HTTP)
    message["Content-Disposition"] = value
    return message.get_filename()


@given(names)
@example('a";\r\nSet-Cookie: x=1\r\n\r\n<script>')
@example("umlaut ä and 日本.pdf")
@example("\u202efdp.exe")
@example("100%41.pdf")
@example("a'b*c.pdf")
@example("\ud800.pdf")
@example("\u0f80")
def test_no_file_name_leaves_its_header_and_every_reader_gets_it_back(name: str) -> None:
    value = content_disposition(name)
    assert SAFE.fullmatch(value)
    assert not re.search(r'filename="[^"]*[\\%/]', value)
    found = re.search(r"filename\*=UTF-8''(\S+)", value)
    if printable(name) and (found is not None or printable(name).isascii()):
        assert file_name_read_from(value.replace("filename=", "x=") if found else value) in (
            printable(name),
            printable(name).strip(),
        )


def test_a_plain_name_stands_alone_and_another_keeps_an_ascii_neighbour() -> None:
    assert content_disposition("letter 1.pdf") == 'attachment; filename="letter 1.pdf"'
    assert content_disposition("brief é.pdf", kind="inline") == (
        "inline; filename=\"brief e.pdf\"; filename*=UTF-8''brief%20%C3%A9.pdf"
    )
    assert content_disposition(None) == content_disposition("\n\x00") == "attachment"


def test_entity_tags_are_read_with_their_weakness() -> None:
    assert entity_tags('"1", W/"2" ,"a,b"') == (EntityTag("1", False), EntityTag("2", True), EntityTag("a,b", False))
    assert entity_tags(" * ") is None
    assert entity_tags("") == ()


@pytest.mark.parametrize("header", ["1", '"1', 'w/"1"', '"1"2', '"1""2"', '"1" x', '"a b"', "W/1"])
def test_a_malformed_entity_tag_is_refused(header: str) -> None:
    with pytest.raises(MalformedRequest):
        entity_tags(header)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_if_match_lets_exactly_the_current_version_pass(asked: int, current: int) -> None:
    assert weak_match("W/" + etag(asked), etag(current)) is (asked == current)


@pytest.mark.parametrize("value", ['"', "a b", "a\r\nb", "é\u20ac"])
def test_an_entity_tag_cannot_hold_what_would_end_it(value: str) -> None:
    with pytest.raises(ValueError, match="entity tag"):
        etag(value)


def test_digests_are_written_as_the_rfc_shows_them() -> None:
    # RFC 9530, appendix D: the digest of {"hello": "world"} followed by a line feed.
    digest = hashlib.sha256(b'{"hello": "world"}\n').digest()
    assert digest_field(digest) == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    with pytest.raises(ValueError, match="32 bytes"):
        digest_field(digest[:31])
