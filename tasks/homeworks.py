"""The homeworks by name. A homework is a folder here and a file of the same name in `baselines/`."""

from __future__ import annotations

import importlib
import re
from typing import cast

from tasks.base import Task, UserError

MODULES = (
    "hw01_regression", "hw03_cnn", "hw05_transformer", "hw06_gan", "hw08_anomaly", "hw12_reinforcement",
)  # fmt: skip


def canonical(name: str) -> str:
    """The one spelling of a competition's name: `hw1`, `HW01` and `1` are `hw01`; other names are kept.

    Raises UserError for a name that could not be a folder of its own.

    >>> canonical("hw1"), canonical("1"), canonical("my-contest")
    ('hw01', 'hw01', 'my-contest')
    """
    numbered = re.fullmatch(r"(?:hw)?0*([1-9][0-9]?)", name, re.IGNORECASE)
    if numbered:
        return f"hw{int(numbered[1]):02d}"
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", name):
        raise UserError(
            f"{name[:60]!r} is no name of a competition: use hw1, or up to 40 small letters, digits and hyphens."
        )
    return name


def module_of(name: str) -> str | None:
    """The folder of the homework of that canonical name, or None where there is none."""
    return next((module for module in MODULES if module.startswith(name + "_")), None)


def find_task(name: str) -> Task | None:
    """The homework of that canonical name, or None where there is none."""
    module = module_of(name)
    return None if module is None else cast(Task, importlib.import_module(f"tasks.{module}").TASK)


def all_tasks() -> list[Task]:
    """Every homework, in the course's order."""
    return [cast(Task, importlib.import_module(f"tasks.{module}").TASK) for module in MODULES]
