"""`imges version`."""

import click

import imges


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(f"imges {imges.__version__}")
