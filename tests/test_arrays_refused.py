"""Files of arrays that are hostile are refused unread."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import safetensors.numpy

from submissions.arrays import CODES
from submissions.reader import read
from tasks.tensor_formats import Array, ArraysFormat
from tests.array_files import HOSTILE, SHAPE, TYPE, codes, refusal


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_its_code_in_little_memory(name: str) -> None:
    wanted, words, build = HOSTILE[name]
    data = build()
    tracemalloc.start()
    try:
        error = refusal(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sorted(set(codes(error))) == sorted(set(wanted))
    assert words in str(error)
    assert len(str(error)) < 2000
    assert "\x1b" not in str(error)
    assert peak < 2**20 + 30 * len(data)


def test_every_code_is_in_the_corpus_and_the_corpus_knows_no_other() -> None:
    assert {code for wanted, _, _ in HOSTILE.values() for code in wanted} == set(CODES)


def test_all_problems_are_told_at_once() -> None:
    form = ArraysFormat(
        (
            Array("a", (2,), maximum=1),
            Array("b", (2,)),
            Array("c", (2,), "int64", -5, 5),
            Array("d", (2, 2), "float16"),
            Array("e", (1,)),
        )
    )
    data = safetensors.numpy.save({
        "a": np.array([np.nan, 2], np.float32), "b": np.zeros(2, np.float64), "c": np.array([6, -7]),
        "d": np.zeros((2, 3), np.float16), "f": np.zeros(1),
    })  # fmt: skip
    assert sorted(codes(refusal(data, form))) == [
        "E_ARRAY_FINITE",
        "E_ARRAY_MISSING",
        "E_ARRAY_RANGE",
        "E_ARRAY_RANGE",
        "E_ARRAY_SHAPE",
        "E_ARRAY_TYPE",
        "E_ARRAY_UNKNOWN",
    ]


def test_of_a_hundred_faulty_arrays_five_are_shown_and_all_are_counted() -> None:
    form = ArraysFormat(tuple(Array(f"a{number}", (2,)) for number in range(100)))
    error = refusal(safetensors.numpy.save({name: np.zeros((3, 3), np.float64) for name in form.ids}), form)
    assert codes(error).count(SHAPE) == codes(error).count(TYPE) == 5
    assert error.total == 200


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)])
def test_whole_numbers_of_64_bits_are_compared_exactly(number: int) -> None:
    form = ArraysFormat((Array("n", (2,), "int64", -(2.0**53), 2.0**53),))
    assert codes(refusal(safetensors.numpy.save({"n": np.array([0, number])}), form)) == ["E_ARRAY_RANGE"]
    within = np.array([2**53, -(2**53)])
    assert read(safetensors.numpy.save({"n": within}), form)["n"].tolist() == within.tolist()


def test_a_range_is_inclusive_and_compared_as_doubles() -> None:
    form = ArraysFormat((Array("x", (1,), "float32", 0, 0.1),))
    above = np.float32(0.1)
    assert float(above) > 0.1
    assert codes(refusal(safetensors.numpy.save({"x": np.array([above])}), form)) == ["E_ARRAY_RANGE"]
    assert read(safetensors.numpy.save({"x": np.nextafter(np.array([above]), np.float32(0))}), form)["x"].shape == (1,)
