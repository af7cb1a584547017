"""Every SQL statement of the leaderboard is one that both databases prepare; and how many a submission takes."""

from __future__ import annotations

import ast
import importlib
import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.course import handing_in
from harness.course.access import owner
from harness.home import open_home
from leaderboard import database as database_module
from leaderboard.database import Database, open_database

FOLDER = Path(__file__).parents[1] / "leaderboard"
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("__init__", "database", "schema"))
"""Not the statements of `database`, which are for one kind of database each."""

ASKS = ("db.fetch", "db.one", "db.value", "db.column", "db.execute")
TREES = {name: ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8")) for name in MODULES}
FUNCTIONS = [
    (module, node) for module, tree in TREES.items() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
]


@dataclass(frozen=True)
class Place:
    """A function whose names stand for texts; without one, a module."""

    module: str
    function: ast.FunctionDef | None = None

    @property
    def values(self) -> dict[str, Any]:
        return vars(importlib.import_module(f"leaderboard.{self.module}"))


def calls() -> Iterator[tuple[Place, ast.Call]]:
    """Each call in the leaderboard, with the function that it stands in."""
    for module, function in FUNCTIONS:
        for node in ast.walk(function):
            if isinstance(node, ast.Call):
                yield Place(module, function), node


def statements() -> Iterator[tuple[str, str]]:
    """Where a statement stands, and each text that it can have."""
    for at, call in calls():
        if ast.unparse(call.func) in ASKS:
            for text in texts(call.args[0], at):
                yield f"{at.module}:{call.lineno}", text


def texts(node: ast.expr, at: Place) -> list[str]:
    """All texts that an expression can have: each branch, each assignment, and the argument of each call."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.FormattedValue(value=value):
            return texts(value, at)
        case ast.JoinedStr(values=parts):
            return ["".join(text) for text in itertools.product(*(texts(part, at) for part in parts))]
        case ast.IfExp(body=one, orelse=other):
            return texts(one, at) + texts(other, at)
        case ast.Name(id=name):
            return named(name, at)
        case ast.Subscript(value=ast.Name(id=name)):
            return list(at.values[name].values())
        case ast.Call(
            func=ast.Attribute(value=ast.Constant(value=str(between)), attr="join"), args=[ast.Name(id=name)]
        ):
            return [between.join(parts) for parts in (elements(name, at)[:1], elements(name, at))]
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="format"), keywords=given):
            keys = [str(keyword.arg) for keyword in given]
            each = itertools.product(*(texts(keyword.value, at) for keyword in given))
            return [at.values[name].format(**dict(zip(keys, one, strict=True))) for one in each]
        case ast.Call(func=ast.Attribute(attr="join")):
            return [f":values_{node.lineno}"]  # a list of places for values
    raise AssertionError(f"{at.module}: {ast.unparse(node)} is no text that this test can read")


def named(name: str, at: Place) -> list[str]:
    """The texts of a name: assigned in the function, else given to it, else of the module."""
    if at.function is not None:
        found = [text for value in assigned(name, at.function) for text in (texts(value, at) if value else ())]
        found += [text for value in assigned(name, at.function) if value is None for text in returned(name, at)]
        parameters = [argument.arg for argument in (*at.function.args.args, *at.function.args.kwonlyargs)]
        if not found and name in parameters:
            found = given(at.function, parameters.index(name), name)
        if found:
            return list(dict.fromkeys(found))
    text = at.values[name]
    assert isinstance(text, str), name
    return [text]


def assigned(name: str, function: ast.FunctionDef) -> Iterator[ast.expr | None]:
    """What is assigned to a name; None for a part of what another function returns."""
    for node in ast.walk(function):
        if isinstance(node, ast.For) and isinstance(node.target, ast.Tuple) and isinstance(node.iter, ast.Name):
            names = [ast.unparse(one) for one in node.target.elts]
            for table in assigned(node.iter.id, function) if name in names else ():
                assert isinstance(table, ast.Tuple)
                yield from (row.elts[names.index(name)] for row in table.elts if isinstance(row, ast.Tuple))
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id == name:
                yield node.value
            elif isinstance(target, ast.Tuple) and name in (names := [ast.unparse(one) for one in target.elts]):
                branches = [node.value.body, node.value.orelse] if isinstance(node.value, ast.IfExp) else [node.value]
                for branch in branches:
                    yield branch.elts[names.index(name)] if isinstance(branch, ast.Tuple) else None


def returned(name: str, at: Place) -> list[str]:
    """The texts that come first in what a function returns, whose call is assigned to a tuple with this name."""
    assert at.function is not None
    if name in ("counting", "sql"):
        return returned_by("_counting")
    return returned_by("_only" if name == "only" else "_open")


def returned_by(called: str) -> list[str]:
    module, function = next(one for one in FUNCTIONS if one[1].name == called)
    ends = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
    return [text for end in ends if isinstance(end, ast.Tuple) for text in texts(end.elts[0], Place(module, function))]


def given(function: ast.FunctionDef, place: int, name: str) -> list[str]:
    """The texts that calls in the leaderboard give for a parameter, and its default."""
    found: list[str] = []
    for at, call in calls():
        if ast.unparse(call.func).split(".")[-1] == function.name:
            arguments = call.args[place : place + 1] or [key.value for key in call.keywords if key.arg == name]
            found += [text for argument in arguments for text in texts(argument, at)]
    defaults = dict(
        zip([one.arg for one in reversed(function.args.args)], reversed(function.args.defaults), strict=False)
    )
    return found + (texts(defaults[name], Place("rows")) if name in defaults else [])


def elements(name: str, at: Place) -> list[str]:
    """The texts of a list: those that it begins with, and those appended to it."""
    assert at.function is not None
    found = []
    for node in ast.walk(at.function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            names = [ast.unparse(one) for one in node.targets[0].elts]
            if name in names and isinstance(node.value, ast.Tuple):
                begin = node.value.elts[names.index(name)]
                assert isinstance(begin, ast.List)
                found += [text for one in begin.elts for text in texts(one, at)]
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"{name}.append":
            found += texts(node.args[0], at)
    return found


STATEMENTS = 49
"""The most statements of one submission at home, with its grade and its place: a bound from above."""


class Nulls(dict[str, Any]):
    """A value for every name."""

    def __missing__(self, name: str) -> None:
        return None


def test_every_statement_is_one_that_the_database_prepares(database: Database) -> None:
    found = list(statements())
    assert len({place for place, _ in found}) > 90, "most of the leaderboard is SQL"
    for place, text in dict.fromkeys(found):
        try:
            database._run(f"EXPLAIN {text}", Nulls(a=None))
        except Exception as error:
            pytest.fail(f"{place}: {error}\n{text}")


def test_a_submission_at_home_opens_the_database_once_and_asks_little(
    course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(course, tmp_path / "home")
    home = open_home(tmp_path / "home")
    counts = {"opened": 0, "statements": 0}

    def opened(url: str) -> Database:
        counts["opened"] += 1
        return open_database(url)

    def run(self: Database, sql: str, values: dict[str, Any], real: Any = Database._run) -> Any:
        counts["statements"] += 1
        return real(self, sql, values)

    monkeypatch.setattr(database_module, "open_database", opened)
    monkeypatch.setattr(Database, "_run", run)
    file = home.public("hw01") / "sample_submission.csv"
    for _ in range(2):
        counts.update(opened=0, statements=0)
        handing_in.submit(home, owner("ada"), "hw1", file, "", datetime(2027, 3, 1, tzinfo=UTC))
        assert counts["opened"] == 1
        assert counts["statements"] <= STATEMENTS, counts
