"""The mean over columns of the root mean squared error of each."""

import numpy as np
import pandas as pd


def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str) -> float:
    del solution[row_id_column_name]
    del submission[row_id_column_name]
    return np.sqrt(((solution - submission[solution.columns]) ** 2).mean()).mean()
