"""Harrell's concordance index of survival times, some of them censored."""

import numpy as np
import pandas as pd


class ParticipantVisibleError(Exception):
    pass


def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str) -> float:
    del solution[row_id_column_name]
    del submission[row_id_column_name]
    if not pd.api.types.is_numeric_dtype(submission["risk"]):
        raise ParticipantVisibleError("risk must be a number")
    time, seen, risk = (side.to_numpy() for side in (solution["time"], solution["event"] == 1, submission["risk"]))
    earlier = (time[:, None] < time[None, :]) & seen[:, None]
    difference = risk[:, None] - risk[None, :]
    return float((np.sign(difference[earlier]) / 2 + 0.5).mean())
