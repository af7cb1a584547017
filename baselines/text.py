"""Text as token rows: words or sub-words to numbers and back, and padded batches of rows of similar length."""

from __future__ import annotations

import io
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tasks.base import UserError

PAD, BOS, EOS, UNK, TAG = range(5)  # TAG is the first token of a source made by back-translation
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "<bt>")
WORD = re.compile(r"[A-Za-z']+|[0-9]+(?:[.,][0-9]+)*|[^\sA-Za-z0-9]")


@dataclass(frozen=True)
class Tokens:
    """Lines to rows of numbers, and a row back to a line."""

    size: int
    encode: Callable[[Sequence[str]], list[list[int]]]
    decode: Callable[[Sequence[int]], str]


def word_tokens(lines: Sequence[str], glue: str) -> Tokens:
    """Words, numbers, Chinese characters and marks that appear at least twice, joined by `glue`."""
    counts = Counter(word for line in lines for word in WORD.findall(line))
    names = [*SPECIAL, *(word for word, count in sorted(counts.items(), key=lambda x: (-x[1], x[0])) if count > 1)]
    place = {word: number for number, word in enumerate(names)}
    return Tokens(
        len(names),
        lambda lines: [[place.get(word, UNK) for word in WORD.findall(line)] for line in lines],
        lambda row: glue.join(names[number] for number in row if number > TAG),
    )


def trained_pieces(lines: Sequence[str], pieces: int) -> bytes:
    """A sentencepiece model of `pieces` sub-words beside the characters, by byte pair encoding (Sennrich et al. 2016).

    Its merges go by frequency, so the common words of a small text stay whole; a unigram model splits many of them.
    """
    try:
        import sentencepiece
    except ModuleNotFoundError:
        raise UserError(
            "this level needs sentencepiece, which is not installed; install it with: pip install sentencepiece"
        ) from None
    written, vocabulary = io.BytesIO(), pieces + len(set().union(*lines))
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=written,
        model_type="bpe",
        vocab_size=vocabulary,
        hard_vocab_limit=False,
        character_coverage=1.0,
        num_threads=1,
        pad_id=PAD,
        bos_id=BOS,
        eos_id=EOS,
        unk_id=UNK,
        user_defined_symbols=[SPECIAL[TAG]],
        minloglevel=2,
        input_sentence_size=1_000_000,
    )
    return written.getvalue()


def piece_tokens(model: bytes) -> Tokens:
    """The sub-words of a sentencepiece model; all lines are encoded in one call."""
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
    return Tokens(
        pieces.get_piece_size(),
        lambda lines: [list(row) for row in pieces.encode(list(lines))],
        lambda row: str(pieces.decode([number for number in row if number > TAG])),
    )


def padded(rows: Sequence[Sequence[int]], device: str) -> Tensor:
    """Rows as one matrix (n, longest), int32, filled with PAD."""
    out = np.zeros((len(rows), max(map(len, rows))), dtype=np.int32)
    for place, row in enumerate(rows):
        out[place, : len(row)] = row
    return torch.from_numpy(out).to(device)


def batches(lengths: Sequence[int], limit: int, order: Sequence[int] | None = None) -> list[list[int]]:
    """Row numbers in batches, in `order`, with rows × longest at most `limit`; a longer row is alone."""
    out: list[list[int]] = [[]]
    longest = 0
    for row in range(len(lengths)) if order is None else order:
        longest = max(longest, lengths[row])
        if out[-1] and (len(out[-1]) + 1) * longest > limit:
            out.append([])
            longest = lengths[row]
        out[-1].append(row)
    return out if out[-1] else []


@dataclass(frozen=True)
class Pairs:
    """Pairs of token rows on the device, padded: sources (n, s) end with EOS, targets (n, t) begin BOS and end EOS."""

    sources: Tensor
    targets: Tensor
    lengths: list[tuple[int, int]]

    @staticmethod
    def of(sources: Sequence[list[int]], targets: Sequence[list[int]], device: str) -> Pairs:
        left, right = [[*row, EOS] for row in sources], [[BOS, *row, EOS] for row in targets]
        lengths = [(len(one), len(other)) for one, other in zip(left, right, strict=True)]
        return Pairs(padded(left, device), padded(right, device), lengths)

    def groups(self, limit: int, rng: random.Random) -> list[tuple[Tensor, int, int]]:
        """Pairs of similar length in batches of at most `limit` tokens a side with padding, in random order.

        Of each the row numbers (b,), on the device, and the longest source and target.
        """
        order = list(range(len(self.lengths)))
        rng.shuffle(order)
        order.sort(key=lambda row: self.lengths[row][1] + self.lengths[row][0] / 4 + rng.random() * 3)
        groups = batches([max(pair) for pair in self.lengths], limit, order)
        rng.shuffle(groups)
        index = torch.tensor([row for rows in groups for row in rows], device=self.sources.device)
        longest = [tuple(max(self.lengths[row][side] for row in rows) for side in (0, 1)) for rows in groups]
        parts = torch.split(index, [len(rows) for rows in groups])
        return [(part, s, t) for part, (s, t) in zip(parts, longest, strict=True)]
