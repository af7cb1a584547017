"""The split into a public and a private part: exact, secret, whole groups, the same for any row order."""

from __future__ import annotations

import hmac
import itertools
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks import split as module
from tasks.base import IGNORED, PRIVATE, PUBLIC, Answers, UserError
from tasks.split import split

KEY = bytes(range(32))


def marks(answers: Answers, key: bytes = KEY, name: str = "hw01", share: float = 0.5) -> NDArray[np.int8]:
    usage = split(answers, key, name, share).usage
    assert usage is not None
    assert usage.dtype == np.int8
    assert set(usage.tolist()) == {PUBLIC, PRIVATE}
    return usage


def grouped(sizes: list[int]) -> Answers:
    groups = np.array([f"g{group}" for group, size in enumerate(sizes) for _ in range(size)])
    return Answers(range(len(groups)), {}, groups=groups)


def reachable(sizes: list[int]) -> set[int]:
    return {sum(some) for count in range(len(sizes) + 1) for some in itertools.combinations(sizes, count)}


@given(n=st.integers(2, 400), share=st.sampled_from([0.5, 0.3, 0.1, 0.55, 0.9, 1 / 3]))
def test_without_groups_the_public_part_has_exactly_the_share_of_the_rows(n: int, share: float) -> None:
    wanted = round(Fraction(str(share)) * n)
    answers = Answers(range(n), {})
    if 0 < wanted < n:
        assert np.count_nonzero(marks(answers, share=share) == PUBLIC) == wanted
    else:
        with pytest.raises(UserError, match=r"leaves no (public|private) row"):
            split(answers, KEY, "hw01", share)


@given(sizes=st.lists(st.integers(1, 30), min_size=2, max_size=9), share=st.sampled_from([0.5, 0.25, 0.8]))
def test_the_public_count_is_the_nearest_that_whole_groups_can_give(sizes: list[int], share: float) -> None:
    answers = grouped(sizes)
    n = len(answers)
    wanted = round(Fraction(str(share)) * n)
    if not 0 < wanted < n:
        return
    usage = marks(answers, share=share)
    public = np.count_nonzero(usage == PUBLIC)
    assert abs(public - wanted) == min(abs(count - wanted) for count in reachable(sizes) if 0 < count < n)
    assert answers.groups is not None
    for group in set(answers.groups.tolist()):
        assert len(set(usage[answers.groups == group].tolist())) == 1


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=8, max_size=120),
    with_groups=st.booleans(),
    order=st.randoms(use_true_random=False),
)
def test_the_marks_do_not_depend_on_the_order_of_the_rows(
    rows: list[tuple[int, int]], with_groups: bool, order: random.Random
) -> None:
    n = len(rows)
    strata = np.array([f"s{stratum}" for stratum, _ in rows])
    groups = np.array([f"g{stratum}.{group}" for stratum, group in rows]) if with_groups else None
    if groups is not None and len(set(groups.tolist())) < 2:
        return
    ids = tuple(f"{number:03d}" for number in range(n))
    before = marks(Answers(ids, {}, groups=groups, strata=strata))
    shuffled = list(range(n))
    order.shuffle(shuffled)
    moved_groups = None if groups is None else groups[shuffled]
    moved = Answers(tuple(ids[i] for i in shuffled), {}, groups=moved_groups, strata=strata[shuffled])
    assert np.array_equal(marks(moved), before[shuffled])


@given(sizes=st.lists(st.integers(1, 60), min_size=2, max_size=12), share=st.sampled_from([0.5, 0.3, 0.7]))
def test_without_groups_every_stratum_has_the_share_to_within_one_row_and_the_total_is_exact(
    sizes: list[int], share: float
) -> None:
    strata = np.array([f"s{stratum}" for stratum, size in enumerate(sizes) for _ in range(size)])
    n = len(strata)
    wanted = round(Fraction(str(share)) * n)
    if not 0 < wanted < n:
        return
    public = marks(Answers(range(n), {}, strata=strata), share=share) == PUBLIC
    assert np.count_nonzero(public) == wanted
    for stratum, size in enumerate(sizes):
        assert abs(np.count_nonzero(public[strata == f"s{stratum}"]) - share * size) < 1 + 1e-9


@settings(max_examples=50)
@given(sizes=st.lists(st.lists(st.integers(1, 5), min_size=2, max_size=5), min_size=2, max_size=3))
def test_with_groups_and_strata_the_total_is_the_nearest_that_any_union_gives(sizes: list[list[int]]) -> None:
    flat = [size for stratum in sizes for size in stratum]
    answers = grouped(flat)
    names = [f"s{stratum}" for stratum, groups in enumerate(sizes) for _ in groups]
    strata = np.array([name for name, size in zip(names, flat, strict=True) for _ in range(size)])
    public = marks(Answers(answers.ids, {}, groups=answers.groups, strata=strata)) == PUBLIC
    n = len(answers)
    wanted = round(Fraction(1, 2) * n)
    # Few groups in a stratum have few sums, so that all of them are weighed (module.CHOICES); larger ones are not.
    if all(len(reachable(stratum)) <= module.CHOICES for stratum in sizes):
        assert abs(np.count_nonzero(public) - wanted) == min(abs(count - wanted) for count in reachable(flat))


def test_a_group_in_two_strata_is_refused() -> None:
    answers = Answers(range(4), {}, groups=np.array(list("aabb")), strata=np.array(list("xyxx")))
    with pytest.raises(UserError, match="a group is in two strata"):
        split(answers, KEY, "hw01", 0.5)


def test_groups_beyond_the_searched_pool_still_give_the_exact_count() -> None:
    generator = np.random.default_rng(5)
    sizes = generator.integers(1, 40, 3 * module.POOL).tolist()
    usage = marks(grouped(sizes), share=0.3)
    assert np.count_nonzero(usage == PUBLIC) == round(Fraction("0.3") * sum(sizes))


@given(
    sizes=st.lists(st.sampled_from([1, 2, 3, 10, 14, 60]), min_size=2, max_size=60),
    strata=st.integers(1, 3),
    share=st.sampled_from([0.5, 0.3, 0.9]),
    near=st.sampled_from([0, 1, 4, 1000]),
)
def test_how_many_groups_are_searched_first_does_not_move_a_mark(
    sizes: list[int], strata: int, share: float, near: int
) -> None:
    answers = grouped(sizes)
    of_row = np.repeat([f"s{group % strata}" for group in range(len(sizes))], sizes)
    answers = Answers(answers.ids, {}, groups=answers.groups, strata=of_row)
    if not 0 < round(Fraction(str(share)) * len(answers)) < len(answers):
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "NEAR", near)
        found = marks(answers, share=share)
        patch.setattr(module, "NEAR", len(sizes))  # all of them: the whole search
        assert np.array_equal(found, marks(answers, share=share))


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(UserError, match="one group"):
        split(grouped([12]), KEY, "hw01", 0.5)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_share_outside_zero_and_one_is_refused(share: float) -> None:
    with pytest.raises(UserError, match="between 0 and 1"):
        split(Answers(range(10), {}), KEY, "hw01", share)


def test_a_usage_that_the_source_gives_is_kept() -> None:
    usage = np.array([PUBLIC, IGNORED, PRIVATE], dtype=np.int8)
    answers = Answers(range(3), {}, usage=usage)
    assert split(answers, KEY, "hw01", 0.5) is answers


def test_the_first_groups_by_hmac_are_public() -> None:
    ids = tuple(f"{number:04d}" for number in range(100))
    order = sorted(ids, key=lambda text: hmac.digest(KEY, f"hw01\0split\0{text}".encode(), "sha256"))
    public = set(order[:50])
    usage = marks(Answers(ids, {}))
    assert {ids[i] for i in np.flatnonzero(usage == PUBLIC)} == public


def test_another_key_or_another_name_gives_another_split() -> None:
    answers = Answers(range(1000), {})
    first = marks(answers)
    for other in (marks(answers, key=b"another key"), marks(answers, name="hw02")):
        # Independent halves agree on 500 of 1000 rows with a standard deviation of 16.
        assert 400 < np.count_nonzero(first == other) < 600
    assert np.array_equal(first, marks(answers))


def test_the_answers_do_not_move_the_split() -> None:
    ids = range(200)
    one = marks(Answers(ids, {"y": np.zeros(200)}))
    two = marks(Answers(ids, {"y": np.arange(200.0)}))
    assert np.array_equal(one, two)


def test_whole_numbers_and_their_text_are_the_same_ids() -> None:
    assert np.array_equal(marks(Answers(range(50), {})), marks(Answers(tuple(str(i) for i in range(50)), {})))
