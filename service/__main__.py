"""The `dossier` command: its verbs, each one handed to the room that does the work."""

from importlib.metadata import version as installed_version

import click


@click.group()
def main() -> None:
    """The customer document archive."""


@main.command()
def version() -> None:
    """Print the version of this installation."""
    click.echo(installed_version("dossier"))


if __name__ == "__main__":
    main()
