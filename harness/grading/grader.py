"""Grading in child processes: one reads a file and knows no answers, one scores it and meets no byte of it.

The reading process forks for each file. The scoring one is a fork of this process that scores one file after another of
one competition, since a fork for each would take most of the time; a judge, which runs what was handed in, and an
instructor's metric file get a fork for each file. All have limits of wall time and address space.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from harness.answers import Secret
from harness.grading import scoring
from harness.grading.child import CONTROL, Child, connections, received_whole
from harness.grading.decode import Decoder, received
from tasks.apart import GRACE_SECONDS, MOST_ANSWER, Died, Late, Limits, apart, bind, send
from tasks.base import Grade, Score, SubmissionError, UserError
from tasks.errors import Problem, internal

Step = Callable[[str], None]


@dataclass(frozen=True)
class Answer:
    """The result of one attempt: a grade, the problems of a refused file, or the reason of a failure."""

    grade: Grade | None = None
    refused: SubmissionError | None = None
    failure: str = ""


@dataclass
class Scorer(Child):
    """A fork of this process that scores files of one competition, and is replaced after a failure of any of them."""

    secret: Secret | None = None
    limits: Limits = field(default_factory=Limits)

    def score(
        self, secret: Secret, whole: bytes, limits: Limits, stopped: Callable[[], bool], begun: Callable[[], None]
    ) -> Any:
        """The values of `_grade` for the reply of a decoder; None once `stopped` is true. Raises Died."""
        if self.secret is not secret or self.limits.memory != limits.memory:
            self.close()
        self.gone()
        self.secret, self.limits = secret, limits
        self.running()
        begun()
        text = self.exchange(b"%f\n" % limits.seconds + whole, MOST_ANSWER, limits.seconds, stopped)
        if text is None:
            return None
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            raise Died(f"its process {self._ended()}") from None
        if "failure" in values:  # perhaps for want of memory that earlier files took
            self.close()
        return values

    def _ended(self) -> str:
        until = time.monotonic() + 1.0
        while not self.gone():
            if time.monotonic() > until:
                self.close()
                return "gave an answer that cannot be read"
            time.sleep(0.001)
        assert self.status is not None
        return f"was ended by signal {-self.status}" if self.status < 0 else "ended without an answer"

    def start(self) -> tuple[int, socket.socket]:
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                os.dup2(theirs.fileno(), CONTROL)
                os.closerange(CONTROL + 1, os.sysconf("SC_OPEN_MAX"))  # neither the database nor other children
                assert self.secret is not None
                self._serve(self.secret, parent)
            finally:
                os._exit(1)  # the child must not flush, close or run anything of the parent's
        theirs.close()
        return pid, ours

    def _serve(self, secret: Secret, parent: int) -> None:
        bind(self.limits, parent)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for connection in connections(socket.socket(fileno=CONTROL)):
            with connection:
                head, _, whole = received_whole(connection).partition(b"\n")
                limits = replace(self.limits, seconds=float(head))
                signal.setitimer(signal.ITIMER_REAL, limits.seconds + GRACE_SECONDS)
                answer = json.dumps(_grade(secret, whole, limits), allow_nan=False).encode()
                signal.setitimer(signal.ITIMER_REAL, 0)
                with contextlib.suppress(OSError):
                    send(connection.fileno(), answer)


@dataclass
class Grader:
    """The two child processes."""

    decoder: Decoder = field(default_factory=Decoder)
    scorer: Scorer = field(default_factory=Scorer)

    def answer(
        self,
        secret: Secret,
        data: bytes,
        limits: Limits,
        stopped: Callable[[], bool] = lambda: False,
        step: Step = lambda name: None,
    ) -> Answer | None:
        """Reads and scores the bytes of a submission; None once `stopped` is true."""
        values = self.values(secret, data, limits, stopped, step)
        return None if values is None else answer_of(values)

    def values(
        self,
        secret: Secret,
        data: bytes,
        limits: Limits,
        stopped: Callable[[], bool] = lambda: False,
        step: Step = lambda name: None,
    ) -> dict[str, Any] | None:
        """The same as plain values: a grade, the problems of the file, or a failure.

        The time limit covers both children. However a child ends, the caller gets an answer and no child that still
        works on this file is left behind.
        """
        begun = time.monotonic()
        try:
            whole = self.decoder.decode(data, secret.competition.format, secret.metric_file, limits, stopped)
            if whole is None:
                return None
            rest = Limits(max(1.0, limits.seconds - (time.monotonic() - begun)), limits.memory)
            values: Any
            if secret.judge is None and not secret.metric_file:
                values = self.scorer.score(secret, whole, rest, stopped, lambda: step("forked"))
            else:
                values = apart(lambda: _grade(secret, whole, rest), rest, stopped, lambda: step("forked"))
        except Late:
            return {"failure": f"it took longer than {limits.seconds:g} s"}
        except Died as error:
            return {"failure": str(error)}
        return values if values is None or isinstance(values, dict) else {}

    def close(self) -> None:
        """Kills both, whatever they are doing."""
        self.decoder.close()
        self.scorer.close()


@contextlib.contextmanager
def grade_within(limits: Limits) -> Iterator[Callable[[Secret, bytes], Grade]]:
    """The grader of `grade_pending` with limits: child processes, whose failures become UserErrors."""
    grader = Grader()

    def graded(secret: Secret, data: bytes) -> Grade:
        answer = grader.answer(secret, data, limits)
        assert answer is not None, "nothing stops it"
        if answer.refused is not None:
            raise answer.refused
        if answer.grade is None:
            raise UserError(answer.failure)
        return answer.grade

    try:
        yield graded
    finally:
        grader.close()


def _grade(secret: Secret, whole: bytes, limits: Limits) -> dict[str, Any]:
    """The answer of the scoring child, as plain values."""
    try:
        predictions = received(whole, secret.competition.format, secret.metric_file)
        return {"grade": asdict(scoring.grade(scoring.limited(secret, limits), predictions))}
    except SubmissionError as error:
        return {"problems": [problem._asdict() for problem in error.problems], "total": error.total}
    except Died as error:
        return {"failure": str(error)}
    except MemoryError:
        return {"failure": "it needed more memory than allowed"}
    except UserError as error:
        return {"failure": str(error) + (f" ({error.__cause__})" if secret.metric_file and error.__cause__ else "")}
    except Exception as error:  # its text may contain answers, so only type and place are shown
        return {"failure": str(internal(error))}


def answer_of(values: Any) -> Answer:
    """The answer from the plain values of a child, which are no more trusted than the child."""
    try:
        if "problems" in values:
            problems = [Problem(**problem) for problem in values["problems"]]
            return Answer(refused=SubmissionError(problems, values["total"]))
        if "failure" in values:
            return Answer(failure=values["failure"])
        fields = values["grade"]
        for score in fields["scores"]:
            for name in ("public_interval", "private_interval"):
                score[name] = score[name] and tuple(score[name])
        scores = tuple(Score(**score) for score in fields["scores"])
        matrices = {name: tuple(map(tuple, fields[name])) for name in ("matrix", "private_matrix")}
        return Answer(Grade(**{**fields, "scores": scores, "notes": tuple(fields["notes"]), **matrices}))
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        return Answer(failure="its process sent an unreadable answer")
