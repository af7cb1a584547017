"""The command `verify`."""

from __future__ import annotations

import click

from harness.cli import common
from harness.cli.output import say
from harness.grading.reproduction import verify_entry
from harness.words import inert


@click.command()
@click.argument("id", metavar="ID", type=int)
@click.argument("model", metavar="MODEL", type=click.Path())
@click.option(
    "--as", "name", metavar="NAME", help="Your name, for the log; default: `name` in config.toml, or your user name."
)
@common.command
def verify(id: int, model: str, name: str | None) -> None:
    """Verify an entry's size with a model that gives the same file.

    The MODEL (.onnx) is counted and run on the pictures that students have. If enough rows are those of the entry, the
    entry loses its mark "size not verified", and the model's bytes are kept."""
    from pathlib import Path

    home = common.find_home()
    found, again = verify_entry(home, id, Path(model), common.who(home, name), common.clock(), say)
    was = "was already verified" if again else "is verified"
    click.echo(
        inert(
            f"submission {found.submission} {was}: {found.parameters:,} parameters, {found.equal_rows:,} of "
            f"{found.all_rows:,} rows equal, model {found.model}"
        )
    )
