"""Questions about passages as batches, and questions that text without any gives, character by character."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from baselines.reading import NEVER

STOPS = "。！？"
NOTHING, ANY, BLANK = "\0", "\1", "\2"  # the characters of PAD, UNKNOWN and MASK


@dataclass(frozen=True)
class Asked:
    """A question about a paragraph (by number), and where its answers begin and end there, the end included."""

    paragraph: int
    text: str
    spans: tuple[tuple[int, int], ...] = ()


def read_questions(path: Path) -> tuple[list[str], list[Asked], list[int]]:
    """The paragraphs, the questions and their ids of a file in the course's layout."""
    data = json.loads(path.read_text(encoding="utf-8"))
    asked = []
    for one in data["questions"]:
        known = one["answer_start"] is not None
        spans = ((one["answer_start"], one["answer_end"]),) if known else ()
        asked.append(Asked(one["paragraph_id"], one["question_text"], spans))
    return data["paragraphs"], asked, [one["id"] for one in data["questions"]]


def submission(ids: Sequence[int], said: Sequence[str]) -> bytes:
    """The table of answers, quoted where a cell begins with a quote."""
    cells = ['"' + text.replace('"', '""') + '"' if '"' in text else text for text in said]
    return "".join(f"{cell}\n" for cell in ["ID,Answer", *map("{},{}".format, ids, cells)]).encode()


@dataclass(frozen=True)
class Signs:
    """The numbers of characters."""

    number: dict[str, int]

    @staticmethod
    def of(texts: Sequence[str]) -> Signs:
        every = sorted(set().union(*texts) - {NOTHING, ANY, BLANK})
        return Signs({sign: number for number, sign in enumerate([NOTHING, ANY, BLANK, *every])})

    def rows(self, texts: Sequence[str]) -> Tensor:
        """Texts as one matrix (n, longest)."""
        out = np.zeros((len(texts), max(map(len, texts))), dtype=np.int64)
        for row, text in enumerate(texts):
            out[row, : len(text)] = [self.number.get(sign, 1) for sign in text]
        return torch.from_numpy(out)


class Spans(Protocol):
    """Questions about windows that a network learns from, or answers with start and end logits (q, t) by character."""

    def loss(self, network: nn.Module) -> Tensor: ...

    def logits(self, network: nn.Module) -> tuple[Tensor, Tensor]: ...


Row = tuple[int, Asked, int]
"""The number of a question's window, the question, and where the window begins in the paragraph."""
Maker = Callable[[Sequence[str], Sequence[Row]], Spans]
"""Makes a batch of the texts of windows and of questions about them."""


@dataclass(frozen=True)
class Batch:
    """Windows (n, t), where their sentences end, questions (q, s), the windows of these, and the wanted ends."""

    passages: Tensor
    stops: Tensor
    questions: Tensor
    owner: Tensor
    starts: Tensor  # (q, t): whether an answer begins there
    ends: Tensor

    @staticmethod
    def of(signs: Signs, device: str, texts: Sequence[str], asked: Sequence[Row]) -> Batch:
        passages, questions = signs.rows(texts), signs.rows([one.text for _, one, _ in asked])
        wanted = torch.zeros(2, len(asked), passages.shape[1], dtype=torch.bool)
        for row, (_, one, begin) in enumerate(asked):
            for span in one.spans:
                for side, at in enumerate(span):
                    if 0 <= at - begin < len(texts[asked[row][0]]):
                        wanted[side, row, at - begin] = True
        stops = torch.isin(passages, torch.tensor([signs.number.get(sign, -1) for sign in STOPS]))
        owner = torch.tensor([window for window, _, _ in asked])
        parts = (passages, stops.long(), questions, owner, wanted[0], wanted[1])
        return Batch(*(part.to(device) for part in parts))

    def logits(self, network: nn.Module) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = network(self.passages, self.stops, self.questions, self.owner)
        return found

    def loss(self, network: nn.Module) -> Tensor:
        return span_loss(self.logits(network), (self.starts, self.ends))


def span_loss(found: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]) -> Tensor:
    """The mean negative log-probability of a right start and of a right end (q, t), whichever of several it is.

    A question whose answers are all outside of its window does not count.
    """
    losses = []
    for logits, right in zip(found, wanted, strict=True):
        loss = logits.logsumexp(1) - logits.masked_fill(~right, 2 * NEVER).logsumexp(1)
        losses.append(loss[right.any(1)].mean())
    return torch.stack(losses).mean()


def sentences(text: str) -> list[str]:
    """The sentences of a line, each with its mark at the end."""
    found, begin = [], 0
    for at, sign in enumerate(text, start=1):
        if sign in STOPS or at == len(text):
            found.append(text[begin:at])
            begin = at
    return found


def recurring(sentence: str, rest: str) -> list[tuple[int, int]]:
    """The longest pieces (begin, end) of a sentence, of two characters and more, that stand in the rest too."""
    found, at = [], 0
    while at < len(sentence) - 1:
        end = at + 1
        while end < len(sentence) and sentence[end] not in "，、。" and sentence[at : end + 1] in rest:
            end += 1
        if end - at > 1:
            found.append((at, end))
        at = max(end, at + 1)
    return found


def clozes(line: str, rng: random.Random, most: int = 4) -> tuple[str, list[Asked]]:
    """One of the last sentences of a line as questions about the others: in each, a piece that recurs there is masked.

    Recurring span selection (Ram et al., arXiv 2101.00438): masked language modelling whose answer is pointed at.
    """
    parts = sentences(line)
    own = len(parts) - 1 - rng.randrange(max(1, len(parts) // 4))
    rest, sentence = "".join(parts[:own] + parts[own + 1 :]), parts[own]
    pieces = recurring(sentence, rest)
    asked = []
    for begin, end in rng.sample(pieces, min(most, len(pieces))):
        piece, places = sentence[begin:end], []
        at = rest.find(piece)
        while at >= 0:
            places.append((at, at + len(piece) - 1))
            at = rest.find(piece, at + 1)
        asked.append(Asked(0, sentence[:begin] + BLANK + sentence[end:], tuple(places)))
    return rest, asked
