"""The picture of the data: from a student's folder alone, beside it, and small."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from harness import show
from harness.build import damaged_files
from harness.cli.main import cli
from tasks.base import UserError
from tasks.homeworks import all_tasks

DOCS = Path(__file__).parents[1] / "docs" / "homeworks"


def pictures(folder: Path, names: list[str]) -> None:
    rng = np.random.default_rng(1)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)


def dishes(folder: Path) -> None:
    pictures(folder, [f"food-11/training/labeled/{label:02d}/{label}_{n}.jpg" for label in range(11) for n in range(4)])


def compressed(folder: Path) -> None:
    dishes(folder)
    pictures(folder, [f"food-11/training/unlabeled/00/u_{number:04d}.jpg" for number in range(22)])


def dishes_2022(folder: Path) -> None:
    pictures(folder, [f"food11/training/{label}_{number}.jpg" for label in range(11) for number in range(4)])


def sounds(folder: Path) -> None:
    (folder / "train").mkdir()
    rng = np.random.default_rng(0)
    np.save(folder / "train" / "features.npy", rng.normal(size=(90, 39)).astype(np.float32))
    np.save(folder / "train" / "labels.npy", np.repeat(np.arange(18) % 39, 5))
    (folder / "train" / "utterances.csv").write_text("utterance,offset,length\n0,0,30\n1,30,30\n2,60,30\n")


def talks(folder: Path) -> None:
    for name in ("ted2020/raw.en", "ted2020/raw.zh", "test/test.en"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("$cost_{x} %\n" * 500, encoding="utf-8")


def passages(folder: Path) -> None:
    asked = {"id": 0, "paragraph_id": 0, "question_text": "$_{x} ?", "answer_start": 3, "answer_end": 5}
    text = json.dumps({"questions": [asked], "paragraphs": ["$cost_{x} % " * 20]})
    (folder / "hw7_train.json").write_text(text, encoding="utf-8")


def speakers(folder: Path) -> None:
    np.save(folder / "features.npy", np.random.default_rng(3).normal(size=(5 * 60, 40)).astype(np.float16))
    spoken = {f"id{at}": [{"offset": 60 * at, "mel_len": 60}] for at in range(5)}
    (folder / "metadata.json").write_text(json.dumps({"n_mels": 40, "speakers": spoken}))


def strangers(folder: Path) -> None:
    (folder / "data").mkdir()
    for name in ("trainingset.npy", "testingset.npy"):
        np.save(folder / "data" / name, np.zeros((40, 64, 64, 3), dtype=np.uint8))


def things(folder: Path) -> None:
    pictures(
        folder, [f"real_or_drawing/train_data/{label}/{4 * label + n}.bmp" for label in range(10) for n in range(4)]
    )
    pictures(folder, [f"real_or_drawing/test_data/0/{number:05d}.bmp" for number in range(40)])


def attacked(folder: Path) -> None:
    pictures(folder, [f"images/{kind}/{kind}{number}.png" for kind in "abcdefghij" for number in (1, 2)])


def turned(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for task in range(1, 6):
        (folder / f"task_{task}").mkdir()
        np.save(folder / f"task_{task}" / "images.npy", rng.integers(0, 256, (40, 28, 28), dtype=np.uint8))
        np.save(folder / f"task_{task}" / "labels.npy", np.arange(40) % 10)


def characters(folder: Path) -> None:
    rng = np.random.default_rng(1)
    names = [
        f"Omniglot/images_background/{a}/character{c:02d}/000{c}_{h:02d}.png"
        for a in "AB"
        for c in range(1, 8)
        for h in range(1, 7)
    ]
    names += [
        f"Omniglot-test/{part}/{task:04d}/image_{n}.png"
        for part in ("support", "query")
        for task in range(6)
        for n in range(5)
    ]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (28, 28), dtype=np.uint8)).save(folder / name)


def explained(folder: Path) -> None:
    (folder / "pictures").mkdir()
    rng = np.random.default_rng(2)
    for number in range(30):
        picture = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / "pictures" / f"{number:03d}.png")


MADE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "HW2": ("hw02", sounds),
    "HW3": ("hw03", dishes),
    "HW3 of 2022": ("hw03", dishes_2022),
    "HW4": ("hw04", speakers),
    "HW5": ("hw05", talks),
    "HW6": ("hw06", lambda folder: pictures(folder, [f"faces/{number}.jpg" for number in range(50)])),
    "HW7": ("hw07", passages),
    "HW8": ("hw08", strangers),
    "HW9": ("hw09", explained),
    "HW10": ("hw10", attacked),
    "HW11": ("hw11", things),
    "HW13": ("hw13", compressed),
    "HW14": ("hw14", turned),
    "HW15": ("hw15", characters),
    "HW12": ("hw12", lambda folder: (folder / "episodes.csv").write_text("episode,seed\n0,5\n1,6\n")),
}


def test_every_homework_with_a_picture_is_drawn_here() -> None:
    assert {homework for homework, _ in MADE.values()} == set(show.SEEN) - {"hw01"}, (
        "HW1's is drawn from a whole course"
    )


@pytest.mark.parametrize("name", MADE)
def test_a_picture_stands_beside_the_data(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    homework, make = MADE[name]
    monkeypatch.setattr(show, "FONTS", ("DejaVu Sans",))  # which every machine with matplotlib has
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"name": homework}))
    make(folder)
    path = show.show(folder)
    assert path == tmp_path / "mine.png"
    with Image.open(path) as image:
        assert image.width >= 600
        assert len(image.convert("RGB").getcolors(2**20) or []) > 2
    for file in [each for each in folder.rglob("*") if each.is_file() and each.name != "manifest.json"]:
        file.unlink()
    with pytest.raises(UserError, match="are damaged or incomplete"):
        show.show(folder)


def test_a_home_and_a_downloaded_folder_have_the_same_picture_and_no_damage(course: Path, tmp_path: Path) -> None:
    home, mine = tmp_path / "home", tmp_path / "mine"
    shutil.copytree(course, home)
    shutil.copytree(course / "public" / "hw01", mine)
    run = CliRunner().invoke(cli, ["--home", str(home), "tasks", "hw1", "--show"])
    assert (run.exit_code, run.output.strip()) == (0, str(home / "public" / "hw01.png"))
    other = CliRunner().invoke(cli, ["tasks", "--show", "--from", str(mine)])
    assert (other.exit_code, other.output.strip()) == (0, str(tmp_path / "mine.png"))
    assert (tmp_path / "mine.png").read_bytes() == (home / "public" / "hw01.png").read_bytes()
    assert damaged_files(home / "public" / "hw01") == []


def prepare(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), "prepare", "hw1", *words])


def test_prepare_makes_the_picture_and_show_prints_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public = tmp_path / "public"
    assert prepare(tmp_path).exit_code == 0
    first = show.find_picture(public / "hw01")
    assert first is not None
    with Image.open(first.path) as image:
        assert image.size == (first.width, first.height)
    assert sorted(path.name for path in public.iterdir()) == [".archives", "course.json", "hw01", "hw01.png"]
    assert damaged_files(public / "hw01") == []
    words = ["--home", str(tmp_path), "tasks", "hw1", "--show"]
    with monkeypatch.context() as patched:
        patched.setattr(show, "show", lambda folder: pytest.fail("it is there already"))
        assert CliRunner().invoke(cli, words).output.strip() == str(first.path)
        assert prepare(tmp_path).exit_code == 0
    first.path.unlink()
    assert CliRunner().invoke(cli, words).output.strip() == str(first.path)
    assert show.find_picture(public / "hw01") == first
    first.path.unlink()
    assert prepare(tmp_path).exit_code == 0
    assert show.find_picture(public / "hw01") == first


def test_a_picture_of_other_data_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path)
    folder = tmp_path / "public" / "hw01"
    first = show.find_picture(folder)
    assert first is not None
    old = first.path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setitem(show.DRAWN, "hw01", fail)
        assert prepare(tmp_path, "--new-data", "--yes").exit_code == 0
    assert first.path.read_bytes() == old
    assert show.find_picture(folder) is None
    assert prepare(tmp_path).exit_code == 0
    second = show.find_picture(folder)
    assert second is not None
    assert second.manifest != first.manifest
    for data in (b"", b"\x89PNG", second.path.read_bytes()[1:]):
        second.path.write_bytes(data)
        assert show.find_picture(folder) is None
    second.path.unlink()
    second.path.mkdir()
    assert show.find_picture(folder) is None
    done = prepare(tmp_path)
    assert done.exit_code == 0
    assert "There is no picture of the data: the picture cannot be written" in done.output
    assert sorted(path.name for path in (tmp_path / "public").glob(".*")) == [".archives"]


def fail(folder: Path, figure: object) -> None:
    raise RuntimeError("the first line\nand more")


def no_font(folder: Path, figure: object) -> None:
    raise UserError("there is no font.")


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("no matplotlib", 'the picture needs matplotlib: pip install "lhy-grade[train]".'),
        ("no font", "there is no font."),
        ("mistake", "RuntimeError('the first line\\nand more')"),
    ],
)
def test_what_keeps_the_picture_away_does_not_keep_the_data_away(
    why: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why == "no matplotlib":
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    else:
        monkeypatch.setitem(show.DRAWN, "hw01", no_font if why == "no font" else fail)
    done = prepare(tmp_path)
    assert done.exit_code == 0
    lines = [line for line in done.output.splitlines() if "no picture" in line]
    assert [line.partition("no picture of the data: ")[2][: len(said)] for line in lines] == [said]
    assert "hw01 is ready" in done.output
    assert damaged_files(tmp_path / "public" / "hw01") == []


def test_what_cannot_be_shown_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (None, "", "[]", '{"name": "my-contest"}', '{"name": ["hw01"]}', '{"name": "../hw01"}'):
        if text is not None:
            (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(UserError, match="no homework data") as caught:
            show.show(tmp_path)
        assert caught.value.code == "E_SHOW"
    monkeypatch.setattr(show, "FONTS", ("No Such Font",))
    talks(tmp_path)
    (tmp_path / "manifest.json").write_text('{"name": "hw05"}')
    with pytest.raises(UserError, match="Noto Sans CJK"):
        show.show(tmp_path)


def test_every_homework_has_a_picture_in_the_documentation() -> None:
    assert set(show.DRAWN) == set(show.SEEN) == {task.name for task in all_tasks()}
    for name in show.DRAWN:
        assert (DOCS / f"{name}.png").stat().st_size < 150_000
