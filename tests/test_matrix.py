"""The matrix of a metric that has one: a heat map on the terminal and on pages, and in JSON."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner
from safetensors.numpy import save

from harness.answers import read_secret
from harness.cli.main import cli
from harness.competition import find_competition
from harness.home import Home, open_home
from harness.words import heat
from leaderboard import records
from submissions.reader import read
from tasks.base import PUBLIC
from tasks.hw14_lifelong import hits, judge, matrix
from tests.classes import make_class, submit
from tests.test_hw14_lifelong import FORM, random_networks


def test_the_public_matrix_is_shown_as_a_heat_map_and_the_private_one_after_the_reveal_both_cut_to_two_decimals(
    homes: Callable[[str], Home], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(homes("hw14").root, tmp_path / "home"))
    path = tmp_path / "five.safetensors"
    path.write_bytes(save(random_networks()))
    hidden = read_secret(open_home(root), find_competition(open_home(root), "hw14"))
    usage, columns = hidden.answers.usage, hidden.answers.columns
    assert usage is not None
    said = judge.run(FORM, read(path.read_bytes(), FORM), hidden.folder).columns
    public, private = (
        [[math.trunc(share * 100 + 1e-9) / 100 for share in row] for row in matrix(hits(columns, said), side).tolist()]
        for side in (usage == PUBLIC, usage != PUBLIC)
    )
    words = ["--home", str(root), "submit", "hw14", str(path), "--as", "ada"]
    first = CliRunner().invoke(cli, [*words, "--format", "json"])
    body = json.loads(first.stdout)
    assert body["matrix"] == public != private
    status = ["--home", str(root), "status", str(body["submission"])]
    for step in ((), ("reveal", "hw14", "--yes", "--reason", "the end")):
        assert not step or CliRunner().invoke(cli, ["--home", str(root), *step]).exit_code == 0
        told = json.loads(CliRunner().invoke(cli, [*status, "--format", "json"]).stdout)
        assert told["matrix"] == public
        assert told.get("private_matrix") == (private if step else None)
        assert ("private accuracy" in CliRunner().invoke(cli, status).stdout) == bool(step)
        for verb, rows in (("submissions", "submissions"), ("leaderboard", "board")):
            words = ["--home", str(root), verb, "hw14", "--as", "ada"]
            listed = CliRunner().invoke(cli, words, env={"COLUMNS": "220"}).stdout
            assert heat(public) in listed
            assert heat(private) not in listed
            (row,) = json.loads(CliRunner().invoke(cli, [*words, "--format", "json"]).stdout)[rows]
            assert row["matrix"] == public
    board = CliRunner().invoke(cli, ["--home", str(root), "leaderboard", "hw14", "--private", "--format", "json"])
    assert json.loads(board.stdout)["board"][0]["matrix"] == private
    shown = CliRunner().invoke(cli, status).stdout
    assert [line[:10] for line in shown.splitlines() if re.match(r"  [1-5]  0", line)] == [
        f"  {task}  {row[0]:.2f} " for rows in (public, private) for task, row in enumerate(rows, 1)
    ]


def test_a_page_shows_the_matrix_as_a_table_of_shades(course: Path, tmp_path: Path) -> None:
    site = make_class(course, tmp_path / "home", f"sqlite:///{tmp_path / 'leaderboard.db'}", quota=100)
    try:
        number = int(submit(site.client("b01"), site.file(1.0)).json()["submission"])
        assert site.work() == []
        with site.home.database() as database, database.transaction():
            for column, shares in (
                ("details", [[0.999, 0.0], [0.25, 1.0]]),
                ("private_details", [[0.5, 0.4], [0.6, 0.7]]),
            ):
                stored = database.value(f"SELECT {column} FROM grades WHERE submission_id = :id", id=number)
                text = json.dumps(json.loads(stored) | {"matrix": shares})
                database.execute(f"UPDATE grades SET {column} = :new", new=text)
        client = site.client()
        client.post("/login", data={"token": site.tokens["b01"]}, headers={"origin": "http://testserver"})
        text = client.get(f"/submissions/{number}").text
        cells = re.findall(r'<td class="right heat(\d)">([0-9.]+)</td>', text)
        assert cells == [("4", "0.99"), ("0", "0.00"), ("1", "0.25"), ("4", "1.00")]
        for page, private in (("submissions", False), ("board", False), ("board?private=true", True)):
            if private:
                with site.home.database() as database:
                    records.reveal(database, "hw01/1", "ian", "the end", site.now)
            small = re.findall(r'<i class="heat(\d)" title="([0-9.]+)">', client.get(f"/homeworks/hw01/{page}").text)
            assert small == ([("2", "0.50"), ("2", "0.40"), ("3", "0.60"), ("3", "0.70")] if private else cells), page
        text = client.get(f"/submissions/{number}").text
        assert re.findall(r'<td class="right heat(\d)">([0-9.]+)</td>', text)[4:] == [
            ("2", "0.50"),
            ("2", "0.40"),
            ("3", "0.60"),
            ("3", "0.70"),
        ]
    finally:
        site.close()
