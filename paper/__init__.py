"""Bytes in, bytes out: type by content, decode check, page images; knows domain/ values only."""
