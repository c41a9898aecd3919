"""The screens of the desk, made on the server: one way through them is one upload from S1 to S8 (README, "The desk").

A page asks the archive through door.py by the routes of the API and has no query, use case or right of its own;
render.py turns what it is told into HTML, assets.py holds what browsers load beside it.
"""
