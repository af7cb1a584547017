"""Mean average precision at k of labels with blanks between them."""

import numpy as np
import pandas as pd


def precision(truth: str, guess: str, k: int) -> float:
    right, hits, total = set(truth.split()), 0, 0.0
    for rank, label in enumerate(list(dict.fromkeys(guess.split()))[:k], start=1):
        if label in right:
            hits += 1
            total += hits / rank
    return total / min(len(right), k)


def rows(solution: pd.DataFrame, submission: pd.DataFrame, k: int) -> np.ndarray:
    guess = submission["labels"].fillna("").astype(str)
    pairs = zip(solution["labels"].astype(str), guess, strict=True)
    return np.array([precision(truth, mine, k) for truth, mine in pairs])


def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str, k: int = 3) -> float:
    return float(rows(solution, submission, k).mean())
