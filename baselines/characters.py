"""HW15's pictures: characters to learn from, episodes and tasks drawn of them, and the tasks that are asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

WAYS, SIDE = 5, 28


@dataclass(frozen=True)
class Characters:
    """Ink (characters, hands, 28, 28), 1 on 0, and the number of each character's alphabet (characters,)."""

    ink: torch.Tensor
    alphabets: torch.Tensor

    def taken(self, which: torch.Tensor) -> Characters:
        return Characters(self.ink[which], self.alphabets[which])

    def in_turns(self) -> Characters:
        """Task augmentation: each character by 0, 90, 180 and 270 degrees, as four (Santoro and others, ICML 2016)."""
        turns = [torch.rot90(self.ink, turn, (2, 3)) for turn in range(4)]
        return Characters(torch.cat(turns), self.alphabets.repeat(4))

    def episode(self, ways: int, count: int, generator: torch.Generator) -> torch.Tensor:
        """`count` pictures of each of `ways` characters, by different hands, (count, ways, 28, 28)."""
        which = torch.randperm(len(self.ink), generator=generator)[:ways]
        hands = torch.rand(len(which), self.ink.shape[1], generator=generator).argsort(dim=1)[:, :count]
        return self.ink[which[:, None], hands].transpose(0, 1)

    def tasks(self, number: int, queries: int, generator: torch.Generator) -> torch.Tensor:
        """Tasks (number, 5 + 5 * queries, 28, 28): the supports, then queries of classes 0 to 4, 0 to 4 and so on."""
        drawn = [self.episode(WAYS, 1 + queries, generator).flatten(0, 1) for _ in range(number)]
        return torch.stack(drawn)


def read_ink(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(path) as image:
        return 255 - np.asarray(image.convert("L"), dtype=np.uint8)


def read_characters(folder: Path) -> Characters:
    """All characters, with as many hands as each of them has."""
    pictures, alphabets = [], []
    for number, alphabet in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
        for character in sorted(alphabet.iterdir()):
            pictures.append(np.stack([read_ink(path) for path in sorted(character.glob("*.png"))]))
            alphabets.append(number)
    hands = min(map(len, pictures))
    every = torch.from_numpy(np.stack([some[:hands] for some in pictures]))
    return Characters(every.float() / 255, torch.tensor(alphabets))


def read_tasks(folder: Path) -> torch.Tensor:
    """The tasks (t, 10, 28, 28): five supports, of the classes 0 to 4, then five queries."""
    parts = [
        [read_ink(task / f"image_{place}.png") for task in sorted((folder / part).iterdir()) for place in range(WAYS)]
        for part in ("support", "query")
    ]
    both = [torch.from_numpy(np.array(part)).reshape(-1, WAYS, SIDE, SIDE) for part in parts]
    return torch.cat(both, dim=1).float() / 255
