"""Splits of one's own solution by whole groups, by strata and by time: what is drawn, and what is refused."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.answers import read_secret
from harness.cli.main import cli
from harness.competition import find_competition
from harness.home import open_home
from tasks.base import PRIVATE, PUBLIC, Answers, UserError
from tasks.named import NAMED
from tasks.own import fitted
from tasks.solution import own_format, read_solution
from tasks.split_columns import SplitColumns
from tests.conftest import Write

WORDS = ("Yilan", "Hualien", "Tainan", "Keelung", "Chiayi")


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words])


def make(folder: Path, solution: str, *words: str) -> Result:
    (folder / "solution.csv").write_text(solution)
    return call(folder / "home", "new", "own", "--solution", str(folder / "solution.csv"), "--metric", *words)


def answers_of(folder: Path) -> Answers:
    home = open_home(folder / "home")
    return read_secret(home, find_competition(home, "own")).answers


def table(rows: int, city: str = "{city}", day: str = "{day}") -> str:
    values = np.random.default_rng(3).permutation(rows).tolist()
    lines = (f"{n},{values[n]}.5,{city},{day},{n % 3}" for n in range(rows))
    filled = (line.format(city=WORDS[n % 5], day=f"2026-01-{n % 9 + 1:02}") for n, line in enumerate(lines))
    return "id,y,city,day,kind\n" + "\n".join(filled) + "\n"


def told(side: NDArray[Any] | None) -> list[Any]:
    assert side is not None
    return list(side.tolist())


def no_trace(folder: Path) -> bool:
    """Whether nothing that students get has a group, a time or the name of a column by which the split was drawn."""
    files = [path for path in (folder / "home" / "public").rglob("*") if path.is_file()]
    texts = [path.read_bytes() for path in files if path.suffix != ".zip"]
    assert len(texts) >= 4
    return not any(word.encode() in text for text in texts for word in (*WORDS, "2026-01", "city", '"day', "kind1"))


# Drawn ----------------------------------------------------------------------------------------------------------------


def test_whole_groups_are_on_one_side_and_intervals_resample_them(tmp_path: Path) -> None:
    solution = table(60).replace(",kind\n", ",kind1\n")
    done = make(tmp_path, solution, "rmse", "--group", "city", "--strata", "kind1")
    assert done.exit_code == 2, "a city is of several kinds"
    assert "a group of 'city' is in two strata" in done.stderr
    solution = "\n".join(line.rpartition(",")[0] for line in solution.splitlines())
    solution = "\n".join(line.rpartition(",")[0] for line in solution.splitlines()) + "\n"
    done = make(tmp_path, solution, "rmse", "--group", "city", "--public-share", "0.4")
    assert done.exit_code == 0, done.output
    answers = answers_of(tmp_path)
    assert list(answers.columns) == ["y"]
    sides: dict[str, set[int]] = {}
    for group, side in zip(told(answers.groups), told(answers.usage), strict=True):
        sides.setdefault(group, set()).add(side)
    assert all(len(side) == 1 for side in sides.values())
    assert set(sides) == {line.split(",")[2] for line in solution.splitlines()[1:]}
    assert no_trace(tmp_path)
    assert (tmp_path / "home/public/own/sample_submission.csv").read_text().startswith("id,y\n0,0\n")
    (tmp_path / "a.csv").write_text("id,y\n" + "".join(f"{n},{n % 5}\n" for n in range(60)))
    sent = call(tmp_path / "home", "submit", "own", str(tmp_path / "a.csv"), "--as", "ada", "--format", "json")
    assert sent.exit_code == 0, sent.output
    shown = json.loads(sent.stdout)["scores"][0]["interval"]
    secret = read_secret(open_home(tmp_path / "home"), find_competition(open_home(tmp_path / "home"), "own"))
    rows = secret.metrics[0].rows(answers.columns, {"y": np.arange(60) % 5.0})
    grouped, alone = (secret.metrics[0].interval(rows, answers.usage == PUBLIC, g) for g in (answers.groups, None))
    assert grouped is not None
    assert alone is not None
    assert grouped[1] - grouped[0] != pytest.approx(alone[1] - alone[0], rel=0.05)
    assert shown == pytest.approx(grouped, rel=0.02), "cut outward"
    assert "same data, version 1" in make(tmp_path, solution, "rmse", "--group", "city", "--public-share", "0.4").stdout
    other = make(tmp_path, solution, "rmse", "--strata", "city", "--public-share", "0.4")
    assert (other.exit_code, "another group and another strata" in " ".join(other.stderr.split())) == (8, True)


def test_each_stratum_has_the_public_share(tmp_path: Path) -> None:
    done = make(tmp_path, table(60), "rmse", "--strata", "kind", "--public-share", "0.25")
    assert done.exit_code == 2, done.output  # city is text, and now an answer
    solution = "\n".join(",".join(line.split(",")[at] for at in (0, 1, 4)) for line in table(60).splitlines())
    assert make(tmp_path, solution, "rmse", "--strata", "kind", "--public-share", "0.25").exit_code == 0
    usage = told(answers_of(tmp_path).usage)
    assert Counter((n % 3, side) for n, side in enumerate(usage)) == {
        (kind, side): 5 if side == PUBLIC else 15 for kind in range(3) for side in (PUBLIC, PRIVATE)
    }


def test_the_earliest_rows_are_public_and_rows_of_one_time_are_together(tmp_path: Path) -> None:
    solution = "\n".join(",".join(line.split(",")[at] for at in (0, 1, 3)) for line in table(60).splitlines())
    done = make(tmp_path, solution, "rmse", "--by-time", "day", "--public-share", "0.3")
    assert done.exit_code == 0, done.output
    answers, days = answers_of(tmp_path), [n % 9 for n in range(60)]
    assert told(answers.usage) == [PUBLIC if day < 3 else PRIVATE for day in days], "21 of 60 rows, nearest to 18"
    assert told(answers.groups) == list(map(str, days))
    assert no_trace(tmp_path)


@settings(max_examples=60)
@given(
    times=st.lists(st.integers(-3, 12), min_size=2, max_size=30).filter(lambda times: len(set(times)) > 1),
    share=st.sampled_from([0.1, 0.3, 0.5, 0.9]),
)
def test_no_private_row_is_earlier_than_a_public_one_and_the_cut_is_the_nearest(
    tmp_path_factory: pytest.TempPathFactory, times: list[int], share: float
) -> None:
    path = tmp_path_factory.mktemp("times") / "s.csv"
    path.write_text("id,t,y\n" + "".join(f"{n},{time / 2},1\n" for n, time in enumerate(times)))
    found = own_format(read_solution(path, split=SplitColumns(time="t", public_share=share)))[1]
    public = [time for time, side in zip(times, told(found.usage), strict=True) if side == PUBLIC]
    private = [time for time, side in zip(times, told(found.usage), strict=True) if side == PRIVATE]
    assert max(public) < min(private)
    cuts = [sum(time <= last for time in times) for last in sorted(set(times))[:-1]]
    assert abs(len(public) - share * len(times)) == min(abs(cut - share * len(times)) for cut in cuts)


@pytest.mark.parametrize(
    "cells",
    [
        ["2026-03-01T12:00+08:00", "2026-03-01T04:30Z", "2026-03-01T05:00:00.5+00:00"],
        ["2026-02-28", "2026-03-01", "2026-03-02"],
        ["2026-03-01 09:00", "2026-03-01T10:00", "2026-03-01 10:00:01"],
        ["1700000000123456788", "1700000000123456789", "1700000000123456790"],
        ["-1.5", "1e-3", "007"],
    ],
)
def test_times_of_many_kinds_are_sorted_as_instants_and_exact_numbers(write: Write, cells: list[str]) -> None:
    text = "id,t,y\n" + "".join(f"{n},{cells[n]},1\n" for n in (2, 0, 1))
    found = own_format(read_solution(write(text), split=SplitColumns(time="t", public_share=0.4)))[1]
    assert told(found.usage) == [PUBLIC, PRIVATE, PRIVATE]


def test_one_instant_in_two_zones_is_one_time(write: Write) -> None:
    text = "id,t,y\n0,2026-03-01T12:00+08:00,1\n1,2026-03-01T04:00Z,1\n2,2026-03-02T04:00Z,1\n"
    found = own_format(read_solution(write(text), split=SplitColumns(time="t", public_share=0.3)))[1]
    assert told(found.usage) == [PUBLIC, PUBLIC, PRIVATE]


def test_labels_are_shared_out_unless_groups_mix_them(write: Write) -> None:
    def strata(cells: list[str], split: SplitColumns) -> list[str] | None:
        path = write("id,y,g,s\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells)))
        columns = SplitColumns(split.group or "s", split.strata or "g")
        found = fitted(path, NAMED["f1"], NAMED["f1"].read_options(()), columns)[1].strata
        return None if found is None else found.tolist()

    pure = ["0,a,x", "0,a,x", "1,b,x", "1,b,x", "1,c,z", "0,d,z"]
    assert strata(pure, SplitColumns("g", "s")) == ["x", "x", "x", "x", "z", "z"]
    path = write("id,y,g\n" + "".join(f"{n},{cell[:3]}\n" for n, cell in enumerate(pure)))
    options = NAMED["f1"].read_options(())
    assert told(fitted(path, NAMED["f1"], options, SplitColumns("g"))[1].strata) == ["0", "0", "1", "1", "1", "0"]
    path = write("id,y,g\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(["0,a", "1,a", "1,b", "0,b"])))
    assert fitted(path, NAMED["f1"], options, SplitColumns("g"))[1].strata is None


@pytest.mark.skipif(os.name != "posix", reason="graders are forked")
def test_a_metric_file_has_the_column_in_the_solution_and_not_in_the_submission(tmp_path: Path) -> None:
    (tmp_path / "metric.py").write_text(
        "def score(solution, submission, row_id_column_name):\n"
        "    assert list(submission.columns) == ['id', 'y']\n"
        "    errors = (solution['y'] - submission['y']).abs()\n"
        "    return float(errors.groupby(solution['city']).mean().max())\n"
    )
    solution = "id,y,city\n" + "".join(f"{n},{n % 4},{'abcd'[n % 4]}\n" for n in range(16))
    done = make(tmp_path, solution, str(tmp_path / "metric.py"), "--lower-is-better", "--group", "city")
    assert done.exit_code == 0, done.output
    assert "gives the solution 0 and" in " ".join(done.stderr.split())


# Refused --------------------------------------------------------------------------------------------------------------

SMALL = "id,y,g,t\n0,1,a,1\n1,2,a,2\n2,3,b,3\n3,4,b,4\n"


@pytest.mark.parametrize(
    ("solution", "words", "said"),
    [
        (SMALL, ["--group", "place"], "has no column 'place'; it has id, y, g, t"),
        (SMALL, ["--strata", "Y"], "has no column 'Y'"),
        (SMALL, ["--by-time", "when"], "has no column 'when'"),
        (SMALL, ["--group", "id"], "'id' is the column of the ids"),
        (SMALL, ["--group", "g", "--strata", "g"], "--group and --strata name one column"),
        (SMALL, ["--by-time", "t", "--group", "g"], "leave out --group and --strata"),
        (SMALL, ["--strata", "t"], "4 values in 4 rows, too many to share out"),
        (SMALL.replace("b,3", ",3"), ["--group", "g"], "line 4: column 'g' of --group is empty"),
        (SMALL.replace("b,3", "  ,3"), ["--strata", "g"], "line 4: column 'g' of --strata is empty"),
        (SMALL.replace("b,3", "b,"), ["--by-time", "t"], "line 4: column 't' of --by-time is empty"),
        (SMALL.replace("b", " a"), ["--group", "g"], "all rows have the same 'g'"),
        (SMALL.replace("b,3", "b,soon"), ["--by-time", "t"], "line 4: column 't' of --by-time is not a time"),
        (SMALL.replace("b,3", "b,2026-13-01"), ["--by-time", "t"], "line 4: column 't' of --by-time is not a time"),
        (SMALL.replace("b,3", "b,nan"), ["--by-time", "t"], "is not a time"),
        (SMALL.replace("b,3", "b,2026-03-01"), ["--by-time", "t"], "mixes numbers (line 2) and dates (line 4)"),
        (
            "id,y,t\n0,1,2026-03-01T00:00\n1,2,2026-03-01T00:00Z\n",
            ["--by-time", "t"],
            "mixes times without a zone (line 2) and times with a zone (line 3)",
        ),
        ("id,y,t\n0,1,5\n1,2,5.0\n", ["--by-time", "t"], "all rows have the same 't'"),
        ("id,y\n0,1\n1,2\n", ["--group", "y"], "the column of --group is none: copy an answer under another name"),
        ("id,y,Usage\n0,1,Public\n1,2,Private\n", ["--group", "Usage"], "is the column of the Usage"),
        ("id,y,g,Usage\n0,1,a,Public\n1,2,b,Private\n", ["--strata", "g"], "has a Usage column"),
        ("id,y,g,Usage\n0,1,1,Public\n1,2,2,Private\n", ["--by-time", "g"], "has a Usage column"),
        ("id,y,g,Usage\n0,1,a,Public\n1,2,a,Private\n2,1,b,Private\n", ["--group", "g"], "is both Public and Private"),
    ],
)
def test_columns_that_cannot_split_are_refused_with_what_to_do(
    tmp_path: Path, solution: str, words: list[str], said: str
) -> None:
    refused = make(tmp_path, solution, "accuracy", *words)
    assert refused.exit_code == 2, refused.output
    assert said in " ".join(refused.stderr.split())
    assert not (tmp_path / "home" / "public" / "own").exists()


def test_groups_beside_a_usage_are_resampled_and_those_of_ignored_rows_may_be_anywhere(tmp_path: Path) -> None:
    rows = ["a,Public", "a,Public", "b,Public", "c,Private", "d,Private", "a,Ignored"]
    solution = "id,y,g,Usage\n" + "".join(f"{n},{n},{row}\n" for n, row in enumerate(rows))
    assert make(tmp_path, solution, "rmse", "--group", "g").exit_code == 0
    assert told(answers_of(tmp_path).groups) == list("aabcda")


def test_a_quiz_has_no_split(tmp_path: Path, write: Write) -> None:
    key = write("question,options,answer,points\nq1,a|b,a,1\n", "key.csv")
    refused = call(tmp_path / "home", "new", "quiz1", "--quiz", str(key), "--group", "g")
    assert (refused.exit_code, "leave out --group" in refused.stderr) == (2, True)


def test_an_unknown_column_is_named_by_the_library_too(write: Write) -> None:
    with pytest.raises(UserError, match="--by-time"):
        read_solution(write(SMALL), split=SplitColumns(time="when"))
