"""How each homework is solved, one file per homework, in four levels."""

from __future__ import annotations

import importlib

from tasks.errors import UserError


def require_training() -> None:
    """Raises UserError with the command to install where a package that training needs is missing."""
    for package in ("torch", "safetensors", "matplotlib", "numpy"):
        try:
            importlib.import_module(package)
        except ModuleNotFoundError as error:
            if error.name != package:
                raise
            raise UserError(
                f'training needs {package}, which is not installed; install it with: pip install "lhy-grade[train]"'
            ) from None
