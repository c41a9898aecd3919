"""The screens of the desk, rendered on the server: S1 to S13, from Add to View (README, "The desk").

A page calls the routes of the API through door.py and has no query, use case or right of its own. render.py renders the
replies as HTML; assets.py serves style sheets, scripts and icons.
"""
