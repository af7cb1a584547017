"""What a cheap trick is, and what it is given: the folder that a student gets, and this package with another key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from harness.answers import Secret, read_secret
from harness.competition import find_competition, read_competition
from harness.home import open_home
from harness.plans import plan_homework
from harness.prepare import prepare
from tasks.base import Columns
from tasks.formats import Format
from tasks.streams import Streams, fixed

REFERENCE, NO_LEARNING, PUBLIC_DATA, OTHER_DATA = 0, 1, 2, 3
LIMITS: dict[int, str | None] = {REFERENCE: None, NO_LEARNING: "medium", PUBLIC_DATA: "strong", OTHER_DATA: "strong"}
"""The lowest bar that a trick of each kind must not clear; a reference stands above the levels and has none."""
KINDS: dict[int, str] = {
    REFERENCE: "reference", NO_LEARNING: "without learning", PUBLIC_DATA: "public data", OTHER_DATA: "other data",
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """A prepared competition: the folder of the students, and the hidden side with the answers."""

    public: Path
    secret: Secret


def prepared(home: Path, name: str, edition: str | None, size: str, seed: int, source: Path | None = None) -> World:
    """The competition of a fixed seed in the folder `home`, made unless it is there."""
    opened = open_home(home)
    if not opened.public(name).exists():
        plan = plan_homework(name, edition, source, size)
        prepare(opened, plan, seed=seed, new_data=False, accept_leaks=False, now=datetime.now(UTC))
    return World(opened.public(name), read_secret(opened, find_competition(opened, name)))


@dataclass(frozen=True)
class Given:
    """What a trick may use: a copy of the students' folder, and an empty folder `scratch` of its own."""

    name: str
    public: Path
    edition: str
    size: str
    seed: int
    scratch: Path

    @cached_property
    def form(self) -> Format:
        """The submission format, from `format.json`."""
        return read_competition(self.public).format

    @cached_property
    def rng(self) -> np.random.Generator:
        """The trick's own luck."""
        return np.random.default_rng([self.seed, 20])

    def other(self, number: int = 0) -> World:
        """A whole competition that this package makes from another key, with its answers: the "own generator".

        A world's own functions can be called with `other_streams` where a competition would take too long.
        """
        home = self.scratch.parent / f"other-{number}"  # shared by the tricks of one seed
        return prepared(home, self.name, self.edition, self.size, self._other_seed(number))

    def other_streams(self, number: int = 0) -> Streams:
        """The random streams of another key, named as those of a competition."""
        return fixed(self._other_seed(number)).within(f"{self.name}/{self.edition}/0/world")

    def _other_seed(self, number: int) -> int:
        return 1_000_000 + 1_000 * self.seed + number


@dataclass(frozen=True)
class Trick:
    """A way to a submission file that does not solve the task as the levels do.

    `said` is the reason why a trick may clear the bar that its kind must not: it is printed in the table, and stands in
    the homework's page. Empty for all tricks that keep the rule. A `long` one takes minutes, too many for the tests.
    """

    name: str
    kind: int
    make: Callable[[Given], bytes]
    said: str = ""
    long: bool = False


@dataclass(frozen=True)
class Reference:
    """A row above the levels, made with what no student has: the world's streams and the answers."""

    name: str
    make: Callable[[World, Streams, str], bytes | Columns]
    """From the competition, the streams of its world, and the size: a submission, or what the judge makes of one."""
