"""People and teams changed by page, API, login and on the machine: the same words, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from harness.grading import audit
from leaderboard import events, roster
from tests import class_server, web
from tests.class_server import Served, call, issue, log_in
from tests.classes import Class, error
from tests.test_desk_changes import of_kind, previewed, sent
from tests.web import signed_in

home, served, folders = class_server.home, class_server.served, class_server.folders
site = web.site
IMPORT, TEAM = "/roster/import", "/roster/teams/otters/rename"
SO = ("--reason", "so")


def test_the_last_instructor_is_kept_by_page_API_login_and_machine(served: Served, tmp_path: Path) -> None:
    (file := tmp_path / "people.csv").write_text("id,name,role\nprof,prof,student\n")
    home = ["--home", str(served.home.root)]
    log_in(served, "prof")
    for more in ([], home):
        for words in (["roster", "disable", "prof"], ["roster", "import", str(file)]):
            done = call(*more, *words, "--reason", "so", "--yes")
            assert (done.exit_code, done.stdout) == (8, ""), words
            assert "prof is the last instructor on the roster. Make somebody else an instructor first" in done.stderr
    with httpx.Client(base_url=served.url, headers={"Authorization": f"Bearer {issue(served.home, 'prof')}"}) as client:
        for preview in (True, False):
            body: dict[str, Any] = {"reason": "so", "preview": preview}
            off = client.patch("/api/v1/roster/people/prof", json=body | {"disabled": True})
            imported = client.post("/api/v1/roster/people", json=body | {"csv": file.read_text()})
            assert error(off) == error(imported) == (409, "E_LAST_INSTRUCTOR")
    assert audit.verify(served.home)[0] == []


def test_pages_keep_the_last_instructor(site: Class) -> None:
    ian = signed_in(site, "ian")
    for where, values in (("/roster/people/ian/stand", {}), (IMPORT, {"csv": "id,name,role\nian,Ian,ta\n"})):
        page = ian.post(where, data=sent(ian.get(where), go="preview", reason="so", **values))
        assert (page.status_code, "ian is the last instructor" in page.text) == (409, True)


def test_who_is_on_or_off_the_roster_already_is_told_that_nothing_changed(served: Served) -> None:
    home, before = ["--home", str(served.home.root)], len(log_of(served))
    log_in(served, "prof")
    for more in ([], home):
        done = call(*more, "roster", "enable", "eve", "--reason", "so", "--yes")
        assert (done.exit_code, done.stderr) == (2, "eve (eve) is on the roster already; nothing was changed.\n")
    assert len(log_of(served)) == before + 1, "the token of the login"
    assert call("roster", "disable", "eve", "--reason", "so", "--yes").stdout == "take eve (eve) off the roster\n"
    for more in ([], home):
        done = call(*more, "roster", "disable", "eve", "--reason", "so", "--yes")
        assert (done.exit_code, done.stderr) == (2, "eve (eve) is off the roster already; nothing was changed.\n")


def log_of(served: Served) -> list[events.Event]:
    with served.home.database() as database:
        return list(events.events(database))


def test_an_import_says_the_same_under_a_login_and_on_the_machine(served: Served, tmp_path: Path) -> None:
    (file := tmp_path / "people.csv").write_text("id,name,team\nada,=1+1,\nbob,bob,Owls\nzoe,Zoe,Owls\n")
    here = ["--home", str(served.home.root)]
    log_in(served, "prof")
    asked = [call(*more, "roster", "import", str(file), *SO, input="n\n") for more in ([], here)]
    assert asked[0].output == asked[1].output
    assert [done.exit_code for done in asked] == [1, 1]
    for words in (
        "ada: =1+1 begins like a formula; files for spreadsheets have an apostrophe before it",
        "ada: name from ada to =1+1",
        "bob: team from none to Owls",
        "zoe: new, Zoe, student, team Owls",
        "add 1 to the roster, and change 2 already on it?",
    ):
        assert words in asked[0].stderr, words
    done = call("roster", "import", str(file), *SO, "--yes")
    assert done.stdout == "add 1 to the roster, and change 2 already on it\n"
    assert [line for line in done.stderr.splitlines() if line not in asked[0].stderr] == []
    assert "ada: name from ada to =1+1" in done.stderr, "the changes that --yes accepts"
    file.write_text("id,name,team\nbob,bob,Eagles\nzoe,Zoe,Eagles\n")
    asked = [call(*more, "roster", "import", str(file), *SO, input="n\n") for more in ([], here)]
    assert asked[0].output == asked[1].output
    assert "if it is another team, name it as a new team" in asked[0].stderr
    for more, name in (([], "Hawks"), (here, "Kites")):
        file.write_text(f"id,name,team\nbob,bob,{name}\nzoe,Zoe,{name}\n")
        old = team_of(served, "bob")
        done = call(*more, "roster", "import", str(file), "--rename", f"{old}={name}", *SO, "--yes")
        assert f"rename the team {old} to {name}" in done.stdout, done.output
        again = call(*more, "roster", "import", str(file), "--rename", f"{old}={name}", *SO, "--yes")
        assert f"there is no team {old}, and {name} exists: nothing to rename" in again.stderr
    for more in ([], here):
        file.write_bytes("id,name\nada,李宏毅\n".encode("big5"))
        done = call(*more, "roster", "import", str(file), *SO, "--yes")
        assert (done.exit_code, "people.csv is not UTF-8" in done.stderr) == (2, True)
    assert audit.verify(served.home)[0] == []


def team_of(served: Served, key: str) -> str | None:
    with served.home.database() as database:
        found = roster.find_person(database, key)
    assert found is not None
    return found.team


def test_a_team_is_renamed_under_a_login_as_on_the_machine(served: Served, tmp_path: Path) -> None:
    (file := tmp_path / "people.csv").write_text("id,name,team\nada,ada,A/B? 隊\n")
    log_in(served)
    assert call("roster", "rename", "A/B? 隊", "Owls", *SO, "--yes").exit_code == 6
    log_in(served, "prof")
    assert call("roster", "import", str(file), *SO, "--yes").exit_code == 0
    here, old = ["--home", str(served.home.root)], "A/B? 隊"
    asked = [call(*more, "roster", "rename", old, "Owls", *SO, input="n\n") for more in ([], here)]
    assert asked[0].output == asked[1].output
    assert f"rename the team {old}, with 1 member, to Owls?" in asked[0].stderr
    for more, new in (([], "Owls"), (here, "Night Owls")):
        done = call(*more, "roster", "rename", old, new, *SO, "--yes")
        assert (done.exit_code, done.stdout) == (0, f"rename the team {old}, with 1 member, to {new}\n"), done.output
        assert team_of(served, "ada") == new
        gone = call(*more, "roster", "rename", old, "Ducks", *SO, "--yes")
        assert (gone.exit_code, gone.stderr) == (2, f"there is no team {old} on the roster.\n")
        bad = call(*more, "roster", "rename", new, "bob", *SO, "--yes")
        assert (bad.exit_code, "has the id or the name of a person" in bad.stderr) == (2, True)
        old = new
    assert log_of(served)[-1].kind == "roster imported"
    assert audit.verify(served.home)[0] == []


def test_a_team_is_renamed_on_its_page_by_an_instructor_for_what_was_previewed(site: Class) -> None:
    ian = signed_in(site, "ian")
    assert TEAM in ian.get("/roster/people/b03").text
    assert TEAM not in signed_in(site, "tom").get("/roster/people/b03").text
    page = previewed(ian, TEAM, name="seals", reason="they asked")
    assert "rename the team otters, with 2 members, to seals" in page.text
    where, body = "/api/v1/roster/teams/otters", {"name": "crabs", "reason": "so", "seen": ""}
    body["seen"] = site.client("ian").request("PATCH", where, json=body | {"preview": True}).json()["seen"]
    done = ian.post(TEAM, data=sent(page, go="do"))
    assert (done.status_code, done.headers["location"]) == (303, f"{TEAM}?done=1")
    assert "The team has its new name." in ian.get(f"{TEAM}?done=1").text
    assert error(site.client("ian").request("PATCH", where, json=body)) == (409, "E_CHANGED")
    assert error(site.client("ian").request("PATCH", where, json=body | {"preview": True})) == (404, "E_NOT_FOUND")
    assert [event.actor for event in of_kind(site, "roster imported")][-1] == "ian"
    assert "seals" in ian.get("/roster?q=b03").text
    assert audit.verify(site.home)[0] == []
