"""The reader of text takes exactly one line for each sentence, names what is wrong with the rest, and never guesses."""

from __future__ import annotations

import gzip
import io
import re
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from submissions import text
from submissions.lines import CODES, read_lines
from submissions.reader import read
from tasks.base import SubmissionError, UserError
from tasks.formats import LinesFormat

DATA = Path(__file__).parents[1].parent / "shared" / "data"

FORM = LinesFormat("translation", range(1, 5), 700_000)
SENTENCES = ["我愛貓。", " 你 好\t嗎 ", "<unk>", "3,5 a"]
GOOD = "".join(f"{line}\n" for line in SENTENCES).encode()


def refusal(data: bytes, form: LinesFormat = FORM) -> SubmissionError:
    with pytest.raises(SubmissionError) as caught:
        read_lines(data, form)
    return caught.value


def outcome(data: bytes, form: LinesFormat) -> list[str] | SubmissionError:
    try:
        lines: list[str] = read_lines(data, form)[form.column].tolist()
    except SubmissionError as error:
        return error
    return lines


def codes(error: SubmissionError) -> list[str]:
    """The codes of the problems, each once, in order."""
    return list(dict.fromkeys(problem.code for problem in error.problems))


def zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, GOOD)
    return buffer.getvalue()


def form_of(count: int) -> LinesFormat:
    return LinesFormat("translation", range(1, count + 1), 2**26)


# Taken ----------------------------------------------------------------------------------------------------------------

TAKEN = {
    "a line a sentence": GOOD,
    "no line end after the last line": GOOD[:-1],
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "CRLF": GOOD.replace(b"\n", b"\r\n"),
    "CRLF, the last line without": GOOD.replace(b"\n", b"\r\n")[:-2],
    "CR CR LF": GOOD.replace(b"\n", b"\r\r\n"),
    "line ends of both kinds": GOOD.replace(b"\n", b"\r\n", 2),
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_file_is_taken(name: str) -> None:
    columns = read_lines(TAKEN[name], FORM)
    assert list(columns) == ["translation"]
    assert columns["translation"].dtype == object
    assert columns["translation"].tolist() == SENTENCES


def test_the_one_door_leads_to_this_reader() -> None:
    assert read(GOOD, FORM)["translation"].tolist() == SENTENCES
    assert read("一\n".encode(), LinesFormat("zh", range(1, 2), 99))["zh"].tolist() == ["一"]


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\u3000", "\u00a0", "\ufeff", "\u200b"])
def test_no_other_separator_ends_a_line(mark: str) -> None:
    data = f"一{mark}二\n三\n四\n五\n".encode()
    assert read_lines(data, FORM)["translation"].tolist() == [f"一{mark}二", "三", "四", "五"]


# Refused --------------------------------------------------------------------------------------------------------------

BODY = "我愛貓。\n你好嗎\n再見\n{}\n"
REFUSED: dict[str, tuple[bytes, list[str], str]] = {
    # What is wrong: the bytes, the codes, and what the message must hold.
    "nothing": (b"", ["E_EMPTY"], "empty"),
    "blanks": (b" \n\n", ["E_EMPTY"], "empty"),
    "one line too few": (GOOD.partition(b"\n")[2], ["E_LINES"], "has 3 lines; expected 4.*last translation.*<unk>"),
    "two lines too few": (b"a\nb\n", ["E_LINES"], "has 2 lines; expected 4.*write <unk>"),
    "one line": (b"a", ["E_LINES"], "has 1 line; expected 4"),
    "one line too many": (GOOD + "多\n".encode(), ["E_LINES"], "has 5 lines; expected 4.*splits it into two lines"),
    "a blank line at the end": (GOOD + b"\n", ["E_LINES"], "has 5 lines.*blank lines after the last sentence"),
    "blank lines at the end": (GOOD + b"\r\n \r\n", ["E_LINES"], "has 6 lines.*blank lines after the last sentence"),
    "a blank line between all": (GOOD.replace(b"\n", b"\n\n"), ["E_LINES"], "Every other line is blank"),
    "a header": (b"translation\n" + GOOD, ["E_LINES"], 'looks like a header \\("translation"\\): remove'),
    "a CSV": (
        b"id,translation\n" + b"".join(b"%d,%s\n" % (i, line) for i, line in enumerate(GOOD.splitlines())),
        ["E_LINES", "E_LINE_IDS"],
        "begin with ids",
    ),
    "ids": ("1\t一\n2\t二\n3\t三\n4\t四\n".encode(), ["E_LINE_IDS"], "write only the translations, in order"),
    "quoted ids": ('"7","一"\n"8","二"\n"9","三"\n"10","四"\n'.encode(), ["E_LINE_IDS"], "without a header"),
    "an empty line": (BODY.format("").encode(), ["E_LINE_EMPTY"], "line 4: an empty line; write <unk>"),
    "a line of blanks": (BODY.format(" \t\u3000\u00a0").encode(), ["E_LINE_EMPTY"], "line 4: "),
    "an empty last line": ("一\n二\n三\n".encode(), ["E_LINES"], "Is the last translation empty"),
    "a carriage return": (BODY.format("a\rb").encode(), ["E_LINE_END"], "line 4: a carriage return inside"),
    "the line ends of old Macs": (GOOD.replace(b"\n", b"\r"), ["E_LINE_END"], "LF or CRLF"),
    "a long line": (BODY.format("猫" * 10_001).encode(), ["E_LINE_LONG"], "line 4: 10,001 characters, at most 10,000"),
    "a vertical tab": (BODY.format("a\x0bb").encode(), ["E_CONTROL"], "line 4: .*U[+]000B at character 2"),
    "a form feed": (BODY.format("\x0ca").encode(), ["E_CONTROL"], "U[+]000C at character 1"),
    "the C1 line end": (BODY.format("a\x85b").encode(), ["E_CONTROL"], "U[+]0085"),
    "an escape": (BODY.format("a\x1b[31m").encode(), ["E_CONTROL"], "U[+]001B"),
    "a file separator": (BODY.format("a\x1cb").encode(), ["E_CONTROL"], "U[+]001C"),
    "a delete": (BODY.format("a\x7f").encode(), ["E_CONTROL"], "U[+]007F"),
    "a NUL": (BODY.format("a\0b").encode(), ["E_BINARY"], "line 4: a NUL"),
    "UTF-16": (BODY.format("完").encode("utf-16"), ["E_ENCODING"], "UTF-16"),
    "UTF-16 without a mark": (b"abcd\n".decode().encode("utf-16-le") * 4, ["E_ENCODING"], "UTF-16"),
    "Big5": (BODY.format("完").encode("big5"), ["E_ENCODING"], "line 1: .*not UTF-8"),
    "Latin-1": ("a\nb\ncafé\nd\n".encode("latin-1"), ["E_ENCODING"], "line 3: .*xe9 is not UTF-8"),
    "a surrogate": (b"a\nb\n\xed\xa0\x80\nd\n", ["E_ENCODING"], "line 3"),
    "half a character": (BODY.format("完").encode()[:-3], ["E_ENCODING"], "line 4"),
    "gzip": (gzip.compress(GOOD), ["E_BINARY"], "gzip archive"),
    "a zip": (zipped("prediction.txt"), ["E_BINARY"], "zip archive"),
    "a spreadsheet": (zipped("xl/workbook.xml"), ["E_BINARY"], "Excel"),
    "a numpy array": (b"\x93NUMPY\x01\x00", ["E_BINARY"], "numpy array"),
    "too many bytes": (b"a" * 700_001, ["E_SIZE"], "The file has 700,001 bytes, at most 700,000 are accepted"),
    "far too many lines": (b"a\n" * 5000, ["E_LINES"], "has 5,000 lines; expected 4"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_trap_is_refused_with_its_codes(name: str) -> None:
    data, expected, message = REFUSED[name]
    error = refusal(data)
    assert codes(error) == expected
    assert re.search(message, str(error)), str(error)
    assert error.exit_code == 3


@pytest.mark.parametrize("name", REFUSED)
def test_lines_of_other_texts_are_refused_in_words_that_speak_of_no_translation(name: str) -> None:
    data, expected, _ = REFUSED[name]
    error = refusal(data, LinesFormat("line", range(1, 5), 700_000))
    assert codes(error) == expected
    said = re.sub(r'\(".*?"\)', "", str(error))  # without what is in the file
    assert not re.search("<unk>|translation|sentence", said), said


def test_every_code_is_documented_and_shown_by_a_trap() -> None:
    shown = {code for _, codes, _ in REFUSED.values() for code in codes}
    of_names = {"E_FILE_MISSING", "E_FILE_DIRECTORY", "E_FILE_UNREADABLE"}  # test_reader tries them
    assert shown | of_names == set(CODES)
    assert set(text.CODES) <= set(CODES)


def test_all_problems_are_reported_at_once_in_order_and_the_rest_is_counted() -> None:
    broken = ["", "a\x01b", "c\rd", "x" * 20_000, *[" "] * 30, "完"]
    error = refusal("".join(f"{line}\n" for line in broken).encode(), form_of(40))
    assert codes(error) == ["E_LINES", "E_LINE_EMPTY", "E_CONTROL", "E_LINE_END", "E_LINE_LONG"]
    assert [problem.line for problem in error.problems if problem.line] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert error.total == 1 + 31 + 1 + 1 + 1
    assert str(error).endswith("… and 26 more of the same kinds.")


def test_no_problem_repeats_what_steers_a_terminal() -> None:
    error = refusal("\x1b]0;title\x07\n\x9b31m\n\u202e<\n,\r\x1b[2J\n".encode())
    assert len(error.problems) == 3
    for problem in error.problems:
        assert (problem.message + (problem.found or "")).isprintable()


@pytest.mark.parametrize(
    "sentences", [["1,000 隻貓", "2. 狗", "3,5 公里", "2021年"], ["1,000 隻貓", "3,5 公里", "2,000 年", "7,1"]]
)
def test_a_translation_may_begin_with_a_number(sentences: list[str]) -> None:
    assert read_lines("\n".join(sentences).encode(), FORM)["translation"].tolist() == sentences


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("line ends", b"\n" * 20_000_000 + b"a"),
        ("one line", b"a" * 20_000_000),
        ("carriage returns", b"\r" * 20_000_000 + b"a"),
        ("empty lines", b"a\n" + b"\n" * 15_000_000 + b"a"),
    ],
)
def test_a_hostile_file_of_20_mb_takes_little_memory(name: str, data: bytes) -> None:
    tracemalloc.start()
    try:
        refusal(data, form_of(4000))
        assert tracemalloc.get_traced_memory()[1] < 4 * len(data), name
    finally:
        tracemalloc.stop()


# Properties -----------------------------------------------------------------------------------------------------------

sentences = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=30).filter(
    lambda line: not line.isspace()
)


@given(
    written=st.lists(sentences, min_size=1, max_size=8),
    end=st.sampled_from(["\n", "\r\n", "\r\r\n"]),
    last=st.booleans(),
    mark=st.booleans(),
)
def test_what_is_written_a_sentence_a_line_comes_back(written: list[str], end: str, last: bool, mark: bool) -> None:
    written[0] = written[0].lstrip("\ufeff") or "x"  # a mark at the start is no text
    content = ("\ufeff" if mark else "") + end.join(written) + (end if last else "")
    found = outcome(content.encode(), form_of(len(written)))
    if isinstance(found, SubmissionError):
        assert codes(found) in (["E_LINE_IDS"], ["E_BINARY"])  # PAR1 or BZh are no sentences
    else:
        assert found == written


@given(data=st.binary(max_size=200), count=st.integers(1, 6))
def test_no_bytes_at_all_lead_to_anything_but_so_many_lines_or_a_submission_error(data: bytes, count: int) -> None:
    found = outcome(data, form_of(count))
    if isinstance(found, SubmissionError):
        assert all(problem.code in CODES for problem in found.problems)
        return
    assert len(found) == count
    assert all(isinstance(line, str) and line.strip() and "\n" not in line and "\r" not in line for line in found)


@given(written=st.lists(sentences, min_size=2, max_size=8), place=st.integers(0, 7), removed=st.booleans())
def test_one_line_more_or_less_is_always_refused(written: list[str], place: int, removed: bool) -> None:
    changed = list(written)
    place %= len(written)
    if removed:
        del changed[place]
    else:
        changed.insert(place, "x")
    with pytest.raises(SubmissionError):
        read_lines("\n".join(changed).encode(), form_of(len(written)))


def test_real_outputs_of_translation_systems_are_read_line_by_line() -> None:
    paths = sorted((DATA / "wmt22-enzh" / "hyp").glob("*.zh"))
    if not paths:
        pytest.skip("the WMT22 texts are not here")
    for path in paths:
        column = read_lines(path.read_bytes(), LinesFormat("translation", range(1, 2038), 700_000))["translation"]
        assert len(column) == 2037
        assert np.array_equal(column, path.read_text(encoding="utf-8").split("\n")[:-1])
        with pytest.raises(UserError, match="has 2,037 lines; expected 2,036"):
            read_lines(path.read_bytes(), form_of(2036))
