"""Models with a metric file or a metric by name: they are run on inputs that students never get."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from harness.answers import read_secret
from harness.cli.main import cli
from harness.competition import find_competition
from harness.grading.grader import grade_within
from harness.home import open_home
from tasks import own_model
from tasks.apart import Limits
from tasks.base import PUBLIC, Problem, SubmissionError
from tasks.models import Node, graph
from tasks.tensor_formats import ModelFormat, Tensor

pytestmark = pytest.mark.skipif(os.name != "posix", reason="graders are forked")

N = 30
RNG = np.random.default_rng(4)
IDS = [f"p{at}" for at in range(N)]
X = RNG.standard_normal((N, 6)).astype(np.float32)
W = RNG.standard_normal((6, 3)).astype(np.float32)
LABELS = np.array(["ant", "bee", "cat"])[(X @ W).argmax(axis=1)]
VALUES = X[:, 0] * 3
ORDER = RNG.permutation(N)
FORM = ModelFormat((Tensor("x", (6,)),), (Tensor("y", (3,)),), 100)
ONE = ModelFormat((Tensor("x", (6,)),), (Tensor("y", (1,)),), 100)
METRIC = (
    "import numpy as np\n\ndef score(solution, submission, row_id_column_name):\n"
    "    assert list(submission) == ['y'] and submission['y'].shape == (len(solution), 3)\n"
    "    names = np.array(['ant', 'bee', 'cat'])[submission['y'].argmax(axis=1)]\n"
    "    return float((names == solution['y']).mean())\n"
)


def linear(weight: NDArray[Any], form: ModelFormat = FORM, before: Sequence[Node] = (), **more: NDArray[Any]) -> bytes:
    nodes = [*before, ("Gemm", ["seen" if before else "x", "w"], "y", {})]
    return graph(form, "linear", nodes, {"w": weight.astype(np.float32), **more})


def under_zero(weight: NDArray[Any], form: ModelFormat = FORM) -> bytes:
    """The logarithm of the inputs less than the trial ever draws: finite there, and not for all hidden inputs."""
    nodes: list[Node] = [("Add", ["x", "high"], "up", {}), ("Log", ["up"], "seen", {})]
    return linear(weight, form, nodes, high=np.array(50, np.float32))


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words])


def write(
    folder: Path, answers: Sequence[Any], sample: bytes, inputs: dict[str, NDArray[Any]] | None = None
) -> list[str]:
    """The files of a competition, and the options that name them."""
    rows = [f"{IDS[at]},{answers[at]},{('Public', 'Private')[at % 2]}\n" for at in ORDER]
    (folder / "solution.csv").write_text("id,y,Usage\n" + "".join(rows))
    (folder / "metric.py").write_text(METRIC)
    (folder / "sample.onnx").write_bytes(sample)
    shuffled = ORDER[::-1]
    given = {"id": np.array(IDS)[shuffled], "x": X[shuffled]} if inputs is None else inputs
    np.savez(folder / "hidden.npz", **given)  # type: ignore[arg-type]
    names = {"solution": "solution.csv", "sample": "sample.onnx", "inputs": "hidden.npz"}
    return [word for name, file in names.items() for word in (f"--{name}", str(folder / file))]


def make(folder: Path, files: list[str], *words: str) -> Result:
    return call(folder / "home", "new", "own", *files, *words)


BY_FILE = ("--higher-is-better", "--most-parameters", "100")


@pytest.mark.parametrize("metric", ["metric.py", "accuracy"])
def test_a_model_is_run_on_the_hidden_inputs_and_scored_on_both_boards(tmp_path: Path, metric: str) -> None:
    home = tmp_path / "home"
    files = write(tmp_path, LABELS.tolist(), linear(np.zeros((6, 3))))
    by_file = metric.endswith(".py")
    words = ["--metric", str(tmp_path / metric) if by_file else metric, *(BY_FILE if by_file else BY_FILE[1:])]
    made = make(tmp_path, files, *words)
    assert made.exit_code == 0, made.output
    public = home / "public" / "own"
    names = {"sample_submission.onnx", "sheet.md", "format.json", "manifest.json"}
    assert {path.name for path in public.iterdir()} == names
    for data in (path.read_bytes() for path in public.iterdir()):
        assert all(part not in data for part in (X.tobytes(), X[3].tobytes(), X[:, 0].tobytes()))
    sheet = (public / "sheet.md").read_text()
    assert "at most 100 parameters" in sheet
    assert "- input `x`: float32 (n, 6)" in sheet
    assert ('in this order: `"ant"`, `"bee"`, `"cat"`' in sheet) != by_file
    weight = W + RNG.normal(0, 0.7, W.shape)
    mine = tmp_path / "mine.onnx"
    mine.write_bytes(linear(weight))
    checked = call(home, "check", "own", str(mine))
    assert (checked.exit_code, "18 of at most 100 parameters" in checked.output) == (0, True), checked.output
    sent = call(home, "submit", "own", str(mine), "--as", "ada", "--format", "json")
    assert sent.exit_code == 0, sent.output
    hits = np.array(["ant", "bee", "cat"])[(X @ weight.astype(np.float32)).argmax(axis=1)] == LABELS
    assert 0.2 < hits.mean() < 1
    found = open_home(home)
    secret = read_secret(found, find_competition(found, "own"))
    with grade_within(Limits()) as graded:
        score = graded(secret, mine.read_bytes()).scores[0]
    sides = np.arange(N) % 2 == 0
    assert score.public == pytest.approx(hits[sides].mean(), rel=1e-12)
    assert score.private == pytest.approx(hits[~sides].mean(), rel=1e-12)
    assert np.sum(secret.answers.usage == PUBLIC) == sides.sum()
    assert json.loads(sent.stdout)["scores"][0]["public"] == pytest.approx(score.public, abs=1e-5)
    assert call(home, "audit", "verify").exit_code == 0
    assert "same data, version 1" in make(tmp_path, files, *words).stdout
    done = call(home, "export", "own", str(tmp_path / "out"))
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "inputs.npz").read_bytes() == (tmp_path / "hidden.npz").read_bytes()
    again = call(tmp_path / "other", "new", "own", "--from", str(tmp_path / "out"))
    assert again.exit_code == 0, again.output
    other = open_home(tmp_path / "other")
    theirs = read_secret(other, find_competition(other, "own"))
    assert (theirs.data_version, theirs.metric_version) == (secret.data_version, secret.metric_version)


def test_numbers_are_scored_and_cut_and_a_row_that_fails_has_zeros(tmp_path: Path) -> None:
    home, x = tmp_path / "home", X.copy()
    x[:5, 0] = -60
    values = np.where(np.arange(N) < 5, 1.0, VALUES)
    hidden = {"id": np.array(IDS), "x": x}
    files = write(tmp_path, values.tolist(), linear(np.zeros((6, 1)), ONE), hidden)
    made = make(tmp_path, files, "--metric", "mae")
    assert made.exit_code == 0, made.output
    assert (
        "The numbers of a row are `y`, each cut to the range from -1000 to 1000."
        in (home / "public" / "own" / "sheet.md").read_text()
    )
    weight = np.eye(6, 1)
    found = open_home(home)
    secret = read_secret(found, find_competition(found, "own"))
    sides = np.arange(N) % 2 == 0
    cases = {
        "cut": (linear(weight * 100, ONE), np.clip(100 * x[:, 0], -1000, 1000)),
        "failed": (under_zero(weight, ONE), np.where(x[:, 0] < -50, 0, np.log(np.maximum(x[:, 0] + 50, 1)))),
    }
    with grade_within(Limits()) as graded:
        for data, given in cases.values():
            score = graded(secret, data).scores[0]
            wrong = np.abs(given - values)
            assert score.public == pytest.approx(wrong[sides].mean(), rel=1e-5)
            assert score.private == pytest.approx(wrong[~sides].mean(), rel=1e-5)


NOTHING = np.zeros((6, 3))
TWO = ModelFormat(FORM.inputs, (Tensor("y", (2,)),), 100)
OTHER = ModelFormat((Tensor("z", (6,)),), FORM.outputs, 100)
WRONG: dict[str, tuple[bytes, str]] = {
    "too many parameters": (
        linear(NOTHING, FORM, [("MatMul", ["x", "more"], "seen", {})], more=np.ones((6, 6), np.float32)),
        "E_PARAMETERS",
    ),
    "another output": (linear(np.zeros((6, 2)), TWO), "E_MODEL_OUTPUTS"),
    "another output than it says": (linear(np.zeros((6, 2))), "E_MODEL_R"),
    "another name": (linear(NOTHING).replace(b"y", b"z"), "E_MODEL_OUTPUTS"),
    "another input": (linear(NOTHING, OTHER, [("Identity", ["z"], "seen", {})]), "E_MODEL_INPUTS"),
    "NaN": (linear(NOTHING, FORM, [("Log", ["x"], "seen", {})]), "E_MODEL_RESULT"),
    "no model": (b"id,y\n", "E_MODEL_FILE"),
}


def test_a_model_that_does_not_fit_is_refused_by_check_and_by_submit(tmp_path: Path) -> None:
    home = tmp_path / "home"
    files = write(tmp_path, LABELS.tolist(), linear(np.zeros((6, 3))))
    made = make(tmp_path, files, "--metric", "accuracy", "--most-parameters", "40")
    assert made.exit_code == 0, made.output
    for name, (data, code) in WRONG.items():
        (tmp_path / "wrong.onnx").write_bytes(data)
        for words in (["check", "own"], ["submit", "--as", "ada", "own"]):
            refused = call(home, *words, str(tmp_path / "wrong.onnx"))
            assert (refused.exit_code, code in refused.output) == (3, True), (name, refused.output)


def fixed(data: bytes) -> bytes:
    import onnx

    model = onnx.load_from_string(data)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    whole: bytes = model.SerializeToString()
    return whole


GOOD = {"id": np.array(IDS), "x": X}
REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "no inputs": ({"inputs": None}, (), "add --inputs FILE.npz"),
    "a sample that is no model": ({"sample": b"id,y\n"}, (), "not an ONNX model"),
    "a fixed batch size": ({"sample": fixed(linear(np.zeros((6, 3))))}, (), "with a free batch size"),
    "a sample of too many parameters": ({}, ("--most-parameters", "10"), "at most 10 are accepted"),
    "a sample that gives NaN": (
        {"sample": linear(np.zeros((6, 3)), FORM, [("Log", ["x"], "seen", {})])},
        (),
        "cannot be run",
    ),
    "an id too few": ({"inputs": {"id": np.array(IDS[1:]), "x": X[1:]}}, (), "such as 'p0', which is not there"),
    "an id twice": ({"inputs": {"id": np.array([*IDS, "p0"]), "x": X[[*range(N), 0]]}}, (), "each id of the solution"),
    "no ids": ({"inputs": {"x": X}}, (), "expected the arrays id, x; got x"),
    "another shape": ({"inputs": {**GOOD, "x": X[:, :5]}}, (), "the model takes float32 (30, 6)"),
    "another type": ({"inputs": {**GOOD, "x": X.astype(float)}}, (), "'x' is float64 (30, 6)"),
    "NaN in the inputs": ({"inputs": {**GOOD, "x": np.where(X > 1, np.nan, X)}}, (), "NaN or infinite"),
    "as many outputs as no label": (
        {"sample": linear(np.zeros((6, 1)), ONE)},
        (),
        "has 1 numbers a row, but the solution has 3 labels",
    ),
    "texts": ({}, ("--metric", "bleu"), "compares texts, which a model does not give"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_competition_of_models_that_does_not_fit_is_refused(tmp_path: Path, name: str) -> None:
    change, words, said = REFUSED[name]
    files = write(
        tmp_path, LABELS.tolist(), change.get("sample", linear(np.zeros((6, 3)))), change.get("inputs", GOOD) or {}
    )
    if change.get("inputs", GOOD) is None:
        files = files[:4]
    refused = make(tmp_path, files, "--metric", "accuracy", *words)
    assert (refused.exit_code, said in " ".join(refused.stderr.split())) == (2, True), refused.output
    assert not (tmp_path / "home" / "public" / "own").exists()


def test_inputs_that_are_no_archive_or_stand_beside_a_table_are_refused(tmp_path: Path) -> None:
    files = write(tmp_path, LABELS.tolist(), linear(np.zeros((6, 3))))
    (tmp_path / "hidden.npz").write_bytes(b"x")
    refused = make(tmp_path, files, "--metric", "accuracy")
    assert "is not an .npz file of plain arrays" in " ".join(refused.stderr.split())
    refused = make(tmp_path, files[:2], "--metric", "accuracy", "--inputs", str(tmp_path / "hidden.npz"))
    assert "are for models" in " ".join(refused.stderr.split())


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_hidden_inputs_among_the_files_of_students_are_a_leak(tmp_path: Path, ending: str) -> None:
    files = write(tmp_path, LABELS.tolist(), linear(np.zeros((6, 3))))
    (public := tmp_path / "public").mkdir()
    rows = np.concatenate([RNG.standard_normal((50, 6)), X[7:8].astype(float)])
    np.save(public / "train.npy", rows) if ending == "npy" else np.savez(public / "train.npz", x=rows)
    refused = make(tmp_path, files, "--metric", "accuracy", "--public", str(public))
    assert refused.exit_code == 8, refused.output
    assert f"train.{ending} has 1 of the 30 hidden inputs 'x'" in refused.stderr


def test_a_bar_that_the_sample_clears_is_refused(tmp_path: Path) -> None:
    files = write(tmp_path, LABELS.tolist(), linear(W))
    refused = make(tmp_path, files, "--metric", "accuracy", "--bar", "simple=0.5")
    assert (refused.exit_code, "clears 0.5" in " ".join(refused.stderr.split())) == (2, True), refused.output


def test_a_model_whose_process_ends_has_zeros_from_that_row_on_and_no_code_tells_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Ends:
        def __init__(self, *given: Any, **options: Any) -> None:
            self.rows = 0

        def __enter__(self) -> Ends:
            return self

        def __exit__(self, *error: object) -> None:
            return None

        def __call__(self, x: NDArray[Any]) -> list[NDArray[Any]]:
            self.rows += 1
            if self.rows == 4:
                raise SubmissionError([Problem("E_MODEL_MEMORY", "it takes too much memory")])
            return [x[:, :3]]

    monkeypatch.setattr(own_model, "Model", Ends)
    found = own_model.outputs_of(FORM, {}, {"x": X})["y"]
    assert np.array_equal(found[:3], X[:3, :3])
    assert not found[3:].any()
