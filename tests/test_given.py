"""The course's files as they are given, for each edition that reads some: what is taken, and what is refused."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from baselines import students
from baselines.common import train_level
from harness.answers import find_judge
from harness.competition import find_competition
from harness.grading.scoring import check
from harness.home import open_home
from harness.plans import plan_homework
from harness.prepare import prepare
from tasks.base import UserError
from tasks.hw03_cnn import LAYOUT_2021, LAYOUT_2022
from tasks.hw05_transformer import official as talks
from tasks.hw06_gan import networks
from tasks.hw10_attack import official as attacks
from tasks.hw13_compression import LAYOUTS
from tests import hw06_given as hw06
from tests import hw10_given as hw10
from tests import test_hw01_official as hw01
from tests import test_hw02_classification as hw02
from tests import test_hw03_cnn as hw03
from tests import test_hw03_own as hw03_own
from tests import test_hw04_self_attention as hw04
from tests import test_hw05_transformer as hw05
from tests import test_hw07_bert as hw07
from tests import test_hw08_anomaly as hw08
from tests import test_hw08_own as hw08_own
from tests import test_hw11_adaptation as hw11
from tests import test_hw14_lifelong as hw14
from tests import test_hw15_meta as hw15
from tests.conftest import SHORT, made_in
from tests.test_homeworks import NOW, task_of


def covid(year: str) -> Callable[[Path], Path]:
    def copied(place: Path) -> Path:
        if not hw01.source(year).is_dir():
            pytest.skip("the course's files are not in ../shared/data")
        return Path(shutil.copytree(hw01.source(year), place))

    return copied


GIVEN: dict[tuple[str, str], Callable[[Path], Path]] = {
    ("hw01", "2021"): covid("2021"),
    ("hw01", "2022"): covid("2022"),
    ("hw02", "2021"): hw02.given_2021,
    ("hw02", "2022"): hw02.given_2022,
    ("hw03", "2021"): lambda place: hw03.given(place, LAYOUT_2021),
    ("hw03", "2022"): lambda place: hw03.given(place, LAYOUT_2022),
    ("hw03", "own"): hw03_own.given,
    ("hw04", "2021"): hw04.given,
    ("hw05", "2022"): lambda place: hw05.write_course(place, *hw05.pairs_of(talks.LEAST), ["一行。"]),
    ("hw06", "2021"): hw06.given,
    ("hw07", "2022"): hw07.given,
    ("hw08", "2021"): lambda place: hw08.course_folder(place, hw08.faces(120), "data-bin"),
    ("hw08", "own"): hw08_own.given,
    ("hw10", "2022"): hw10.given,
    ("hw11", "2022"): hw11.given,
    ("hw13", "2021"): lambda place: hw03.given(place, LAYOUT_2021),
    ("hw13", "2022"): lambda place: hw03.given(place, LAYOUTS[1]),
    ("hw14", "2021"): hw14.given,
    ("hw14", "2022"): hw14.given,
    ("hw14", "2023"): hw14.given,
    ("hw15", "2022"): hw15.given,
}
"""Writes files as they are given for an edition."""


@pytest.fixture
def given(name: str, edition: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(talks, "TEST_LINES", 200)  # in place of 4,000
    monkeypatch.setattr(talks, "LEAST", 600)
    monkeypatch.setitem(networks.FACES, "small", 60)
    monkeypatch.setattr(attacks, "EPOCHS", (1, 1))
    monkeypatch.setattr(students, "EPOCHS", 1)
    monkeypatch.setattr(students, "WIDTHS", (4, 8, 8))
    return GIVEN[name, edition](tmp_path / "given")


def taken(name: str, edition: str, place: Path, public: Path, seed: int = 1) -> tuple[dict[str, bytes], list[object]]:
    """The files of the competition that is made from a place, and its answers."""
    made = made_in(public, task_of(name).edition(edition).make, seed, place)
    files = {path.relative_to(public).as_posix(): path.read_bytes() for path in public.rglob("*") if path.is_file()}
    if made.train_groups is not None:
        assert made.answers.groups is not None
        assert not set(made.answers.groups) & set(made.train_groups)
    secret = public.with_name(f"{public.name}.secret")
    hidden = sorted((path.name, path.read_bytes()) for path in secret.rglob("*") if path.is_file())
    return files, [*(values.tolist() for values in made.answers.columns.values()), *hidden]


def zipped(place: Path, source: Path) -> None:
    """A zip of a folder below another one, with what macOS and notebooks add."""
    with zipfile.ZipFile(place, "w") as archive:
        for path in sorted((path for path in source.rglob("*") if path.is_file()), reverse=True):
            inside = path.relative_to(source)
            archive.write(path, f"some/{inside.as_posix()}")
            for spare in (f"__MACOSX/some/{inside.parent}/._", f"some/{inside.parent}/.ipynb_checkpoints/"):
                archive.writestr(f"{spare}{path.name}", b"\0\5\x16\7")


@pytest.mark.parametrize(("name", "edition"), GIVEN)
def test_a_folder_and_its_archives_give_the_same_competition_and_another_key_gives_another(
    name: str, edition: str, given: Path, tmp_path: Path
) -> None:
    zipped(tmp_path / "some.zip", given)
    (tmp_path / "tar").mkdir()
    with tarfile.open(tmp_path / "tar" / "some.tar.gz", "w:gz") as tar:
        tar.add(given, "some")
    (tmp_path / "tar" / "._some.tar.gz").write_bytes(b"of macOS")
    first, *same = (
        taken(name, edition, tmp_path / place, tmp_path / f"of {place}") for place in ("given", "some.zip", "tar")
    )
    assert same == [first, first]
    other = taken(name, edition, given, tmp_path / "other", seed=2)
    assert first[0] != other[0]
    assert first[1] != other[1]


@pytest.mark.parametrize(("name", "edition"), GIVEN)
def test_given_files_are_prepared_without_a_leak_and_a_level_trains_on_them(
    name: str, edition: str, given: Path, tmp_path: Path
) -> None:
    home, plan = open_home(tmp_path / "home"), plan_homework(name, edition, given, "small")
    prepare(home, plan, seed=3, accept_leaks=False, now=NOW)
    competition, public = find_competition(home, name), home.public(name)
    path = train_level(name, "simple", public, tmp_path / "run", seed=0, device="cpu", overrides=SHORT[name])
    check(path, competition.format, find_judge(competition), public)


@pytest.mark.parametrize(("name", "edition"), GIVEN)
def test_what_is_missing_or_damaged_is_refused_and_nothing_is_written(
    name: str, edition: str, given: Path, tmp_path: Path
) -> None:
    zipped(tmp_path / "some.zip", given)
    data = (tmp_path / "some.zip").read_bytes()
    at = len(data) // 2
    (tmp_path / "cut.zip").write_bytes(data[:at])
    (tmp_path / "changed.zip").write_bytes(data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])
    (tmp_path / "empty").mkdir()
    codes = {"nowhere": "PLACE", "empty": "MISSING", "cut.zip": "ARCHIVE", "changed.zip": "ARCHIVE"}
    for place, code in codes.items():
        with pytest.raises(UserError) as caught:
            taken(name, edition, tmp_path / place, tmp_path / f"of {place}")
        assert caught.value.code == f"E_SOURCE_{code}"
        assert not list((tmp_path / f"of {place}").iterdir())


def inside(change: Callable[[Path], object], place: Path) -> None:
    change(place / "Dataset")


DAMAGED = [
    *(("hw04", "2022", hw04.given, partial(inside, change), words) for change, words in hw04.DAMAGED.values()),
    *(("hw10", edition, partial(hw10.given, kind=edition), *rest) for edition, *rest in hw10.DAMAGED),
    *(("hw14", "2022", hw14.given, *rest) for rest in hw14.DAMAGED),
]


@pytest.mark.parametrize(("name", "edition", "give", "damage", "words"), DAMAGED)
def test_what_does_not_fit_is_named_and_nothing_is_written(
    name: str,
    edition: str,
    give: Callable[[Path], Path],
    damage: Callable[[Path], object],
    words: str,
    tmp_path: Path,
) -> None:
    place = give(tmp_path / "given")
    damage(place)
    with pytest.raises(UserError, match=words):
        taken(name, edition, place, tmp_path / "public")
    assert not list((tmp_path / "public").iterdir())
