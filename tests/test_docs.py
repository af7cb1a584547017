"""The documentation is true: what is generated is up to date, commands parse or run, links lead somewhere, keys exist.

`python tests/test_docs.py` writes the generated parts anew.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)] if __name__ == "__main__" else []

from harness.cli.main import ELSEWHERE, LINE, cli  # noqa: E402
from harness.course.gradebook import Total  # noqa: E402
from harness.home import CONFIG, FOR_POINTS, TOTAL  # noqa: E402
from harness.server.settings import Settings  # noqa: E402
from tasks.base import Bar, Edition, Rules, Task  # noqa: E402
from tasks.homeworks import MODULES, all_tasks, find_task  # noqa: E402
from tests.bench import cheap, gallery, results  # noqa: E402

FOLDERS = ("harness", "tasks", "baselines", "submissions", "leaderboard", "tests")
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md")), *sorted((ROOT / "tasks").glob("*/sheet.md"))]

ERRORS = {
    "Any file that is handed in": "submissions.text",
    "A table": "submissions.table",
    "Lines of text": "submissions.lines",
    "An archive of images": "submissions.images",
    "Arrays": "submissions.arrays",
    "Episodes": "submissions.episodes",
    "A model": "submissions.models",
    "A quiz": "submissions.quiz",
    "A model that is run": "tasks.models",
    "The images of HW6": "tasks.hw06_gan.judge",
    "The pictures of HW10": "tasks.hw10_attack.judge",
    "The replay of HW12": "tasks.hw12_reinforcement.judge",
    "A metric file of one's own": "tasks.kaggle",
    "The course's own files, in prepare": "tasks.sources",
    "The course and its leaderboard": "leaderboard.codes",
    "The command line, the client and the server": "harness.codes",
    "The store of submissions": "submissions.store",
    "Leaks, in prepare and new": "tasks.leaks",
    "Anywhere": "tasks.errors",
}
"""The tables of error codes, by the title that they have in docs/errors.md."""


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


# What is generated.


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    """Every command with its words, groups after their own commands."""
    found: list[tuple[tuple[str, ...], click.Command]] = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
        else:
            found.append(((*path, name), command))
    return found


def help_text(words: tuple[str, ...], command: click.Command) -> str:
    """What `lhy-grade WORDS --help` prints in a terminal of 100 columns."""
    context = click.Context(
        command, info_name=" ".join(("lhy-grade", *words)), terminal_width=100, max_content_width=100
    )
    context.help_option_names = ["-h", "--help"]
    return command.get_help(context).rstrip()


def helps() -> str:
    parts = [f"```\n{help_text((), cli)}\n```"]
    parts += [f"## {' '.join(words)}\n\n```\n{help_text(words, command)}\n```" for words, command in commands()]
    return "\n\n".join(parts)


def tables_of_codes() -> dict[str, dict[str, str]]:
    return {title: import_module(module).CODES for title, module in ERRORS.items()}


def errors() -> str:
    """Each table of codes; what the readers of all files share stands in the first alone."""
    parts, shared = [], tables_of_codes()["Any file that is handed in"]
    for title, codes in tables_of_codes().items():
        lines = [f"## {title}", "", "| code | what it means | what to do |", "|---|---|---|"]
        for code, text in sorted(codes.items()):
            if codes is not shared and shared.get(code) == text:
                continue
            meaning, _, remedy = text.partition(". ")
            cells = " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in (f"{meaning}.", remedy))
            lines.append(f"| `{code}` | {cells} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def shown_bar(bar: Bar, edition: Edition) -> str:
    """The public threshold of the metric that ranks."""
    threshold = dict(bar.public).get(edition.metrics[0].name)
    return "–" if threshold is None else f"{threshold:.7g}"


def homeworks() -> str:
    """The fifteen homeworks of the course with their metric and the bars of built-in data."""
    lines = ["| | homework | what is handed in | score | bars on built-in data |", "|---|---|---|---|---|"]
    for task in all_tasks():
        name, number = task.name, f"HW{int(task.name[2:])}"
        edition = task.editions[0]
        bars = " · ".join(shown_bar(bar, edition) for bar in edition.bars) or "not measured yet"
        suffix = edition.format.suffix
        kinds = {
            ".csv": "CSV",
            ".txt": "text, a line a sentence",
            ".tgz": "`.tgz` of JPEGs",
            ".onnx": "a model: ONNX",
        } | {".safetensors": "five networks: safetensors"}
        kind = {"hw09": "maps and causes: safetensors", "hw10": "`.tgz` of PNGs"}.get(name, kinds[suffix])
        labels = " and ".join(metric.label for metric in edition.metrics)
        lines.append(f"| [{number}](docs/homeworks/{name}.md) | {task.title} | {kind} | {labels} | {bars} |")
    return "\n".join(lines)


def editions(task: Task) -> str:
    """The editions of a homework with their bars, quota and boards."""
    lines = ["| edition | data | score | bars, public board | submissions a day |", "|---|---|---|---|---|"]
    for edition in task.editions:
        own = edition.name == "own"
        bars = ", ".join(f"{bar.name} {shown_bar(bar, edition)}" for bar in edition.bars)
        none = "not measured yet" if edition.name.startswith("builtin") else "none were published"
        bars = bars or ("none" if own else none)
        labels = " and ".join(f"{m.label}, {'higher' if m.higher_is_better else 'lower'}" for m in edition.metrics)
        data = "your own pictures" if own else "the course's files" if edition.official else "built in"
        lines.append(f"| `{edition.name}` | {data} | {labels} is better | {bars} | {edition.rules.quota} |")
    return "\n".join(lines)


DIGITS = {
    "hw01": 4,
    "hw02": 4,
    "hw03": 4,
    "hw04": 4,
    "hw05": 2,
    "hw06": 1,
    "hw07": 4,
    "hw08": 4,
    "hw09": 4,
    "hw10": 4,
    "hw11": 4,
    "hw12": 1,
    "hw13": 4,
    "hw14": 4,
    "hw15": 4,
}
"""The decimals of the first metric in the tables of results, which the spread over seeds allows."""
ONE_BOARD = ("face_rate_score",)


def labels_of(task: Task, edition: str) -> dict[str, tuple[str, int, bool]]:
    digits = [DIGITS[task.name], 3, 3]
    metrics = task.edition(edition).metrics
    return {m.name: (m.label, n, m.higher_is_better) for m, n in zip(metrics, digits, strict=False)}


def rows_of(task: Task) -> list[results.Row]:
    return results.read_rows(results.FOLDER / f"{task.name}.jsonl")


def results_of(task: Task) -> str:
    """The tables of results, one for each edition and size that was measured."""
    parts = []
    rows = rows_of(task)
    for edition in task.editions:
        for size in sorted({row.size for row in rows if row.edition == edition.name}):
            here = [row for row in rows if (row.edition, row.size) == (edition.name, size)]
            seeds = {f"{row.seeds[0]} to {row.seeds[-1]}" for row in here}
            what = "the course's files" if size == "course" else f"size `{size}`"
            test = ", ".join(sorted({row.test for row in here if row.test}))
            tested = f", tested on {test}" if test else ""
            parts.append(f"**`{edition.name}`**, {what}, seeds {', '.join(sorted(seeds))}{tested}:")
            parts.append(results.table(here, labels_of(task, edition.name), one_board=ONE_BOARD))
            parts.append("\n".join(f"Measured with `{command}` on {where}." for command, where in sources_of(here)))
            parts += tricks_of(task, edition, size)
    return "\n\n".join(parts)


def tricks_of(task: Task, edition: Edition, size: str) -> list[str]:
    """The table of cheap tricks of one edition and size, if they were measured."""
    found = results.read_tricks(results.FOLDER / f"{task.name}.jsonl")
    rows = [row for row in found if (row.edition, row.size) == (edition.name, size)]
    if not rows:
        return []
    seeds = ", ".join(sorted({f"{row.seeds[0]} to {row.seeds[-1]}" for row in rows}))
    bars = edition.bars_at(None if edition.official else size)
    digits = {name: number for name, (_, number, _) in labels_of(task, edition.name).items()}
    said = {trick.name: trick.said for trick in cheap.registered(task.name)[1]}
    misses = [f"- {broken}: {said[row.name]}" for row in rows if (broken := cheap.broken(row, bars, edition.metrics))]
    return [
        f"Cheap tricks on `{edition.name}`, seeds {seeds}: (1) without learning, (2) from the public data by general "
        "means, (3) from this package with another key.",
        results.tricks_table(rows, bars, edition.metrics, digits, ONE_BOARD),
        *(["Tricks that clear a bar that their kind must not:\n\n" + "\n".join(misses)] if misses else []),
        "\n".join(f"Measured with `{command}` on {where}." for command, where in sources_of(rows)),
    ]


def sources_of(rows: Sequence[results.Row | results.Trick]) -> list[tuple[str, str]]:
    found = {source.partition("; ") for row in rows for source in row.sources}
    return sorted((command, where) for command, _, where in found)


def blocks() -> dict[tuple[Path, str], Callable[[], str]]:
    """What is generated: the page and the mark of each block, and the function that makes it."""
    made: dict[tuple[Path, str], Callable[[], str]] = {
        (DOCS / "cli.md", "help"): helps,
        (DOCS / "errors.md", "errors"): errors,
        (README, "homeworks"): homeworks,
    }
    for task in all_tasks():
        page = DOCS / "homeworks" / f"{task.name}.md"
        made[page, "editions"] = lambda task=task: editions(task)  # type: ignore[misc]
        made[page, "results"] = lambda task=task: results_of(task)  # type: ignore[misc]
    return made


def between(text: str, mark: str) -> str:
    return text.partition(f"<!-- {mark} -->\n")[2].partition(f"\n<!-- /{mark} -->")[0]


def rewrite() -> None:
    for (page, mark), make in blocks().items():
        before, begin, rest = read(page).partition(f"<!-- {mark} -->\n")
        assert begin, f"{page} has no <!-- {mark} -->"
        page.write_text(before + begin + make() + "\n" + rest[rest.index(f"<!-- /{mark} -->") :], encoding="utf-8")


@pytest.mark.parametrize(("page", "mark"), blocks(), ids=lambda value: value if isinstance(value, str) else value.name)
def test_what_is_generated_is_up_to_date(page: Path, mark: str) -> None:
    assert between(read(page), mark) == blocks()[page, mark](), "python tests/test_docs.py rewrites these blocks"


def test_the_readme_is_short() -> None:
    assert len(read(README).splitlines()) <= 200


# Commands that are typed.


def fenced(text: str) -> Iterator[tuple[str, str]]:
    """The info string and the content of each fenced block."""
    for found in re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
        yield found[1].strip(), found[2]


def typed(text: str) -> Iterator[tuple[str, bool]]:
    """Every `lhy-grade …` of a page, and whether it stands in a block, where nothing may be missing."""
    text = re.sub(r"<!-- help -->.*<!-- /help -->", "", text, flags=re.DOTALL)
    for _, block in fenced(text):
        for line in block.replace("\\\n", " ").splitlines():
            found = re.match(r"(?:\$ )?(?:sudo -u \w+ -H )?(?:\w+=\S+ )?(lhy-grade .*)", line.strip())
            if found:
                yield found[1], True
    for span in re.findall(r"`(lhy-grade [^`]*)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)):
        yield " ".join(span.split()), False


def words_of(line: str) -> list[str]:
    """The arguments of a typed line, without comments, pipes and placeholders of the rest."""
    words = shlex.split(line, comments=True)[1:]
    end = next((at for at, word in enumerate(words) if word in (">", "|", "<", "&", "&&", ";")), len(words))
    return ["1" if word in ("N", "ID") else word for word in words[:end] if word not in ("…", "...")]


def parse(words: list[str], whole: bool) -> None:
    """Parses as the command line does, without running anything. Raises click's errors.

    Where not `whole`, arguments and required options may be missing.
    """
    command: click.Command = cli
    context = command.make_context("lhy-grade", [*words])
    while isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest and not whole:
            return
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
        try:
            context = command.make_context(name, rest, parent=context)
        except click.MissingParameter:
            if whole:
                raise
            return


TYPED = sorted({(line, whole) for page in PAGES for line, whole in typed(read(page))})


@pytest.mark.parametrize(("line", "whole"), TYPED, ids=[line for line, _ in TYPED])
def test_a_command_that_a_page_tells_to_type_parses(line: str, whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click.Path, "convert", lambda self, value, parameter, context: value)
    words = words_of(line)
    if not {"-h", "--help", "--version"} & set(words):
        parse(words, whole)


@pytest.mark.parametrize(
    "line",
    [
        "lhy-grade sumbit hw1 x.csv", "lhy-grade submit hw1", "lhy-grade submit hw1 x.csv --nowait",
        "lhy-grade train hw1 --level brilliant", "lhy-grade roster",
    ],
)  # fmt: skip
def test_a_command_that_does_not_exist_would_be_found(line: str) -> None:
    with pytest.raises(click.UsageError):
        parse(words_of(line), True)


def test_many_commands_are_looked_at() -> None:
    assert len(TYPED) > 60
    seen = {" ".join(words) for words, _ in commands() if any(line_is(words, line) for line, _ in TYPED)}
    assert seen == {" ".join(words) for words, _ in commands()}, "each command is typed in some page"


def line_is(words: tuple[str, ...], line: str) -> bool:
    given = words_of(line)
    if given[:1] == ["--home"]:
        given = given[2:]
    return tuple(given[: len(words)]) == words


RUN = [page for page in PAGES if any("run" in info.split() for info, _ in fenced(read(page)))]


LONG = (DOCS / "class.md",)
"""The pages whose blocks take long: many commands, each a process."""


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.slow if page in LONG else ()) for page in RUN],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_the_blocks_of_a_page_that_are_marked_run_run(page: Path, tmp_path: Path) -> None:
    """In order, in a fresh home, yes to every question: `sh run` and `python run` run, `csv run FILE` is written."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("LHY_GRADE")},
        "HOME": str(tmp_path / "user"),
        "LHY_GRADE_HOME": str(tmp_path / "user" / "ml"),
        "XDG_DATA_HOME": str(tmp_path / "user" / "data"),
        "XDG_CONFIG_HOME": str(tmp_path / "user" / "config"),
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    for folder in ("user", "work", "bin"):
        (tmp_path / folder).mkdir()
    program = tmp_path / "bin" / "lhy-grade"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c 'from harness.cli.main import main; main()' \"$@\"\n")
    program.chmod(0o755)
    for info, block in fenced(read(page)):
        language, *more = info.split() or [""]
        if more[:1] != ["run"]:
            continue
        if len(more) == 2:
            (tmp_path / "work" / more[1]).write_text(block, encoding="utf-8")
            continue
        begin = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}[language]
        with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as yes:
            done = subprocess.run(
                [*begin, block], cwd=tmp_path / "work", env=environment, stdin=yes.stdout, capture_output=True,
                text=True, check=False,
            )  # fmt: skip
            yes.kill()
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"


# Links.


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    text = re.sub(r"^```.*?^```$", "", read(path), flags=re.MULTILINE | re.DOTALL)
    return {slug(heading.strip()) for heading in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)}


def links(path: Path) -> list[str]:
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", read(path), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"(?:src|href)=\"([^\"]+)\"", text)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "sheet.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def test_every_page_of_the_documentation_can_be_reached_from_the_readme() -> None:
    reached, todo = set(), [README]
    while todo:
        page = todo.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        there = (link.partition("#")[0] for link in links(page) if not link.startswith("http"))
        todo += [(page.parent / name).resolve() for name in there if name]
    assert set(DOCS.rglob("*.md")) <= reached


# Settings.


def keys_under(heading: str) -> dict[str, list[str]]:
    """The cells of the table below a heading of docs/class.md, by the key in its first column."""
    text = read(DOCS / "class.md").partition(f"\n### {heading}\n")[2].partition("\n#")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:3] == "| `"]
    return {row[0].strip(" `"): row[1:] for row in rows}


def test_the_settings_of_config_toml_are_those_that_exist() -> None:
    assert set(keys_under("Of the server")) == {field.name for field in fields(Settings)}
    assert set(keys_under("Of one homework")) == {field.name for field in fields(Rules)} | set(FOR_POINTS)
    template = re.findall(r"^# (\w+) = ", CONFIG, flags=re.MULTILINE)
    assert set(keys_under("Of the course total")) == {field.name for field in fields(Total)} == set(TOTAL)
    own, total, server = CONFIG.index("[hw01]"), CONFIG.index("[total]"), CONFIG.index("[server]")
    assert template
    for heading, part in {
        "Of the course": CONFIG[:own], "Of one homework": CONFIG[own:total],
        "Of the course total": CONFIG[total:server], "Of the server": CONFIG[server:],
    }.items():  # fmt: skip
        known = set(re.findall(r"^# (\w+) = ", part, flags=re.MULTILINE))
        assert known
        assert known <= set(keys_under(heading)) if heading != "Of the course" else known == set(keys_under(heading))


def test_the_defaults_of_settings_are_those_that_hold() -> None:
    for heading, settings in (("Of the server", fields(Settings)), ("Of one homework", fields(Rules))):
        for field in settings:
            default = field.default
            shown = keys_under(heading)[field.name][0]
            assert shown == ("–" if default in ("", None) else f"`{default}`"), field.name


# Errors.


def codes_in_source() -> dict[str, set[str]]:
    """Every string that is an error code, outside of the tables, with the files that have it."""
    found: dict[str, set[str]] = {}
    for folder in FOLDERS[:-1]:
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(read(path))
            tables = {
                id(key)
                for node in ast.walk(tree)
                if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None
                and "CODES" in {getattr(t, "id", "") for t in getattr(node, "targets", [getattr(node, "target", None)])}
                for key in ast.walk(node.value)
            }  # fmt: skip
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in tables:
                    for code in (re.fullmatch(r"E_[A-Z0-9_]+", node.value) and [node.value]) or []:
                        found.setdefault(code, set()).add(path.relative_to(ROOT).as_posix())
    return found


def test_every_error_code_is_in_a_table_and_every_entry_is_used() -> None:
    used = codes_in_source()
    listed = {code for codes in tables_of_codes().values() for code in codes}
    assert len(used) > 100
    assert {code: used[code] for code in set(used) - listed} == {}, "add them to the CODES of their room"
    assert listed - set(used) == set(), "no code raises these"


def test_every_table_of_codes_is_in_the_documentation() -> None:
    there = {
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        for folder in FOLDERS[:-1]
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"^CODES\b.* = ", read(path), flags=re.MULTILINE)
    }
    assert there == set(ERRORS.values())


def test_every_code_says_what_it_means_and_what_to_do() -> None:
    for codes in tables_of_codes().values():
        for code, text in codes.items():
            meaning, _, remedy = text.partition(". ")
            assert meaning, code
            assert remedy, f"{code} does not say what to do"
            assert "`" not in meaning or meaning.count("`") % 2 == 0, code


# Results.


def test_bars_that_were_measured_are_the_means_in_the_results() -> None:
    compared = 0
    for task in all_tasks():
        means = {
            (row.edition, row.level, metric): pair[0][0]
            for row in rows_of(task)
            if row.size == "small"
            for metric, pair in row.scores.items()
        }
        for edition in task.editions:
            for bar in edition.bars:
                if not bar.source.startswith("measured"):
                    continue
                metric, threshold = bar.public[0]
                source = re.search(r"edition ([\w-]+)", bar.source)
                measured_on = source[1] if source else edition.name
                place = (measured_on if (measured_on, bar.name, metric) in means else "builtin", bar.name, metric)
                half = 0.51 * 10.0 ** -DIGITS[task.name]  # of the last digit that the results give
                assert abs(threshold - means[place]) <= half, (task.name, edition.name, bar.name)
                compared += 1
    assert compared >= 36


def test_every_result_says_how_it_was_measured() -> None:
    for task in all_tasks():
        measured = [row.sources for row in rows_of(task)]
        measured += [trick.sources for trick in results.read_tricks(results.FOLDER / f"{task.name}.jsonl")]
        for row in (source for sources in measured for source in sources):
            command, _, where = row.partition("; ")
            assert re.fullmatch(r"python tests/bench/\w+\.py .*--seeds \d+-\d+.*", command), row
            assert "torch" in where, row
            assert "/tmp" not in command, row
            assert re.search(r"20\d\d", where), row


IN_DOCSTRINGS = {
    "hw01": ("builtin", "builtin-2022"), "hw05": ("builtin",), "hw06": ("builtin",), "hw08": ("builtin",),
}  # fmt: skip
"""The editions whose scores stand in a table of the baseline's docstring, from left to right."""


def docstring_of(task: Task) -> str:
    module = next(name for name in MODULES if name.startswith(task.name))
    return ast.get_docstring(ast.parse(read(ROOT / "baselines" / f"{module}.py"))) or ""


def test_the_numbers_of_baseline_docstrings_are_those_of_the_results() -> None:
    spread = r"[+-]?\d+\.\d+ ± \d+\.\d+"
    for task in all_tasks():
        table = re.findall(rf"^ +(\w+)((?: +{spread})+)", docstring_of(task), flags=re.MULTILINE)
        assert bool(table) == (task.name in IN_DOCSTRINGS), task.name
        rows = {(row.edition, row.level): row for row in rows_of(task) if row.size in ("small", "course")}
        for level, cells in table:
            wanted = [pair for edition in IN_DOCSTRINGS[task.name] for pair in only_scores(rows[edition, level])]
            shown = [numbers(text) for text in re.findall(spread, cells)]
            assert len(shown) == len(wanted)
            assert all(same(*pair) for pair in zip(shown, wanted, strict=True)), (task.name, level)
        steps = [pair for row in rows.values() for pair in row.step or () if pair]
        for text in re.findall(rf"\(({spread})\)", docstring_of(task)):
            assert any(same(numbers(text), step) for step in steps), (task.name, text)


def numbers(text: str) -> results.Spread:
    mean, _, deviation = text.partition(" ± ")
    return float(mean), float(deviation)


def same(shown: results.Spread, exact: results.Spread) -> bool:
    """Whether both numbers agree to three decimals, where the exact ones are rounded to four."""
    return all(abs(a - b) <= 0.00056 for a, b in zip(shown, exact, strict=True))


def only_scores(row: results.Row) -> list[results.Spread]:
    public, private = next(iter(row.scores.values()))
    assert private is not None
    return [public, private]


def test_runs_of_one_seed_are_summarised() -> None:
    def run(level: str, seed: int, public: float, private: float) -> dict[str, Any]:
        scores = {"m": [public, private]}
        return {"edition": "e", "size": "small", "level": level, "seed": seed, "scores": scores, "seconds": 2.0}

    runs = [run("simple", 1, 4, 5), run("simple", 2, 6, 5), run("medium", 1, 1, 2), run("medium", 2, 2, 2)]
    rows = results.summarised(runs)
    simple, medium = sorted(rows, key=lambda row: results.ORDER.index(row.level))
    assert simple.scores == {"m": ((5.0, 2**0.5), (5.0, 0.0))}
    assert simple.step is None
    assert medium.step == ((-3.5, 0.5**0.5), (-3.0, 0.0))
    shown = results.table([simple, medium], {"m": ("M", 2, False)})
    assert shown.splitlines()[-1] == "| medium | 1.50 ± 0.71 | 2.00 ± 0.00 | -3.50 ± 0.71 | -3.00 ± 0.00 | 2.0 |"
    assert results.shown_step((0.1, 0.2), 1, True) == "+0.1 ± 0.2 **(within the spread)**"
    assert results.shown_step((0.1, 0.05), 1, False).endswith("**(within the spread)**")


# What every command and module owes.


def test_the_list_of_commands_says_of_those_elsewhere_what_their_own_help_begins_with() -> None:
    for name, (_, line) in ELSEWHERE.items():
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert (command.name, command.get_short_help_str(LINE)) == (name, line)


def test_every_command_and_every_option_has_a_help_text() -> None:
    for words, command in commands():
        assert command.help, words
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, (words, parameter.name)


def test_every_module_has_a_docstring() -> None:
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            if read(path) and path.name != "starter.py":  # or it begins with the first cell of a notebook
                assert ast.get_docstring(ast.parse(read(path))), path


def test_every_homework_has_a_folder_sample_code_a_baseline_results_and_a_page() -> None:
    for module in MODULES:
        name = module[:4]
        assert find_task(name) is not None
        assert (ROOT / "tasks" / module / "sheet.md").exists()
        assert (ROOT / "tasks" / module / "starter.py").exists()
        assert (ROOT / "baselines" / f"{module}.py").exists()
        assert (DOCS / "homeworks" / f"{name}.md").exists()
        assert (results.FOLDER / f"{name}.jsonl").exists()
    assert {task.name for task in all_tasks()} == {f"hw{number:02d}" for number in range(1, 16)}


def test_the_gallery_has_the_pictures_of_today_and_is_small() -> None:
    with Image.open(gallery.GALLERY) as picture:
        shown = json.loads(picture.info["pictures"])
    assert shown == gallery.marks(), "python tests/bench/gallery.py makes it anew"
    assert gallery.GALLERY.stat().st_size <= 300_000


def test_every_package_is_installed() -> None:
    import tomllib

    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for folder in FOLDERS[:-1]
        for path in (ROOT / folder).rglob("*.py")
    }
    assert set(listed) == there


if __name__ == "__main__":
    rewrite()
