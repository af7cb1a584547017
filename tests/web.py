"""The pages of a class in this process, a browser that signs in, and a Chromium."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from harness.course.entries import SubmissionRow
from leaderboard import events, records
from tests.classes import WIDE, Class, Client, make_class, submit

URL = "http://testserver"
FORM = {"content-type": "application/x-www-form-urlencoded"}  # also of a form without fields
HW1 = "/homeworks/hw1"
EVIL = {
    "markup": "<img src=x onerror=document.title=1>",
    "quotes": "\"'><script>document.title=1</script>",
    "escapes": "a\x1b[31mred",
    "direction": "abc\u202e\u2066fdp\u2069",
    "template": "{{ 7 * 7 }}{% raw %}",
    "letters": "\u05e9\u05dc\u05d5\u05dd 1 (",
}
NAMES = dict(zip(("b01", "b02", "x01", "tom"), EVIL.values(), strict=False))


@pytest.fixture
def site(course: Path, tmp_path: Path) -> Iterator[Class]:
    """A course with a roster, with slots for all."""
    made = make_class(course, tmp_path / "home", f"sqlite:///{tmp_path / 'leaderboard.db'}", quota=100)
    yield made
    made.close()


def reveal(site: Class) -> None:
    with site.home.database() as database:
        records.reveal(database, "hw01/1", "ian", "the end", site.now)


def rename(site: Class, names: dict[str, str]) -> None:
    """Gives people names that the roster would refuse."""
    with site.home.database() as database, database.transaction():
        for key, name in names.items():
            database.execute("UPDATE people SET name = :name WHERE key = :key", name=name, key=key)


def browsing(site: Class) -> Client:
    """A client whose requests come from a page of the server."""
    client = site.client()
    client.headers["origin"] = URL
    return client


def signed_in(site: Class, key: str) -> Client:
    """A client with a session's cookie, as a browser has it."""
    client = browsing(site)
    response = client.post("/login", data={"token": site.tokens[key], "next": "/"})
    assert (response.status_code, response.headers["location"]) == (303, "/")
    return client


def handed_in(site: Class, key: str, *values: float, **headers: str) -> list[int]:
    return [int(submit(site.client(key), site.file(value), **headers).json()["submission"]) for value in values]


OK, SEE, NO, GONE = 200, 303, 403, 404
TABLE = {
    # nobody, student, auditor, TA, instructor
    "/": (OK, OK, OK, OK, OK),
    "/login": (OK, OK, OK, OK, OK),
    "/homeworks/hw1": (OK, OK, OK, OK, OK),
    "/homeworks/hw01/board": (OK, OK, OK, OK, OK),
    "/homeworks/1/board?sort=-name": (OK, OK, OK, OK, OK),
    "/homeworks/hw1/board?private=true": (NO, NO, NO, NO, NO),
    "/homeworks/hw1/board?private=true&unrevealed=true": (NO, NO, NO, NO, NO),
    "/homeworks/hw1/board?version=1": (OK, OK, OK, OK, OK),
    "/homeworks/hw1/board?version=9": (GONE, GONE, GONE, GONE, GONE),
    "/homeworks/hw1/submit": (SEE, OK, OK, OK, OK),
    "/homeworks/hw1/submissions": (SEE, OK, OK, OK, OK),
    "/homeworks/hw1/submissions?version=1": (SEE, OK, OK, OK, OK),
    "/homeworks/hw1/submissions?version=9": (GONE, GONE, GONE, GONE, GONE),
    "/homeworks/hw1/everyone": (SEE, NO, NO, OK, OK),
    "/homeworks/hw1/everyone?version=1": (SEE, NO, NO, OK, OK),
    "/homeworks/hw1/everyone?version=9": (GONE, GONE, GONE, GONE, GONE),
    "/points": (SEE, OK, OK, OK, OK),
    "/tokens": (SEE, OK, OK, OK, OK),
    "/client": (OK, OK, OK, OK, OK),
    "/gradebook": (SEE, NO, NO, OK, OK),
    "/gradebook?hw=hw1": (SEE, NO, NO, OK, OK),
    "/gradebook?hw=hw1&version=1": (SEE, NO, NO, OK, OK),
    "/gradebook?hw=hw1&version=9": (SEE, NO, NO, GONE, GONE),
    "/gradebook?version=1": (400, 400, 400, 400, 400),
    "/gradebook/canvas": (SEE, NO, NO, OK, OK),
    "/gradebook/moodle.csv": (SEE, NO, NO, OK, OK),
    "/gradebook/book.xlsx": (SEE, NO, NO, OK, OK),
    "/gradebook.csv": (SEE, NO, NO, OK, OK),
    "/log": (SEE, NO, NO, OK, OK),
    "/log?hw=hw1&by=b01&before=9": (SEE, NO, NO, OK, OK),
    "/log?since=March": (SEE, NO, NO, 400, 400),
    "/homeworks/hw1/extensions": (SEE, NO, NO, OK, OK),
    "/homeworks/hw9/extensions": (SEE, NO, NO, GONE, GONE),
    "/homeworks/hw1/parts": (SEE, NO, NO, OK, OK),
    "/homeworks/hw1/rules": (SEE, NO, NO, OK, OK),
    "/homeworks/hw1/staff": (SEE, NO, NO, OK, OK),
    "/homeworks/hw1/attachments": (SEE, OK, OK, OK, OK),
    "/homeworks/hw1/handed": (SEE, NO, NO, OK, OK),
    "/homeworks/hw1/handed.csv": (SEE, NO, NO, OK, OK),
    "/homeworks/hw9/attachments": (GONE, GONE, GONE, GONE, GONE),
    "/queue": (SEE, NO, NO, OK, OK),
    "/homeworks/hw1/missing": (SEE, NO, NO, OK, OK),
    "/roster/people/b01": (SEE, NO, NO, OK, OK),
    "/roster/people/nobody": (SEE, NO, NO, GONE, GONE),
    "/submissions/1/disqualify": (SEE, NO, NO, NO, OK),
    "/homeworks/hw1/reveal": (SEE, NO, NO, NO, OK),
    "/homeworks/hw9/reveal": (SEE, NO, NO, NO, GONE),
    "/submissions/99/disqualify": (SEE, NO, NO, NO, GONE),
    "/roster": (SEE, NO, NO, OK, OK),
    "/roster?q=b01": (SEE, NO, NO, OK, OK),
    "/roster/import": (SEE, NO, NO, NO, OK),
    "/roster/invite": (SEE, NO, NO, NO, OK),
    "/roster/teams/otters/rename": (SEE, NO, NO, NO, OK),
    "/roster/teams/ducks/rename": (SEE, NO, NO, NO, GONE),
    "/roster/people/b01/stand": (SEE, NO, NO, NO, OK),
    "/roster/people/nobody/stand": (SEE, NO, NO, NO, GONE),
    "/roster/tokens": (SEE, NO, NO, OK, OK),
    "/roster/tokens/1/end": (SEE, NO, NO, NO, OK),
    "/roster/tokens/99/end": (SEE, NO, NO, NO, GONE),
    "/submissions/1": (SEE, OK, GONE, OK, OK),
    "/submissions/2": (SEE, GONE, GONE, OK, OK),
    "/submissions/99": (SEE, GONE, GONE, GONE, GONE),
    "/submissions/0": (GONE, GONE, GONE, GONE, GONE),
    "/submissions/x": (GONE, GONE, GONE, GONE, GONE),
    "/homeworks/hw9/board": (GONE, GONE, GONE, GONE, GONE),
    "/homeworks/..%2f..%2fsecret": (GONE, GONE, GONE, GONE, GONE),
    "/static/../pages.py": (GONE, GONE, GONE, GONE, GONE),
    "/static/pages.py": (GONE, GONE, GONE, GONE, GONE),
    "/static/app.js": (OK, OK, OK, OK, OK),
    "/nothing": (GONE, GONE, GONE, GONE, GONE),
}


def seen(site: Class) -> list[str]:
    with site.home.database() as database:
        return [event.kind for event in events.events(database)]


@dataclass
class Element:
    """An element with its attributes, its text and those around it."""

    tag: str
    attributes: dict[str, str]
    text: str = ""
    inside: tuple[str, ...] = ()


VOID = {"meta", "link", "input", "br", "hr"}
SHAPES = {"line", "circle", "rect"}


class Reader(HTMLParser):
    """Reads a page, and asserts what holds for every page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.open: list[Element] = []
        self.loose = ""  # the text outside of bdi
        self.feed(text)
        assert not self.open, [element.tag for element in self.open]
        self.check()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        inside = tuple(element.tag for element in self.open)
        element = Element(tag, {name: value or "" for name, value in attrs}, "", inside)
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in SHAPES
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "li", "p") and self.open[-1].tag != tag:
            raise AssertionError((tag, self.open[-1].tag))
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        if "bdi" not in [element.tag for element in self.open]:
            self.loose += data
        for element in self.open:
            element.text += data

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def check(self) -> None:
        ids = [element.attributes["id"] for element in self.elements if "id" in element.attributes]
        assert len(ids) == len(set(ids)), ids
        for element in self.elements:
            shown = (element.tag, element.attributes)
            assert "style" not in element.attributes, shown
            assert not [name for name in element.attributes if name.startswith("on")], shown
            for name in ("href", "src", "action", "data-url"):
                parts = urlsplit(element.attributes.get(name, ""))
                outside = parts.scheme or parts.netloc
                assert not outside or (element.tag == "a" and "rel" in element.attributes), shown
            for name in ("for", "aria-labelledby", "aria-describedby"):
                assert set(element.attributes.get(name, "").split()) <= set(ids), shown
            if element.attributes.get("href", "").startswith("#"):
                assert element.attributes["href"][1:] in ids, shown
        assert [element.text.strip() for element in self.all("script")] == [""]
        assert not self.all("style")
        assert self.all("html")[0].attributes["lang"] == "en"
        for tag in ("h1", "main", "header", "footer", "title"):
            assert len([e for e in self.all(tag) if "svg" not in e.inside]) == 1, tag
        labels = {element.attributes["for"] for element in self.all("label")}
        for element in [*self.all("input"), *self.all("progress"), *self.all("select"), *self.all("textarea")]:
            kind = element.attributes.get("type")
            named = element.attributes.get("id") in labels or element.attributes.get("aria-label")
            assert kind == "hidden" or "hidden" in element.attributes or named, element
        for element in [*self.all("button"), *self.all("a"), *self.all("h1"), *self.all("h2")]:
            assert element.text.strip() or element.attributes.get("aria-label"), element
        for element in self.all("nav"):
            assert element.attributes.get("aria-label"), element
        levels = [int(e.tag[1]) for e in self.elements if e.tag in ("h1", "h2", "h3", "h4")]
        assert all(right - left <= 1 for left, right in itertools.pairwise(levels)), levels


PAGES = (
    "/", "/login", "/homeworks/hw01", "/homeworks/hw01/board", "/homeworks/hw01/board?sort=last",
    "/homeworks/hw01/board?private=true", "/homeworks/hw01/submit", "/homeworks/hw01/submissions", "/submissions/1",
    "/submissions/4", "/submissions/5", "/homeworks/hw01/attachments", "/nothing", "/tokens", "/client", "/points",
)  # fmt: skip
STAFF = (
    "/homeworks/hw01/everyone", "/gradebook", "/gradebook?hw=hw01", "/homeworks/hw01/board", "/log", "/log?since=March",
    "/homeworks/hw01/extensions", "/homeworks/hw01/parts", "/roster/tokens", "/homeworks/hw01/staff",
    "/homeworks/hw01/missing", "/homeworks/hw01/handed", "/homeworks/hw01/rules", "/roster", "/gradebook/canvas",
    "/queue", "/roster/import", "/roster/invite", "/roster/people/b01/stand", "/roster/people/b01",
    "/roster/people/tom", "/submissions/1/disqualify", "/roster/tokens/1/end", "/homeworks/hw01/reveal",
)  # fmt: skip


def entry(number: int, score: float | None, practice: bool = False) -> SubmissionRow:
    return SubmissionRow(
        id=number,
        homework="hw01",
        participant="b01",
        name="Ann",
        at="2027-03-01T20:00:00+08:00",
        selected=False,
        practice=practice,
        file="a.csv",
        message="",
        state="graded",
        position=None,
        code=None,
        score=score,
        metric="RMSE",
        digits=5,
    )


def chromium() -> Any:
    """A running Chromium, or a line that says why there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        return "no Chromium here: install Debian's chromium"
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return "needs the package playwright"
    playwright = sync_playwright().start()
    return playwright, playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; skips with the reason where there is none."""
    found = chromium()
    if isinstance(found, str):
        pytest.skip(found)
    playwright, running = found
    yield running
    running.close()
    playwright.stop()


@dataclass
class Live:
    """A class whose server listens on a port, and tabs of a browser that look at it."""

    school: Class
    url: str
    browser: Any
    said: list[str] = field(default_factory=list)
    contexts: list[Any] = field(default_factory=list)

    def tab(self, key: str = "", **options: Any) -> Any:
        """A new window, signed in as that person; what goes wrong in it is in `said`."""
        context = self.browser.new_context(**({"viewport": {"width": 1280, "height": 860}} | options))
        self.contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda m: self.said.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: self.said.append("a dialog"))
        if key:
            page.goto(f"{self.url}/login")
            page.focus("#token")  # it has the focus anyway, once the page is drawn
            page.keyboard.type(self.school.tokens[key])
            page.keyboard.press("Enter")
            page.wait_for_selector("text=Sign out")
        return page

    def upload(self, key: str, data: bytes, what: str = "submissions", **headers: str) -> int:
        """Hands in without the browser."""
        headers["authorization"] = f"Bearer {self.school.tokens[key]}"
        where = f"{self.url}/api/v1/homeworks/hw1/{what}"
        answer = httpx.post(where, content=data, headers=headers, timeout=60)
        assert answer.status_code in (201, 202)
        return int(answer.json().get("submission", 0))


@pytest.fixture
def live(site: Class, browser: Any) -> Iterator[Live]:
    """The class behind a real port."""
    import uvicorn

    site.client()
    config = uvicorn.Config(
        site.apps[WIDE], port=0, log_config=None, access_log=False, lifespan="off", http="h11", ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    made = Live(site, f"http://127.0.0.1:{port}", browser)
    yield made
    for context in made.contexts:
        context.close()
    server.should_exit = True
    thread.join(20)
    assert made.said == []
