"""The network of HW9. Students get this file as `model.py`.

network = Network()
network.load_state_dict(safetensors.torch.load_file("network.safetensors"))
logits = network(pictures)  # float32 (n, 3, s, s) from 0 to 1, to (n, 5)
"""

import torch
from torch import nn


class Network(nn.Module):
    """Four convolutions, the mean over the places of the last one, and a linear layer."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=2, padding=2), nn.ReLU(),  # (n, 16, s/2, s/2)
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),  # (n, 32, s/4, s/4)
            nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(),  # (n, 64, s/8, s/8)
            nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),  # (n, 64, s/8, s/8)
        )  # fmt: skip
        self.classes = nn.Linear(64, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classes(self.features(x).mean(dim=(2, 3)))
        return logits
