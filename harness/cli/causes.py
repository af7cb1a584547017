"""A page with the pictures of HW9, their causes, and the maps of a submission: after the reveal, or for staff."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import click

from harness.answers import read_secret
from harness.cli import common
from harness.competition import find_competition
from harness.home import write_file
from leaderboard import records
from submissions.reader import read
from tasks.base import PUBLIC
from tasks.errors import UserError
from tasks.hw09_explainable import ATTRIBUTION, CAUSE, CAUSES, GRID, margins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.answers import Secret


STYLE = (
    "body{font-family:sans-serif;margin:1em auto;max-width:75em}div{display:flex;flex-wrap:wrap;gap:.7em}"
    "figure{margin:0}img{image-rendering:pixelated;width:8em;height:8em}figcaption{font-size:.8em}"
)


@click.command()
@common.HW
@click.option("--file", metavar="FILE", type=click.Path(exists=True, dir_okay=False), help="Show its maps too.")
@click.option("--out", required=True, metavar="PAGE", type=click.Path(), help="The HTML page to write.")
@click.option("--unrevealed", is_flag=True, help="Write it before the reveal; this is logged.")
@common.NAME
@common.command
def causes(homework: str, file: str | None, out: str, unrevealed: bool, name: str | None) -> None:
    """After the reveal, write a page with the causes of HW9."""
    from pathlib import Path

    from tasks.hw09_explainable.judge import MASKS_FILE

    home = common.find_home()
    competition = find_competition(home, homework)
    secret = read_secret(home, competition)
    if secret.folder is None or not (secret.folder / MASKS_FILE).exists():
        raise UserError(f"{competition.name} has no hidden causes; only the built-in data of HW9 do.")
    maps = None
    if file is not None:
        maps = read(Path(file).read_bytes(), competition.format)
    with home.database() as database:
        if records.revealed(database, competition.key) is None:
            if not unrevealed:
                raise UserError(
                    f"{competition.name} is not revealed yet, and this page has the hidden causes of both boards."
                    f" An instructor reveals it with `lhy-grade reveal {competition.name}`; --unrevealed writes the"
                    " page for you alone, which is logged.",
                    code="E_NOT_REVEALED",
                    exit_code=6,
                )
            seen = {"competition": competition.key}
            records.log_event(database, "private board seen", common.who(home, name), seen, common.clock())
    write_file(Path(out), page(secret, maps))
    click.echo(out)


def page(secret: Secret, predictions: Any = None) -> bytes:
    """The page: each picture, where its cause lies, and the map, cause and margin of a submission."""
    import numpy as np

    from tasks.hw09_explainable.judge import MASKS_FILE, PICTURES_FILE, cut, mass

    assert secret.folder is not None
    pictures, masks = (np.load(secret.folder / name, allow_pickle=False) for name in (PICTURES_FILE, MASKS_FILE))
    truth, usage = secret.answers.columns[CAUSE], secret.answers.usage
    assert usage is not None
    times = pictures.shape[1] // GRID
    shown = masks[np.arange(len(truth)), truth].repeat(times, axis=1).repeat(times, axis=2)
    where = np.where(shown[..., None], pictures, pictures // 4)
    parts = []
    if predictions is not None:
        maps = predictions[ATTRIBUTION]
        kept, rows = cut(maps), margins({CAUSE: truth}, {"mass": mass(maps, masks)})[:, 0]
    for number, cause in enumerate(truth.tolist()):
        board = "public" if usage[number] == PUBLIC else "private"
        words = f"{number:03d}, {board}: <b>{CAUSES[cause]}</b>"
        images = _image(pictures[number], f"picture {number}")
        images += _image(where[number], f"its cause, the {CAUSES[cause]}")
        if predictions is not None:
            images += _image((kept[number] * 255).astype(np.uint8), "the map of the submission")
            words += f"<br>said {CAUSES[predictions[CAUSE][number]]}, margin {rows[number]:+.2f}"
        parts.append(f"<figure>{images}<figcaption>{words}</figcaption></figure>")
    title = f"{secret.competition.name.upper()}: the causes"
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"<h1>{title}</h1>\n<p>Each picture, and the same with all but its cause made dark"
        + (", then the map that was handed in, cut as it is scored" if predictions is not None else "")
        + ".</p>\n<div>\n"
        + "\n".join(parts)
        + "\n</div></html>\n"
    ).encode()


def _image(pixels: NDArray[Any], words: str) -> str:
    """A picture as an element of the page."""
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return f'<img alt="{words}" src="data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}">'
