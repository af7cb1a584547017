"""Runs: epochs that resume with the same bytes whenever they stopped, and artefacts that are made once."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines import checkpoint
from baselines.run import Run

EPOCHS = 8


def fit(run: Run, epochs: int = EPOCHS) -> bytes:
    """Trains a small network whose loop uses all kinds of state, and returns all that it ends with."""
    torch.manual_seed(run.seed)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.Dropout(),
        torch.nn.Flatten(),
        torch.nn.Linear(16, 1),
    ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01, fused=True)
    rng = torch.Generator().manual_seed(run.seed)
    state: dict[str, Any] = {"best": torch.tensor(torch.inf), "steps": 0, "mean": [torch.zeros(4, 3, 3, 3)]}
    for _ in run.epochs(epochs, {"network": network, "optimiser": optimiser, "rng": rng, "state": state}):
        loss = network(torch.rand(5, 3, 4, 4, generator=rng)).square().mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        state["steps"] += 1
        state["best"] = torch.minimum(state["best"], loss.detach())
        state["mean"][0].lerp_(network[0].weight.detach(), 0.5)
        run.log({"loss": float(loss.detach())})
        run.log({"best": float(state["best"]), "steps": state["steps"]})
    run.finish(b"done")
    checkpoint.write(run.folder / "end", {"parts": checkpoint.captured([network, optimiser, state])})
    return (run.folder / "end").read_bytes() + (run.folder / "metrics.jsonl").read_bytes()


def new_run(folder: Path, **options: Any) -> Run:
    folder.mkdir(exist_ok=True)
    return Run(folder, 1, "cpu", **options)


def stop_after(count: int) -> Callable[[int, int, object], None]:
    def progress(done: int, total: int, metrics: object) -> None:
        if done == count:
            raise InterruptedError

    return progress


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums over several threads have other last digits than over one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baselines.run.draw_curves", lambda folder: None)


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    return fit(new_run(tmp_path / "whole"))


def seen(path: Path) -> list[int]:
    return [json.loads(line)["epoch"] for line in path.read_text(encoding="utf-8").splitlines()]


def in_child(work: Callable[[], object]) -> int:
    """The id of a forked process that does the work."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


def test_a_run_stopped_after_any_epoch_ends_with_the_same_bytes(tmp_path: Path, whole: bytes) -> None:
    for count in range(1, EPOCHS):
        run = new_run(tmp_path / str(count))
        with pytest.raises(InterruptedError):
            fit(replace(run, progress=stop_after(count)))
        epochs: list[int] = []
        assert fit(replace(run, progress=lambda done, total, metrics: epochs.append(done))) == whole  # noqa: B023
        assert epochs == list(range(count + 1, EPOCHS + 1))
    assert seen(tmp_path / "whole" / "metrics.jsonl") == list(range(1, EPOCHS + 1))


@pytest.mark.parametrize("save_seconds", [0.0, 0.01, 20.0])
def test_a_run_killed_at_any_time_again_and_again_ends_with_the_same_bytes(
    tmp_path: Path, whole: bytes, save_seconds: float
) -> None:
    rng, kills = np.random.default_rng(), 0
    run = new_run(tmp_path / "run", save_seconds=save_seconds)
    log, written = run.folder / "metrics.jsonl", 0
    while kills < 12 and not run.submission.exists():
        child = in_child(lambda: fit(run))
        until = time.monotonic() + 60
        while (not log.exists() or log.stat().st_size == written) and time.monotonic() < until:
            time.sleep(0.0005)
        time.sleep(rng.exponential(0.003))
        os.kill(child, signal.SIGKILL)
        kills += os.waitpid(child, 0)[1] == signal.SIGKILL
        written = log.stat().st_size
    assert kills
    assert fit(run) == whole


def test_a_checkpoint_is_written_every_so_many_seconds_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("baselines.run.time.monotonic", lambda: now[0])
    saved: list[tuple[int, int | None]] = []
    run = new_run(tmp_path / "run", save_seconds=20.0)

    def progress(done: int, total: int, metrics: object) -> None:
        state = checkpoint.read(run.folder / "checkpoint.safetensors")
        saved.append((done - 1, None if state is None else state["epoch"]))
        now[0] += 8

    fit(replace(run, progress=progress))
    assert saved == [(0, None), (1, None), (2, None), (3, 3), (4, 3), (5, 3), (6, 6), (7, 6)]
    state = checkpoint.read(run.folder / "checkpoint.safetensors")
    assert state is not None
    assert state["epoch"] == EPOCHS


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(60)


@pytest.mark.parametrize("damage", ["checkpoint", "log", "none of ours"])
def test_what_a_power_cut_leaves_costs_time_and_changes_nothing(tmp_path: Path, whole: bytes, damage: str) -> None:
    run = new_run(tmp_path / "run")
    with pytest.raises(InterruptedError):
        fit(replace(run, progress=stop_after(5)))
    if damage == "log":
        cut(run.folder / "metrics.jsonl")
    elif damage == "checkpoint":
        cut(run.folder / "checkpoint.safetensors")
    else:
        checkpoint.write(run.folder / "checkpoint.safetensors", {"epoch": 3, "weights": torch.zeros(3)})
    assert fit(run) == whole


def test_a_loop_may_end_early_and_another_seed_gives_other_numbers(tmp_path: Path, whole: bytes) -> None:
    run = new_run(tmp_path / "run")
    for epoch in run.epochs(EPOCHS, {}):
        if epoch == 3:
            break
        run.log({"x": torch.rand(()).item()})
    assert seen(run.folder / "metrics.jsonl") == [1, 2, 3]
    assert fit(replace(new_run(tmp_path / "other"), seed=2)) != whole


def test_what_a_checkpoint_gives_back_is_aligned_since_products_of_unaligned_tensors_differ_in_the_last_bit(
    tmp_path: Path,
) -> None:
    tensors = [torch.rand(3, 5 + place) for place in range(8)]
    checkpoint.write(tmp_path / "state", {"best": tensors})
    state = checkpoint.read(tmp_path / "state")
    assert state is not None
    assert all(torch.equal(one, other) for one, other in zip(state["best"], tensors, strict=True))
    assert {tensor.data_ptr() % 64 for tensor in state["best"]} == {0}


def test_what_a_checkpoint_gives_back_lies_in_memory_as_it_did_since_fused_optimisers_go_by_address(
    tmp_path: Path,
) -> None:
    plain = torch.rand(4, 3, 5, 5)
    checkpoint.write(tmp_path / "state", {"best": [plain, plain.to(memory_format=torch.channels_last)]})
    state = checkpoint.read(tmp_path / "state")
    assert state is not None
    assert all(torch.equal(tensor, plain) for tensor in state["best"])
    assert [tensor.stride() for tensor in state["best"]] == [(75, 25, 5, 1), (75, 1, 15, 3)]


# Artefacts that several runs use


def write_twice(calls: Path) -> Callable[[Run], None]:
    """Makes two files in three epochs, and adds a line to `calls` whenever it begins."""

    def make(work: Run) -> None:
        with calls.open("a") as file:
            file.write("begun\n")
        total = torch.zeros(())
        for epoch in work.epochs(3, {"total": total}):
            total += epoch
            time.sleep(0.02)
        (work.folder / "one").write_text(str(float(total)))
        (work.folder / "two").write_text("2")

    return make


def test_an_artefact_is_made_once_for_all_runs_of_the_same_settings_data_seed_and_device(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    first = new_run(tmp_path / "a", shared_folder=tmp_path / "shared", identity="data")
    folder = first.shared("teacher", {"width": 3}, write_twice(calls))
    assert (folder / "one").read_text() == "3.0"
    second = replace(first, folder=tmp_path / "b")
    assert second.shared("teacher", {"width": 3}, write_twice(calls)) == folder
    assert calls.read_text() == "begun\n"
    others = [
        second.shared("features", {"width": 3}, write_twice(calls)),
        second.shared("teacher", {"width": 4}, write_twice(calls)),
        *(
            replace(second, **change).shared("teacher", {"width": 3}, write_twice(calls))
            for change in ({"seed": 2}, {"identity": "other data"}, {"device": "cuda"})
        ),
    ]
    assert len({folder, *others}) == 6
    assert not list((tmp_path / "shared").glob("*.new"))
    alone = replace(first, shared_folder=None)
    assert alone.shared("teacher", {"width": 3}, write_twice(calls)).parent == tmp_path / "a" / "shared"


def test_of_two_runs_that_need_an_artefact_at_once_one_makes_it(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    run = new_run(tmp_path / "run", shared_folder=tmp_path / "shared")
    children = [in_child(lambda: run.shared("teacher", {}, write_twice(calls))) for _ in range(4)]
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    assert calls.read_text() == "begun\n"
    (folder,) = (tmp_path / "shared").glob("teacher-????????????????")
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.safetensors", "metrics.jsonl", "one", "two"]


def test_an_artefact_whose_maker_was_killed_is_finished_by_the_next_and_never_seen_half_made(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    run = new_run(tmp_path / "run", shared_folder=tmp_path / "shared", save_seconds=0.0)
    torch.set_num_threads(1)
    child = in_child(lambda: run.shared("teacher", {}, write_twice(calls)))
    while not list((tmp_path / "shared").glob("*.new/checkpoint.safetensors")):
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not list((tmp_path / "shared").glob("teacher-????????????????"))
    epochs: list[int] = []
    again = replace(run, progress=lambda done, total, metrics: epochs.append(done))
    folder = again.shared("teacher", {}, write_twice(calls))
    assert (folder / "one").read_text() == "3.0"
    assert 1 not in epochs  # it resumed
    assert calls.read_text() == "begun\n" * 2


def test_an_artefact_that_fails_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")

    def fail(work: Run) -> None:
        (work.folder / "half").write_text("1")
        raise InterruptedError

    with pytest.raises(InterruptedError):
        run.shared("teacher", {}, fail)
    folder = run.shared("teacher", {}, lambda work: (work.folder / "whole").write_text("2"))  # type: ignore[arg-type]
    assert (folder / "whole").read_text() == "2"
