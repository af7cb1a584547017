"""A picture of a homework's data, drawn only from the files that students have.

It lies next to the folder with the data, as FOLDER.png, and contains the SHA-256 of their manifest, so that a picture
of older data is not taken for one of the new.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.base import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FONTS = (
    "Noto Sans CJK TC", "Noto Sans CJK JP", "Noto Sans TC", "PingFang TC", "PingFang HK", "Heiti TC",
    "Microsoft JhengHei", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Arial Unicode MS", "Droid Sans Fallback",
)  # fmt: skip
"""Fonts with traditional Chinese characters; the first one installed is used."""


WIDE = 48
"""Characters in a line of a paragraph."""


@dataclass(frozen=True)
class Picture:
    """Where a picture lies, its size in pixels, and the SHA-256 of the manifest of its data."""

    path: Path
    width: int
    height: int
    manifest: str


def find_picture(folder: Path) -> Picture | None:
    """The picture of the data in a folder, None where there is none, or one of other data."""
    path = _beside(folder)
    try:
        manifest = _manifest(folder)
        with path.open("rb") as file:
            head = file.read(200)
    except OSError:
        return None
    if not head.startswith(b"\x89PNG") or manifest.encode() not in head:
        return None
    return Picture(path, int.from_bytes(head[16:20]), int.from_bytes(head[20:24]), manifest)


def show(folder: Path) -> Path:
    """Draws the data in a folder as FOLDER.png next to it, and returns the path.

    Raises UserError if the folder has no data of a homework, or a package for drawing is missing.
    """
    try:
        manifest = _manifest(folder)
        name = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["name"]
        draw = DRAWN[name]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{folder} has no homework data that can be drawn.", code="E_SHOW") from None
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError('the picture needs matplotlib: pip install "lhy-grade[train]".', code="E_SHOW") from None
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    try:
        draw(folder, figure)
    except (OSError, ValueError, StopIteration, IndexError):
        raise UserError(
            f"the data in {folder} are damaged or incomplete; download or prepare them again.", code="E_SHOW"
        ) from None
    path = _beside(folder)
    try:
        _save(figure, path, manifest)
    except OSError as error:
        raise UserError(f"the picture cannot be written to {path}: {error.strerror}.", code="E_SHOW") from None
    return path


def _beside(folder: Path) -> Path:
    return folder.resolve().with_name(f"{folder.resolve().name}.png")


def _manifest(folder: Path) -> str:
    return hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()


def _save(figure: Figure, path: Path, manifest: str) -> None:
    """Writes a picture as a whole, with 256 colours, which takes a quarter of the bytes."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    mark = PngInfo()
    mark.add_text("manifest", manifest)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        figure.savefig(new, format="png", dpi=100)
        with Image.open(new) as image:
            few = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        few.save(new, format="png", optimize=True, pnginfo=mark)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _grid(figure: Figure, pictures: list[Any], titles: list[str], columns: int, title: str) -> None:
    if not pictures:
        raise ValueError("no pictures")
    rows = -(-len(pictures) // columns)
    figure.set_size_inches(columns * 0.8, rows * (0.9 if any(titles) else 0.82) + 0.4)
    figure.suptitle(title, fontsize=11)
    for place, (picture, words) in enumerate(zip(pictures, titles, strict=True), start=1):
        axes = figure.add_subplot(rows, columns, place)
        axes.imshow(picture)
        axes.set_axis_off()
        axes.set_title(words, fontsize=7, pad=2)


def _open(path: Path) -> Any:
    from PIL import Image

    with Image.open(path) as image:
        return image.convert("RGB").resize((96, 96))


def _survey(folder: Path, figure: Figure) -> None:
    """HW1: the target of some rows by day, and against the day before."""
    with (folder / "covid.train.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    days = [place for place, name in enumerate(header) if name.startswith("tested_positive")]
    values = [[float(row[place]) for place in days] for row in rows]
    figure.set_size_inches(8, 3.4)
    figure.suptitle("HW1: tested positive by day", fontsize=11)
    left, right = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
    for row in values[:: max(1, len(values) // 30)]:
        left.plot(range(1, len(days) + 1), row, color="#888888", linewidth=0.8)
        left.plot(len(days), row[-1], "o", color="#c0392b", markersize=3)
    left.set(title="30 rows of training data", xlabel="day", ylabel="per cent", xticks=range(1, len(days) + 1))
    right.plot([row[-2] for row in values], [row[-1] for row in values], ".", color="#2c6fbb", markersize=3, alpha=0.4)
    right.set(title="all rows", xlabel="the day before", ylabel="the last day, to predict")


def _dishes(folder: Path, figure: Figure) -> None:
    """HW3: four training pictures of each class."""
    of_class: dict[int, list[Path]] = {}
    for path in sorted(folder.glob("*/training/**/*.jpg")):
        if label := re.fullmatch(r"([0-9]{1,2})_[0-9]+", path.stem):
            of_class.setdefault(int(label[1]), []).append(path)
    rows = [[paths[row] for _, paths in sorted(of_class.items())] for row in range(4)]
    titles = [f"class {label}" for label in sorted(of_class)] + [""] * (3 * len(of_class))
    pictures = [_open(path) for row in rows for path in row]
    _grid(figure, pictures, titles, len(of_class), "HW3: training pictures, a column for each class")


def _sounds(folder: Path, figure: Figure) -> None:
    """HW2: spectrograms of three training utterances, made from their cepstra, with the places of their phonemes."""
    import numpy as np

    from tasks.speech import PHONEMES

    features, labels = (
        np.load(folder / "train" / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ("features", "labels")
    )
    with (folder / "train" / "utterances.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    bands, number = np.arange(23) + 0.5, np.arange(13)
    cosines = np.cos(np.pi / 23 * bands[:, None] * number) / (1 + 11 * np.sin(np.pi * number / 22))
    named = int(labels.max()) < len(PHONEMES)
    figure.set_size_inches(10, 5)
    for place, row in enumerate(rows[:3]):
        start = int(row["offset"])
        count = min(int(row["length"]), 250)
        axes = figure.add_subplot(3, 1, place + 1)
        shown = np.array(features[start : start + count, :13])
        shown[:, 0] /= 2  # of the loudness enough to see the others
        axes.imshow(cosines @ shown.T, aspect="auto", origin="lower")
        kinds = np.array(labels[start : start + count])
        for at in [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist()]:
            axes.axvline(at - 0.5, color="white", linewidth=0.6)
            name = PHONEMES[kinds[at]] if named else str(kinds[at])
            axes.text(at, 22.8, name, fontsize=7, color="#222222")
        axes.set(yticks=[], ylabel=f"utterance {row['utterance']}")
    axes.set_xlabel("frame of 10 ms; up: 23 mel bands")
    figure.suptitle("HW2: training utterances and their phonemes", fontsize=11)


def _speakers(folder: Path, figure: Figure) -> None:
    """HW4: the mean spectrum of some speakers, and one of their utterances."""
    import numpy as np

    features = np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False)
    spoken = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))["speakers"]
    figure.set_size_inches(9, 4)
    figure.suptitle("HW4: some speakers' mean spectra, and an utterance of each", fontsize=11)
    grid = figure.add_gridspec(4, 2, width_ratios=(3, 2))
    left = figure.add_subplot(grid[:, 0])
    left.set(xlabel="mel band", ylabel="log energy, without each utterance's mean")
    for row, (name, entries) in enumerate(list(spoken.items())[:4]):
        parts = [np.array(features[e["offset"] :][: e["mel_len"]], dtype=np.float32) for e in entries[:100]]
        left.plot(np.mean([part.mean(axis=0) - part.mean() for part in parts], axis=0), label=name)
        axes = figure.add_subplot(grid[row, 1])
        axes.imshow(parts[0].T, origin="lower", aspect="auto", cmap="magma")
        axes.set_axis_off()
        axes.set_title(name, fontsize=7, pad=2)
    left.legend(fontsize=8)


def _chinese_font() -> str:
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    font = next((name for name in FONTS if name in installed), None)
    if font is None:
        raise UserError("the picture needs a font with Chinese characters; install Noto Sans CJK.", code="E_SHOW")
    return font


def _talks(folder: Path, figure: Figure) -> None:
    """HW5: lines in both languages, and test lines to translate."""
    font = _chinese_font()
    names = ("ted2020/raw.en", "ted2020/raw.zh", "test/test.en")
    english, chinese, tests = ((folder / name).read_text(encoding="utf-8").split("\n") for name in names)
    short = [place for place in range(400) if len(english[place]) < 60][:8]
    lines = [(english[place], chinese[place]) for place in short]
    lines += [(line, "?") for line in [line for line in tests if 0 < len(line) < 60][:3]]
    figure.set_size_inches(8.5, 0.34 * len(lines) + 0.7)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_ylim(len(lines), -1)
    axes.text(0, -0.7, "English", weight="bold", fontsize=10)
    axes.text(0.56, -0.7, "Traditional Chinese", weight="bold", fontsize=10)
    for place, (source, target) in enumerate(lines):
        colour = "#c0392b" if target == "?" else "#222222"
        axes.text(0, place + 0.3, source, fontsize=9, color=colour)
        axes.text(0.56, place + 0.3, target, fontsize=10, color=colour, family=font)


def _faces(folder: Path, figure: Figure) -> None:
    """HW6: training faces."""
    paths = sorted((folder / "faces").iterdir())
    pictures = [_open(path) for path in paths[:: max(1, len(paths) // 40)][:40]]
    _grid(figure, pictures, [""] * len(pictures), 10, "HW6: training faces")


def _passages(folder: Path, figure: Figure) -> None:
    """HW7: two paragraphs, each with a question and its answer marked."""
    data = json.loads((folder / "hw7_train.json").read_text(encoding="utf-8"))
    texts, lines, every = data["paragraphs"], 0, data["questions"]
    chosen = list({one["paragraph_id"]: one for one in every if len(texts[one["paragraph_id"]]) < 420}.values())[:2]
    figure.set_size_inches(8.5, 4)
    axes, font = figure.add_subplot(), _chinese_font()
    axes.set_axis_off()
    for one in chosen:
        text = texts[one["paragraph_id"]]
        for at, sign in enumerate(text):
            inside = one["answer_start"] <= at <= one["answer_end"]
            style: dict[str, Any] = {"weight": "bold", "color": "#c0392b"} if inside else {"color": "#222222"}
            axes.text(at % WIDE, lines + at // WIDE, sign, fontsize=9, ha="center", va="center", family=font, **style)
        lines += -(-len(text) // WIDE)
        for at, sign in enumerate(one["question_text"][:WIDE]):
            axes.text(at, lines + 0.3, sign, fontsize=9, ha="center", va="center", family=font, color="#2c6fbb")
        lines += 2
    figure.set_size_inches(8.5, 0.24 * lines + 0.4)
    axes.set(xlim=(-1, WIDE), ylim=(lines - 0.5, -1))


def _strangers(folder: Path, figure: Figure) -> None:
    """HW8: training images, all normal, above test images, some of which are not."""
    import numpy as np

    pictures: list[Any] = []
    for name in ("trainingset.npy", "testingset.npy"):
        images = np.load(next(folder.glob(f"*/{name}")), mmap_mode="r", allow_pickle=False)
        pictures += list(images[:: max(1, len(images) // 20)][:20])
    titles = ["training"] * 20 + ["test"] * 20
    _grid(figure, pictures, titles, 10, "HW8: normal faces for training, and test images: which are not normal?")


def _things(folder: Path, figure: Figure) -> None:
    """HW11: two paintings of each class, and drawings whose class is to be found."""
    root = folder / "real_or_drawing"
    kinds = [
        sorted((root / "train_data" / str(label)).iterdir(), key=lambda path: int(path.stem)) for label in range(10)
    ]
    paths = [paths[row] for row in range(2) for paths in kinds] + sorted((root / "test_data" / "0").iterdir())[:20]
    titles = [f"class {label}" for label in range(10)] + [""] * 10 + ["?"] * 20
    _grid(
        figure, [_open(path) for path in paths], titles, 10, "HW11: paintings with their classes, and drawings without"
    )


def _attacked(folder: Path, figure: Figure) -> None:
    """HW10: two pictures of each class that are to be attacked."""
    paths = [sorted(place.glob("*.png"))[at] for at in range(2) for place in sorted((folder / "images").iterdir())]
    titles = [path.parent.name for path in paths[:10]] + [""] * 10
    title = "HW10: pictures to be changed by at most 8 of 255, so that hidden networks name them wrongly"
    _grid(figure, [_open(path) for path in paths], titles, 10, title)


def _compressed(folder: Path, figure: Figure) -> None:
    """HW13: labelled pictures of each class above some without labels."""
    root = folder / "food-11" / "training"
    kinds = [sorted(place.glob("*.jpg")) for place in sorted((root / "labeled").iterdir())]
    paths = [paths[row] for row in range(2) for paths in kinds]
    paths += sorted((root / "unlabeled").rglob("*.jpg"))[: 2 * len(kinds)]
    titles = [f"class {label}" for label in range(len(kinds))] + [""] * len(kinds) + ["?"] * 2 * len(kinds)
    title = "HW13: pictures with a label, and pictures that only the teacher can name"
    _grid(figure, [_open(path) for path in paths], titles, len(kinds), title)


def _flights(folder: Path, figure: Figure) -> None:
    """HW12: the first flights with the engines off, and with gymnasium's own simple controller."""
    from tasks.hw12_reinforcement.judge import faulty_environment, new_environment

    fault = folder / "environment.json"
    environment = faulty_environment(json.loads(fault.read_bytes())) if fault.exists() else new_environment()
    from gymnasium.envs.box2d import lunar_lander  # only after the environment has loaded its packages

    steer: Any = lunar_lander.heuristic

    seeds = list(range(6))
    if not fault.exists():
        with (folder / "episodes.csv").open(encoding="utf-8", newline="") as file:
            seeds = [int(row["seed"]) for row in csv.DictReader(file)][:6]
    figure.set_size_inches(7, 4)
    axes = figure.add_subplot()
    for seed in dict.fromkeys(seeds):
        for steered, colour in ((False, "#999999"), (True, "#2c6fbb")):
            state, _ = environment.reset(seed=seed)
            places, over = [state[:2]], False
            while not over and len(places) < 1000:
                action = steer(environment, state) if steered else 0
                state, _, over, *_ = environment.step(action)
                places.append(state[:2])
            axes.plot([x for x, _ in places], [y for _, y in places], color=colour, linewidth=1)
            axes.plot(*places[-1], "o" if steered else "x", color=colour, markersize=5)
    axes.plot([-0.2, 0.2], [0, 0], color="#c0392b", linewidth=4, solid_capstyle="butt")
    axes.set(
        title="HW12: flights without engines (grey) and with a simple controller (blue)", xlabel="x", ylabel="height"
    )
    axes.annotate("landing pad", (0, 0), (0, -0.12), ha="center", fontsize=8, color="#c0392b")


def _explained(folder: Path, figure: Figure) -> None:
    """HW9: pictures of which is asked what the network looked at."""
    paths = sorted((folder / "pictures").glob("*.png"))[:24]
    figure.set_size_inches(8, 3.4)
    figure.suptitle("HW9: a network names each dish. By the food, or by the sticker?", fontsize=11)
    for place, path in enumerate(paths):
        axes = figure.add_subplot(3, 8, place + 1)
        axes.imshow(_open(path))
        axes.set(xticks=[], yticks=[])
    if not paths:
        raise ValueError("no pictures")


def _tasks(folder: Path, figure: Figure) -> None:
    """HW14: training pictures of each task, of the same digits."""
    import numpy as np

    figure.set_size_inches(8, 2.6)
    figure.suptitle("HW14: the same digits in five tasks, learned from top to bottom", fontsize=11)
    parts = sorted(folder.glob("task_*"))
    for place, part in enumerate(parts):
        images, labels = (
            np.load(part / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ("images", "labels")
        )
        chosen = [np.flatnonzero(labels == label)[way] for way in range(2) for label in range(10)]
        axes = figure.add_subplot(len(parts), 1, place + 1)
        axes.imshow(np.concatenate([images[at] for at in chosen], axis=1), cmap="gray", vmin=0, vmax=255)
        axes.set(xticks=[], yticks=[])
        axes.set_ylabel(f"task {place + 1}", fontsize=8)
    if not parts:
        raise ValueError("no pictures")


def _characters(folder: Path, figure: Figure) -> None:
    """HW15: characters of some alphabets to learn from, above some tasks: five supports and five queries each."""
    rows: list[list[Path]] = []
    for alphabet in sorted((folder / "Omniglot" / "images_background").iterdir())[:3]:
        rows.append([sorted(character.glob("*.png"))[len(rows)] for character in sorted(alphabet.iterdir())[:11]])
    for task in sorted((folder / "Omniglot-test" / "support").iterdir())[:4]:
        rows.append(
            [
                folder / "Omniglot-test" / part / task.name / f"image_{place}.png"
                for part in ("support", "query")
                for place in range(5)
            ]
        )
    figure.set_size_inches(7.7, 5.3)
    figure.suptitle("HW15: three alphabets to learn from; four tasks: what is each on the right?", fontsize=11)
    grid = figure.add_gridspec(len(rows), 11)
    for row, paths in enumerate(rows):
        for place, path in enumerate(paths):
            is_task = len(paths) == 10 and "Omniglot-test" in path.parts
            axes = figure.add_subplot(grid[row, place + (is_task and place >= 5)])
            axes.imshow(_open(path))
            axes.set(xticks=[], yticks=[])
            colour = "#c0392b" if is_task and place >= 5 else "#2c6fbb" if is_task else "#cccccc"
            for side in axes.spines.values():
                side.set_color(colour)
            if is_task and place < 5:
                axes.set_title(str(place), fontsize=7, pad=2)


DRAWN = {
    "hw01": _survey, "hw02": _sounds, "hw03": _dishes, "hw04": _speakers, "hw05": _talks, "hw06": _faces,
    "hw07": _passages, "hw08": _strangers, "hw09": _explained, "hw10": _attacked, "hw11": _things,
    "hw12": _flights, "hw13": _compressed, "hw14": _tasks, "hw15": _characters,
}  # fmt: skip
"""The function that draws each homework's data."""

SEEN = {
    "hw01": "some rows' share of positive tests by day, and the last day's against the day before",
    "hw02": "spectrograms of three training utterances, cut into named phonemes",
    "hw03": "four training pictures of each of the 11 classes of food",
    "hw04": "four speakers' mean spectra over their utterances, and the spectrogram of one utterance of each",
    "hw05": "lines in English and in traditional Chinese, and test lines to be translated",
    "hw06": "forty of the faces to learn from",
    "hw07": "two paragraphs, each with a question in blue and its answer in red",
    "hw08": "twenty training images, all normal, above twenty test images, some of which are not",
    "hw09": "twenty-four pictures of food with a sticker, of which one makes a network name the dish",
    "hw10": "two pictures of each of the ten classes, which are to be changed so little that nobody sees it",
    "hw11": "two paintings of each class above twenty drawings, whose class is to be found",
    "hw12": "flights without engines, which crash, and flights of a simple controller to the landing pad",
    "hw13": "two labelled pictures of each of the 11 classes of food above two rows without labels",
    "hw14": "the digits 0 to 9 in each of the five tasks, each task turned further than the one before",
    "hw15": "characters of three alphabets, and four tasks of five characters in blue and five pictures of them in red",
}
"""What each picture shows, for readers who cannot see it."""
