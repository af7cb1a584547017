"""The judge of HW12: replays the actions of every episode and gives its total reward.

An episode must end exactly with its last action: leaving out the last action would save the hundred points that a
crash costs. An episode ends when the environment says so, or after the format's `max_steps` actions.

The same actions give the same returns bit for bit: on every run, in any process, whatever was played before in the
same environment (tests/test_hw12_judge.py; x86-64 Linux, CPython 3.11, gymnasium 1.4.0, Box2D 2.3.10). Whether
another processor, operating system or build of Box2D gives the same was not tested. Box2D computes in single precision,
sines come from the C library, and a contact can amplify a difference in the last bit, so `version` names the operating
system and the kind of processor too, and where they differ nothing is scored.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tasks.base import Columns, Judged, Problem, SubmissionError, UserError
from tasks.formats import EpisodesFormat, Format
from tasks.models import machine
from tasks.processes import cores, mapped

ENVIRONMENT = "LunarLander-v3"
CODES = {
    "E_EPISODE_SHORT": (
        "An episode is not over after its last action. Play until the environment returns terminated or truncated."
    ),
    "E_EPISODE_LONG": (
        "An episode is over before its last action. Stop there; where every episode is refused, compare your "
        "versions with those that check names."
    ),
}
"""The codes for files that can be read but are refused by the replay. Codes are stable."""

EACH = 30_000  # the least steps for each process, since starting one takes about as long
SHOWN = 20
OLD_STREAM = (
    "The course replayed with gym 0.18.3, whose random numbers are not available here: the episodes start differently, "
    "so this score is not comparable with scores of the course, and its bars fit only roughly."
)


class Flight(NamedTuple):
    """The total reward of an episode, and the number of actions after which it was over, or None."""

    total: float
    over: int | None


def new_environment() -> Any:
    """A LunarLander without gymnasium's wrappers: the caller counts the steps.

    Raises UserError with the command to install where gymnasium or Box2D is missing.
    """
    with _loading() as gymnasium:
        return gymnasium.make(ENVIRONMENT, disable_env_checker=True).unwrapped


def faulty_environment(fault: Mapping[str, float]) -> Any:
    """The same for the craft with a steady fault: its torque and gravity, as in `environment.json`."""
    with _loading():
        from tasks.hw12_reinforcement.environment import FaultyLander

        return FaultyLander(fault["torque"], gravity=fault["gravity"])


@contextmanager
def _loading() -> Iterator[Any]:
    """Loads gymnasium. Raises UserError with the command to install where something is missing."""
    try:
        import gymnasium
        from gymnasium.error import DependencyNotInstalled
    except ModuleNotFoundError as error:
        if error.name != "gymnasium":
            raise
        raise _missing("gymnasium") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # as errors, those of Box2D's loading end Python
            yield gymnasium
    except DependencyNotInstalled:
        raise _missing("Box2D") from None
    except gymnasium.error.Error as error:
        raise UserError(
            f"expected gymnasium with {ENVIRONMENT}; this is version {gymnasium.__version__} ({error}). "
            'Install the right one with: pip install "lhy-grade[rl]"'
        ) from None


def _missing(package: str) -> UserError:
    return UserError(
        f'homework 12 needs {package}, which is not installed; install it with: pip install "lhy-grade[rl]"'
    )


def version() -> str:
    """Everything known to change a return: environment, gymnasium, Box2D, operating system and kind of processor."""
    new_environment()
    import gymnasium

    box2d = importlib.import_module("Box2D").__version__
    return f"{ENVIRONMENT} gymnasium {gymnasium.__version__} Box2D {box2d} {machine()}"


def replay(environment: Any, seed: int | None, actions: bytes, max_steps: int) -> Flight:
    """Replays one episode from the seed, or from the current state of the environment's random numbers."""
    environment.reset(seed=seed)
    total = 0.0
    for number, action in enumerate(actions, start=1):
        _, reward, over, _, _ = environment.step(action)
        total += float(reward)
        if over or number == max_steps:
            return Flight(total, number)
    return Flight(total, None)


def _replay_part(jobs: Sequence[tuple[int, bytes]], max_steps: int) -> list[Flight]:
    """The work of one process: replays its share of the episodes."""
    environment = new_environment()
    return [replay(environment, seed, actions, max_steps) for seed, actions in jobs]


def _replay_chain(jobs: Sequence[tuple[int, bytes]], max_steps: int) -> list[Flight]:
    """Episodes that follow each other in one environment, up to the first that does not end with its last action."""
    environment = new_environment()
    flights: list[Flight] = []
    for place, (seed, actions) in enumerate(jobs):
        flights.append(replay(environment, None if place else seed, actions, max_steps))
        if flights[-1].over != len(actions):
            break
    return flights


def replays(form: EpisodesFormat, predictions: Columns, processes: int | None = None) -> list[Flight]:
    """Replays every episode, in parallel over `processes`; None: as many as there are cores, fewer for few steps.

    A chain is replayed in order, in this process, up to its first fault.
    """
    lengths = predictions["length"].tolist()
    jobs = [
        (seed, row[:length].astype("uint8").tobytes())
        for seed, row, length in zip(form.seeds, predictions["actions"], lengths, strict=True)
    ]
    if form.chained:
        return _replay_chain(jobs, form.max_steps)
    processes = processes or max(1, min(cores(), sum(lengths) // EACH))
    new_environment()  # reports a missing package before any process starts
    size = -(-len(jobs) // (4 * processes))
    parts = [jobs[start : start + size] for start in range(0, len(jobs), size)]
    part = partial(_replay_part, max_steps=form.max_steps)
    try:
        done = mapped(part, parts, processes)
    except (UserError, OSError, ImportError):  # no processes available: the same returns, only slower
        done = mapped(part, parts, 1)
    return [flight for flights in done for flight in flights]


def check(form: Format, predictions: Columns, folder: Path | None = None) -> Judged:
    """The column "return" (n,). Raises SubmissionError where an episode is not over exactly with its last action."""
    assert isinstance(form, EpisodesFormat)
    flights = replays(form, predictions)
    lengths = predictions["length"].tolist()
    faults = [
        _fault(episode, flight, length, form)
        for episode, (flight, length) in enumerate(zip(flights, lengths, strict=False))
        if flight.over != length
    ]
    if faults:
        if form.chained or len(faults) == len(form):
            hint = f" Was it played in {version()}, with the seeds of this competition?"
            faults[0] = faults[0]._replace(message=faults[0].message + hint)
        raise SubmissionError(faults[:SHOWN], len(faults))
    returns = np.array([flight.total for flight in flights])
    return Judged({"return": returns}, (OLD_STREAM,) if form.chained else ())


def _fault(episode: int, flight: Flight, length: int, form: EpisodesFormat) -> Problem:
    later = " Later episodes start where this one ends, so they were not replayed." if form.chained else ""
    if flight.over is None:
        message = (
            f"episode {episode}: not over after its last action ({length:,} actions); continue until the environment "
            f"returns terminated, or for {form.max_steps:,} actions.{later}"
        )
        return Problem("E_EPISODE_SHORT", message, None, None, f"{length} actions", "actions until it is over")
    message = (
        f"episode {episode}: over after {flight.over:,} actions, but the file has {length:,}; end the episode with the "
        f"action that ends it.{later}"
    )
    return Problem("E_EPISODE_LONG", message, None, None, f"{length} actions", f"{flight.over} actions")
