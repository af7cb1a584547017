"""A competition as a folder: a round trip gives the same versions and scores, and a change is shown before it is made.

Files of a folder are keyword arguments here: `public__train_txt` is public/train.txt.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.answers import Secret, read_secret
from harness.cli.main import cli
from harness.competition import find_competition, seal_of
from harness.home import open_home
from tests.test_metric_sample import CONCORDANCE, HELPERS, PAIRS
from tests.test_metric_sample import SAMPLE as RISKS
from tests.test_metric_sample import SOLUTION as TIMES

pytestmark = pytest.mark.skipif(os.name != "posix", reason="graders are forked")

N = 24
VALUES = [(n * 11 % 24) + n * n % 7 / 10 for n in range(N)]
PLAIN = "id,y,town,day\n" + "".join(f"{n},{y},{'abcdef'[n % 6]},{n * 5 % 9}\n" for n, y in enumerate(VALUES))


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words])


def write_folder(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        stem, _, ending = name.replace("__", "/").rpartition("_")
        path = folder / f"{stem}.{ending}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def plain(folder: Path, toml: str = "", **files: str) -> Path:
    text = 'metric = "rmse"\ntitle = "Houses \\"of\\" 台北"\npublic_share = 0.4\n' + toml
    return write_folder(folder, competition_toml=text, solution_csv=PLAIN, **files)


def by_file(folder: Path) -> Path:
    toml = (
        'metric = "metric.py"\nmetric_args = ["ties=0.5"]\nhigher_is_better = true\nmetric_name = "concordance"\n'
        'bars = ["simple=0.6"]\nquota = 7\ndeadline = "2099-06-01T23:59+08:00"\n'
    )
    return write_folder(
        folder,
        competition_toml=toml,
        solution_csv=TIMES,
        sample_submission_csv=RISKS,
        metric_py=CONCORDANCE,
        pairs_py=PAIRS,
        helpers_of_pairs_py=HELPERS,
        sheet_md="# Risks\n",
        public__train_txt="1 2 3\n",
    )


def secret_of(home: Path) -> Secret:
    found = open_home(home)
    return read_secret(found, find_competition(found, "own"))


FOLDERS = {
    "a metric by name, by group": lambda folder: plain(folder, 'group = "town"\n'),
    "by time": lambda folder: write_folder(
        plain(folder, 'by_time = "day"\n'), solution_csv=re.sub(",(town|[a-f]),", ",", PLAIN)
    ),
    "by strata": lambda folder: plain(folder, 'strata = "town"\n'),
    "a metric file": by_file,
}


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_round_trip_gives_the_same_versions_scores_and_files(tmp_path: Path, kind: str) -> None:
    folder = FOLDERS[kind](tmp_path / "folder")
    homes = [tmp_path / "one", tmp_path / "two", tmp_path / "three"]
    made = call(homes[0], "new", "own", "--from", str(folder))
    assert made.exit_code == 0, made.output
    exported = tmp_path / "exported"
    done = call(homes[0], "export", "own", str(exported))
    assert done.exit_code == 0, done.output
    assert "never share it with students" in " ".join(done.stderr.split())
    given = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(done.stdout.split()) == given | ({"usage.csv"} if kind != "a metric file" else set())
    for name in given - {"competition.toml"}:
        assert (exported / name).read_bytes() == (folder / name).read_bytes(), name
    second = call(homes[1], "new", "own", "--from", str(exported))
    assert second.exit_code == 0, second.output
    assert "already prepared: same data, version 1" in call(homes[0], "new", "own", "--from", str(exported)).stdout
    again = tmp_path / "again"
    assert call(homes[1], "export", "own", str(again)).exit_code == 0
    assert {p.name: p.read_bytes() for p in again.iterdir() if p.is_file()} == {
        p.name: p.read_bytes() for p in exported.iterdir() if p.is_file()
    }
    one, two = secret_of(homes[0]), secret_of(homes[1])
    assert (one.data_version, one.metric_version) == (two.data_version, two.metric_version)
    assert one.competition.to_json() == two.competition.to_json()
    column = "risk" if kind == "a metric file" else ",".join(list(one.answers.columns))
    rows = "".join(f"{n}{f',{n * 5 % 7}' * len(column.split(','))}\n" for n in one.answers.ids)
    (tmp_path / "a.csv").write_text(f"id,{column}\n" + rows)
    shown = []
    for home in homes[:2]:
        sent = call(home, "submit", "own", str(tmp_path / "a.csv"), "--as", "ada", "--format", "json")
        assert sent.exit_code == 0, sent.output
        shown.append(json.loads(sent.stdout)["scores"])
        assert call(home, "audit", "verify").exit_code == 0
    assert shown[0] == shown[1]
    assert call(homes[2], "new", "own", "--from", str(folder)).exit_code == 0
    if kind in ("a metric by name, by group", "by strata"):
        assert secret_of(homes[2]).data_version != one.data_version, "another key draws another split"


def test_an_export_is_made_from_options_too_and_nothing_of_it_is_public(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(PLAIN)
    words = ["--metric", "rmse", "--solution", str(tmp_path / "s.csv"), "--group", "town", "--bar", "simple=9:2"]
    home = tmp_path / "home"
    assert call(home, "new", "own", *words).exit_code == 0
    assert call(home, "export", "own", str(tmp_path / "out")).exit_code == 0
    assert (tmp_path / "out" / "competition.toml").read_text() == (
        'title = "own"\nmetric = "rmse"\nbars = ["simple=9:2"]\npublic_share = 0.5\ngroup = "town"\n'
    )
    assert not [path for path in (home / "public").rglob("*") if "source" in path.parts or path.name == "usage.csv"]
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
    again = call(home, "export", "own", str(tmp_path / "out"))
    assert (again.exit_code, "exists" in again.stderr) == (2, True)
    hidden = home / "secret" / "own" / "1"
    shutil.rmtree(hidden / "source")
    values = json.loads((hidden / "competition.json").read_bytes())
    values = {name: value for name, value in values.items() if name not in ("kept", "seal")}
    key = open_home(home).key()
    (hidden / "competition.json").write_text(json.dumps(values | {"seal": seal_of(key, values)}))
    assert call(home, "audit", "verify").exit_code == 0
    older = call(home, "export", "own", str(tmp_path / "other"))
    assert (older.exit_code, "made by an older release" in " ".join(older.stderr.split())) == (2, True)
    assert not (tmp_path / "other").exists()


LARGEST = """import price_parts
def score(solution, submission, row_id_column_name):
    return float((solution["y"] - submission["y"]).abs().max()) * price_parts.ONE
"""
TWO = "id,y\n" + "".join(f"{n},{y}\n" for n, y in enumerate(VALUES))


@pytest.mark.parametrize("helper", ["price_parts", "metric"])
def test_a_metric_file_keeps_its_name_beside_a_helper_and_in_another_home(tmp_path: Path, helper: str) -> None:
    source, parts = LARGEST.replace("price_parts", helper), "ONE = 1\n"
    (tmp_path / "s.csv").write_text(TWO)
    (tmp_path / "largest.py").write_text(source)
    (tmp_path / f"{helper}.py").write_text(parts)
    homes, out = [tmp_path / "one", tmp_path / "two"], tmp_path / "out"
    words = ["--solution", str(tmp_path / "s.csv"), "--metric", str(tmp_path / "largest.py"), "--lower-is-better"]
    assert call(homes[0], "new", "own", *words).exit_code == 0
    assert call(homes[0], "export", "own", str(out)).exit_code == 0
    assert ((out / "largest.py").read_text(), (out / f"{helper}.py").read_text()) == (source, parts)
    assert 'metric = "largest.py"\n' in (out / "competition.toml").read_text()
    manifest = homes[0] / "public" / "own" / "manifest.json"
    before = manifest.read_bytes()
    again = call(homes[0], "new", "own", "--from", str(out))
    assert (again.exit_code, "already prepared: same data" in again.stdout, "restored" in again.output) == (
        0,
        True,
        False,
    )
    assert manifest.read_bytes() == before
    made = call(homes[1], "new", "own", "--from", str(out))
    assert made.exit_code == 0, made.output
    one, two = secret_of(homes[0]), secret_of(homes[1])
    assert (one.data_version, one.metric_version) == (two.data_version, two.metric_version)
    for name in ("sheet.md", "format.json"):
        assert len({(home / "public" / "own" / name).read_bytes() for home in homes}) == 1, name
    for home in homes:
        assert call(home, "audit", "verify").exit_code == 0


def test_a_metric_file_of_another_name_is_refused_and_leaves_the_competition_healthy(tmp_path: Path) -> None:
    source = LARGEST.replace(" * price_parts.ONE", "").partition("\n")[2]
    home, out = tmp_path / "home", tmp_path / "out"
    (tmp_path / "s.csv").write_text(TWO)
    (tmp_path / "largest.py").write_text(source)
    words = ["--solution", str(tmp_path / "s.csv"), "--metric", str(tmp_path / "largest.py"), "--lower-is-better"]
    assert call(home, "new", "own", *words).exit_code == 0
    assert call(home, "export", "own", str(out)).exit_code == 0
    (out / "largest.py").rename(out / "metric.py")
    toml = (out / "competition.toml").read_text()
    (out / "competition.toml").write_text(toml.replace("largest.py", "metric.py"))
    before = {path: path.read_bytes() for path in (home / "public").rglob("*") if path.is_file()}
    assert call(home, "new", "own", "--from", str(out)).exit_code == 1, "nobody agreed to the change"
    assert {path: path.read_bytes() for path in (home / "public").rglob("*") if path.is_file()} == before
    assert call(home, "audit", "verify").exit_code == 0


@pytest.mark.parametrize(
    "header",
    ["id,y,Usage\r", "id,y,\tUsage\n", 'id,"y, z",Usage\n', 'id,"y",USAGE \r\n'],
)
def test_an_export_can_be_read_whatever_its_header_looks_like(tmp_path: Path, header: str) -> None:
    end = "\r" if header.endswith("\r") else "\n"
    rows = "".join(f"{n},{y},{('Public', 'Private')[n % 2]}{end}" for n, y in enumerate(VALUES))
    (tmp_path / "s.csv").write_bytes((header + rows).encode())
    home, out = tmp_path / "home", tmp_path / "out"
    made = call(home, "new", "own", "--metric", "rmse", "--solution", str(tmp_path / "s.csv"))
    assert made.exit_code == 0, made.output
    done = call(home, "export", "own", str(out))
    assert (done.exit_code, (out / "usage.csv").exists()) == (0, False), done.output
    assert call(tmp_path / "two", "new", "own", "--from", str(out)).exit_code == 0


def test_an_export_is_refused_where_it_cannot_or_must_not_be_written(tmp_path: Path) -> None:
    home, mine = tmp_path / "home", tmp_path / ".out.new"
    (tmp_path / "s.csv").write_text(TWO)
    assert call(home, "new", "own", "--metric", "rmse", "--solution", str(tmp_path / "s.csv")).exit_code == 0
    mine.mkdir()
    (mine / "kept").write_text("mine")
    (tmp_path / "link").symlink_to(home / "public")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    before = sorted(home.rglob("*"))
    for place, said in {
        tmp_path / "no" / "parent": "cannot be written: No such file",
        tmp_path / "s.csv" / "out": "cannot be written: Not a directory",
        tmp_path / ("x" * 300): "cannot be written: File name too long",
        tmp_path / "broken": "exists",
        home / "public" / "own" / "out": "inside the data of the course",
        home / "public" / "out": "inside the data of the course",
        tmp_path / "link" / "out": "inside the data of the course",
        home / "secret" / "own" / "7": "inside the data of the course",
    }.items():
        refused = call(home, "export", "own", str(place))
        assert (refused.exit_code, said in " ".join(refused.stderr.split())) == (2, True), refused.output
    assert sorted(home.rglob("*")) == before
    assert call(home, "export", "own", str(tmp_path / "out")).exit_code == 0
    assert (mine / "kept").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.glob(".*")) == [".out.new"]


def test_an_argument_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(TWO)
    (tmp_path / "largest.py").write_text("def score(solution, submission, row_id_column_name, x): return 1.0\n")
    words = ["--solution", str(tmp_path / "s.csv"), "--metric", str(tmp_path / "largest.py"), "--lower-is-better"]
    refused = call(tmp_path / "home", "new", "own", *words, "--metric-arg", "x=\udcff")
    assert (refused.exit_code, "is not UTF-8 text" in refused.stderr) == (2, True), refused.output


# A change -------------------------------------------------------------------------------------------------------------


def submit(folder: Path, home: Path, name: str, wrong: float, missing: int = 0) -> Result:
    """A file whose every other row is wrong by so much."""
    rows = "".join(f"{n},{y + wrong * (n % 2)}\n" for n, y in enumerate(VALUES) if n >= missing)
    (folder / "a.csv").write_text("id,y\n" + rows)
    return call(home, "submit", "own", str(folder / "a.csv"), "--as", name)


def test_a_change_shows_what_it_does_to_the_board_and_is_made_with_yes_alone(tmp_path: Path) -> None:
    home, side = tmp_path / "home", ("Public", "Private")
    start = "id,y,Usage\n" + "".join(f"{n},{y},{side[n // 2 % 2]}\n" for n, y in enumerate(VALUES))
    folder = tmp_path / "folder"
    write_folder(folder, competition_toml='metric = "rmse"\n', solution_csv=start)
    assert call(home, "new", "own", "--from", str(folder)).exit_code == 0
    assert submit(tmp_path, home, "ada", 1).exit_code == submit(tmp_path, home, "bob", 2).exit_code == 0
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and "leaderboard" not in path.name}

    moved = "id,y,Usage\n" + "".join(f"{n},{y + 2 * (n % 2)},{side[n // 2 % 2]}\n" for n, y in enumerate(VALUES))
    write_folder(folder, competition_toml='metric = "rmse"\ntitle = "Corrected"\n', solution_csv=moved)
    words = ("new", "own", "--from", str(folder))
    plainly = call(home, *words)
    assert plainly.exit_code != 0
    assert "--reason" in plainly.stderr
    asked = call(home, *words, "--reason", "two answers were wrong")
    told = " ".join(asked.stderr.split())
    assert asked.exit_code != 0, "nobody agreed"
    assert "another title" in told or "another solution" in told
    assert "ada: 0.7071 (place 1) → 0.7071 (place 2) bob: 1.41421 (place 2) → 0 (place 1)" in told
    assert "1 public and 1 private scores of 2 files change, the public ones by -1.41421." in told
    assert "The files are kept with their times, and scored by the new data" in told
    assert "its board is archived and stays readable" in told
    now = {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and "leaderboard" not in path.name}
    assert now == before, "nothing was changed, and the dry run left nothing"
    assert json.loads(call(home, "leaderboard", "own", "--format", "json").stdout)["board"]

    done = call(home, *words, "--reason", "two answers were wrong", "--yes")
    assert done.exit_code == 0, done.output
    assert "version 2" in done.stdout
    assert "bob" in done.stderr
    assert "2 of 2 files scored by the new data." in done.stderr
    board = json.loads(call(home, "leaderboard", "own", "--format", "json").stdout)["board"]
    assert [(row["rank"], row["name"]) for row in board] == [(1, "bob"), (2, "ada")]
    assert len(json.loads(call(home, "leaderboard", "own", "--version", "1", "--format", "json").stdout)["board"]) == 2
    assert "two answers were wrong" in call(home, "audit", "log", "--format", "json").stdout
    assert call(home, "audit", "verify").exit_code == 0


def test_a_file_that_the_new_data_refuse_is_named(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "folder"
    start = "id,y\n" + "".join(f"{n},{y}\n" for n, y in enumerate(VALUES))
    write_folder(folder, competition_toml='metric = "mae"\n', solution_csv=start)
    assert call(home, "new", "own", "--from", str(folder)).exit_code == 0
    assert submit(tmp_path, home, "ada", 1).exit_code == 0
    write_folder(folder, solution_csv=start + "99,1\n")
    asked = call(home, "new", "own", "--from", str(folder), "--reason", "a row more")
    told = " ".join(asked.stderr.split())
    assert "No longer accepted, and left with the old board: ada #1 (E_ID_MISSING)." in told
    assert "(place 1) → no file with a score" in told


# Refused --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('metric = "rmse"\npoints = 3\n', "unknown field 'points'; it may have title, metric"),
        ('metric = "rmse"\nquota = "3"\n', "quota must be a whole number; got '3'"),
        ('metric = "rmse"\nquota = true\n', "quota must be a whole number; got True"),
        ('metric = "rmse"\nbars = "simple=3"\n', "bars must be a list"),
        ('metric = "rmse"\nbars = [3]\n', "bars must be a list of texts, such as"),
        ('metric = "rmse"\npublic_share = "half"\n', "public_share must be a number"),
        ('metric = "../metric.py"\n', "the metric file must be in the folder itself"),
        ('metric = "metric.py"\nhigher_is_better = true\n', "metric.py cannot be read"),
        ("title = 3\n", "title must be a text"),
        ('title = "x"\n', "needs a metric in competition.toml and a file solution.csv"),
        ("metric = rmse\n", "is not valid TOML"),
        ('metric = "rmse"\nrows_per_id = 0\n', "rows_per_id must be from 1 to 1,000"),
        ('metric = "rmse"\nquota = 0\n', "quota must be from 1 to 10,000"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused(tmp_path: Path, toml: str, said: str) -> None:
    folder = write_folder(tmp_path / "folder", competition_toml=toml, solution_csv="id,y\n0,1\n1,2\n")
    refused = call(tmp_path / "home", "new", "own", "--from", str(folder))
    assert (refused.exit_code, said in " ".join(refused.stderr.split())) == (2, True), refused.output
    assert not (tmp_path / "home" / "public" / "own").exists()


def test_links_and_other_options_beside_the_folder_are_refused(tmp_path: Path) -> None:
    folder = plain(tmp_path / "folder", 'group = "town"\n')
    refused = call(
        tmp_path / "home", "new", "own", "--from", str(folder), "--title", "x", "--bar", "a=1", "--public-share", "0.4"
    )
    assert "leave out --bar, --title, --public-share" in " ".join(refused.stderr.split())
    (folder / "public").mkdir()
    (folder / "public" / "train.csv").symlink_to("/etc/hostname")
    refused = call(tmp_path / "home", "new", "own", "--from", str(folder))
    assert (refused.exit_code, "is a link; put the file itself there" in refused.stderr) == (2, True)
    words = ["--solution", str(folder / "solution.csv"), "--metric", "rmse", "--public", str(folder / "public")]
    refused = call(tmp_path / "home", "new", "own", *words)
    assert (refused.exit_code, "is a link; put the file itself there" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("usage", "said"),
    [
        ("id,Usage\n0,Public\n", "its ids are not those of the solution"),
        ("id,usage\n0,Public\n", "expected the columns id, Usage"),
        ("id,Usage\n" + "".join(f"{n},Public\n" for n in range(N)), "no row has the Usage Private"),
        ("id,Usage\n" + "".join(f"{n},Hidden\n" for n in range(N)), "line 2: Usage must be Public, Private or Ignored"),
        ("id,Usage\n" + "".join(f"{n},{('Public', 'Private')[n % 2]}\n" for n in range(N)), "both Public and Private"),
    ],
)
def test_a_split_that_does_not_fit_is_refused(tmp_path: Path, usage: str, said: str) -> None:
    folder = plain(tmp_path / "folder", 'group = "town"\n', usage_csv=usage)
    solution = PLAIN.replace(",c,", ",b,")  # of both kinds of rows
    write_folder(folder, solution_csv=solution)
    refused = call(tmp_path / "home", "new", "own", "--from", str(folder))
    assert (refused.exit_code, said in " ".join(refused.stderr.split())) == (2, True), refused.output


def test_another_split_of_the_same_solution_is_a_change(tmp_path: Path) -> None:
    folder, home = plain(tmp_path / "folder", 'group = "town"\n'), tmp_path / "home"
    assert call(home, "new", "own", "--from", str(folder)).exit_code == 0
    usage = "id,Usage\n" + "".join(f"{n},{'Public' if n % 6 < 1 else 'Private'}\n" for n in range(N))
    write_folder(folder, usage_csv=usage)
    asked = call(home, "new", "own", "--from", str(folder))
    assert (asked.exit_code, "another usage" in " ".join(asked.stderr.split())) == (1, True), asked.output
    assert call(home, "new", "own", "--from", str(folder), "--yes").exit_code == 0
    (folder / "usage.csv").unlink()
    assert "another usage" in " ".join(call(home, "new", "own", "--from", str(folder)).stderr.split())
