"""The archive of a homework's files: made once, fetched in one request, and listed."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from harness import archive
from harness.build import damaged_files
from harness.competition import find_competition, prepared
from harness.course import access, catalogue, download, remote, transport
from harness.home import Home, open_home
from tasks.base import UserError
from tests import archived, class_server
from tests.archived import MANY, NOW, make, members
from tests.class_server import Served, call, issue

folders, home = class_server.folders, class_server.home
pictures, food = archived.pictures, archived.food


def same(one: Path, other: Path) -> bool:
    names = [sorted(p.relative_to(f).as_posix() for p in f.rglob("*") if p.is_file()) for f in (one, other)]
    return names[0] == names[1] and all((one / n).read_bytes() == (other / n).read_bytes() for n in names[0])


def asked(food: Served) -> list[str]:
    """The routes that were asked for; the server must have stopped, since it logs after it has answered."""
    return [request["route"] for request in food.requests]


# Making it.


def test_prepare_makes_an_archive_beside_the_folder_that_holds_just_its_files(pictures: Path) -> None:
    home = open_home(pictures / "home")
    public, packed = home.public("food"), home.root / "public" / ".archives" / "food-1.zip"
    listed = json.loads((public / "manifest.json").read_text())["files"]
    assert members(packed) == sorted([*listed, "manifest.json"])
    assert not any("archive" in name for name in listed)
    assert damaged_files(public) == []
    assert prepared(home) == ["food"]
    with zipfile.ZipFile(packed) as opened:
        assert {entry.date_time for entry in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in opened.infolist()} == {stat.S_IFREG | 0o644}
        assert opened.testzip() is None
    about = archive.find_archive(home, find_competition(home, "food"), public)
    assert about is not None
    assert about["sha256"] == hashlib.sha256(packed.read_bytes()).hexdigest()


def test_the_same_files_give_the_same_bytes_whenever_they_are_packed(pictures: Path, tmp_path: Path) -> None:
    copy = open_home(tmp_path / "copy")
    shutil.copytree(pictures / "home", copy.root, copy_function=shutil.copyfile)  # without the time stamps
    packed = copy.root / "public" / ".archives" / "food-1.zip"
    before = packed.read_bytes()
    shutil.rmtree(packed.parent)
    archive.make_archive(copy, find_competition(copy, "food"), copy.public("food"))
    assert packed.read_bytes() == before


def test_a_new_version_takes_the_place_of_the_archive_and_leaves_those_of_others(
    pictures: Path, tmp_path: Path
) -> None:
    root = tmp_path / "own"
    shutil.copytree(pictures, root)
    home, folder = open_home(root / "home"), root / "home" / "public" / ".archives"
    (folder / "food-extra-1.zip").write_text("of the competition food-extra")
    (folder / ".food-1.zip.4711").write_text("half-written")
    (root / "data" / "notes.txt").write_text("other words")
    assert make(home, root, root / "data").version == 2
    assert {path.name for path in folder.iterdir()} == {"food-2.zip", "food-2.json", "food-extra-1.zip"}
    (folder / "food-2.json").write_text("{")
    assert archive.find_archive(home, find_competition(home, "food"), home.public("food")) is None


def test_an_archive_of_other_files_is_none(pictures: Path, tmp_path: Path) -> None:
    home = open_home(tmp_path / "copy")
    shutil.copytree(pictures / "home", home.root)
    public, competition = home.public("food"), find_competition(home, "food")
    assert archive.find_archive(home, competition, public) is not None
    (public / "manifest.json").write_text((public / "manifest.json").read_text() + "\n")
    assert archive.find_archive(home, competition, public) is None


def test_a_server_makes_the_archive_that_an_earlier_version_did_not(food: Served) -> None:
    shutil.rmtree(food.home.root / "public" / ".archives")
    assert call("files", "food", "--download").exit_code == 0
    assert (food.home.root / "public" / ".archives" / "food-1.zip").exists()


# Getting it.


def test_many_files_come_in_three_requests_and_are_what_the_server_has(food: Served, tmp_path: Path) -> None:
    done = call("files", "food", "--download")
    assert done.exit_code == 0, done.output
    assert same(tmp_path / "food", food.home.public("food"))
    assert not list(tmp_path.glob(".food*"))
    assert f"{MANY + 4:,} files" in done.stderr
    assert download.find_download(food.url, "food") == tmp_path / "food"
    before = len(food.requests)
    assert call("files", "food", "--download").exit_code == 0
    food.stop()
    routes = asked(food)
    assert routes.count("/api/v1/homeworks/{hw}/archive") == 1
    assert not [route for route in routes if "/files/" in route]
    assert before < 10


def broken_after(count: int) -> Callable[..., Iterator[bytes]]:
    real = transport.pieces

    def pieces(response: Any, decode: bool) -> Iterator[bytes]:
        if "zip" not in (response.headers.get("Content-Type") or ""):
            yield from real(response, decode)
            return
        yield response.read(count, decode_content=False)
        raise TimeoutError

    return pieces


def test_a_download_that_breaks_off_goes_on_where_it_was(
    food: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (food.home.root / "public" / ".archives" / "food-1.zip").stat().st_size
    ranges: list[str | None] = []
    real = remote.RemoteCourse._once

    def once(self: remote.RemoteCourse, method: str, path: str, query: Any, body: Any, headers: Any) -> Any:
        if path.endswith("/archive"):
            ranges.append((headers or {}).get("Range"))
        return real(self, method, path, query, body, headers)

    monkeypatch.setattr(remote.RemoteCourse, "_once", once)
    for part in (1000, 20_000):
        with monkeypatch.context() as patch:
            patch.setattr(download, "pieces", broken_after(part))
            stopped = call("files", "food", "--download")
        assert stopped.exit_code == 7
        assert "Run the same command again to resume." in stopped.stderr
        assert not (tmp_path / "food").exists()
    assert call("files", "food", "--download").exit_code == 0
    assert ranges == [None, "bytes=1000-", "bytes=21000-"]
    assert size > 21_000
    assert same(tmp_path / "food", food.home.public("food"))


def test_a_part_of_another_archive_is_thrown_away(food: Served, tmp_path: Path) -> None:
    (tmp_path / ".food.part").mkdir()
    (tmp_path / ".food.part" / ".food-1.zip.part").write_bytes(b"of another version" * 100)
    assert call("files", "food", "--download").exit_code == 0
    assert same(tmp_path / "food", food.home.public("food"))


def test_a_kill_while_it_is_unpacked_leaves_nothing_half_done(
    food: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    written: list[Path] = []
    real = archive._unpack_one

    def unpack_one(packed: Any, entry: Any, target: Path, *more: Any) -> None:
        real(packed, entry, target, *more)
        written.append(target)
        if len(written) == 50:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(archive, "_unpack_one", unpack_one)
        with pytest.raises(Killed):
            call("files", "food", "--download")
    assert not (tmp_path / "food").exists()
    before = len([r for r in food.requests if r["route"].endswith("/archive")])
    assert call("files", "food", "--download").exit_code == 0
    assert same(tmp_path / "food", food.home.public("food"))
    food.stop()
    assert len([r for r in food.requests if r["route"].endswith("/archive")]) == max(1, before), "fetched once"


def test_what_one_has_put_beside_the_data_stays_and_what_is_lost_comes_back(food: Served, tmp_path: Path) -> None:
    folder = tmp_path / "food"
    assert call("files", "food", "--download").exit_code == 0
    (folder / "model.py").write_text("mine")
    (folder / "food" / "training" / "0001.jpg").unlink()
    assert call("files", "food", "--download").exit_code == 0
    assert (folder / "model.py").read_text() == "mine"
    assert (folder / "food" / "training" / "0001.jpg").exists()
    assert not (folder / ".part").exists()
    (folder / "notes.txt").write_text("changed by me")
    refused = call("files", "food", "--download")
    assert (refused.exit_code, "notes.txt" in refused.stderr) == (8, True)
    assert (folder / "notes.txt").read_text() == "changed by me"


def test_data_of_an_earlier_version_that_nobody_changed_give_way_to_the_new_ones(
    food: Served, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "food"
    assert call("files", "food", "--download").exit_code == 0
    (folder / "mine.txt").write_text("mine")
    data = tmp_path / "newdata"
    shutil.copytree(pictures / "data", data)
    (data / "food" / "training" / "0000.jpg").unlink()
    (data / "notes.txt").write_text("new words")
    (data / "more.txt").write_text("more")
    make(food.home, pictures, data)
    done = call("files", "food", "--download")
    assert done.exit_code == 0, done.output
    assert (folder / "mine.txt").read_text() == "mine"
    (folder / "mine.txt").unlink()
    assert same(folder, food.home.public("food"))


def test_the_data_of_another_homework_never_give_way(food: Served, tmp_path: Path) -> None:
    assert call("files", "food", "--download", "data").exit_code == 0
    refused = call("files", "hw1", "--download", "data")
    assert refused.exit_code == 8
    assert same(tmp_path / "data", food.home.public("food"))


@pytest.mark.parametrize("target", [".", "deep/er", "with space"])
def test_it_goes_into_the_folder_that_is_named(
    food: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    done = call("files", "food", "--download", target)
    assert done.exit_code == 0, done.output
    assert same(tmp_path / "here" / target, food.home.public("food"))


# Lists.


def rows_of(done: Result) -> list[str]:
    return [line for line in done.stdout.splitlines() if line.strip() and "─" not in line][1:]


def test_files_are_listed_by_folder_and_each_one_where_that_is_asked_for(food: Served) -> None:
    short = call("files", "food")
    assert short.exit_code == 0
    assert len(rows_of(short)) == 6
    assert "food/training/" in short.stdout
    assert f"{MANY // 2}" in short.stdout
    assert "0001.jpg" not in short.stdout
    every = call("files", "food", "--all")
    assert len(rows_of(every)) == MANY + 4
    assert "food/training/0001.jpg" in every.stdout
    body = json.loads(call("files", "food", "--format", "json").stdout)
    assert len(body["files"]) == MANY + 4
    assert set(body["archive"]) == {"file", "bytes", "sha256"}
    assert len(call("files", "food", "--format", "csv").stdout.splitlines()) == MANY + 5
    here = call("--home", str(food.home.root), "files", "food")
    assert here.stdout == short.stdout


@pytest.mark.parametrize("count", [3, 21, 3000])
def test_a_list_for_people_is_short_whatever_the_folders_are(count: int) -> None:
    shapes = [
        [f"{n}.jpg" for n in range(count)],
        [f"{n}/x.jpg" for n in range(count)],
        [f"a/{n}/x.jpg" for n in range(count)],
    ]
    for names in shapes:
        rows = archive.grouped([{"file": name, "bytes": 2} for name in ["sheet.md", *names]])
        assert sum(row["files"] for row in rows) == count + 1
        assert sum(row["bytes"] for row in rows) == 2 * count + 2
        assert len(rows) <= archive.LISTED + 1 or names is shapes[1]


def test_the_homework_page_has_one_button_and_stays_short(food: Served) -> None:
    from harness.server import rendering, views

    viewer = access.Viewer("student", "ada")
    ask = rendering.Ask(food.home, viewer, "/homeworks/food", NOW)
    text = rendering.render(food.home, ask, views.homework(ask, "food"))
    assert text.count('href="/api/v1/homeworks/food/archive"') == 1
    assert "food/training/" in text
    assert "0001.jpg" not in text
    assert text.count("/files/") == 3, "the files of the top folder"
    assert len(text) < 8000
    assert text.index("Download all") < text.index('id="bars"') < text.index('id="rules"')


def test_the_archive_is_given_in_parts_to_those_who_are_logged_in(food: Served) -> None:
    import httpx

    with httpx.Client(base_url=food.url, headers={"Authorization": f"Bearer {issue(food.home, 'ada')}"}) as client:
        part = client.get("/api/v1/homeworks/food/archive", headers={"Range": "bytes=0-9"})
        assert (part.status_code, len(part.content), part.content[:2]) == (206, 10, b"PK")
        assert client.get("/api/v1/homeworks/food/archive").headers["content-disposition"].endswith('"food-1.zip"')
    assert httpx.get(f"{food.url}/api/v1/homeworks/food/archive").status_code == 401


def test_nobody_gets_an_archive_without_a_login(home: Home) -> None:
    with pytest.raises(UserError) as error:
        catalogue.archive(home, access.NOBODY, "hw1")
    assert error.value.code == "E_LOGIN"


def test_the_place_of_the_data_is_kept_for_each_server_and_survives_nonsense(folders: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    download.remember_download("https://x", "hw01", tmp_path / "a")
    download.remember_download("https://y", "hw01", tmp_path / "gone")
    assert download.find_download("https://x", "hw01") == tmp_path / "a"
    assert download.find_download("https://y", "hw01") is None
    kept = folders / "state" / "lhy-grade" / "downloads.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    for text in ("{", "[]", '{"https://x": 3}', '{"https://x": {"hw01": 3}}'):
        kept.write_text(text)
        assert download.find_download("https://x", "hw01") is None
    download.remember_download("https://x", "hw01", tmp_path / "a")
    assert download.find_download("https://x", "hw01") == tmp_path / "a"
    assert [path.name for path in kept.parent.iterdir()] == ["downloads.json"]
