"""The ids of a table: those that have a row, and what is wrong with the others."""

from __future__ import annotations

import re
from collections.abc import Sequence

from submissions.cells import FLOAT
from submissions.text import Report, clip
from tasks.formats import TableFormat

_FILE_NAME = re.compile(r"(?:.*[/\\])?([^/\\]+?)(?:\.(?:jpe?g|png|bmp|gif|npy|npz|pt|wav|mp3|txt|csv|json))?", re.I)


class Ids:
    """The ids that have a row, and the problems of the others."""

    def __init__(self, format: TableFormat) -> None:
        self.ids = [str(name) for name in format.ids]
        self.places = {name: place for place, name in enumerate(self.ids)}
        self.by_number = {name.lstrip("0") or "0": place for name, place in self.places.items() if _digits(name)}
        self.lines = [0] * len(self.ids)
        self.most, self.rows = format.most_rows, [0] * len(self.ids)
        self.odd: dict[str, list[tuple[int, str, str]]] = {}  # code: (line, what was found, what was expected)

    def excuse(self, cells: Sequence[str], line: int) -> None:
        """Marks the id of an unreadable row, so that it is not reported as missing too."""
        place = self.places.get(cells[0]) if cells else None
        if place is not None:
            self.lines[place] = self.lines[place] or line

    def note(self, name: str, line: int) -> int | None:
        """The place of the id on a line, or None after noting the problem."""
        place = self.places.get(name)
        if place is None:
            code, place = self._meaning(name)
            self.odd.setdefault(code, []).append((line, name, "" if place is None else self.ids[place]))
            if place is None:
                return None
        elif self.rows[place] >= self.most or (self.most == 1 and self.lines[place]):
            self.odd.setdefault("E_ID_TWICE", []).append((line, name, f"{self.lines[place]:,}"))
            return None
        self.lines[place] = line
        self.rows[place] += 1
        return place

    def _meaning(self, name: str) -> tuple[str, int | None]:
        """The error code for an unexpected id, and the place of the id that was probably meant."""
        bare = name.strip()
        if bare in self.places:
            return "E_ID_SPACE", self.places[bare]
        if _digits(bare) and (bare.lstrip("0") or "0") in self.by_number:
            return "E_ID_ZEROS", self.by_number[bare.lstrip("0") or "0"]
        stem = found[1] if len(bare) < 200 and (found := _FILE_NAME.fullmatch(bare)) else bare
        if stem != bare:
            place = self.places.get(stem, self.by_number.get(stem.lstrip("0") or "0"))
            if place is not None:
                return "E_ID_FILE", place
        if len(bare) < 40 and FLOAT.fullmatch(bare) and float(bare).is_integer():
            place = self.by_number.get(str(int(float(bare)))) if abs(float(bare)) < 2**53 else None
            if place is not None:
                return "E_ID_FLOAT", place
        return "E_ID_UNKNOWN", None

    def _shift(self, missing: Sequence[str]) -> int | None:
        """The first id if all ids are off by one, else None."""
        unknown = self.odd.get("E_ID_UNKNOWN", [])
        if len(unknown) != 1 or len(missing) != 1 or "E_ID_TWICE" in self.odd or len(self.ids) < 2:
            return None
        name, ends = unknown[0][1].strip(), (self.ids[0], self.ids[-1])
        if not all(_digits(each) and len(each) < 20 for each in (name, *ends)):
            return None
        first, last = map(int, ends)
        if last - first != len(self.ids) - 1 or (int(name), missing[0]) not in (
            (last + 1, ends[0]),
            (first - 1, ends[1]),
        ):
            return None
        return first + 1 if int(name) > last else first - 1

    def report(self, report: Report, rows: int) -> None:
        """Reports one problem for each kind of fault, with its count and first lines."""
        advice = {
            "E_ID_ZEROS": "have different leading zeros; do not save the file from a spreadsheet, and read ids as text",
            "E_ID_FLOAT": "are written as decimal numbers; write ids as text, in pandas with astype(int) or dtype=str",
            "E_ID_FILE": "are written as file names; write only the id, in Python Path(name).stem",
            "E_ID_SPACE": "have blanks around them; write ids without blanks",
        }
        for code, words in advice.items():
            if faults := self.odd.get(code):
                line, name, meant = faults[0]
                first = f'line {line:,} has "{clip(name)}", expected "{meant}"'
                report.file(code, f"{_ids(len(faults))} {words} ({first}).", line, name, meant)
        missing = [name for name, line in zip(self.ids, self.lines, strict=True) if not line]
        if (shift := self._shift(missing)) is not None:
            fix = "subtract 1 from" if shift > int(self.ids[0]) else "add 1 to"
            line, name, _ = self.odd["E_ID_UNKNOWN"][0]
            message = (
                f'the ids count from {shift}: "{clip(name)}" (line {line:,}) is unexpected, '
                f'"{missing[0]}" is missing; expected "{self.ids[0]}" to "{self.ids[-1]}"; {fix} each.'
            )
            report.file("E_ID_SHIFTED", message, line, name, f"{self.ids[0]} to {self.ids[-1]}")
            return
        if faults := self.odd.get("E_ID_UNKNOWN"):
            first = ", ".join(f'"{clip(name)}" (line {line:,})' for line, name, _ in faults[:3])
            message = f"{_ids(len(faults))} not in the sample submission, first: {first}."
            report.file("E_ID_UNKNOWN", message, faults[0][0], faults[0][1])
        if faults := self.odd.get("E_ID_TWICE"):
            line, name, earlier = faults[0]
            some = "1 row repeats an id" if len(faults) == 1 else f"{len(faults):,} rows repeat an id"
            keep = "one row" if self.most == 1 else f"at most {self.most:,} rows"
            message = f"{some}, first: {clip(name)} on lines {earlier} and {line:,}; keep {keep} for each id."
            report.file("E_ID_TWICE", message, line, name)
        if missing and self.most == 1:
            some = "1 id is missing" if len(missing) == 1 else f"{len(missing):,} ids are missing"
            first = ", ".join(clip(name) for name in missing[:3])
            message = f"{some}, first: {first} (of {len(self.ids):,}; the file has {rows:,} rows)."
            report.file("E_ID_MISSING", message, expected=first)


def _digits(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _ids(count: int) -> str:
    return "1 id" if count == 1 else f"{count:,} ids"
