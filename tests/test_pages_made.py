"""What the web pages are made of: whole, labelled, and inert whatever people type."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from harness.course import catalogue
from harness.server import app, forms, rendering
from harness.show import show
from leaderboard import access_tokens, roster
from tests import web
from tests.classes import WIDE, Class, submit
from tests.web import EVIL, FORM, HW1, NAMES, PAGES, STAFF, URL, Reader, handed_in, rename, reveal, signed_in

site = web.site


def fill(site: Class) -> None:
    """Submissions in all states: two graded ones, a refused and a waiting one, and one of somebody else."""
    handed_in(site, "b01", 8.0, 9.0)
    handed_in(site, "b02", 10.0)
    submit(site.client("b01"), b"id,tested_positive\n0,abc\n1,\n", **{"x-filename": "broken.csv"})
    site.work()
    handed_in(site, "b01", 11.0)


def test_every_page_is_whole_labelled_and_without_a_script_or_style_of_its_own(site: Class) -> None:
    fill(site)
    for revealed in (False, True):
        for key, paths in (("b01", PAGES), ("ian", (*PAGES, *STAFF))):
            client = signed_in(site, key)
            for path in paths:
                response = client.get(path)
                Reader(response.text)
                policy = response.headers["content-security-policy"]
                assert "unsafe" not in policy
                assert "default-src 'none'" in policy
                assert response.headers["cache-control"] == "no-store"
        reveal(site) if not revealed else None


def test_what_people_type_is_inert_on_every_page(site: Class) -> None:
    from urllib.parse import quote

    rename(site, NAMES)
    with site.home.database() as database, database.transaction():
        database.execute("UPDATE people SET team = :team WHERE team = 'otters'", team=EVIL["letters"])
    for key, evil in (NAMES | {"b03": EVIL["letters"]}).items():
        named = {"x-filename": quote(evil.replace("/", "|")), "x-message": quote(evil)}
        assert submit(site.client(key), site.file(len(evil)), **named).status_code == 202
        data = b"id,tested_positive\n0," + json.dumps(evil).encode() + b"\n" + evil.encode() + b",1\n"
        assert submit(site.client(key), data, **named).status_code == 202
    site.work()
    client = signed_in(site, "b03")
    refused = Reader(client.post("/homeworks/hw1/selection", data={"submission": "99"}).text)
    assert EVIL["letters"] not in refused.loose
    assert ">private<" not in signed_in(site, "b01").get("/homeworks/hw1/submissions").text
    reveal(site)
    assert ">private<" in signed_in(site, "b01").get("/homeworks/hw1/submissions").text
    for key in ("b01", "b02", "b03", "ian"):
        client = signed_in(site, key)
        for path in (
            *PAGES,
            *STAFF,
            "/submissions/2",
            "/submissions/6",
            f"/homeworks/hw01/everyone?q={EVIL['quotes']}",
        ):
            text = client.get(path).text
            page = Reader(text)
            assert not {e.tag for e in page.elements} & {"img", "iframe", "object", "embed", "base"}
            assert not [character for character in text if character in "\x1b\u202e\u2066\u2069\u200b"], path
            assert not [evil for evil in EVIL.values() if rendering.shown(evil) in page.loose], path
    shown = site.client("ian").get("/homeworks/hw01/everyone").text
    names = [e.text for e in Reader(shown).all("bdi")]
    assert EVIL["markup"] in names
    assert "abc\\u202e\\u2066fdp\\u2069" in names
    assert "a\\x1b[31mred" in names


def test_what_people_type_is_inert_in_json_in_csv_and_in_the_log(site: Class) -> None:
    from urllib.parse import quote

    formula = "=HYPERLINK(1)"
    rename(site, NAMES | {"b02": formula})
    for key, evil in NAMES.items():
        named = {"x-filename": quote(evil.replace("/", "|")), "x-message": quote(evil)}
        assert submit(site.client(key), site.file(len(evil)), **named).status_code == 202
    site.work()
    staff = site.client("ian")
    for path in (
        "homeworks/hw1/board",
        "submissions?everyone=1",
        "submissions/1",
        "submissions/3",
        "submissions/1/receipt",
    ):
        response = staff.get(f"/api/v1/{path}")
        assert response.headers["content-type"] == "application/json"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert min(response.text) >= " "
        json.loads(response.text)
    names = {row["name"] for row in staff.get("/api/v1/homeworks/hw1/board").json()["board"]}
    assert names == {*NAMES.values(), formula} - {NAMES["b02"]}
    book = staff.get("/gradebook.csv")
    assert "attachment" in book.headers["content-disposition"]
    assert "'=HYPERLINK" in book.text
    cells = [cell for row in csv.reader(io.StringIO(book.text)) for cell in row]
    assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r"))]
    assert all(cell.isprintable() for cell in cells)
    text = "\n".join(site.lines)
    assert text.replace("\n", "").isprintable()
    assert not [evil for evil in (*EVIL.values(), formula) if evil in text or json.dumps(evil)[1:-1] in text]


def test_the_board_is_sorted_by_any_column_and_shows_bars_only_in_the_order_of_places(site: Class) -> None:
    rename(site, {"b01": "Zoe", "b02": "adam"})
    handed_in(site, "b01", 8.0)
    handed_in(site, "b02", 9.0, 10.0)
    handed_in(site, "x01", 30.0)
    site.work()
    client = signed_in(site, "b02")

    def rows(sort: str) -> tuple[list[str], str]:
        page = Reader(client.get(f"/homeworks/hw1/board?sort={sort}").text)
        names = [e.text.replace(" you", "") for e in page.all("th") if e.attributes.get("scope") == "row"]
        sorted_by = [(e.text, e.attributes["aria-sort"]) for e in page.all("th") if "aria-sort" in e.attributes]
        assert len(sorted_by) == 1
        return names, sorted_by[0][1]

    bars = ["boss bar (measured)", "strong bar (measured)", "medium bar (measured)", "simple bar (measured)"]
    assert rows("") == rows("rank") == rows("nonsense") == rows("submission") == rows("own")
    placed = rows("")[0]
    assert [name for name in placed if name not in bars] != placed
    people = [name for name in placed if name not in bars]
    assert rows("-rank") == (people[::-1], "descending")
    assert rows("name") == (["adam", "Aud", "Zoe"], "ascending")
    assert rows("-name") == (["Zoe", "Aud", "adam"], "descending")
    assert rows("-entries")[0][0] == "adam"
    own = [e for e in Reader(client.get("/homeworks/hw1/board").text).all("tr") if e.attributes.get("id") == "own"]
    assert len(own) == 1
    assert "adam" in own[0].text


def test_a_long_board_is_paged_searched_and_leads_to_ones_own_place(
    site: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.server.views.PER_PAGE", 3)
    rename(site, {"b01": "Zoe", "b02": "adam <b>"})
    handed_in(site, "b01", 8.0)
    handed_in(site, "b02", 30.0)
    handed_in(site, "x01", 20.0)
    site.work()

    def rows(client: Any, query: str) -> list[str]:
        page = Reader(client.get(f"/homeworks/hw1/board?{query}").text)
        return [e.text.replace(" you", "") for e in page.all("th") if e.attributes.get("scope") == "row"]

    client = signed_in(site, "b02")
    whole = [name for page in (1, 2, 3) for name in rows(client, f"page={page}")]
    assert len(whole) == len(set(whole)) == 7, "three people and four bars, each on one page"
    assert rows(client, "page=3") == rows(client, "page=99") == whole[6:]
    first = client.get("/homeworks/hw1/board").text
    (rank,) = [e for e in Reader(first).all("a") if e.attributes.get("href", "").endswith("#own")]
    own = client.get(f"/homeworks/hw1/board{rank.attributes['href']}").text
    assert "adam <b>" in next(e.text for e in Reader(own).all("tr") if e.attributes.get("id") == "own")
    assert rows(client, "q=ZO") == ["Zoe"]
    assert rows(client, "q=bar") == [], "bars are no names"
    assert "No name has" in client.get("/homeworks/hw1/board?q=%3Cb%3Ex").text
    staff = signed_in(site, "ian")
    early = staff.post("/homeworks/hw1/board", headers=FORM).text
    assert "page 1 of" not in early
    assert {"Zoe", "adam <b>", "Aud"} <= {e.text for e in Reader(early).all("th")}


def test_an_error_of_ours_is_a_page_with_its_number_and_nothing_of_its_text(
    site: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ValueError("the answer is forty-two")

    client = signed_in(site, "b01")
    good = client.get("/nothing")
    monkeypatch.setattr(catalogue, "homework", fail)
    for answer in (
        client.get("/homeworks/hw1/board"),
        client.post("/homeworks/hw1/board", headers=FORM),
    ):
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert {n: v for n, v in answer.headers.items() if n in app.HEADERS} == {
            n: v for n, v in good.headers.items() if n in app.HEADERS
        }
        Reader(answer.text)
        assert f"request {answer.headers['x-request-id']}" in answer.text
        assert not [word for word in ("forty", "ValueError", "Traceback", "Ada") if word in answer.text]
        assert "ValueError in test_pages_made.py" in site.lines[-1]
        assert "forty" not in site.lines[-1]
    assert client.get("/api/v1/homeworks/hw1").json()["error"]["code"] == "E_INTERNAL"
    monkeypatch.setattr(forms, "render", fail)
    last = client.get("/homeworks/hw1/board")
    assert (last.status_code, last.json()["error"]["code"]) == (500, "E_INTERNAL")
    assert last.headers["content-security-policy"] == app.HEADERS["content-security-policy"]
    assert "forty" not in last.text


def test_a_board_without_anybody_still_shows_its_bars(site: Class) -> None:
    page = Reader(site.client().get("/homeworks/hw1/board").text)
    assert "No submissions yet" in page.all("main")[0].text
    assert len([e for e in page.all("tr") if e.attributes.get("class") == "bar"]) == 4


def test_a_token_that_only_reads_is_offered_nothing_to_change(site: Class) -> None:
    handed_in(site, "b01", 8.0)
    site.work()
    site.tokens["b01"] = site.token("b01", scope="read")
    client = signed_in(site, "b01")
    for path in PAGES[:-1]:
        assert "/submit" not in client.get(path).text, path
    assert client.get("/homeworks/hw1/submit").status_code == 403
    page = client.get("/homeworks/hw1/submissions").text
    assert "Save the selection" not in page
    response = client.post("/homeworks/hw1/selection", data={"submission": "1"})
    assert response.status_code == 403


def test_an_invitation_in_a_browser_shows_the_token_that_it_became_and_only_once(site: Class) -> None:
    invitation = site.token("b01", label=access_tokens.INVITATION)
    client = site.client()
    form = {"token": invitation, "next": "/homeworks/hw1"}
    welcome = client.post("/login", data=form, headers={"origin": URL})
    assert welcome.status_code == 200
    assert welcome.headers["cache-control"] == "no-store"
    page = Reader(welcome.text)
    (token,) = [e.text for e in page.all("code") if e.attributes.get("id") == "token"]
    assert 'href="/homeworks/hw1"' in welcome.text
    assert client.post("/logout", headers=FORM | {"origin": URL}).status_code == 303
    assert client.post("/login", data=form, headers={"origin": URL}).status_code == 401
    again = client.post("/login", data=form | {"token": token}, headers={"origin": URL})
    assert (again.status_code, again.headers["location"]) == (303, "/homeworks/hw1")
    assert token not in client.get("/").text
    assert token not in "".join(site.lines)


def test_forms_hold_behind_a_proxy_that_calls_the_server_by_another_name(site: Class) -> None:
    settings = replace(WIDE, url="https://ml.example.edu")
    for origin, status in (("https://ml.example.edu", 303), ("https://evil.example", 403)):
        client = site.client(settings=settings)
        form = {"token": site.tokens["b01"], "next": "/"}
        response = client.post("/login", data=form, headers={"origin": origin, "host": "127.0.0.1:8600"})
        assert response.status_code == status


def test_a_sheet_shows_its_tables_and_runs_nothing() -> None:
    text = (
        "# Title\n\ntext <script>alert(1)</script> <b>b</b> [bad](javascript:alert(1)) [good](https://example.org)\n\n"
        "![x](https://example.org/x.png)\n\n| a | b |\n|--:|:-:|\n| 1 | <i>2</i> |\n\n# Again\n"
    )
    html = rendering.markdown(text)
    assert "Title" not in html
    assert "<h2>Again</h2>" in html
    assert not re.search(r"<(script|b|i|img)\b", html)
    assert "style" not in html
    assert '<td class="right">1</td>' in html
    assert 'href="javascript' not in html
    assert '<a href="https://example.org" rel="noopener noreferrer">good</a>' in html


def test_the_picture_of_the_data_stands_on_the_sheet_for_those_who_get_the_data(site: Class) -> None:
    where = r"/api/v1/homeworks/hw01/picture\?of=[0-9a-f]{12}"
    address = re.compile(rf'<img src="({where})" width="(\d+)" height="(\d+)" [^>]*>')
    assert not address.search(signed_in(site, "b01").get(HW1).text), "none is drawn yet"
    path = show(site.home.public("hw01"))
    for key in ("b01", "tom", "ian"):
        client = signed_in(site, key)
        found = address.search(client.get(HW1).text)
        assert found is not None
        assert 'loading="lazy" alt="The data: some rows&#39; share' in found[0]
        answer = client.get(found[1])
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        assert answer.content == path.read_bytes()
        with Image.open(path) as image:
            assert image.size == (int(found[2]), int(found[3]))
    assert not address.search(site.client().get(HW1).text)
    assert site.client().get("/api/v1/homeworks/hw1/picture").status_code == 401
    manifest = site.home.public("hw01") / "manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b"\n")
    assert signed_in(site, "b01").get("/api/v1/homeworks/hw1/picture").status_code == 404, "it is one of other data"


def test_a_worse_file_is_said_to_be_no_improvement_with_the_best_and_its_rank(site: Class) -> None:
    first, worse = handed_in(site, "b01", 60.0, 80.0)  # far above the answers: the farther, the worse
    site.work()
    own, staff = (site.client(key).get(f"/submissions/{worse}").text for key in ("b01", "tom"))
    assert f"not an improvement: your best is still submission {first} (" in own
    assert f"not an improvement: the participant’s best is still submission {first} (" in staff.replace("&#39;", "’")
    assert ", rank 1)" in own
    assert "not an improvement" not in site.client("b01").get(f"/submissions/{first}").text


def test_the_gradebook_is_searched_and_paged_with_the_total_beside_the_name(
    site: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.server.views.PER_PAGE", 2)
    staff = signed_in(site, "ian")
    read = [Reader(staff.get(f"/gradebook?hw=hw1&page={page}").text) for page in (1, 2, 99)]
    names = [[each.text for each in page.all("th") if each.attributes["scope"] == "row"] for page in read]
    with site.home.database() as database:
        students = [person.name for person in roster.people(database) if person.role == "student"]
    assert names == [students[:2], students[2:4], students[-(len(students) % 2 or 2) :]]
    header = [each.text for each in read[0].all("th") if each.attributes["scope"] == "col"]
    assert header[:4] == ["name", "id", "total", "simple public"]
    found = staff.get("/gradebook?q=B02").text
    assert f"1 of {len(students)} students" in found
    assert next(each.text for each in Reader(found).all("td")) == "b02"
    none = staff.get("/gradebook?q=%3Cscript%3E").text
    Reader(none)
    assert f"0 of {len(students)} students" in none
    assert none.count("<script") == found.count("<script")
