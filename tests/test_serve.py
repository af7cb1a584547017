"""The real server over loopback: started as a person starts it, and torn at from all sides."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sized
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
import pytest

from harness.cli import serve
from harness.grading import audit
from harness.home import Home, open_home
from harness.server import run
from leaderboard import enrolment, records, results, roster
from tests import started
from tests.classes import NOW, Class, kept, make_class
from tests.conftest import books_balance, self_signed
from tests.postgres import Server
from tests.started import ROOT, START, Running, answering, bearer, graded, head, heard, running, send, until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the server needs POSIX")

school, local = started.school, started.local


def balanced(home: Home, submissions: int) -> None:
    """The books balance, and there are so many submissions."""
    books_balance(home)
    with home.database() as database:
        assert records.count_submissions(database, "hw01/1") == submissions
        assert len(list(results.grade_rows(database))) == submissions


def test_the_first_start_prints_the_address_and_the_first_login_once(course: Path, tmp_path: Path) -> None:
    root = tmp_path / "home"
    shutil.copytree(course, root)
    home = open_home(root)
    with running(home) as server:
        pass
    text = (root / "printed").read_text()
    token = re.search(r"shown only once: (lhy_[\w-]{43})\n", text)
    assert token is not None
    with running(home) as server:
        answer = httpx.get(f"{server.url}/api/v1/me", headers={"Authorization": f"Bearer {token[1]}"})
        assert answer.json()["role"] == "instructor"
    assert "lhy_" not in (root / "printed").read_text()
    assert "lhy_" not in (root / "log").read_text()
    assert audit.verify(home)[0] == []


def test_where_the_first_instructor_was_taken_off_the_next_start_makes_another(course: Path, tmp_path: Path) -> None:
    shutil.copytree(course, tmp_path / "home")
    home = open_home(tmp_path / "home")
    assert serve.first_login(home, NOW) is not None
    assert serve.first_login(home, NOW) is None
    with home.database() as database:
        with database.transaction():  # as an older release could
            database.execute("UPDATE people SET disabled_at = 1 WHERE key = 'instructor'")
        enrolment.add_person(database, roster.RosterEntry("b01", "Instructor-2"), actor="x", reason="begins", now=NOW)
    assert serve.first_login(home, NOW) is not None
    with home.database() as database:
        live = {person.key: person.role for person in roster.people(database) if not person.disabled_at}
    assert live == {"b01": "student", "instructor-3": "instructor"}


@pytest.mark.slow_on_postgresql
def test_two_web_processes_and_two_workers_take_a_class_at_once(school: Class) -> None:
    keys = ("b01", "b02", "b03", "b04", "x01")
    with running(school.home, "--processes", "2", "--workers", "2") as server, ThreadPoolExecutor(10) as crowd:
        jobs = [(key, school.file(place + 10.0 * number)) for place, key in enumerate(keys) for number in range(1, 5)]
        answers = list(crowd.map(lambda job: send(server.url, school, *job).status_code, jobs))
        assert Counter(answers) == {202: 12, 429: 8}, "three slots each, and a team of two has three together"
        until(lambda: graded(school, 12))
        rows = httpx.get(f"{server.url}/api/v1/homeworks/hw1/board", headers=bearer(school, "ian")).json()["board"]
        assert [row["entries"] for row in rows] == [3, 3, 3, 3]
        time.sleep(0.5)
    balanced(school.home, 12)
    assert len(kept(school.home)) == 12


@pytest.mark.slow_on_postgresql
def test_one_file_delivered_many_times_at_once_is_one_submission(school: Class) -> None:
    with running(school.home, "--processes", "2") as server, ThreadPoolExecutor(4) as crowd:
        answers = list(crowd.map(lambda _: send(server.url, school, "b01", school.sample), range(8)))
        assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
        assert len({json.dumps(answer.json()["receipt"]) for answer in answers}) == 1
        until(lambda: graded(school, 1))
        time.sleep(0.5)
    balanced(school.home, 1)


@pytest.mark.slow
def test_two_servers_on_one_database_and_one_home_are_one_course(
    course: Path, tmp_path: Path, postgresql: Server
) -> None:
    school = make_class(course, tmp_path / "home", postgresql.new_database())
    with running(school.home, "--workers", "1") as two:
        with running(school.home, "--workers", "0") as one, ThreadPoolExecutor(4) as crowd:
            jobs = [((one, two)[number % 2].url, number / 2.0) for number in range(8)]
            answers = list(crowd.map(lambda job: send(job[0], school, "b01", school.file(job[1])), jobs))
            assert Counter(answer.status_code for answer in answers) == {202: 3, 429: 5}
            until(lambda: graded(school, 3))
            taken = next(place for place, answer in enumerate(answers) if answer.status_code == 202)
            elsewhere = (one, two)[1 - taken % 2].url
            again = send(elsewhere, school, "b01", school.file(jobs[taken][1]))
            assert (again.status_code, again.json()["receipt"]) == (200, answers[taken].json()["receipt"])
            session = httpx.post(f"{one.url}/api/v1/session", json={"token": school.tokens["b02"]})
            me = httpx.get(f"{two.url}/api/v1/me", headers={"Cookie": session.headers["set-cookie"].split(";")[0]})
            assert me.json()["name"] == "Bob"
            one.process.kill()
        assert send(two.url, school, "b02", school.sample).status_code == 202
        until(lambda: graded(school, 4))
        time.sleep(0.5)
    balanced(school.home, 4)


def half_sent(server: Running, school: Class) -> socket.socket:
    """A connection on which half of a file was sent."""
    host, _, port = server.url.rpartition("/")[2].partition(":")
    link = socket.create_connection((host, int(port)), timeout=30)
    data = school.sample
    link.sendall(head(school, "b01", len(data)) + data[: len(data) // 2])
    until(lambda: list(school.home.submissions.glob(".*.part")))
    return link


@pytest.mark.slow
def test_a_kill_of_a_web_process_in_the_middle_of_an_upload_costs_nothing(school: Class) -> None:
    with running(school.home) as server:
        with half_sent(server, school) as link:
            os.kill(server.children()[0], signal.SIGKILL)
            assert heard(link) == b""
        answering(server.url, school.home)
        assert send(server.url, school, "b01", school.sample).json()["quota"]["used"] == 1
        until(lambda: graded(school, 1))
        time.sleep(0.5)
    for path in school.home.submissions.glob(".*.part"):
        os.utime(path, (1.0, 1.0))  # an hour later
    run.sweep_left_overs(school.home, NOW)
    balanced(school.home, 1)


@pytest.mark.slow
def test_a_kill_of_the_parent_ends_the_others_and_a_new_start_goes_on(school: Class) -> None:
    with running(school.home, "--workers", "2") as server:
        children = server.children()
        first = send(server.url, school, "b01", school.sample)
        with half_sent(server, school):
            server.process.kill()
        until(lambda: not [pid for pid in children if Path(f"/proc/{pid}").exists()])
    with running(school.home) as server:
        again = send(server.url, school, "b01", school.sample)
        assert (first.status_code, again.status_code) == (202, 200)
        assert again.json()["receipt"] == first.json()["receipt"]
        until(lambda: graded(school, 1))
        time.sleep(0.5)
    balanced(school.home, 1)


def kill_workers_while_they_grade(school: Class) -> None:
    with running(school.home, "--workers", "2") as server:
        for number in range(12):
            key = ("b01", "b02", "b03", "x01")[number % 4]
            assert send(server.url, school, key, school.file(float(number))).status_code == 202
            if number % 3 == 0:
                os.kill(server.children()[-1], signal.SIGKILL)
        until(lambda: graded(school, 12), lambda: unfinished(school.home, server.log))
        time.sleep(0.5)
    balanced(school.home, 12)


def unfinished(home: Home, log: Path) -> str:
    """What state each submission without a grade is in, and the end of the server's log."""
    with home.database() as database:
        leases = database.fetch("SELECT submission_id, worker, until, attempts, losses, failed_code FROM leases")
        settled = {row.submission for row in results.grade_rows(database)}
        left = [entry.id for entry in records.submissions(database) if entry.id not in settled]
    return f"without a grade: {left}; leases: {leases}; now: {datetime.now(UTC)}\n{log.read_text()[-3000:]}"


@pytest.mark.slow
def test_kills_of_workers_while_they_grade_leave_one_grade_of_each_file(school: Class) -> None:
    kill_workers_while_they_grade(school)


@pytest.mark.slow
@pytest.mark.parametrize("again", range(25))
def test_kills_of_workers_while_they_grade_do_so_every_time(school: Class, again: int) -> None:
    kill_workers_while_they_grade(school)


def reached(found: Sized, count: int) -> bool:
    return len(found) >= count


@pytest.mark.slow
def test_kills_of_the_database_cost_nothing_and_all_go_on_by_themselves(
    course: Path, tmp_path: Path, mortal: Server
) -> None:
    school = make_class(course, tmp_path / "home", mortal.new_database(), quota=4)
    with (school.home.root / "config.toml").open("a") as config:
        config.write("[server]\nuploads_per_minute = 1000\nrequests_per_minute = 100000\n")
    school.home = open_home(school.home.root)
    receipts: dict[tuple[str, float], str] = {}

    def hand_in(key: str) -> None:
        for number in range(4):
            for _ in range(600):  # as the client does: again until there is an answer
                answer = send(server.url, school, key, school.file(ord(key[2]) + 10.0 * number))
                if answer.status_code in (200, 202):
                    break
                assert answer.status_code == 503, answer.text
                time.sleep(0.1)
            receipts[key, number] = json.dumps(answer.json()["receipt"])

    with running(school.home, "--processes", "2", "--workers", "2") as server, ThreadPoolExecutor(4) as crowd:
        before = server.children()
        jobs = [crowd.submit(hand_in, key) for key in ("b01", "b02", "b03", "x01")]
        for count in (3, 9):
            until(partial(reached, receipts, count))
            mortal.kill()
            assert mortal.start()
        for job in jobs:
            job.result()
        until(lambda: graded(school, 16), partial(unfinished, school.home, server.log))
        for (key, number), receipt in receipts.items():
            again = send(server.url, school, key, school.file(ord(key[2]) + 10.0 * number))
            assert (again.status_code, json.dumps(again.json()["receipt"])) == (200, receipt)
        assert send(server.url, school, "b01", school.file(99.0)).status_code == 429
        time.sleep(0.5)
        assert server.children() == before, "nobody had to be started anew"
    balanced(school.home, 16)


def test_a_stop_lets_an_upload_that_has_begun_end_well(local: Class) -> None:
    data = local.sample
    with running(local.home) as server, half_sent(server, local) as link:
        server.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(server.url))
        link.sendall(data[len(data) // 2 :])
        assert b"202 Accepted" in link.recv(2**16)
    assert len(kept(local.home)) == 1


def refuses(url: str) -> bool:
    """Whether no new connection is answered."""
    try:
        httpx.get(f"{url}/api/v1/course", timeout=0.5)
    except httpx.TransportError:
        return True
    return False


def test_its_own_certificate_gives_https_and_secure_cookies(local: Class) -> None:
    certificate, key = self_signed(local.home.root)
    with (local.home.root / "config.toml").open("a") as config:
        config.write(f'[server]\ncertificate = "{certificate}"\nkey = "{key}"\n')
    local.home = open_home(local.home.root)
    with running(local.home, "--workers", "0") as server:
        assert server.url.startswith("https://127.0.0.1:")
        trust = ssl.create_default_context(cafile=str(certificate))
        answer = httpx.post(f"{server.url}/api/v1/session", json={"token": local.tokens["b01"]}, verify=trust)
        assert answer.headers["set-cookie"].startswith("__Host-lhy_grade=")
        assert "Secure" in answer.headers["set-cookie"]
        assert "strict-transport-security" in answer.headers


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--port", "70000"], "70000"), (["--host", "192.0.2.1"], "cannot listen"), (["--processes", "0"], "processes")],
)
def test_a_start_that_cannot_be_says_why(local: Class, words: list[str], said: str) -> None:
    command = [sys.executable, "-c", START, "--home", str(local.home.root), "serve", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_rule_that_cannot_hold_keeps_the_server_from_starting(local: Class) -> None:
    with (local.home.root / "config.toml").open("a") as config:
        config.write('selections = "two"\n')
    command = [sys.executable, "-c", START, "--home", str(local.home.root), "serve", "--port", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "selections" in done.stderr
