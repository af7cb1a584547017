"""The form of a quiz: drafts of a person and of a team, two tabs, handing in, and all of it in a real Chromium."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from harness.cli import common
from harness.cli.main import cli
from harness.course import access, quizzes
from leaderboard import drafts, records
from tests import web
from tests.classes import NOW, Class, Client, make_class
from tests.quiz_key import DEADLINE, END, KEY
from tests.web import Live, signed_in

URL = "http://testserver"
FORM = "/homeworks/quiz1/quiz"
browser, live = web.browser, web.live


@pytest.fixture
def site(course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Class]:
    """A course with a quiz."""
    made = make_class(course, tmp_path / "home", f"sqlite:///{tmp_path / 'leaderboard.db'}", quota=100)
    (tmp_path / "key.csv").write_text(KEY)
    monkeypatch.setattr(common, "clock", lambda: NOW)
    words = ["new", "quiz1", "--quiz", str(tmp_path / "key.csv"), "--deadline", DEADLINE, "--title", "Quiz <1>"]
    result = CliRunner().invoke(cli, ["--home", str(made.home.root), *words])
    assert result.exit_code == 0, result.output
    yield made
    made.close()


def revision_of(text: str) -> str:
    found = re.search(r'name="revision" value="([0-9]+)"', text)
    assert found is not None
    return found[1]


def send(client: Client, page: str, path: str = FORM, **fields: Any) -> httpx.Response:
    """Sends the form of a page, with its revision."""
    body = {"revision": revision_of(page), "go": "save"} | fields
    return client.post(path, data=body, headers={"origin": URL})


def chosen(text: str) -> list[tuple[str, str]]:
    """Name and value of everything that is chosen on a page, except blanks."""
    found = re.findall(r'<input type="(?:radio|checkbox)" name="(q[0-9]+)" value="([^"]+)" checked', text)
    return [(name, html.unescape(value)) for name, value in found]


def test_the_form_shows_the_questions_as_text_each_in_a_group_with_a_name(site: Class) -> None:
    page = signed_in(site, "b01").get(FORM).text
    assert "Where is *the* gradient &lt;b&gt;zero&lt;/b&gt;?<br>=1+1</div>" in page
    assert page.count("<fieldset") == page.count("<legend>") == 3
    assert 'aria-describedby="q0-how q0-text"' in page
    assert page.count('type="radio"') == 4, "one may be chosen, or none"
    assert page.count('type="checkbox"') == 6, "nothing says how many are right"
    assert chosen(page) == []


def test_a_draft_is_saved_and_handed_in_and_the_receipt_confirms_it(site: Class) -> None:
    client = signed_in(site, "b01")
    page = client.get(FORM).text
    saved = send(client, page, q0="B", q1=["C", "A"])
    assert (saved.status_code, saved.headers["location"]) == (303, f"{FORM}?saved=1#saved")
    page = client.get(FORM).text
    assert chosen(page) == [("q0", "B"), ("q1", "A"), ("q1", "C")]
    assert "Left blank: 1 of 3" in page
    with site.home.database() as database:
        assert records.submissions(database) == [], "saving is not handing in"
    done = send(client, page, q0="B", q1=["C", "A"], q2="no", go="submit")
    assert (done.status_code, done.headers["location"]) == (303, "/submissions/1?handed=1")
    shown = client.get(done.headers["location"]).text
    assert "Your answers are handed in: submission 1" in shown
    assert "<details open>" in shown
    assert "lhy-grade receipt 1" in html.unescape(shown)
    assert site.work() == []
    assert "its points appear after the deadline" in client.get("/submissions/1").text
    site.now = END + timedelta(seconds=1)
    assert "Graded: 2.000 points." in client.get("/submissions/1").text
    assert "2.000" in client.get("/homeworks/quiz1/submissions").text
    staff = site.client("tom").get("/gradebook?hw=quiz1").text
    assert '<td class="right">2</td>' in staff


def test_handing_in_an_earlier_answer_again_makes_it_the_last_one(site: Class) -> None:
    client = signed_in(site, "b01")
    places = []
    for answer in ("B", "A", "B", "B"):
        done = send(client, client.get(FORM).text, q0=answer, go="submit")
        places.append(done.headers["location"])
    assert places == [f"/submissions/{n}?handed=1" for n in (1, 2, 3, 3)]


def test_of_two_tabs_the_second_is_told_what_the_first_saved_and_nothing_is_lost(site: Class) -> None:
    client = signed_in(site, "b01")
    one, two = client.get(FORM).text, client.get(FORM).text
    assert send(client, one, q0="A", q2="yes").status_code == 303
    answer = send(client, two, q0="B", go="submit")
    assert answer.status_code == 409
    assert "Nothing was saved" in answer.text
    assert [html.unescape(found) for found in re.findall(r"<li>(q\d): saved there is <bdi>(.*?)</bdi>", answer.text)[0]]
    assert re.findall(r"<li>(q\d): saved there is <bdi>(.*?)</bdi>", answer.text) == [("q1", "A"), ("q3", "yes")]
    assert chosen(answer.text) == [("q0", "B")], "the second tab keeps its own"
    assert chosen(client.get(FORM).text) == [("q0", "A"), ("q2", "yes")]
    assert send(client, answer.text, q0="B").status_code == 303
    assert chosen(client.get(FORM).text) == [("q0", "B")]


def test_a_script_saves_one_question_and_leaves_the_others(site: Class) -> None:
    client = signed_in(site, "b01")
    one, two = client.get(FORM).text, client.get(FORM).text
    for page, fields, revision in (
        (one, {"question": "q1", "q0": "A"}, 1),
        (two, {"question": "q2", "q1": "D"}, 2),
        (one, {"question": "q2", "q1": "D"}, 2),
        (two, {"question": "q1"}, 3),
    ):
        answer = send(client, page, f"{FORM}/answer", **fields)
        assert (answer.status_code, answer.json()["revision"]) == (200, revision)
    assert chosen(client.get(FORM).text) == [("q1", "D")]


def test_a_team_shares_its_answers_and_nobody_sees_those_of_others(site: Class) -> None:
    eve, kim, ada = (signed_in(site, key) for key in ("b03", "b04", "b01"))
    assert send(eve, eve.get(FORM).text, q0="C").status_code == 303
    assert chosen(kim.get(FORM).text) == [("q0", "C")]
    assert chosen(ada.get(FORM).text) == []
    assert send(kim, kim.get(FORM).text, q0="C", go="submit").status_code == 303
    assert eve.get("/submissions/1").status_code == 200
    assert ada.get("/submissions/1").status_code == 404


def test_after_the_deadline_nothing_is_saved_or_handed_in_but_by_who_has_more_time(site: Class) -> None:
    client, other = signed_in(site, "b01"), signed_in(site, "b02")
    page, others = client.get(FORM).text, other.get(FORM).text
    words = ["extend", "quiz1", "--person", "b02", "--hours", "1", "--reason", "was ill", "--yes"]
    assert CliRunner().invoke(cli, ["--home", str(site.home.root), *words]).exit_code == 0
    site.now = END + timedelta(microseconds=1)
    for path, go in ((FORM, "save"), (FORM, "submit"), (f"{FORM}/answer", "")):
        answer = send(client, page, path, q0="A", question="q1", go=go)
        assert answer.status_code == 409
        assert "were not saved" in answer.text
    closed = client.get(FORM).text
    assert closed.count("<fieldset disabled") == 3
    assert "Hand in</button>" not in closed
    assert send(other, others, q0="B", go="submit").status_code == 303
    with site.home.database() as database:
        assert drafts.find(database, "quiz1/1", "b01").revision == 0
        assert [one.participant for one in records.submissions(database)] == ["b02"]


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"q0": "X"}, 422, "has no option X"),
        ({"q0": ["A", "B"]}, 422, "may be chosen"),
        ({"q1": ["A", "A"]}, 422, "is there twice"),
        ({"q1": [f"X{n}" for n in range(1000)]}, 422, "has no option X0"),
        ({"q3": "A"}, 400, "not of this quiz"),
        ({"x": "A"}, 400, "not of this quiz"),
        ({"revision": "-1"}, 400, "lacks its revision"),
        ({"revision": "1" * 40}, 400, "lacks its revision"),
        ({"csrf": "0" * 64}, 400, "not of this quiz"),
    ],
)
def test_a_form_that_is_not_of_the_quiz_is_refused_and_changes_nothing(
    site: Class, fields: dict[str, Any], status: int, said: str
) -> None:
    client = signed_in(site, "b01")
    page = client.get(FORM).text
    for path in (FORM, f"{FORM}/answer"):
        answer = send(client, page, path, **({"question": ["q1", "q2"], "go": "submit"} | fields))
        assert (answer.status_code, said in html.unescape(answer.text)) == (status, True)
    with site.home.database() as database:
        assert drafts.find(database, "quiz1/1", "b01").revision == 0
        assert records.submissions(database) == []


def test_the_largest_quiz_with_everything_chosen_is_saved_and_handed_in(site: Class, tmp_path: Path) -> None:
    names = [f"{'選' * 6}{n}" for n in range(40)]
    rows = [f"q{n},{'|'.join(names)},{names[0]},1" for n in range(200)]
    (tmp_path / "large.csv").write_text("\n".join(["question,options,answer,points", *rows]))
    words = ["new", "quiz2", "--quiz", str(tmp_path / "large.csv"), "--deadline", DEADLINE, "--accept-leaks"]
    result = CliRunner().invoke(cli, ["--home", str(site.home.root), *words])
    assert result.exit_code == 0, result.output
    client = signed_in(site, "b01")
    page = client.get("/homeworks/quiz2/quiz").text
    full = {f"q{n}": names for n in range(200)}
    assert send(client, page, "/homeworks/quiz2/quiz", **full, go="submit").status_code == 303
    assert site.work() == []
    assert "its points appear" in client.get("/submissions/1").text


def test_who_may_see_and_send_the_form(site: Class) -> None:
    assert site.client().get(FORM).status_code == 303
    assert site.client("b01").get("/homeworks/hw1/quiz").status_code == 404
    assert site.client("b01").get("/homeworks/quiz9/quiz").status_code == 404
    page = signed_in(site, "b01").get(FORM).text
    elsewhere = {"origin": URL, "sec-fetch-site": "cross-site"}
    for headers in ({"origin": "null"}, {"origin": "https://elsewhere.test"}, elsewhere):
        body = {"revision": revision_of(page), "go": "save"}
        assert signed_in(site, "b01").post(FORM, data=body, headers=headers).status_code == 403, "a form of elsewhere"
    site.tokens["b02"] = site.token("b02", scope="read")
    reader = signed_in(site, "b02")
    page = reader.get(FORM).text
    assert page.count("<fieldset disabled") == 3
    assert send(reader, page, q0="A").status_code == 403


def test_every_page_of_a_quiz_is_there_for_students_and_staff_before_and_after(site: Class) -> None:
    client = signed_in(site, "b01")
    assert send(client, client.get(FORM).text, q0="B", go="submit").status_code == 303
    site.work()
    for now in (NOW, END + timedelta(days=1)):
        site.now = now
        for key in ("b01", "tom"):
            seen = site.client(key)
            for path in ("", "/quiz", "/submissions", "/submit"):
                page = seen.get(f"/homeworks/quiz1{path}")
                assert page.status_code == 200
                assert "/homeworks/quiz1/board" not in page.text
            assert seen.get("/homeworks/quiz1/board").status_code == 404
            assert seen.get("/").status_code == 200
        assert site.client("tom").get("/homeworks/quiz1/everyone").status_code == 200
    assert quizzes.draft(site.home, access.owner("b01"), "quiz1", NOW).answers["q1"] == ["B"]


# In a browser. These tests come last: playwright's loop runs in this thread until the last of them.


def test_a_quiz_is_answered_by_keyboard_saved_as_it_is_answered_and_handed_in(live: Live) -> None:
    page = live.tab("b01")
    page.goto(live.url + FORM)
    page.focus("input[name=q0]")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("#saved >> text=not handed in yet")
    page.keyboard.press("Tab")
    with page.expect_response("**/answer"):
        page.keyboard.press("Space")
    page.reload()
    assert page.is_checked("input[name=q0][value=B]")
    assert page.is_checked("input[name=q1][value=A]")
    page.check("input[name=q1][value=C]")
    page.check("input[name=q2][value=no]")
    page.focus("text=Hand in >> nth=0")
    page.click("button >> text=Hand in")
    page.wait_for_selector("text=Your answers are handed in")
    live.school.work()
    live.school.now = END + timedelta(seconds=1)
    page.goto(live.url + "/submissions/1")
    page.wait_for_selector("text=Graded: 2.000 points")


def test_without_scripts_the_form_is_saved_and_handed_in_by_its_buttons(live: Live) -> None:
    page = live.tab(java_script_enabled=False)
    page.goto(f"{live.url}/login")
    page.fill("#token", live.school.tokens["b01"])
    page.press("#token", "Enter")
    page.wait_for_selector("text=Sign out")
    page.goto(live.url + FORM)
    page.check("input[name=q0][value=B]")
    page.click("button >> text=Save")
    page.wait_for_selector("#saved >> text=Saved.")
    assert page.is_checked("input[name=q0][value=B]")
    page.click("button >> text=Hand in")
    page.wait_for_selector("text=Your answers are handed in")


def test_two_tabs_that_save_different_answers_lose_none_and_say_so(live: Live) -> None:
    one = live.tab("b01")
    one.goto(live.url + FORM)
    two = one.context.new_page()
    two.goto(live.url + FORM)
    one.check("input[name=q0][value=A]")
    one.wait_for_selector("#saved >> text=not handed in yet")
    two.check("input[name=q2][value=no]")
    two.wait_for_selector("#saved >> text=in another tab")
    two.click("button >> text=Hand in")
    two.wait_for_selector("#conflict >> text=q1: saved there is A")
    live.said[:] = [text for text in live.said if "409" not in text]


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1280, "light")])
def test_the_form_fits_its_window_also_with_long_texts(
    live: Live,
    width: int,
    theme: str,
    tmp_path: Path,
) -> None:
    page = live.tab("b01", viewport={"width": width, "height": 740}, color_scheme=theme)
    page.goto(live.url + FORM)
    page.evaluate("document.querySelector('.asked').textContent = 'x'.repeat(400)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=tmp_path / "form.png", full_page=True)
    small = page.evaluate("Math.min(...[...document.querySelectorAll('.quiz label')].map((e) => e.offsetHeight))")
    assert small >= 36, "a finger hits each option"
