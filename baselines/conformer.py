"""The Conformer's block: attention and convolution over frames (Gulati et al., arXiv 2005.08100)."""

from __future__ import annotations

import torch
from torch import nn


class FeedForward(nn.Sequential):
    """Two linear layers over each frame on its own."""

    def __init__(self, dim: int, ffn: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(dim),
            nn.Linear(dim, ffn),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(ffn, dim),
            nn.Dropout(dropout),
        )


class Convolution(nn.Sequential):
    """The Conformer's convolution: a gate, then each channel over time on its own."""

    def __init__(self, dim: int, kernel: int, dropout: float) -> None:
        super().__init__(
            nn.Conv1d(dim, 2 * dim, 1),
            nn.GLU(dim=1),
            nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim),
            nn.BatchNorm1d(dim),
            nn.SiLU(),
            nn.Conv1d(dim, dim, 1),
            nn.Dropout(dropout),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (n, t, dim), and the same out
        return super().forward(x.transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return, no-untyped-call]


class ConformerBlock(nn.Module):
    """Half a feed-forward layer, attention, convolution, the other half (Gulati et al., arXiv 2005.08100)."""

    def __init__(self, dim: int, heads: int, ffn: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.first, self.last = FeedForward(dim, ffn, dropout), FeedForward(dim, ffn, dropout)
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, heads, dropout, batch_first=True)
        self.convolution_norm = nn.LayerNorm(dim)
        self.convolution = Convolution(dim, kernel, dropout)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (n, t, dim), and the same out
        x = x + 0.5 * self.first(x)
        y = self.attention_norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        x = x + self.convolution(self.convolution_norm(x))
        return self.norm(x + 0.5 * self.last(x))  # type: ignore[no-any-return]
