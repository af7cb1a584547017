"""Logging in to a server of a class, and whose course a command then means."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from harness.cli import common
from harness.course import login, remote
from leaderboard import access_tokens
from tasks.base import UserError
from tests import class_server
from tests.class_server import NOW, TOKEN, Served, call, interrupt, issue, log_in

home, served, folders = class_server.home, class_server.served, class_server.folders


# Logging in.


def test_login_keeps_the_token_where_only_its_owner_can_read_it_and_says_who_one_is(
    served: Served, folders: Path
) -> None:
    token = issue(served.home, "ada")
    done = call("login", served.url, input=f"{token}\n")
    assert done.exit_code == 0
    assert "ada, student" in done.stdout
    kept = folders / "config" / "lhy-grade" / "login.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert json.loads(kept.read_text())["token"] == token
    assert token not in done.stdout + done.stderr
    assert token not in repr(login.read_login(kept))
    assert "ada, student" in call("login").stdout
    assert call("logout").exit_code == 0
    assert not kept.exists()
    assert call("logout").exit_code == 2
    assert "not prepared" in call("quota", "hw1").stderr  # the home of this user, which is empty


def test_logout_ends_the_token_at_the_server(served: Served, folders: Path) -> None:
    token = issue(served.home, "ada")
    assert call("login", served.url, input=f"{token}\n").exit_code == 0
    done = call("logout")
    assert (done.exit_code, done.stdout) == (0, "logged out; the token has been revoked\n")
    assert call("login", served.url, input=f"{token}\n").exit_code == 6
    log_in(served)
    with served.home.database() as database:
        for row in access_tokens.tokens(database, "ada"):
            access_tokens.revoke_token(database, row.id, "prof", NOW)
    assert call("logout").stdout == "logged out; the token has been revoked\n"


def test_logout_without_the_server_forgets_the_token_here_and_says_until_when_it_holds(
    served: Served, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = folders / "config" / "lhy-grade" / "login.json"
    log_in(served)
    with monkeypatch.context() as patch:
        patch.setattr(remote.RemoteCourse, "_once", interrupt)
        assert "until 2027-09-17" in call("logout").stdout
    assert not kept.exists()
    log_in(served)
    served.stop()
    done = call("logout")
    assert done.exit_code == 0
    assert "until 2027-09-17T20:00:00+08:00" in done.stdout
    assert "cannot be reached" in done.stderr
    assert not kept.exists()
    kept.write_text("no login")
    assert call("logout").exit_code == 0
    assert not kept.exists()


def test_the_login_is_private_whatever_the_umask_and_whatever_lay_there(served: Served, folders: Path) -> None:
    kept = folders / "config" / "lhy-grade" / "login.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("an old one")
    kept.chmod(0o644)
    before = os.umask(0)
    try:
        log_in(served)
    finally:
        os.umask(before)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["login.json"]


@pytest.mark.parametrize("token", [TOKEN + "\n", TOKEN + "\r\nX-Y: 1", "é" + TOKEN, "", 7, None])
def test_a_login_that_was_damaged_is_refused_without_showing_its_token(token: object) -> None:
    path = common.login_file()
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"url": "http://127.0.0.1:9", "token": token}))
    done = call("--debug", "quota", "hw1")
    assert done.exit_code == 2
    assert "log in again" in done.stderr
    assert "xxxx" not in done.output + repr(done.exception)


def test_a_token_that_does_not_hold_is_refused_and_not_kept(served: Served, folders: Path) -> None:
    for token in (TOKEN, "", "secret", "lhy_" + "é" * 43):
        done = call("login", served.url, input=f"{token}\n")
        assert done.exit_code == 6, token
        assert not (folders / "config").exists()
    log_in(served)
    with served.home.database() as database:
        for token_row in access_tokens.tokens(database, "ada"):
            access_tokens.revoke_token(database, token_row.id, "prof", NOW)
    assert call("quota", "hw1").exit_code == 6


def test_an_invitation_opens_once_and_leaves_a_token_of_this_machine(served: Served, folders: Path) -> None:
    invitation = issue(served.home, "ada", login.INVITATION)
    assert login.INVITATION == access_tokens.INVITATION
    assert call("login", served.url, input=f"{invitation}\n").exit_code == 0
    kept = folders / "config" / "lhy-grade" / "login.json"
    assert json.loads(kept.read_text())["token"] != invitation
    assert call("quota", "hw1").exit_code == 0
    assert call("login", served.url, input=f"{invitation}\n").exit_code == 6
    further = call("login", "--new-token").stdout.strip()
    assert call("login", served.url, input=f"{further}\n").exit_code == 0


def test_a_student_names_lists_and_ends_their_own_tokens(served: Served) -> None:
    bob = issue(served.home, "bob", "of bob")  # number 1
    log_in(served)  # number 2
    made = call("login", "--new-token", "--label", "lab PC").stdout.strip()
    rows = [line.split() for line in call("login", "--list").stdout.splitlines()]
    assert [(row[0], row[1]) for row in rows if row[:1] and row[0].isdecimal()] == [("2", "test"), ("3", "lab")]
    shown = call("login", "--list").output
    assert next(line for line in shown.splitlines() if "this machine" in line).split()[0] == "2"
    assert made not in shown
    assert "lhy_" not in shown
    assert remote.RemoteCourse(served.url, made).me().name == "ada"
    done = call("login", "--end", "3")
    assert (done.exit_code, done.stdout) == (0, "token 3 (lab PC) has ended\n")
    with pytest.raises(UserError) as error:
        remote.RemoteCourse(served.url, made).me()
    assert error.value.code == "E_LOGIN"
    for number in ("3", "1", "99"):
        refused = call("login", "--end", number)
        assert (refused.exit_code, f"you have no valid token {number}" in refused.stderr) == (2, True), refused.output
    assert remote.RemoteCourse(served.url, bob).me().name == "bob", "of others nobody ends a token"
    own = call("login", "--end", "2")
    assert (own.exit_code, "lhy-grade logout" in own.stderr) == (2, True)
    assert call("quota", "hw1").exit_code == 0
    for words in (("--list", "--new-token"), ("--list", "--end", "2"), ("--label", "x"), ("--list", "--label", "x")):
        assert call("login", *words).exit_code == 2, words
    assert call("login", "--new-token", "--label", "x" * 61).exit_code == 2


@pytest.mark.parametrize(
    ("url", "insecure", "code"),
    [
        ("https://example.org", False, None),
        ("https://example.org/ml/", False, None),
        ("http://127.0.0.1:8600", False, None),
        ("http://[::1]:8600", False, None),
        ("http://localhost", False, None),
        ("http://example.org", True, None),
        ("http://example.org", False, "E_INSECURE"),
        ("http://127.0.0.1.example.org", False, "E_INSECURE"),
        ("http://localhost.example.org", False, "E_INSECURE"),
        ("http://2130706433", False, "E_INSECURE"),
        ("example.org", False, "E_USAGE"),
        ("ftp://example.org", True, "E_USAGE"),
        ("https://", False, "E_USAGE"),
        ("https://ada:pw@example.org", False, "E_USAGE"),
        ("https://example.org/?token=x", False, "E_USAGE"),
        ("https://example.org:99999", False, "E_USAGE"),
        ("https://[::1", False, "E_USAGE"),
    ],
)
def test_plain_http_is_for_this_machine_alone_unless_it_is_asked_for(
    url: str, insecure: bool, code: str | None
) -> None:
    if code is None:
        assert login.check_url(url, insecure) == url.rstrip("/")
        return
    with pytest.raises(UserError) as error:
        login.check_url(url, insecure)
    assert error.value.code == code


def test_as_is_refused_where_the_login_says_who_one_is(served: Served) -> None:
    log_in(served)
    refused = call("quota", "hw1", "--as", "bob")
    assert refused.exit_code == 2
    assert "login" in refused.stderr


# What a home alone can do, and what a server says.


@pytest.mark.parametrize(
    "words",
    [
        ["audit", "verify"],
        ["calibrate", "hw1"],
        ["worker"],
        ["grade", "--pending"],
        ["prepare", "hw1"],
        ["train", "hw1", "--level", "simple"],
        ["serve"],
    ],
    ids=" ".join,
)
def test_what_works_on_a_home_alone_is_not_taken_for_the_servers_by_a_login(folders: Path, words: list[str]) -> None:
    login.write_login(common.login_file(), remote.RemoteCourse("https://course.test", TOKEN))
    refused = call(*words)
    assert refused.exit_code == 6
    assert "you are logged in to https://course.test" in refused.stderr
    assert f"--home {folders / 'data' / 'lhy-grade'} " in refused.stderr
    assert not (folders / "data").exists()


def test_a_home_that_is_named_comes_before_a_login(served: Served) -> None:
    log_in(served)
    done = call("--home", str(served.home.root), "roster", "list", "--format", "csv")
    assert done.exit_code == 0
    assert "ada" in done.stdout


def test_doctor_tells_whether_the_login_holds(served: Served) -> None:
    log_in(served)
    rows = json.loads(call("doctor", "--format", "json").stdout)["checks"]
    assert {"what": "server", "state": "ok", "detail": f"{served.url}, as ada"} in rows
    served.stop()
    assert call("doctor").exit_code == 10
