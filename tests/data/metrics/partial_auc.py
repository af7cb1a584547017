"""The area under the ROC curve above a true positive rate, as in screening for cancer."""

import numpy as np
import pandas as pd


def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str, min_tpr: float = 0.8) -> float:
    truth, guess = 1 - solution["target"].to_numpy(), -submission["target"].to_numpy()
    order = np.argsort(-guess, kind="stable")
    last = np.append(np.diff(guess[order]) != 0, True)
    hits, wrong = (np.append(0.0, np.cumsum(side[order])[last]) for side in (truth, 1 - truth))
    tpr, fpr = hits / hits[-1], wrong / wrong[-1]
    stop = int(np.searchsorted(fpr, 1 - min_tpr, side="right"))
    end = np.interp(1 - min_tpr, fpr[stop - 1 : stop + 1], tpr[stop - 1 : stop + 1])
    x, y = np.append(fpr[:stop], 1 - min_tpr), np.append(tpr[:stop], end)
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum())
