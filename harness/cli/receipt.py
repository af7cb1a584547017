"""The command receipt."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import common
from harness.words import inert
from leaderboard import receipts
from tasks.errors import UserError


@click.command()
@click.argument("id", metavar="ID", type=int, required=False)
@click.option("--verify", "file", metavar="FILE", type=click.Path(), help="Verify a saved receipt.")
@click.option("--key", metavar="KEY", help="The course's public key; default: that of this home or login.")
@common.command
def receipt(id: int | None, file: str | None, key: str | None) -> None:
    """Print the receipt of a submission, or verify a saved one."""
    source = common.source(named=False)
    if file is None:
        if id is None:
            raise UserError("give the number of a submission, or a saved receipt: --verify FILE.")
        click.echo(receipts.canonical(source.receipt(id)))
        return
    if key is None:
        key = source.receipt_key()
        if key is None:
            raise UserError("the course's public key is not known on this machine; give it with --key.")
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{file} cannot be read as a receipt.") from None
    found = receipts.verify_any(text, key)
    what = f"submission {found.submission}" if isinstance(found, receipts.Receipt) else f"attachment {found.attachment}"
    click.echo(inert(f"genuine: {what} of {found.participant}, {found.competition}, {found.accepted_at}"))
