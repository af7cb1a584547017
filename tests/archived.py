"""A homework of many small files, and a server that has it."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.competition import Competition
from harness.home import Home, open_home
from harness.plans import plan_own
from harness.prepare import prepare
from tests.class_server import Served, log_in, serving

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
MANY = 400


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a competition of one's own whose data are many small files in folders."""
    root = tmp_path_factory.mktemp("pictures")
    data = root / "data"
    for part in ("training", "testing"):
        (data / "food" / part).mkdir(parents=True)
        for n in range(MANY // 2):
            (data / "food" / part / f"{n:04d}.jpg").write_bytes(hashlib.sha256(f"{part}{n}".encode()).digest() * 30)
    (data / "notes.txt").write_text("several words. " * 500)
    (root / "solution.csv").write_text("id,label\n" + "".join(f"{n},{label(n)}\n" for n in range(50)))
    make(open_home(root / "home"), root, data)
    return root


def label(n: int) -> int:
    """An answer that follows from nothing else."""
    return hashlib.sha256(str(n).encode()).digest()[0] % 5


def make(home: Home, root: Path, data: Path) -> Competition:
    plan = plan_own(
        "food", root / "solution.csv", "rmse", title=None, public=data, higher_is_better=None, public_share=0.5
    )
    return prepare(home, plan, seed=None, new_data=True, reason="x", accept_leaks=False, now=NOW).competition


@pytest.fixture
def food(pictures: Path, home: Home) -> Iterator[Served]:
    """The competition with many files, served to the people of `home`."""
    shutil.copytree(pictures / "home" / "public" / "food", home.public("food"))
    shutil.copytree(pictures / "home" / "public" / ".archives", home.root / "public" / ".archives", dirs_exist_ok=True)
    shutil.copytree(pictures / "home" / "secret" / "food", home.root / "secret" / "food")
    with serving(home) as running:
        log_in(running)
        yield running


def members(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as packed:
        return packed.namelist()
