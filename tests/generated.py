"""The generated parts of the documentation, and the pages that have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import click

from harness.cli.main import cli
from tasks.base import Bar, Edition, Task
from tasks.homeworks import all_tasks
from tasks.named import CELLS, NAMED
from tests.bench import cheap, results

ROOT = Path(__file__).parents[1]

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
    "A second file": "submissions.attachments",
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
    unsure = [f"- `{edition.name}`: {fact}" for edition in task.editions for fact in edition.unsure]
    return "\n".join(
        [
            *lines,
            *(["", "Unsure, by what is left of the course's slides and notebooks:", ""] if unsure else []),
            *unsure,
        ]
    )


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


def metrics() -> str:
    """The metrics by name: what the answers and the predictions are, and what several columns mean."""
    lines = [
        "| `--metric` | what | answers | predictions | several columns | `--metric-arg` |",
        "|---|---|---|---|---|---|",
    ]
    for named in NAMED.values():
        options = "; ".join(
            f"`{one.name}={one.default:g}`" if isinstance(one.default, float) else f"`{one.name}={one.default}`"
            for one in named.options
        )
        said = "; ".join(f"`{one.name}`: {one.says}, {one.accepted()}" for one in named.options)
        answers, predictions = CELLS[named.cells]
        cells = (
            f"`{named.name}`",
            named.says,
            answers,
            predictions,
            named.several or "–",
            options + (f" ({said})" if said else "–"),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def blocks() -> dict[tuple[Path, str], Callable[[], str]]:
    """What is generated: the page and the mark of each block, and the function that makes it."""
    made: dict[tuple[Path, str], Callable[[], str]] = {
        (DOCS / "cli.md", "help"): helps,
        (DOCS / "errors.md", "errors"): errors,
        (README, "homeworks"): homeworks,
        (DOCS / "own-competition.md", "metrics"): metrics,
    }
    for task in all_tasks():
        page = DOCS / "homeworks" / f"{task.name}.md"
        made[page, "editions"] = lambda task=task: editions(task)  # type: ignore[misc]
        made[page, "results"] = lambda task=task: results_of(task)  # type: ignore[misc]
    return made


def rewrite() -> None:
    for (page, mark), make in blocks().items():
        before, begin, rest = read(page).partition(f"<!-- {mark} -->\n")
        assert begin, f"{page} has no <!-- {mark} -->"
        page.write_text(before + begin + make() + "\n" + rest[rest.index(f"<!-- /{mark} -->") :], encoding="utf-8")
