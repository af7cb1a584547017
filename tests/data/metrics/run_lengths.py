"""Mean Dice of masks as run lengths; a mask without pixels is an empty cell, and two of them agree."""

import numpy as np
import pandas as pd

PIXELS = 400


class ParticipantVisibleError(Exception):
    pass


def pixels(text: object) -> np.ndarray:
    mask = np.zeros(PIXELS, dtype=bool)
    numbers = [] if pd.isna(text) else [int(word) for word in str(text).split()]
    if len(numbers) % 2:
        raise ParticipantVisibleError("a start without a length")
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        mask[start - 1 : start - 1 + length] = True
    return mask


def rows(solution: pd.DataFrame, submission: pd.DataFrame) -> list:
    values = []
    for truth, guess in zip(solution["mask"], submission["mask"], strict=True):
        one, other = pixels(truth), pixels(guess)
        total = one.sum() + other.sum()
        values.append(2 * (one & other).sum() / total if total else 1.0)
    return values


def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str) -> float:
    return float(np.mean(rows(solution, submission)))
