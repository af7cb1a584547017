"""Pictures that show the same are found among others, whatever the order and the size of the pieces."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from tasks import copies
from tasks.copies import same_groups


@pytest.mark.parametrize("piece", [1, 3, 1024])
def test_groups_are_those_of_comparing_every_pair(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "PIECE", piece)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        rows = rng.integers(0, 256, (12, 6)).repeat(5, axis=0) + rng.normal(0, 2, (60, 6)).round()
        rows = rng.permutation(rows)
        group = np.arange(60)
        for one, other in combinations(range(60), 2):
            if np.square(rows[one] - rows[other]).mean() <= 3.0**2 and group[one] != group[other]:
                group[group == max(group[one], group[other])] = min(group[one], group[other])
        assert same_groups(rows, 3.0).tolist() == group.tolist()
        assert 12 <= len(set(group.tolist())) < 60
