"""The program: settings, wiring and the `dossier` command. Every other room is put together here."""
