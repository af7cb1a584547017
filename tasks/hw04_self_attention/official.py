"""The course's own utterances, 2021 to 2023, and a hidden test carved out of the labelled ones.

The speakers of the course's test utterances were never published, so these are left out, and a tenth of each speaker's
utterances becomes the hidden test under new names. Equal utterances stay on one side; those of one recording session
may not, since the course's files do not name the session, as they did not in the course's own test.

The tensors of the files `uttr-….pt` become one array, so that nothing has to be unpickled again.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.base import Made, UserError
from tasks.groups import carve
from tasks.hw04_self_attention import COURSE, MAPPING_FILE, N_MELS, NAME, TEST_FILE, TRAIN_FILE
from tasks.hw04_self_attention.files import Utterance, new_names, write
from tasks.sources import Source, opened, refused
from tasks.streams import Streams

WANTED = rf"(?:metadata|mapping|testdata)\.json|{NAME}"
SHARE = 10  # one of so many becomes hidden
FEWEST = 10  # utterances of a speaker
MOST_JSON = 256 * 2**20
MOST_TENSOR = 64 * 2**20


def read_json(source: Source, name: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """One of the course's JSON files. Raises UserError where it is missing or lacks one of the keys."""
    path = source.need(name)
    values = source.json(path, MOST_JSON)
    if not isinstance(values, dict) or any(key not in values for key in keys):
        raise refused(f"{source.name}, {path}: expected an object with the keys {', '.join(keys)}.")
    return values


def read_utterances(source: Source, year: str) -> tuple[list[str], list[Utterance]]:
    """The speakers in the order of their numbers, and the labelled utterances, each its own group.

    Raises UserError for entries that are not the course's, for files that are missing, and where only some of the
    counts are the course's.
    """
    metadata = read_json(source, TRAIN_FILE, ("n_mels", "speakers"))
    test = read_json(source, TEST_FILE, ("n_mels", "utterances"))
    numbers = read_json(source, MAPPING_FILE, ("speaker2id", "id2speaker"))["speaker2id"]
    where = f"{source.name}, {TRAIN_FILE}"
    for values, file in ((metadata, TRAIN_FILE), (test, TEST_FILE)):
        if values["n_mels"] != N_MELS:
            raise refused(f"{source.name}, {file}: expected n_mels {N_MELS}; found {values['n_mels']!r:.40}.")
    spoken = metadata["speakers"]
    if not isinstance(spoken, dict) or not isinstance(numbers, dict) or set(spoken) != set(numbers):
        raise refused(f"{where}: expected the speakers of {MAPPING_FILE}, each with a list of utterances.")
    if sorted(numbers.values(), key=str) != sorted(range(len(numbers)), key=str):
        raise refused(f"{source.name}, {MAPPING_FILE}: expected a number from 0 for each speaker, each number once.")
    if odd := [speaker for speaker in spoken if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", speaker)]:
        raise refused(f"{where}: expected names of speakers such as id10001; found {odd[0]!r:.60}.")
    found: list[Utterance] = []
    for speaker, entries in spoken.items():
        if not isinstance(entries, list) or len(entries) < FEWEST:
            raise refused(f"{where}: expected a list of at least {FEWEST} utterances of {speaker}.")
        for entry in entries:
            name, frames = (entry.get("feature_path"), entry.get("mel_len")) if isinstance(entry, dict) else (0, 0)
            if not (isinstance(name, str) and re.fullmatch(NAME, name) and type(frames) is int and frames > 0):
                raise refused(f"{where}, speaker {speaker}: expected feature_path and mel_len; found {entry!r:.100}.")
            found.append(Utterance(name, speaker, frames, name))
    if len({one.name for one in found}) < len(found):
        raise refused(f"{where}: expected each utterance once; a feature_path is there twice.")
    _check_counts(source, year, (len(spoken), len(found), len(test["utterances"])))
    return sorted(numbers, key=numbers.__getitem__), found


def _check_counts(source: Source, year: str, counts: tuple[int, int, int]) -> None:
    """Raises UserError for another year's counts, and where only some of them are the course's."""
    if counts == COURSE[year] or not any(a == b for a, b in zip(counts, COURSE[year], strict=True)):
        if other := next((each for each, theirs in COURSE.items() if counts == theirs != COURSE[year]), None):
            raise refused(f"{source.name}: {counts[1]:,} utterances are those of {other}; use --edition {other}.")
        return
    words = ("speakers", "labelled utterances", "test utterances")
    for what, count, wanted in zip(words, counts, COURSE[year], strict=True):
        if count != wanted:
            other = next((each for each, theirs in COURSE.items() if counts == theirs), None)
            advice = f"use --edition {other}" if other else "the download is incomplete, download the files again"
            raise refused(
                f"{source.name}: expected {wanted:,} {what} of the {year} edition; found {count:,}: {advice}."
            )


def tensor(source: Source, path: str, frames: int) -> NDArray[np.float16]:
    """The log-mel spectrogram (frames, 40) of a file. Raises UserError for anything else, and runs nothing in it."""
    import torch

    where, data = f"{source.name}, {path}", source.read(path, MOST_TENSOR)
    try:
        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for what is no file of its own, or more than tensors
        why = str(error).partition("\n")[0][:100]
        raise refused(f"{where}: expected a tensor saved by torch; it cannot be read ({why}).") from None
    if not isinstance(found, torch.Tensor) or found.shape != (frames, N_MELS) or not found.is_floating_point():
        what = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, torch.Tensor) else type(found).__name__
        raise refused(f"{where}: expected a tensor of numbers ({frames}, {N_MELS}), as mel_len says; found {what}.")
    values: NDArray[np.float16] = found.to(torch.float16).numpy()
    if not np.isfinite(values).all():
        raise refused(f"{where}: expected finite numbers that float16 holds; found others.")
    return values


def make(year: str, public: Path, streams: Streams, size: str, source: Path | None, secret: Path | None = None) -> Made:
    """Write the utterances that students get into `public`, and return the hidden speakers."""
    try:
        import torch  # noqa: F401
    except ImportError:
        raise UserError('the course\'s files of HW4 are read with torch: pip install "lhy-grade[train]"') from None
    with opened(source, WANTED) as files:
        speakers, utterances = read_utterances(files, year)
        paths = {path.rpartition("/")[2]: path for path in files.paths}
        if missing := [one.name for one in utterances if one.name not in paths]:
            raise files.missing(
                f"the tensor of each labelled utterance, such as {missing[0]}",
                f" {len(missing):,} of {len(utterances):,} are missing.",
            )
        digests = [
            hashlib.sha256(tensor(files, paths[one.name], one.frames).tobytes()).hexdigest() for one in utterances
        ]
        utterances = [
            Utterance(one.name, one.speaker, one.frames, digest)
            for one, digest in zip(utterances, digests, strict=True)
        ]
        groups, voices = [one.group for one in utterances], [one.speaker for one in utterances]
        hidden = carve(groups, voices, SHARE, streams.generator("hidden utterances"))  # of each speaker
        order = streams.generator("order").permutation(len(utterances))
        train, held = ([utterances[place] for place in order if hidden[place] == side] for side in (False, True))
        names = new_names(streams.generator("names"), len(held))
        test = [Utterance(name, one.speaker, one.frames, one.group) for name, one in zip(names, held, strict=True)]

        def log_mels() -> Iterator[NDArray[np.float16]]:
            for one in (*train, *held):
                yield tensor(files, paths[one.name], one.frames)

        return write(public, speakers, train, test, log_mels())
