"""Findings of paper/ about a file and about one page image. domain/received_file.py and scanning.py take them over."""

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The finding about content. `pages`: PDF pages, pictures of a TIFF or HEIC, 1 for other pictures, else None.

    `preview`: page images can be drawn. `flags`: macros, javascript, attachments, active-content, sorted.
    """

    media_type: str
    pages: int | None
    preview: bool
    password_protected: bool
    flags: tuple[str, ...] = ()


class PageFinding(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The finding about one page image; sizes are those of the upright page.

    `dpi`: if the file states it credibly and equal across and down. `scan_codes`: texts of paper/codes.py.
    `warnings`: of paper/page.py. `look`: the map of domain/page_look.py, which recognizes a sheet that was fed twice.
    """

    media_type: str
    width_px: int
    height_px: int
    dpi: int | None
    scan_codes: tuple[str, ...]
    warnings: tuple[str, ...]
    look: bytes
