"""HW11: ink, mean edges, HOG with an SVM, equal shares of classes, a level's own labels, drawings of another key."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch.nn import functional

from baselines import hw11_adaptation as baseline
from baselines.common import rate, train_level
from baselines.lines import moved
from submissions.reader import read as read_submission
from tasks.formats import Format
from tasks.hw11_adaptation import CLASSES, TARGET
from tasks.streams import Streams
from tasks.things import draw_maker, drawing
from tests.bench.tricks import general
from tests.bench.tricks.frame import NO_LEARNING, OTHER_DATA, PUBLIC_DATA, Given, Reference, Trick, World

Labels = NDArray[np.int64]
WIDE = baseline.MOVES["wide"]
KEYS = 8
STEPS = 400
"""Of the networks that are trained here, as many as in strong."""


@lru_cache(maxsize=2)
def files(public: Path) -> baseline.Domains:
    return baseline.read(public)


def asked(given: Given) -> torch.Tensor:
    """The drawings (m, 1, 32, 32), 0 to 1."""
    return baseline.resized(files(given.public).target)


# Without learning


def constant(given: Given) -> bytes:
    return general.table(given.form, np.zeros(len(given.form), int))


def ink(given: Given) -> bytes:
    """The class whose edges have as much ink as the drawing, when both are brought to the same mean and spread."""
    known = files(given.public)
    amounts = [part.mean(dim=(1, 2, 3)).numpy() for part in (known.source, asked(given))]
    edges, lines = ((part - part.mean()) / part.std() for part in amounts)
    means = np.array([edges[known.labels.numpy() == label].mean() for label in range(CLASSES)])
    return general.table(given.form, np.abs(lines[:, None] - means).argmin(axis=1))


# The public data


def mean_edges(given: Given) -> bytes:
    """The class whose mean picture of edges correlates most with the drawing."""
    known = files(given.public)
    means = torch.stack([known.source[known.labels == label].mean(0) for label in range(CLASSES)])
    sides = [part.flatten(1) - part.flatten(1).mean(1, keepdim=True) for part in (means, asked(given))]
    means, lines = (part / part.norm(dim=1, keepdim=True) for part in sides)
    return general.table(given.form, (lines @ means.T).argmax(dim=1).numpy())


def hog(x: torch.Tensor, cell: int = 8) -> NDArray[np.float32]:
    pixels = (x[:, 0].clamp(0, 1) * 255).numpy().astype(np.uint8)
    return general.hog(np.repeat(pixels[..., None], 3, axis=3), cell=cell)


@lru_cache(maxsize=2)
def hog_scores(public: Path, copies: int, cell: int = 8) -> NDArray[np.float64]:
    """What an SVM says of the HOG features of each drawing (m, 10), with moved copies of the edges beside them."""
    known, generator = files(public), torch.Generator().manual_seed(0)
    parts = [known.source]
    for _ in range(copies):
        parts.append(moved(known.source, torch.rand(len(known.source), baseline.DRAWS, generator=generator), WIDE))
    model = make_pipeline(StandardScaler(), SVC(C=10.0, cache_size=500))
    model.fit(hog(torch.cat(parts), cell), known.labels.repeat(1 + copies).numpy())
    scores: NDArray[np.float64] = model.decision_function(hog(baseline.resized(known.target), cell))
    return scores


def hog_svm(given: Given) -> bytes:
    return general.table(given.form, hog_scores(given.public, 0).argmax(axis=1))


def moved_hog_svm(given: Given) -> bytes:
    return general.table(given.form, hog_scores(given.public, 3).argmax(axis=1))


def fine_hog_svm(given: Given) -> bytes:
    return general.table(given.form, hog_scores(given.public, 3, 4).argmax(axis=1))


def balanced(given: Given) -> bytes:
    """The same, with weights of the classes under which all of them are as frequent (Sinkhorn and Knopp)."""
    share = np.exp(2 * hog_scores(given.public, 3))
    for _ in range(50):
        share /= share.sum(axis=0, keepdims=True)
        share /= share.sum(axis=1, keepdims=True)
    return general.table(given.form, share.argmax(axis=1))


def network_on(x: torch.Tensor, y: torch.Tensor, seen: torch.Tensor, seed: int) -> Labels:
    """The classes of `seen` by the network of strong, trained on labelled lines (n, 1, 32, 32) alone."""
    config = replace(baseline.LEVELS["strong"], domain_norm=False)
    network = baseline.Networks(config, seed).network
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    generator = torch.Generator().manual_seed(seed)
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = config.lr * rate("cosine", step, STEPS)
        rows = torch.randint(len(x), (config.batch,), generator=generator)
        draws = torch.rand(len(rows), baseline.DRAWS, generator=generator)
        loss = functional.cross_entropy(network(moved(x[rows], draws, WIDE), 0), y[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    network.eval()
    with torch.inference_mode():
        found: Labels = torch.cat([network(part, 0).argmax(1) for part in torch.split(seen, 500)]).numpy()
    return found


def own_labels(given: Given) -> bytes:
    """The network of strong, trained on the drawings with what level simple says of them."""
    path = train_level("hw11", "simple", given.public, given.scratch / "run", seed=given.seed, device="cpu")
    guess = read_submission(path.read_bytes(), given.form)[TARGET]
    lines = asked(given)
    return general.table(given.form, network_on(lines, torch.from_numpy(guess.copy()), lines, given.seed))


# Other data, and what no student has


def drawn(streams: Streams, count: int = 1500) -> tuple[torch.Tensor, torch.Tensor]:
    """Labelled drawings of another key, as the network takes them."""
    maker, labels = draw_maker(streams.generator("maker")), np.arange(count) % CLASSES
    pictures = [drawing(maker, int(kind), streams.generator(f"drawing {n}")) for n, kind in enumerate(labels)]
    return baseline.resized(torch.from_numpy(np.stack(pictures))[:, None]), torch.from_numpy(labels)


def other_key(given: Given) -> bytes:
    return general.table(given.form, network_on(*drawn(given.other_streams()), asked(given), given.seed))


def both_keys(given: Given) -> bytes:
    """Another key's drawings beside the edges of the paintings."""
    x, y = drawn(given.other_streams())
    known = files(given.public)
    pairs = torch.cat([known.source, x]), torch.cat([known.labels, y])
    return general.table(given.form, network_on(*pairs, asked(given), given.seed))


def likest(given: Given) -> bytes:
    """Of the drawings of eight other keys, the two that are nearest to each public one by HOG, and no others."""
    every = [drawn(given.other_streams(number)) for number in range(KEYS)]
    x, y = torch.cat([x for x, _ in every]), torch.cat([y for _, y in every])
    lines = asked(given)
    tree = NearestNeighbors(n_neighbors=2).fit(hog(x))
    chosen = torch.from_numpy(np.unique(tree.kneighbors(hog(lines), return_distance=False)))
    return general.table(given.form, network_on(x[chosen], y[chosen], lines, given.seed))


def labelled_drawings(world: World, streams: Streams, size: str) -> bytes:
    """The network of strong, trained on 1,500 labelled drawings of the world's own maker that are not in the test."""
    maker, labels = draw_maker(streams.generator("maker")), np.arange(1500) % CLASSES
    rng = np.random.default_rng(0)
    x = np.stack([drawing(maker, int(kind), rng) for kind in labels])[:, None]
    form: Format = world.secret.competition.format
    seen = baseline.resized(files(world.public).target)
    known = baseline.resized(torch.from_numpy(x)), torch.from_numpy(labels)
    return general.table(form, network_on(*known, seen, 0))


KNOWN = (
    "drawings of another key come with their classes and are drawn by the same program, so they stand in for what is"
    " hidden here; the sheet forbids it, and no generator knows the official editions"
)
REFERENCES = (Reference("labelled drawings of the same maker", labelled_drawings),)
TRICKS = (
    Trick("one class", NO_LEARNING, constant),
    Trick("amount of ink", NO_LEARNING, ink),
    Trick("nearest mean of edges", PUBLIC_DATA, mean_edges),
    Trick("HOG + SVM on edges", PUBLIC_DATA, hog_svm),
    Trick("HOG + SVM on edges, moved", PUBLIC_DATA, moved_hog_svm),
    Trick("HOG of cells half as wide + SVM on edges, moved", PUBLIC_DATA, fine_hog_svm, long=True),
    Trick("HOG + SVM on edges, moved, equal shares", PUBLIC_DATA, balanced),
    Trick("labels of level simple", PUBLIC_DATA, own_labels),
    Trick("own generator, drawings", OTHER_DATA, other_key, KNOWN),
    Trick("own generator, drawings beside the public data", OTHER_DATA, both_keys, KNOWN),
    Trick("own generator, fitted: the likest drawings of eight keys", OTHER_DATA, likest, KNOWN, long=True),
)
