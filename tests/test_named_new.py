"""Competitions with a metric by name: what `new` accepts and refuses, and a file's way to the board."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.answers import read_secret
from harness.cli.main import cli
from harness.competition import find_competition
from harness.home import open_home
from tasks.base import PRIVATE, PUBLIC, UserError
from tasks.formats import Column, TableFormat
from tasks.named import NAMED, find_named
from tasks.own import fitted
from tests.conftest import Write

sk: Any = importlib.import_module("sklearn.metrics")
stats: Any = importlib.import_module("scipy.stats")


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words])


def form_of(write: Write, metric: str, text: str, *given: str) -> tuple[Column, ...]:
    """The columns that a submission has for a solution."""
    form, _, _ = fitted(write(text), NAMED[metric], NAMED[metric].read_options(given))
    assert isinstance(form, TableFormat)
    return form.columns


# The format -----------------------------------------------------------------------------------------------------------


def test_columns_accept_what_their_quantity_can_be(write: Write) -> None:
    numbers, labels = "id,y\n0,3\n1,0.5\n2,8\n", "id,y\n0,a\n1,b\n2,a\n3,b\n"
    assert form_of(write, "rmsle", numbers) == (Column("y", "float", 0.0, 100.0),)
    for metric in ("r2", "mape", "pinball", "mcrmse"):
        assert form_of(write, metric, numbers) == (Column("y", "float", -100.0, 100.0),)
    for metric in ("pearson", "spearman", "ndcg"):
        assert form_of(write, metric, numbers) == (Column("y", "float"),)
    assert form_of(write, "log_loss", "id,y\n0,1\n1,0\n") == (Column("y", "float", 0.0, 1.0),)
    assert form_of(write, "qwk", "id,y\n0,1\n1,4\n2,2\n") == (Column("y", "int", 1, 4),)
    for metric, given in (("mcc", ()), ("balanced_accuracy", ()), ("f1", ("average=macro",)), ("f1", ("positive=b",))):
        (column,) = form_of(write, metric, labels, *given)
        assert (column.kind, column.choices) == ("text", ("a", "b"))
    assert form_of(write, "mcc", "id,y\n0,3\n1,7\n2,3\n3,7\n") == (Column("y", "int", 3, 7),)
    assert form_of(write, "map_at_k", "id,y\n0,17\n1,3 4\n")[0].kind == "text"


REFUSED = {
    "a probability of what is not 0 or 1": ("log_loss", "id,y\n0,1\n1,2\n", (), ["line 3", "is not 0 or 1"]),
    "classes without exactly one 1": ("log_loss", "id,a,b\n0,1,0\n1,1,1\n", (), ["line 3", "columns=labels"]),
    "an answer below 0": ("rmsle", "id,y\n0,1\n1,-2\n", (), ["line 3", "below 0"]),
    "a text": ("rmsle", "id,y\n0,1\n1,x\n", (), ["line 3", "not a plain decimal number"]),
    "an answer of 0": ("mape", "id,y\n0,1\n1,0\n", (), ["line 3", "is 0"]),
    "an answer that is nearly 0": ("mape", "id,y\n0,1\n1,1e-300\n", (), ["line 3", "smaller"]),
    "answers that hardly differ": ("r2", "id,y\n0,1\n1,1.00000000000001\n", (), ["'y'", "subtract a constant"]),
    "a decimal number for a label": ("mcc", "id,y\n0,1\n1,0.5\n2,1\n", (), ["'y'", "a whole number or text"]),
    "free answers for labels": ("balanced_accuracy", "id,y\n0,a\n1,b\n2,c\n3,d\n", (), ["4 different answers"]),
    "labels in two columns": ("mcc", "id,a,b\n0,1,0\n1,1,1\n", (), ["needs one answer column", "a, b"]),
    "binary F1 of three labels": ("f1", "id,y\n" + "".join(f"{n},{n % 3}\n" for n in range(9)), (), ["average=macro"]),
    "binary F1 without the positive label": ("f1", "id,y\n0,a\n1,b\n2,a\n3,b\n", (), ["positive=LABEL"]),
    "binary F1 of columns": ("f1", "id,a,b\n0,1,0\n1,1,1\n", (), ["average=macro"]),
    "a label that is never true": ("f1", "id,a,b\n0,1,0\n1,1,0\n", ("average=macro",), ["'b'", "no 1"]),
    "ratings that are text": ("qwk", "id,y\n0,low\n1,high\n", (), ["number the ratings"]),
    "AUC of labels": ("auc", "id,y\n0,0\n1,2\n", (), ["line 3", "auc", "not 0 or 1"]),
    "no relevant column": ("ndcg", "id,a,b\n0,1,0\n1,0,0\n", (), ["line 3", "no column is relevant"]),
    "a relevance below 0": ("ndcg", "id,a\n0,1\n1,-1\n", (), ["line 3", "below 0"]),
    "a word twice": ("map_at_k", "id,a\n0,x\n1,y z y\n", (), ["line 3", "twice"]),
}


@pytest.mark.parametrize("why", REFUSED)
def test_answers_that_a_metric_cannot_use_are_refused(write: Write, why: str) -> None:
    metric, text, given, said = REFUSED[why]
    with pytest.raises(UserError) as refused:
        form_of(write, metric, text, *given)
    for words in said:
        assert words in str(refused.value)


@pytest.mark.parametrize(
    ("metric", "given", "said"),
    [
        ("map_at_k", "k", "NAME=VALUE"),
        ("map_at_k", "k=0", "a whole number from 1 to 100"),
        ("map_at_k", "k=2.5", "a whole number from 1 to 100"),
        ("map_at_k", "depth=3", "it has k"),
        ("pinball", "quantile=1", "from 0.001 to 0.999"),
        ("pinball", "quantile=nan", "from 0.001 to 0.999"),
        ("f1", "average=samples", "one of binary, macro, micro, weighted"),
        ("f1", "positive=", "1 to 200 printable characters"),
        ("f1", "positive=" + "x" * 201, "1 to 200 printable characters"),
        ("f1", "positive=a\nb", "1 to 200 printable characters"),
        ("f1", "positive=\udcff", "is not UTF-8 text"),
        ("f1", "\udcff=1", "is not UTF-8 text"),
        ("map_at_k", "k=1_0", "a whole number from 1 to 100"),
        ("map_at_k", "k=\uff13", "a whole number from 1 to 100"),
        ("map_at_k", "k= 3", "a whole number from 1 to 100"),
        ("map_at_k", "k=" + "9" * 5000, "a whole number from 1 to 100"),
        ("pinball", "quantile=0_1.5", "from 0.001 to 0.999"),
        ("pinball", "quantile=1e999", "from 0.001 to 0.999"),
        ("pinball", "quantile=inf", "from 0.001 to 0.999"),
        ("rmse", "k=3", "it has no options"),
    ],
)
def test_options_that_do_not_exist_or_are_out_of_range_are_refused(metric: str, given: str, said: str) -> None:
    with pytest.raises(UserError, match=said.replace(".", r"\.")):
        NAMED[metric].read_options([given])


def test_an_option_is_given_once_and_an_unknown_metric_lists_all() -> None:
    with pytest.raises(UserError, match="given twice"):
        NAMED["map_at_k"].read_options(["k=3", "k=4"])
    with pytest.raises(UserError, match=r"rmse, mse, .*map_at_k.*Did you mean log_loss"):
        find_named("LogLoss")
    with pytest.raises(UserError) as refused:
        find_named("elo")
    for named in NAMED.values():
        assert f"  {named.name}: {named.says}; answers: " in str(refused.value)
    assert "several columns: the classes of a row" in str(refused.value)


@pytest.mark.parametrize("metric", [name for name, named in NAMED.items() if named.varied])
def test_a_board_whose_answers_are_all_the_same_is_refused(tmp_path: Path, metric: str) -> None:
    solution = tmp_path / "solution.csv"
    sides = ("Public", "Private")
    rows = [f"{n},{n % 2 if n < 4 else 1},{sides[n > 3]}" for n in range(8)]
    solution.write_text("id,y,Usage\n" + "\n".join(rows) + "\n")
    refused = call(tmp_path / "home", "new", "own", "--solution", str(solution), "--metric", metric)
    assert refused.exit_code == 2, refused.output
    assert "different answers in column 'y'" in " ".join(refused.stderr.split())
    assert not (tmp_path / "home" / "public" / "own").exists()


# From a file to the board ---------------------------------------------------------------------------------------------


def macro(y: Any, p: Any) -> float:
    return float(sk.f1_score(y[:, 0], p[:, 0], average="macro"))


def columnwise_auc(y: Any, p: Any) -> float:
    return float(np.mean([sk.roc_auc_score(y[:, c], p[:, c]) for c in range(y.shape[1])]))


def loss(y: Any, p: Any) -> float:
    return float(sk.log_loss(y[:, 0], p[:, 0]))


def rank_correlation(y: Any, p: Any) -> float:
    return float(stats.spearmanr(y[:, 0], p[:, 0])[0])


def quantile_loss(y: Any, p: Any) -> float:
    return float(sk.mean_pinball_loss(y, p, alpha=0.9))


WAYS = {
    "f1": (["average=macro"], ["red", "green", "blue"], 1, macro),
    "auc": ([], None, 2, columnwise_auc),
    "log_loss": ([], None, 1, loss),
    "spearman": ([], None, 1, rank_correlation),
    "pinball": (["quantile=0.9"], None, 1, quantile_loss),
}


@pytest.mark.parametrize("metric", WAYS)
def test_a_file_is_scored_as_the_reference_scores_its_public_and_its_private_rows(tmp_path: Path, metric: str) -> None:
    given, labels, width, reference = WAYS[metric]
    rng = np.random.default_rng(4)
    home, n = tmp_path / "home", 60
    if labels:
        truth, guess = (np.array(labels)[rng.integers(0, 3, (n, width))] for _ in range(2))
    elif metric in ("auc", "log_loss"):
        truth, guess = rng.integers(0, 2, (n, width)), rng.uniform(0.05, 0.95, (n, width)).round(2)
    else:
        truth, guess = rng.normal(5, 2, (n, width)).round(3), rng.normal(5, 2, (n, width)).round(1)
    header = ",".join(["id", *(f"y{c}" for c in range(width))])
    for name, values in (("solution", truth), ("mine", guess)):
        rows = [",".join([str(row), *map(str, cells)]) for row, cells in enumerate(values.tolist())]
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n")
    words = ["new", "own", "--solution", str(tmp_path / "solution.csv"), "--metric", metric]
    words += [word for one in given for word in ("--metric-arg", one)]
    done = call(home, *words)
    assert done.exit_code == 0, done.output
    assert "same data, version 1" in call(home, *words).stdout
    sent = call(home, "submit", "own", str(tmp_path / "mine.csv"), "--as", "ada", "--format", "json")
    assert sent.exit_code == 0, sent.output
    found = open_home(home)
    secret = read_secret(found, find_competition(found, "own"))
    assert secret.answers.usage is not None
    sides = {side: secret.answers.usage == side for side in (PUBLIC, PRIVATE)}
    body = json.loads(sent.stdout)
    (public,) = [score["public"] for score in body["scores"]]
    exact = reference(truth[sides[PUBLIC]], guess[sides[PUBLIC]])
    assert public == pytest.approx(exact, abs=1.0001e-5)
    assert abs(public) <= abs(exact) + 1e-12, "cut, not rounded"
    assert call(home, "reveal", "own", "--reason", "the end", "--yes").exit_code == 0
    board = json.loads(call(home, "leaderboard", "own", "--private", "--format", "json").stdout)["board"]
    private = reference(truth[sides[PRIVATE]], guess[sides[PRIVATE]])
    assert board[0]["score"] == pytest.approx(private, abs=1.0001e-5)
    assert call(home, "audit", "verify").exit_code == 0


def test_another_option_is_another_metric_and_needs_new_data(tmp_path: Path) -> None:
    home, solution = tmp_path / "home", tmp_path / "solution.csv"
    solution.write_text("id,y\n" + "".join(f"{n},w{n} v\n" for n in range(8)))
    words = ["new", "own", "--solution", str(solution), "--metric", "map_at_k", "--metric-arg"]
    assert call(home, *words, "k=3").exit_code == 0
    (tmp_path / "a.csv").write_text("id,y\n" + "".join(f"{n},x v x w{n}\n" for n in range(8)))
    first = call(home, "submit", "own", str(tmp_path / "a.csv"), "--as", "ada", "--format", "json")
    assert json.loads(first.stdout)["scores"][0]["public"] == 0.25
    other = call(home, *words, "k=4")
    assert other.exit_code != 0
    assert "another metric option." in other.stderr
    again = call(home, *words, "k=4", "--new-data", "--reason", "four guesses", "--yes")
    assert again.exit_code == 0, again.output
    second = call(home, "submit", "own", str(tmp_path / "a.csv"), "--as", "ada", "--format", "json")
    assert json.loads(second.stdout)["scores"][0]["public"] == 0.5
    found = open_home(home)
    secret = read_secret(found, find_competition(found, "own"))
    assert secret.metric_version.startswith("mean_average_precision_score(k=4)|")
    assert secret.metrics[0].label == "MAP@4"


def test_a_prediction_outside_what_it_can_be_is_refused_before_it_is_scored(tmp_path: Path) -> None:
    home, solution = tmp_path / "home", tmp_path / "solution.csv"
    solution.write_text("id,y\n" + "".join(f"{n},{n % 2}\n" for n in range(8)))
    assert call(home, "new", "own", "--solution", str(solution), "--metric", "log_loss").exit_code == 0
    for cell, code in (("1.01", 3), ("-0.1", 3), ("0", 0)):
        path = tmp_path / "a.csv"
        path.write_text("id,y\n" + "".join(f"{n},{cell}\n" for n in range(8)))
        assert call(home, "check", "own", str(path)).exit_code == code
    done = call(home, "submit", "own", str(path), "--as", "ada", "--format", "json")
    value = json.loads(done.stdout)["scores"][0]["public"]
    assert value == pytest.approx(-math.log(1e-15) / 2, rel=1e-5)


def test_the_page_shows_the_header_as_a_file_has_it(tmp_path: Path) -> None:
    solution = tmp_path / "solution.csv"
    solution.write_text('Row ID,"p,rice",q\n' + "".join(f"{n},{n * 7 % 5},{n * 5 % 4}\n" for n in range(8)))
    made = call(tmp_path / "home", "new", "own", "--solution", str(solution), "--metric", "rmse")
    assert made.exit_code == 0, made.output
    public = tmp_path / "home" / "public" / "own"
    assert 'the header `Row ID,"p,rice",q` and' in (public / "sheet.md").read_text()
    assert (public / "sample_submission.csv").read_text().partition("\n")[0] == 'Row ID,"p,rice",q'


def test_a_refusal_leaves_no_hidden_folder_and_takes_none_that_has_files(tmp_path: Path) -> None:
    home, solution = tmp_path / "home", tmp_path / "solution.csv"
    words = ["new", "own", "--solution", str(solution), "--metric", "rmse"]
    solution.write_text("id,y\n" + "".join(f"{n},{n * 7 % 5}\n" for n in range(8)))
    assert call(home, *words, "--bar", "easy=9000").exit_code == 2
    assert not (home / "secret" / "own").exists()
    assert call(home, *words).exit_code == 0
    kept = {path: path.read_bytes() for path in (home / "secret" / "own").rglob("*") if path.is_file()}
    assert call(home, *words, "--bar", "easy=9000", "--new-data", "--yes").exit_code == 2
    assert {path: path.read_bytes() for path in (home / "secret" / "own").rglob("*") if path.is_file()} == kept
    (home / "secret" / "two").mkdir()
    (home / "secret" / "two" / "mine").write_text("kept")
    refused = call(home, "new", "two", *words[2:], "--bar", "easy=9000")
    assert (refused.exit_code, (home / "secret" / "two" / "mine").read_text()) == (2, "kept")
