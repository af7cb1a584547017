"""The homeworks by name. A homework is a folder here and a file of the same name in `baselines/`.

Others come from outside (`tasks.plugins`); none of them can take the name of one of these.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from tasks import plugins
from tasks.base import Task, UserError

MODULES = (
    "hw01_regression", "hw02_classification", "hw03_cnn", "hw04_self_attention", "hw05_transformer", "hw06_gan",
    "hw07_bert", "hw08_anomaly", "hw09_explainable", "hw10_attack", "hw11_adaptation", "hw12_reinforcement",
    "hw13_compression", "hw14_lifelong", "hw15_meta",
)  # fmt: skip


def canonical(name: str) -> str:
    """The canonical name of a competition: `hw1`, `HW01` and `1` become `hw01`; other names are unchanged.

    Raises UserError for a name that is not valid.

    >>> canonical("hw1"), canonical("1"), canonical("my-contest")
    ('hw01', 'hw01', 'my-contest')
    """
    numbered = re.fullmatch(r"(?:hw)?0*([1-9][0-9]?)", name, re.IGNORECASE)
    if numbered:
        return f"hw{int(numbered[1]):02d}"
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", name):
        raise UserError(
            f"{name[:60]!r} is not a valid competition name: use hw1, or up to 40 lowercase letters, digits and"
            " hyphens."
            f"{did_you_mean(name, (module[:4] for module in MODULES))}"
        )
    return name


def add_plugin(folder: Path) -> None:
    """Adds the homework in a folder. Raises UserError for one that cannot be added or found by its name."""
    name = plugins.add(folder)
    if not is_name(name) or canonical(name) != name or module_of(name) is not None:
        raise UserError(
            f"--plugin: the TASK in {folder} cannot be named {name!r:.60}: a homework of the course has that name, or"
            " it is no name; use hw16, or up to 40 lowercase letters, digits and hyphens."
        )


def is_name(text: str) -> bool:
    """Whether a text is a valid competition name."""
    try:
        canonical(text)
    except UserError:
        return False
    return True


def unknown(name: str, others: Iterable[str] = ()) -> UserError:
    """The error for a name that is neither a homework nor one of `others`, the existing competitions.

    >>> print(unknown("regresion"))
    there is no competition regresion here. Did you mean hw01?
    """
    near = did_you_mean(name, [*(module[:4] for module in MODULES), *others])
    hint = near or " `lhy-grade tasks` lists all competitions."
    return UserError(f"there is no competition {name} here.{hint}", code="E_NOT_FOUND")


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A hint with the one of `names` closest to a mistyped name, or an empty text.

    >>> did_you_mean("hw_1", ["hw01"]), did_you_mean("hw2", ["hw01"])
    (' Did you mean hw01?', '')
    """
    from difflib import get_close_matches

    words = {spelling: one for one in names for spelling in _spellings(one)}
    near = get_close_matches(name.lower(), words, 1, 0.7)
    numbers = {int(number) for word in (name, *near) for number in re.findall(r"[0-9]+", word)}
    return f" Did you mean {words[near[0]]}?" if near and len(numbers) < 2 else ""


def _spellings(name: str) -> tuple[str, ...]:
    module = module_of(name)
    return (name,) if module is None else (name, f"hw{int(name[2:])}", module, module[5:])


def module_of(name: str) -> str | None:
    """The folder of the homework with this canonical name, or None."""
    return next((module for module in MODULES if module.startswith(name + "_")), None)


def packages_of(name: str) -> tuple[str, str] | None:
    """The package of the homework with this canonical name, and the module of its baseline; None without one."""
    if (module := module_of(name)) is not None:
        return f"tasks.{module}", f"baselines.{module}"
    package = plugins.package_of(name)
    return None if package is None else (package, f"{package}.baseline")


def find_task(name: str) -> Task | None:
    """The homework with this canonical name, or None."""
    module = module_of(name)
    if module is not None:
        return cast(Task, importlib.import_module(f"tasks.{module}").TASK)
    package = plugins.package_of(name)
    return None if package is None else plugins.load(package, name)


def all_tasks() -> list[Task]:
    """All homeworks: those of the course, then those from outside."""
    own = [cast(Task, importlib.import_module(f"tasks.{module}").TASK) for module in MODULES]
    others = (find_task(name) for name in plugins.names() if module_of(name) is None)
    return [*own, *(task for task in others if task is not None)]
