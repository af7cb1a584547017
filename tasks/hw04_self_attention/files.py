"""The files of HW4 that students get, and the hidden side that belongs to them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from tasks.base import Answers, Made
from tasks.formats import Column, TableFormat
from tasks.hw04_self_attention import (
    FEATURES_FILE,
    ID,
    MAPPING_FILE,
    N_MELS,
    TARGET,
    TEST_FILE,
    TRAIN_FILE,
    YEARS,
)


@dataclass(frozen=True)
class Utterance:
    """The name of an utterance, its speaker, how many frames it has, and what must stay on one side of the split."""

    name: str
    speaker: str
    frames: int
    group: str


def new_names(rng: np.random.Generator, count: int) -> list[str]:
    """So many names that say nothing."""
    return [f"uttr-{rng.bytes(16).hex()}.pt" for _ in range(count)]


def summary(log_mel: NDArray[np.float16]) -> NDArray[np.float64]:
    """The mean and the spread of each band of an utterance (frames, 40), by which copies are found (80,)."""
    values = log_mel.astype(np.float64)
    return np.concatenate([values.mean(axis=0), values.std(axis=0)])


def write(
    public: Path,
    speakers: Sequence[str],
    train: Sequence[Utterance],
    test: Sequence[Utterance],
    log_mels: Iterable[NDArray[np.float16]],
) -> Made:
    """Write the files of both parts, and return the hidden speakers of the test.

    `log_mels` are the frames (n, 40) of each utterance, those of `train` before those of `test`.
    """
    total = sum(one.frames for one in (*train, *test))
    features = open_memmap(public / FEATURES_FILE, mode="w+", dtype=np.float16, shape=(total, N_MELS))
    entries: list[dict[str, str | int]] = []
    summaries: list[NDArray[np.float64]] = []
    offset = 0
    for one, log_mel in zip((*train, *test), log_mels, strict=True):
        features[offset : offset + one.frames] = log_mel
        entries.append({"feature_path": one.name, "mel_len": one.frames, "offset": offset})
        summaries.append(summary(log_mel))
        offset += one.frames
    features.flush()
    spoken: dict[str, list[dict[str, str | int]]] = {speaker: [] for speaker in speakers}
    for one, entry in zip(train, entries, strict=False):
        spoken[one.speaker].append(entry)
    numbers = {speaker: number for number, speaker in enumerate(speakers)}
    names = {str(number): speaker for speaker, number in numbers.items()}
    for file, values in {
        TRAIN_FILE: {"n_mels": N_MELS, "speakers": spoken},
        TEST_FILE: {"n_mels": N_MELS, "utterances": entries[len(train) :]},
        MAPPING_FILE: {"speaker2id": numbers, "id2speaker": names},
    }.items():
        (public / file).write_text(json.dumps(values), encoding="utf-8")
    ids, said = tuple(one.name for one in test), np.array([one.speaker for one in test])
    return Made(
        Answers(ids, {TARGET: said}, groups=np.array([one.group for one in test]), strata=said),
        train=np.array(summaries[: len(train)]),
        test=np.array(summaries[len(train) :]),
        train_groups=np.array([one.group for one in train]),
        form=TableFormat(ID, (Column(TARGET, "text", choices=tuple(speakers)),), ids, YEARS),
    )
