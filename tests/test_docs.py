"""The README shows every command's help and the file tree; `python tests/test_docs.py` writes them anew."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)] if __name__ == "__main__" else []

from harness.cli import ELSEWHERE, LINE, cli  # noqa: E402
from tasks.homeworks import MODULES  # noqa: E402

FOLDERS = ("harness", "tasks", "baselines", "submissions", "leaderboard", "tests")


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
    parts = [f"```\n$ lhy-grade --help\n{help_text((), cli)}\n```"]
    parts += [f"```\n$ lhy-grade {' '.join(w)} --help\n{help_text(w, c)}\n```" for w, c in commands()]
    return "\n\n".join(parts)


def tree() -> str:
    """Each file with the first sentence of its docstring."""
    lines = []
    for folder in FOLDERS:
        lines.append(f"{folder}/")
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in (".py", ".md") or "__pycache__" in path.parts or path.read_text() == "":
                continue
            shown = "  " + path.relative_to(ROOT / folder).as_posix()
            lines.append(f"{shown:<32} {first_sentence(path)}".rstrip())
    return "```\n" + "\n".join(lines) + "\n```"


def first_sentence(path: Path) -> str:
    if path.suffix != ".py":
        return "What a student reads."
    text = " ".join((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split())
    sentence = re.split(r"(?<=[a-z0-9`\)])\.(?= |$)", text, maxsplit=1)[0]
    return sentence if len(sentence) <= 90 else sentence[:89].rsplit(" ", 1)[0] + " …"


def between(text: str, mark: str) -> str:
    return text.partition(f"<!-- {mark} -->\n")[2].partition(f"\n<!-- /{mark} -->")[0]


BLOCKS = {"help": helps, "tree": tree}


@pytest.mark.parametrize("mark", BLOCKS)
def test_the_readme_shows_what_is_there(mark: str) -> None:
    assert between((ROOT / "README.md").read_text(encoding="utf-8"), mark) == BLOCKS[mark](), (
        "python tests/test_docs.py rewrites these blocks"
    )


def test_every_command_that_the_readme_tells_to_type_exists_with_its_options() -> None:
    text = re.sub(
        r"<!-- help -->.*<!-- /help -->", "", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    told = [
        line.partition("  #")[0] for line in re.findall(r"(?:^|`|: )lhy-grade ([a-z][^`\n]*)", text, flags=re.MULTILINE)
    ]
    known = {" ".join(words): command for words, command in commands()}
    assert len(told) >= 20
    for line in told:
        words = shlex.split(line.partition(" > ")[0])
        name = next((n for n in (" ".join(words[:2]), words[0]) if n in known), None)
        assert name is not None, line
        options = {
            option for parameter in known[name].params for option in (*parameter.opts, *parameter.secondary_opts)
        }
        assert {word for word in words if word.startswith("-")} <= options | {"--home"}, line


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
            if path.read_text():
                assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_every_homework_has_a_folder_a_baseline_and_a_place_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for module in MODULES:
        assert (ROOT / "tasks" / module / "sheet.md").exists()
        assert (ROOT / "baselines" / f"{module}.py").exists()
        assert f"HW{int(module[2:4])}" in readme


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
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    for name, make in BLOCKS.items():
        before, mark, rest = text.partition(f"<!-- {name} -->\n")
        text = before + mark + make() + "\n" + rest[rest.index(f"<!-- /{name} -->") :]
    readme.write_text(text, encoding="utf-8")
