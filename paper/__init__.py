"""Bytes in, bytes out: which type content is, whether it is whole, its page images. service/ starts the children."""
