"""What `new` takes beside data and metric: the page, bars, a deadline, a quota and the metric's name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import common
from harness.cli.main import cli
from harness.extras import check_bars, read_bars, read_sheet
from harness.server.rendering import markdown
from tasks.base import UserError
from tasks.metrics import ACCURACY, RMSE
from tests.classes import NOW
from tests.conftest import Write

SHEET = "# Houses\n\nPredict the *price* of a house, `<b>` is bold.\n\n```html\n<script>alert(1)</script>\n```\n\n<https://a.org>\n"
SOLUTION = "id,y,Usage\n" + "".join(f"{n},{n}.5,{('Public', 'Private')[n % 2]}\n" for n in range(10))


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words])


def make(folder: Path, *words: str, metric: str = "rmse") -> Result:
    (folder / "solution.csv").write_text(SOLUTION)
    return call(folder / "home", "new", "own", "--solution", str(folder / "solution.csv"), "--metric", metric, *words)


def nothing_is_left(folder: Path) -> bool:
    home = folder / "home"
    return not (home / "public" / "own").exists() and not list((home / "secret" / "own").glob("*"))


def test_everything_that_is_given_is_where_students_see_it(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common, "clock", lambda: NOW)
    sheet = write(SHEET, "page.md")
    words = ["--title", "Houses of Taipei", "--sheet", str(sheet), "--deadline", "2099-06-01T23:59+08:00"]
    words += ["--quota", "3", "--metric-name", "price error", "--bar", "simple=4", "--bar", "strong = 2/1.5:1/2"]
    done = make(tmp_path, *words)
    assert done.exit_code == 0, done.output
    home = tmp_path / "home"
    assert (home / "public" / "own" / "sheet.md").read_text() == SHEET
    form = (home / "public" / "own" / "format.json").read_text()
    described = json.loads(form)
    assert (described["title"], described["metrics"][0]["label"]) == ("Houses of Taipei", "price error")
    assert (described["rules"]["quota"], described["rules"]["deadline"]) == (3, "2099-06-01T23:59+08:00")
    bars = {bar["name"]: (bar["public"][0][1], bar["points"]) for bar in described["bars"]}
    assert bars == {"simple": (4.0, [1.0, 1.0]), "strong": (2.0, [1.0, 2.0])}
    assert "1.5" not in form, "the private threshold is hidden"
    assert "1.5" in (home / "secret" / "own" / "1" / "competition.json").read_text()
    (tmp_path / "mine.csv").write_text("id,y\n" + "".join(f"{n},{n}\n" for n in range(10)))
    sent = call(home, "submit", "own", str(tmp_path / "mine.csv"), "--as", "ada")
    assert "public price error 0.50000" in sent.stdout
    assert "strong" in sent.stdout
    again = make(tmp_path, *words)
    assert "same data, version 1" in again.stdout
    for change, said in ((["--quota", "4"], "quota"), (["--bar", "weak=4.5"], "bar")):
        other = make(tmp_path, *words, *change)
        assert other.exit_code == 8
        assert f"another {said}" in other.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--bar", "simple"], "expected NAME=PUBLIC"),
        (["--bar", "simple=low"], "expected a decimal number"),
        (["--bar", "simple=nan"], "expected a decimal number"),
        (["--bar", "simple=1e999"], "expected a decimal number"),
        (["--bar", "simple=4", "--bar", "simple=3"], "simple is there twice"),
        (["--bar", "simple=4:-1"], "points go from 0 to 1000"),
        (["--bar", "\x1b[31m=4"], "printable characters"),
        (["--bar", "simple=-0.1"], "nobody can reach -0.1, since the best RMSE is 0"),
        (["--bar", "simple=4/-1"], "nobody can reach -1"),
        (["--bar", "simple=100"], "the sample submission, which knows nothing, clears 100 on the public board"),
        (["--bar", "simple=4/100"], "clears 100 on the private board"),
        (["--deadline", "2020-01-01T00:00+08:00"], "has passed"),
        (["--deadline", "tomorrow"], "--deadline"),
        (["--quota", "0"], "quota"),
        (["--title", "a\nb"], "printable characters"),
        (["--metric-name", "x" * 41], "1 to 40"),
    ],
)
def test_what_cannot_hold_is_refused_before_anything_is_made(tmp_path: Path, words: list[str], said: str) -> None:
    refused = make(tmp_path, *words)
    assert refused.exit_code == 2, refused.output
    assert said in " ".join(refused.stderr.split())
    assert nothing_is_left(tmp_path)


METRIC = """
def score(solution, submission, row_id_column_name):
    return float((solution["y"] - submission["y"]).abs().max())
"""


@pytest.mark.parametrize(
    ("bar", "said"),
    [("simple=0.5", ""), ("simple=8.5", "clears 8.5 on the public"), ("simple=-1", "the solution itself gets 0")],
)
def test_bars_of_a_metric_file_lie_between_the_sample_and_the_solution(
    tmp_path: Path, write: Write, bar: str, said: str
) -> None:
    made = make(tmp_path, "--lower-is-better", "--bar", bar, metric=str(write(METRIC, "metric.py")))
    assert (made.exit_code == 0) == (said == ""), made.output
    assert said in " ".join(made.stderr.split())
    assert said == "" or nothing_is_left(tmp_path)


def test_a_bar_on_the_border_is_cleared_and_a_bar_at_the_best_value_can_be_set() -> None:
    (bar,) = read_bars(["all=1.0"], ACCURACY)
    check_bars([bar], ACCURACY, (0.5, 0.5), (1.0, 1.0))
    with pytest.raises(UserError, match="set a higher bar"):
        check_bars(read_bars(["half=0.5"], ACCURACY), ACCURACY, (0.5, 0.4), (1.0, 1.0))
    with pytest.raises(UserError, match=r"nobody can reach 1\.01"):
        read_bars(["all=1.01"], ACCURACY)
    (bar,) = read_bars(["strong=1.5:0.25"], RMSE)
    assert (bar.points, bar.private) == ((0.25, 0.25), bar.public)


# The page -------------------------------------------------------------------------------------------------------------

ACTIVE = {
    "a script": "<script>alert(1)</script>",
    "a script that does not end": "text < SCRIPT src=//a.org/x.js",
    "a picture that runs something": '<img src=x onerror="alert(1)">',
    "a frame": "<iframe src='https://a.org'></iframe>",
    "a closing tag": "</div>",
    "a link that runs something": "[a](javascript:alert(1))",
    "a link with data": "[a]( data:text/html;base64,PHNjcmlwdD4=)",
    "a reference": "[a][b]\n\n[b]: JavaScript:alert(1)",
    "a drawing that runs something": "<svg/onload=alert(1)>",
    "a scheme in entities": "[a](&#106;avascript:alert(1))",
    "a scheme with a tab": "[a](java\tscript:alert(1))",
    "an autolink": "<javascript:alert(1)>",
    "a comment": "<!-- <script> -->",
    "a control character": "a\x1b[31mb",
}


@pytest.mark.parametrize("what", ACTIVE)
def test_a_page_with_something_that_runs_is_refused_with_its_line(tmp_path: Path, write: Write, what: str) -> None:
    page = write(f"# Page\n\nfirst\n{ACTIVE[what]}\n", "page.md")
    refused = make(tmp_path, "--sheet", str(page))
    assert refused.exit_code == 2, refused.output
    line = 6 if what == "a reference" else 4
    assert f"page.md, line {line}: " in " ".join(refused.stderr.split())
    assert nothing_is_left(tmp_path)
    html = markdown(page.read_text())
    for tag in ("<script", "<img", "<iframe", "<!--", 'href="javascript', 'href="data'):
        assert tag not in html.lower(), "a page never runs it, however it came there"


@pytest.mark.parametrize(
    "text",
    [
        SHEET,
        "a < b and c > d, 3<4\n",
        "<ada@example.org> [x](https://a.org)\n",
        "Data: javascript: what it is\n",
        "Where 3 < a/b and a/b > 2, and &lt;script&gt; is a tag.\n",
        "x\r\ny\n",
    ],
)
def test_a_page_that_shows_code_links_and_comparisons_is_accepted(write: Write, text: str) -> None:
    page = write(text.encode(), "page.md")
    assert read_sheet(page) == text.replace("\r\n", "\n")


def test_a_page_that_is_empty_not_text_or_too_large_is_refused(write: Write) -> None:
    for data, said in ((b" \n", "it has 2"), (b"\xff\xfe#", "not UTF-8"), (b"a" * 500_001, "it has 500,001")):
        with pytest.raises(UserError, match=said):
            read_sheet(write(data, "page.md"))
