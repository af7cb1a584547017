"""Twelve metric files in Kaggle's layout, each through `new` to both boards, equal to an independent computation.

The files in tests/data/metrics follow public descriptions of the metrics of competitions.
"""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from harness.answers import read_secret
from harness.cli.main import cli
from harness.competition import find_competition
from harness.grading.grader import grade_within
from harness.home import open_home
from tasks.apart import Limits
from tasks.base import PUBLIC

pytestmark = pytest.mark.skipif(os.name != "posix", reason="graders are forked")

FILES = Path(__file__).parent / "data" / "metrics"
sk: Any = importlib.import_module("sklearn.metrics")
stats: Any = importlib.import_module("scipy.stats")
Frame = Any
RNG = np.random.default_rng(16)
N = 36


@dataclass(frozen=True)
class Case:
    """A solution, a submission, and the value of some ids of both by other means than the metric file's."""

    solution: Frame
    submission: Frame
    value: Callable[[Frame, Frame], float]
    higher: bool
    sample: Frame | None = None
    words: tuple[str, ...] = ()
    interval: bool = False
    more: dict[str, Any] = field(default_factory=dict)


def ids(n: int = N) -> Any:
    return np.array([f"r{row}" for row in range(n)])


# Independent computations ---------------------------------------------------------------------------------------------


def concordance(truth: Frame, guess: Frame) -> float:
    won, pairs = 0.0, 0
    for one in range(len(truth)):
        for other in range(len(truth)):
            if truth.event[one] and truth.time[one] < truth.time[other]:
                pairs += 1
                won += 0.5 * (1 + (guess.risk[one] > guess.risk[other]) - (guess.risk[one] < guess.risk[other]))
    return won / pairs


def mean_precision(truth: Frame, guess: Frame) -> float:
    """On a grid of pixels, since all sides are whole numbers."""

    def area(box: Any) -> set[tuple[int, int]]:
        return {(x, y) for x in range(int(box.x1), int(box.x2)) for y in range(int(box.y1), int(box.y2))}

    values = []
    for image in dict.fromkeys(truth.id):
        right = [area(box) for box in truth[truth.id == image].itertuples() if not math.isnan(box.x1)]
        boxes = sorted(guess[guess.id == image].itertuples(), key=lambda box: -box.score)
        for threshold in (0.5, 0.55, 0.6, 0.65, 0.7, 0.75):
            left, hits = list(range(len(right))), 0
            for mine in map(area, boxes):
                shares = [(len(mine & right[at]) / len(mine | right[at]), -at) for at in left]
                if shares and max(shares)[0] > threshold:
                    left.remove(-max(shares)[1])
                    hits += 1
            wrong = len(boxes) + len(right) - hits
            values.append(hits / wrong if wrong else 1.0)
    return float(np.mean(values))


def masked_loss(truth: Frame, guess: Frame) -> float:
    total = 0.0
    for name, weight in (("any", 2.0), ("left", 1.0), ("right", 1.0)):
        known = [row for row in range(len(truth)) if not math.isnan(truth[name][row])]
        total += weight * sk.log_loss(
            [truth[name][row] for row in known], [guess[name][row] for row in known], labels=[0, 1]
        )
    return total / 4


def partial_area(truth: Frame, guess: Frame) -> float:
    """The area between the curve and the line of the lowest rate, from every pair of a fine grid of the curve."""
    fpr, tpr, _ = sk.roc_curve(truth.target, guess.target, drop_intermediate=False)
    x = np.linspace(0, 1, 2_000_001)
    return float(np.maximum(np.interp(x, fpr, tpr) - 0.8, 0).mean())


def mean_average(truth: Frame, guess: Frame) -> float:
    total = 0.0
    for right, said in zip(truth.labels, guess.labels.fillna(""), strict=True):
        wanted, listed = set(right.split()), said.split()
        seen = [label for at, label in enumerate(listed) if label not in listed[:at]][:2]
        hits = [label in wanted for label in seen]
        total += sum(sum(hits[: at + 1]) / (at + 1) for at, hit in enumerate(hits) if hit) / min(len(wanted), 2)
    return total / len(truth)


def best_matching(truth: Frame, guess: Frame) -> float:
    """F of the largest matching, by linear programming."""
    assign = importlib.import_module("scipy.optimize").linear_sum_assignment
    hits = 0
    for name in dict.fromkeys(truth.id):
        right, mine = (side[side.id == name].moment.dropna().to_numpy() for side in (truth, guess))
        near = np.abs(right[:, None] - mine[None, :]) <= 3
        hits += int(near[assign(-near.astype(int))].sum()) if near.size else 0
    wanted, said = truth.moment.notna().sum(), len(guess)
    precision, recall = hits / said, hits / wanted
    return float(1.25 * precision * recall / (0.25 * precision + recall))


def event_precision(truth: Frame, guess: Frame) -> float:
    values = []
    ordered = sorted(guess.itertuples(), key=lambda row: (-row.score, row.id, row.step))
    for kind in ("onset", "wakeup"):
        right = [row for row in truth.itertuples() if row.event == kind]
        mine = [row for row in ordered if row.event == kind]
        for tolerance in (2, 5, 10):
            used: set[int] = set()
            hits = []
            for row in mine:
                near = [
                    (abs(one.step - row.step), one.step, at)
                    for at, one in enumerate(right)
                    if at not in used and one.id == row.id and abs(one.step - row.step) < tolerance
                ]
                hits.append(bool(near))
                used |= {min(near)[2]} if near else set()
            points = [sum(hits[: at + 1]) / (at + 1) for at in range(len(hits))]
            values.append(sum(max(points[at:]) for at, hit in enumerate(hits) if hit) / len(right))
    return float(np.mean(values))


def great_circle(truth: Frame, guess: Frame) -> float:
    """By the angle between two vectors."""

    def vectors(side: Frame) -> Any:
        lat, lon = np.radians(side.lat.astype(float)), np.radians(side.lon.astype(float))
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)

    one, other = vectors(truth), vectors(guess)
    angle = np.arctan2(np.linalg.norm(np.cross(one, other), axis=1), (one * other).sum(axis=1))
    return float(6371 * angle.mean())


def mean_dice(truth: Frame, guess: Frame) -> float:
    def pixels(text: Any) -> set[int]:
        words = [] if isinstance(text, float) else list(map(int, str(text).split()))
        return {
            at for start, length in zip(words[::2], words[1::2], strict=True) for at in range(start, start + length)
        }

    pairs = [(pixels(one), pixels(other)) for one, other in zip(truth["mask"], guess["mask"], strict=True)]
    return sum(2 * len(a & b) / (len(a) + len(b)) if a or b else 1 for a, b in pairs) / len(pairs)


def column_errors(truth: Frame, guess: Frame) -> float:
    return float(np.mean([math.sqrt(sk.mean_squared_error(truth[name], guess[name])) for name in ("a", "b", "c")]))


def ranks(truth: Frame, guess: Frame) -> float:
    days = [truth.index[truth.day == day] for day in sorted(set(truth.day))]
    each = [stats.spearmanr(truth.target[rows], guess.target[rows])[0] for rows in days]
    return float(np.mean(each) / (np.std(each) + 0.1))


# The cases ------------------------------------------------------------------------------------------------------------


def boxes(n: int, score: bool) -> Frame:
    """Boxes of images, none of every fifth image."""
    rows = []
    for image in range(n):
        for box in range(0 if image % 5 == 2 else 1 + image % 4):
            x, y = (image * 7 + 30 * box) % 90, (image * 5) % 40
            d = int(RNG.integers(0, 4)) if score else 0
            rows.append([f"r{image}", *([round(0.9 - 0.1 * box, 1)] if score else []), x + d, y, x + 20, y + 15 + d])
        if image % 5 == 2 and (not score or image % 2):
            rows.append([f"r{image}", *([0.3] if score else []), *([1, 1, 9, 9] if score else [math.nan] * 4)])
    return pd.DataFrame(rows, columns=["id", *(["score"] if score else []), "x1", "y1", "x2", "y2"])


def moments(names: list[str]) -> tuple[Frame, Frame]:
    """Six moments of each series but one, and guesses near to most of them."""
    truth: list[list[Any]] = []
    guess: list[list[Any]] = []
    for name in names:
        steps = np.sort(RNG.choice(200, 6, replace=False)).tolist() if name != "s3" else []
        truth += [[name, step] for step in steps] or [[name, math.nan]]
        guess += [[name, step + int(RNG.integers(-5, 6))] for step in steps if RNG.random() < 0.8] or [[name, 7]]
    return pd.DataFrame(truth, columns=["id", "moment"]), pd.DataFrame(guess, columns=["id", "moment"])


def events(names: list[str]) -> tuple[Frame, Frame]:
    truth, guess = moments(names)
    truth["event"] = [None if math.isnan(step) else ("onset", "wakeup")[at % 2] for at, step in enumerate(truth.moment)]
    guess["event"] = [("onset", "wakeup")[at % 2] for at in range(len(guess))]
    guess["score"] = RNG.integers(0, 8, len(guess)) / 10
    return truth.rename(columns={"moment": "step"}), guess.rename(columns={"moment": "step"})


def near(frame: Frame, names: list[str]) -> Frame:
    """Guesses near to the answers."""
    return frame.assign(**{name: (frame[name] + RNG.normal(size=len(frame)) / 2).round(3) for name in names})


def made() -> dict[str, Case]:
    series = [f"s{at}" for at in range(12)]
    truth_boxes, guess_boxes = boxes(20, False), boxes(20, True)
    truth_moments, guess_moments = moments(series)
    truth_events, guess_events = events(series)
    times = pd.DataFrame({"id": ids(), "time": RNG.integers(1, 15, N), "event": RNG.integers(0, 2, N)})
    labels = RNG.integers(0, 2, (N, 3)).astype(float)
    labels[RNG.random((N, 3)) < 0.2] = math.nan
    questions = pd.DataFrame(labels, columns=["any", "left", "right"]).assign(id=ids())[["id", "any", "left", "right"]]
    chances = pd.DataFrame(RNG.uniform(0.02, 0.98, (N, 3)).round(3), columns=["any", "left", "right"])
    grades = RNG.integers(0, 6, N)
    words = np.array(["a b", "c", "a d e", "b f", "a a c"])
    masks = np.array(["1 5", "", "3 4 20 6", "2 9", "100 50"])
    places = pd.DataFrame(
        {"id": ids(), "lat": RNG.uniform(-89, 89, N).round(3), "lon": RNG.uniform(-179, 179, N).round(3)}
    )
    wide = pd.DataFrame(RNG.normal(size=(N, 3)).round(3), columns=["a", "b", "c"])
    days = pd.DataFrame(
        {"id": ids(), "target": RNG.normal(size=N).round(3), "day": [f"d{row % 6}" for row in range(N)]}
    )
    target = RNG.permutation(np.arange(4 * N) % 4 == 0).astype(int)
    return {
        "concordance": Case(
            times,
            pd.DataFrame({"id": ids(), "risk": RNG.integers(0, 9, N)}),
            concordance,
            True,
            pd.DataFrame({"id": ids(), "risk": 0}),
        ),
        "boxes": Case(
            truth_boxes,
            guess_boxes,
            mean_precision,
            True,
            pd.DataFrame({"id": [f"r{at}" for at in range(20)], "score": 0.5, "x1": 0, "y1": 0, "x2": 1, "y2": 1}),
            ("--rows-per-id", "6", "--metric-arg", "lowest=0.5"),
            interval=True,
        ),
        "weighted_log_loss": Case(
            questions,
            chances.assign(id=ids())[["id", "any", "left", "right"]],
            masked_loss,
            False,
            pd.DataFrame({"id": ids(), "any": 0.5, "left": 0.5, "right": 0.5}),
            ("--metric-arg", "heavy=any"),
        ),
        "kappa": Case(
            pd.DataFrame({"id": ids(), "grade": grades}),
            pd.DataFrame({"id": ids(), "grade": np.clip(grades + RNG.normal(size=N), -1, 6).round(2)}),
            lambda truth, guess: float(
                sk.cohen_kappa_score(
                    truth.grade, [min(5, max(0, round(x))) for x in guess.grade], weights="quadratic", labels=range(6)
                )
            ),
            True,
        ),
        "partial_auc": Case(
            pd.DataFrame({"id": ids(4 * N), "target": target}),
            pd.DataFrame({"id": ids(4 * N), "target": (target + RNG.normal(size=4 * N)).round(1)}),
            partial_area,
            True,
            more={"abs": 1e-5},
        ),
        "map_at_k": Case(
            pd.DataFrame({"id": ids(), "labels": words[RNG.integers(0, 4, N)]}),
            pd.DataFrame({"id": ids(), "labels": np.append(words, "")[RNG.integers(0, 6, N)]}),
            mean_average,
            True,
            words=("--metric-arg", "k=2"),
            interval=True,
        ),
        "tolerant_f": Case(
            truth_moments,
            guess_moments,
            best_matching,
            True,
            pd.DataFrame({"id": series, "moment": -99}),
            ("--rows-per-id", "9", "--metric-arg", "tolerance=3"),
        ),
        "event_ap": Case(
            truth_events,
            guess_events,
            event_precision,
            True,
            pd.DataFrame({"id": series, "step": 0, "event": "onset", "score": 0.5}),
            ("--rows-per-id", "9"),
        ),
        "haversine": Case(places, near(places, ["lat", "lon"]), great_circle, False, interval=True),
        "run_lengths": Case(
            pd.DataFrame({"id": ids(), "mask": masks[RNG.integers(0, 5, N)]}),
            pd.DataFrame({"id": ids(), "mask": masks[RNG.integers(0, 5, N)]}),
            mean_dice,
            True,
            pd.DataFrame({"id": ids(), "mask": ""}),
            interval=True,
        ),
        "mcrmse": Case(
            wide.assign(id=ids())[["id", "a", "b", "c"]], near(wide, ["a", "b"]).assign(id=ids()), column_errors, False
        ),
        "rank_by_group": Case(days, near(days, ["target"]).drop(columns="day"), ranks, True, words=("--group", "day")),
    }


CASES = made()


def test_there_is_a_case_for_each_file() -> None:
    assert {path.stem for path in FILES.glob("*.py")} == {*CASES, "earth"}
    assert len(CASES) >= 12


@pytest.mark.parametrize("name", CASES)
def test_both_boards_have_the_value_of_an_independent_computation(tmp_path: Path, name: str) -> None:
    case, home = CASES[name], tmp_path / "home"
    by_group = "--group" in case.words
    truth = case.solution if by_group else with_usage(case.solution)
    truth.to_csv(tmp_path / "solution.csv", index=False)
    case.submission.sample(frac=1, random_state=0).to_csv(tmp_path / "a.csv", index=False)
    files = ["--solution", str(tmp_path / "solution.csv"), "--metric", str(FILES / f"{name}.py")]
    if case.sample is not None:
        case.sample.to_csv(tmp_path / "sample.csv", index=False)
        files += ["--sample", str(tmp_path / "sample.csv")]
    way = "--higher-is-better" if case.higher else "--lower-is-better"
    made = CliRunner().invoke(cli, ["--home", str(home), "new", "own", *files, way, *case.words])
    assert made.exit_code == 0, made.output
    assert "Warning" not in made.stderr, made.stderr
    found = open_home(home)
    secret = read_secret(found, find_competition(found, "own"))
    with grade_within(Limits()) as graded:
        score = graded(secret, (tmp_path / "a.csv").read_bytes()).scores[0]
    assert secret.answers.usage is not None
    side_of = dict(zip(map(str, secret.answers.ids), secret.answers.usage.tolist(), strict=True))
    for public, value in ((True, score.public), (False, score.private)):
        kept = [(side_of[one] == PUBLIC) == public for one in case.solution.id]
        right = case.solution[kept].reset_index(drop=True)
        mine = case.submission[[(side_of[one] == PUBLIC) == public for one in case.submission.id]]
        expected = case.value(right, mine.reset_index(drop=True))
        assert value == pytest.approx(expected, rel=1e-9, **(case.more or {"abs": 1e-9})), public
        assert value
        assert expected != 1
    assert (score.public_interval is not None) == case.interval
    if score.public_interval is not None:
        assert score.public_interval[0] < score.public < score.public_interval[1]


def with_usage(solution: Frame) -> Frame:
    place = {one: at for at, one in enumerate(dict.fromkeys(solution.id))}
    return solution.assign(Usage=[("Public", "Private")[place[one] * 7 // 3 % 2] for one in solution.id])
