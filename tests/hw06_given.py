"""Faces as the course gives them, and a cascade that finds one almost everywhere."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.hw06_gan import judge, world
from tests.files import write

HAS_CASCADES = importlib.util.find_spec("cv2") is not None and hasattr(
    importlib.import_module("cv2"), "CascadeClassifier"
)
NO_CASCADES = "no OpenCV 4 (opencv-python-headless<5) is installed"

Images = NDArray[np.uint8]


def compressed(images: Images, quality: int = 75) -> Images:
    return np.stack([world.decode(world.encode(image, quality)) for image in images])


CASCADE = b"""<?xml version="1.0"?>
<opencv_storage><cascade><stageType>BOOST</stageType><featureType>LBP</featureType><height>24</height><width>24</width>
<stageParams><maxWeakCount>1</maxWeakCount></stageParams><featureParams><maxCatCount>256</maxCatCount></featureParams>
<stageNum>1</stageNum><stages><_><maxWeakCount>1</maxWeakCount><stageThreshold>0.</stageThreshold><weakClassifiers><_>
<internalNodes>0 -1 0 0 0 0 0 0 0 0 0</internalNodes><leafValues>-1. 1.</leafValues></_></weakClassifiers></_></stages>
<features><_><rect>0 0 3 3</rect></_></features></cascade></opencv_storage>
"""
"""One feature, by which there is a face almost everywhere."""


def given(place: Path) -> Path:
    """Files in the course's layout: faces of 8 × 8 pixels, and a cascade."""
    if not HAS_CASCADES:
        pytest.skip(NO_CASCADES)
    for number, image in enumerate(np.random.default_rng(0).integers(0, 256, (120, 8, 8, 3), np.uint8)):
        write(place / "faces" / f"{number}.jpg", world.encode(image))
    write(place / judge.CASCADE_FILE, CASCADE)
    return place
