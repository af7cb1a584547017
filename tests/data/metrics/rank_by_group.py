"""The mean over days of the rank correlation within a day, over its spread: a Sharpe ratio of correlations."""

import numpy as np
import pandas as pd


def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str) -> float:
    both = solution.assign(guess=submission["target"])
    each = np.array([rank_correlation(day["target"], day["guess"]) for _, day in both.groupby("day")])
    return float(each.mean() / (each.std() + 0.1))


def rank_correlation(one: pd.Series, other: pd.Series) -> float:
    ranks = np.stack([side.rank().to_numpy() for side in (one, other)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    length = np.sqrt((ranks**2).sum(axis=1).prod())
    return float((ranks[0] * ranks[1]).sum() / length) if length else 0.0
