"""Numbered SQL files and the runner that applies them; depends on psycopg only."""
