"""The command files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from harness.archive import grouped
from harness.build import damaged_files
from harness.cli import common
from harness.cli.output import Field, emit, say
from harness.course.download import download as fetch
from harness.course.entries import to_json
from harness.course.remote import RemoteCourse
from tasks.errors import UserError


@click.command()
@common.HW
@click.option(
    "--download", metavar="[DIR]", is_flag=False, flag_value="", help="Download them from the server; default: ./HW."
)
@click.option("--all", "every", is_flag=True, help="List every file, including those in folders.")
@common.FORMAT
@common.command
def files(homework: str, download: str | None, every: bool, format: Any) -> None:
    """List the data files of a homework, or download them.

    A folder is one line; --all, JSON and CSV list every file."""
    source = common.source(named=False)
    listing = source.files(homework)
    folder = listing.folder
    if download is not None:
        if folder is not None:
            raise UserError(f"the files are already on this machine: {folder}")
        assert isinstance(source, RemoteCourse)
        folder = str(fetch(source, listing, Path(download or listing.homework), common.progress_bar))
    size = Field("bytes", "bytes", lambda n: f"{n:,}", right=True)
    body = to_json(replace(listing, folder=folder))
    more = {key: value for key, value in body.items() if key not in ("schema", "files")}
    if every or format != "table":
        emit(format, "files", body["files"], [Field("file", "file"), size, Field("sha256", "SHA-256", rank=1)], **more)
    else:
        rows = grouped(body["files"])
        fields = [Field("name", "name"), Field("files", "files", lambda n: f"{n:,}", right=True), size]
        emit(format, "files", rows, fields)
    if format == "table":
        total = f"{len(listing.files):,} files, {sum(file.bytes for file in listing.files):,} bytes"
        there = f"in {folder}" if folder is not None else f"download them: lhy-grade files {homework} --download"
        say(f"{total}; {there}")
    if folder is not None and download is None:
        damaged = damaged_files(Path(folder))
        if damaged:
            raise UserError(
                f"changed, missing or added since the data were prepared: {', '.join(damaged)}. Get the files again.",
                exit_code=8,
            )
