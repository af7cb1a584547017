"""What runs in the process of a metric file: it is loaded from its bytes, and one of its functions is called."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import inspect
import io
import math
import random
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import numpy as np

from tasks import kaggle_utilities
from tasks.errors import UserError
from tasks.metric_code import UTILITIES

LONGEST_MESSAGE = 500


class Unfit(Exception):
    """Why a metric file gave no score, for the instructor; contains no data."""


@dataclass(frozen=True)
class Code:
    """A metric file: its bytes, the modules beside it as (name, source), and the arguments of its functions.

    Where `closed`, it fails where it imports a file from a folder that it puts into `sys.path`.
    """

    path: Path
    source: bytes
    modules: tuple[tuple[str, bytes], ...] = ()
    arguments: tuple[tuple[str, Any], ...] = ()
    closed: bool = False

    def call(self, solution: Any, submission: Any, id: str, seed: int, rows: int | None = None) -> dict[str, Any]:
        """The result of `score` for both sides, or of `rows` for so many rows; `id` names the column of the ids.

        "score" is a number; "rows" are doubles in base64, and "hits" says whether all are truth values; "refused" is a
        text for the participant, "failed" one for the instructor. The generators of `random` and `numpy.random` begin
        at `seed`.
        """
        places, modules = frozenset(sys.path), frozenset(sys.modules)
        given = {"solution": solution, "submission": submission, "row_id_column_name": id}
        random.seed(seed)
        np.random.seed(seed)
        silent = io.StringIO()  # what a metric prints may hold answers
        with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                module = _load(self.path, self.source, dict(self.modules))
                if rows is not None:
                    result = _row_values(_rows_function(module, given | dict(self.arguments))(), rows)
                else:
                    function = _function(module, dict(self.arguments))
                    result = {"score": _one_number(function(**given, **dict(self.arguments)))}
                if self.closed and (strange := _imported_since(places, modules)):
                    raise Unfit(
                        f"it imports {', '.join(strange)} from a folder that it puts into sys.path; such a file is"
                        " neither kept nor part of the metric's version, so put it beside the metric file"
                    )
                return result
            except Unfit as error:
                return {"failed": str(error)}
            except (Exception, SystemExit) as error:
                if _is_visible(error):
                    return {"refused": str(error)[:LONGEST_MESSAGE] or "the metric refuses this file."}
                return {"failed": _what_and_where(error, self.path)}


def _imported_since(places: frozenset[str], modules: frozenset[str]) -> list[str]:
    """The modules that were imported since then from folders that were added to `sys.path`, other than of packages."""
    of_packages = [Path(place) for place in sysconfig.get_paths().values()]
    added = [Path(place).resolve() for place in sys.path if place not in places]
    added = [place for place in added if not any(place.is_relative_to(root) for root in of_packages)]
    files = {name: getattr(sys.modules[name], "__file__", None) for name in sys.modules.keys() - modules}
    paths = {name: Path(file).resolve() for name, file in files.items() if file}
    found = [name for name, path in paths.items() if any(path.is_relative_to(place) for place in added)]
    return sorted({name.partition(".")[0] for name in found})


def _what_and_where(error: BaseException, path: Path) -> str:
    """The type of an error and the line of the metric file that raised it, without its text, which may hold answers."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return type(error).__name__ + (f" in line {lines[-1]}" if lines else "")


def _is_visible(error: BaseException) -> bool:
    return any(kind.__name__ == "ParticipantVisibleError" for kind in type(error).__mro__)


def _one_number(value: Any) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise Unfit(f"score returned {type(value).__name__}; expected one number")
    number = float(value)
    if not math.isfinite(number):
        raise Unfit("score returned a number that is not finite")
    return number + 0.0  # no negative zero


def _row_values(values: Any, n: int) -> dict[str, Any]:
    """The values of n rows, to be sent."""
    try:
        found = np.asarray(values)
    except ValueError:
        found = np.zeros(0, dtype=object)
    if found.dtype.kind not in "biuf" or found.shape != (n,):
        raise Unfit(
            f"rows returned {type(values).__name__} of shape {found.shape}; expected one number for each of {n:,} rows"
        )
    numbers = found.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise Unfit("rows returned a number that is not finite")
    sent = (numbers + 0.0).astype("<f8").tobytes()  # no negative zero
    return {"rows": base64.b64encode(sent).decode(), "hits": found.dtype.kind == "b"}


def _rows_function(module: Any, given: Mapping[str, Any]) -> Callable[[], Any]:
    """The function `rows` of the module with the arguments that it takes. Raises Unfit where it takes others."""
    function = getattr(module, "rows", None)
    expected = "expected a function rows(solution, submission)"
    if not callable(function):
        raise Unfit(f"{expected}; there is none")
    try:
        parameters = inspect.signature(function).parameters
        every = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
        used = {name: value for name, value in given.items() if every or name in parameters}
        bound = inspect.signature(function).bind(**used)
    except (TypeError, ValueError):
        raise Unfit(f"{expected}, and perhaps the further parameters of score; got other parameters") from None
    result: Callable[[], Any] = lambda: function(*bound.args, **bound.kwargs)  # noqa: E731
    return result


def _function(module: Any, arguments: Mapping[str, Any]) -> Callable[..., Any]:
    """The function `score` of the module. Raises Unfit unless it exists and takes Kaggle's parameters and these."""
    function = getattr(module, "score", None)
    expected = "expected a function score(solution, submission, row_id_column_name)"
    if not callable(function):
        raise Unfit(f"{expected}; there is none")
    try:
        inspect.signature(function).bind(solution=None, submission=None, row_id_column_name=None, **arguments)
    except (TypeError, ValueError):
        given = ", ".join(arguments) or "none"
        raise Unfit(
            f"{expected}, and a --metric-arg for each further parameter without a default; got other parameters"
            f" (given: {given})"
        ) from None
    result: Callable[..., Any] = function
    return result


def compiled(path: Path, source: bytes) -> Any:
    try:
        return compile(source, str(path), "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        raise UserError(f"{path.name}, line {line}: not valid Python.") from error


class _Beside:
    """Finds and loads the modules beside a metric file, from their sources; an importer of `sys.meta_path`."""

    def __init__(self, path: Path, modules: Mapping[str, bytes]) -> None:
        self.path, self.modules = path, modules

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return importlib.util.spec_from_loader(name, cast(Any, self)) if name in self.modules else None

    def create_module(self, spec: Any) -> Any:
        return None

    def exec_module(self, module: Any) -> None:
        name = module.__name__
        _execute(self.path.with_name(f"{name}.py"), self.modules[name], module)


def _execute(path: Path, source: bytes, module: Any) -> None:
    exec(compiled(path, source), module.__dict__)


def _load(path: Path, source: bytes, modules: Mapping[str, bytes]) -> Any:
    """The module in the file, under a private name, without bytecode on disk. Raises Unfit."""
    sys.modules.setdefault(UTILITIES, kaggle_utilities)
    if modules:
        for old in modules:
            if isinstance(getattr(sys.modules.get(old), "__loader__", None), _Beside) or old == UTILITIES:
                del sys.modules[old]  # of another metric file, where there is no process for each call
        sys.meta_path.insert(0, cast(Any, _Beside(path, modules)))
    name = f"_lhy_grade_metric_{sha256(source).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses in the file look themselves up here
    try:
        _execute(path, source, module)
    except (Exception, SystemExit) as error:
        what = f" ({error})" if isinstance(error, ImportError) else ""
        raise Unfit(f"it cannot be loaded: {_what_and_where(error, path)}{what}") from error
    return module
