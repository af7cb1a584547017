"""Speed of the gradebook's page: 1,000 students, 15 homeworks, four files of each in every one.

    python tests/bench/gradebook.py [--students 1000] [--homeworks 15] [--repeats 9]

The whole answer to a request, in this process, in turn with the usual way: pandas reads the grades, takes the best of
each student and homework, adds the points of the bars, and writes the same 200 rows as HTML. Totals must be equal.
"""

from __future__ import annotations

import argparse
import importlib
import re
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from click.testing import CliRunner

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from harness.answers import read_secret  # noqa: E402
from harness.cli.main import cli  # noqa: E402
from harness.competition import find_competition  # noqa: E402
from harness.home import Home, open_home  # noqa: E402
from harness.server.run import make_ready  # noqa: E402
from leaderboard import enrolment, results  # noqa: E402
from leaderboard.acceptance import Terms, Upload, accept  # noqa: E402
from leaderboard.roster import RosterEntry  # noqa: E402

# Not `tests.classes`: some packages bring a `tests` of their own.
classes: Any = importlib.import_module("classes")
NOW, Class = classes.NOW, classes.Class

FILES, ROWS, PAGE = 4, 40, 200
BARS = {"simple": 0.4, "medium": 0.6, "strong": 0.8}
POINTS = {"simple": 1.0, "medium": 2.0, "strong": 4.0}


def make_course(folder: Path, students: int, homeworks: int) -> Home:
    """Competitions of one's own with bars that give points, and a roster."""
    answers = np.random.default_rng(1).permutation(np.arange(ROWS) % 10)
    rows = "".join(f"{n},{answers[n]},{('Public', 'Private')[n % 2]}\n" for n in range(ROWS))
    (folder / "solution.csv").write_text("id,y,Usage\n" + rows)
    bars = [word for name, bar in BARS.items() for word in ("--bar", f"{name}={bar}/{bar}:{POINTS[name]:g}")]
    for number in range(homeworks):
        words = ["new", f"own{number:02}", "--solution", str(folder / "solution.csv"), "--metric", "accuracy", *bars]
        done = CliRunner().invoke(cli, ["--home", str(folder / "home"), *words])
        assert done.exit_code == 0, done.output
    home = open_home(folder / "home")
    people = [RosterEntry(f"b{n:05}", f"Student {n}", f"b{n:05}@example.org") for n in range(students)]
    with home.database() as database:
        entries = [*people, RosterEntry("ian", "Ian", role="instructor")]
        enrolment.import_people(database, entries, actor="ian", reason="the class begins", now=NOW)
    make_ready(home)
    return home


def hand_in(home: Home, students: int, homeworks: int, rng: np.random.Generator) -> None:
    """Files with scores as they come, graded."""
    terms = Terms(None, FILES, 50, "2027-03-01", NOW + timedelta(days=1))
    with home.database() as database:
        for number in range(homeworks):
            name = f"own{number:02}"
            secret = read_secret(home, find_competition(home, name))
            for student in range(students):
                for again in range(FILES):
                    public = round(float(rng.random()), 6)
                    key = f"{number}-{student}-{again}"
                    sent = accept(
                        database,
                        Upload(f"{hash(key) % 16**12:064x}", 1, "a.csv", "", key, NOW),
                        terms,
                        course="",
                        competition=f"{name}/1",
                        participant=f"b{student:05}",
                        kind="person",
                        sign=lambda _: b"",
                    )
                    results.record(
                        database,
                        sent.submission,
                        data_version=secret.data_version,
                        metric_version=secret.metric_version,
                        public_version="1",
                        higher_is_better=True,
                        public=public,
                        private=public,
                        details="{}",
                        passed_public=[one for one, bar in BARS.items() if public >= bar],
                        passed_private=[],
                        mac="",
                        now=NOW,
                    )


def usual(home: Home) -> tuple[str, dict[str, float]]:
    """The same with pandas: 200 students as HTML, and the total of each."""
    with home.database() as database:
        found = database.fetch(
            "SELECT p.name, p.competition, g.public FROM grades g JOIN participants p ON p.id = g.participant_id"
        )
    frame = pd.DataFrame([tuple(row.values()) for row in found], columns=["student", "homework", "score"])
    best = frame.groupby(["student", "homework"])["score"].max().unstack()
    points: Any = sum(POINTS[name] * (best >= bar) for name, bar in BARS.items())
    points["total"] = points.sum(axis=1)
    return points.head(PAGE).to_html(), points["total"].to_dict()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=1000)
    parser.add_argument("--homeworks", type=int, default=15)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = make_course(Path(name), options.students, options.homeworks)
        hand_in(home, options.students, options.homeworks, np.random.default_rng(0))
        school = Class(home)
        school.tokens["ian"] = school.token("ian")
        staff = school.client("ian")
        ours: dict[str, list[float]] = {"whole": [], "cpu": []}
        theirs = []
        for turn in range(options.repeats + 1):  # the first warms up
            begun, work = time.perf_counter(), time.process_time()
            page = staff.get("/gradebook")
            seconds = time.perf_counter() - begun, time.process_time() - work
            begun = time.perf_counter()
            _, totals = usual(home)
            if turn:
                ours["whole"].append(seconds[0])
                ours["cpu"].append(seconds[1])
                theirs.append(time.perf_counter() - begun)
        assert page.status_code == 200, page.text
        shown = re.findall(r"b(\d{5})@?.*?</tr>", page.text)
        assert len(shown) >= min(PAGE, options.students)
        book = {row["id"]: row["total"] for row in staff.get("/api/v1/gradebook").json()["students"]}
        assert book == totals, "the same points"
        school.close()
    whole, cpu, other = (statistics.median(one) for one in (ours["whole"], ours["cpu"], theirs))
    print(f"the gradebook of {options.students:,} students and {options.homeworks} homeworks, {FILES} files each:")
    print(
        f"  its page   {whole * 1e3:8.0f} ms  ({min(ours['whole']) * 1e3:.0f} to {max(ours['whole']) * 1e3:.0f})",
        end="",
    )
    print(f"   processor time {cpu * 1e3:.0f} ms")
    print(f"  pandas     {other * 1e3:8.0f} ms  {other / whole:20.1f} times ours (equal totals)")


if __name__ == "__main__":
    main()
