"""The verbs of the `dossier` command, one module a group; service/__main__.py collects them."""
