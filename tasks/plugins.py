"""Homeworks from outside this repository: packages with a `TASK`, a module `baseline` and a `sheet.md`.

An installed package names itself in the entry point group `GROUP`: `hw16 = "my_course.hw16_food"`. A folder that is not
installed is added by `add`, which the command line does for --plugin.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import lru_cache
from pathlib import Path
from typing import cast

from tasks.base import Task, UserError

GROUP = "lhy_grade.homeworks"
_ADDED: dict[str, tuple[str, Path]] = {}
"""The package and the folder of each homework that was added, by name, in this process."""


def add(folder: Path) -> str:
    """Loads the package in a folder and makes its homework known in this process; returns the homework's name.

    It is code and runs with the rights of this process. Raises UserError for a folder without such a package.
    """
    folder = folder.resolve()
    package, file = folder.name, folder / "__init__.py"
    if not package.isidentifier() or not file.is_file():
        raise UserError(
            f"--plugin: {folder} is not a Python package: expected a folder named like a module, such as"
            " hw16_food, with __init__.py."
        )
    known = sys.modules.get(package)
    if known is None and _free(package, file):
        spec = importlib.util.spec_from_file_location(package, file, submodule_search_locations=[str(folder)])
        assert spec is not None
        assert spec.loader is not None
        known = importlib.util.module_from_spec(spec)
        sys.modules[package] = known
        try:
            spec.loader.exec_module(known)
        except (Exception, SystemExit) as error:
            del sys.modules[package]
            raise UserError(f"--plugin: {file} cannot be loaded: {type(error).__name__}: {error}") from error
    if known is None or Path(str(getattr(known, "__file__", None))).resolve() != file:
        raise UserError(f"--plugin: there is another module {package!r}; give the folder {folder} another name.")
    task = getattr(known, "TASK", None)
    if not isinstance(task, Task):
        raise UserError(f"--plugin: {file} has no TASK, a tasks.base.Task.")
    if _ADDED.get(task.name, (package, folder))[1] != folder:
        raise UserError(f"--plugin: {folder} and {_ADDED[task.name][1]} are both named {task.name}; leave one out.")
    _ADDED[task.name] = (package, folder)
    return task.name


def _free(package: str, file: Path) -> bool:
    """Whether no other module has that name: Python may find this very one, in the working folder."""
    spec = importlib.util.find_spec(package)
    return spec is None or (spec.origin is not None and Path(spec.origin).resolve() == file)


def added() -> tuple[Path, ...]:
    """The folders that were added, for a process that is started from this one."""
    return tuple(folder for _, folder in _ADDED.values())


@lru_cache(maxsize=1)
def installed() -> dict[str, str]:
    """The packages of installed homeworks, by name."""
    from importlib.metadata import entry_points  # what most commands do without

    return {one.name: one.value for one in entry_points(group=GROUP)}


def package_of(name: str) -> str | None:
    """The package of the homework from outside with this name, or None."""
    return _ADDED[name][0] if name in _ADDED else installed().get(name)


def names() -> list[str]:
    """The names of all homeworks from outside, sorted."""
    return sorted({*_ADDED, *installed()})


def load(package: str, name: str) -> Task:
    """The `TASK` of a package. Raises UserError where it cannot be loaded or has another name."""
    try:
        task = importlib.import_module(package).TASK
    except (ImportError, AttributeError) as error:
        raise UserError(f"the homework {name} of the package {package} cannot be loaded: {error}") from error
    if task.name != name:
        raise UserError(f"the package {package} is installed as {name}, but its TASK is named {task.name}.")
    return cast(Task, task)
