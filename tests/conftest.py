"""Databases for the tests, on SQLite and on a PostgreSQL server started for the session; and a prepared course."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from leaderboard.database import Database, open_database
from tasks.streams import fixed
from tests.postgres import Server, running_server

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.home import Home
    from tasks.base import Made

os.environ["TZ"] = "Asia/Taipei"  # a home of one's own shows times in the machine's zone
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the processes of the test run share the cores; torch is not loaded yet

settings.register_profile("suite", deadline=None)  # no test asserts a time
settings.load_profile("suite")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server. Skips where none can be started, but fails on CI."""
    with running_server() as server:
        if isinstance(server, str):
            if os.environ.get("CI"):
                pytest.fail(server)
            pytest.skip(server)
        yield server


@pytest.fixture(scope="module")
def mortal(postgresql: Server) -> Iterator[Server]:
    """A PostgreSQL server of the module's own, to be killed."""
    with running_server() as server:
        assert isinstance(server, Server), server
        yield server


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow_on_postgresql") and "postgresql" in item.name:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, on each kind of database in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'leaderboard.db'}"
        return
    server: Server = request.getfixturevalue("postgresql")
    name = f"t_{secrets.token_hex(8)}"  # a schema is to its connections what a database is, and twenty times cheaper
    server.administer(f"CREATE SCHEMA {name}")
    yield f"{server.url('postgres')}&options=-csearch_path%3D{name}"
    server.administer(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open database with our tables, on each kind of database in turn."""
    with open_database(database_url) as opened:
        yield opened


def books_balance(home: Home, failed: int = 0) -> None:
    """The log, the receipts, the seals, the stored files, the quotas and the queue of a course agree.

    `failed` submissions may have come to neither a grade nor a rejection; all others have one of them, and no lease.
    """
    import json

    from harness.grading import audit
    from leaderboard import acceptance, receipts, records, results

    assert audit.verify(home)[0] == []
    key = json.loads((home.root / "public" / "course.json").read_text())["receipt_key"]
    with home.database() as database:
        entries = records.submissions(database)
        dropped = acceptance.dropped(database)
        graded = [row.submission for row in results.grade_rows(database)]
        held = "SELECT submission_id FROM leases WHERE until > :over AND failed_code IS NULL"
        leases = set(database.column(held, over=0))
        written = {entry.id: receipts.verify(records.receipt(database, entry.id), key) for entry in entries}
    settled = {*graded, *(entry.id for entry in entries if entry.rejected is not None)}
    assert len(graded) == len(set(graded)), "none is graded twice"
    assert len(entries) - len(settled) == failed
    assert leases <= settled, "no lease is left on what waits"
    kept = {path.parent.name + path.name for path in home.submissions.rglob("*") if path.is_file()}
    wanted = {entry.sha256 for entry in entries if entry.id not in dropped}
    assert kept == wanted, "a file for each submission but those refused beyond the allowance, and nothing half-sent"
    days: dict[tuple[str, str, str, bool], list[int]] = {}
    for entry in entries:
        receipt = written[entry.id]
        assert (receipt.sha256, receipt.participant, receipt.size) == (entry.sha256, entry.participant, entry.size)
        day = days.setdefault((entry.competition, entry.participant, entry.quota_day, entry.practice), [])
        if entry.rejected is None:
            day.append(receipt.quota_used)
            assert receipt.quota_limit is None or len(day) <= receipt.quota_limit
    if all(entry.rejected is None for entry in entries):
        assert all(used == list(range(1, len(used) + 1)) for used in days.values()), "each used one slot, in order"


@pytest.fixture(scope="session")
def fixed_home(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives a home with a homework's small world of seed 100, made once for all processes of a run, to be copied."""
    from tasks.locks import locked
    from tests.bench.tricks.frame import prepared

    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made(name: str) -> Path:
        with locked(shared / f"{name}.lock"):
            prepared(shared / f"home-{name}", name, None, "small", 100)
        return shared / f"home-{name}"

    return made


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with HW1 prepared from a random key, for tests to copy."""
    from harness.home import open_home
    from harness.plans import plan_homework
    from harness.prepare import prepare

    root = tmp_path_factory.mktemp("course")
    plan = plan_homework("hw1", None, None, "small")
    now = datetime(2027, 2, 1, tzinfo=UTC)
    prepare(open_home(root), plan, seed=None, new_data=False, accept_leaks=False, now=now)
    return root


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A function that writes text or bytes into a file of that name."""

    def put(text: str | bytes, name: str = "solution.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return put


SHARED = Path(__file__).parents[2] / "shared" / "data"


def needs(*names: str) -> pytest.MarkDecorator:
    """Skips a test where one of these is not in ../shared/data."""
    missing = [name for name in names if not (SHARED / name).exists()]
    return pytest.mark.skipif(bool(missing), reason=f"not in ../shared/data: {', '.join(missing)}")


SHORT = {
    "hw01": ["epochs=2", "patience=100"],
    "hw02": ["epochs=2", "hidden=16,16", "context=1", "piece=32"],
    "hw03": ["epochs=2", "side=24", "channels=4,8,8", "hidden=16", "confidence=0.09"],
    "hw04": ["epochs=2", "dim=16", "ffn=16", "frames=40", "batch=16", "warmup=1", "lr=0.005"],
    "hw05": [
        "epochs=2", "back_epochs=2", "dim=16", "layers=1", "heads=2", "ffn=16", "pieces=200", "pieces_zh=20",
        "valid=20", "average_checkpoints=2", "batch_tokens=600", "beam_size=2",
    ],
    "hw06": ["epochs=2", "width=4", "batch=100", "lr=0.03", "lr_discriminator=0.01"],
    "hw07": [
        "epochs=2", "pretrain=1", "lines=16", "dim=8", "width=8", "heads=2", "summaries=4", "valid=8", "window=120",
        "stride=100",
    ],
    "hw08": ["epochs=2"],
    "hw09": ["samples=2", "steps=2", "stride=16", "batch=8"],
    "hw10": ["epochs=2", "copies=1"],
    "hw11": ["epochs=2", "steps=2", "batch=16", "channels=4,8", "confidence=0.1"],
    "hw12": ["iterations=2", "episodes=2", "hidden=8", "n_envs=2", "max_steps=80"],
    "hw13": ["epochs=2", "warmup=1", "depth=1"],
    "hw14": ["epochs=2", "batch=20", "samples=20"],
    "hw15": ["epochs=2", "steps=2", "channels=8", "ways=5", "queries=2", "batch=8", "test_steps=1"],
}  # fmt: skip
"""Settings of each homework with which every level is done in seconds."""
FEW_DISHES = {"2021": (8, 4, 30, 60, 40, 2), "2022": (9, 4, 0, 60, 40, 2)}
"""Pictures of each class in training and validation, unlabelled ones and test pictures; pixels and recipes."""


def coloured(maker: object, kind: int, rng: np.random.Generator, side: int) -> NDArray[np.uint8]:
    """In place of HW10's paintings: noise around a grey that leans to the class's colour, which is learned at once."""
    import numpy as np

    lean = np.array(
        [
            [1, 1, 1],
            [1, 1, -1],
            [1, -1, 1],
            [1, -1, -1],
            [-1, 1, 1],
            [-1, 1, -1],
            [-1, -1, 1],
            [-1, -1, -1],
            [2, 0, 0],
            [0, 2, -0.5],
        ]
    )[kind]
    pixels: NDArray[np.uint8] = (128 + 5 * lean + rng.normal(0, 20, (side, side, 3))).clip(0, 255).astype(np.uint8)
    return pixels


def made_in(folder: Path, make: Callable[..., Made], seed: int = 1, source: Path | None = None) -> Made:
    """What `make` writes of a seed into a new folder; what its judge reads is in FOLDER.secret."""
    secret = folder.with_name(f"{folder.name}.secret")
    for place in (folder, secret):
        place.mkdir()
    return make(folder, fixed(seed), "small", source, secret)


def tinted(kitchen: object, kind: int, side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """In place of HW13's dishes: noise around a colour of the class, on a ball, so that a line parts them."""
    import numpy as np

    height, turn = 1 - (2 * kind + 1) / 11, 2.4 * kind
    lean = np.array([np.cos(turn), np.sin(turn), 0.0]) * np.sqrt(1 - height**2) + np.array([0.0, 0.0, height])
    pixels: NDArray[np.uint8] = (128 + 60 * lean + rng.normal(0, 20, (side, side, 3))).clip(0, 255).astype(np.uint8)
    return pixels


def few(patch: pytest.MonkeyPatch) -> None:
    """Makes the worlds of pictures and text small, so that a test of many of their rows takes no minute."""
    from tasks.hw02_classification import world as sounds
    from tasks.hw03_cnn import world as dishes
    from tasks.hw04_self_attention import world as speakers
    from tasks.hw05_transformer import SIZES
    from tasks.hw06_gan import networks
    from tasks.hw06_gan import world as girls
    from tasks.hw07_bert import SIZES as STORIES
    from tasks.hw07_bert import Counts
    from tasks.hw08_anomaly import world as faces
    from tasks.hw09_explainable import world as explained
    from tasks.hw10_attack import victims
    from tasks.hw10_attack import world as paintings
    from tasks.hw11_adaptation import world as things
    from tasks.hw12_reinforcement import EPISODES
    from tasks.hw13_compression import world as students
    from tasks.hw14_lifelong import world as numerals
    from tasks.hw15_meta import world as alphabets

    for year, counts in FEW_DISHES.items():
        patch.setitem(dishes.COUNTS, (year, "small"), dishes.Counts(*counts))
    patch.setitem(speakers.COUNTS, "small", speakers.Counts(12, 2, 2, 2, (60, 60)))
    patch.setitem(sounds.SIZES, "small", (24, 16, 6))
    patch.setitem(SIZES, "small", (600, 100, 300))
    patch.setitem(STORIES, "small", Counts(24, 8, 24, 4, 40))
    patch.setitem(girls.SIZES, "small", (300, 400))
    patch.setitem(networks.FACES, "small", 300)
    patch.setitem(networks.CLUTTER, "small", 300)
    patch.setitem(EPISODES, "small", 80)
    patch.setitem(students.SIZES, "small", students.Counts(6, 3, 60, 120, 240, 2, (8, 16, 16)))
    patch.setattr(students, "picture", tinted)
    patch.setitem(numerals.SIZES, "small", (60, 40))
    patch.setitem(alphabets.SIZES, "small", alphabets.Counts(3, 21, 24))
    patch.setitem(faces.COUNTS, "small", (72, 96))
    patch.setitem(things.COUNTS, "small", (12, 120))
    patch.setitem(explained.SIZES, "small", explained.Counts(100, 1, 48, 64))
    for name, bound in (("SURE", -1.0), ("STAYS", -1.0), ("GONE", 2.0)):  # its network has learned next to nothing
        patch.setattr(explained, name, bound)
    patch.setitem(paintings.SIZES, "small", (120, 240, 4, 1))
    patch.setattr(paintings, "painting", coloured)
    patch.setattr(victims, "BATCH", 10)
    for part in ("PROXIES", "HIDDEN"):
        little = [replace(one, kind="plain", widths=(8, 16), noise=0.0) for one in getattr(victims, part)]
        patch.setattr(victims, part, tuple(little))


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Home]:
    """A function that gives the home of a built-in edition, "hw03" or "hw03-2022", of few rows.

    It is prepared once for all processes of the test run, from the fixed seed 5.
    """
    from harness.home import locked, open_home
    from harness.plans import plan_homework
    from harness.prepare import prepare

    own = tmp_path_factory.getbasetemp()  # of this process, in the folder of the run where there are several
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "homeworks"

    def home_of(name: str) -> Home:
        root = folder / name
        root.mkdir(parents=True, exist_ok=True)
        homework, _, other = name.partition("-")
        with locked(root), pytest.MonkeyPatch.context() as patch:
            home = open_home(root / "home")
            if not (root / "done").exists():
                few(patch)
                plan = plan_homework(homework, f"builtin-{other}" if other else "builtin", None, "small")
                now = datetime(2027, 2, 1, tzinfo=UTC)
                prepare(home, plan, seed=5, new_data=False, accept_leaks=False, now=now)
                (root / "done").touch()
        return home

    return home_of


def reseal(home: Home, name: str = "hw01", version: int = 1) -> None:
    """Makes answers that a test has changed look as if they had been made so."""
    import json

    from harness.answers import data_version_of, hidden_parts
    from harness.competition import seal_of

    folder = home.secret(name, version)
    values = json.loads((folder / "competition.json").read_text())
    digest = hidden_parts(folder, len(values["columns"]))[1]
    before, values["data_version"] = values["data_version"], data_version_of(digest, values["format"])
    with home.database() as database, database.transaction():
        database.execute(
            "UPDATE versions SET data_version = :now WHERE data_version = :before",
            now=values["data_version"],
            before=before,
        )
    values["seal"] = seal_of(home.key(), values)
    (folder / "competition.json").write_text(json.dumps(values))


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and course.test, and its key."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("course.test")]
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths
