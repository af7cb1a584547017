"""HW7 in four levels: windows of a paragraph, whole paragraphs, pre-training on text, an ensemble over spans.

On `builtin`, small, the mean of six seeds: exact match .280, .415, .471 and .573 on the public board in 31, 62, 65
and 150 seconds of one core, and 50 of pre-training (December 2026; docs/homeworks/hw07.md has spreads and tricks).

The reader (baselines/reading.py) learns on one core in place of a BERT; `--set pretrained=FOLDER` fine-tunes one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from baselines import checkpoint, pretrained
from baselines.common import main, size_of
from baselines.reading import NEVER, Reader
from baselines.run import Run
from baselines.spans import Asked, Batch, Maker, Signs, Spans, clozes, read_questions, submission

FILES = ("manifest.json",)
PARTS, TEXT = ("hw7_train.json", "hw7_dev.json", "hw7_test.json"), "hw7_text.txt"
SUFFIX, THREADS, AUTO = ".csv", 1, "cuda"
LONGEST = 1000  # characters of a line of text


@dataclass(frozen=True)
class Config:
    """The settings of a level; the defaults are those of the course's sample code where it has them."""

    window: int = 150  # characters of a paragraph that are read at once
    stride: int = 150  # characters from one window to the next
    centred: bool = True  # in training the answer is in the middle of its window, as far as the paragraph reaches
    pretrain: int = 0  # epochs of `clozes` on the text without questions, before the questions
    lines: int = 1600  # of that text in an epoch
    dim: int = 64
    blocks: int = 1  # of self-attention
    heads: int = 4
    width: int = 64  # of what is known about a question at each place
    summaries: int = 24  # of a question, each with another match
    dropout: float = 0.1
    epochs: int = 4
    batch: int = 8  # paragraphs, each with all its questions
    lr: float = 2e-3
    schedule: Literal["constant", "linear"] = "constant"
    warmup: int = 50  # steps
    weight_decay: float = 0.01
    clip: float = 1.0  # largest norm of the gradient
    longest: int = 0  # characters of an answer whose end is looked for after its start; 0: both alone
    ensemble: int = 1  # networks whose logits are averaged
    valid: int = 100  # questions of the dev file that each epoch answers
    pretrained: str = ""  # folder of an encoder and its tokenizer in Hugging Face's layout


WHOLE = Config(window=480, stride=240, centred=False, pretrain=1, epochs=6, schedule="linear")
LEVELS = {
    "simple": Config(),
    "medium": replace(WHOLE, pretrain=0),
    "strong": WHOLE,
    "boss": replace(WHOLE, ensemble=2, epochs=7, longest=30),
}


def settings(level: str, public: Path) -> Config:
    """The settings of a level: wider on the course's data, for a GPU."""
    config = LEVELS[level]
    if size_of(public) == "small":
        return config
    return replace(config, dim=256, width=256, blocks=2, summaries=64, batch=32, lr=5e-4, lines=50_000, warmup=500)


# Windows


def begins(length: int, window: int, stride: int) -> list[int]:
    """Where the windows of a paragraph begin; the last one ends where the paragraph does."""
    return [*range(0, max(1, length - window), stride)] + ([length - window] if length > window else [])


def window_of(config: Config, length: int, span: tuple[int, int], rng: random.Random) -> int:
    """Where the training window of an answer begins: `centred` on it, or anywhere around it."""
    last = max(0, length - config.window)
    if config.centred:
        return max(0, min(sum(span) // 2 - config.window // 2, last))
    low = max(0, min(span[1] - config.window + 1, last))
    return rng.randint(low, max(low, min(span[0], last)))


def training_batches(
    config: Config, make: Maker, texts: Sequence[str], asked: Sequence[Asked], rng: random.Random
) -> Iterator[Spans]:
    """The questions of some paragraphs at a time, in random order; questions with the same window share it."""
    of_paragraph: dict[int, list[Asked]] = {}
    for one in asked:
        of_paragraph.setdefault(one.paragraph, []).append(one)
    order = rng.sample(sorted(of_paragraph), len(of_paragraph))
    for at in range(0, len(order), config.batch):
        windows: dict[tuple[int, int], int] = {}
        rows = []
        for number in order[at : at + config.batch]:
            for one in of_paragraph[number]:
                begin = window_of(config, len(texts[number]), one.spans[0], rng)
                rows.append((windows.setdefault((number, begin), len(windows)), one, begin))
        parts = [texts[number][begin : begin + config.window] for number, begin in windows]
        yield make(parts, rows)


# Pre-training


def cloze_batches(config: Config, make: Maker, text: Sequence[str], rng: random.Random) -> Iterator[Spans]:
    """Questions that some lines of text give, a sentence of each line, in random order."""
    order = rng.sample(range(len(text)), min(config.lines, len(text)))
    for at in range(0, len(order), config.batch):
        made = [clozes(text[number][-LONGEST:], rng) for number in order[at : at + config.batch]]
        made = [one for one in made if one[1]]
        if made:
            rows = [(window, one, 0) for window, (_, asked) in enumerate(made) for one in asked]
            yield make([rest for rest, _ in made], rows)


# Training


def new_network(config: Config, signs: Signs, seed: int) -> Reader:
    torch.manual_seed(seed)
    return Reader(
        len(signs.number), config.dim, config.blocks, config.heads, config.dropout, config.width, config.summaries
    )


def epoch_of(
    config: Config, network: nn.Module, optimiser: Any, batches: Iterator[Spans], about: int, epoch: int, epochs: int
) -> float:
    """One epoch of about so many steps of training; the mean loss."""
    losses, cuda = [], next(network.parameters()).is_cuda
    network.train()
    for number, batch in enumerate(batches):
        done = epoch + min(number / about, 1)
        rate = min(1.0, (epoch * about + number + 1) / config.warmup)
        if config.schedule == "linear":
            rate *= 1 - done / epochs
        for group in optimiser.param_groups:
            group["lr"] = config.lr * rate
        with torch.autocast("cuda", torch.bfloat16, enabled=cuda):
            loss = batch.loss(network)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), config.clip)
        optimiser.step()
        losses.append(loss.detach())
    return float(torch.stack(losses).mean()) if losses else 0.0


def optimiser_of(config: Config, network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True)


def pre_trained(config: Config, signs: Signs, make: Maker, text: Sequence[str], run: Run) -> Any:
    """The state of a network after `pretrain` epochs of clozes, made once for all levels that want the same."""
    config = replace(config, schedule="linear")

    def train_on(work: Run) -> None:
        network = new_network(config, signs, run.seed).to(run.device)
        optimiser = optimiser_of(config, network)
        about = max(1, min(config.lines, len(text)) // config.batch)
        for epoch in work.epochs(config.pretrain, {"network": network, "optimiser": optimiser}):
            batches = cloze_batches(config, make, text, random.Random(f"{run.seed} text {epoch}"))
            loss = epoch_of(config, network, optimiser, batches, about, epoch, config.pretrain)
            work.log({"train_loss": loss})
        checkpoint.write(work.folder / "network.safetensors", {"network": checkpoint.captured(network)})

    names = ("pretrain", "lines", "dim", "blocks", "heads", "width", "summaries", "dropout", "batch", "lr", "warmup")
    known = {name: getattr(config, name) for name in names}
    state = checkpoint.read(run.shared("clozes", known, train_on) / "network.safetensors")
    assert state is not None, "shared folders are whole"
    return state["network"]


# Answers


@dataclass(frozen=True)
class Window:
    """A window of the paragraph of a question (by number), and where it begins."""

    question: int
    begin: int
    text: str


def windows_of(config: Config, texts: Sequence[str], asked: Sequence[Asked]) -> list[Window]:
    """All windows of all questions."""
    return [
        Window(number, begin, texts[one.paragraph][begin : begin + config.window])
        for number, one in enumerate(asked)
        for begin in begins(len(texts[one.paragraph]), config.window, config.stride)
    ]


def scores(
    config: Config, network: nn.Module, make: Maker, windows: Sequence[Window], asked: Sequence[Asked], device: str
) -> Tensor:
    """Log-probabilities of start and end at each place of each window (n, 2, window)."""
    network.eval()
    out = torch.full((len(windows), 2, config.window), 2 * NEVER)
    order = sorted(range(len(windows)), key=lambda at: (len(windows[at].text), windows[at].text))
    with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, enabled=device == "cuda"):
        for at in range(0, len(order), 64):
            here = order[at : at + 64]
            texts = list(dict.fromkeys(windows[number].text for number in here))
            rows = [(texts.index(windows[n].text), asked[windows[n].question], 0) for n in here]
            found = make(texts, rows).logits(network)
            for side, logits in enumerate(found):
                out[here, side, : logits.shape[1]] = logits.log_softmax(1).cpu()
    return out


def best_span(config: Config, found: Sequence[tuple[Window, Tensor]]) -> str:
    """The answer of the best window; without `longest` start and end are chosen alone, as in the sample code."""
    best, answer = -float("inf"), ""
    for window, (start, end) in found:
        if config.longest:
            size = len(window.text)
            pairs = start[:size, None] + end[None, :size]
            allowed = torch.ones_like(pairs).triu().tril(config.longest - 1)
            value, at = pairs.masked_fill(allowed == 0, -float("inf")).flatten().max(0)
            first, last = divmod(int(at), size)
        else:
            first, last = int(start.argmax()), int(end.argmax())
            value = start.max() + end.max()
        if float(value) > best:
            best, answer = float(value), window.text[first : last + 1]
    return answer


def answers(config: Config, windows: Sequence[Window], found: Tensor, count: int) -> list[str]:
    """The answer of each question, without ASCII commas, as the course writes them."""
    of_question: list[list[tuple[Window, Tensor]]] = [[] for _ in range(count)]
    for window, one in zip(windows, found, strict=True):
        of_question[window.question].append((window, one))
    return [best_span(config, here).replace(",", "") for here in of_question]


def train(config: Config, public: Path, run: Run) -> None:
    """Train the networks of a level one after another, and write the answers that they give together."""
    texts, known, _ = read_questions(public / PARTS[0])
    valid_texts, valid, _ = read_questions(public / PARTS[1])
    test_texts, asked, ids = read_questions(public / PARTS[2])
    make: Maker
    if config.pretrained:
        torch.manual_seed(run.seed)  # for the head, where the folder has none
        network, make = pretrained.loaded(Path(config.pretrained), run.device)
        starts = [checkpoint.captured(network)] * config.ensemble
    else:
        extra = public / TEXT  # the course has no text but its paragraphs
        text = extra.read_text(encoding="utf-8").splitlines() if extra.exists() else texts
        signs = Signs.of([*texts, *valid_texts, *test_texts, *text, *(one.text for one in (*known, *valid, *asked))])
        make = partial(Batch.of, signs, run.device)
        network = new_network(config, signs, run.seed).to(run.device)
        starts = [new_network(config, signs, run.seed + at).state_dict() for at in range(config.ensemble)]
        if config.pretrain:
            starts = [pre_trained(config, signs, make, text, run)] * config.ensemble
    starts = [{name: weight.clone() for name, weight in start.items()} for start in starts]

    valid = valid[: config.valid]
    checks, windows = windows_of(config, valid_texts, valid), windows_of(config, test_texts, asked)
    optimiser = optimiser_of(config, network)
    run.compiled(network)
    votes = torch.zeros(len(windows), 2, config.window)
    about = -(-len({one.paragraph for one in known}) // config.batch)
    parts = {"network": network, "optimiser": optimiser, "votes": votes}
    for epoch in run.epochs(config.ensemble * config.epochs, parts):
        member, own = divmod(epoch, config.epochs)
        if own == 0:
            checkpoint.restore(network, starts[member])
            optimiser.state.clear()
        rng = random.Random(f"{run.seed} {epoch}")
        batches = training_batches(config, make, texts, known, rng)
        loss = epoch_of(config, network, optimiser, batches, about, own, config.epochs)
        guess = answers(config, checks, scores(config, network, make, checks, valid, run.device), len(valid))
        right = [valid_texts[one.paragraph][one.spans[0][0] : one.spans[0][1] + 1] for one in valid]
        hits = [said == wanted.replace(",", "") for said, wanted in zip(guess, right, strict=True)]
        run.log({"train_loss": loss, "valid_exact_match": sum(hits) / max(1, len(hits))})
        if own == config.epochs - 1:
            votes += scores(config, network, make, windows, asked, run.device) / config.ensemble
    run.finish(submission(ids, answers(config, windows, votes, len(asked))))


if __name__ == "__main__":
    raise SystemExit(main("hw07"))
