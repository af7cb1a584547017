"""The commands of the documentation parse, its blocks marked `run` are run, and every command has its help."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from harness.cli.main import ELSEWHERE, LINE, cli
from tests.generated import DOCS, PAGES, ROOT, commands, read

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
        "lhy-grade sumbit hw1 x.csv",
        "lhy-grade submit hw1",
        "lhy-grade submit hw1 x.csv --nowait",
        "lhy-grade train hw1 --level brilliant",
        "lhy-grade roster",
    ],
)
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


LONG = (DOCS / "class.md", DOCS / "own-homework.md")
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


# What every command owes.


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
