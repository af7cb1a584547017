"""The tables as declared and as made, old and foreign databases, and what opening one may cost and say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from leaderboard import database as module
from leaderboard.database import Database, DatabaseError, open_database

ROOT = Path(__file__).parents[1]


def code_of(error: pytest.ExceptionInfo[DatabaseError]) -> tuple[str, int]:
    return error.value.code, error.value.exit_code


def test_the_migrated_tables_are_the_declared_ones(database: Database) -> None:
    import sqlalchemy as sa
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from leaderboard.schema import METADATA

    scheme = "sqlite" if database.dialect == "sqlite" else "postgresql+psycopg"
    engine = sa.create_engine(f"{scheme}://", creator=lambda: database.connection, poolclass=sa.pool.StaticPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        made, declared = sa.MetaData(), METADATA.tables
        made.reflect(connection)
        for name, table in declared.items():
            checks = {str(check.name) for check in table.constraints if isinstance(check, sa.CheckConstraint)}
            found = {str(check["name"]) for check in sa.inspect(connection).get_check_constraints(name)}
            assert found == checks
            assert [column.name for column in made.tables[name].columns] == [column.name for column in table.columns]


def test_the_versions_in_the_code_are_those_of_alembic() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(ROOT / "leaderboard" / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [module.VERSIONS[-1]]
    assert [script.revision for script in scripts.walk_revisions()][::-1] == list(module.VERSIONS)


def test_a_database_of_newer_code_is_refused_and_left_alone(database: Database, database_url: str) -> None:
    database.connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseError, match=r"9999.*upgrade") as error:
        open_database(database_url)
    assert code_of(error) == ("E_DATABASE_NEWER", 10)
    assert database.column("SELECT version_num FROM alembic_version") == ["9999"]


def test_opening_twice_changes_nothing(database: Database, database_url: str) -> None:
    with open_database(database_url) as again:
        assert again.fetch("SELECT id, seq FROM chain_head") == [{"id": 1, "seq": 0}]


OPEN = """
import sys
from leaderboard.database import open_database
import alembic.command, sqlalchemy
print("ready", flush=True)
sys.stdin.read()
with open_database(sys.argv[1]) as db:
    print(db.fetch("SELECT id, seq FROM chain_head"))
"""


@pytest.mark.skipif(os.name != "posix", reason="inherited pipes are POSIX")
def test_processes_that_create_one_database_at_once_do_not_collide(database_url: str) -> None:
    read, start = os.pipe()
    processes = [
        subprocess.Popen([sys.executable, "-c", OPEN, database_url], cwd=ROOT, stdin=read, stdout=-1, text=True)
        for _ in range(4)
    ]
    os.close(read)
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    os.close(start)
    assert [process.communicate(timeout=60)[0].strip() for process in processes] == ["[{'id': 1, 'seq': 0}]"] * 4


LIGHT = """
import sys
from leaderboard import ranking, records
from leaderboard.database import open_database
with open_database(sys.argv[1]) as db:
    ranking.board(db, "hw01", "d", "m", True)
heavy = {"sqlalchemy", "alembic", "numpy", "pandas", "psycopg", "cryptography"}
print(sorted(heavy & set(sys.modules)))
"""


def test_opening_a_database_that_is_up_to_date_imports_neither_sqlalchemy_nor_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    open_database(url).close()
    ended = subprocess.run([sys.executable, "-c", LIGHT, url], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


@pytest.mark.parametrize(
    "url", ["mysql://u:hunter2@h/x", "postgresql+psycopg2://u:hunter2@h/x", "postgres", "", "sqlite://", "sqlite:x.db"]
)
def test_an_unknown_scheme_is_refused_by_name(url: str) -> None:
    with pytest.raises(DatabaseError, match="expected sqlite:///PATH or postgresql://") as error:
        open_database(url)
    assert code_of(error) == ("E_DATABASE_URL", 2)
    assert "hunter2" not in str(error.value)
    if "+" in url or url.startswith("mysql"):
        assert repr(url.partition("://")[0]) in str(error.value)


def everything_said(error: BaseException) -> str:
    """The texts of an error and of all errors it shows as its cause."""
    texts = [str(error), repr(error)]
    shown = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(texts + ([everything_said(shown)] if shown else []))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:hunter2@127.0.0.1:1/x",
        "postgresql+psycopg://ann:hunter2@127.0.0.1:1/x",
        "postgresql://ann:hunter2@127.0.0.1:port/x",
        "postgresql://ann:hunter2@127.0.0.1/x?nonsense=1",
        "postgresql://ann:hunter2/x@127.0.0.1/x",
        "postgresql://ann:hunter2?x@127.0.0.1/x",
        "postgresql://ann:@hunter2@127.0.0.1/x",
        "postgresql://ann:hunter2%zz@127.0.0.1/x",
        "postgresql://ann@127.0.0.1:1/x?password=hunter2",
        "postgresql://ann:hunter2@[::1/x",
    ],
)
def test_a_password_is_in_no_error(url: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(DatabaseError) as error:
        open_database(url)
    assert "hunter2" not in everything_said(error.value)
    assert error.value.code in ("E_UNREACHABLE", "E_DATABASE_URL")


def test_a_wrong_password_is_not_repeated(request: pytest.FixtureRequest) -> None:
    server: Any = request.getfixturevalue("postgresql")
    with pytest.raises(DatabaseError, match="authentication failed") as error:
        open_database(server.url("postgres", password="hunter2"))
    assert "hunter2" not in everything_said(error.value)
    assert code_of(error) == ("E_UNREACHABLE", 7)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_text("id,tested_positive\n" * 1000)
    with pytest.raises(DatabaseError, match="is not an lhy-grade database") as error:
        open_database(f"sqlite:///{path}")
    assert code_of(error) == ("E_DATABASE", 10)
    assert path.read_text() == "id,tested_positive\n" * 1000


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"nowhere.*cannot be created"):
        open_database(f"sqlite:///{tmp_path / 'nowhere' / 'a.db'}")


def test_odd_characters_in_a_path_are_part_of_the_path(tmp_path: Path) -> None:
    path = tmp_path / "a?b=c#d%20e 中.db"
    with open_database(f"sqlite:///{path}") as db:
        assert db.place == str(path)
    assert path.exists()


OLD_ROWS = (
    "INSERT INTO events (seq, at, kind, actor, body, previous, hash) VALUES (1, 5, 'accepted', 'Ann', '{}', '', 'a')",
    "UPDATE chain_head SET seq = 1, hash = 'a'",
    "INSERT INTO participants (id, competition, name, kind, created_at) VALUES (1, 'hw01', 'Ann', 'person', 5)",
    "INSERT INTO submissions (id, participant_id, entry, client_key, sha256, size, filename, message, accepted_at, "
    "quota_day, event_seq, receipt) VALUES (1, 1, 1, 'k', 's', 7, 'x.csv', 'm', 5, '2027-02-01', 1, '{}')",
    "INSERT INTO versions (id, competition, data_version, metric_version, higher_is_better) "
    "VALUES (1, 'hw01', 'd', 'm', FALSE)",
    "INSERT INTO grades (id, submission_id, participant_id, version_id, public, public_key, private, details, "
    "private_details, passed_public, passed_private, mac, graded_at, event_seq) "
    "VALUES (1, 1, 1, 1, 0.1, -0.1, 0.2, '{}', '{}', '[]', '[]', 'x', 6, 2)",
    "INSERT INTO selections (participant_id, submission_id) VALUES (1, 1)",
)


def rows_of(db: Database, tables: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    """Every row of some tables, by column."""
    found: dict[str, list[dict[str, Any]]] = {}
    for table in tables:
        cursor = db.connection.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in cursor.description]
        found[table] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return found


def test_a_database_of_the_first_version_is_upgraded_with_all_it_holds(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import command

    newest = command.upgrade
    with monkeypatch.context() as old:
        old.setattr(command, "upgrade", lambda config, _: newest(config, "0001"))
        old.setattr(module, "VERSIONS", ("0001",))
        with open_database(database_url) as db:
            for statement in OLD_ROWS:
                db.connection.execute(statement)
            tables = ("events", "chain_head", "participants", "submissions", "versions", "grades", "selections")
            before = rows_of(db, tables)
            assert db.column("SELECT version_num FROM alembic_version") == ["0001"]
    with open_database(database_url) as db:
        after = rows_of(db, tables)
        assert (after["submissions"][0].pop("practice"), after["submissions"][0].pop("rejected_details")) == (0, None)
        assert after == before
        new = ("people", "tokens", "extensions", "parts", "leases", "ended_sessions")
        assert rows_of(db, new) == {table: [] for table in new}
        assert db.column("SELECT version_num FROM alembic_version") == [module.VERSIONS[-1]]


def test_a_lease_of_an_older_version_that_nobody_ended_becomes_a_loss(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import command

    newest = command.upgrade
    leases = {1: (5, 1, None), 2: (0, 1, None), 3: (5, 2, "E_GRADER"), 4: (0, 0, None), 5: (5, 2, None)}
    of_one = next(statement for statement in OLD_ROWS if "INTO submissions" in statement)
    with monkeypatch.context() as old:
        old.setattr(command, "upgrade", lambda config, _: newest(config, module.VERSIONS[-1]))
        old.setattr(module, "VERSIONS", ("0001",))
        with open_database(database_url) as db:
            db.connection.execute(next(statement for statement in OLD_ROWS if "INTO participants" in statement))
            for number in leases:
                values = (
                    f"({number}, 1, {number}, 'k{number}', 's', 7, 'x.csv', 'm', 5, '2027-02-01', {number}, '{{}}')"
                )
                db.connection.execute(of_one.partition("VALUES ")[0] + "VALUES " + values)
        old.setattr(module, "VERSIONS", ("0001", "0002", "0003", "0004", "0005"))
        with open_database(database_url) as db, db.transaction():
            for number, (until, attempts, code) in leases.items():
                db.execute(
                    "INSERT INTO leases (submission_id, worker, until, attempts, failed_code) "
                    "VALUES (:number, :worker, :until, :attempts, :code)",
                    number=number,
                    worker="w",
                    until=until,
                    attempts=attempts,
                    code=code,
                )
    with open_database(database_url) as db:
        found = db.fetch("SELECT submission_id, attempts, losses FROM leases ORDER BY submission_id")
    assert [tuple(row.values()) for row in found] == [(1, 0, 1), (2, 1, 0), (3, 2, 0), (4, 0, 0), (5, 1, 1)]
