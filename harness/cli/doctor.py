"""The command doctor: checks of this installation, its home and its server."""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any

import click

from harness.answers import check_grading, other_judge
from harness.build import damaged_files
from harness.cli import common
from harness.cli.output import Field, emit
from harness.competition import find_competition, prepared
from harness.home import WEB_KEYS
from tasks.apart import confinement
from tasks.errors import UserError


@click.command()
@common.FORMAT
@common.command
def doctor(format: Any) -> None:
    """Check this installation, and the home folder or the login."""
    rows = examine(common.find_home, sys.version_info[:3], common.remote())
    fields = [Field("what", "what"), Field("state", "state"), Field("detail", "detail", wrap=True)]
    emit(format, "checks", rows, fields)
    if any(row["state"] == "bad" for row in rows):
        raise UserError("the grader cannot work until the rows marked bad are fixed.", code="E_DOCTOR", exit_code=10)


def examine(find_home: Callable[[], Any], python: tuple[int, ...], server: Any = None) -> list[dict[str, str]]:
    """One row for each check: `what`, `state` ("ok", "note" or "bad") and `detail`; with a login, for its server."""
    rows = [_row("python", "ok", ".".join(map(str, python)))]
    for package, why in (
        ("torch", 'to train baselines and to judge HW6: pip install "lhy-grade[train]"'),
        ("matplotlib", 'for learning curves: pip install "lhy-grade[train]"'),
        ("sentencepiece", 'for the sub-words of HW5: pip install "lhy-grade[train]"'),
        ("gymnasium", 'to replay HW12: pip install "lhy-grade[rl]"'),
        ("onnxruntime", 'to check and run models that are handed in: pip install "lhy-grade[models]"'),
        ("opencv-python-headless", 'for the face rate of HW6\'s official editions: pip install "lhy-grade[faces]"'),
        ("espeakng-loader", 'to prepare the built-in data of HW2 and HW4: pip install "lhy-grade[speech]"'),
        ("psycopg", 'for PostgreSQL: pip install "lhy-grade[postgresql]"'),
    ):
        try:
            rows.append(_row(package, "ok", metadata.version(package)))
        except metadata.PackageNotFoundError:
            rows.append(_row(package, "note", f"not installed; needed {why}"))
    if rows[1]["state"] == "ok":
        import torch

        cuda = torch.cuda.is_available()
        rows.append(
            _row(
                "GPU", "ok" if cuda else "note", torch.cuda.get_device_name() if cuda else "none; baselines use the CPU"
            )
        )
    missing = confinement()
    detail = "; ".join(missing) or "submissions are read without access to answers, files, network and other processes"
    rows.append(_row("grading apart", "note" if missing else "ok", detail))
    if server is not None:
        return rows + _server_rows(server)
    try:
        home = find_home()
    except UserError as error:
        return [*rows, _row("home", "bad", str(error))]
    rows.append(
        _row(
            "home",
            "ok" if home.root.is_dir() else "note",
            str(home.root) + ("" if home.root.is_dir() else " (not created yet)"),
        )
    )
    if home.root.is_dir():
        rows += _home_rows(home)
    return rows


def _server_rows(server: Any) -> list[dict[str, str]]:
    """Checks that the login is valid, and that local judges match those of the course."""
    try:
        names = server.names()
        rows = [_row("server", "ok", f"{server.url}, as {server.who}")]
    except UserError as error:
        return [_row("server", "bad", str(error))]
    for name in names:
        try:
            competition = server.competition(name)
            other = other_judge(competition)
        except UserError as error:
            rows.append(_row(name, "note", str(error)))
        else:
            if competition.judge is not None:
                rows.append(_row(name, "note" if other else "ok", other or f"same judge as here: {competition.judge}"))
    return rows


def _home_rows(home: Any) -> list[dict[str, str]]:
    rows = []
    free = shutil.disk_usage(home.root).free
    rows.append(_row("disk", "ok" if free > 2**30 else "bad", f"{free / 2**30:.1f} GiB free"))
    private = [(home.root / "secret", 0o700), (home.root / "secret" / "key", 0o600), (home.root / "keys", 0o700)]
    for path, most in (*private, *((home.root / "keys" / purpose, 0o600) for purpose in WEB_KEYS)):
        if path.exists():
            mode = stat.S_IMODE(path.stat().st_mode)
            open_to_others = mode & 0o077
            advice = f"; make it private: chmod {most:o} {path}" if open_to_others else ""
            rows.append(_row(path.name, "bad" if open_to_others else "ok", f"mode {mode:o}{advice}"))
    try:
        with home.database():
            rows.append(_row("database", "ok", "can be opened, schema up to date"))
    except Exception as error:  # a broken database is one row and must not end the list
        if not hasattr(error, "exit_code"):
            raise
        rows.append(_row("database", "bad", str(error)))
    for name in prepared(home):
        damaged = damaged_files(home.public(name))
        rows.append(
            _row(name, "bad" if damaged else "ok", f"changed: {', '.join(damaged)}" if damaged else "files are intact")
        )
        try:
            check_grading(home, find_competition(home, name))
        except UserError as error:
            rows.append(_row(name, "bad", str(error)))
    return rows


def _row(what: str, state: str, detail: str) -> dict[str, str]:
    return {"what": what, "state": state, "detail": detail}
