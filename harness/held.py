"""Which data somebody holds who hands in a file: by the manifest that came with them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.competition import Competition, digest_of_files
from tasks.errors import UserError

PARENTS = 3
"""How many folders above that of a file are looked at."""


def refuse_stale(
    file: Path, competition: Competition, digest: str | None, remedy: str, folders: Sequence[Path] = ()
) -> None:
    """Raises UserError E_STALE_DATA where the data at hand are others than the competition has now.

    The data are those beside the file or up to `PARENTS` folders above it, else in ./NAME, else in one of `folders`:
    the first of these that has a manifest of this competition says which they are. Where none has, nothing is known.
    `digest` is that of the competition's public files, and `remedy` says where they are.
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
            f"the data of {competition.name} in {folder} are {which}, and the competition has version"
            f" {competition.version}; predictions for the one are wrong for the other. {remedy}",
            code="E_STALE_DATA",
            exit_code=3,
        )


def _places(file: Path, name: str, folders: Sequence[Path]) -> Iterator[Path]:
    beside = file.absolute().parent
    yield from [beside, *beside.parents][: PARENTS + 1]
    yield Path(name).absolute()
    yield from folders


def _held(folder: Path, name: str) -> tuple[int, str | None] | None:
    """Version and digest of the data of that competition in a folder, None where it has none that can be read."""
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        about = manifest if "name" in manifest else json.loads((folder / "format.json").read_bytes())  # older releases
        if about["name"] != name or type(about["version"]) is not int:
            return None
        return about["version"], digest_of_files(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
