"""Lines, arrays and images with a metric file: the sample submission says which, and both boards get their rows."""

from __future__ import annotations

import csv
import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.numpy import save

from harness.answers import read_secret
from harness.cli.main import cli
from harness.competition import find_competition
from harness.grading.grader import grade_within
from harness.home import open_home
from tasks.apart import Limits
from tasks.base import PUBLIC

pytestmark = pytest.mark.skipif(os.name != "posix", reason="graders are forked")

N = 20
RNG = np.random.default_rng(8)
ORDER = RNG.permutation(N)
TEXTS = ["the cat", "a dog", "an emu", "two owls"]
WORDS = [TEXTS[at] for at in RNG.integers(0, 4, N)]
LABELS = RNG.integers(0, 3, N)
SHADES = RNG.integers(20, 230, N)


def archive(shades: NDArray[Any], ids: list[str], size: tuple[int, int] = (6, 4), ending: str = "png") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as found:
        for one, shade in zip(ids, shades.tolist(), strict=True):
            picture = io.BytesIO()
            Image.new("RGB", size, (shade, shade, shade)).save(picture, "PNG")
            entry = tarfile.TarInfo(f"{one}.{ending}")
            entry.size = len(picture.getvalue())
            found.addfile(entry, io.BytesIO(picture.getvalue()))
    return out.getvalue()


@dataclass(frozen=True)
class Case:
    """A competition: its answers by id, the metric, a sample, a file, and what the file gets in each row."""

    ids: list[str]
    answers: list[Any]
    metric: str
    ending: str
    sample: bytes
    file: bytes
    rows: NDArray[np.float64]


def cases() -> dict[str, Case]:
    chances = RNG.dirichlet([1, 1, 1], N).astype(np.float32)
    guessed = [text if RNG.random() < 0.6 else "a dog" for text in WORDS]
    seen = np.clip(SHADES + RNG.integers(-9, 10, N), 0, 255)
    names = [f"p{at}" for at in range(N)]
    numbers = [str(at) for at in range(1, N + 1)]
    return {
        "lines": Case(
            numbers,
            WORDS,
            "def score(solution, submission, row_id_column_name):\n"
            "    assert list(submission.columns) == [row_id_column_name, 'line']\n"
            "    assert (submission[row_id_column_name] == solution[row_id_column_name]).all()\n"
            "    return float((solution['y'] == submission['line']).mean())\n",
            ".txt",
            b"none\n" * N,
            "".join(f"{text}\n" for text in guessed).encode(),
            np.array([a == b for a, b in zip(WORDS, guessed, strict=True)], dtype=float),
        ),
        "arrays": Case(
            names,
            LABELS.tolist(),
            "import numpy as np\n\ndef rows(solution, submission):\n"
            "    assert sorted(submission) == ['chances', 'sure'] and submission['chances'].shape[1:] == (3,)\n"
            "    return submission['chances'][np.arange(len(solution)), solution['y']].astype(float)\n\n"
            "def score(solution, submission, row_id_column_name):\n"
            "    return float(rows(solution, submission).mean())\n",
            ".safetensors",
            save({"chances": np.full((N, 3), 0.25, np.float32), "sure": np.zeros(N, np.int8)}),
            save({"chances": chances, "sure": np.ones(N, np.int8)}),
            chances[np.arange(N), LABELS].astype(float),
        ),
        "images": Case(
            names,
            SHADES.tolist(),
            "import numpy as np\n\ndef score(solution, submission, row_id_column_name):\n"
            "    shade = submission['image'].astype(float).mean(axis=(1, 2, 3))\n"
            "    return float(100 - np.abs(shade - solution['y'].to_numpy()).mean())\n",
            ".tgz",
            archive(np.zeros(N, int), names),
            archive(seen[ORDER], [names[at] for at in ORDER]),
            100.0 - np.abs(seen - SHADES),
        ),
    }


CASES = cases()


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words])


def make(
    folder: Path, case: Case, sample: bytes | None = None, ids: list[str] | None = None, *words: str, id: str = "id"
) -> Result:
    rows = list(zip(ids or case.ids, case.answers, strict=True))
    (folder / "solution.csv").write_text(
        f"{id},y\n" + "".join(f"{one},{answer}\n" for one, answer in (rows[at] for at in ORDER))
    )
    (folder / "metric.py").write_text(case.metric)
    (folder / f"sample{case.ending}").write_bytes(case.sample if sample is None else sample)
    return call(
        folder / "home",
        "new",
        "own",
        "--solution",
        str(folder / "solution.csv"),
        "--metric",
        str(folder / "metric.py"),
        "--higher-is-better",
        "--sample",
        str(folder / f"sample{case.ending}"),
        *words,
    )


@pytest.mark.parametrize("kind", CASES)
def test_both_boards_score_the_rows_of_their_ids(tmp_path: Path, kind: str) -> None:
    case, home = CASES[kind], tmp_path / "home"
    made = make(tmp_path, case)
    assert made.exit_code == 0, made.output
    assert "10 public and 10 private hidden rows" in made.stdout
    public = home / "public" / "own"
    sample = (public / f"sample_submission{case.ending}").read_bytes()
    assert (sample == case.sample) == (kind != "images"), "an archive is written anew"
    assert f"a file like `sample_submission{case.ending}`" in (public / "sheet.md").read_text()
    path = tmp_path / f"mine{case.ending}"
    path.write_bytes(case.file)
    assert call(home, "check", "own", str(path)).exit_code == 0
    sent = call(home, "submit", "own", str(path), "--as", "ada", "--format", "json")
    assert sent.exit_code == 0, sent.output
    found = open_home(home)
    secret = read_secret(found, find_competition(found, "own"))
    assert secret.answers.usage is not None
    side = secret.answers.usage == PUBLIC
    with grade_within(Limits()) as graded:
        score = graded(secret, case.file).scores[0]
    assert score.public == pytest.approx(case.rows[side].mean(), rel=1e-9)
    assert score.private == pytest.approx(case.rows[~side].mean(), rel=1e-9)
    assert (score.public_interval is None) == (kind != "arrays")
    assert json.loads(sent.stdout)["scores"][0]["public"] == pytest.approx(score.public, abs=1e-3)
    assert call(home, "audit", "verify").exit_code == 0
    assert "same data, version 1" in make(tmp_path, case).stdout
    assert call(home, "export", "own", str(tmp_path / "out")).exit_code == 0
    again = call(tmp_path / "other", "new", "own", "--from", str(tmp_path / "out"))
    assert again.exit_code == 0, again.output
    other = open_home(tmp_path / "other")
    assert read_secret(other, find_competition(other, "own")).data_version == secret.data_version
    path.write_bytes(case.file[: len(case.file) // 2])
    assert call(home, "check", "own", str(path)).exit_code == 3


def arrays(**values: NDArray[Any]) -> bytes:
    return save(values)


NAMES = [f"p{at}" for at in range(N)]
REFUSED: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "too few lines": ("lines", lambda: b"none\n" * (N - 1), "is no submission of its own competition"),
    "lines with the answers": ("lines", lambda: "".join(f"{text}\n" for text in WORDS).encode(), "has the answers"),
    "not arrays": ("arrays", lambda: b"x" * 100, "is not a safetensors file"),
    "arrays of other rows": ("arrays", lambda: arrays(a=np.zeros((N + 1, 2))), "with 20 rows, one for each id"),
    "truth values": ("arrays", lambda: arrays(a=np.zeros(N, bool)), "array 'a' is bool (20,)"),
    "arrays with the answers as other numbers": (
        "arrays",
        lambda: arrays(a=LABELS.astype(np.float32)[:, None]),
        "has the answers of column 'y'",
    ),
    "arrays with the answers in a column": (
        "arrays",
        lambda: arrays(a=np.stack([np.zeros(N), LABELS], axis=1)),
        "has the answers of column 'y'",
    ),
    "arrays with the answers": ("arrays", lambda: arrays(a=LABELS), "has the answers of column 'y'"),
    "arrays that are not finite": ("arrays", lambda: arrays(a=np.full(N, np.nan)), "is no submission of its own"),
    "not an archive": ("images", lambda: b"x" * 100, "is not a gzipped tar archive of images"),
    "an image too few": ("images", lambda: archive(SHADES[1:], NAMES[1:]), "named after each id of the solution"),
    "images of other names": ("images", lambda: archive(SHADES, [f"q{at}" for at in range(N)]), "named after each id"),
    "images of another ending": (
        "images",
        lambda: archive(SHADES, NAMES, ending="gif"),
        "all with one ending, such as p0.png",
    ),
    "huge images": ("images", lambda: archive(SHADES, NAMES, (1200, 1000)), "give smaller ones"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_sample_that_does_not_fit_is_refused(tmp_path: Path, name: str) -> None:
    kind, sample, said = REFUSED[name]
    refused = make(tmp_path, CASES[kind], sample())
    assert (refused.exit_code, said in " ".join(refused.stderr.split())) == (2, True), refused.output
    assert not (tmp_path / "home" / "public" / "own").exists()


def test_lines_need_ids_from_1_and_one_row_of_each_and_endings_are_known(tmp_path: Path) -> None:
    case = CASES["lines"]
    refused = make(tmp_path, case, None, [str(at) for at in range(N)])
    assert "number the rows of the solution from 1 to 20" in " ".join(refused.stderr.split())
    refused = make(tmp_path, case, None, None, "--rows-per-id", "2")
    assert "--rows-per-id is for tables" in " ".join(refused.stderr.split())
    (tmp_path / "sample.zip").write_bytes(b"x")
    refused = make(tmp_path, case, None, None, "--sample", str(tmp_path / "sample.zip"))
    assert "expected a file that ends in .csv, .txt, .safetensors, .tgz or .onnx" in " ".join(refused.stderr.split())


def test_an_archive_of_students_has_nothing_but_pixels_in_the_order_of_the_ids(tmp_path: Path) -> None:
    case, out = CASES["images"], io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as found:
        for at in np.argsort(SHADES):
            info, picture = PngInfo(), io.BytesIO()
            info.add_text("label", f"shade {SHADES[at]}")
            Image.new("RGB", (6, 4)).save(picture, "PNG", pnginfo=info)
            entry = tarfile.TarInfo(f"./p{at}.png")
            entry.size, entry.mtime, entry.uname = len(picture.getvalue()), int(SHADES[at]), f"shade{SHADES[at]}"
            found.addfile(entry, io.BytesIO(picture.getvalue()))
    made = make(tmp_path, case, out.getvalue())
    assert made.exit_code == 0, made.output
    path = tmp_path / "home" / "public" / "own" / "sample_submission.tgz"
    with tarfile.open(path) as archive:
        entries = archive.getmembers()
        texts = [archive.extractfile(one).read() for one in entries]  # type: ignore[union-attr]
    assert [one.name for one in entries] == [f"{name}.png" for name in NAMES]
    assert {(one.mtime, one.uid, one.uname, one.mode, one.size) for one in entries} == {
        (0, 0, "", 0o644, entries[0].size)
    }
    assert len(set(texts)) == 1
    assert b"shade" not in texts[0]
    assert path.read_bytes()[4:8] == bytes(4), "the time of the archive"
    assert call(tmp_path / "home", "check", "own", str(path)).exit_code == 0


def test_lines_beside_an_id_column_of_that_name_are_refused_and_an_answer_of_it_is_not(tmp_path: Path) -> None:
    refused = make(tmp_path, CASES["lines"], id="line")
    assert (refused.exit_code, "has that name; rename it" in " ".join(refused.stderr.split())) == (2, True)
    assert not (tmp_path / "home" / "public" / "own").exists()
    case = replace(CASES["lines"], metric=CASES["lines"].metric.replace("solution['y']", "solution['line']"))
    made = make(tmp_path, case)
    assert "KeyError" in made.stderr, "there is no such column yet"
    rows = zip(case.ids, case.answers, strict=True)
    (tmp_path / "solution.csv").write_text("number,line\n" + "".join(f"{one},{text}\n" for one, text in rows))
    files = [f"--{name}={tmp_path / file}" for name, file in FILES.items()]
    made = call(tmp_path / "home", "new", "own", *files, "--higher-is-better")
    assert made.exit_code == 0, made.output
    (tmp_path / "mine.txt").write_bytes(case.file)
    sent = call(tmp_path / "home", "submit", "own", str(tmp_path / "mine.txt"), "--as", "ada", "--format", "json")
    secret = read_secret(open_home(tmp_path / "home"), find_competition(open_home(tmp_path / "home"), "own"))
    side = secret.answers.usage == PUBLIC
    assert json.loads(sent.stdout)["scores"][0]["public"] == pytest.approx(case.rows[side].mean(), abs=1e-3)


FOR_LINES = """
class ParticipantVisibleError(Exception):
    pass


def score(solution, submission, row_id_column_name):
    assert solution[row_id_column_name].tolist() == submission[row_id_column_name].tolist()
    assert solution[row_id_column_name].dtype.kind == "i"
    return float((solution["y"] == submission["line"]).mean())
"""


def lines(folder: Path, texts: list[str], **columns: list[str]) -> Result:
    table = {"id": range(1, len(texts) + 1), "y": texts} | columns
    table["Usage"] = ["Public" if at % 2 else "Private" for at in range(len(texts))]
    with (folder / "solution.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    (folder / "metric.py").write_text(FOR_LINES)
    (folder / "sample.txt").write_text("none\n" * len(texts))
    files = [f"--{name}={folder / file}" for name, file in FILES.items()]
    return call(folder / "home", "new", "own", *files, "--higher-is-better")


@pytest.mark.parametrize(
    "texts",
    [
        ["NA", "null", "nan", "", "None", "N/A", "inf", "a"],
        ["1", "2", "3", "4", "05", "6", "7.0", "8"],
        ["1.50", "2e3", "-0", "+1", ".5", "1_000", "0x1", "9" * 30],
        ["True", "False", "True", "False", " x", "x ", '"', "a,b"],
    ],
)
def test_the_right_lines_are_right_whatever_they_look_like(tmp_path: Path, texts: list[str]) -> None:
    texts = [text for text in texts if text]
    made = lines(tmp_path, texts)
    assert made.exit_code == 0, made.output
    (tmp_path / "mine.txt").write_text("".join(f"{text}\n" for text in texts))
    home = tmp_path / "home"
    sent = call(home, "submit", "own", str(tmp_path / "mine.txt"), "--as", "ada", "--format", "json")
    assert sent.exit_code == 0, sent.output
    assert json.loads(sent.stdout)["scores"][0]["public"] == 1.0
    found = open_home(home)
    with grade_within(Limits()) as graded:
        data = (tmp_path / "mine.txt").read_bytes()
        assert graded(read_secret(found, find_competition(found, "own")), data).scores[0].private == 1.0


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ("", "line 4: nobody could hand in this answer, since column 'y' is blank, and no line may be"),
        (" ", "line 4: nobody could hand in this answer, since column 'y' is blank"),
        ("a\nb", "line 4: nobody could hand in this answer, since column 'y' has a line break"),
        ("x" * 10_001, "line 4: nobody could hand in this answer, since column 'y' has more than 10,000 characters"),
        ("a\x1bb", "line 4: nobody could hand in this answer; the reader of submissions says E_CONTROL"),
    ],
)
def test_an_answer_that_no_line_can_be_is_refused(tmp_path: Path, odd: str, said: str) -> None:
    refused = lines(tmp_path, ["one", "two", odd, "four"])
    assert (refused.exit_code, said in " ".join(refused.stderr.split())) == (2, True), refused.output
    assert not (tmp_path / "home" / "public" / "own").exists()
    if odd == "":
        made = lines(tmp_path, ["one", "two", "three", "four"], more=["1", "", "", ""])
        assert made.exit_code == 0, "a second reference may be missing"


def test_a_competition_of_lines_made_by_an_older_release_is_read_as_it_was(tmp_path: Path) -> None:
    assert lines(tmp_path, ["1", "2", "3", "4"]).exit_code == 0
    home = open_home(tmp_path / "home")
    file = read_secret(home, find_competition(home, "own")).score_file
    assert file is not None
    assert file.texts
    assert "+texts" in file.identity
    answers = {"y": np.array(["1", "2", "3", "4"])}
    ours = {"line": np.array(["1", "2", "3", "4"], dtype=object)}
    assert file.value(file.rows(answers, ours)) == 1.0
    older = replace(file, texts=False)
    assert "+texts" not in older.identity
    assert older.value(older.rows(answers, ours)) == 0.0


FILES = {"solution": "solution.csv", "metric": "metric.py", "sample": "sample.txt"}
