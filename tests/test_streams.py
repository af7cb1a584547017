"""Secret streams: each has 256 bits of its own, and none of those that students see tells of a hidden one."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tasks import streams as module
from tasks.base import Edition, Made
from tasks.homeworks import MODULES, find_task
from tasks.hw01_regression import TRAIN_FILE
from tasks.streams import Streams, derive, fixed
from tests.conftest import few

KEY = bytes(range(32))


def test_streams_of_different_keys_and_names_are_different_and_one_name_gives_the_same_stream_again() -> None:
    streams = Streams(KEY, "hw08/builtin/1/")
    others = [Streams(KEY, "hw08/builtin/2/"), Streams(bytes(32), "hw08/builtin/1/"), streams.within("faces")]
    draws: tuple[Callable[[Streams, str], object], ...] = (
        lambda streams, name: int(streams.generator(name).integers(2**63)),
        lambda streams, name: streams.random(name).getrandbits(64),
        Streams.bytes,
        Streams.seed,
    )
    for draw in draws:
        values = [draw(some, name) for some in (streams, *others) for name in ("faces", "kinds", "")]
        assert len(set(values)) == len(values)
        assert values[:3] == [draw(streams, name) for name in ("faces", "kinds", "")]
    assert streams.within("a").bytes("b") == streams.bytes("a/b") == derive(KEY, "hw08/builtin/1/a/b")
    assert derive(KEY, "a") == hmac.digest(KEY, b"a", "sha256")
    assert all(0 <= fixed(number).seed("x") < 2**63 for number in range(100))


def test_a_key_is_in_no_text_of_its_streams() -> None:
    assert "key" not in repr(Streams(KEY, "hw01/"))
    assert KEY.hex() not in repr(Streams(KEY, "hw01/"))


def test_all_256_bits_of_a_name_decide_the_state_of_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    given = derive(KEY, "x")
    every = [given, *((int.from_bytes(given, "big") ^ 1 << bit).to_bytes(32, "big") for bit in range(256))]
    states, pools, firsts, twisters = set(), set(), set(), set()
    for some in every:
        monkeypatch.setattr(module, "derive", lambda key, purpose, some=some: some)
        generator = Streams(KEY).generator("x")
        state = generator.bit_generator.state["state"]
        states.add((state["state"], state["inc"]))
        pool = generator.bit_generator.seed_seq.pool  # type: ignore[attr-defined]
        assert len(pool) == 8, "a pool of four words would fold 256 bits into 128"
        pools.add(tuple(pool.tolist()))
        firsts.add(int(generator.integers(2**63)))
        twisters.add(Streams(KEY).random("x").getstate())
    assert [len(some) for some in (states, pools, firsts, twisters)] == [257] * 4
    # Flipping any one bit changes about half of the state's 256, so that none is folded onto another's place.
    first = next(iter(states))
    flipped = [(one[0] ^ first[0]).bit_count() + (one[1] ^ first[1]).bit_count() for one in states if one != first]
    assert min(flipped) > 60
    assert 120 < np.mean(flipped) < 135


# Worlds


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> tuple[Counter[str], list[str]]:
    """Counts the names of streams; those that match a pattern in the list come from another key."""
    names: Counter[str] = Counter()
    other: list[str] = []

    def watched(key: bytes, purpose: str) -> bytes:
        names[purpose] += 1
        return derive(b"another" if any(re.search(pattern, purpose) for pattern in other) else key, purpose)

    monkeypatch.setattr(module, "derive", watched)
    return names, other


def edition(name: str, which: str) -> Edition:
    task = find_task(name)
    assert task is not None
    return task.edition(which)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def hw06(public: Path, seed: int = 1) -> Made:
    """The world of HW6 without its judge, which takes long to train."""
    from tasks.base import Answers
    from tasks.hw06_gan.world import make_images

    return Made(Answers(range(1), {"image": make_images(public, fixed(seed), "small")}))


def hw10(public: Path, seed: int = 1) -> Made:
    """The world of HW10, whose hidden side is the weights of the black box."""
    from safetensors.numpy import load

    from tasks.base import Answers

    made = world("hw10", "builtin")(public, seed)
    assert made.secret is not None
    weights = np.concatenate(
        [
            value.ravel()
            for path in sorted(made.secret.glob("*.safetensors"))
            for _, value in sorted(load(path.read_bytes()).items())
            if value.ndim == 4
        ]
    )
    return replace(made, answers=Answers(range(len(weights)), {"weight": weights}))


def world(name: str, which: str) -> Callable[..., Made]:
    """Makes a world; what its judge reads goes into a folder beside the public one."""

    def make(public: Path, seed: int = 1) -> Made:
        secret = public.with_name(f"{public.name}.secret")
        secret.mkdir()
        return edition(name, which).make(public, fixed(seed), "small", None, secret)

    return make


CHANCE = "(answering|outings|tests|positive)/hidden days"  # the luck of a hidden day goes on in the epidemic after it
WORLDS = {
    # What decides the hidden side, and the files that are the same whatever that is.
    "hw01": (world("hw01", "builtin"), CHANCE, TRAIN_FILE),
    "hw01-2022": (world("hw01", "builtin-2022"), CHANCE, TRAIN_FILE),
    "hw02": (world("hw02", "builtin"), "test/", "train/"),
    "hw03": (world("hw03", "builtin"), "test/", "food-11/(training|validation)/"),
    "hw04": (world("hw04", "builtin"), "test/", "metadata|mapping"),
    "hw05": (world("hw05", "builtin"), "test", None),
    "hw06": (hw06, "hidden faces", "faces/"),
    "hw07": (world("hw07", "builtin"), "test", "hw7_(train|dev|text)"),
    "hw08": (world("hw08", "builtin"), "test/", "trainingset"),
    "hw09": (world("hw09", "builtin"), "test/", "model|network"),
    "hw10": (hw10, "hidden", "proxies/|training_"),
    "hw11": (world("hw11", "builtin"), "test/", "train_data/"),
    "hw13": (world("hw13", "builtin"), "test/", "food-11/(training|validation)/|teacher|model"),
    "hw14": (world("hw14", "builtin"), "test/", "task_"),
    "hw14-permuted": (world("hw14", "builtin-permuted"), "test/", "task_"),
    "hw15": (world("hw15", "builtin"), "test/", "Omniglot/"),
}


@pytest.mark.parametrize("name", WORLDS)
def test_the_hidden_side_of_a_world_does_not_follow_from_the_streams_of_what_students_learn_from(
    name: str, tmp_path: Path, used: tuple[Counter[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch)
    make, hidden, same = WORLDS[name]
    made = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        made.append(make(tmp_path / folder))
        used[1].append(hidden)
    first, second = files(tmp_path / "a"), files(tmp_path / "b")
    if same is None:  # the training text leaves the test's sentences out, whatever they are
        lines = [{line for text in side.values() for line in text.split(b"\n")} for side in (first, second)]
        assert len(lines[0] & lines[1]) > 0.3 * len(lines[0])
    else:
        kept = {file for file in first if re.search(same, file)}
        assert kept
        assert all(first[file] == second[file] for file in kept)
    for column, values in made[0].answers.columns.items():
        other = made[1].answers.columns[column]
        assert len(other) != len(values) or (values != other).mean() > 0.2


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_takes_each_stream_once(
    name: str, tmp_path: Path, used: tuple[Counter[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch)
    WORLDS[name][0](tmp_path)
    assert len(used[0]) >= 2
    assert set(used[0].values()) == {1}


def test_the_test_sentences_that_students_get_do_not_come_from_one_stream(
    tmp_path: Path, used: tuple[Counter[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch)
    world("hw05", "builtin")(tmp_path)
    assert len([name for name in used[0] if re.fullmatch("test/[0-9]+", name)]) >= 100


ALL: dict[str, Callable[..., Made]] = {name: case[0] for name, case in WORLDS.items()} | {
    "hw12": world("hw12", "builtin"),
    "hw12-actions": world("hw12", "builtin-actions"),
}


def digests(name: str, root: Path, seed: int) -> dict[str, str]:
    """What a world consists of, and the SHA-256 of each part."""
    public = root / name
    public.mkdir(parents=True)
    made = ALL[name](public, seed)
    parts = {f"public/{file}": data for file, data in files(public).items()}
    parts |= {} if made.secret is None else {f"secret/{file}": data for file, data in files(made.secret).items()}
    hidden = {**made.answers.columns, "groups": made.answers.groups, "strata": made.answers.strata}
    parts |= {part: repr(values.tolist()).encode() for part, values in hidden.items() if values is not None}
    parts |= {"sample": made.sample or b"", "format": repr(made.form).encode()}
    return {part: hashlib.sha256(data).hexdigest() for part, data in parts.items()}


ELSEWHERE = """
import json, sys
from pathlib import Path
import pytest
from tests.conftest import few
from tests.test_streams import ALL, digests
few(pytest.MonkeyPatch())
print(json.dumps({name: digests(name, Path(sys.argv[1]), 7) for name in ALL}))
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """All worlds, made by another process."""
    words = [sys.executable, "-c", ELSEWHERE, str(tmp_path_factory.mktemp("elsewhere"))]
    done = subprocess.run(words, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    made: dict[str, dict[str, str]] = json.loads(done.stdout)
    return made


def test_every_homework_has_a_world_here() -> None:
    assert {name[:4] for name in ALL} == {module.partition("_")[0] for module in MODULES}


@pytest.mark.parametrize("name", ALL)
def test_the_same_key_makes_the_same_bytes_in_another_process_and_another_key_other_data(
    name: str, tmp_path: Path, elsewhere: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch)
    made = digests(name, tmp_path / "here", 7)
    assert made == elsewhere[name]
    other = digests(name, tmp_path / "other", 8)
    changed = {part for part in made if other.get(part) != made[part]}
    data = {part for part in made if "/" in part and not part.endswith(".py")}
    hidden = {part for part in made if "/" not in part} - {"sample", "format"}
    assert len(changed & data) >= len(data) / 2
    assert changed & hidden or not hidden
