"""Disks that are full, folders that are read-only, and servers that go away: a clear error and no half state."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from leaderboard import acceptance, events, receipts, records
from leaderboard.database import open_database
from tasks.errors import UserError
from tests.bookkeeping import SEED, code_of, hand_in

pytestmark = pytest.mark.slow_on_postgresql


ROOT = Path(__file__).parents[1]


def test_a_full_disk_gives_a_clear_error_and_no_half_state(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path / 'a.db'}") as db:
        pages = db.value("PRAGMA page_count")
        db.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        accepted: list[acceptance.Acceptance] = []

        def fill() -> None:
            for number in range(1000):
                accepted.append(hand_in(db, quota=None, message="m" * 1000, client_key=f"key {number}"))

        with pytest.raises(UserError, match=r"disk is full\. Nothing was recorded") as error:
            fill()
        done = len(accepted)
        assert error.value.code == "E_DISK_FULL"
        assert 0 < done == records.count_submissions(db, "hw01")
        assert events.verify(db, receipts.public_key(SEED)) == []
        db.connection.execute(f"PRAGMA max_page_count = {pages + 1000}")
        assert not hand_in(db, quota=None, client_key=f"key {done}").again


FULL_DISK = """
import resource, sys
from datetime import datetime, timezone
from leaderboard import acceptance
from leaderboard.database import open_database
from tasks.errors import UserError
from tests.accepting import accepted
with open_database(sys.argv[1]) as db:
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    done = 0
    try:
        while done < 1000:
            accepted(db, course="", competition="hw01", participant="ann", kind="person",
                sha256=f"{done:064x}", size=1, filename="", message="m" * 1000, client_key=str(done),
                now=datetime(2026, 1, 1, tzinfo=timezone.utc), day="2026-01-01",
                next_slot=None, quota=None, rejections=None, closes=None, sign=lambda text: b"")
            done += 1
    except UserError as error:
        print(done, error.code)
"""


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX")
def test_a_write_that_fails_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    open_database(url).close()
    ended = subprocess.run(
        [sys.executable, "-c", FULL_DISK, url], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    done, code = ended.stdout.split()
    assert code in ("E_DISK", "E_DISK_FULL")
    with open_database(url) as db:
        assert 0 < int(done) == records.count_submissions(db, "hw01")
        assert events.verify(db) == []


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """As a user who may read the folder's files but not write; root turns into somebody else."""
    paths = [folder, *folder.iterdir()]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    if os.geteuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o600)


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
@pytest.mark.parametrize("exists", [False, True])
def test_a_read_only_home_gives_a_clear_error(exists: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/a.db"
        open_database(f"sqlite:///{name}/other.db").close()  # loads the driver, which cannot be read later
        if exists:
            open_database(url).close()

        def write() -> None:
            with open_database(url) as db:
                hand_in(db)

        with without_rights(Path(name)), pytest.raises(UserError, match=r"writable|writing|created") as error:
            write()
        assert code_of(error) == ("E_READ_ONLY", 10)
        with open_database(url) as db:
            assert records.count_submissions(db, "hw01") == 0


def test_a_read_only_server_gives_a_clear_error(request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("postgresql")
    url = server.new_database()
    open_database(url).close()
    server.administer(f"ALTER DATABASE {server.name_of(url)} SET default_transaction_read_only = on")
    with open_database(url) as db, pytest.raises(UserError) as error:
        hand_in(db)
    assert code_of(error) == ("E_READ_ONLY", 10)
    server.drop(url)


def test_a_server_that_goes_away_gives_a_clear_error(request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("postgresql")
    url = server.new_database()
    with open_database(url) as db:
        hand_in(db, client_key="once")
        server.administer(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{server.name_of(url)}' AND pid <> pg_backend_pid()"
        )
        with pytest.raises(UserError, match="run the same command again") as error:
            hand_in(db)
        assert code_of(error) == ("E_UNREACHABLE", 7)
    with open_database(url) as db:
        assert hand_in(db, client_key="once").again
    server.drop(url)


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_only_the_owner_can_read_the_database(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path / 'a.db'}") as db:
        hand_in(db)
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("a.db", "a.db-wal", "a.db-shm", "a.db.lock"), 0o600)


def test_sqlite_is_set_to_survive_a_power_cut(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path / 'a.db'}") as db:
        found = [db.value(f"PRAGMA {name}") for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert found == ["wal", 2, 1]
