"""The roster and its invitations by page, API and login: previews, bad files, mail, and a mail server that hangs."""

from __future__ import annotations

import contextlib
import csv
import email
import email.policy
import io
import json
import smtplib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.course import remote
from harness.grading import audit
from harness.server.mail import Mail, send
from harness.settings import Settings
from leaderboard import access_tokens, enrolment, roster
from tests import class_server, web
from tests.class_server import Served, call, log_in
from tests.classes import NOW, WIDE, Class, error
from tests.test_desk_changes import of_kind, previewed, sent
from tests.web import signed_in

home, served, folders = class_server.home, class_server.served, class_server.folders
site = web.site
IMPORT, INVITE = "/roster/import", "/roster/invite"


def names(site: Class) -> dict[str, str]:
    with site.home.database() as database:
        return {person.key: person.name for person in roster.people(database)}


def test_a_roster_is_previewed_and_imported_by_an_instructor_alone(site: Class) -> None:
    ian = signed_in(site, "ian")
    text = "id,name,team\nb09,Zoe,\nb01,Ada Lin,\nb03,Eve,owls\nb04,Kim,owls\nb10,=1+1,\n"
    before = names(site)
    page = previewed(ian, IMPORT, csv=text, reason="late enrolment")
    for words in (
        "add 2 to the roster",
        "rename the team otters to owls",
        "b01: name from Ada to Ada Lin",
        "apostrophe",
    ):
        assert words in page.text, words
    assert names(site) == before
    tom = signed_in(site, "tom")
    assert tom.get(IMPORT).status_code == 403
    assert tom.post(IMPORT, data=sent(page, go="do")).status_code == 403
    body = {"csv": text, "reason": "x"}
    assert error(site.client("tom").post("/api/v1/roster/people", json=body)) == (403, "E_NOT_ALLOWED")
    done = ian.post(IMPORT, data=sent(page, go="do"))
    assert (done.status_code, done.headers["location"]) == (303, "/roster/import?done=1")
    assert names(site) == before | {"b09": "Zoe", "b01": "Ada Lin", "b10": "=1+1"}
    assert [event.actor for event in of_kind(site, "roster imported")][-1] == "ian"
    listed = signed_in(site, "tom").get("/roster?q=owls").text
    assert "2 of 9 people" in listed
    assert audit.verify(site.home)[0] == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("id,name\nb01,Ada\nb01,Ada\n", "the id b01 appears twice"),
        ("id,name\nb09,Bob\n", "the name Bob is also that of b02"),
        ("name\nAda\n", "must have the columns id, name"),
        ("id,name,grade\nb01,Ada,1\n", "must have the columns"),
        ("id,name,email\nb01,Ada,nowhere\n", "not a valid e-mail address"),
        ("id,name\n" + "".join(f"x{n},Person {n}\n" for n in range(100_000)), "100,000 people; at most 20,000"),
        ("", "must have the columns"),
    ],
    ids=["twice", "same name", "no id", "another column", "address", "100,000 lines", "empty"],
)
def test_a_roster_with_mistakes_is_refused_with_each_line_and_changes_nothing(
    site: Class, text: str, problem: str
) -> None:
    before, began = names(site), time.monotonic()
    answer = site.client("ian").post("/api/v1/roster/people", json={"csv": text, "reason": "x"})
    assert (answer.status_code, problem in answer.text) == (400, True), answer.text[:500]
    assert time.monotonic() - began < 20
    assert names(site) == before


def test_of_two_imports_at_once_the_second_is_told(site: Class) -> None:
    ian = signed_in(site, "ian")
    page = previewed(ian, IMPORT, csv="id,name\nb09,Zoe\n", reason="x")
    with site.home.database() as database:
        enrolment.disable(database, "b02", actor="ian", reason="left", now=NOW)
    late = ian.post(IMPORT, data=sent(page, go="do"))
    assert (late.status_code, "somebody else changed the roster" in late.text.lower()) == (409, True)
    assert "b09" not in names(site)


def test_invitations_come_once_as_a_file_for_a_mail_merge_and_each_works_once(site: Class) -> None:
    ian = signed_in(site, "ian")
    with site.home.database() as database:
        eve = roster.RosterEntry("b03", "=Eve", "b03@example.org", "student", "otters")
        enrolment.add_person(database, eve, actor="ian", reason="x", now=NOW)
    page = previewed(ian, INVITE, people="b01 b03", reason="lost theirs", by="file")
    assert "make 2 invitations" in page.text
    assert "lhy_" not in page.text
    assert len(of_kind(site, "tokens issued")) == 7
    done = ian.post(INVITE, data=sent(page, go="do", by="file"))
    assert done.headers["content-disposition"] == 'attachment; filename="invitations.csv"'
    assert done.headers["cache-control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(done.text)))
    assert [(row["id"], row["email"], row["address"]) for row in rows] == [
        (key, f"{key}@example.org", WIDE.address) for key in ("b01", "b03")
    ]
    assert rows[1]["name"] == "'=Eve"
    for row in rows:
        assert row["token"] in row["text"]
        assert row["address"] in row["text"]
        assert site.client().post("/api/v1/session", json={"token": row["token"]}).status_code == 200
        assert site.client().post("/api/v1/session", json={"token": row["token"]}).status_code == 401
    tom = signed_in(site, "tom")
    assert tom.post(INVITE, data=sent(page, go="do", by="file")).status_code == 403
    body: dict[str, Any] = {"people": ["nobody"], "reason": "x"}
    assert error(site.client("ian").post("/api/v1/roster/invitations", json=body)) == (400, "E_ROSTER")
    body |= {"people": ["b01"], "mail": True}
    assert error(site.client("ian").post("/api/v1/roster/invitations", json=body)) == (400, "E_MAIL")
    assert audit.verify(site.home)[0] == []


@pytest.mark.parametrize("change", ["a token more", "a token less", "another address", "one person more"])
def test_invitations_are_not_made_where_people_or_tokens_are_not_as_previewed(site: Class, change: str) -> None:
    where, ian, page = "/api/v1/roster/invitations", site.client("ian"), signed_in(site, "ian")
    with site.home.database() as database:
        roster_of: dict[str, Any] = {"actor": "ian", "reason": "x", "now": NOW}
        enrolment.add_person(database, roster.RosterEntry("b08", "Zoe", "b08@example.org"), **roster_of)
        number = access_tokens.issue_token(database, "b08", "1" * 64, "all", "x", NOW, "ian", NOW - timedelta(1))
    body: dict[str, Any] = {"reason": "start"}
    body["seen"] = ian.post(where, json=body | {"preview": True}).json()["seen"]
    form = previewed(page, INVITE, reason="start", by="file")
    assert "b08: Zoe" in form.text
    with site.home.database() as database:
        if change == "a token more":
            access_tokens.issue_token(database, "b08", "2" * 64, "all", "x", NOW, "ian", NOW)
        elif change == "a token less":
            access_tokens.revoke_token(database, number, "ian", NOW)
        else:
            key = "b08" if change == "another address" else "b09"
            entry = roster.RosterEntry(key, "Zoe" if key == "b08" else "Max", "new@example.org")
            enrolment.add_person(database, entry, **roster_of)
    before = len(of_kind(site, "tokens issued"))
    assert error(ian.post(where, json=body)) == (409, "E_CHANGED")
    refused = page.post(INVITE, data=sent(form, go="do", by="file"))
    assert (refused.status_code, "somebody else changed the tokens" in refused.text.lower()) == (409, True)
    assert len(of_kind(site, "tokens issued")) == before
    body["seen"] = ian.post(where, json=body | {"preview": True}).json()["seen"]
    assert ian.post(where, json=body).status_code == 200
    assert error(ian.post(where, json=body)) == (409, "E_CHANGED"), "sent twice, made once"


def test_nobody_is_taken_off_or_put_back_where_they_stand_otherwise_than_previewed(site: Class) -> None:
    where, ian, page = "/api/v1/roster/people/b01", site.client("ian"), signed_in(site, "ian")
    body: dict[str, Any] = {"reason": "left", "disabled": True}
    body["seen"] = ian.request("PATCH", where, json=body | {"preview": True}).json()["seen"]
    form = previewed(page, "/roster/people/b01/stand", reason="left")
    with site.home.database() as database:
        access_tokens.issue_token(database, "b01", "2" * 64, "all", "x", NOW + timedelta(9), "ian", NOW)
    assert error(ian.request("PATCH", where, json=body)) == (409, "E_CHANGED")
    assert page.post("/roster/people/b01/stand", data=sent(form, go="do")).status_code == 409
    assert of_kind(site, "person disabled") == []
    body["seen"] = ian.request("PATCH", where, json=body | {"preview": True}).json()["seen"]
    assert ian.request("PATCH", where, json=body).status_code == 200
    assert error(ian.request("PATCH", where, json=body | {"disabled": False})) == (409, "E_CHANGED")
    assert of_kind(site, "person enabled") == []


@contextlib.contextmanager
def mail_server(speaks: bool, drips: bool = False, most: int = 1000) -> Iterator[tuple[int, list[str]]]:
    """A mail server on a port, with the mails that it took.

    One that hangs says nothing at all, or nothing after `most` mails.
    """
    listening, taken, ended = socket.create_server(("127.0.0.1", 0)), [], threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, connection.makefile("rwb") as stream:
                    if not speaks:
                        while not ended.wait(0.2):
                            if drips:
                                stream.write(b"2")
                                stream.flush()
                        return
                    answer(stream)

    def answer(stream: Any) -> None:
        def say(text: str) -> None:
            stream.write(f"{text}\r\n".encode())
            stream.flush()

        say("220 ready")
        while line := stream.readline().decode().strip():
            word = line.upper()
            if word == "DATA":
                say("354 go on")
                body = b""
                while not body.endswith(b"\r\n.\r\n"):
                    body += stream.readline()
                taken.append(body.decode())
                if len(taken) == most:
                    say("250 ok")
                    ended.wait(20)
                    return
            say("221 bye" if word == "QUIT" else "550 no" if "RCPT TO:<B02" in word else "250 ok")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listening.getsockname()[1], taken
    ended.set()
    listening.shutdown(socket.SHUT_RDWR) if hasattr(socket, "SHUT_RDWR") else None
    listening.close()
    thread.join(5)


def by_mail(port: int, seconds: int = 30) -> Settings:
    return replace(
        WIDE,
        mail_host="127.0.0.1",
        mail_port=port,
        mail_security="none",
        mail_from="ml@example.org",
        mail_seconds=seconds,
    )


def test_invitations_are_sent_by_mail_and_those_that_failed_are_named(site: Class) -> None:
    with site.home.database() as database, database.transaction():
        database.execute("UPDATE people SET email = '' WHERE key = 'x01'")
    with mail_server(speaks=True) as (port, taken):
        ian = site.client("ian", by_mail(port))
        body = {"people": ["b01", "b02", "b04", "x01"], "reason": "start", "mail": True}
        done = ian.post("/api/v1/roster/invitations", json=body).json()
    assert done["mailed"] is True
    assert done["unsent"] == {
        "b02": "the mail server does not take this address",
        "x01": "there is no e-mail address on the roster",
    }
    assert [row["token"] == "" == row["text"] for row in done["invitations"]] == [False, True, False, True]
    assert len(taken) == 2
    ids = set()
    for row, text in zip((done["invitations"][0], done["invitations"][2]), taken, strict=True):
        mail = email.message_from_string(text, policy=email.policy.default)
        assert (mail["To"], mail["Date"].datetime) == (row["email"], NOW)
        assert mail["Message-ID"].endswith("@example.org>")
        assert row["token"] in mail.get_content()
        ids.add(mail["Message-ID"])
    assert len(ids) == 2
    (event,) = of_kind(site, "invitations mailed")
    assert (event.actor, json.loads(event.body)) == ("ian", {"people": ["b01", "b04"], "unsent": ["b02", "x01"]})


@pytest.mark.parametrize("way", ["command", "API", "page"])
def test_invitations_that_were_not_sent_end_and_the_next_bare_run_sends_them(
    site: Class, way: str, folders: Path
) -> None:
    people = ["b01", "b02", "b03", "b04", "x01"]  # the mail server takes b01, refuses b02, and then says no more
    ian = site.client("ian")
    for row in ian.get("/api/v1/roster/tokens").json()["tokens"]:
        if row["id"] in people:
            assert ian.post(f"/api/v1/roster/tokens/{row['token']}/end", json={"reason": "x"}).status_code == 200

    def send_by(port: int) -> str:
        if way == "command":
            settings = f'[server]\nmail_host = "127.0.0.1"\nmail_port = {port}\nmail_security = "none"\n'
            settings += 'mail_from = "ml@example.org"\nmail_seconds = 2\n'
            config = site.home.root / "config.toml"
            config.write_text(config.read_text().partition("[server]")[0] + settings)
            words = ["roster", "invite", "--mail", "--reason", "start", "--yes", "--as", "ian"]
            done = call("--home", str(site.home.root), *words)
            assert done.exit_code == 0, done.output
            return done.output
        settings_there = by_mail(port, 2)
        if way == "API":
            body = {"reason": "start", "mail": True}
            return site.client("ian", settings_there).post("/api/v1/roster/invitations", json=body).text
        browser = site.client("ian", settings_there)
        del browser.headers["Authorization"]
        browser.headers["origin"] = web.URL
        browser.post("/login", data={"token": site.tokens["ian"]})
        form = previewed(browser, INVITE, reason="start", by="mail")
        return browser.post(INVITE, data=sent(form, by="mail", go="do")).text

    def states() -> dict[str, str]:
        rows = {row["id"]: row["login"] for row in ian.get("/api/v1/roster/people").json()["people"]}
        return {key: rows[key] for key in people}

    with mail_server(speaks=True, most=2) as (port, taken):
        told = send_by(port)
    assert [mail.partition("To: ")[2].partition("@")[0] for mail in taken] == ["b01", "b03"]
    assert states() == {"b01": "invited", "b02": "none", "b03": "invited", "b04": "none", "x01": "none"}
    assert "the mail server does not take this address" in told
    assert "not sent: the mail server took too long" in told
    assert "run it again" in told or way == "API"
    with mail_server(speaks=True) as (port, taken):
        send_by(port)
    assert [mail.partition("To: ")[2].partition("@")[0] for mail in taken] == ["b04", "x01"], "and b01 and b03 no more"
    assert states() == {"b01": "invited", "b02": "none", "b03": "invited", "b04": "invited", "x01": "invited"}
    ended = [json.loads(event.body) for event in of_kind(site, "token revoked")]
    assert [len(body["tokens"]) for body in ended if body["reason"] == "the mail was not sent"] == [3, 1]
    assert audit.verify(site.home)[0] == []


def test_a_mail_server_that_hangs_is_left_in_time_and_holds_up_nobody(site: Class) -> None:
    with mail_server(speaks=False) as (port, _):
        ian, began = site.client("ian", by_mail(port, 2)), time.monotonic()
        found: dict[str, httpx.Response] = {}
        body = {"people": ["b01"], "reason": "start", "mail": True}
        thread = threading.Thread(target=lambda: found.update(done=ian.post("/api/v1/roster/invitations", json=body)))
        thread.start()
        time.sleep(0.3)
        assert site.client("b01", by_mail(port, 2)).get("/api/v1/me").status_code == 200
        assert thread.is_alive(), "the other request is answered meanwhile"
        thread.join(30)
        assert time.monotonic() - began < 15
    assert found["done"].status_code == 200
    assert found["done"].json()["unsent"] == {"b01": "not sent: the mail server took too long"}


def test_a_mail_server_that_sends_a_byte_now_and_then_is_left_in_time_too() -> None:
    with mail_server(speaks=False, drips=True) as (port, _):
        began = time.monotonic()
        letters = [Mail(f"b{n:02}", "a@example.org", "hello", "text") for n in range(3)]
        failed = send(by_mail(port, 2), letters, NOW)
        assert time.monotonic() - began < 10
    assert failed == {f"b{n:02}": "not sent: the mail server took too long" for n in range(3)}


def test_a_mail_server_that_is_not_there_is_no_error_of_ours_and_no_header_is_made_of_a_name(tmp_path: Path) -> None:
    settings = replace(by_mail(1), mail_seconds=2)
    assert "failed" in send(settings, [Mail("b01", "a@example.org", "hello", "text")], NOW)["b01"]
    with mail_server(speaks=True) as (port, taken):
        evil = [
            Mail("b01", "a@example.org", "hello\r\nBcc: all@example.org", "x"),
            Mail("b02", "jürgen@example.org", "s", "x"),  # for a server that knows no SMTPUTF8
            Mail("b03", "c@example.org", "s", "x"),
        ]
        no = "the address is not valid in mail, or not for this mail server"
        assert send(by_mail(port), evil, NOW) == {"b01": no, "b02": no}
        assert len(taken) == 1
        (secret := tmp_path / "password").write_text("geheim ü")
        settings = replace(by_mail(port), mail_user="ml", mail_password=str(secret))
        assert send(settings, evil[2:], NOW)["b03"].startswith("not sent: the mail server failed")


def test_an_interrupt_while_mails_are_sent_leaves_the_rest_unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(server: smtplib.SMTP, message: Any, send: Any = smtplib.SMTP.send_message) -> Any:
        if message["To"] == "b1@example.org":
            raise KeyboardInterrupt
        return send(server, message)

    monkeypatch.setattr(smtplib.SMTP, "send_message", interrupted)
    with mail_server(speaks=True) as (port, taken):
        letters = [Mail(f"b{n}", f"b{n}@example.org", "hello", "text") for n in range(3)]
        assert send(by_mail(port), letters, NOW) == {"b1": "not sent: interrupted", "b2": "not sent: interrupted"}
        assert len(taken) == 1


def test_a_login_imports_invites_and_takes_off_as_the_machine_does(served: Served, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("id,name,email\nzoe,Zoe,zoe@example.org\n")
    changes = (
        ["roster", "import", str(tmp_path / "people.csv")], ["roster", "disable", "eve"], ["roster", "enable", "eve"],
        ["roster", "invite", "zoe", "--out", str(tmp_path / "one.csv")],
    )  # fmt: skip
    log_in(served)
    for words in (*changes, ["roster", "list"]):
        more = [] if words[1] == "list" else ["--reason", "so", "--yes"]
        assert call(*words, *more).exit_code == 6, words
    assert not (tmp_path / "one.csv").exists()
    log_in(served, "prof")
    for words in changes:
        assert call(*words, "--reason", "so", input="n\n").exit_code == 1, words
        done = call(*words, "--reason", "so", "--yes")
        assert done.exit_code == 0, done.output
    (row,) = csv.DictReader((tmp_path / "one.csv").read_text().splitlines(keepends=True))
    assert (tmp_path / "one.csv").stat().st_mode & 0o077 == 0
    token = remote.RemoteCourse(served.url, row["token"]).new_token("mine")
    assert token.token.startswith("lhy_")
    there, here = call("roster", "list"), call("--home", str(served.home.root), "roster", "list")
    assert there.stdout == here.stdout
    assert "Zoe" in there.stdout
    with served.home.database() as database:
        assert access_tokens.find_token(database, access_tokens.hash_token(row["token"]), NOW) is None


def test_a_roster_that_is_refused_comes_back_as_it_was_sent(site: Class) -> None:
    ian, text = signed_in(site, "ian"), "id,name\nb77,王\u3000小明\n"
    page = ian.post("/roster/import", data=sent(ian.get("/roster/import"), csv=text, reason="start"))
    assert page.status_code == 400
    assert "王\u3000小明" in page.text.partition("<textarea")[2].partition("</textarea>")[0]


def test_somebody_with_a_token_of_their_own_can_log_in_whatever_invitation_came_later(site: Class) -> None:
    site.token("b01")
    ian = site.client("ian")
    done = ian.post("/api/v1/roster/invitations", json={"people": ["b01", "b04"], "reason": "again", "mail": False})
    assert done.status_code == 200, done.text
    rows = {row["id"]: row["login"] for row in ian.get("/api/v1/roster/people").json()["people"]}
    assert (rows["b01"], rows["b04"]) == ("yes", "yes"), "both have tokens of their own"
