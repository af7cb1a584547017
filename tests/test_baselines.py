"""The baselines: their settings are checked, and those of HW1 see what they may."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines import require_training
from baselines.common import main, override, pick_device, rate, train_level
from baselines.hw01_regression import LEVELS, Config, LagAttention, features, held_out, read, settings, stretches
from harness.home import Home
from tasks.base import UserError
from tasks.homeworks import MODULES
from tasks.hw01_regression import TARGET, TASK, TRAIN_FILE
from tasks.streams import fixed

ROOT = Path(__file__).parents[1]


@pytest.fixture(params=["hw01", "hw01-2022"])
def public(request: pytest.FixtureRequest, homes: Callable[[str], Home]) -> Path:
    return homes(request.param).public("hw01")


@pytest.fixture
def public_2021(homes: Callable[[str], Home]) -> Path:
    return homes("hw01").public("hw01")


def test_a_level_learns_more_than_yesterdays_value(tmp_path: Path) -> None:
    made = TASK.edition("builtin").make(tmp_path, fixed(21), "small", None)
    metric = TASK.edition("builtin").metrics[0]
    path = train_level("hw01", "strong", tmp_path, tmp_path / "run", seed=0, device="cpu")
    guess = np.loadtxt(path, delimiter=",", skiprows=1)[:, 1]
    yesterday = read(tmp_path / "covid.test.csv").days[:, -2, -1].astype(np.float64)
    scores = [float(metric.value(metric.rows(made.answers.columns, {TARGET: values}))) for values in (guess, yesterday)]
    assert scores[0] < 0.9 * scores[1]


def test_a_finished_run_is_returned_and_one_of_other_settings_or_data_is_refused(
    public_2021: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    path = train_level("hw01", "strong", public_2021, run, seed=0, device="cpu", overrides=["epochs=2"])
    before = path.stat().st_mtime_ns
    assert train_level("hw01", "strong", public_2021, run, seed=0, device="cpu", overrides=["epochs=2"]) == path
    assert path.stat().st_mtime_ns == before
    with pytest.raises(UserError, match="differs in: lr, epochs; choose another folder"):
        train_level("hw01", "strong", public_2021, run, seed=0, device="cpu", overrides=["lr=0.1", "epochs=3"])
    with pytest.raises(UserError, match="differs in: level, seed"):
        train_level("hw01", "medium", public_2021, run, seed=9, device="cpu", overrides=["epochs=2"])
    other = tmp_path / "other"
    other.mkdir()
    for name in ("covid.train.csv", "covid.test.csv"):
        text = (public_2021 / name).read_text(encoding="utf-8").splitlines()
        (other / name).write_text("\n".join(text[:-1]) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match="differs in: data"):
        train_level("hw01", "strong", other, run, seed=0, device="cpu", overrides=["epochs=2"])


def test_settings_are_read_by_the_type_of_their_field() -> None:
    config = override(Config(), ["lr=3e-4", "epochs = 7", "hidden=64,32", "inputs=right", "hidden=8"])
    assert (config.lr, config.epochs, config.hidden, config.inputs) == (3e-4, 7, (8,), "right")
    assert override(Config(), ["hidden="]).hidden == ()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("speed=3", "expected key=value with one of the keys inputs, model,"),
        ("lr", "expected key=value"),
        ("epochs=2.5", "expected a whole number; found '2.5'"),
        ("lr=fast", "expected a number; found 'fast'"),
        ("lr=nan", "expected a finite number; found 'nan'"),
        ("inputs=some", "expected one of all+id, all, right, moves; found 'some'"),
        ("hidden=64,x", "expected a whole number; found 'x'"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_would_fit(setting: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        override(Config(), [setting])
    assert message in str(error.value)


def test_unknown_names_levels_devices_and_missing_files_are_refused(public_2021: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no baseline for 'hw99'"):
        train_level("hw99", "simple", public_2021, tmp_path, seed=0)
    with pytest.raises(UserError, match="choose one of: simple, medium, strong, boss"):
        train_level("hw01", "easy", public_2021, tmp_path, seed=0)
    with pytest.raises(UserError, match="expected auto, cuda or cpu"):
        train_level("hw01", "simple", public_2021, tmp_path, seed=0, device="tpu")
    with pytest.raises(UserError, match=r"covid\.train\.csv: expected a file of the prepared competition"):
        train_level("hw01", "simple", tmp_path, tmp_path, seed=0)


def test_auto_is_the_device_that_a_homework_says_where_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {module: importlib.import_module(f"baselines.{module}") for module in MODULES}
    autos = {module[:4]: getattr(modules[module], "AUTO") for module in MODULES}  # noqa: B009
    assert {name for name, auto in autos.items() if auto == "cpu"} == {"hw01", "hw12"}
    assert [pick_device("auto", auto) for auto in ("cuda", "cpu")] == ["cpu", "cpu"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [pick_device("auto", auto) for auto in ("cuda", "cpu")] == ["cuda", "cpu"]
    assert [pick_device(name, auto) for name in ("cuda", "cpu") for auto in ("cuda", "cpu")] == ["cuda"] * 2 + [
        "cpu"
    ] * 2


def test_a_missing_package_is_one_line_that_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(UserError) as error:
        require_training()
    assert str(error.value) == (
        'training needs safetensors, which is not installed; install it with: pip install "lhy-grade[train]"'
    )


def test_every_baseline_starts_on_a_machine_that_has_only_what_training_needs(tmp_path: Path) -> None:
    code = (
        "import runpy, sys\n"
        "for name in ('click', 'rich', 'sqlalchemy', 'pandas', 'polars', 'sklearn', 'scipy', 'cryptography'):\n"
        "    sys.modules[name] = None\n"
        "sys.argv[1:] = ['--level', 'strong', '--public', '.', '--run', sys.argv[1]]\n"
        f"for module in {MODULES}:\n"
        "    try:\n"
        "        runpy.run_module(f'baselines.{module}', run_name='__main__')\n"
        "    except SystemExit as end:\n"
        "        print(module, end)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [f"{module} 2" for module in MODULES]
    for line in done.stderr.splitlines():  # all was loaded, and there are no data in this folder
        assert "expected" in line, done.stderr


def test_the_command_ends_with_the_errors_exit_code_and_text(
    public_2021: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--level", "strong", "--public", str(public_2021), "--run", str(tmp_path)]
    assert main("hw01", [*given, "--set", "epochs=many"]) == 2
    assert capsys.readouterr().err == "--set epochs=many: expected a whole number; found 'many'.\n"


def test_stretches_of_windows_in_a_row_are_held_out_and_each_once(public: Path) -> None:
    table = read(public / TRAIN_FILE)
    order = stretches(table)
    assert sorted(order) == list(range(len(table.ids)))
    follows = [np.array_equal(table.days[a, 1:], table.days[b, :-1]) for a, b in pairwise(order)]
    runs = 3 * table.states.shape[1]  # each state has three periods
    assert sum(follows) == len(order) - runs
    held = held_out(LEVELS["boss"], table)
    assert held.shape == (LEVELS["boss"].folds * LEVELS["boss"].repeats, len(table.ids))
    assert (held[:: LEVELS["boss"].repeats].sum(axis=0) == 1).all()
    for mask in held:  # eight windows in a row, so that few share a day with one that is learnt from
        assert (mask[order][1:] != mask[order][:-1]).sum() <= len(order) / 8
        assert set(table.states.argmax(axis=1)[mask]) == set(range(table.states.shape[1]))


def test_a_state_looks_at_the_days_that_its_scores_say() -> None:
    model = LagAttention(1, 2, 2, 3, 1, (4,), torch.Generator().manual_seed(0))
    x = torch.zeros(1, 2, 2 + 2 * 3 + 1)
    x[0, 0, 0] = x[0, 1, 1] = 1.0  # one row for each state
    with torch.no_grad():
        model.scores[0] = torch.tensor([[9.0, -9.0], [-9.0, 9.0]])
        before = model(x)
        x[0, :, 2:5] = 1.0  # the answers of the first day count for the first state alone
        after = model(x)
    assert before.shape == (1, 2)
    assert before[0, 0] != after[0, 0]
    assert before[0, 1] == pytest.approx(float(after[0, 1]), abs=1e-5)


def test_simple_is_the_courses_sample_network_of_its_year(public: Path) -> None:
    config, table = settings("simple", public), read(public / TRAIN_FILE)
    x = features(table, config.inputs)
    sizes = [x.shape[1], *config.hidden, 1]
    year = "2021" if table.days.shape[1] == 3 else "2022"
    assert sizes == {"2021": [93, 64, 1], "2022": [117, 16, 8, 1]}[year]
    assert sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes)) == {"2021": 6081, "2022": 2033}[year]
    assert (x[:, -1].tolist() == [float(i) for i in table.ids]) == (year == "2022")  # the row's number is in there
    assert (config.optimiser, config.momentum, config.target) == ("sgd", 0.9, "raw")
    assert (config.lr, config.batch, config.patience, config.scaling) == {
        "2021": (1e-3, 270, 200, "own"),
        "2022": (1e-5, 256, 400, "none"),
    }[year]


def test_the_other_levels_never_see_the_number_of_a_row(public: Path) -> None:
    table = read(public / TRAIN_FILE)
    renamed = replace(table, ids=tuple(reversed(table.ids)))
    for level in ("medium", "strong", "boss"):
        inputs = settings(level, public).inputs
        assert np.array_equal(features(table, inputs), features(renamed, inputs))


def test_features_never_use_the_target_of_the_last_day(public: Path) -> None:
    table = read(public / TRAIN_FILE)
    changed = read(public / TRAIN_FILE)
    changed.days[:, -1, -1] = 0
    for inputs in ("all+id", "all", "right", "moves"):
        assert np.array_equal(features(table, inputs), features(changed, inputs))


def test_the_learning_rate_falls_to_nothing_on_a_cosine_after_its_warm_up() -> None:
    assert [round(rate("cosine", epoch, 12, warmup=2), 3) for epoch in (0, 1, 2, 7)] == [0.5, 1.0, 1.0, 0.5]
    assert rate("cosine", 11, 12) < 0.02
    assert rate("constant", 5, 6) == 1.0
