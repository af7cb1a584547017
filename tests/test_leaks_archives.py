"""Leak checks of archives and of pictures: a planted leak is found in each way, and clean ones raise no alarm."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tasks.base import Made
from tasks.leaks.archives import answers_in_archives, beside_pixels
from tests.leaky import N, classes, codes, regression

RNG = np.random.default_rng(3)
ORDER = RNG.permutation(N).tolist()
PIXELS = RNG.integers(0, 256, (N, 4, 4, 3), dtype=np.uint8)


def png(row: int, text: str = "", zipped: bool = False) -> bytes:
    out, info = io.BytesIO(), PngInfo()
    if text:
        info.add_text("Comment", text, zip=zipped)
    Image.fromarray(PIXELS[row]).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def jpeg(row: int, text: str) -> bytes:
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x010E] = text
    Image.fromarray(PIXELS[row]).save(out, "JPEG", exif=exif)
    return out.getvalue()


def archive(
    path: Path,
    order: Sequence[int] = ORDER,
    data: Callable[[int], bytes] = png,
    time: Callable[[int], int] = lambda row: 7,
    folder: Callable[[int], str] = lambda row: "test",
    owner: Callable[[int], str] = lambda row: "root",
    ending: str = "png",
) -> None:
    names = {row: f"{folder(row)}/row{row}.{ending}" for row in order}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as out:
            for row in order:
                entry = zipfile.ZipInfo(names[row], (1990 + time(row) // 60, 1, 1, 0, time(row) % 60, 0))
                entry.comment = owner(row).encode()
                out.writestr(entry, data(row))
        return
    with tarfile.open(path, "w:gz") as packed:
        for row in order:
            whole = data(row)
            one = tarfile.TarInfo(names[row])
            one.size, one.mtime, one.uname = len(whole), time(row), owner(row)
            packed.addfile(one, io.BytesIO(whole))


def labelled() -> tuple[Made, list[str], dict[str, int]]:
    made = classes(np.random.default_rng(0))
    labels = made.answers.columns["label"].tolist()
    return made, labels, {label: at for at, label in enumerate(sorted(set(labels)))}


@pytest.mark.parametrize("ending", ["zip", "tgz"])
def test_archives_that_tell_nothing_raise_no_alarm(tmp_path: Path, ending: str) -> None:
    archive(tmp_path / f"a.{ending}", time=lambda row: ORDER[row] % 900, data=lambda row: png(row, "one camera"))
    for made in (classes(np.random.default_rng(0)), regression(np.random.default_rng(1))):
        assert answers_in_archives(tmp_path, made.answers) == []


@pytest.mark.parametrize("ending", ["zip", "tgz"])
def test_order_times_folders_owners_and_texts_that_tell_the_class_are_found(tmp_path: Path, ending: str) -> None:
    made, labels, number = labelled()
    path = tmp_path / f"a.{ending}"
    by_class = sorted(ORDER, key=lambda row: labels[row])

    def found() -> set[str]:
        return codes(answers_in_archives(tmp_path, made.answers))

    archive(path, by_class)
    assert found() == {"E_LEAK_ARCHIVE_ORDER"}
    archive(path, time=lambda row: 2 * number[labels[row]])
    assert found() == {"E_LEAK_FILE_TIME"}
    archive(path, folder=lambda row: f"test/{labels[row]}")
    assert found() == {"E_LEAK_FILE_NAME"}
    archive(path, owner=lambda row: labels[row])
    assert found() == {"E_LEAK_FILE_NAME"}
    for zipped in (False, True):
        archive(path, data=lambda row, zipped=zipped: png(row, f"a {labels[row]}", zipped))  # type: ignore[misc]
        assert found() == {"E_LEAK_PICTURE"}
    archive(path, data=lambda row: jpeg(row, f"a {labels[row]}"), ending="jpg")
    assert found() == {"E_LEAK_PICTURE"}
    archive(path, data=lambda row: png(row) + labels[row].encode())
    assert found() == {"E_LEAK_PICTURE"}
    archive(path, data=lambda row: png(row) + bytes(4000 * number[labels[row]]))
    assert "E_LEAK_FILE_SIZE" in found()


def test_an_order_that_goes_with_numbers_is_found(tmp_path: Path) -> None:
    made = regression(np.random.default_rng(0))
    archive(tmp_path / "a.tgz", np.argsort(made.answers.columns["y"]).tolist())
    assert codes(answers_in_archives(tmp_path, made.answers)) == {"E_LEAK_ARCHIVE_ORDER"}


def test_texts_of_pictures_outside_archives_are_found(tmp_path: Path) -> None:
    made, labels, _ = labelled()
    (tmp_path / "test").mkdir()
    for row in range(N):
        (tmp_path / "test" / f"row{row}.png").write_bytes(png(row))
    assert answers_in_archives(tmp_path, made.answers) == []
    for row in range(N):
        (tmp_path / "test" / f"row{row}.png").write_bytes(png(row, labels[row]))
    assert codes(answers_in_archives(tmp_path, made.answers)) == {"E_LEAK_PICTURE"}


def test_files_that_are_no_archives_and_no_pictures_are_passed_over(tmp_path: Path) -> None:
    for name, data in {
        "a.zip": b"x",
        "a.tgz": b"\x1f\x8b\x08",
        "row1.png": b"\x89PNG\r\n\x1a\n\xff\xff",
        "b.jpg": b"\xff\xd8\xff",
    }.items():
        (tmp_path / name).write_bytes(data)
    assert answers_in_archives(tmp_path, classes(np.random.default_rng(0)).answers) == []
    assert "Comment" in beside_pixels(png(0, "x"))
    assert beside_pixels(png(0)).strip() == ""
