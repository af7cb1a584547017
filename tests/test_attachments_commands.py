"""Second files by command: the same on a server as at home, with the same codes."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from harness.grading import audit
from leaderboard import attachments, events
from tests import class_server
from tests.class_server import NOW, Served, call, forgetful, log_in
from tests.classes import PDF

home, served, folders = class_server.home, class_server.served, class_server.folders
ZIP = b"PK\x03\x04 code"


def ask(served: Served, *rules: str) -> None:
    words = ["attachment=pdf", "attachment_mb=1", "attachment_deadline=2027-04-02T12:00Z", *rules]
    done = call(
        "--home", str(served.home.root), "rules", "hw1", *words, "--reason", "a report", "--yes", "--as", "prof"
    )
    assert done.exit_code == 0, done.output


def here(served: Served, *words: str) -> Any:
    return call("--home", str(served.home.root), *words, "--as", "bob")


FILES = {
    "report.pdf": PDF,
    "again.pdf": PDF + b" and more",
    "code.zip": ZIP,
    "empty.pdf": b"",
    "text.pdf": b"my report",
    "large.pdf": PDF.ljust(10**6 + 1),
    "full.pdf": PDF.ljust(10**6),
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Files of all kinds in a folder."""
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_a_second_file_is_handed_in_listed_saved_and_its_receipt_verified(served: Served, files: Path) -> None:
    ask(served)
    log_in(served)
    for call_it, number in ((call, 1), (lambda *words: here(served, *words), 2)):
        done = call_it("attach", "hw1", "report.pdf")
        assert done.exit_code == 0, done.output
        assert done.stdout.startswith(f"report.pdf, {len(PDF)} bytes, is handed in as attachment {number} of hw01, ")
        assert "9 more today." in done.stderr
        again = call_it("attach", "hw1", "report.pdf")
        assert f"was already handed in as attachment {number}" in again.stdout
        done = call_it("attachments", "hw1", "--save", str(number), f"back{number}.pdf")
        assert done.exit_code == 0, done.output
        assert (files / f"back{number}.pdf").read_bytes() == PDF
        assert call_it("attachments", "hw1", "--save", str(number), f"back{number}.pdf").exit_code == 8
        Path(f"{number}.json").write_text(call_it("attachments", "hw1", "--receipt", str(number)).stdout)
        shown = call("receipt", "--verify", f"{number}.json").stdout
        assert shown.startswith(f"genuine: attachment {number} of {'ada' if number == 1 else 'bob'}, hw01, 2027-03-01T")
    rows = json.loads(call("attachments", "hw1", "--format", "json").stdout)
    assert [(row["id"], row["file"], row["by"], row["latest"]) for row in rows["attachments"]] == [
        (1, "report.pdf", "ada", True)
    ]
    assert audit.verify(served.home)[0] == []


VERBS = (
    "attachments hw1", "attach hw1 report.pdf", "attach hw1 again.pdf", "attach hw1 full.pdf", "attach hw1 large.pdf",
    "attach hw1 empty.pdf", "attach hw1 text.pdf", "attach hw1 code.zip", "attach hw1 none.pdf", "attach hw1 .",
    "attachments hw1", "attachments hw1 --save 99 x.pdf", "attachments hw1 --receipt 99", "attachments hw1 --latest",
)  # fmt: skip
CODES = {
    "attach hw1 large.pdf": (3, "E_TOO_LARGE"),
    "attach hw1 empty.pdf": (3, "E_ATTACHMENT_EMPTY"),
    "attach hw1 text.pdf": (3, "E_ATTACHMENT_KIND"),
    "attach hw1 code.zip": (3, "E_ATTACHMENT_KIND"),
}


def test_every_verb_answers_the_same_on_the_server_as_at_home(served: Served, files: Path) -> None:
    ask(served)
    log_in(served)
    for verb in VERBS:
        there, at_home = call(*verb.split(), "--format", "json"), here(served, *verb.split(), "--format", "json")
        assert there.exit_code == at_home.exit_code, (verb, there.output, at_home.output)
        if there.exit_code:
            codes = [json.loads(one.stdout)["error"]["code"] for one in (there, at_home)]
            assert codes[0] == codes[1], verb
            assert (there.exit_code, codes[0]) == CODES.get(verb, (there.exit_code, codes[0]))
        else:
            body, same = json.loads(there.stdout), json.loads(at_home.stdout)
            assert body.keys() == same.keys()
            assert [row["file"] for row in body.get("attachments", [])] == [
                row["file"] for row in same.get("attachments", [])
            ]
    assert CODES.keys() <= set(VERBS)


def test_it_is_refused_after_its_deadline_and_where_none_is_asked_for(
    served: Served, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.cli import common

    log_in(served)
    words = ["attach", "hw1", "report.pdf", "--format", "json"]
    for one in (call(*words), here(served, *words)):
        assert (one.exit_code, "E_ATTACHMENT_NONE" in one.stdout) == (2, True)
    ask(served)
    late = NOW.replace(month=5)
    served.clock[0] = late
    monkeypatch.setattr(common, "clock", lambda: late)
    for one in (call(*words), here(served, *words)):
        assert (one.exit_code, "E_ATTACHMENT_LATE" in one.stdout) == (5, True), one.output
    assert "closed" in call("attachments", "hw1").stderr
    with served.home.database() as database:
        assert attachments.attachments(database) == []


@pytest.mark.parametrize("part", [1.0, 0.5])
def test_a_file_whose_answer_was_lost_is_sent_again_and_recorded_once(served: Served, files: Path, part: float) -> None:
    ask(served)
    log_in(served)
    keys: list[str] = []
    with forgetful(served.url, 2, part, keys) as url:
        call("login", url, input=class_server.issue(served.home, "ada") + "\n")
        done = call("attach", "hw1", "full.pdf")
        assert done.exit_code == 0, done.output
    assert len(set(keys[-3:])) == 1
    with served.home.database() as database:
        assert [one.participant for one in attachments.attachments(database)] == ["ada"]


def test_staff_list_download_and_enter_points_beside_the_files(served: Served, files: Path) -> None:
    ask(served)
    for who, name in (("ada", "report.pdf"), ("ada", "again.pdf"), ("bob", "report.pdf")):
        log_in(served, who)
        assert call("attach", "hw1", name).exit_code == 0
        for words in (["--all"], ["--download", "x.zip"]):
            assert call("attachments", "hw1", *words).exit_code == 6
    log_in(served, "prof")
    root = ["--home", str(served.home.root)]
    for format in ("table", "json", "csv"):
        words = ["attachments", "hw1", "--all", "--format", format]
        assert call(*words).stdout == call(*root, *words, "--as", "prof").stdout
    sheet = call("attachments", "hw1", "--all", "--format", "csv").stdout
    lines = list(csv.DictReader(io.StringIO(sheet)))
    assert [(row["id"], row["attachment"]) for row in lines] == [("ada", "2"), ("bob", "3"), ("eve", "")]
    for where, more in (("there.zip", []), ("here.zip", root)):
        assert call(*more, "attachments", "hw1", "--download", where, "--latest").exit_code == 0
        with zipfile.ZipFile(where) as archive:
            assert archive.namelist() == ["hw01/ada/2-again.pdf", "hw01/bob/3-report.pdf", "hw01/index.csv"]
    assert call("attachments", "hw1", "--save", "2", "ada.pdf").exit_code == 0
    graded = "\n".join(f"{line},{points}" for line, points in zip(sheet.splitlines(), ("code", 1, 2, ""), strict=True))
    Path("sheet.csv").write_text(graded + "\n")
    done = call("points", "hw1", "--csv", "sheet.csv", "--reason", "read them", "--yes")
    assert done.exit_code == 0, done.output
    listed = call("points", "hw1", "--list", "--format", "json").stdout
    assert listed == call(*root, "points", "hw1", "--list", "--format", "json").stdout
    assert [(row["id"], row["points"], row["attachment"]) for row in json.loads(listed)["points"]] == [
        ("ada", 1.0, 2),
        ("bob", 2.0, 3),
    ]
    one = ["points", "hw1", "ada", "code", "2", "--reason", "again", "--yes", "--attachment"]
    assert call(*one, "1").exit_code == 2
    assert call(*one, "2").exit_code == 0
    assert "attachment 2, again.pdf" in call("roster", "show", "ada").stderr
    with served.home.database() as database:
        read = [event.actor for event in events.events(database) if event.kind == "attachments read"]
    assert len(read) == 3
    assert read[::2] == ["prof", "prof"]
    assert audit.verify(served.home)[0] == []
