"""The sample code that a student begins a homework with, as a notebook or as a script.

Its source is `tasks/hwNN_name/starter.py`, a script in the percent format that editors and jupytext share: `# %%`
begins a cell of code, `# %% [markdown]` one of text, whose lines are comments.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import click

from harness import home
from harness.cli import common
from harness.cli.output import say
from harness.words import inert
from tasks.errors import UserError
from tasks.homeworks import MODULES, canonical, module_of, unknown

MARK, TEXT = "# %%", "# %% [markdown]"


@click.command()
@common.HW
@click.option("--script", is_flag=True, help="Write a .py file in place of a notebook.")
@click.option("--force", is_flag=True, help="Overwrite the file if it exists.")
@common.command
def starter(homework: str, script: bool, force: bool) -> None:
    """Write the sample code that a homework begins with.

    It is a notebook in the current folder: the data, a first model, checkpoints, the submission. Make it your own."""
    import json

    name = canonical(homework)
    source = source_of(name)
    path = Path(f"{name}.py" if script else f"{name}.ipynb")
    if path.is_dir():
        raise UserError(f"{path} is a folder. Move it away, or go to another folder.", code="E_EXISTS", exit_code=8)
    if (path.exists() or path.is_symlink()) and not force:
        raise UserError(
            f"{path} exists, and your work in it would be lost. Go to another folder, or overwrite it with --force.",
            code="E_EXISTS",
            exit_code=8,
        )
    text = source if script else json.dumps(notebook(source), indent=1, ensure_ascii=False) + "\n"
    try:
        home.write_file(path, text.encode())
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.", code="E_DISK", exit_code=10) from None
    click.echo(inert(str(path)))
    say(f"Next: python {path}" if script else f"Next: jupyter lab {path}")


def source_of(name: str) -> str:
    """The source of a homework's starter. Raises UserError for a name that has none."""
    files = {module: resources.files("tasks").joinpath(module, "starter.py") for module in MODULES}
    file = files.get(module_of(name) or "")
    if file is None or not file.is_file():
        here = ", ".join(module[:4] for module, file in files.items() if file.is_file())
        raise UserError(f"{unknown(name)} Sample code is there for {here}.", code="E_NOT_FOUND")
    return file.read_text(encoding="utf-8")


def cells(source: str) -> list[tuple[bool, str]]:
    """The cells of a script in percent format: whether each is text, and its lines, those of a text without `# `.

    >>> cells("# %% [markdown]\\n# # Title\\n#\\n# Words.\\n\\n# %%\\nx = 1\\n")
    [(True, '# Title\\n\\nWords.'), (False, 'x = 1')]
    """
    found: list[tuple[bool, list[str]]] = []
    for line in source.splitlines():
        if line.rstrip() in (MARK, TEXT):
            found.append((line.rstrip() == TEXT, []))
        else:
            text, lines = found[-1]
            lines.append(line.removeprefix("#").removeprefix(" ") if text else line)
    return [(text, "\n".join(lines).strip("\n")) for text, lines in found]


def notebook(source: str) -> dict[str, Any]:
    """The notebook of a script in percent format, as the values of its JSON: nbformat 4.5."""
    made = []
    for number, (text, lines) in enumerate(cells(source), start=1):
        cell: dict[str, Any] = {"cell_type": "markdown" if text else "code", "id": f"cell-{number}", "metadata": {}}
        cell["source"] = lines.splitlines(keepends=True)
        made.append(cell if text else {**cell, "execution_count": None, "outputs": []})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": made,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
