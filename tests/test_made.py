"""What `make` writes into the secret folder: kept as it is, part of the data's version, and never half used."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from harness.answers import read_hidden
from harness.competition import find_competition
from harness.home import Home, open_home
from harness.plans import Plan
from harness.prepare import Prepared, prepare
from harness.versions import read_versions
from tasks.base import Answers, Made, Rules, UserError
from tasks.formats import Column, TableFormat
from tasks.own import named_metric
from tasks.streams import Streams

ROWS = 40
FILE = "victim.safetensors"


def made(secret: Path, content: bytes) -> Made:
    (secret / FILE).write_bytes(content)
    labels = np.random.default_rng(0).integers(0, 2, ROWS)
    return Made(Answers(range(ROWS), {"label": labels}), secret=secret)


def plan(content: bytes) -> Plan:
    """A competition whose judge would read one secret file."""
    return Plan(
        name="victims",
        title="Victims",
        edition="own",
        source="made for this test",
        format=TableFormat("id", (Column("label", "int"),), range(ROWS)),
        metrics=(named_metric("accuracy"),),
        bars=(),
        rules=Rules(),
        sheet="# Victims\n",
        metric="accuracy",
        make=lambda public, streams, secret: made(secret, content),
    )


def prepared(home: Home, one: Plan) -> Prepared:
    return prepare(home, one, seed=3, accept_leaks=False, now=datetime(2027, 2, 1, tzinfo=UTC))


def test_a_secret_file_is_kept_for_the_owner_alone_and_refused_when_it_changes(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    prepared(home, plan(b"weights"))
    file = home.secret("victims", 1) / FILE
    assert file.read_bytes() == b"weights"
    assert file.stat().st_mode & 0o077 == 0
    assert not list((tmp_path / "home" / "public").rglob(FILE))
    competition = find_competition(home, "victims")
    assert read_hidden(home, competition).folder == file.parent
    file.write_bytes(b"weightz")
    with pytest.raises(UserError, match="victims were changed"):
        read_hidden(home, competition)


def test_other_secret_files_are_other_data(tmp_path: Path) -> None:
    versions = []
    for name in ("a", "b"):
        home = open_home(tmp_path / name)
        prepared(home, plan(name.encode()))
        versions.append(read_versions(home, find_competition(home, "victims"))[0])
    assert versions[0] != versions[1]


def test_a_large_secret_file_is_never_held_in_memory_whole(tmp_path: Path) -> None:
    def large(public: Path, streams: Streams, secret: Path) -> Made:
        one = made(secret, b"")
        with (secret / FILE).open("r+b") as stream:
            stream.truncate(64 * 2**20)
        return one

    home = open_home(tmp_path / "home")
    prepared(home, plan(b""))  # what is imported on the way counts for nothing
    tracemalloc.start()
    try:
        prepare(
            home,
            replace(plan(b""), make=large),
            seed=3,
            accept_leaks=False,
            new_data=True,
            reason="larger",
            now=datetime(2027, 2, 1, tzinfo=UTC),
        )
        read_hidden(home, find_competition(home, "victims"))
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()
    assert (home.secret("victims", 2) / FILE).stat().st_size == 64 * 2**20


def test_a_world_that_stops_half_way_leaves_no_data_and_no_secret_file(tmp_path: Path) -> None:
    def stopped(public: Path, streams: Streams, secret: Path) -> Made:
        made(secret, b"half")
        raise KeyboardInterrupt

    home = open_home(tmp_path / "home")
    with pytest.raises(KeyboardInterrupt):
        prepared(home, replace(plan(b""), make=stopped))
    assert not list(home.root.rglob(FILE))
    assert prepared(home, plan(b"whole")).competition.version == 1
    assert (home.secret("victims", 1) / FILE).read_bytes() == b"whole"
