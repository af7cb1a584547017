"""Grades and people in the columns of other systems: Canvas's own export, filled and given back, and Moodle."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.course.gradebook import gradebook_table
from harness.course.types import Gradebook, GradebookStudent
from harness.sheets import MAX_BYTES, cell, uncell
from tasks.errors import UserError

IDS = ("SIS User ID", "SIS Login ID")
KNOWN = ("Student", "ID", *IDS, "Section")
"""The first columns of Canvas's export, by which its import finds a student. One of `IDS` may be left out."""

TEST_STUDENT = "Student, Test"
SHOWN = 10


@dataclass(frozen=True)
class Canvas:
    """An export of Canvas: its columns, all rows, and the places of the rows that are students."""

    header: list[str]
    rows: list[list[str]]
    students: list[int]
    delimiter: str

    def of(self, row: Sequence[str], column: str) -> str:
        return uncell(row[self.header.index(column)].strip()) if column in self.header else ""


def _problem(text: str) -> UserError:
    return UserError(text, code="E_CANVAS")


def read_canvas(data: bytes, what: str) -> Canvas:
    """Raises UserError E_CANVAS unless it is Canvas's export of grades, each student in it once."""
    if len(data) > MAX_BYTES:
        raise _problem(f"{what} has {len(data):,} bytes; at most {MAX_BYTES:,} are read.")
    try:
        text = data.decode("utf-8-sig")
        first = text.partition("\n")[0]
        delimiter = ";" if first.count(";") > first.count(",") else ","
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _problem(f"{what} is not a CSV in UTF-8 as Canvas writes it ({error}).") from None
    header = [name.strip() for name in rows[0]] if rows else []
    lacking = [name for name in ("Student", "ID", "Section") if name not in header]
    if lacking or not set(IDS) & set(header) or any(header.count(name) > 1 for name in KNOWN):
        raise _problem(
            f"{what} does not begin as Canvas's export does: expected the columns {', '.join(KNOWN)}, once each; got"
            f" {', '.join(header[:8]) or 'none'}. Export the grades anew, and leave its first row as it is."
        )
    found = Canvas(header, rows, [], delimiter)
    places: dict[str, int] = {}
    for place, row in enumerate(rows[1:], 1):
        if not any(value.strip() for value in row):
            continue
        if len(row) != len(header):
            raise _problem(f"{what} row {place + 1}: {len(row)} cells, expected {len(header)}.")
        name, number = found.of(row, "Student"), found.of(row, "ID")
        if not number or name == TEST_STUDENT or name.startswith("Points Possible"):
            continue
        if number in places:
            raise _problem(
                f"{what} row {place + 1}: {name} is there twice, in the sections"
                f" {found.of(rows[places[number]], 'Section')} and {found.of(row, 'Section')}. Export one section, or"
                " remove one of the two rows: a student has one row of points."
            )
        places[number] = place
        found.students.append(place)
    if not found.students:
        raise _problem(f"{what} has no students.")
    return found


def roster_of(data: bytes, what: str) -> bytes:
    """A roster from Canvas's export: the SIS id, else the login, is the id. Raises UserError E_CANVAS.

    It has addresses where all logins are such; without the column, an import keeps those that are known.
    """
    found = read_canvas(data, what)
    logins = [found.of(found.rows[place], "SIS Login ID") for place in found.students]
    by_mail = all(re.fullmatch(r"[^@\s]+@[^@\s]+", login) for login in logins)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["id", "name", *(["email"] if by_mail else [])])
    for place in found.students:
        row = found.rows[place]
        login = found.of(row, "SIS Login ID")
        key = found.of(row, "SIS User ID") or login.partition("@")[0]
        if not key:
            raise _problem(f"{what} row {place + 1}: {found.of(row, 'Student')} has neither a SIS User ID nor a login.")
        last, comma, given = found.of(row, "Student").partition(",")
        name = f"{given.strip()} {last.strip()}" if comma else last.strip()
        writer.writerow([cell(key), cell(name), *([login] if by_mail else [])])
    return stream.getvalue().encode()


def as_roster(data: bytes, what: str) -> bytes:
    """A roster's CSV as it is, or made from an export of Canvas."""
    return roster_of(data, what) if is_canvas(data) else data


def is_canvas(data: bytes) -> bool:
    """Whether a file begins as Canvas's export does."""
    first = data[:4096].decode("utf-8-sig", "replace").partition("\n")[0]
    return "Student" in first and "Section" in first and any(name in first for name in IDS)


@dataclass(frozen=True)
class Filled:
    """What Canvas imports, and what people should know of it."""

    text: str
    lines: list[str]


def fill_canvas(book: Gradebook, data: bytes, what: str, partial: bool = False) -> Filled:
    """The export with the points of its students, in the columns whose names begin with a homework, like "HW1 (123)".

    Only those columns and the ones that name students are given back, so that an import changes nothing else; a student
    who is excused (EX) stays so. A student with points who is not in the export is a UserError E_CANVAS, unless
    `partial`, as for one of several sections.
    """
    found = read_canvas(data, what)
    columns = columns_of(book, found.header, what)
    by_id = {student.id.casefold(): student for student in book.students}
    by_mail = {student.email.casefold(): student for student in book.students if student.email}
    kept = [place for place, name in enumerate(found.header) if name in KNOWN or place in columns]
    matched: dict[str, GradebookStudent] = {}
    strangers: list[str] = []
    excused: list[str] = []
    rows = {place: list(row) for place, row in enumerate(found.rows) if any(value.strip() for value in row)}
    for place in found.students:
        row = rows[place]
        names = [found.of(row, name).casefold() for name in IDS]
        student = next((one for name in names if name and (one := by_id.get(name) or by_mail.get(name))), None)
        if student is None:
            strangers.append(found.of(row, "Student"))
            continue
        if student.id in matched:
            raise _problem(f"{what} row {place + 1}: {student.id} is there twice, under two Canvas ids.")
        matched[student.id] = student
        for column, homework in columns.items():
            if row[column].strip().upper() == "EX":
                excused.append(f"{student.id} from {homework}")
            else:
                row[column] = f"{student.homeworks[homework].total!r}".removesuffix(".0")
    absent = [one for one in book.students if one.id not in matched and not one.disabled]
    if absent and not partial:
        named = ", ".join(one.id for one in absent[:SHOWN]) + (", …" if len(absent) > SHOWN else "")
        raise _problem(
            f"{what} lacks {len(absent)} students of the roster: {named}. Export all sections, or say that it is a"
            " part of the class (--partial)."
        )
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n", delimiter=found.delimiter)
    writer.writerows([row[place] if place in columns else cell(row[place]) for place in kept] for row in rows.values())
    lines = [f"{len(matched)} students, {len(columns)} columns: {', '.join(found.header[one] for one in columns)}"]
    if strangers:
        lines.append(f"not on the roster, so left as they are: {', '.join(strangers[:SHOWN])}")
    if excused:
        lines.append(f"excused in Canvas, so left as they are: {', '.join(excused[:SHOWN])}")
    return Filled(stream.getvalue(), lines)


def columns_of(book: Gradebook, header: Sequence[str], what: str) -> dict[int, str]:
    """The homework of each column that has one. Raises UserError E_CANVAS where two fit one, or none fits any."""
    names = {homework.name for homework in book.homeworks}
    found: dict[int, str] = {}
    for place, title in enumerate(header):
        name = homework_of(title)
        if title not in KNOWN and name in names:
            if name in found.values():
                raise _problem(f"{what}: two columns fit {name}, the last is {title[:80]!r}. Leave one of them.")
            found[place] = name
    if not found:
        raise _problem(
            f"{what} has no column for {', '.join(sorted(names))}. Name the assignments in Canvas so that they begin"
            " with the homework, like HW1, and export again."
        )
    return found


def homework_of(title: str) -> str:
    """The homework that a column's title begins with; Canvas adds the number of the assignment.

    >>> homework_of("HW1: Regression (4711)"), homework_of("Homework 12"), homework_of("my-contest (3)")
    ('hw01', 'hw12', 'my-contest')
    """
    numbered = re.match(r"(?:hw|homework)\s*0*([0-9]{1,2})(?![0-9])", title.strip(), re.IGNORECASE)
    if numbered:
        return f"hw{int(numbered[1]):02d}"
    return re.sub(r"\s*\([0-9]+\)$", "", title.strip()).casefold()


def moodle_table(book: Gradebook, one: bool) -> tuple[list[str], list[list[str | float | None]]]:
    """Header and rows for Moodle's import of grades, which finds users by their ID number or address.

    The gradebook of `one` homework has no total of the course.
    """
    names = [homework.name for homework in book.homeworks]
    rows: list[list[str | float | None]] = [
        [
            student.id,
            student.email,
            *(student.homeworks[name].total for name in names),
            *([] if one else [student.total]),
        ]
        for student in book.students
        if not student.disabled
    ]
    return ["ID number", "Email address", *names, *([] if one else ["Course total"])], rows


def workbook(book: Gradebook, one: bool) -> bytes:
    """The gradebook as a spreadsheet (XLSX) with a frozen header and names; every text is a text, never a formula.

    Raises UserError E_EXTRA_MISSING without the extra `sheets`.
    """
    try:
        import xlsxwriter
    except ImportError:
        raise UserError(
            'A spreadsheet needs one more package: pip install "lhy-grade[sheets]".', code="E_EXTRA_MISSING"
        ) from None
    header, rows = gradebook_table(book, one)
    stream = io.BytesIO()
    made = xlsxwriter.Workbook(stream, {"in_memory": True, "constant_memory": False})
    made.set_properties({"created": datetime(2000, 1, 1, tzinfo=UTC)})  # the same gradebook, the same bytes
    sheet = made.add_worksheet("Gradebook")
    bold = made.add_format({"bold": True})
    for place, name in enumerate(header):
        sheet.write_string(0, place, name, bold)
    for line, row in enumerate(rows, 1):
        for place, value in enumerate(row):
            if isinstance(value, str):
                sheet.write_string(line, place, value)
            elif value is not None:
                sheet.write_number(line, place, value)
    sheet.freeze_panes(1, 2)
    sheet.autofilter(0, 0, len(rows), len(header) - 1)
    made.close()
    return stream.getvalue()
