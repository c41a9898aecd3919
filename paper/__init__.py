"""Examines and draws untrusted files: media type, completeness, page images, forms. service/ starts the processes."""
