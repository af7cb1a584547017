"""The strict reader of episodes: a table `episode,step,action`, JSON lists of actions, or a `.npy` of whole numbers.

A table has one row for each action, in any order, and the columns in any order; episodes and steps count from 0, and an
episode has every step from 0 to its last. All three are written as plain digits, actions as 0, 1, 2 or 3: `1.0` is
refused, as in every column of whole numbers. JSON is a list of lists, `[[0, 2, 2], [3, 0]]`, the episodes in order.
Both are UTF-8. A `.npy` file is what `numpy.save` writes for lists of one length, like the course's `Action_List.npy`;
for lists of different lengths it writes a pickle, which can run code when loaded and is refused.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from submissions import text
from submissions.text import Report, clip, refusal, text_of, too_large, without_end
from tasks.base import Columns, SubmissionError
from tasks.formats import EpisodesFormat

CODES: dict[str, str] = {
    **text.CODES,
    "E_LINE_LONG": "A line is longer than any row. Write one action per line.",
    "E_BLANK": "There is a blank line before the last row. Remove it.",
    "E_COLUMNS": "The header is not exactly episode, step and action. Use the header of the sample submission.",
    "E_ROWS": "The file has no rows, or more rows than the episodes can have steps. Write one row for each action.",
    "E_CELLS": "A row has more or fewer cells than the header. Look for stray commas.",
    "E_ACTION": "An action is not one of the environment's actions. Write a whole number from 0 to 3.",
    "E_STEP": "A step is not a whole number from 0 to the last step of an episode. Count steps from 0.",
    "E_STEPS": "There are more actions than one episode, or all of them, can have. Stop when the episode is over.",
    "E_STEP_TWICE": "Steps of an episode have more than one row. Write each step once.",
    "E_STEP_MISSING": "An episode has gaps in its steps. Write every step, starting from 0.",
    "E_ID_UNKNOWN": "Episodes are not part of the competition. Take the numbers from episodes.csv.",
    "E_ID_MISSING": "Episodes of the competition have no actions. Play every episode of episodes.csv.",
    "E_JSON": (
        "The file starts like JSON but is not a list of lists of whole numbers. Write one list of actions for "
        "each episode."
    ),
    "E_PICKLE": (
        "The file is a Python pickle, or a numpy array that contains one; a pickle can run code and is not opened. "
        "Convert it to JSON; the homework sheet has the command."
    ),
    "E_ARRAY": (
        "The numpy array is damaged, or not a two-dimensional array of whole numbers. Use JSON if the episodes differ "
        "in length."
    ),
}
"""The error codes for a file of episodes before it is replayed. Codes are stable."""

HEADER = ("episode", "step", "action")
MAX_LINE = 200
CONVERT = (
    'python -c "import json, numpy; json.dump([[int(a) for a in e] for e in '
    "numpy.load('Action_List.npy', allow_pickle=True)], open('actions.json', 'w'))\""
)
PICKLED = (
    "a pickle can run code when it is loaded, so it is refused. Convert your own file to JSON and submit "
    f"actions.json:  {CONVERT}"
)
_ARRAY = re.compile(  # matches in at most one way, so that no hostile header takes forever
    rb"\{'descr': '([^']{1,40})', 'fortran_order': (False|True), "
    rb"'shape': \((|[0-9]{1,9}(?:, [0-9]{1,9})*,?)\),? ?\}[ \n]*"
)


def read_episodes(data: bytes, form: EpisodesFormat) -> Columns:
    """ "actions", int8 `(n, max_steps)` with -1 after the last one, and "length", int64 `(n,)`.

    Raises SubmissionError with every problem found, up to `submissions.text.SHOWN`; the rest is counted.
    """
    if len(data) > form.max_bytes:
        raise too_large(len(data), form.max_bytes)
    if data.startswith(b"\x93NUMPY"):
        return _columns(_read_array(data, form), form)
    if re.match(rb"\x80[\x02-\x05]", data):
        raise refusal("E_PICKLE", f"This is a Python pickle; {PICKLED}")
    words = text_of(data, "the actions as CSV or JSON")
    if words.lstrip()[:1] in ("[", "{"):
        return _columns(_read_json(words, form), form)
    return _read_table(words, form)


def _columns(episodes: Sequence[bytes], form: EpisodesFormat) -> Columns:
    """The padded array and the lengths of checked actions."""
    import numpy as np

    actions = np.full((len(form), form.max_steps), -1, dtype=np.int8)
    for row, episode in zip(actions, episodes, strict=True):
        row[: len(episode)] = np.frombuffer(episode, dtype=np.int8)
    return {"actions": actions, "length": np.array([len(episode) for episode in episodes], dtype=np.int64)}


# The table


def _read_table(words: str, form: EpisodesFormat) -> Columns:
    report = Report()
    most = len(form) * form.max_steps
    if words.count("\n") > most + 1000:
        rows = words.count("\n")
        raise refusal("E_ROWS", f"the file has {rows:,} rows; {len(form):,} episodes have at most {most:,} steps.")
    lines = [without_end(line) for line in words.split("\n")]
    while not lines[-1].strip(" \t"):
        lines.pop()
    start = next(number for number, line in enumerate(lines) if line.strip(" \t"))
    for number in range(start):
        report.line("E_BLANK", "blank before the header; remove the line.", number + 1, "")
    names = [name.strip(" \t") for name in _cells(lines[start][: MAX_LINE + 1])]
    if sorted(names) != sorted(HEADER):
        first = clip(lines[start])
        message = f'line {start + 1:,}: expected the header {",".join(HEADER)}; found "{first}".'
        report.file("E_COLUMNS", message, start + 1, lines[start], ",".join(HEADER))
        report.end()
    if len(lines) == start + 1:
        report.file("E_ROWS", "the file has a header and no rows; expected one row for each action.", start + 1)
        report.end()
    episodes = _rows(lines, start + 1, names, form, report)
    report.end()
    return _columns(episodes, form)


def _cells(line: str) -> list[str]:
    """The cells of a line, without the quotes around them."""
    cells = line.split(",")
    if '"' in line:
        cells = [cell[1:-1] if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell for cell in cells]
    return cells


def _rows(lines: list[str], start: int, names: Sequence[str], form: EpisodesFormat, report: Report) -> list[bytes]:
    """The actions of each episode; meaningless if the report has a problem."""
    by_episode = {str(i): i for i in form.ids}
    by_step = {str(i): i for i in range(form.max_steps)}
    by_action = {str(i): i for i in range(form.actions)}
    order = [names.index(name) for name in HEADER]
    line_of = array("l", bytes(array("l").itemsize * len(form) * form.max_steps))  # 0: no row
    actions = bytearray(len(form) * form.max_steps)
    excused: set[int] = set()  # episodes with a row whose cells or step cannot be read
    unknown: list[tuple[int, str]] = []
    twice: list[tuple[int, int, int, int]] = []
    for number, line in enumerate(lines[start:], start=start + 1):
        cells = _cells(line[: MAX_LINE + 1])
        episode = by_episode.get(cells[order[0]].strip(" \t")) if order[0] < len(cells) else None
        if len(cells) != 3 or len(line) > MAX_LINE:
            _report_row(line, number, len(cells), report)
            if episode is not None:
                excused.add(episode)
            continue
        step = by_step.get(cells[order[1]].strip(" \t"))
        action = by_action.get(cells[order[2]].strip(" \t"))
        if episode is None:
            unknown.append((number, cells[order[0]]))
        if step is None:
            message, wanted = f"expected a whole number from 0 to {form.max_steps - 1}", f"0 to {form.max_steps - 1}"
            report.line("E_STEP", f"{message}{_why(cells[order[1]])}.", number, cells[order[1]], wanted, "step")
            if episode is not None:
                excused.add(episode)
        if action is None:
            message, wanted = f"expected {_choices(form)}", f"0 to {form.actions - 1}"
            report.line("E_ACTION", f"{message}{_why(cells[order[2]])}.", number, cells[order[2]], wanted, "action")
        if episode is not None and step is not None:
            place = episode * form.max_steps + step
            if line_of[place]:
                twice.append((number, line_of[place], episode, step))
                continue
            line_of[place] = number
            actions[place] = action or 0
    if unknown:
        first = ", ".join(f'"{clip(name)}" (line {number:,})' for number, name in unknown[:3])
        message = (
            f"{_some(len(unknown), 'row')} of unknown episodes, first: {first}; they are numbered 0 to {len(form) - 1}"
        )
        report.file("E_ID_UNKNOWN", f"{message}.", unknown[0][0], unknown[0][1], f"0 to {len(form) - 1}")
    if twice:
        number, before, episode, step = twice[0]
        message = f"{_some(len(twice), 'row')} for a step that already has one, first: episode {episode}, step {step}"
        report.file("E_STEP_TWICE", f"{message}, on lines {before:,} and {number:,}.", number, f"{episode},{step}")
    episodes = []
    missing = []
    for episode in form.ids:
        place = episode * form.max_steps
        there = [step for step, row in enumerate(line_of[place : place + form.max_steps]) if row]
        length = there[-1] + 1 if there else 0
        if not there and episode not in excused:
            missing.append(episode)
        if len(there) < length and episode not in excused:
            _report_gap(episode, there, length, report)
        episodes.append(bytes(actions[place : place + length]))
    _report_missing(missing, form, report)
    return episodes


def _report_row(line: str, number: int, cells: int, report: Report) -> None:
    """Reports the problem of a line without exactly three cells."""
    if not line.strip(" \t"):
        report.line("E_BLANK", "blank; remove the line.", number, line)
    elif len(line) > MAX_LINE:
        report.line("E_LINE_LONG", f"longer than {MAX_LINE} characters; check the line ends.", number, line)
    else:
        have = "1 cell" if cells == 1 else f"{cells:,} cells"
        report.line("E_CELLS", f"{have}, expected {','.join(HEADER)}.", number, line, "3 cells")


def _report_gap(episode: int, there: Sequence[int], length: int, report: Report) -> None:
    lost = sorted(set(range(length)) - set(there))
    if lost == [0]:
        words = f"has steps 1 to {length - 1:,}; steps count from 0"
    else:
        first = ", ".join(map(str, lost[:3])) + (", …" if len(lost) > 3 else "")
        words = f"has step {length - 1:,}, missing {_some(len(lost), 'earlier step')}: {first}"
    if report.counts["E_STEP_MISSING"] < text.SHOWN_PER_CODE:
        report.file("E_STEP_MISSING", f"episode {episode} {words}.", None, None, f"the steps 0 to {length - 1}")
    else:
        report.counts["E_STEP_MISSING"] += 1


def _report_missing(missing: Sequence[int], form: EpisodesFormat, report: Report) -> None:
    if missing:
        first = ", ".join(map(str, missing[:3]))
        have = "1 episode has" if len(missing) == 1 else f"{len(missing):,} episodes have"
        report.file("E_ID_MISSING", f"{have} no actions, first: {first} (of {len(form):,}).", expected=first)


def _some(count: int, thing: str) -> str:
    return f"1 {thing}" if count == 1 else f"{count:,} {thing}s"


def _choices(form: EpisodesFormat) -> str:
    return f"one of {', '.join(str(i) for i in range(form.actions))}"


def _why(cell: str) -> str:
    """A hint from the look of a cell."""
    cell = cell.strip(" \t")
    if re.fullmatch(r"[0-9]+\.0*", cell):
        return "; write whole numbers without a point (in pandas, astype(int))"
    if re.fullmatch(r"(nan|null|none|n/?a|)", cell, re.IGNORECASE):
        return "; the cell is empty"
    if re.fullmatch(r"[\[({<].*|(tensor|array|np\.).*", cell):
        return "; write only the number, without brackets"
    return f'; found "{clip(cell)}"'


# JSON


def _read_json(words: str, form: EpisodesFormat) -> list[bytes]:
    """The actions of each episode. Counts in the text limit what `json` can build from it."""
    other = re.search(r'[{"]', words)
    if other:
        line = words.count("\n", 0, other.start()) + 1
        message = "expected a list of lists of whole numbers, such as [[0, 2], [3]], the episodes in order"
        raise refusal("E_JSON", f"line {line:,}: {message}; found {other.group()}.", line, other.group())
    lists, numbers = words.count("[") - 1, words.count(",") + 1
    if lists > len(form) + 1000:
        raise refusal("E_JSON", f"the file has {lists:,} lists; expected one list for each of {len(form):,} episodes.")
    most = len(form) * form.max_steps
    if numbers > most + 1000:
        raise refusal("E_STEPS", f"{numbers:,} values in the file; {len(form):,} episodes have at most {most:,} steps.")
    try:
        value = json.loads(words, parse_int=_whole, parse_float=_Odd, parse_constant=_Odd)
    except json.JSONDecodeError as error:
        message = f"line {error.lineno:,}, character {error.colno:,}: not JSON ({error.msg}); is the file complete?"
        raise refusal("E_JSON", message, error.lineno) from None
    except RecursionError:
        raise refusal("E_JSON", "lists are nested too deeply; expected one list for each episode.") from None
    return _checked(value, form)


class _Odd(str):
    """A JSON number that is not an action, as written."""


def _whole(digits: str) -> int | _Odd:
    return int(digits) if len(digits) < 4 and digits.isdigit() else _Odd(digits)


def _checked(value: list[Any], form: EpisodesFormat) -> list[bytes]:
    report = Report()
    lists = sum(isinstance(episode, list) for episode in value)
    if not lists == len(value) == len(form):
        have = _some(lists, "list") + (f" and {len(value) - lists:,} other values" if len(value) > lists else "")
        raise refusal("E_JSON", f"expected a list of {_some(len(form), 'list')} of actions; found {have}.")
    episodes = []
    missing = []
    for number, episode in enumerate(value):
        if not episode:
            missing.append(number)
        if len(episode) > form.max_steps:
            message = f"episode {number} has {len(episode):,} actions; at most {form.max_steps:,} are accepted."
            _report_episode("E_STEPS", message, report)
            continue
        wrong = [
            step for step, action in enumerate(episode) if type(action) is not int or not 0 <= action < form.actions
        ]
        if wrong:
            found = _as_json(episode[wrong[0]])
            many = "" if len(wrong) == 1 else f" ({len(wrong):,} such actions)"
            why = f"expected {_choices(form)}; found {clip(found)}{many}"
            _report_episode("E_ACTION", f"episode {number}, step {wrong[0]}: {why}.", report, clip(found))
        else:
            episodes.append(bytes(episode))
    _report_missing(missing, form, report)
    report.end()
    return episodes


def _as_json(value: Any) -> str:
    """A value as written in the file, shortened."""
    if isinstance(value, list):
        return "a list"
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else json.dumps(value)


def _report_episode(code: str, message: str, report: Report, found: str | None = None) -> None:
    if report.counts[code] < text.SHOWN_PER_CODE:
        report.file(code, message, None, found)
    else:
        report.counts[code] += 1


# The array


def _read_array(data: bytes, form: EpisodesFormat) -> list[bytes]:
    """The rows of an array `(n, length)` of whole numbers, each row an episode.

    The header is parsed here, in the exact form that `numpy.save` writes, since numpy's own reader evaluates it.
    """
    import numpy as np

    sizes: Mapping[bytes, int] = {b"\x01\x00": 2, b"\x02\x00": 4, b"\x03\x00": 4}
    width = sizes.get(data[6:8], 0)
    end = 8 + width + int.from_bytes(data[8 : 8 + width], "little")
    header = _ARRAY.fullmatch(data[8 + width : end]) if width and end <= min(len(data), 1000) else None
    if header is None:
        raise _bad_array("its header is not what numpy.save writes")
    kind = re.fullmatch(rb"([<>|=])([a-zA-Z])([0-9]*)", header[1])
    shape = tuple(int(size) for size in re.findall(rb"[0-9]+", header[3]))
    if kind is not None and kind[2] == b"O":
        raise refusal("E_PICKLE", f"This array holds Python objects, which numpy saves as a pickle; {PICKLED}")
    if kind is None or kind[2] not in b"iu" or kind[3] not in (b"1", b"2", b"4", b"8"):
        found = clip(header[1].decode("ascii", "replace"))
        raise _bad_array(f"expected whole numbers, found the type {found}; use numpy.array(actions).astype(int)")
    if len(shape) != 2 or shape[0] != len(form):
        raise _bad_array(f"expected the shape ({len(form)}, steps), found {shape}")
    if not 1 <= shape[1] <= form.max_steps:
        raise _bad_array(f"expected 1 to {form.max_steps:,} actions per episode, found {shape[1]:,}")
    if len(data) - end != shape[0] * shape[1] * int(kind[3]):
        raise _bad_array("it is truncated, or has bytes after its end")
    values = np.frombuffer(data, dtype=header[1].decode("ascii"), offset=end)
    rows = values.reshape(shape, order="F" if header[2] == b"True" else "C")
    wrong = np.argwhere((rows < 0) | (rows >= form.actions))
    if len(wrong):
        episode, step = wrong[0].tolist()
        found = str(rows[episode, step])
        message = (
            f"episode {episode}, step {step}: expected {_choices(form)}; found {found} ({len(wrong):,} such actions)"
        )
        raise refusal("E_ACTION", f"{message}.", None, found, f"0 to {form.actions - 1}")
    return [row.astype(np.uint8).tobytes() for row in rows]


def _bad_array(why: str) -> SubmissionError:
    return refusal("E_ARRAY", f"a numpy array: {why}. Submit lists of different lengths as CSV or JSON.")
