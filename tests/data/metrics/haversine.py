"""The mean distance on the earth between two places, in kilometres."""

import numpy as np
import pandas as pd
from earth import RADIUS


def rows(solution: pd.DataFrame, submission: pd.DataFrame) -> pd.Series:
    one, other = (np.radians(side[["lat", "lon"]].astype(float)) for side in (solution, submission))
    half = np.sin((one["lat"] - other["lat"]) / 2) ** 2
    half += np.cos(one["lat"]) * np.cos(other["lat"]) * np.sin((one["lon"] - other["lon"]) / 2) ** 2
    return 2 * RADIUS * np.arcsin(np.sqrt(half.clip(0, 1)))


def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str) -> float:
    return rows(solution, submission).mean()
