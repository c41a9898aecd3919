"""The program: settings, wiring and the `dossier` command, built from all other rooms."""
