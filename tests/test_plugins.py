"""Homeworks from outside this repository: a folder, or an installed package, from data to a place on the board."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.answers import read_secret
from harness.cli.main import cli
from harness.competition import find_competition
from harness.home import open_home
from tasks import plugins
from tasks.base import UserError
from tasks.homeworks import all_tasks, find_task, packages_of

PACKAGE = {
    "__init__.py": """
from tasks.base import Edition, Place, Rules, Task
from tasks.formats import Column, TableFormat
from tasks.metrics import MAE

FORM = TableFormat("id", (Column("y"),), range(40))
EDITION = Edition("builtin", "drawn", FORM, (MAE,), (), Rules(), Place("NAME.world:make"))
TASK = Task("hw16", "A sixteenth", (EDITION,))
""",
    "world.py": """
from tasks.base import Answers, Made

def make(public, streams, size, source=None, secret=None):
    (public / "test.csv").write_text("x\\n" * 40)
    return Made(Answers(range(40), {"y": streams.generator("hidden").normal(size=40)}))
""",
    "sheet.md": "# A sixteenth\n",
    "baseline.py": 'FILES, LEVELS = ("test.csv",), {"simple": 1}\n',
}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Forgets what a test added."""
    before = set(sys.modules)
    yield
    plugins._ADDED.clear()
    plugins.installed.cache_clear()
    for name in set(sys.modules) - before:
        if name.startswith(("hw16_", "sixteen")):
            del sys.modules[name]


def package(folder: Path, name: str = "hw16_food", **changed: str) -> Path:
    place = folder / name
    place.mkdir(parents=True)
    for file, text in (PACKAGE | {f"{key}.py": value for key, value in changed.items()}).items():
        (place / file).write_text(text.replace("NAME", name))
    return place


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words])


def test_a_folder_gives_a_homework_with_data_and_a_board(tmp_path: Path) -> None:
    place, home = package(tmp_path), tmp_path / "home"
    assert packages_of("hw16") is None
    unknown = call(home, "prepare", "hw16")
    assert (unknown.exit_code, "there is no competition hw16" in unknown.stderr) == (2, True)
    made = call(home, "--plugin", str(place), "prepare", "16")
    assert made.exit_code == 0, made.output
    assert packages_of("hw16") == ("hw16_food", "hw16_food.baseline")
    assert [task.name for task in all_tasks()][-2:] == ["hw15", "hw16"]
    assert "A sixteenth" in call(home, "--plugin", str(place), "tasks").stdout
    assert (home / "public/hw16/sheet.md").read_text() == "# A sixteenth\n"
    (tmp_path / "a.csv").write_text("id,y\n" + "".join(f"{n},0\n" for n in range(40)))
    sent = call(home, "--plugin", str(place), "submit", "hw16", str(tmp_path / "a.csv"), "--as", "ada")
    assert sent.exit_code == 0, sent.output
    assert "public MAE" in sent.stdout
    board = call(home, "leaderboard", "hw16", "--format", "json")
    assert json.loads(board.stdout)["board"][0]["name"] == "ada"
    assert call(home, "audit", "verify").exit_code == 0


def test_an_installed_package_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path / "site", "sixteen")
    info = tmp_path / "site" / "sixteen-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sixteen\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lhy_grade.homeworks]\nhw16 = sixteen\nhw17 = sixteen\nhw18 = gone\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    plugins.installed.cache_clear()
    task = find_task("hw16")
    assert task is not None
    assert task.title == "A sixteenth"
    with pytest.raises(UserError, match="installed as hw17, but its TASK is named hw16"):
        find_task("hw17")
    with pytest.raises(UserError, match="hw18 of the package gone cannot be loaded"):
        find_task("hw18")
    assert call(tmp_path / "home", "prepare", "hw16").exit_code == 0


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("hw16-food", "", "is not a Python package: expected a folder named like a module"),
        ("json", "", "there is another module 'json'"),
        ("harness", "", "there is another module 'harness'"),
        ("hw16_food", "x = 1\n", "has no TASK"),
        ("hw16_food", "TASK = 3\n", "has no TASK"),
        ("hw16_food", "def f(:\n", "cannot be loaded: SyntaxError"),
        ("hw16_food", "import no_such_package\n", "cannot be loaded: ModuleNotFoundError"),
        ("hw16_food", "raise SystemExit(3)\n", "cannot be loaded: SystemExit"),
        *[
            ("hw16_food", PACKAGE["__init__.py"].replace("hw16", name), f"cannot be named {name!r}")
            for name in ("hw1", "HW16", "hw01", "hw15", "16", "a b")
        ],
    ],
)
def test_a_folder_that_is_no_homework_is_refused(tmp_path: Path, name: str, source: str, said: str) -> None:
    place = package(tmp_path, name, __init__=source) if source else package(tmp_path, name)
    refused = call(tmp_path / "home", "--plugin", str(place), "tasks")
    assert (refused.exit_code, said in " ".join(refused.stderr.split())) == (2, True), refused.output
    missing = call(tmp_path / "home", "--plugin", str(tmp_path / "none"), "tasks")
    assert (missing.exit_code, "is not a Python package" in " ".join(missing.stderr.split())) == (2, True)


def test_no_package_takes_the_place_of_a_homework_of_the_course(tmp_path: Path) -> None:
    place = package(tmp_path, __init__=PACKAGE["__init__.py"].replace("hw16", "hw01"))
    plugins.add(place)
    task = find_task("hw01")
    assert task is not None
    assert task.title == "Regression: COVID-19 cases"
    assert len(all_tasks()) == 15


def test_a_folder_that_python_finds_by_itself_is_the_same_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = package(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert plugins.add(place) == "hw16"
    other = package(tmp_path / "other")
    with pytest.raises(UserError, match="there is another module 'hw16_food'"):
        plugins.add(other)


def test_a_process_that_is_started_can_add_the_same_folders(tmp_path: Path) -> None:
    place = package(tmp_path)
    assert plugins.add(place) == plugins.add(place) == "hw16"
    assert plugins.added() == (place.resolve(),)
    assert np.array(plugins.names()).tolist() == ["hw16"]


def test_two_folders_with_one_name_are_refused_and_empty_parts_are_skipped(tmp_path: Path) -> None:
    one, two = package(tmp_path), package(tmp_path, "sixteen")
    with pytest.raises(UserError, match="are both named hw16"):
        [plugins.add(place) for place in (one, two)]
    listed = CliRunner().invoke(
        cli, ["--home", str(tmp_path / "home"), "tasks"], env={"LHY_GRADE_PLUGIN": f"{one}{os.pathsep}"}
    )
    assert (listed.exit_code, "A sixteenth" in listed.stdout) == (0, True), listed.output


def test_without_its_plugin_a_competition_is_refused_by_name(tmp_path: Path) -> None:
    place, home = package(tmp_path), tmp_path / "home"
    assert call(home, "--plugin", str(place), "prepare", "16").exit_code == 0
    plugins._ADDED.clear()
    (tmp_path / "a.csv").write_text("id,y\n" + "".join(f"{n},0\n" for n in range(40)))
    sent = call(home, "submit", "hw16", str(tmp_path / "a.csv"), "--as", "ada")
    assert sent.exit_code != 0
    assert "hw16 is the homework of a plugin that is not loaded here" in " ".join(sent.stderr.split())
    found = open_home(home)
    with pytest.raises(UserError, match="--plugin FOLDER, or set LHY_GRADE_PLUGIN"):
        read_secret(found, find_competition(found, "hw16"))
    assert "hw16 is the homework of a plugin" in " ".join(call(home, "doctor").output.split())
