"""Mean average precision of boxes over thresholds of their overlap; an image without boxes has an empty row."""

import numpy as np
import pandas as pd

SIDES = ["x1", "y1", "x2", "y2"]


class ParticipantVisibleError(Exception):
    pass


def overlap(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    low, high = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:], others[:, 2:])
    both = np.clip(high - low, 0, None).prod(axis=1)
    area = (one[2:] - one[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1) - both
    return both / area


def precision(truth: np.ndarray, guess: np.ndarray, threshold: float) -> float:
    if not len(truth) and not len(guess):
        return 1.0
    free, hits = np.ones(len(truth), dtype=bool), 0
    for box in guess:
        found = np.where(free, overlap(box, truth), 0.0) if len(truth) else np.zeros(1)
        if found.max() > threshold:
            free[found.argmax()] = False
            hits += 1
    return hits / (len(guess) + len(truth) - hits)


def rows(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str, lowest: float) -> list:
    if (submission["x2"] <= submission["x1"]).any() or (submission["y2"] <= submission["y1"]).any():
        raise ParticipantVisibleError("a box has no area")
    values = []
    for image in solution[row_id_column_name].unique():
        truth = solution.loc[solution[row_id_column_name] == image, SIDES].dropna().to_numpy(dtype=float)
        mine = submission[submission[row_id_column_name] == image].sort_values("score", ascending=False, kind="stable")
        guess = mine[SIDES].dropna().to_numpy(dtype=float)
        values.append(np.mean([precision(truth, guess, at) for at in np.arange(lowest, 0.76, 0.05)]))
    return values


def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str, lowest: float = 0.5) -> float:
    return float(np.mean(rows(solution, submission, row_id_column_name, lowest)))
