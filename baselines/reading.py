"""A small network that reads a passage once and points at the answers of its questions, and what it reads."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PAD, UNKNOWN, MASK = range(3)
FAR = 64  # characters from which on a distance is only far
NEVER = -1e4  # a logit that no softmax takes


class Gated(nn.Module):
    """A convolution with a gate beside a connection that skips it (Dauphin et al., arXiv 1612.08083)."""

    def __init__(self, dim: int, size: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.conv = nn.Conv1d(dim, 2 * dim, size, padding=size // 2 * dilation, dilation=dilation)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # (n, t, d) and (n, t)
        y = self.norm(x).masked_fill(~mask[:, :, None], 0.0).transpose(1, 2)
        out: Tensor = x + self.drop(F.glu(self.conv(y), dim=1).transpose(1, 2))
        return out


class Block(nn.Module):
    """Self-attention that learns how much each distance counts, and two linear layers (Raffel et al., 1910.10683)."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.ffn = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
        self.distance = nn.Embedding(2 * FAR + 1, heads)
        nn.init.zeros_(self.distance.weight)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # (n, t, d) and (n, t)
        n, t, d = x.shape
        q, k, v = self.qkv(self.norm(x)).view(n, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # (n, h, t, d / h)
        place = torch.arange(t, device=x.device)
        far = (place[None] - place[:, None]).clamp(-FAR, FAR) + FAR
        bias = self.distance(far).permute(2, 0, 1)[None] + (~mask)[:, None, None] * NEVER  # (n, h, t, t)
        y = F.scaled_dot_product_attention(q, k, v, bias.to(q.dtype)).transpose(1, 2).reshape(n, t, d)
        x = x + self.drop(self.out(y))
        out: Tensor = x + self.drop(self.ffn(self.norm2(x)))
        return out


class Encoder(nn.Module):
    """Characters to vectors that know their surroundings."""

    def __init__(self, signs: int, dim: int, blocks: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.signs = nn.Embedding(signs, dim, padding_idx=PAD)
        nn.init.normal_(self.signs.weight, std=dim**-0.5)
        self.drop = nn.Dropout(dropout)
        self.convs = nn.ModuleList(Gated(dim, 5, 1, dropout) for _ in range(2))
        self.blocks = nn.ModuleList(Block(dim, heads, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)

    def forward(self, rows: Tensor) -> Tensor:  # (n, t) to (n, t, d)
        mask = rows != PAD
        x = self.drop(self.signs(rows) * self.signs.embedding_dim**0.5)
        for conv in self.convs:
            x = conv(x, mask)
        for block in self.blocks:
            x = block(x, mask)
        out: Tensor = self.norm(x)
        return out


class Reader(nn.Module):
    """Start and end logits (q, t) of questions (q, s) about the passages (n, t) with the numbers `owner` (q,).

    A passage is encoded once for all its questions. Each place of it gets the match with several summaries of the
    question, and whether its character, pair or triple of characters is in the question (Chen et al., arXiv
    1704.00051). A GRU reads the sentences, each as the largest value of its places, so that a later sentence knows what
    an earlier one matched.
    """

    def __init__(
        self, signs: int, dim: int, blocks: int, heads: int, dropout: float, width: int, summaries: int
    ) -> None:
        super().__init__()
        self.encoder = Encoder(signs, dim, blocks, heads, dropout)
        self.pick = nn.Linear(dim, summaries)
        self.key = nn.Parameter(torch.randn(summaries, dim, dim) * dim**-0.5)
        self.mix = nn.Linear(summaries + 3, width)
        self.own = nn.Linear(dim, width)
        self.first, self.second, self.third = (Gated(width, 3, 1, dropout) for _ in range(3))
        self.norm = nn.LayerNorm(width)
        self.sentences = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.back = nn.Linear(2 * width, width)
        self.span = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2))

    def forward(self, passages: Tensor, ends: Tensor, questions: Tensor, owner: Tensor) -> tuple[Tensor, Tensor]:
        """`ends` (n, t) says where the number of the sentence goes up."""
        p, q = self.encoder(passages), self.encoder(questions)  # (n, t, d), (q, s, d)
        mask, asked = (passages != PAD)[owner], questions != PAD
        share = self.pick(q).masked_fill(~asked[:, :, None], NEVER).softmax(1)  # (q, s, k)
        summary = torch.einsum("qsk,qsd,kde->qke", share, q, self.key) * q.shape[2] ** -0.5
        match = summary @ p.transpose(1, 2)[owner]  # (q, k, t)
        same = exact(passages[owner], questions)
        x = self.mix(torch.cat([match.transpose(1, 2), same], 2)) + self.own(p)[owner]  # (q, t, w)
        x = self.first(x, mask)
        number = ends.cumsum(1)[owner]  # (q, t)
        place = number[:, :, None].expand_as(x)
        y = self.norm(x).masked_fill(~mask[:, :, None], NEVER)
        pooled = torch.full((len(x), int(number.max()) + 1, x.shape[2]), NEVER, device=y.device, dtype=y.dtype)
        pooled = pooled.scatter_reduce(1, place, y, "amax").clamp(min=-10)
        with torch.autocast(x.device.type, enabled=False):
            read = self.back(self.sentences(pooled.float())[0])  # (q, sentences, w)
        x = x + read.gather(1, place)
        x = self.third(self.second(x, mask), mask)
        start, end = self.span(x).float().masked_fill(~mask[:, :, None], NEVER).unbind(2)
        return start, end


def exact(passages: Tensor, questions: Tensor) -> Tensor:
    """Whether each place of a passage (q, t) begins or ends 1, 2 or 3 characters of the question (q, s), (q, t, 3)."""
    same = (passages[:, :, None] == questions[:, None]) & (questions[:, None] != PAD)  # (q, t, s)
    two = F.pad(same[:, 1:, 1:] & same[:, :-1, :-1], (0, 1, 0, 1))
    three = F.pad(two[:, 1:, 1:] & two[:, :-1, :-1], (0, 1, 0, 1))
    found = []
    for size, each in enumerate((same, two, three)):
        begins = each.any(2)
        found.append(sum((F.pad(begins, (step, 0))[:, : begins.shape[1]] for step in range(size + 1)), begins))
    return torch.stack(found, 2).bool().float()
