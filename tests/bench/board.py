"""Speed of the leaderboard: acceptances under load, and a board and a queue of 1,000 with 10^6 submissions behind them.

    python tests/bench/board.py [--rows 1000000] [--repeats 5]

Every query for the board is timed in turn (A B C A B C …) in one process, and all must give the same rows.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from leaderboard import acceptance, queue, ranking, receipts, records  # noqa: E402
from leaderboard.acceptance import Terms, Upload  # noqa: E402
from leaderboard.database import Database, open_database  # noqa: E402

PROCESSES, EACH = 8, 125
PARTICIPANTS = 1000
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

Place = tuple[int, str, float, int, int]
"""Rank, name, exact score, id of the submission, entries."""


def accept_many(url: str, who: int, barrier: Any, out: Any) -> None:
    sign = receipts.signer(bytes(32))
    seconds = []
    with open_database(url) as db:
        barrier.wait()
        begun = time.perf_counter()
        for number in range(EACH):
            start = time.perf_counter()
            acceptance.accept(
                db,
                Upload(f"{number:064x}", 20_000, "a.csv", "dropout 0.3", f"{who}-{number}", datetime.now(UTC)),
                Terms(None, 5, 50, "2026-11-20", NOW + timedelta(days=1)),
                course="Machine Learning",
                competition="hw01",
                participant=f"student {who}-{number}",
                kind="person",
                sign=sign,
            )
            seconds.append(time.perf_counter() - start)
        out.put((begun, time.perf_counter(), seconds))


def acceptances(url: str) -> tuple[float, list[float]]:
    """Seconds in all, and of each acceptance, sorted."""
    with open_database(url) as db:
        before = records.count_submissions(db, "hw01")
    context = multiprocessing.get_context("spawn")
    barrier, out = context.Barrier(PROCESSES), context.Queue()
    processes = [context.Process(target=accept_many, args=(url, who, barrier, out)) for who in range(PROCESSES)]
    for process in processes:
        process.start()
    parts = [out.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    with open_database(url) as db:
        assert records.count_submissions(db, "hw01") == before + PROCESSES * EACH
    total = max(end for _, end, _ in parts) - min(begun for begun, _, _ in parts)
    return total, sorted(one for _, _, seconds in parts for one in seconds)


def report_acceptances(kind: str, urls: list[str]) -> None:
    for url in urls:
        total, each = acceptances(url)
        p50, p99 = each[len(each) // 2], each[len(each) * 99 // 100]
        print(
            f"{kind:10}  {len(each)} acceptances, {PROCESSES} processes: {total:5.2f} s in all, "
            f"p50 {p50 * 1e3:6.2f} ms, p99 {p99 * 1e3:6.2f} ms, slowest {each[-1] * 1e3:6.1f} ms",
            flush=True,
        )


def fill(db: Database, rows: int) -> None:
    """`rows` graded submissions of 1,000 participants, with scores in steps of 1/2000 so that many are equal."""
    draw = random.Random(0)
    at = receipts.microseconds(NOW)
    entry = dict.fromkeys(range(1, PARTICIPANTS + 1), 0)

    def submissions() -> Any:
        for number in range(1, rows + 1):
            who = draw.randint(1, PARTICIPANTS)
            entry[who] += 1
            yield (
                number,
                who,
                entry[who],
                str(number),
                "0" * 64,
                1,
                "a.csv",
                "",
                at + number,
                "2026-11-20",
                number,
                "{}",
            )

    details = '{"scores":[{"metric":"accuracy_score","value":0.5,"interval":[0.4,0.6]}]}'
    connection = db.connection
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO participants VALUES (?, 'hw01', ?, 'person', ?)",
        ((number, f"student {number}", at) for number in range(1, PARTICIPANTS + 1)),
    )
    connection.execute("INSERT INTO versions VALUES (1, 'hw01', 'data', 'metric', 1)")
    connection.executemany(
        "INSERT INTO submissions (id, participant_id, entry, client_key, sha256, size, filename, message, accepted_at, "
        "quota_day, event_seq, receipt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        submissions(),
    )
    scores = (
        (draw.binomialvariate(2000, 0.5) if hasattr(draw, "binomialvariate") else draw.randint(900, 1100)) / 2000
        for _ in range(rows)
    )
    connection.executemany(
        "INSERT INTO grades (id, submission_id, participant_id, version_id, public, public_key, private, details, "
        "private_details, passed_public, passed_private, mac, graded_at, event_seq) "
        "SELECT id, id, participant_id, 1, ?2, ?2, 0.5, ?3, ?3, '[]', '[]', '', accepted_at, ?4 "
        "FROM submissions WHERE id = ?1",
        ((number, score, details, rows + number) for number, score in enumerate(scores, 1)),
    )
    connection.execute("UPDATE chain_head SET seq = ?", (2 * rows,))
    connection.execute("COMMIT")
    connection.execute("ANALYZE")


def by_seeks(db: Database) -> list[Place]:
    rows = ranking.board(db, "hw01", "data", "metric", True)
    return [(row.rank, row.participant, row.score or 0.0, row.submission or 0, row.entries) for row in rows]


WINDOW = """
    SELECT row_number() OVER (ORDER BY public DESC, accepted_at, id) AS rank, name, public, id, entries FROM (
        SELECT p.name, g.public, s.accepted_at, s.id,
               row_number() OVER (PARTITION BY s.participant_id ORDER BY g.public DESC, s.accepted_at, s.id) AS place,
               count(*) OVER (PARTITION BY s.participant_id) AS entries
        FROM submissions s JOIN grades g ON g.submission_id = s.id JOIN participants p ON p.id = s.participant_id
        WHERE p.competition = :competition AND g.version_id = 1)
    WHERE place = 1 ORDER BY 1
"""


def by_window(db: Database) -> list[Place]:
    return [tuple(row.values()) for row in db.fetch(WINDOW, competition="hw01")]


def by_pandas(db: Database) -> list[Place]:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]

    frame = pd.read_sql(
        "SELECT p.name, g.public, s.accepted_at, s.id FROM submissions s JOIN grades g ON g.submission_id = s.id "
        "JOIN participants p ON p.id = s.participant_id WHERE p.competition = 'hw01' AND g.version_id = 1",
        db.connection,
    )
    frame["entries"] = frame.groupby("name")["id"].transform("size")
    frame = frame.sort_values(["public", "accepted_at", "id"], ascending=[False, True, True]).drop_duplicates("name")
    columns = (frame[name].tolist() for name in ("name", "public", "id", "entries"))
    return [(rank, *row) for rank, row in enumerate(zip(*columns, strict=True), 1)]


def by_orm(db: Database) -> list[Place]:
    """Objects of an ORM session, ranked in Python."""
    import sqlalchemy as sa
    from sqlalchemy.orm import DeclarativeBase, Session

    from leaderboard.schema import GRADES, SUBMISSIONS
    from leaderboard.schema import PARTICIPANTS as NAMES

    class Base(DeclarativeBase):
        metadata = sa.MetaData()

    class Name(Base):
        __table__ = NAMES

    class Entry(Base):
        __table__ = SUBMISSIONS

    class Score(Base):
        __table__ = GRADES

    engine = sa.create_engine(f"sqlite:///{db.place}")
    best: dict[str, tuple[float, int, int]] = {}
    entries: dict[str, int] = {}
    with Session(engine) as session:
        found = session.execute(
            sa.select(Entry, Score, Name)
            .join(Score, GRADES.c.submission_id == SUBMISSIONS.c.id)
            .join(Name, NAMES.c.id == SUBMISSIONS.c.participant_id)
            .where(NAMES.c.competition == "hw01", GRADES.c.version_id == 1)
        )
        entry: Any
        score: Any
        name: Any
        for entry, score, name in found:
            place = (-score.public, entry.accepted_at, entry.id)
            best[name.name] = min(best.get(name.name, place), place)
            entries[name.name] = entries.get(name.name, 0) + 1
    engine.dispose()
    ranked = enumerate(sorted(best.items(), key=lambda item: item[1]), 1)
    return [(rank, name, -score, number, entries[name]) for rank, (name, (score, _, number)) in ranked]


def report_board(folder: Path, rows: int, repeats: int) -> None:
    with open_database(f"sqlite:///{folder / 'board.db'}") as db:
        fill(db, rows)
    ways: dict[str, Callable[[Database], list[Place]]] = {
        "one seek a participant": by_seeks, "window functions": by_window, "pandas": by_pandas, "ORM objects": by_orm,
    }  # fmt: skip
    times: dict[str, list[float]] = {name: [] for name in ways}
    expected: list[Place] | None = None
    for turn in range(repeats):
        for name, way in ways.items():
            if way is by_orm and turn:
                continue  # many seconds
            with open_database(f"sqlite:///{folder / 'board.db'}") as db:  # a new connection, as a command has
                start = time.perf_counter()
                result = way(db)
                times[name].append(time.perf_counter() - start)
            expected = expected or result
            assert result == expected, f"{name} ranks differently"
    query = []
    for _ in range(20):
        with open_database(f"sqlite:///{folder / 'board.db'}") as db:
            start = time.perf_counter()
            db.fetch(ranking.PUBLIC_BOARD, competition="hw01", version=1)
            query.append(time.perf_counter() - start)
    assert expected is not None
    print(f"the board of {len(expected):,} participants with {rows:,} submissions (identical results):")
    print(
        f"  its query alone          {statistics.median(query) * 1e3:10.2f} ms  "
        f"({min(query) * 1e3:.2f} to {max(query) * 1e3:.2f}, {len(query)} runs, each on a new connection)"
    )
    ours = statistics.median(times["one seek a participant"])
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        print(
            f"  {name:24} {middle * 1e3:10.2f} ms  ({min(seconds) * 1e3:.2f} to {max(seconds) * 1e3:.2f}, "
            f"{len(seconds)} runs)  {middle / ours:8.1f} times ours"
        )


def report_queue(folder: Path, rows: int, repeats: int) -> None:
    """A queue position found after the settled submissions, and found from the first submission on."""
    versions = {f"hw{number:02}": ("data", "metric") for number in range(1, 16)}
    last = rows + PARTICIPANTS
    with open_database(f"sqlite:///{folder / 'board.db'}") as db:
        for number in range(1, PARTICIPANTS + 1):
            acceptance.accept(
                db,
                Upload("0" * 64, 20_000, "a.csv", "", f"queue {number}", NOW),
                Terms(None, 5, 50, "2026-11-21", NOW + timedelta(days=1)),
                course="Machine Learning",
                competition="hw01",
                participant=f"student {number}",
                kind="person",
                sign=lambda _: b"",
            )
        settled = queue.settled(db, versions)
        known, whole, leases = [], [], []
        for _ in range(20):
            start = time.perf_counter()
            found = queue.standing(db, versions, [last], NOW, queue.settled(db, versions, settled))
            known.append(time.perf_counter() - start)
            assert found == {last: queue.QueuePlace("queued", PARTICIPANTS, None)}
            start = time.perf_counter()
            lease = queue.lease(db, versions, "bench", NOW, timedelta(minutes=1), settled)
            leases.append(time.perf_counter() - start)
            assert lease is not None
            queue.give_back(db, lease)
        for _ in range(repeats):
            start = time.perf_counter()
            assert queue.standing(db, versions, [last], NOW) == found
            whole.append(time.perf_counter() - start)
    ours = statistics.median(known)
    print(f"the last place of {PARTICIPANTS:,} in the queue, with {rows:,} graded before (identical results):")
    print(f"  after settled submissions{ours * 1e3:10.2f} ms  ({min(known) * 1e3:.2f} to {max(known) * 1e3:.2f})")
    print(f"  from the first on        {statistics.median(whole) * 1e3:10.2f} ms", end="")
    print(f"  {statistics.median(whole) / ours:30.1f} times ours")
    print(f"  the next lease           {statistics.median(leases) * 1e3:10.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report_acceptances("SQLite", [f"sqlite:///{folder / f'{turn}.db'}" for turn in range(options.repeats)])
        # Not `tests.postgres`: some packages bring a `tests` of their own.
        postgres = importlib.import_module("postgres")
        with postgres.running_server() as server:
            if isinstance(server, str):
                print(f"PostgreSQL  not measured: {server}")
            else:
                report_acceptances("PostgreSQL", [server.new_database() for _ in range(options.repeats)])
        report_board(folder, options.rows, options.repeats)
        report_queue(folder, options.rows, options.repeats)


if __name__ == "__main__":
    main()
