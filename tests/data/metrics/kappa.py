"""Quadratic weighted kappa of whole-number grades."""

import numpy as np
import pandas as pd


def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str, most: int = 5) -> float:
    truth, guess = solution["grade"].to_numpy(), submission["grade"].round().astype(int).clip(0, most).to_numpy()
    seen = np.zeros((most + 1, most + 1))
    np.add.at(seen, (truth, guess), 1)
    chance = np.outer(seen.sum(axis=1), seen.sum(axis=0)) / seen.sum()
    weight = np.subtract.outer(np.arange(most + 1), np.arange(most + 1)) ** 2
    return 1 - (weight * seen).sum() / (weight * chance).sum()
