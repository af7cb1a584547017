"""Log loss of several questions, each with a weight; an answer that is missing does not count."""

import kaggle_metric_utilities
import numpy as np
import pandas as pd


def score(
    solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str, heavy: str, weight: float = 2.0
) -> float:
    names = [name for name in solution.columns if name != row_id_column_name]
    guess = submission[names]
    if ((guess < 0) | (guess > 1)).any(axis=None):
        raise kaggle_metric_utilities.ParticipantVisibleError("probabilities are from 0 to 1")
    losses, weights = [], []
    for name in names:
        known = solution[name].notna()
        p = np.clip(guess.loc[known, name].astype(float), 1e-7, 1 - 1e-7)
        y = solution.loc[known, name]
        losses.append(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean())
        weights.append(weight if name == heavy else 1.0)
    return float(np.average(losses, weights=weights))
