"""The data of a homework from a server, one file at a time. Archives are in test_archive.py."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import notebook
from harness.course import download, remote
from tasks.base import UserError
from tests import class_server
from tests.class_server import NOW, Served, call, constant, log_in, sample

home, served, folders = class_server.home, class_server.served, class_server.folders


def test_the_files_of_a_server_of_an_earlier_version_come_one_by_one(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.build import damaged_files

    log_in(served)
    public, work = served.home.public("hw01"), tmp_path / ".hw01.part" / "files"
    real = remote.RemoteCourse.files
    monkeypatch.setattr(remote.RemoteCourse, "files", lambda self, hw: replace(real(self, hw), archive=None))
    done = call("files", "hw1", "--download")
    assert done.exit_code == 0, done.output
    assert not work.parent.exists()
    folder = tmp_path / "hw01"
    names = {path.name for path in folder.iterdir()}
    assert names == {path.name for path in public.iterdir()}
    assert all((folder / name).read_bytes() == (public / name).read_bytes() for name in names - {"manifest.json"})
    assert damaged_files(folder) == []


def test_download_never_writes_over_another_file(served: Served, tmp_path: Path) -> None:
    log_in(served)
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "sheet.md").write_text("my notes")
    refused = call("files", "hw1", "--download", str(folder))
    assert refused.exit_code == 8
    assert "sheet.md" in refused.stderr
    assert [path.name for path in folder.iterdir()] == ["sheet.md"]
    assert (folder / "sheet.md").read_text() == "my notes"


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/etc/passwd",
        "a/../../x",
        "..",
        ".",
        "",
        "a//b",
        "a/./b",
        "C:\\x",
        "a\\b",
        "C:x",
        "x\0",
        "x\n",
        "a/",
        "\u202ex",
        "x" * 300,
        "MANIFEST.json",
        "ok.txt. ",
        " ",
        "~/x/..",
        "...",
        "nul:",
    ],
)
def test_a_name_that_would_leave_the_folder_is_refused(name: str) -> None:
    with pytest.raises(UserError) as error:
        download.check_names(["ok.txt", name])
    assert error.value.exit_code == 8


def test_names_in_folders_are_taken_and_two_of_one_name_are_not() -> None:
    download.check_names(["a/b/c.csv", "a/b/d.csv", ".hidden", "with space.csv", "李.csv"])
    with pytest.raises(UserError):
        download.check_names(["a/x.csv", "A/X.csv"])


def test_a_link_in_the_folder_leads_nowhere(served: Served, tmp_path: Path) -> None:
    log_in(served)
    outside, folder = tmp_path / "outside", tmp_path / "data"
    outside.mkdir()
    folder.mkdir()
    for link, target in (("sheet.md", "sheet.md"), (".part", ".")):
        (folder / link).symlink_to(outside / target)
        assert call("files", "hw1", "--download", str(folder)).exit_code == 8
        (folder / link).unlink()
    (folder / ".part").mkdir()
    (folder / ".part" / "files").symlink_to(outside)
    assert call("files", "hw1", "--download", str(folder)).exit_code != 0
    (folder / ".part" / "files").unlink()
    (folder / ".part" / ".hw01-1.zip.part").symlink_to(outside / "x")
    assert call("files", "hw1", "--download", str(folder)).exit_code != 0
    assert list(outside.iterdir()) == []


def test_check_goes_on_offline_with_the_form_that_was_fetched(served: Served, tmp_path: Path) -> None:
    log_in(served)
    good, bad = constant(served.home, tmp_path, 9), constant(served.home, tmp_path, "nan")
    online = [call("check", "hw1", str(path)) for path in (good, bad)]
    served.stop()
    offline = [call("check", "hw1", str(path)) for path in (good, bad)]
    assert [done.exit_code for done in online] == [done.exit_code for done in offline] == [0, 3]
    assert [done.stdout for done in online] == [done.stdout for done in offline]
    assert "cannot be reached" in offline[0].stderr
    assert "fetched last" in offline[0].stderr
    assert call("check", "hw3", str(good)).exit_code == 7


def test_a_form_that_changed_is_fetched_again(served: Served, tmp_path: Path) -> None:
    from harness.plans import plan_homework
    from harness.prepare import prepare

    log_in(served)
    assert call("check", "hw1", str(sample(served.home))).exit_code == 0
    plan = plan_homework("hw1", "builtin-2022", None, "small")
    prepare(served.home, plan, seed=None, new_data=True, reason="why", accept_leaks=False, now=NOW)
    done = call("check", "hw1", str(sample(served.home)))
    assert done.exit_code == 0
    assert "edition builtin-2022" in done.stdout


def test_old_data_are_read_over_the_network(served: Served) -> None:
    from harness.plans import plan_homework
    from harness.prepare import prepare

    def asked(*words: str) -> Any:
        return json.loads(call(*words, "--format", "json").stdout)

    log_in(served)
    assert call("submit", "hw1", str(sample(served.home)), "--no-wait").exit_code == 0
    served.grade()
    commands = (("leaderboard", "hw1"), ("submissions", "hw1"))
    before = [asked(*words) for words in commands]
    plan = plan_homework("hw1", None, None, "small")
    prepare(served.home, plan, seed=None, new_data=True, reason="why", accept_leaks=False, now=NOW)
    assert [asked(*words, "--version", "1") for words in commands] == before
    assert [asked(*words)[name] for words, name in zip(commands, ("board", "submissions"), strict=True)] == [[], []]
    missing = call("leaderboard", "hw1", "--version", "5")
    assert (missing.exit_code, "there are: 1, 2" in missing.stderr) == (2, True)
    assert call("submissions", "--version", "1").exit_code == 2


def test_files_for_old_data_are_refused_with_the_command_that_gets_the_new_ones(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.plans import plan_homework
    from harness.prepare import prepare

    def told(*words: str) -> str:
        done = call(*words, "--format", "json")
        assert done.exit_code == 3
        error = json.loads(done.stdout)["error"]
        assert error["code"] == "E_STALE_DATA"
        return str(error["message"])

    log_in(served)
    assert call("files", "hw1", "--download", "data").exit_code == 0
    (tmp_path / "work").mkdir()
    file = tmp_path / "work" / "predictions.csv"
    shutil.copy(sample(served.home), file)
    assert call("check", "hw1", str(file)).exit_code == 0
    plan = plan_homework("hw1", None, None, "small")
    prepare(served.home, plan, seed=None, new_data=True, reason="why", accept_leaks=False, now=NOW)
    monkeypatch.chdir(tmp_path / "work")
    for command in ("check", "submit"):
        assert "lhy-grade files hw01 --download" in told(command, "hw1", str(file))
    with pytest.raises(notebook.GraderError, match="version 1, but the competition uses version 2"):
        notebook.submit(file, "hw1")
    assert served.entries() == []
    assert call("files", "hw1", "--download", str(tmp_path / "data")).exit_code == 0
    assert call("submit", "hw1", str(file), "--no-wait").exit_code == 0
    served.stop()
    assert call("check", "hw1", str(file)).exit_code == 0
