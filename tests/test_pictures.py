"""Pictures that somebody gives: whole ones of the kinds that are asked for, read upright."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tasks import pictures
from tasks.errors import UserError
from tasks.pictures import cells, decoded, jigsaw, square, tiles

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def saved(kind: str, pixels: np.ndarray[Any, Any] = PIXELS, **more: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **more)
    return stream.getvalue()


def test_a_picture_is_read_as_rgb_whatever_its_mode() -> None:
    picture, kind = decoded(saved("PNG"), "a.png")
    assert kind == "PNG"
    assert np.array_equal(np.asarray(picture), PIXELS)
    grey, _ = decoded(saved("PNG", PIXELS[:, :, 0]), "a.png")
    assert (grey.mode, grey.size) == ("RGB", (30, 20))


def test_a_picture_is_turned_as_the_camera_says() -> None:
    tags = Image.Exif()
    tags[0x0112] = 6  # the camera was turned by a quarter
    picture, _ = decoded(saved("PNG", exif=tags), "a.png")
    assert np.array_equal(np.asarray(picture), np.rot90(PIXELS, -1))


def test_what_is_no_whole_picture_of_the_kinds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for data in (b"", b"<html>", saved("JPEG")[:400], saved("PNG")[:400], saved("BMP")):
        with pytest.raises(UserError, match="album/a: expected a whole JPEG or PNG picture; it cannot be read"):
            decoded(data, "album/a")
    with pytest.raises(UserError, match="expected a whole JPEG picture"):
        decoded(saved("PNG"), "a", ("JPEG",))
    with pytest.raises(UserError, match="expected a whole JPEG, PNG or WEBP picture"):
        decoded(saved("BMP"), "a", ("JPEG", "PNG", "WEBP"))
    monkeypatch.setattr(pictures, "MAX_PIXELS", 599)
    with pytest.raises(UserError, match=r"a: expected at most 599 pixels; found 30 x 20\."):
        decoded(saved("PNG"), "a")


def test_the_middle_square_and_the_means_of_cells() -> None:
    picture = Image.fromarray(PIXELS)
    assert np.array_equal(square(picture, 20), PIXELS[:, 5:25])
    means = PIXELS.reshape(2, 10, 2, 15, 3).mean(axis=(1, 3))
    assert np.abs(cells(picture, 2) - means.ravel()).max() <= 1


def test_tiles_are_means_and_leave_out_what_they_do_not_cover() -> None:
    images = np.random.default_rng(1).integers(0, 256, (3, 11, 11, 3), dtype=np.uint8)
    found = tiles(images, 5)
    assert found.shape == (3, 75)
    assert np.array_equal(found[2].reshape(5, 5, 3)[4, 1], images[2, 8:10, 2:4].mean(axis=(0, 1)))


@pytest.mark.parametrize("count", [2, 4])
def test_no_piece_of_a_jigsaw_stays_where_it_was_and_none_is_lost(count: int) -> None:
    image = np.random.default_rng(2).integers(0, 256, (8, 8, 3), dtype=np.uint8)

    def pieces(picture: np.ndarray[Any, Any]) -> list[bytes]:
        return [part.tobytes() for row in np.split(picture, count) for part in np.split(row, count, axis=1)]

    before, after = pieces(image), pieces(jigsaw(image, count, np.random.default_rng(3)))
    assert sorted(before) == sorted(after)
    assert all(one != other for one, other in zip(before, after, strict=True))
