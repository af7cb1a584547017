"""HW15 in four levels: fine-tune what five characters taught, prototypes, one large classifier, turned characters too.

On `builtin`, small, the mean of three seeds: accuracy .464, .667, .761 and .792 on the public board in 8, 3, 6 and
18 seconds of one core (December 2026; docs/homeworks/hw15.md has spreads and tricks).

The levels of `small` learn an embedding (Chen and others, A Closer Look at Few-shot Classification, ICLR 2019; Snell,
Swersky and Zemel, Prototypical Networks, NeurIPS 2017). Those of `full` and of the course's own files are the course's:
first-order MAML, MAML, and MAML on turned characters (Finn, Abbeel and Levine, ICML 2017); ANIL (Raghu and others, ICLR
2020) is a setting. No query of a task is seen with another: batches are normalised by the support pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, cast

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from baselines import checkpoint
from baselines.characters import WAYS, Characters, read_characters, read_tasks
from baselines.common import main, rate, table
from baselines.run import Run

FILES = ("manifest.json",)
SUFFIX, THREADS, AUTO = ".csv", 1, "cuda"
MANY = 500  # characters from which on the levels are the course's
VALID = 64  # tasks of characters that are held out
PARTS = ("body.", "head.")
Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Config:
    """The settings of a level; the defaults are the course's sample code, in a smaller network."""

    method: Literal["transfer", "classifier", "prototypes", "maml"] = "transfer"
    first_order: bool = False  # MAML without second derivatives
    head_only: bool = False  # ANIL: MAML that adapts the head alone
    pretrained: bool = False  # MAML goes on from the body of the classifier
    turned: bool = False  # characters in four turns are four characters
    body: Literal["quick", "course"] = "quick"
    channels: int = 64  # of the last layer
    ways: int = 5  # characters of an episode, and of the transfer
    queries: int = 5  # pictures of each character of an episode, beside its support
    batch: int = 64  # pictures, or the tasks of MAML
    epochs: int = 2
    steps: int = 20  # of an epoch
    lr: float = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"
    inner_lr: float = 0.1  # of the adaptation to a task
    inner_steps: int = 1  # in training
    test_steps: int = 5
    scale: float = 10.0  # of the cosines of the classifier
    temperature: float = 3.0  # of the squared distances of the prototypes


CLASSIFIER = Config("classifier", epochs=5, steps=40, lr=2e-3, schedule="cosine")
LEVELS = {
    "simple": Config(head_only=True, steps=40, test_steps=10),
    "medium": Config("prototypes", epochs=6, lr=2e-3, schedule="cosine"),
    "strong": CLASSIFIER,
    "boss": replace(CLASSIFIER, epochs=16, turned=True),
}
MAML = Config("maml", body="course", batch=32, epochs=30, inner_lr=0.4, test_steps=10)
COURSE = {
    "simple": Config(body="course", ways=10),
    "medium": replace(MAML, first_order=True),
    "strong": MAML,
    "boss": replace(MAML, turned=True, epochs=150),
}


def settings(level: str, public: Path) -> Config:
    """The settings of a level for the data in `public`: the course's own where there are many characters."""
    characters = sum(1 for _ in (public / "Omniglot/images_background").glob("*/*/"))
    return (COURSE if characters >= MANY else LEVELS)[level]


class Norm(nn.BatchNorm2d):
    """Batch normalisation by the first `support` pictures alone, by no query (MetaBN, Bronskill and others, 2020)."""

    support = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.support:
            return super().forward(x)
        known = x[: self.support]  # (s, c, h, w)
        mean, variance = known.mean((0, 2, 3)), known.var((0, 2, 3), correction=0)
        factor = self.weight / torch.sqrt(variance + self.eps)
        return x * factor[:, None, None] + (self.bias - mean * factor)[:, None, None]


def layer(before: int, after: int, size: int = 3, stride: int = 1, pool: bool = False) -> list[nn.Module]:
    """A convolution, normalised; the maximum is taken before the norm, on a quarter of the pixels."""
    convolution = nn.Conv2d(before, after, size, stride, size // 2)
    return [convolution, *([nn.MaxPool2d(2)] if pool else []), Norm(after), nn.ReLU()]


def course_body(c: int) -> tuple[nn.Sequential, int]:
    """Four convolutions (Vinyals and others, Matching Networks, NeurIPS 2016) on 28, 14, 7 and 3 pixels; c features."""
    deeper = [module for _ in range(3) for module in layer(c, c, pool=True)]
    return nn.Sequential(*layer(1, c, pool=True), *deeper, nn.Flatten()), c


def quick_body(c: int) -> tuple[nn.Sequential, int]:
    """Three convolutions on 14, 14 and 7 pixels, and the means of 3 x 3 places, (9 c) features: quick on a CPU."""
    layers = [*layer(1, 3 * c // 8, 5, stride=2), *layer(3 * c // 8, 3 * c // 4, pool=True), *layer(3 * c // 4, c)]
    return nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten()), 9 * c


class Network(nn.Module):
    """A body that gives features, and a linear head."""

    def __init__(self, body: str, channels: int, classes: int) -> None:
        super().__init__()
        self.body, features = (quick_body if body == "quick" else course_body)(channels)
        self.head = nn.Linear(features, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 1, 28, 28) to (n, classes)."""
        return cast(torch.Tensor, self.head(self.body(x)))

    def embed(self, ink: torch.Tensor) -> torch.Tensor:
        """(n, 28, 28) to (n, features)."""
        return cast(torch.Tensor, self.body(ink[:, None].contiguous(memory_format=torch.channels_last)))

    def normalised_by(self, support: int) -> None:
        """By the first `support` pictures of each batch, or with 0 by all of them."""
        for module in self.modules():
            if isinstance(module, Norm):
                module.support = support


def cosines(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(..., n, d) and (..., m, d) to (..., n, m)."""
    return functional.normalize(x, dim=-1) @ functional.normalize(y, dim=-1).mT


def adapt(module: nn.Module, config: Config, steps: int, weights: Weights, x: torch.Tensor) -> Weights:
    """MAML's inner loop: the weights after steps of gradient descent on the supports x (5, ...), of the classes 0 to 4.

    First-order MAML takes the gradients for constants.
    """
    labels = torch.arange(len(x), device=x.device)

    def loss(fast: Weights) -> torch.Tensor:
        return functional.cross_entropy(functional_call(module, fast, (x,)), labels)

    for _ in range(steps):
        steepest = grad(loss)(weights)
        if config.first_order:
            steepest = {name: way.detach() for name, way in steepest.items()}
        weights = {name: weight - config.inner_lr * steepest[name] for name, weight in weights.items()}
    return weights


def after_adapting(network: Network, config: Config, steps: int, weights: Weights, task: torch.Tensor) -> torch.Tensor:
    """What the network says of the queries (q, 5) of a task (5 + q, 28, 28) once it has adapted to its supports.

    ANIL adapts the head alone, to features that stay (Raghu and others, ICLR 2020).
    """
    x, module = task[:, None], cast(nn.Module, network)
    if config.head_only:
        body, weights = ({name[5:]: w for name, w in weights.items() if name.startswith(part)} for part in PARTS)
        x, module = functional_call(network.body, body, (x,)), network.head
    fast = adapt(module, config, steps, weights, x[:WAYS])
    return functional_call(module, fast, (x,))[WAYS:]  # type: ignore[no-any-return]


def each(work: Callable[[Weights, torch.Tensor], torch.Tensor], weights: Weights, tasks: torch.Tensor) -> torch.Tensor:
    """`work` of each task: all at once on a GPU, one by one on a CPU, whose grouped convolutions are slow."""
    if tasks.device.type == "cuda":
        return vmap(work, in_dims=(None, 0))(weights, tasks)
    return torch.stack([work(weights, task) for task in tasks])


# The loss of one step


def classifier_loss(config: Config, network: Network, known: Characters, rng: torch.Generator) -> torch.Tensor:
    """Of some pictures among all characters: a linear head, or one of cosines (Gidaris and Komodakis, CVPR 2018)."""
    rows = torch.randint(known.ink.shape[0] * known.ink.shape[1], (config.batch,), generator=rng)
    features = network.embed(known.ink.flatten(0, 1)[rows])
    linear = config.method == "transfer"
    out = network.head(features) if linear else config.scale * cosines(features, network.head.weight)
    return functional.cross_entropy(out, (rows // known.ink.shape[1]).to(out.device))


def episode_loss(config: Config, network: Network, known: Characters, rng: torch.Generator) -> torch.Tensor:
    """Of an episode: queries go to the support with the nearest features (Prototypical Networks with one shot)."""
    episode = known.episode(config.ways, 1 + config.queries, rng)  # (1 + q, ways, 28, 28)
    features = network.embed(episode.flatten(0, 1)).float()
    ways = episode.shape[1]
    apart = torch.cdist(features[ways:], features[:ways]).square() / config.temperature  # (q * ways, ways)
    return functional.cross_entropy(-apart, torch.arange(ways, device=apart.device).repeat(config.queries))


def meta_loss(config: Config, network: Network, known: Characters, rng: torch.Generator) -> torch.Tensor:
    """MAML's outer loss: of the queries of some tasks, after adapting to the supports of each."""
    tasks = known.tasks(config.batch, config.queries, rng)
    work = partial(after_adapting, network, config, config.inner_steps)
    out = each(work, dict(network.named_parameters()), tasks)  # (tasks, 5 * q, 5)
    labels = torch.arange(WAYS, device=out.device).repeat(config.queries * len(out))
    return functional.cross_entropy(out.flatten(0, 1), labels)


LOSSES = {
    "transfer": classifier_loss, "classifier": classifier_loss, "prototypes": episode_loss, "maml": meta_loss
}  # fmt: skip


def guess(config: Config, network: Network, tasks: torch.Tensor) -> torch.Tensor:
    """The classes of the queries (t, q) of tasks (t, 5 + q, 28, 28)."""
    if config.method in ("transfer", "maml"):
        network.normalised_by(WAYS)
        weights = {name: weight.detach() for name, weight in network.named_parameters()}
        work = partial(after_adapting, network, replace(config, first_order=True), config.test_steps)
        return torch.cat([each(work, weights, some).argmax(dim=2) for some in torch.split(tasks, VALID)])
    found = []
    network.eval()
    with torch.inference_mode():
        for some in torch.split(tasks, VALID):
            features = network.embed(some.flatten(0, 1)).reshape(*some.shape[:2], -1)
            support, query = features[:, :WAYS], features[:, WAYS:]
            near = cosines(query, support) if config.method == "classifier" else -torch.cdist(query, support)
            found.append(near.argmax(dim=2))
    network.train()
    return torch.cat(found)


def new_network(config: Config, known: Characters, every: Characters, run: Run) -> Network:
    """A network with weights drawn by the seed, its body that of the classifier where the level goes on from it."""
    classes = {"classifier": len(known.ink), "transfer": config.ways}.get(config.method, WAYS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        network = Network(config.body, config.channels, classes)
    if config.pretrained:
        first = replace(CLASSIFIER, body=config.body, channels=config.channels)

        def make(inner: Run) -> None:
            body = learn(first, every, inner).body
            checkpoint.write(inner.folder / "body.safetensors", {"body": body.state_dict()})

        folder = run.shared("classifier", asdict(first), make)
        state = checkpoint.read(folder / "body.safetensors")
        assert state is not None, "shared folders are whole"
        network.body.load_state_dict(state["body"])
    return network.to(run.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def learn(config: Config, every: Characters, run: Run) -> Network:
    """A network that has learned from the characters by a level's method; a tenth of the alphabets validates."""
    rng = torch.Generator().manual_seed(run.seed)
    alphabets = torch.unique(every.alphabets)
    order = torch.randperm(len(alphabets), generator=rng)
    held = torch.isin(every.alphabets, alphabets[order[: -(-len(alphabets) // 10)]])
    known, others = every.taken(~held), every.taken(held)
    valid = (others if len(others.ink) >= WAYS else every).tasks(VALID, 1, rng).to(run.device)
    if config.method == "transfer":
        known = known.taken(torch.randperm(len(known.ink), generator=rng)[: config.ways])
    known = known.in_turns() if config.turned else known
    network = new_network(config, known, every, run)
    known = Characters(known.ink.to(run.device), known.alphabets)
    run.compiled(network)
    optimiser = torch.optim.Adam(network.parameters(), lr=config.lr)
    total = config.epochs * config.steps
    for epoch in run.epochs(config.epochs, {"network": network, "optimiser": optimiser, "rng": rng}):
        losses = torch.zeros((), device=run.device)
        network.normalised_by(WAYS if config.method == "maml" else 0)
        for step in range(epoch * config.steps, (epoch + 1) * config.steps):
            for group in optimiser.param_groups:
                group["lr"] = config.lr * rate(config.schedule, step, total)
            loss = LOSSES[config.method](config, network, known, rng)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses += loss.detach()
        right = guess(config, network, valid) == torch.arange(WAYS, device=run.device)
        run.log({"train_loss": float(losses) / config.steps, "valid_accuracy": float(right.float().mean())})
    return network


def train(config: Config, public: Path, run: Run) -> None:
    """Train a level, and write the class of every query."""
    network = learn(config, read_characters(public / "Omniglot/images_background"), run)
    classes = guess(config, network, read_tasks(public / "Omniglot-test").to(run.device)).flatten().tolist()
    run.finish(table(("id", "class"), [str(number) for number in range(len(classes))], list(map(str, classes))))


if __name__ == "__main__":
    raise SystemExit(main("hw15"))
