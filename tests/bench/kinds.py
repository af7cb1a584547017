"""Which kinds of anomalies of HW8 each level and each trick finds: the AUC of each kind against all normal images.

The kinds of the hidden images are known to the generator alone. Levels are trained, and tricks run, on one world.

    python tests/bench/kinds.py --seed 300 --levels simple,medium,strong,boss --only HOG
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from baselines.common import train_level
from tasks.hw08_anomaly import LAYOUT_2021
from tasks.hw08_anomaly.world import ELSE, WRONG, make
from tasks.streams import fixed
from tests.bench import cheap
from tests.bench.results import LEVELS
from tests.bench.tricks.frame import Given, Trick, prepared


def values(data: bytes) -> NDArray[np.float64]:
    """The scores (n,) of a submission, in the order of its rows, which is that of the images."""
    return np.array([float(row[1]) for row in list(csv.reader(io.StringIO(data.decode())))[1:]])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--levels", default=",".join(LEVELS), help="separated by commas; may be empty")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="tricks with this in their name")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        world = prepared(root / "home", "hw08", "builtin", "small", given.seed, None)
        (root / "again").mkdir()
        streams = fixed(given.seed).within("hw08/builtin/0/world")  # the same pictures once more, with their kinds
        kinds = make(LAYOUT_2021, root / "again", streams, "small").answers.strata
        assert kinds is not None
        columns = {}
        for level in filter(None, given.levels.split(",")):
            path = train_level("hw08", level, world.public, root / level, seed=given.seed, device="cpu")
            columns[level] = values(path.read_bytes())
        for place, trick in enumerate(cheap.registered("hw08")[1]):
            if isinstance(trick, Trick) and any(text in trick.name for text in given.only):
                (root / str(place)).mkdir()
                made = trick.make(Given("hw08", world.public, "builtin", "small", given.seed, root / str(place)))
                columns[trick.name] = values(made)
    sorts = {"something else": set(ELSE), "a wrong face": set(WRONG)}
    print(f"| kind | sort | images | {' | '.join(columns)} |")
    print("|---" * (3 + len(columns)) + "|")
    normal = kinds == "normal"
    for kind in sorted(set(kinds[~normal].tolist())):
        sort = next((name for name, names in sorts.items() if kind in names), "a quirk")
        chosen = normal | (kinds == kind)
        cells = [f"{roc_auc_score(~normal[chosen], column[chosen]):.3f}" for column in columns.values()]
        print(f"| {kind} | {sort} | {(kinds == kind).sum()} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
