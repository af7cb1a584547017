"""Average precision of events in series, over kinds of events and tolerances, as for onsets of sleep."""

import numpy as np
import pandas as pd

TOLERANCES = (2, 5, 10)


def average_precision(truth: pd.DataFrame, guess: pd.DataFrame, name: str, tolerance: int) -> float:
    left = {series: set(steps) for series, steps in truth.groupby(name)["step"]}
    hits = []
    for series, step in zip(guess[name], guess["step"], strict=True):
        near = [at for at in left.get(series, ()) if abs(at - step) < tolerance]
        hits.append(bool(near))
        if near:
            left[series].remove(min(near, key=lambda at: (abs(at - step), at)))
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1] if hits else precision
    return float((best * hits).sum() / len(truth)) if len(truth) else 0.0


def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str) -> float:
    guess = submission.sort_values(["score", row_id_column_name, "step"], ascending=[False, True, True])
    kinds = sorted(solution["event"].dropna().unique())
    parts = [
        average_precision(
            solution[solution["event"] == kind], guess[guess["event"] == kind], row_id_column_name, tolerance
        )
        for kind in kinds
        for tolerance in TOLERANCES
    ]
    return float(np.mean(parts))
