"""The program that a competent user writes in an afternoon with the usual stack, to measure ours against.

Everything is imported at the top. `submit HW FILE` reads the submission and the answer key with pandas, checks it,
merges, scores the public and the private rows with scikit-learn and stores the row through an ORM session;
`leaderboard` prints a rich table. The folder `--home` holds `HW.csv`, the key: id, answer, usage (Public or Private).

    python tests/bench/typical.py --home DIR submit hw01 preds.csv
    python tests/bench/typical.py --home DIR leaderboard
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.metrics import accuracy_score, mean_squared_error
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

METRICS = {"hw01": "rmse", "hw02": "accuracy"}


class Base(DeclarativeBase):
    pass


class Entry(Base):
    """One graded submission."""

    __tablename__ = "submissions"
    id: Mapped[int] = mapped_column(primary_key=True)
    homework: Mapped[str] = mapped_column(index=True)
    person: Mapped[str]
    time: Mapped[datetime]
    public: Mapped[float]
    private: Mapped[float]


def score(metric: str, truth: pd.Series, guess: pd.Series) -> float:
    """RMSE or accuracy of aligned columns."""
    if metric == "accuracy":
        return float(accuracy_score(truth, guess))
    return float(np.sqrt(mean_squared_error(truth, guess)))


def grade(path: Path, key_path: Path, metric: str) -> tuple[float, float]:
    """Public and private score of a submission against the key. Raises ValueError for an invalid file."""
    submission = pd.read_csv(path)
    key = pd.read_csv(key_path)
    name, column = key.columns[:2]
    if list(submission.columns) != [name, column]:
        raise ValueError(f"expected the columns {name}, {column}")
    if submission[name].duplicated().any():
        raise ValueError("duplicate ids")
    if not submission[name].isin(key[name]).all() or not key[name].isin(submission[name]).all():
        raise ValueError("unknown or missing ids")
    if submission[column].isna().any():
        raise ValueError("missing predictions")
    merged = key.merge(submission, on=name, how="left", validate="one_to_one", suffixes=("_true", "_guess"))
    public = merged[merged["usage"] == "Public"]
    private = merged[merged["usage"] == "Private"]
    return (
        score(metric, public[f"{column}_true"], public[f"{column}_guess"]),
        score(metric, private[f"{column}_true"], private[f"{column}_guess"]),
    )


@click.group()
@click.option("--home", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.pass_context
def main(context: click.Context, home: Path) -> None:
    """Grade submissions and show the leaderboard."""
    context.obj = home


@main.command()
@click.argument("homework", type=click.Choice(sorted(METRICS)))
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--as", "person", default="me")
@click.pass_obj
def submit(home: Path, homework: str, file: Path, person: str) -> None:
    """Grade FILE and record it."""
    public, private = grade(file, home / f"{homework}.csv", METRICS[homework])
    with _session(home) as session:
        session.add(
            Entry(homework=homework, person=person, time=datetime.now(UTC), public=public, private=private),
        )
        session.commit()
    table = Table("homework", "person", "public")
    table.add_row(homework, person, f"{public:.5f}")
    Console().print(table)


@main.command()
@click.argument("homework", type=click.Choice(sorted(METRICS)), default="hw01")
@click.pass_obj
def leaderboard(home: Path, homework: str) -> None:
    """Show the best public score of each participant."""
    lower = METRICS[homework] == "rmse"
    best = (func.min if lower else func.max)(Entry.public)
    query = (
        select(Entry.person, best, func.count(), func.max(Entry.time))
        .where(Entry.homework == homework)
        .group_by(Entry.person)
        .order_by(best.asc() if lower else best.desc())
    )
    table = Table("rank", "name", "score", "entries", "last")
    with _session(home) as session:
        for rank, (person, value, entries, last) in enumerate(session.execute(query), start=1):
            table.add_row(str(rank), person, f"{value:.5f}", str(entries), str(last))
    Console().print(table)


def _session(home: Path) -> Session:
    engine = create_engine(f"sqlite:///{home / 'typical.db'}")
    Base.metadata.create_all(engine)
    return Session(engine)


if __name__ == "__main__":
    main()
