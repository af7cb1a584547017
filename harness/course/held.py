"""Detects outdated local data at submission, by the manifest of the download."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.competition import Competition, digest_of_files
from tasks.errors import UserError

PARENTS = 3
"""The number of parent folders that are searched."""


def refuse_stale(
    file: Path, competition: Competition, digest: str | None, remedy: str, folders: Sequence[Path] = ()
) -> None:
    """Raises UserError E_STALE_DATA if the local data are not the competition's current data.

    The local data are next to the file or up to `PARENTS` folders above it, else in ./NAME, else in one of `folders`:
    the first of these with a manifest of this competition decides. Without one there is no check.
    `digest` is that of the competition's public files, and `remedy` says where to get them.
    """
    for folder in _places(file, competition.name, folders):
        held = _held(folder, competition.name)
        if held is None:
            continue
        version, own = held
        if version == competition.version and (own is None or digest is None or own == digest):
            return
        which = f"of version {version}" if version != competition.version else "of another course"
        raise UserError(
            f"the data of {competition.name} in {folder} are {which}, but the competition uses version"
            f" {competition.version}; predictions for one are wrong for the other. {remedy}",
            code="E_STALE_DATA",
            exit_code=3,
        )


def _places(file: Path, name: str, folders: Sequence[Path]) -> Iterator[Path]:
    beside = file.absolute().parent
    yield from [beside, *beside.parents][: PARENTS + 1]
    yield Path(name).absolute()
    yield from folders


def _held(folder: Path, name: str) -> tuple[int, str | None] | None:
    """Version and digest of the competition's data in a folder; None without a readable manifest of it."""
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        about = manifest if "name" in manifest else json.loads((folder / "format.json").read_bytes())  # older releases
        if about["name"] != name or type(about["version"]) is not int:
            return None
        return about["version"], digest_of_files(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
