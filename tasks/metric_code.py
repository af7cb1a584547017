"""The code of a metric file: the modules beside it that it imports, and how both are loaded, from bytes.

Only `.py` files in the folder of the metric file are taken, and only those that it or one of them imports by name.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tasks.errors import UserError

OURS = frozenset(("baselines", "harness", "leaderboard", "submissions", "tasks", "tests"))
UTILITIES = "kaggle_metric_utilities"
MOST_MODULES = 50
MOST_BYTES = 2**20
PREFIX = "module-"
"""How the file of a module begins in the hidden folder."""


def imported_names(source: bytes) -> Iterator[str]:
    """The first parts of the modules that a source imports anywhere. Raises SyntaxError or ValueError."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def modules_beside(path: Path, source: bytes) -> dict[str, bytes]:
    """The modules in the folder of a metric file that it imports, and those that they import, by name.

    Raises UserError for one that cannot be read or is not Python, and for too many.
    """
    found: dict[str, bytes] = {}
    waiting = [(path, source)]
    while waiting:
        at, text = waiting.pop()
        try:
            names = sorted(set(imported_names(text)))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise UserError(f"{at.name}, line {getattr(error, 'lineno', None) or 1}: not valid Python.") from error
        for name in names:
            file = path.with_name(f"{name}.py")
            if name in found or name in OURS or name in sys.stdlib_module_names or file == path or not file.is_file():
                continue
            try:
                found[name] = file.read_bytes()
            except OSError as error:
                raise UserError(f"{file} cannot be read: {error.strerror}; {at.name} imports it.") from error
            waiting.append((file, found[name]))
            if len(found) > MOST_MODULES or sum(map(len, found.values())) > MOST_BYTES:
                raise UserError(
                    f"{path.name} imports more than {MOST_MODULES} files or {MOST_BYTES:,} bytes beside it; put what it"
                    " needs into the metric file."
                )
    return dict(sorted(found.items()))


def kept_modules(folder: Path) -> dict[str, bytes]:
    """The modules in a hidden folder, by name."""
    return {path.stem.removeprefix(PREFIX): path.read_bytes() for path in sorted(folder.glob(f"{PREFIX}*.py"))}


def typed(text: str) -> bool | int | float | str:
    """The value of an argument for a metric file: a truth value, a number or a text.

    >>> [typed(text) for text in ("True", "3", "0.5", "1e-3", "macro", "nan")]
    [True, 3, 0.5, 0.001, 'macro', 'nan']
    """
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", text, re.ASCII):
        return float(text)
    return text


KAGGLES = ("solution", "submission", "row_id_column_name")


def read_arguments(texts: Sequence[str]) -> dict[str, bool | int | float | str]:
    """The keyword arguments of `score` from texts NAME=VALUE. Raises UserError."""
    found: dict[str, bool | int | float | str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise UserError(f"--metric-arg: expected NAME=VALUE, got {text!r}.")
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise UserError(f"--metric-arg: {text!r} is not UTF-8 text.")
        if name in KAGGLES or name in found:
            raise UserError(f"--metric-arg: {name} is given by lhy-grade itself, or given twice.")
        found[name] = typed(value)
    return found
