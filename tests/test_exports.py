"""Grades and rosters in the columns of Canvas and Moodle, read back as those systems read them."""

from __future__ import annotations

import csv
import io
import sys
import tomllib
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.course.exports import as_roster, fill_canvas, is_canvas, moodle_table, read_canvas, roster_of, workbook
from harness.course.gradebook import gradebook_table
from harness.course.types import Gradebook, GradebookHomework, GradebookScore, GradebookStudent, GradebookTotal
from harness.roster import read_roster
from harness.sheets import read_rows, write_rows
from leaderboard.roster import Person
from tasks.errors import UserError
from tests import class_server, web
from tests.class_server import ROOT, Served, call, log_in
from tests.classes import Class
from tests.test_desk_changes import previewed, sent
from tests.web import signed_in

home, served, folders = class_server.home, class_server.served, class_server.folders
site = web.site

HEAD = "Student,ID,SIS User ID,SIS Login ID,Section,HW1: Regression (4711),Essay (12),Current Score"
EXPORT = f"""\ufeff{HEAD}
"    Points Possible","","","","","10.0","5.0","(read only)"
"Lin, Ada",101,b01,ada@example.edu,ML 001,,4,80
"Wu, =Eve",102,,b02@example.org,ML 001,1.0,,
"Student, Test",999,,,ML 001,,,
"Guest, Max",103,g77,max@example.edu,ML 001,7,,
"""


def book(*points: tuple[str, str, float], disabled: tuple[str, ...] = ()) -> Gradebook:
    def score(total: float) -> GradebookScore:
        return GradebookScore({}, {}, {"code": total}, [], "", total)

    students = [
        GradebookStudent(key, name, f"{key}@example.org", None, key in disabled, {"hw01": score(n)}, n, ["hw01"])
        for key, name, n in points
    ]
    homework = GradebookHomework("hw01", {}, {"code": 10.0}, 10.0)
    return Gradebook(GradebookTotal(0, [], 10.0, ""), [homework], students, [], len(students), len(students))


CLASS = book(("b01", "Ada Lin", 8.5), ("b02", "=Eve Wu", 0.1 + 0.2))


def test_an_export_of_canvas_comes_back_filled_with_nothing_else_changed() -> None:
    filled = fill_canvas(CLASS, EXPORT.encode(), "export.csv")
    rows = list(csv.reader(io.StringIO(filled.text)))
    assert rows[0] == HEAD.split(",")[:6], "no column that an import could overwrite"
    assert rows[1] == ["    Points Possible", "", "", "", "", "10.0"]
    assert [row[5] for row in rows[2:]] == ["8.5", "0.30000000000000004", "", "7"]
    before = list(csv.reader(io.StringIO(EXPORT.removeprefix("\ufeff"))))
    assert [row[1:5] for row in rows] == [row[1:5] for row in before]
    assert filled.lines[0].startswith("2 students, 1 columns: HW1: Regression (4711)")
    assert "Guest, Max" in filled.lines[1]
    again = read_canvas(filled.text.encode(), "back.csv")
    assert [again.of(again.rows[place], "ID") for place in again.students] == ["101", "102", "103"]
    assert fill_canvas(CLASS, filled.text.encode(), "back.csv").text == filled.text


def test_a_student_who_is_excused_in_canvas_stays_so() -> None:
    filled = fill_canvas(CLASS, EXPORT.replace("ML 001,,4,80", "ML 001,EX,4,80").encode(), "export.csv")
    assert [row[5] for row in csv.reader(io.StringIO(filled.text))][2:4] == ["EX", "0.30000000000000004"]
    assert filled.lines[-1] == "excused in Canvas, so left as they are: b01 from hw01"


def test_an_export_with_semicolons_comes_back_with_them() -> None:
    text = EXPORT.replace('"Lin, Ada"', "Ada Lin").replace('"Wu, =Eve"', "Eve").replace('"Guest, Max"', "Max")
    text = text.replace('"Student, Test"', "x").replace(",", ";").replace("999", "")
    assert fill_canvas(CLASS, text.encode(), "export.csv").text.splitlines()[0].count(";") == 5


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("Student,ID,", "Name,ID,", "does not begin as Canvas's export does"),
        ("SIS User ID,SIS Login ID", "A,B", "does not begin as Canvas's export does"),
        ("Section,", "Student,", "does not begin as Canvas's export does"),
        ("HW1: Regression (4711)", "Exam (1)", "has no column for hw01"),
        ("Essay (12)", "Homework 1 (12)", "two columns fit hw01"),
        ('"Lin, Ada",101,b01,ada@example.edu,ML 001,,4,80\n', "", "lacks 1 students of the roster: b01"),
        ('"Guest, Max",103', '"Lin, Ada",101', "in the sections ML 001 and ML 001"),
        ("103,g77", "104,b01", "under two Canvas ids"),
        ("ML 001,,4,80", "ML 001,,4", "7 cells, expected 8"),
        ('"Lin, Ada"', '"Lin, Ada', "not a CSV"),
    ],
    ids=["name", "ids", "section", "no column", "two columns", "missing", "second section", "twice", "cells", "quote"],
)
def test_an_export_that_is_not_of_this_class_is_refused_with_what_to_change(old: str, new: str, problem: str) -> None:
    assert old in EXPORT
    with pytest.raises(UserError, match=problem.replace("(", "[(]")) as error:
        fill_canvas(CLASS, EXPORT.replace(old, new, 1).encode(), "export.csv")
    assert error.value.code == "E_CANVAS"


def test_a_part_of_the_students_is_filled_where_that_is_said_and_who_left_is_not_missed() -> None:
    more = book(("b01", "Ada Lin", 8.5), ("b02", "=Eve Wu", 1.0), ("b05", "Zoe", 2.0))
    with pytest.raises(UserError, match="lacks 1 students"):
        fill_canvas(more, EXPORT.encode(), "export.csv")
    assert "8.5" in fill_canvas(more, EXPORT.encode(), "export.csv", partial=True).text
    left = book(("b01", "Ada Lin", 8.5), ("b02", "=Eve Wu", 1.0), ("b05", "Zoe", 2.0), disabled=("b05",))
    assert "8.5" in fill_canvas(left, EXPORT.encode(), "export.csv").text


def test_a_roster_is_read_from_the_export_without_its_rows_that_are_no_students() -> None:
    assert is_canvas(EXPORT.encode())
    assert not is_canvas(b"id,name,email\nb01,Ada,\n")
    entries = read_roster(roster_of(EXPORT.encode(), "export.csv"), "export.csv", (), ())
    assert as_roster(b"id,name\n", "people.csv") == b"id,name\n"
    assert [(one.key, one.name, one.email) for one in entries] == [
        ("b01", "Ada Lin", "ada@example.edu"),
        ("b02", "=Eve Wu", "b02@example.org"),
        ("g77", "Max Guest", "max@example.edu"),
    ]


def test_logins_that_are_no_addresses_erase_none_that_are_known() -> None:
    known = (Person(1, "b01", "Ada Lin", "ada@x.org", "student", None, None, datetime(2027, 2, 1, tzinfo=UTC)),)
    export = EXPORT.replace("b02@example.org", "b02")
    assert roster_of(export.encode(), "export.csv").startswith(b"id,name\n")
    entries = read_roster(roster_of(export.encode(), "export.csv"), "export.csv", known, ())
    assert [(one.key, one.email) for one in entries] == [("b01", "ada@x.org"), ("b02", ""), ("g77", "")]


def test_moodle_finds_each_student_by_number_or_address_and_nothing_is_a_formula() -> None:
    gone = book(("b01", "Ada Lin", 8.5), ("=b02", "Eve", 1.0), ("b05", "Zoe", 2.0), disabled=("b05",))
    text = write_rows(*moodle_table(gone, False))
    names = ("ID number", "Email address", "hw01", "Course total")
    rows = [row for _, row in read_rows(text.encode(), "moodle.csv", names, names)]
    assert [(row["ID number"], row["Email address"], float(row["hw01"])) for row in rows] == [
        ("b01", "b01@example.org", 8.5),
        ("=b02", "=b02@example.org", 1.0),
    ]
    assert not [cell for row in csv.reader(io.StringIO(text)) for cell in row if cell.startswith(("=", "+", "-", "@"))]
    assert moodle_table(gone, True) == (
        ["ID number", "Email address", "hw01"],
        [[*row[:3]] for row in moodle_table(gone, False)[1]],
    )


def test_staff_fill_an_export_on_a_page_and_students_do_not(site: Class) -> None:
    tom, where = signed_in(site, "tom"), "/gradebook/canvas"
    export = EXPORT.replace("g77", "b03")
    page = tom.post(where, data=sent(tom.get(where), csv=export))
    assert (page.status_code, "lacks 1 students of the roster: b04" in page.text) == (400, True)
    got = tom.post(where, data=sent(page, csv=export, partial="1", noted="1"))
    assert got.headers["content-disposition"] == 'attachment; filename="canvas.csv"'
    assert next(csv.reader(io.StringIO(got.text))) == HEAD.split(",")[:6]
    told = tom.post(where, data=sent(page, csv=EXPORT, partial="1"))
    assert "not on the roster, so left as they are: Guest, Max" in told.text
    saved = tom.post(where, data=sent(told, csv=EXPORT, partial="1", noted="1"))
    assert saved.text.startswith("Student,ID,")
    assert signed_in(site, "b01").post(where, data={"csv": export}).status_code == 403
    assert tom.post(where, data={"csv": export}, headers={"origin": "https://evil.example"}).status_code == 403
    assert "Course total" in tom.get("/gradebook/moodle.csv").text


def test_a_login_fills_an_export_as_the_machine_does(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(EXPORT.replace("b01", "ada").replace("g77", "bob"))
    log_in(served, "prof")
    asked = ["gradebook", "--canvas", str(path)]
    refused = call(*asked)
    assert (refused.exit_code, refused.stdout, "lacks 1 students of the roster: eve" in refused.stderr) == (2, "", True)
    there = call(*asked, "--partial")
    here = call("--home", str(served.home.root), *asked, "--partial")
    assert (there.exit_code, there.stdout) == (0, here.stdout)
    assert call("gradebook", "--moodle").stdout.startswith('"ID number","Email address","hw01","Course total"\n"ada"')
    assert call("gradebook", "--moodle", "--partial").exit_code == 2


def test_a_spreadsheet_has_the_gradebook_cell_by_cell_and_no_formula(
    site: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xlsxwriter")
    quarters = book(("b01", "Ada Lin", 8.5), ("b02", "=Eve Wu", 0.25))
    header, rows = gradebook_table(quarters, False)
    data = workbook(quarters, one=False)
    assert read_workbook(data) == [header, *([str(cell or "") for cell in row] for row in rows)]
    assert workbook(quarters, one=False) == data, "the same bytes at any time"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")
    got = site.client("tom").get("/gradebook/book.xlsx?hw=hw1")
    assert read_workbook(got.content)[1][:2] == ["b01", "Ada"]
    assert got.headers["content-disposition"] == 'attachment; filename="gradebook.xlsx"'
    assert site.client("b01").get("/gradebook/book.xlsx").status_code == 403
    assert site.client().get("/gradebook/book.xlsx").status_code == 303
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(UserError, match=r"lhy-grade\[sheets\]") as error:
        workbook(CLASS, one=True)
    assert error.value.code == "E_EXTRA_MISSING"


def read_workbook(data: bytes) -> list[list[str]]:
    """The cells of the first sheet as text, by the rules of the format."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        strings = ["".join(item.itertext()) for item in ElementTree.fromstring(archive.read("xl/sharedStrings.xml"))]
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    rows = []
    for row in sheet.iter(f"{space}row"):
        cells = {}
        for one in row:
            column = ord(one.attrib["r"][0]) - ord("A")
            text = "".join(one.itertext())
            cells[column] = strings[int(text)] if one.attrib.get("t") == "s" else str(float(text))
        rows.append([cells.get(place, "") for place in range(max(cells) + 1)])
    return rows


def test_what_a_server_is_installed_with_writes_spreadsheets() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras["sheets"]) < set(extras["server"])


def test_a_roster_is_imported_from_an_export_on_the_page_and_on_the_machine(site: Class, served: Served) -> None:
    ian, where = signed_in(site, "ian"), "/roster/import"
    page = previewed(ian, where, csv=EXPORT, reason="from Canvas")
    assert "g77: new, Max Guest, student" in page.text
    assert ian.post(where, data=sent(page, go="do")).status_code == 303
    path = served.home.root / "export.csv"
    path.write_text(EXPORT)
    done = call("--home", str(served.home.root), "roster", "import", str(path), "--reason", "x", "--yes")
    told = "add 3 to the roster, and change 0 already on it\n"
    assert (done.exit_code, done.stdout) == (0, told), done.output
