"""The sample code of each homework: what the command writes, and that it runs from the data to a score."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness import notebook
from harness.cli.main import cli
from harness.cli.starter import cells, source_of
from tasks.homeworks import MODULES, module_of

ROOT = Path(__file__).parents[1]
OURS = {"baselines", "harness", "leaderboard", "submissions", "tasks", "tests"}
NAMES = [module[:4] for module in MODULES]
COLUMNS, LINES = 100, 120
"""The longest line of a starter, and the most lines of code."""


def call(*words: str) -> Result:
    return CliRunner().invoke(cli, [*words])


# What the command writes.


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and no home."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("LHY_GRADE_HOME", str(tmp_path / "home"))
    return tmp_path / "work"


@pytest.mark.parametrize("name", NAMES)
def test_a_starter_is_a_notebook_with_the_cells_of_its_source(name: str, here: Path) -> None:
    import jupytext
    import nbformat

    done = call("starter", name.replace("hw0", "hw"))
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [f"{name}.ipynb"]
    assert f"jupyter lab {name}.ipynb" in done.stderr
    assert [path.name for path in here.iterdir()] == [f"{name}.ipynb"]
    text = (here / f"{name}.ipynb").read_text(encoding="utf-8")
    nbformat.validate(json.loads(text))
    reads: Any = nbformat.reads
    written = reads(text, as_version=nbformat.NO_CONVERT)
    reference = jupytext.reads(source_of(name), fmt="py:percent")
    assert [(c.cell_type, c.source) for c in written.cells] == [(c.cell_type, c.source) for c in reference.cells]


@pytest.mark.parametrize("name", NAMES)
def test_the_script_is_the_source_of_the_starter(name: str, here: Path) -> None:
    done = call("starter", name, "--script")
    assert done.exit_code == 0, done.output
    assert f"python {name}.py" in done.stderr
    assert (here / f"{name}.py").read_bytes() == source_of(name).encode()


def test_work_is_overwritten_only_by_force(here: Path) -> None:
    mine = here / "hw01.ipynb"
    mine.write_text("my work")
    done = call("starter", "hw1")
    assert done.exit_code == 8
    assert "--force" in done.stderr
    assert mine.read_text() == "my work"
    assert call("starter", "hw1", "--force").exit_code == 0
    assert json.loads(mine.read_text())["nbformat"] == 4


def test_a_link_that_leads_nowhere_is_not_written_through(here: Path) -> None:
    (here / "hw01.py").symlink_to(here / "elsewhere.py")
    assert call("starter", "hw1", "--script").exit_code == 8
    assert not (here / "elsewhere.py").exists()


def test_a_folder_of_that_name_is_no_place_for_a_notebook(here: Path) -> None:
    (here / "hw01.ipynb").mkdir()
    for words in ((), ("--force",)):
        done = call("starter", "hw1", *words)
        assert done.exit_code == 8
        assert "hw01.ipynb is a folder" in done.stderr


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(here: Path) -> None:
    here.chmod(0o500)
    done = call("starter", "hw1")
    here.chmod(0o700)
    assert done.exit_code == 10
    assert "hw01.ipynb cannot be written: Permission denied" in done.stderr


def test_a_full_disk_is_an_error_without_the_inside_of_the_grader(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.home.write_file", full)
    done = call("starter", "hw1")
    assert done.exit_code == 10
    assert done.stderr == "hw01.ipynb cannot be written: No space left on device.\n"


@pytest.mark.parametrize(
    ("homework", "words"),
    [
        ("hw99", "no competition hw99"),
        ("my-contest", "Sample code is there for hw01"),
        ("../hw1", "not a valid competition name"),
    ],
)
def test_a_homework_without_sample_code_is_an_error(homework: str, words: str, here: Path) -> None:
    done = call("starter", homework)
    assert done.exit_code == 2
    assert words in done.stderr
    assert list(here.iterdir()) == []


# What a starter is like.


@pytest.mark.parametrize("name", NAMES)
def test_a_starter_is_short_and_begins_with_its_title(name: str) -> None:
    source = source_of(name)
    assert cells(source)[0][1].startswith(f"# HW{int(name[2:])}: ")
    assert max(map(len, source.splitlines())) <= COLUMNS
    path = ROOT / "tasks" / str(module_of(name)) / "starter.py"
    ruff = [sys.executable, "-m", "ruff", "format", "--quiet", "--check", "--line-length", str(COLUMNS), str(path)]
    assert subprocess.run(ruff, cwd=ROOT, check=False).returncode == 0, "ruff format --line-length 100"
    code = [line for text, lines in cells(source) if not text for line in lines.splitlines()]
    assert len([line for line in code if line.strip() and not line.lstrip().startswith("#")]) < LINES
    assert "**Hint**" in source


@pytest.mark.parametrize("name", NAMES)
def test_a_starter_uses_nothing_of_ours_but_the_notebook_and_no_token(name: str) -> None:
    tree = ast.parse(source_of(name))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {module for module in modules if module and module.split(".")[0] in OURS} == {"harness.notebook"}
    assert "lhy_" not in source_of(name)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    named = {"data_folder": 0, "work_folder": 0, "check": 1, "submit": 1}
    for node in calls:
        assert isinstance(node.func, ast.Name)
        if node.func.id in named:
            word = node.args[named.pop(node.func.id)]
            assert isinstance(word, ast.Constant)
            assert word.value == f"hw{int(name[2:])}"
    assert not named


# What it finds of the course.


def test_the_data_are_those_of_the_home(course: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(notebook.GraderError, match="lhy-grade prepare hw01"):
        notebook.data_folder("hw1")
    monkeypatch.setenv("LHY_GRADE_HOME", str(course))
    assert notebook.data_folder("hw1") == course / "public" / "hw01"
    assert "valid: 893 rows for hw01" in notebook.check(course / "public" / "hw01" / "sample_submission.csv", "hw1")
    assert list(here.iterdir()) == []


def test_a_module_among_the_data_may_be_imported(course: Path, here: Path) -> None:
    from harness.build import damaged_files

    folder = here / "hw01"
    shutil.copytree(course / "public" / "hw01", folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "environment.pyc").write_bytes(b"")
    assert damaged_files(folder) == []
    (folder / "mine.txt").write_text("")
    assert damaged_files(folder) == ["mine.txt"]


def test_checkpoints_lie_beside_the_notebook_or_on_the_drive_of_colab(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert notebook.work_folder("hw1") == Path("hw01-work")
    assert (here / "hw01-work").is_dir()
    (here / "hw03-work").write_text("")
    with pytest.raises(notebook.GraderError, match="hw03-work cannot be made"):
        notebook.work_folder("hw3")

    class Missing(Exception):
        pass

    def get(name: str) -> str:
        if name == "LHY_GRADE_TOKEN":
            raise Missing
        return "http://127.0.0.1:1"

    mounted: list[str] = []
    colab: Any = types.ModuleType("google.colab")
    colab.drive = types.SimpleNamespace(mount=mounted.append)
    colab.userdata = types.SimpleNamespace(get=get, SecretNotFoundError=Missing, NotebookAccessError=Missing)
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    monkeypatch.setattr(notebook, "DRIVE", here / "drive")
    assert notebook.work_folder("hw1") == here / "drive" / "MyDrive" / "lhy-grade" / "hw01"
    assert mounted == [str(here / "drive")]
    monkeypatch.delenv("LHY_GRADE_HOME")
    monkeypatch.setenv("LHY_GRADE_SERVER", "")
    with pytest.raises(notebook.GraderError, match="LHY_GRADE_TOKEN is not set"):
        notebook.data_folder("hw1")


# From the data to a score.

RUN = """
import sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3").execute()
for cell in notebook.cells:
    for output in cell.get("outputs", []):
        print(output.get("text", ""))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_starter_that_is_killed_goes_on_and_clears_the_simple_bar(
    name: str, fixed_home: Callable[[str], Path], tmp_path: Path
) -> None:
    """The script is killed once it has written a checkpoint; the notebook goes on from there."""
    home, work = shutil.copytree(fixed_home(name), tmp_path / "home"), tmp_path / "work"
    work.mkdir()
    environment = os.environ | {
        "LHY_GRADE_HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg",
        "JUPYTER_ALLOW_INSECURE_WRITES": "1",
    }  # fmt: skip

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=work, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def typed(*words: str) -> str:
        return run("-c", "from harness.cli.main import main; main()", *words)

    typed("starter", name, "--script")
    typed("starter", name)
    checkpoint = work / f"{name}-work" / "checkpoint.pt"
    output = (tmp_path / "output").open("w+")
    with output, subprocess.Popen([sys.executable, f"{name}.py"], cwd=work, env=environment, stdout=output) as script:
        while not checkpoint.exists() and script.poll() is None:
            time.sleep(0.05)
        script.kill()
        assert script.wait() == -signal.SIGKILL, "it ended before it was killed"
    told = run("-c", RUN, f"{name}.ipynb")
    assert re.search(r"going on after (epoch|update) \d+", told)
    assert "valid: " in told
    (row,) = json.loads(typed("submissions", name, "--format", "json"))["submissions"]
    assert row["state"] == "graded"
    body = json.loads(typed("status", str(row["id"]), "--format", "json"))
    assert "simple" in body["bars"], told
