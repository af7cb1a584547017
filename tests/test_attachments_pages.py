"""Second files on the pages: the form of a student, the list of staff, and what people type on both."""

from __future__ import annotations

import csv
import io
from urllib.parse import quote

from tests import web
from tests.classes import PDF, Class, ask_for_attachment, attach
from tests.web import EVIL, NAMES, Reader, rename, signed_in

site = web.site
OWN, HANDED = "/homeworks/hw01/attachments", "/homeworks/hw01/handed"


def test_the_page_says_what_is_asked_for_and_lists_all_versions_with_their_hashes(site: Class) -> None:
    client = signed_in(site, "b01")
    page = Reader(client.get(OWN).text)
    assert not page.all("form")[1:], "only the one that signs out"
    assert OWN not in [one.attributes.get("href") for one in page.all("a")]
    ask_for_attachment(site, attachment_mb="3")
    page = Reader(client.get(OWN).text)
    assert OWN in [one.attributes.get("href") for one in page.all("a")]
    (chosen,) = [one for one in page.all("input") if one.attributes.get("type") == "file"]
    assert chosen.attributes["accept"] == ".pdf,.zip"
    assert "PDF or ZIP, up to 3.0 MB" in page.loose
    for number in range(2):
        attach(site.client("b01"), PDF + bytes([number]), **{"x-filename": f"v{number}.pdf"})
    page = Reader(client.get(f"{OWN}?done=2").text)
    assert "Attachment 2 is handed in." in page.loose
    links = [one.attributes for one in page.all("a") if "/attachments/" in one.attributes.get("href", "")]
    assert [one["href"] for one in links] == [
        f"/api/v1/attachments/{number}/{what}" for number in (2, 1) for what in ("file", "receipt")
    ]
    assert all("download" in one for one in links)
    for said in ("?done=99", "?done=x", "?done=-1"):
        assert "is handed in" not in client.get(OWN + said).text


def test_after_its_deadline_the_page_has_no_form(site: Class) -> None:
    ask_for_attachment(site, attachment_deadline="2027-02-01T00:00Z")
    page = Reader(signed_in(site, "b01").get(OWN).text)
    assert not [one for one in page.all("input") if one.attributes.get("type") == "file"]
    assert "Closed" in page.loose


def test_staff_see_who_handed_in_and_a_csv_to_enter_points_beside(site: Class) -> None:
    ask_for_attachment(site)
    attach(site.client("b03"), PDF, **{"x-filename": "=cmd.pdf"})
    staff = signed_in(site, "tom")
    page = Reader(staff.get(HANDED).text)
    assert "2 of 4 students have handed one in" in page.loose
    rows = list(csv.DictReader(io.StringIO(staff.get(f"{HANDED}.csv").text)))
    assert {row["id"]: (row["attachment"], row["file"]) for row in rows} == {
        "b01": ("", ""),
        "b02": ("", ""),
        "b03": ("1", "'=cmd.pdf"),
        "b04": ("1", "'=cmd.pdf"),
    }
    header, *lines = staff.get(f"{HANDED}.csv").text.splitlines()
    sheet = "\n".join(
        [f"{header},code", *(f"{line},{number}" for number, line in zip((0, 1, 2, 2), lines, strict=True))]
    )
    where = "/homeworks/hw01/parts"
    body = {"csv": sheet, "reason": "read them"}
    seen = [
        one.attributes["value"]
        for one in Reader(staff.post(where, data=body | {"go": "preview"}).text).all("input")
        if one.attributes.get("name") == "seen"
    ]
    assert staff.post(where, data=body | {"go": "do", "seen": seen[0]}).status_code == 303
    page = Reader(staff.get(where).text)
    assert [e.text for e in page.all("a") if e.attributes["href"] == "/api/v1/attachments/1/file"] == ["1", "1"]
    assert "attachment 1" in Reader(staff.get("/roster/people/b04").text).loose


def test_names_are_inert_on_the_pages_of_second_files(site: Class) -> None:
    ask_for_attachment(site)
    rename(site, NAMES)
    for key, evil in NAMES.items():
        assert attach(site.client(key), PDF, **{"x-filename": quote(evil.replace("/", "|"))}).status_code == 201
    for key in ("b01", "b02", "ian"):
        client = signed_in(site, key)
        for path in (OWN, HANDED, "/roster/people/b01", "/roster/people/b02"):
            text = client.get(path).text
            page = Reader(text)
            assert not {e.tag for e in page.elements} & {"img", "iframe", "object", "embed", "base"}
            assert not [character for character in text if character in "\x1b\u202e\u2066\u2069\u200b"], path
            assert EVIL["markup"] not in page.loose
    for number in range(1, 5):
        sent = site.client("ian").get(f"/api/v1/attachments/{number}/file").headers["content-disposition"]
        assert sent.startswith("attachment; filename")
        assert not set(sent) & set("<>\x1b\n")
