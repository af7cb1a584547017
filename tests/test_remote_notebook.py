"""Notebooks, a login in the environment, the documented commands, and what the client loads."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import notebook
from harness.cli import common
from harness.course import login, remote
from harness.home import Home
from tests import class_server
from tests.class_server import ROOT, TOKEN, Served, call, constant, issue, log_in, sample, work

home, served, folders = class_server.home, class_server.served, class_server.folders


def test_an_address_and_a_token_in_the_environment_are_a_login(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(served, monkeypatch)
    monkeypatch.setenv("LHY_GRADE_SERVER", served.url + "/")
    monkeypatch.setenv("LHY_GRADE_TOKEN", issue(served.home, "ada"))
    folder = notebook.data_folder("hw1")
    assert folder == tmp_path / "hw01"
    assert (folder / "covid.train.csv").read_bytes() == (served.home.public("hw01") / "covid.train.csv").read_bytes()
    assert sum("archive" in str(r["route"]) for r in served.requests) == 1
    assert notebook.data_folder("hw1") == folder
    assert sum("archive" in str(r["route"]) for r in served.requests) == 1, "it is fetched once"
    assert notebook.check(folder / "sample_submission.csv", "hw1") == "valid: 893 rows for hw01, edition builtin"
    assert notebook.submit(folder / "sample_submission.csv", "hw1").rank == 1
    assert call("quota", "hw1").exit_code == 0
    assert "only course staff" in call("rules", "hw1").output
    assert not common.login_file().exists()
    monkeypatch.setenv("LHY_GRADE_HOME", str(tmp_path / "other"))
    assert "lhy-grade prepare hw01" in call("files", "hw1").output


@pytest.mark.parametrize(
    ("url", "token", "words"),
    [
        ("https://ml.example.edu", "", "LHY_GRADE_TOKEN is not set"),
        ("", TOKEN, "LHY_GRADE_SERVER is not set"),
        ("https://ml.example.edu", "lhy_short", "copy all of it"),
        ("ml.example.edu", TOKEN, "Did you mean https://ml.example.edu?"),
        ("http://ml.example.edu", TOKEN, "not encrypted"),
    ],
)
def test_half_a_login_in_the_environment_is_an_error_without_the_token(
    url: str, token: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LHY_GRADE_SERVER", url)
    monkeypatch.setenv("LHY_GRADE_TOKEN", token)
    said = call("quota", "hw1").output
    assert words in said
    assert "lhy_" not in said.replace("lhy_ followed", "")


def test_a_notebook_hands_in_a_frame_of_pandas_or_polars(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd
    import polars as pl

    work(served, monkeypatch)
    log_in(served)
    frame = pd.read_csv(sample(served.home), dtype={"id": str})
    target = frame.columns[1]
    frame[target] = 9.5
    done = notebook.submit(frame, "hw1", "from a notebook")
    assert (done["state"], done["rank"], done["again"]) == ("graded", 1, False)
    again = notebook.submit(pl.DataFrame({name: frame[name].tolist() for name in frame}), "hw1")
    assert again["scores"] == done["scores"]
    assert notebook.submit(sample(served.home), "hw1", wait=False)["state"] == "queued"
    frame[target] = float("nan")
    with pytest.raises(notebook.GraderError):
        notebook.submit(frame, "hw1")
    with pytest.raises(notebook.GraderError):
        notebook.submit([1, 2], "hw1")
    call("logout")
    monkeypatch.setenv("LHY_GRADE_HOME", str(served.home.root))
    (served.home.root / "config.toml").write_text('name = "bob"\n')
    assert notebook.submit(sample(served.home), "hw1")["receipt"]["participant"] == "bob"


FAULTS: list[tuple[str, Callable[[Any, str], Any], str | None]] = [
    ("any order of rows and columns, any index", lambda f, y: f.sample(frac=1, random_state=1)[[y, "id"]], None),
    ("ids as whole numbers", lambda f, y: f.assign(id=f["id"].astype(int)), None),
    ("ids as categories", lambda f, y: f.assign(id=f["id"].astype("category")), None),
    ("ids as floats", lambda f, y: f.assign(id=f["id"].astype(float)), "E_ID_FLOAT"),
    ("ids in the index", lambda f, y: f.set_index("id"), "E_COLUMNS"),
    ("an index that was written", lambda f, y: f.reset_index(), "E_COLUMNS"),
    ("another name", lambda f, y: f.rename(columns={y: "y"}), "E_COLUMNS"),
    ("nan", lambda f, y: f.assign(**{y: float("nan")}), "E_NUMBER"),
    ("infinity", lambda f, y: f.assign(**{y: float("-inf")}), "E_NUMBER"),
    ("missing", lambda f, y: f.assign(**{y: f[y].astype("Float64").where(f[y] > 99)}), "E_NUMBER"),
    ("truth values", lambda f, y: f.assign(**{y: True}), "E_NUMBER"),
    ("arrays of one number", lambda f, y: f.assign(**{y: [[9.5]] * len(f)}), "E_NUMBER"),
    ("rows that are left out", lambda f, y: f.iloc[:-3], "E_ID_MISSING"),
    ("no rows", lambda f, y: f.iloc[:0], "E_ROWS"),
]


@pytest.mark.parametrize(("change", "code"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_a_frame_is_read_as_a_file_is(
    home: Home, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any, str], Any], code: str | None
) -> None:
    import pandas as pd

    monkeypatch.setenv("LHY_GRADE_HOME", str(home.root))
    (home.root / "config.toml").write_text('name = "ada"\n')
    frame = pd.read_csv(sample(home), dtype={"id": str})
    target = frame.columns[1]
    frame[target] = 9.5
    if code is None:
        expected = notebook.submit(frame, "hw1")["scores"]
        assert notebook.submit(change(frame, target), "hw1")["scores"] == expected
        return
    with pytest.raises(notebook.GraderError) as error:
        notebook.submit(change(frame, target), "hw1")
    assert error.value.code == code
    assert ("reset_index" in str(error.value)) == (change(frame, target).index.name == "id")


def test_the_numbers_of_a_frame_arrive_with_all_their_digits(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np
    import pandas as pd
    import polars as pl

    from harness.competition import find_competition
    from submissions.reader import read
    from submissions.store import fetch

    monkeypatch.setenv("LHY_GRADE_HOME", str(home.root))
    (home.root / "config.toml").write_text('name = "ada"\n')
    frame = pd.read_csv(sample(home), dtype={"id": str})
    target, random = frame.columns[1], np.random.default_rng(0)
    values = random.normal(size=len(frame)) * 10.0 ** random.integers(-300, 0, len(frame))
    values = abs(values).clip(0, 100)
    values[:4] = 0.1 + 0.2, 5e-324, 99.99999999999999, 1 / 3
    form = find_competition(home, "hw1").format
    for given in (frame.assign(**{target: values}), pl.DataFrame({"id": list(frame["id"]), target: values})):
        done = notebook.submit(given, "hw1")
        data = fetch(home.submissions, done["receipt"]["sha256"])
        assert read(data, form)[target].tolist() == values.tolist()
    small = values[:].clip(-100, 100).astype("float32")
    done = notebook.submit(frame.assign(**{target: small}), "hw1")
    data = fetch(home.submissions, done["receipt"]["sha256"])
    assert read(data, form)[target].astype("float32").tolist() == small.tolist()


def test_the_notebook_of_the_documentation_runs(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / "student.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    example = next(block for block in blocks if "harness.notebook" in block)
    work(served, monkeypatch)
    log_in(served)
    assert call("files", "hw1", "--download").exit_code == 0
    names: dict[str, Any] = {}
    exec(example, names)
    assert names["done"]["rank"] == 1


def test_the_commands_of_the_documentation_for_a_class_run(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of the page; the submissions that it numbers are made beside it."""
    text = (ROOT / "docs" / "student.md").read_text(encoding="utf-8").partition("## In a class\n")[2]
    lines = re.findall(r"^lhy-grade (.*)$", text.partition("```\n")[2].partition("```")[0], re.MULTILINE)
    work(served, monkeypatch)
    own = {"preds.csv": constant(served.home, tmp_path, 9), "more.csv": constant(served.home, tmp_path, 8)}
    for name, path in own.items():
        path.rename(tmp_path / name)
    log_in(served, "bob")
    for number in (1, 2):
        assert call("submit", "hw1", str(constant(served.home, tmp_path, number))).exit_code == 0
    asked = ["rules", "hw1", "attachment=pdf", "--reason", "a report", "--yes", "--as", "prof"]
    assert call("--home", str(served.home.root), *asked).exit_code == 0
    for number in range(1, 7):
        (tmp_path / "report.pdf").write_bytes(b"%%PDF-1.7 %d" % number)
        assert call("attach", "hw1", "report.pdf").exit_code == 0
    ran = []
    for line in lines:
        words = [word.replace("https://ml.example.edu", served.url) for word in shlex.split(line, comments=True)]
        words, out = (words[: words.index(">")], words[-1]) if ">" in words else (words, None)
        if words[:2] == ["select", "hw1"] and words[2:] == ["3", "5"]:
            log_in(served, "bob")
            assert call("submit", "hw1", str(constant(served.home, tmp_path, 4))).exit_code == 0
            log_in(served, "ada")
            assert call("submit", "hw1", "more.csv").exit_code == 0
        done = call(*words, input=issue(served.home, "ada") + "\n" if words[0] == "login" else None)
        assert done.exit_code == 0, (line, done.output)
        if out is not None:
            (tmp_path / out).write_text(done.stdout, encoding="utf-8")
        ran.append(words[0])
    assert ran == [
        "login",
        "files",
        "tasks",
        "check",
        "submit",
        "status",
        "receipt",
        "receipt",
        "select",
        "status",
        "attach",
        "attachments",
        "attachments",
        "announce",
        "login",
        "login",
        "logout",
    ]


SCRIPT = """
import json, sys
before = set(sys.modules)
from harness.cli.main import cli
try:
    cli.main(sys.argv[2:], standalone_mode=False)
finally:
    names = {name.split(".")[0] for name in set(sys.modules) - before}
    ours = {"harness", "tasks", "submissions", "leaderboard"}
    outside = sorted(names - set(sys.stdlib_module_names) - ours)
    more = [name for name in ("sqlite3", "leaderboard.database") if name in sys.modules]
    open(sys.argv[1], "w").write(json.dumps(outside + more))
"""
CLIENT = {"click", "msgspec", "platformdirs", "typing_extensions", "urllib3"}


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of a user are told by variables on Linux alone")
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["quota", "hw1", "--format", "json"], CLIENT),
        (["leaderboard", "hw1", "--format", "json"], CLIENT),
        (["submissions", "hw1"], CLIENT | {"rich"}),
        (["submit", "hw1", "FILE", "--no-wait"], CLIENT | {"numpy"}),
        (["check", "hw1", "FILE"], CLIENT | {"numpy"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_the_client_loads_neither_a_database_nor_torch_nor_pandas(
    served: Served, tmp_path: Path, words: list[str], wanted: set[str]
) -> None:
    environment = {**os.environ, **{f"XDG_{n}_HOME": str(tmp_path / n) for n in ("CONFIG", "CACHE", "STATE", "DATA")}}
    environment.pop("LHY_GRADE_HOME", None)
    path = tmp_path / "CONFIG" / "lhy-grade" / "login.json"
    login.write_login(path, remote.RemoteCourse(served.url, issue(served.home, "ada")))
    loaded = tmp_path / "loaded.json"
    given = [str(sample(served.home)) if word == "FILE" else word for word in words]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(loaded), *given],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {name for name in json.loads(loaded.read_text()) if not name.startswith("_sysconfigdata")} == wanted
