"""Models that are handed in: what the process that runs them gives, and what it survives."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper

from submissions.models import read_model
from tasks.apart import confinement
from tasks.base import SubmissionError, UserError
from tasks.models import CODES as RUNNING
from tasks.models import SMALL, Model, version
from tasks.tensor_formats import ModelFormat, Tensor
from tests.test_models import (
    COUNTED,
    FIRST,
    FORM,
    LAYER,
    LIMITS,
    WEIGHT,
    Node,
    architecture,
    constant,
    exported,
    graph,
    node,
    parameters,
    run,
)


def test_a_model_gives_what_it_computes_bit_for_bit_in_any_process() -> None:
    x = np.random.default_rng(1).standard_normal((5, 8)).astype(np.float32)
    first = run(graph(), x)
    assert np.allclose(first, x @ numpy_helper.to_array(WEIGHT), atol=1e-5)
    with Model(FORM, read_model(graph(), FORM), LIMITS) as model:
        for _ in range(3):
            assert model(x)[0].tobytes() == first.tobytes()
    assert version().startswith("onnxruntime 1.")


def test_models_of_every_kind_that_is_counted_run() -> None:
    x = np.ones((3, 8), np.float32)
    for name in ("half precision", "quantised weights", "lists in Constant nodes", "statistics of a batch norm"):
        assert run(COUNTED[name][0], x).shape == (3, 4)


EXPLORE = """
import os, socket, subprocess
import tasks.models as models


def explore(runtime, form, *graphs):
    done = []

    def attempt(name, call):
        try:
            call()
        except BaseException:
            return
        done.append(name)

    for path in (SECRET, "/etc/passwd", "/proc/self/environ"):
        attempt("open", lambda: open(path, "rb"))
    attempt("list", lambda: os.listdir(os.path.dirname(SECRET)))
    attempt("write", lambda: open(SECRET + ".new", "wb"))
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        attempt("socket", lambda: socket.socket(family, socket.SOCK_STREAM))
    attempt("fork", lambda: os.fork() or os._exit(0))
    attempt("run", lambda: subprocess.run(["/bin/true"], check=False))
    attempt("signal", lambda: os.kill(os.getppid(), 0))
    raise models._Refused("E_MODEL_RUN", "done: " + " ".join(done) + ".")


models._try = explore
"""


@pytest.mark.skipif(confinement() != (), reason=f"this system cannot: {', '.join(confinement())}")
@pytest.mark.parametrize("confined", [True, False])
def test_a_network_that_takes_its_process_over_can_open_nothing(
    confined: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secret := tmp_path / "answers").write_text("1")
    (hook := tmp_path / "hook").mkdir()
    open_to_all = "" if confined else "models.confine = lambda **_: None\n"
    (hook / "sitecustomize.py").write_text(f"SECRET = {str(secret)!r}\n{EXPLORE}{open_to_all}")
    monkeypatch.syspath_prepend(str(hook))
    with pytest.raises(SubmissionError) as caught, Model(FORM, read_model(graph(), FORM), LIMITS):
        pass
    done = str(caught.value).partition("done: ")[2].partition(".")[0].split()
    everything = ["open"] * 3 + ["list", "write"] + ["socket"] * 3 + ["fork", "run", "signal"]
    assert done == ([] if confined else everything)
    assert "done: " in str(caught.value)


def unpacked(pieces: int) -> bytes:
    """Constants of 64 numbers that hold three bytes each, taken apart piece by piece behind an input."""
    nodes = [FIRST, node("ReduceMax", ["x"], ["m"], axes=[0, 1], keepdims=0), node("Mul", ["m", "zero"], ["q"])]
    for i in range(pieces):
        nodes += [
            node("Add", [f"p{i}", "q"], [f"a{i}"]),  # a number below 2^24
            node("Cast", [f"a{i}"], [f"b{i}"], to=6), node("Div", [f"b{i}", "c"], [f"high{i}"]),
            node("Mul", [f"high{i}", "c"], [f"d{i}"]), node("Sub", [f"b{i}", f"d{i}"], [f"low{i}"]),
            node("Cast", [f"low{i}"], [f"v{i}"], to=1), node("Reshape", [f"v{i}", "s"], [f"w{i}"]),
            node("MatMul", ["x", f"w{i}"], [f"h{i}"]), node("ReduceMax", [f"h{i}"], [f"t{i}"], axes=[1]),
        ]  # fmt: skip
    nodes += [node("Sum", ["h", *(f"t{i}" for i in range(pieces))], ["y"])]
    rng = np.random.default_rng(0)
    constants = [constant(f"p{i}", rng.integers(2**24, size=64)) for i in range(pieces)]
    rest = [constant("zero", 0.0), constant("c", 256, "int32"), constant("s", [8, 8], "int64")]
    return graph(nodes, [WEIGHT, *constants, *rest])


BIG = constant("k", [1_000_000, 1000, 1, 1], "int64")
ROOT = node("ReduceMax", ["x"], ["m"], axes=[1])
HIDDEN: list[Node] = [
    ROOT, node("Mul", ["m", "z"], ["o"]), node("ReduceMax", ["o"], ["q"], axes=[0]),
    node("Add", ["p", "q"], ["v"]), node("MatMul", ["x", "v"], ["y"]),
]  # fmt: skip
RUN: dict[str, tuple[bytes, str]] = {
    "100 GB": (
        graph(
            [
                node("Expand", ["x", "k"], ["h"]),
                node("ReduceMax", ["h"], ["m"], axes=[0, 1], keepdims=0),
                node("Gemm", ["m", "w"], ["y"]),
            ],
            [WEIGHT, BIG],
        ),
        "E_MODEL_MEMORY",
    ),
    "100 GB step by step": (
        graph(
            [node("Concat", ["x"] * 60, ["h0"], axis=1)]
            + [node("Concat", [f"h{i}"] * 60, [f"h{i + 1}"], axis=1) for i in range(5)]
            + [node("ReduceMax", ["h5"], ["m"], axes=[1]), node("Mul", ["m", "c"], ["y"])],
            [constant("c", np.ones(4))],
        ),
        "E_MODEL_MEMORY",
    ),
    "for ever": (
        graph(
            [ROOT, node("ReduceMax", ["m"], ["h"], axes=[0]), node("Expand", ["h", "k"], ["h0"])]
            + [node("MatMul", [f"h{i}", "h0"], [f"h{i + 1}"]) for i in range(60)]
            + [LAYER],
            [WEIGHT, constant("k", [1500, 1500], "int64")],
        ),
        "E_MODEL_TIME",
    ),
    "shapes that do not fit": (
        graph([node("Add", ["x", "b"], ["h"]), node("Gemm", ["h", "w"], ["y"])], [WEIGHT, constant("b", np.ones(9))]),
        "E_MODEL_RUN",
    ),
    "an attribute of nobody": (graph([node("Gemm", ["x", "w"], ["y"], junk=1)]), "E_MODEL_RUN"),
    "another shape": (graph([node("Identity", ["x"], ["y"])]), "E_MODEL_RESULT"),
    "another type": (graph([FIRST, node("Cast", ["h"], ["y"], to=10)]), "E_MODEL_RUN"),
    "one row for all": (graph([FIRST, node("ReduceMax", ["h"], ["y"], axes=[0])]), "E_MODEL_RESULT"),
    "division by nothing": (
        graph([FIRST, node("Div", ["h", "z"], ["y"])], [WEIGHT, constant("z", 0.0)]),
        "E_MODEL_RESULT",
    ),
    "weights unpacked behind an input": (graph(HIDDEN, [constant("p", np.ones((8, 4))), constant("z", 0.0)]), ""),
    "more weights unpacked behind an input": (
        graph(
            [*HIDDEN[:-1], node("MatMul", ["x", "v"], ["h"]), node("Slice", ["h", "a", "e", "a1"], ["y"])],
            [
                constant("p", np.ones((8, 9))),
                constant("z", 0.0),
                constant("a", [0], "int64"),
                constant("e", [4], "int64"),
                constant("a1", [1], "int64"),
            ],
        ),
        "E_MODEL_HIDDEN",
    ),
    "weights of three bytes unpacked in small pieces": (unpacked(6), "E_MODEL_HIDDEN"),
    "few of them": (unpacked(1), ""),
    "a constant that hides behind noise unless it sees a picture": (
        graph(
            [
                node("ReduceMin", ["x"], ["a"], axes=[0, 1], keepdims=1),
                node("Min", ["a", "z"], ["q"]),
                node("Add", ["p", "q"], ["v"]),
                node("MatMul", ["x", "v"], ["h"]),
                node("Gemm", ["h", "u"], ["y"]),
            ],
            [constant("p", np.ones((8, 9))), constant("z", 0.0), constant("u", np.ones((9, 4)))],
        ),
        "E_MODEL_HIDDEN",
    ),
    "rows that know each other if they are pictures": (
        graph(
            [
                FIRST,
                node("ReduceMin", ["x"], ["a"], axes=[0, 1], keepdims=1),
                node("Less", ["a", "z"], ["noise"]),
                node("ReduceMean", ["h"], ["m"], axes=[0]),
                node("Sub", ["h", "m"], ["d"]),
                node("Where", ["noise", "h", "d"], ["y"]),
            ],
            [WEIGHT, constant("z", 0.0)],
        ),
        "E_MODEL_ROWS",
    ),
    "rows that know each other": (
        graph([FIRST, node("ReduceMean", ["h"], ["m"], axes=[0]), node("Sub", ["h", "m"], ["y"])]),
        "E_MODEL_ROWS",
    ),
    "a fixed batch inside": (
        graph([FIRST, node("Reshape", ["h", "s"], ["y"])], [WEIGHT, constant("s", [4, 4], "int64")]),
        "E_MODEL_RUN",
    ),
}


@pytest.mark.parametrize("name", RUN)
def test_what_does_not_run_as_asked_is_refused_with_its_code(name: str) -> None:
    data, code = RUN[name]
    x = np.ones((3, 8), np.float32)
    if not code:
        assert run(data, x).shape == (3, 4)
        return
    with pytest.raises(SubmissionError) as caught:
        run(data, x, limits=replace(LIMITS, seconds=0.5) if code == "E_MODEL_TIME" else LIMITS)
    assert [problem.code for problem in caught.value.problems] == [code]


def test_every_code_of_running_is_met() -> None:
    assert RUNNING.keys() == {code for _, code in RUN.values() if code}


def test_capacity_behind_noise_from_the_input_stays_open() -> None:
    """What docs/security.md says is not found: constants that are never quite the same, unpacked in steps that keep
    them so. Three weights of a byte come out of one number."""
    nodes = [
        node("ReduceSum", ["x", "last"], ["m"]),
        node("Reshape", ["m", "flat"], ["r"]), node("Mul", ["r", "tiny"], ["q"]), node("Add", ["one", "q"], ["f"]),
        node("Mul", ["p", "f"], ["p0"]), node("Reshape", ["x", "row"], ["x3"]),
    ]  # fmt: skip
    for i in range(16):  # 1 - 2|p|: each step brings up one more binary digit
        nodes += [
            node("Abs", [f"p{i}"], [f"a{i}"]), node("Mul", [f"a{i}", "two"], [f"b{i}"]),
            node("Sub", ["one", f"b{i}"], [f"p{i + 1}"]),
        ]  # fmt: skip
    nodes += [node("MatMul", ["x3", f"p{i}"], [f"h{i}"]) for i in (0, 8, 16)]
    nodes += [node("Sum", ["h0", "h8", "h16"], ["h3"]), node("Flatten", ["h3"], ["h"]), node("Gemm", ["h", "u"], ["y"])]
    constants = [
        constant("p", np.random.default_rng(0).uniform(-1, 1, (8, 20))), constant("tiny", 3e-7), constant("one", 1.0),
        constant("two", 2.0), constant("u", np.ones((20, 4))), constant("last", [1], "int64"),
        constant("flat", [-1, 1, 1], "int64"), constant("row", [-1, 1, 8], "int64"),
    ]  # fmt: skip
    assert parameters(graph(nodes, constants)) == 8 * 20 + 3 + 80
    assert run(graph(nodes, constants), np.ones((3, 8), np.float32)).shape == (3, 4)


def test_a_number_that_is_not_finite_for_a_hidden_input_alone_is_refused_without_a_word_of_it() -> None:
    nodes = [
        FIRST,
        node("ReduceMax", ["x"], ["m"], axes=[1]),
        node("Sub", ["far", "m"], ["d"]),
        node("Sqrt", ["d"], ["s"]),
        node("Mul", ["h", "s"], ["y"]),
    ]
    data = graph(nodes, [WEIGHT, constant("far", 1000.0)])
    x = np.ones((3, 8), np.float32)
    assert np.isfinite(run(data, x)).all()
    x[1] = 31337
    with pytest.raises(SubmissionError) as caught:
        run(data, x)
    (problem,) = caught.value.problems
    assert (problem.code, problem.message) == (
        "E_MODEL_RESULT",
        "an output does not have the shape and type that are asked for, or is not finite.",
    )


def test_a_network_gives_a_row_the_same_bits_in_any_run_and_place_of_a_batch_of_one_size() -> None:
    for seed in (1, 3, 5):
        net, form = architecture(seed)
        net.apply(lambda part: part.reset_parameters() if hasattr(part, "reset_parameters") else None)
        read_once = read_model(exported(net, form), form)
        x = np.random.default_rng(1).random((7, 3, 8, 8)).astype(np.float32)
        runs = []
        for _ in range(2):
            with Model(form, read_once, LIMITS) as model:
                runs += [model(x)[0], model(x)[0], model(x[::-1])[0][::-1]]
        assert len({one.tobytes() for one in runs}) == 1, seed


def test_what_onnxruntime_says_about_hidden_inputs_is_not_shown() -> None:
    nodes = [
        FIRST, node("ReduceMax", ["x"], ["m"], axes=[1], keepdims=0),
        node("Cast", ["m"], ["i"], to=7), node("Gather", ["t", "i"], ["g"]), node("Mul", ["h", "g"], ["y"]),
    ]  # fmt: skip
    data = graph(nodes, [WEIGHT, constant("t", np.ones((9, 4)))])
    with pytest.raises(SubmissionError) as caught:
        run(data, np.full((3, 8), 31337, np.float32))
    assert caught.value.code == "E_MODEL_RUN"
    assert "31337" not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="the process is confined on systems that can")
def test_the_process_that_runs_models_ends_with_the_block_and_a_lost_one_is_no_refusal() -> None:
    with Model(FORM, read_model(graph(), FORM), LIMITS) as model:
        assert model.process is not None
        pid = model.process.pid
        model.process.kill()
        with pytest.raises(UserError, match="try again later") as caught:
            model(np.ones((1, 8), np.float32))
        assert not isinstance(caught.value, SubmissionError)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_small_graph_is_a_model() -> None:
    form = ModelFormat((Tensor("x", (1,)),), (Tensor("y", (1,)),), 0)
    assert run(SMALL, np.ones((2, 1), np.float32), form=form).tolist() == [[2.0], [2.0]]
