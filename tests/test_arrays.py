"""Files of arrays: what the safetensors library writes is read as it reads it, from the format to the board."""

from __future__ import annotations

import json
import math
import random
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.answers import read_secret
from harness.cli.main import cli
from harness.competition import find_competition
from harness.grading import scoring
from harness.grading.decode import Decoder, _packed, received
from harness.grading.grader import Grader
from harness.home import Home, open_home
from harness.plans import Plan
from harness.prepare import prepare
from submissions.arrays import CODES
from submissions.reader import read
from tasks.apart import Died, Limits
from tasks.base import PRIVATE, PUBLIC, Answers, Columns, Made, Rules, SubmissionError
from tasks.own import named_metric
from tasks.samples import sample_submission
from tasks.tensor_formats import DTYPES, Array, ArraysFormat
from tests.array_files import DATA, FORM, GOOD, HOSTILE, codes, entries, file, of_one, refusal
from tests.conftest import books_balance

# What is read


@st.composite
def formats(draw: st.DrawFn) -> ArraysFormat:
    names = draw(st.lists(st.text(min_size=1, max_size=12).filter(storable), min_size=1, max_size=4, unique=True))
    shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
    return ArraysFormat(tuple(Array(name, draw(shapes), draw(st.sampled_from(sorted(DTYPES)))) for name in names))


def storable(name: str) -> bool:
    return name != "__metadata__" and name.encode("utf-8", "replace").decode() == name


def numbers(form: ArraysFormat, seed: int) -> Columns:
    """Any finite numbers of the format's types."""
    rng = np.random.default_rng(seed)
    columns = {}
    for array in form.arrays:
        values = np.frombuffer(rng.bytes(array.nbytes), array.dtype).reshape(array.shape).copy()
        with np.errstate(invalid="ignore"):  # of NaN
            values[~np.isfinite(values) | (np.abs(values.astype(np.float64)) > 1e100)] = 1
        columns[array.name] = values
    return columns


@settings(max_examples=60, deadline=None)
@given(formats(), st.integers(0, 2**32), st.none() | st.dictionaries(st.sampled_from("abc"), st.just("文")))
def test_what_the_library_writes_is_read_as_it_reads_it(form: ArraysFormat, seed: int, about: Any) -> None:
    wanted = numbers(form, seed)
    data = safetensors.numpy.save(wanted, about)
    columns, library = read(data, form), safetensors.numpy.load(data)
    assert list(columns) == list(form.ids)
    for name, values in columns.items():
        assert values.dtype == wanted[name].dtype
        assert values.tobytes() == wanted[name].tobytes() == library[name].tobytes()
        assert values.shape == wanted[name].shape


@pytest.mark.parametrize("spaces", range(9))
def test_arrays_at_any_place_are_read_and_those_in_place_are_not_copied(spaces: int) -> None:
    data = file(json.dumps(dict(reversed(entries().items()))) + " " * spaces)
    columns = read(data, FORM)
    assert all(np.array_equal(columns[name], values) for name, values in GOOD.items())
    assert all(values.flags.aligned for values in columns.values())
    assert np.shares_memory(columns["cause"], np.frombuffer(data, np.uint8))


@pytest.mark.parametrize("seed", range(4))
def test_a_file_with_flipped_bytes_is_refused_or_read_as_the_library_reads_it(seed: int) -> None:
    rng, seen = random.Random(seed), set()
    length = int.from_bytes(DATA[:8], "little")
    for _ in range(800):
        data = bytearray(DATA)
        for _ in range(rng.choice([1, 1, 2, 4])):
            at = rng.randrange(8 + length if rng.random() < 0.9 else len(data))
            data[at] = rng.choice([*b' 0129{}[],:"-.eEn\\', rng.randrange(256)])
        if rng.random() < 0.1:
            del data[rng.randrange(len(data)) :]
        try:
            columns = read(bytes(data), FORM)
        except SubmissionError as error:
            seen |= set(codes(error))
        else:
            seen.add("read")
            library = safetensors.numpy.load(bytes(data))
            assert {name: values.tolist() for name, values in library.items()} == {
                name: values.tolist() for name, values in columns.items()
            }
    assert {"read", "E_ARRAYS_HEADER", "E_ARRAYS_BYTES", "E_ARRAY_UNKNOWN"} <= seen <= {"read", *CODES}


def test_large_arrays_are_read_without_a_second_copy() -> None:
    form = ArraysFormat((Array("w", (1000, 1000)),))
    data = safetensors.numpy.save({"w": np.ones((1000, 1000), np.float32)})
    tracemalloc.start()
    try:
        assert read(data, form)["w"].sum() == 10**6
        assert tracemalloc.get_traced_memory()[1] < len(data) // 8
    finally:
        tracemalloc.stop()


# The format


@pytest.mark.parametrize(
    "array", [("a", (2,), "float128"), ("a", ()), ("a", (0,)), ("a", (-1,)), ("a", (2.0,)), ("a", (True,))]
)
def test_an_array_needs_a_known_type_and_a_shape(array: Any) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        Array(*array)


@pytest.mark.parametrize("bounds", [(1, 0), (-math.inf, 0), (0, math.inf), (math.nan, 1)])
def test_the_range_of_an_array_is_finite(bounds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="a finite range"):
        Array("a", (1,), "int8", *bounds)


@pytest.mark.parametrize("names", [(), ("a", "a"), ("__metadata__",)])
def test_a_format_of_arrays_needs_different_names(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="different names"):
        ArraysFormat(tuple(Array(name, (1,)) for name in names))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bounds", [(-1e100, 1e100), (0, 1), (0.7, 0.9), (-0.9, -0.7), (3, 5), (-5, -3)])
def test_the_sample_submission_of_arrays_is_valid(dtype: str, bounds: tuple[float, float]) -> None:
    whole = not dtype.startswith("float")
    if (whole and abs(bounds[0]) < 1 < 10 * abs(bounds[0])) or (dtype == "uint8" and bounds[1] < 0):
        return  # no such whole number
    form = ArraysFormat((Array("a", (2, 2), dtype, *bounds), Array("b", (1,))))
    columns = read(sample_submission(form), form)
    assert len(set(columns["a"].flat)) == 1
    assert abs(float(columns["a"].flat[0])) <= abs(min(bounds, key=abs)) + 0.01 or bounds[0] <= 0 <= bounds[1]


# What comes back from the reading process


def test_arrays_read_apart_are_those_of_the_reader_and_refused_alike() -> None:
    decoder = Decoder()
    try:
        whole = decoder.decode(DATA, FORM, False, Limits(60.0))
        assert whole is not None
        columns = received(whole, FORM, False)
        assert {name: (values.dtype, values.tolist()) for name, values in columns.items()} == {
            name: (values.dtype, values.tolist()) for name, values in read(DATA, FORM).items()
        }
        for name in ("NaN", "a pickle", "doubles", "a number out of range", "an array twice", "lists in lists"):
            data = HOSTILE[name][2]()
            whole = decoder.decode(data, FORM, False, Limits(60.0))
            assert whole is not None
            with pytest.raises(SubmissionError) as caught:
                received(whole, FORM, False)
            assert caught.value.problems == refusal(data).problems
    finally:
        decoder.close()


def test_arrays_that_no_reader_gives_are_not_taken_from_the_reading_process() -> None:
    assert received(_packed(GOOD), FORM, False)["cause"].tolist() == [1, 0]
    for wrong in (
        {"attribution": of_one(math.nan)},
        {"attribution": of_one(math.inf)},
        {"cause": np.array([2, 0], np.uint8)},
        {"cause": GOOD["cause"].astype(np.int8)},
        {"cause": np.array([1], np.uint8)},
        {"more": GOOD["cause"]},
        {"attribution": GOOD["attribution"].reshape(4, 3, 2)},
        {"attribution": GOOD["attribution"].astype(">f4")},
        {"cause": np.array(["1", "0"])},
    ):
        with pytest.raises(Died):
            received(_packed({**GOOD, **wrong}), FORM, False)
    with pytest.raises(Died):
        received(_packed({"cause": GOOD["cause"], "attribution": GOOD["attribution"]}), FORM, False)


# A competition of arrays, from its preparation to the board


ROWS = 40
TRUTH = np.arange(ROWS) % 2
CAUSES = ArraysFormat((Array("cause", (ROWS,), "int64", 0, 1), Array("weights", (3, 2))))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    usage = np.where(np.arange(ROWS) < ROWS // 2, PUBLIC, PRIVATE).astype(np.int8)
    plan = Plan(
        name="causes", title="Causes", edition="own", source="made for this test", format=CAUSES,
        metrics=(named_metric("accuracy"),), bars=(), rules=Rules(), sheet="# Causes\n", metric="accuracy",
        make=lambda folder, streams, secret: Made(Answers(range(ROWS), {"cause": TRUTH}, usage=usage)),
    )  # fmt: skip
    home = open_home(tmp_path / "home")
    prepare(home, plan, seed=3, accept_leaks=True, now=datetime(2027, 2, 1, tzinfo=UTC))
    monkeypatch.setenv("LHY_GRADE_HOME", str(home.root))
    return open_home(home.root)


def command(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == code, done.output
    return done.output


def answers(right: int) -> bytes:
    """A file with so many right answers, on the public rows first."""
    cause = np.where(np.arange(ROWS) < right, TRUTH, 1 - TRUTH)
    return safetensors.numpy.save({"weights": np.zeros((3, 2), np.float32), "cause": cause}, {"made by": "a test"})


def test_a_competition_of_arrays_is_prepared_checked_submitted_and_ranked(home: Home, tmp_path: Path) -> None:
    assert find_competition(home, "causes").format == CAUSES
    sample = home.public("causes") / "sample_submission.safetensors"
    assert read(sample.read_bytes(), CAUSES)["cause"].tolist() == [0] * ROWS
    assert command("check", "causes", str(sample)) == "valid: 2 arrays for causes, edition own\n"
    assert json.loads(command("check", "causes", str(sample), "--format", "json"))["arrays"] == 2
    good, bad = tmp_path / "good.safetensors", tmp_path / "bad.safetensors"
    good.write_bytes(answers(15))
    bad.write_bytes(answers(15)[:-2] + b"\x80\x7f")
    assert "public accuracy 0.75000" in command("submit", "causes", str(good), "--as", "ada")
    for what in (("check", "causes", str(bad)), ("submit", "causes", str(bad), "--as", "ada")):
        assert 'E_ARRAY_FINITE  The array "weights" has inf at [2, 1]' in command(*what, code=3)
    assert json.loads(command("leaderboard", "causes", "--format", "json"))["board"][0]["name"] == "ada"
    secret = read_secret(home, find_competition(home, "causes"))
    scores = scoring.grade_here(secret, answers(30)).scores[0]
    assert (scores.public, scores.private) == (1.0, 0.5)
    books_balance(home)


def test_a_worker_grades_arrays_as_they_are_graded_here_and_refuses_alike(home: Home) -> None:
    secret, grader = read_secret(home, find_competition(home, "causes")), Grader()
    try:
        there = grader.answer(secret, answers(17), Limits(60.0))
        assert there is not None
        assert there.grade == scoring.grade_here(secret, answers(17))
        refused = grader.answer(secret, DATA, Limits(60.0))
        assert refused is not None
        assert refused.refused is not None
        assert refused.refused.problems == refusal(DATA, CAUSES).problems
    finally:
        grader.close()
