"""The mark "size not verified" of an entry whose edition asks for a model, from its table to the network of HW13."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from baselines import students
from baselines.common import train_level
from baselines.hw13_compression import LEVELS as CONFIGS
from harness.answers import read_secret
from harness.cli import common
from harness.cli.main import cli
from harness.competition import find_competition
from harness.course import boards, handing_in, record
from harness.course.access import NOBODY, Viewer
from harness.course.entries import to_json
from harness.grading.accept import submit
from harness.grading.audit import verify as audit
from harness.grading.reproduction import verify_entry
from harness.grading.settle import drop_refused
from harness.home import Home, open_home
from harness.plans import plan_homework
from harness.prepare import prepare
from harness.server.run import make_ready
from leaderboard import acceptance, enrolment, roster, verifications
from leaderboard.acceptance import Upload
from leaderboard.database import Database
from leaderboard.verifications import Verification
from submissions.models import read_model
from submissions.store import fetch, has, keep
from tasks.base import SubmissionError, UserError
from tasks.formats import TableFormat
from tasks.hw13_compression import LAYOUTS, SIDES, STUDENTS, TARGET, TASK, official
from tasks.models import Node, graph
from tasks.tensor_formats import ModelFormat
from tests import test_hw03_cnn as hw03
from tests.classes import Class
from tests.conftest import SHORT
from tests.files import drawing
from tests.web import signed_in

pytestmark = pytest.mark.slow_on_postgresql

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
YEARS = {layout.year: layout for layout in LAYOUTS}
FORM = STUDENTS[SIDES.index(32)]


# A course with the edition of a year


def network(seed: int = 0, form: ModelFormat = FORM) -> bytes:
    """A graph from the mean colours to eleven numbers, drawn by the seed: 44 numbers."""
    rng = np.random.default_rng(seed)
    nodes: list[Node] = [
        ("GlobalAveragePool", ["pixels"], "mean", {}), ("Flatten", ["mean"], "flat", {}),
        ("Gemm", ["flat", "weight", "bias"], "logits", {}),
    ]  # fmt: skip
    weight = rng.standard_normal((3, 11)).astype(np.float32)
    return graph(form, "network", nodes, {"weight": weight, "bias": (-weight.sum(0) / 2).astype(np.float32)})


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A home of each year, of few pictures, with the table and the network of one student in their folders."""
    made = {}
    for year, layout in YEARS.items():
        place = tmp_path_factory.mktemp(year)
        home = open_home(place / "home")
        source = hw03.given(place / "given", layout)
        prepare(home, plan_homework("hw13", year, source, "small"), seed=3, accept_leaks=False, now=NOW)
        made[year] = home.root
    return made


def write(home: Home, name: str, data: bytes) -> Path:
    path = home.root / name
    path.write_bytes(data)
    return path


def table(home: Home, data: bytes, form: ModelFormat = FORM) -> bytes:
    """The file that a student writes with a network."""
    competition = find_competition(home, "hw13")
    assert isinstance(competition.format, TableFormat)
    rows = official.classes(
        YEARS[competition.edition], form, read_model(data, form), competition.format, home.public("hw13")
    )[TARGET]
    lines = [f"{name},{row}" for name, row in zip(competition.format.ids, rows.tolist(), strict=True)]
    return "\n".join(["Id,Category", *lines]).encode()


@pytest.fixture(params=YEARS)
def home(request: pytest.FixtureRequest, templates: dict[str, Path], tmp_path: Path, database_url: str) -> Home:
    """A course of each year, its leaderboard on each kind of database in turn."""
    root = Path(shutil.copytree(templates[request.param], tmp_path / "home"))
    return configured(root, database_url)


def configured(root: Path, url: str) -> Home:
    """The home of these files with another, empty database, into which the data are adopted."""
    for path in root.glob("leaderboard.db*"):
        path.unlink()
    (root / "config.toml").write_text(f'name = "prof"\ndatabase = {json.dumps(url)}\n')
    return open_home(root)


@pytest.fixture
def local(templates: dict[str, Path], tmp_path: Path) -> Home:
    """A course of 2021 on SQLite."""
    root = Path(shutil.copytree(templates["2021"], tmp_path / "home"))
    (root / "config.toml").write_text('name = "prof"\n')
    return open_home(root)


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "clock", lambda: NOW)


def call(home: Home, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home.root), *words], env={"COLUMNS": "180"})


def told(home: Home, *words: str) -> Any:
    found = call(home, *words, "--format", "json")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def hand_in(home: Home, data: bytes, who: str = "ann") -> int:
    path = write(home, f"{who}.csv", data)
    return submit(home, find_competition(home, "hw13"), path, participant=who, now=NOW).accepted.submission


# The mark


def test_an_entry_is_marked_everywhere_until_its_network_has_given_its_rows_again(home: Home) -> None:
    data = network()
    number, model = hand_in(home, table(home, data)), write(home, "ann.onnx", data)
    mark, plain = "size not verified", "verified, 44 parameters"
    for shown in (mark, plain):
        assert [row["model"] for row in told(home, "leaderboard", "hw13")["board"]] == [shown]
        assert [row["model"] for row in told(home, "submissions", "hw13", "--as", "ann")["submissions"]] == [shown]
        assert told(home, "status", str(number))["model"] == shown
        again = told(home, "submit", "hw13", str(home.root / "ann.csv"), "--as", "ann")
        assert (again["again"], again["model"]) == (True, shown)
        for words in (["leaderboard", "hw13"], ["submissions", "hw13", "--as", "ann"], ["status", str(number)]):
            for format in ("table", "csv"):
                assert shown in call(home, *words, "--format", format).stdout, (words, format)
        book = told(home, "gradebook", "hw13")
        assert book["students"][0]["homeworks"]["hw13"]["model"] == shown.partition(",")[0]
        for words in (["gradebook", "hw13"], ["gradebook"]):
            for format in ("table", "csv"):
                assert shown.partition(",")[0] in call(home, *words, "--format", format).stdout, (words, format)
        if shown == mark:
            done = call(home, "verify", str(number), str(model))
            assert done.exit_code == 0, done.output
            assert f"submission {number} is verified: 44 parameters, 33 of 33 rows equal" in done.stdout
    problems, _ = audit(home)
    assert problems == []
    with home.database() as database:
        (one,) = verifications.verifications(database).values()
    assert one == Verification(number, one.model, len(data), 44, 33, 33, "prof", NOW)
    assert fetch(home.submissions, one.model) == data


def refused(home: Home, number: int, data: bytes, code: str) -> str:
    """The message of a refusal, after which nothing is recorded."""
    with pytest.raises(UserError) as caught:
        verify_entry(home, number, write(home, "some.onnx", data), "prof", NOW)
    assert caught.value.code == code
    with home.database() as database:
        assert verifications.verifications(database) == {}
        assert "model verified" not in store_events(database)
    return "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


def store_events(database: Database) -> list[str]:
    return [str(kind) for kind in database.column("SELECT kind FROM events ORDER BY seq")]


def test_a_network_that_gives_other_rows_is_refused_with_the_share(local: Home) -> None:
    number = hand_in(local, table(local, network()))
    message = refused(local, number, network(1), "E_NOT_REPRODUCED")
    shown = call(local, "verify", str(number), str(local.root / "some.onnx"))
    assert (shown.exit_code, shown.stderr.strip().endswith(message)) == (3, True)
    assert f"of the 33 rows of submission {number}" in message
    assert "at least 99% must be equal" in message
    assert "Nothing was recorded" in message


def test_one_row_in_a_hundred_may_differ_and_no_more(local: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edition of 33 rows of which 32 are asked for, and of which 33 are."""
    lines = table(local, network()).decode().split("\n")
    lines[7] = f"6,{(int(lines[7].partition(',')[2]) + 1) % 11}"
    number = hand_in(local, "\n".join(lines).encode())
    assert "gives 32 of the 33 rows" in refused(local, number, network(), "E_NOT_REPRODUCED")
    editions = [
        replace(one, reproduction=one.reproduction and replace(one.reproduction, share=32 / 33))
        for one in TASK.editions
    ]
    monkeypatch.setattr("harness.competition.find_task", lambda name: replace(TASK, editions=tuple(editions)))
    done = call(local, "verify", str(number), str(write(local, "a.onnx", network())))
    assert "32 of 33 rows equal" in done.stdout


@pytest.mark.parametrize(
    ("what", "code", "words"),
    [
        ("a table", "E_MODEL_FILE", "not an ONNX model"),
        ("too many", "E_PARAMETERS", "at most 100,000 are accepted"),
        ("side 33", "E_MODEL_INPUTS", "float32 (n, 3, 256, 256)"),
        ("builtin name", "E_MODEL_INPUTS", "expected pixels"),
        ("random", "E_MODEL_RANDOM", "draws random numbers"),
        ("nan", "E_MODEL_RESULT", "not finite"),
    ],
)
def test_a_model_that_the_reader_refuses_verifies_nothing(local: Home, what: str, code: str, words: str) -> None:
    number = hand_in(local, table(local, network()))
    tensor = FORM.inputs[0]
    odd = replace(FORM, inputs=(replace(tensor, shape=(3, 33, 33)),))
    many = {"weight": np.ones((3072, 33), np.float32), "second": np.ones((33, 11), np.float32)}
    data = {
        "a table": (local.root / "ann.csv").read_bytes(),
        "too many": graph(FORM, "many", [
            ("Flatten", ["pixels"], "flat", {}), ("MatMul", ["flat", "weight"], "mid", {}),
            ("MatMul", ["mid", "second"], "logits", {})], many),
        "side 33": network(0, odd),
        "builtin name": network().replace(b"pixels", b"images"),
        "random": graph(FORM, "random", [
            ("RandomNormalLike", ["pixels"], "noise", {}), ("GlobalAveragePool", ["noise"], "mean", {}),
            ("Flatten", ["mean"], "flat", {}), ("MatMul", ["flat", "weight"], "logits", {})],
            {"weight": np.ones((3, 11), np.float32)}),
        "nan": graph(FORM, "nan", [
            ("GlobalAveragePool", ["pixels"], "mean", {}), ("Flatten", ["mean"], "flat", {}),
            ("MatMul", ["flat", "weight"], "mid", {}), ("Div", ["mid", "zero"], "logits", {})],
            {"weight": np.ones((3, 11), np.float32), "zero": np.zeros(1, np.float32)}),
    }[what]  # fmt: skip
    assert words in refused(local, number, data, code)


def test_any_listed_side_is_accepted(local: Home) -> None:
    for side in (SIDES[0], SIDES[-1]):
        form = STUDENTS[SIDES.index(side)]
        data = network(side, form)
        number = hand_in(local, table(local, data, form), f"side {side}")
        done = call(local, "verify", str(number), str(write(local, "a.onnx", data)))
        assert "33 of 33 rows equal" in done.stdout, done.output


def test_an_entry_is_verified_once_and_by_its_own_number(local: Home) -> None:
    first = hand_in(local, table(local, network()))
    second = hand_in(local, table(local, network(1)), "bob")
    for number in (99, 0, -1, 10**30):
        refused(local, number, network(), "E_NO_SUBMISSION")
    assert "rows of submission 2" in refused(local, second, network(), "E_NOT_REPRODUCED")
    model = write(local, "a.onnx", network())
    assert "is verified" in call(local, "verify", str(first), str(model)).stdout
    again = call(local, "verify", str(first), str(write(local, "b.onnx", b"anything at all")))
    assert again.exit_code == 0
    assert f"submission {first} was already verified: 44 parameters" in again.stdout
    with local.database() as database:
        assert store_events(database).count("model verified") == 1
    assert [row["model"] for row in told(local, "submissions", "--all")["submissions"]] == [
        "verified, 44 parameters",
        "size not verified",
    ]


def test_a_refused_and_a_waiting_entry_have_no_mark_and_cannot_be_verified(local: Home) -> None:
    path = write(local, "bad.csv", b"Id,Category\n0,99\n")
    with pytest.raises(SubmissionError):
        submit(local, find_competition(local, "hw13"), path, participant="ann", now=NOW)
    assert "was refused" in refused(local, 1, network(), "E_NOT_VERIFIABLE")
    data = table(local, network())
    with pytest.raises(KeyboardInterrupt):
        submit(
            local,
            find_competition(local, "hw13"),
            write(local, "good.csv", data),
            participant="ann",
            now=NOW,
            step=stopping,
        )
    assert "has no score yet" in refused(local, 2, network(), "E_NOT_VERIFIABLE")
    assert [row["model"] for row in told(local, "submissions", "hw13", "--as", "ann")["submissions"]] == [None, None]
    assert told(local, "leaderboard", "hw13")["board"][0]["model"] is None
    assert call(local, "grade", "--pending").exit_code == 0
    assert "is verified" in call(local, "verify", "2", str(local.root / "some.onnx")).stdout


def stopping(step: str) -> None:
    if step == "accepted":
        raise KeyboardInterrupt


def test_the_models_bytes_are_kept_and_missed(local: Home) -> None:
    number = hand_in(local, table(local, network()))
    data = network()
    call(local, "verify", str(number), str(write(local, "a.onnx", data)))
    with local.database() as database:
        model = verifications.verifications(database)[number].model
        for _ in range(7):  # the same bytes, refused so often as submissions that they need not be kept
            with pytest.raises(SubmissionError):
                submit(local, find_competition(local, "hw13"), write(local, "a.csv", data), participant="eve", now=NOW)
        assert acceptance.dropped(database)
        drop_refused(local, database)
    assert has(local.submissions, model)
    assert audit(local)[0] == []
    (local.submissions / model[:2] / model[2:]).unlink()
    assert any(problem.startswith(f"the model of submission {number}") for problem in audit(local)[0])


def test_new_data_keep_the_old_marks_and_end_the_verifying_of_old_entries(local: Home, tmp_path: Path) -> None:
    first, second = hand_in(local, table(local, network())), hand_in(local, table(local, network(1)), "bob")
    call(local, "verify", str(first), str(write(local, "a.onnx", network())))
    source = hw03.given(tmp_path / "other", LAYOUTS[0], 12)
    plan = plan_homework("hw13", "2021", source, "small")
    prepare(local, plan, seed=3, new_data=True, reason="more", accept_leaks=False, now=NOW, actor="prof")
    assert told(local, "leaderboard", "hw13")["board"] == []
    old = told(local, "leaderboard", "hw13", "--version", "1")["board"]
    assert {row["name"]: row["model"] for row in old} == {
        "ann": "verified, 44 parameters",
        "bob": "size not verified",
    }
    stale = call(local, "verify", str(second), str(write(local, "b.onnx", network(1))))
    assert stale.exit_code == 8
    assert "its data were replaced by newer ones" in stale.stderr
    assert "was already verified" in call(local, "verify", str(first), str(local.root / "a.onnx")).stdout
    third = hand_in(local, table(local, network(2)), "ann")
    assert told(local, "leaderboard", "hw13")["board"][0]["model"] == "size not verified"
    assert "is verified" in call(local, "verify", str(third), str(write(local, "c.onnx", network(2)))).stdout
    assert audit(local)[0] == []


def test_changed_pictures_verify_nothing(local: Home) -> None:
    number = hand_in(local, table(local, network()))
    one = next((local.public("hw13") / LAYOUTS[0].test_folder).glob("*.jpg"))
    one.write_bytes(drawing(99, 40, 40, "JPEG"))
    found = call(local, "verify", str(number), str(write(local, "a.onnx", network())))
    assert found.exit_code == 8
    assert f"changed, missing or added in {local.public('hw13')}" in found.stderr


# What others see


PEOPLE = (
    roster.RosterEntry("prof", "Lee", "", "instructor"),
    roster.RosterEntry("b01", "Ann"),
    roster.RosterEntry("b02", "Bob"),
)


@pytest.fixture
def taught(local: Home) -> tuple[Home, int]:
    with local.database() as database:
        for entry in PEOPLE:
            enrolment.add_person(database, entry, actor="prof", reason="start", now=NOW)
    data = table(local, network())
    sha256 = keep(local.submissions, data)
    body = handing_in.submit_accept(
        local, Viewer("student", "b01"), "hw13", Upload(sha256, len(data), "a.csv", "", "k", NOW)
    )
    call(local, "grade", "--pending")
    return local, body.submission


def test_students_see_the_mark_of_all_on_the_board_and_their_own_in_their_list(taught: tuple[Home, int]) -> None:
    home, number = taught
    ann, bob = Viewer("student", "b01"), Viewer("student", "b02")
    for shown in ("size not verified", "verified, 44 parameters"):
        for viewer in (ann, bob, NOBODY):
            assert [row.model for row in boards.board(home, viewer, "hw13", now=NOW).board] == [shown]
        assert record.submissions(home, ann, "hw13", now=NOW).submissions[0].model == shown
        assert record.submission(home, ann, number, NOW).model == shown
        assert record.submissions(home, bob, "hw13", now=NOW).submissions == []
        call(home, "verify", str(number), str(write(home, "a.onnx", network())))


def test_nobody_is_shown_the_models_file_hash_or_who_verified_it(taught: tuple[Home, int]) -> None:
    home, number = taught
    call(home, "verify", str(number), str(write(home, "secretly-named.onnx", network())), "--as", "prof")
    with home.database() as database:
        model = verifications.verifications(database)[number].model
    ann = Viewer("student", "b01")
    bodies = [
        boards.board(home, ann, "hw13", now=NOW),
        record.submissions(home, ann, "hw13", now=NOW),
        record.submission(home, ann, number, NOW),
    ]
    text = json.dumps(to_json(bodies))
    assert not [word for word in (model, "secretly", "prof", str(home.root)) if word in text]


def test_the_message_of_a_refusal_does_not_depend_on_the_hidden_classes(local: Home, tmp_path: Path) -> None:
    number = hand_in(local, table(local, network()))
    secret = read_secret(local, find_competition(local, "hw13"))
    said = refused(local, number, network(1), "E_NOT_REPRODUCED")
    for path in secret.folder.glob("column-*.npy"):
        labels = np.load(path, allow_pickle=False)
        np.save(path, (labels + 1) % 11)
    assert refused(local, number, network(1), "E_NOT_REPRODUCED") == said
    assert "is verified" in call(local, "verify", str(number), str(write(local, "a.onnx", network()))).stdout


def test_the_pages_show_the_mark(taught: tuple[Home, int]) -> None:
    home, number = taught
    make_ready(home)
    site = Class(home, NOW)
    site.tokens = {key: site.token(key) for key in ("prof", "b01")}
    pages = {
        "nobody": ["/homeworks/hw13/board"],
        "b01": ["/homeworks/hw13/board", "/homeworks/hw13/submissions", f"/submissions/{number}"],
        "prof": ["/homeworks/hw13/everyone", f"/submissions/{number}", "/gradebook", "/gradebook?hw=hw13"],
    }
    for shown in ("size not verified", "verified, 44 parameters"):
        for who, paths in pages.items():
            client = site.client() if who == "nobody" else signed_in(site, who)
            for path in paths:
                page = client.get(path)
                assert page.status_code == 200, (who, path)
                assert (shown.partition(",")[0] if "gradebook" in path else shown) in page.text, (who, path)
        assert shown in site.client("b01").get("/api/v1/homeworks/hw13/board").text
        call(home, "verify", str(number), str(write(home, "a.onnx", network())))
    site.close()


# The baseline


@pytest.mark.parametrize("level", ["simple", *(pytest.param(one, marks=pytest.mark.slow) for one in list(CONFIGS)[1:])])
def test_a_level_trains_with_a_teacher_of_its_own_and_its_network_gives_its_table_again(
    level: str, templates: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(students, "EPOCHS", 2)
    monkeypatch.setattr(students, "WIDTHS", (4, 8, 8))
    home = open_home(Path(shutil.copytree(templates["2022"], tmp_path / "home")))
    run = tmp_path / "run"
    path = train_level("hw13", level, home.public("hw13"), run, seed=0, device="cpu", overrides=SHORT["hw13"])
    assert path.suffix == ".csv"
    number = hand_in(home, path.read_bytes())
    found, again = verify_entry(home, number, run / "student.onnx", "prof", NOW)
    assert not again
    assert found.equal_rows == found.all_rows == 33
    assert found.parameters <= 100_000
    assert len(list((run / "shared").glob("teacher-*/teacher.safetensors"))) == 1
