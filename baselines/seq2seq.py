"""Encoders and decoders of text: a GRU with attention, a Transformer, and beam search over what either has kept.

`memory(source)` is the state that a decoder starts from, tensors with the batch as first axis; `step(tokens, state)`
takes tokens (n, k) after those before and gives logits (n, k, v) and the state after them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from baselines.text import BOS, EOS, PAD, TAG, UNK

State = dict[str, Tensor]
FIXED = ("mask", "seen", "cross")  # parts that depend only on the source, the same for all hypotheses of a sentence


class Seq2Seq(nn.Module, ABC):
    """An encoder and a decoder. Trained as a whole, decoded step by step."""

    def __init__(self, sources: int, targets: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(sources, dim), nn.Embedding(targets, dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits (n, t, v) of the tokens after each of target (n, t)."""
        logits: Tensor = self.step(target, self.memory(source))[0]
        return logits

    @abstractmethod
    def memory(self, source: Tensor) -> State: ...

    @abstractmethod
    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]: ...


class Gru(Seq2Seq):
    """A bidirectional GRU encoder and a GRU decoder with attention (Luong et al. 2015)."""

    def __init__(self, sources: int, targets: int, dim: int, layers: int, dropout: float) -> None:
        super().__init__(sources, targets, dim, dropout)
        self.encoder = nn.GRU(dim, dim // 2, layers, batch_first=True, bidirectional=True)
        self.decoder = nn.GRU(dim, dim, layers, batch_first=True)
        self.mix, self.out = nn.Linear(2 * dim, dim), nn.Linear(dim, targets)

    def memory(self, source: Tensor) -> State:
        mask = source != PAD  # (n, s)
        packed = pack_padded_sequence(self.drop(self.source(source)), mask.sum(1).cpu(), True, False)
        outputs, last = self.encoder(packed)  # last (2 layers, n, dim / 2)
        seen = pad_packed_sequence(outputs, True, total_length=source.shape[1])[0]  # (n, s, dim)
        hidden = last.unflatten(0, (-1, 2)).permute(2, 0, 1, 3).flatten(2)  # (n, layers, dim)
        return {"seen": seen, "mask": mask, "hidden": hidden.contiguous()}

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        h, hidden = self.decoder(self.drop(self.target(tokens)), state["hidden"].transpose(0, 1).contiguous())
        score = (h @ state["seen"].transpose(1, 2)) * h.shape[-1] ** -0.5  # (n, k, s)
        weight = score.masked_fill(~state["mask"][:, None], -1e4).softmax(-1)
        mixed = torch.tanh(self.mix(torch.cat([weight @ state["seen"], h], -1)))  # (n, k, dim)
        return self.out(self.drop(mixed)), {**state, "hidden": hidden.transpose(0, 1).contiguous()}


class Attention(nn.Module):
    """Attention with several heads, and the norm of its input (pre-norm)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.query, self.out = nn.LayerNorm(dim), nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.pair = nn.Linear(dim, 2 * dim)

    def pairs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (n, heads, length, dim / heads) of x (n, length, dim)."""
        key, value = self.pair(x).unflatten(-1, (2, self.heads, -1)).unbind(2)
        return key.transpose(1, 2), value.transpose(1, 2)

    def forward(self, x: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        query = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(query, key, value, mask).transpose(1, 2).flatten(2)
        out: Tensor = self.out(mixed)  # (n, length, dim)
        return out


class Layer(nn.Module):
    """The parts of one layer; a decoder's has attention to the source as well."""

    def __init__(self, dim: int, heads: int, ffn: int, dropout: float, *, decoder: bool) -> None:
        super().__init__()
        self.self = Attention(dim, heads)
        self.cross = Attention(dim, heads) if decoder else None
        wide, narrow = nn.Linear(dim, ffn), nn.Linear(ffn, dim)
        self.feed = nn.Sequential(nn.LayerNorm(dim), wide, nn.ReLU(), nn.Dropout(dropout), narrow)


class Transformer(Seq2Seq):
    """A pre-norm Transformer (Vaswani et al. 2017); the embedding matrix of the target also gives the logits."""

    def __init__(self, sources: int, targets: int, dim: int, layers: int, heads: int, ffn: int, dropout: float) -> None:
        super().__init__(sources, targets, dim, dropout)
        one = (dim, heads, ffn, dropout)
        self.encoder: Any = nn.ModuleList(Layer(*one, decoder=False) for _ in range(layers))
        self.decoder: Any = nn.ModuleList(Layer(*one, decoder=True) for _ in range(layers))
        self.encoded, self.decoded = nn.LayerNorm(dim), nn.LayerNorm(dim)
        for weight in self.parameters():
            if weight.ndim == 2:
                nn.init.xavier_uniform_(weight)
        for table in (self.source, self.target):
            nn.init.normal_(table.weight, std=dim**-0.5)

    def embedded(self, table: nn.Embedding, tokens: Tensor, start: int) -> Tensor:
        """Tokens (n, k) with their places from `start` on as sines and cosines, (n, k, dim)."""
        dim = table.embedding_dim
        place = torch.arange(start, start + tokens.shape[1], device=tokens.device)[:, None]
        turn = place * torch.exp(torch.arange(0, dim, 2, device=tokens.device) * (-math.log(1e4) / dim))
        out: Tensor = self.drop(table(tokens) * dim**0.5 + torch.cat([turn.sin(), turn.cos()], 1))
        return out

    def memory(self, source: Tensor) -> State:
        mask = (source != PAD)[:, None, None]  # (n, 1, 1, s)
        x = self.embedded(self.source, source, 0)  # (n, s, dim)
        for layer in self.encoder:
            y = layer.self.norm(x)
            x = x + self.drop(layer.self(y, *layer.self.pairs(y), mask))
            x = x + self.drop(layer.feed(x))
        state, x = {"mask": mask}, self.encoded(x)
        for number, layer in enumerate(self.decoder):
            state[f"cross key {number}"], state[f"cross value {number}"] = layer.cross.pairs(x)
        return state

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        before = state["key 0"].shape[2] if "key 0" in state else 0
        place = torch.arange(before + tokens.shape[1], device=tokens.device)
        causal = None if tokens.shape[1] == 1 else place[before:, None] >= place  # (k, before + k)
        x, state = self.embedded(self.target, tokens, before), dict(state)  # (n, k, dim)
        for number, layer in enumerate(self.decoder):
            y = layer.self.norm(x)
            for name, new in zip((f"key {number}", f"value {number}"), layer.self.pairs(y), strict=True):
                state[name] = torch.cat([state[name], new], 2) if before else new
            x = x + self.drop(layer.self(y, state[f"key {number}"], state[f"value {number}"], causal))
            y = layer.cross.norm(x)
            x = x + self.drop(
                layer.cross(y, state[f"cross key {number}"], state[f"cross value {number}"], state["mask"])
            )
            x = x + self.drop(layer.feed(x))
        return self.decoded(x) @ self.target.weight.T, state


def beam_search(model: Seq2Seq, source: Tensor, beam_size: int, length_penalty: float) -> list[list[int]]:
    """The best hypothesis for each source (n, s), of at most 1.5 s + 10 tokens; the state keeps earlier steps."""
    n, device = len(source), source.device
    state = model.memory(source)
    tokens = torch.full((n, 1), BOS, device=device, dtype=torch.long)  # the last of each hypothesis, (n, beam)
    scores, lengths = torch.zeros(n, 1, device=device), torch.zeros(n, 1, device=device)
    done = torch.zeros(n, 1, dtype=torch.bool, device=device)
    words = torch.zeros(n, 1, 0, dtype=torch.long, device=device)
    for _ in range(source.shape[1] * 3 // 2 + 10):
        logits, state = model.step(tokens.reshape(-1, 1), state)
        logits = logits[:, -1].float()
        logits[:, [PAD, BOS, UNK, TAG]] = -torch.inf
        logprobs = logits.log_softmax(-1).view(n, -1, logits.shape[-1])  # (n, beam, v)
        logprobs = logprobs.masked_fill(done[..., None], -torch.inf)
        logprobs[..., PAD] = torch.where(done, 0.0, logprobs[..., PAD])  # all that a finished one goes on with
        scores, best = (scores[..., None] + logprobs).flatten(1).topk(beam_size)
        parent, tokens = best // logprobs.shape[-1], best % logprobs.shape[-1]
        rows = (parent + torch.arange(n, device=device)[:, None] * done.shape[1]).flatten()
        for name, value in state.items():
            if len(value) != len(rows) or not name.startswith(FIXED):
                state[name] = value.index_select(0, rows)
        was = done.gather(1, parent)
        words = torch.cat([words.gather(1, parent[..., None].expand(-1, -1, words.shape[-1])), tokens[..., None]], -1)
        lengths = lengths.gather(1, parent) + ~was
        done = was | (tokens == EOS)
        if bool(done.all()):
            break
    judged = torch.where(done, 0.0, -1e4) + scores / lengths**length_penalty
    chosen = words[torch.arange(n, device=device), judged.argmax(1)].tolist()
    return [[word for word in row if word > TAG] for row in chosen]
