"""F-beta of moments in series: a moment is found by one guess within a tolerance."""

import pandas as pd


class ParticipantVisibleError(Exception):
    pass


def matched(truth: list, guess: list, tolerance: float) -> int:
    hits = at = 0
    for moment in guess:
        while at < len(truth) and truth[at] < moment - tolerance:
            at += 1
        if at < len(truth) and truth[at] <= moment + tolerance:
            hits, at = hits + 1, at + 1
    return hits


def score(
    solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str, tolerance: float, beta: float = 0.5
) -> float:
    submission = submission.dropna(subset=["moment"])
    if (submission["moment"] < -100).any():
        raise ParticipantVisibleError("moments are counted from the start")
    hits = 0
    for name, moments in solution.groupby(row_id_column_name)["moment"]:
        mine = submission.loc[submission[row_id_column_name] == name, "moment"]
        hits += matched(sorted(moments.dropna()), sorted(mine), tolerance)
    wanted, said = int(solution["moment"].notna().sum()), len(submission)
    return (1 + beta**2) * hits / (beta**2 * wanted + said) if wanted + said else 1.0
