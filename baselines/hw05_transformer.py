"""HW5 in four levels: a GRU with attention, a Transformer, sub-words with beam search, back-translation.

BLEU on the small built-in world, public and private, mean ± standard deviation over the seeds 300-302:

    simple  21.698 ± 0.928  22.194 ± 0.336   83 s
    medium  57.922 ± 0.627  57.743 ± 0.852   94 s
    strong  68.197 ± 1.100  68.695 ± 0.315  122 s
    boss    77.514 ± 1.201  78.190 ± 1.209  369 s

Seconds of one core that other work shared (Intel Xeon, AMD EPYC), torch 2.13, 29 November 2026;
`python tests/bench/ladder.py hw5 --seeds 300-302`.
"""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.checkpoint import restore
from baselines.common import main, size_of
from baselines.run import Run, write_file
from baselines.seq2seq import Gru, Seq2Seq, Transformer, beam_search
from baselines.text import EOS, PAD, TAG, Pairs, Tokens, batches, padded, piece_tokens, trained_pieces, word_tokens
from tasks.base import UserError

FILES = ("ted2020/raw.en", "ted2020/raw.zh", "test/test.en", "ted_zh_corpus.deduped.gz")
SUFFIX, THREADS, AUTO = ".txt", 1, "cuda"


@dataclass(frozen=True)
class Config:
    """The settings of a level."""

    model: Literal["gru", "transformer"] = "transformer"
    tokens: Literal["words", "pieces"] = "pieces"  # English words and Chinese characters, or sentencepiece's sub-words
    pieces: int = 2500  # sub-words of English in addition to its letters
    pieces_zh: int = 300  # sub-words of Chinese in addition to its characters
    dim: int = 128
    layers: int = 2  # of the encoder and of the decoder
    heads: int = 4
    ffn: int = 384
    dropout: float = 0.1
    epochs: int = 12
    batch_tokens: int = 256  # of the longer side with its padding
    lr: float = 1e-3  # "constant"
    schedule: Literal["constant", "noam"] = "noam"
    factor: float = 1.0  # of Noam's rate, see `noam`
    warmup: int = 400  # steps
    cooldown: float = 0.0  # the share of the training, at its end, in which the rate falls to 0
    label_smoothing: float = 0.1
    clip_norm: float = 1.0  # of the gradient
    average_checkpoints: int = 1  # the weights of the last epochs that are averaged
    beam_size: int = 1
    length_penalty: float = 1.4  # the score of a hypothesis is its log probability / length^penalty
    back_translation: bool = False  # translate the monolingual Chinese into English and train on it too
    back_epochs: int = 8  # of the model from Chinese to English
    valid: int = 100  # pairs held out, whose loss is logged


STRONG = Config(cooldown=0.5, average_checkpoints=2, beam_size=4, epochs=6)
LEVELS = {
    "simple": Config("gru", "words", layers=1, batch_tokens=512, label_smoothing=0.0, schedule="constant", epochs=8),
    "medium": Config(tokens="words", batch_tokens=512, warmup=300, label_smoothing=0.0, epochs=5),
    "strong": STRONG,
    "boss": replace(STRONG, epochs=4, back_epochs=5, back_translation=True),
}


def settings(level: str, public: Path) -> Config:
    """The settings of a level: the course's, for a GPU, except on the small built-in text."""
    config = LEVELS[level]
    if size_of(public) == "small":
        return config
    wide = {"simple": 512, "medium": 256, "strong": 512, "boss": 512}[level]
    deep = {"simple": 1, "medium": 4, "strong": 4, "boss": 6}[level]
    return replace(
        config,
        pieces=8000,
        pieces_zh=4000,
        dim=wide,
        layers=deep,
        heads=wide // 64,
        ffn=4 * wide,
        batch_tokens=16384,
        epochs=15,
        back_epochs=10,
        warmup=4000,
        factor=2.0,
        valid=3000,
        lr=5e-4,
    )


# Data

REMARK = re.compile(r"[(（\[][^()（）\[\]]*[)）\]]")
SPEAKER = re.compile(r"^(?:[A-Z]{1,3}|[\u4e00-\u9fff]{1,3})[:：] *|^[-－♫] *")


def read_lines(path: Path) -> list[str]:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8").split("\n")[:-1]


def tidy(line: str) -> str:
    """A line without remarks in brackets, speakers' marks, dashes, quotes around it and double spaces."""
    line = SPEAKER.sub("", REMARK.sub(" ", line).strip())
    line = re.sub(r"--|——|♫", " ", line)
    return " ".join(line.strip().strip('"「」').split())


def clean(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Tidy pairs of similar lengths, as in the course's cleaning: neither side empty or much longer than the other."""
    kept = []
    for pair in pairs:
        en, zh = map(tidy, pair)
        ratio = (len(zh) + 3) / (len(en.split()) + 2)
        if en and zh and 0.6 < ratio < 4 and len(en) < 1000:
            kept.append((en, zh))
    return kept


def tokenizers(
    config: Config, english: Sequence[str], chinese: Sequence[str], alone: Sequence[str], run: Run
) -> tuple[Tokens, Tokens]:
    """For English and Chinese, learnt from the training pairs; sub-words of Chinese from the other text as well."""
    if config.tokens == "words":
        return word_tokens(english, " "), word_tokens(chinese, "")

    def make(work: Run) -> None:
        write_file(work.folder / "en.model", trained_pieces(english, config.pieces))
        write_file(work.folder / "zh.model", trained_pieces([*chinese, *alone], config.pieces_zh))

    known = {"pieces": [config.pieces, config.pieces_zh], "alone": len(alone), "valid": config.valid}
    folder = run.shared("pieces", known, make)
    return piece_tokens((folder / "en.model").read_bytes()), piece_tokens((folder / "zh.model").read_bytes())


# Training


def new_model(config: Config, sources: int, targets: int, seed: int) -> Seq2Seq:
    """A model from so many source tokens to so many target tokens, its weights drawn by the seed on the CPU."""
    torch.manual_seed(seed)
    if config.model == "gru":
        return Gru(sources, targets, config.dim, config.layers, config.dropout)
    return Transformer(sources, targets, config.dim, config.layers, config.heads, config.ffn, config.dropout)


def translate(
    model: Seq2Seq, sources: Sequence[list[int]], config: Config, device: str, beam_size: int
) -> list[list[int]]:
    """The translations of token rows, decoded in batches of similar length, hypotheses × longest at most so many."""
    order = sorted(range(len(sources)), key=lambda row: len(sources[row]))
    out: list[list[int]] = [[] for _ in sources]
    model.eval()
    with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, enabled=device == "cuda"):
        for rows in batches([len(row) + 1 for row in sources], 16 * config.batch_tokens // beam_size, order):
            source = padded([[*sources[row], EOS] for row in rows], device)
            found = beam_search(model, source, beam_size, config.length_penalty)
            for row, words in zip(rows, found, strict=True):
                out[row] = words
    return out


def noam(config: Config, step: int) -> float:
    """The learning rate dim^-0.5 min(step^-0.5, step warmup^-1.5) of Vaswani et al. (2017), times a factor."""
    return float(config.factor * config.dim**-0.5 * min(step**-0.5, step * config.warmup**-1.5))


def loss_of(model: Seq2Seq, source: Tensor, target: Tensor, label_smoothing: float) -> Tensor:
    """The mean cross-entropy of the target's tokens (Szegedy et al. 2016, for the smoothing)."""
    logits = model(source, target[:, :-1]).flatten(0, 1).float()  # (n (t - 1), v)
    return F.cross_entropy(logits, target[:, 1:].flatten().long(), ignore_index=PAD, label_smoothing=label_smoothing)


def fit(model: Seq2Seq, data: Pairs, valid: Pairs, config: Config, run: Run, epochs: int) -> None:
    """Train for `epochs` and leave the mean of the last ones' weights in the model (Vaswani et al. 2017, 6.1)."""
    weights = list(model.parameters())
    optimiser = torch.optim.Adam(weights, lr=config.lr, betas=(0.9, 0.98), eps=1e-9, fused=True)
    mean = [torch.zeros_like(weight) for weight in weights]
    count = {"steps": 0}
    run.compiled(model)
    autocast = torch.autocast("cuda", torch.bfloat16, enabled=run.device == "cuda")
    for epoch in run.epochs(epochs, {"weights": weights, "mean": mean, "optimiser": optimiser, "count": count}):
        model.train()
        losses: list[Tensor] = []
        groups = data.groups(config.batch_tokens, random.Random(f"{run.seed} {epoch}"))
        for number, (rows, s, t) in enumerate(groups):
            count["steps"] += 1
            rate = config.lr if config.schedule == "constant" else noam(config, count["steps"])
            left = 1 - (epoch + number / len(groups)) / epochs
            if left < config.cooldown:
                rate *= left / config.cooldown
            for group in optimiser.param_groups:
                group["lr"] = rate
            with autocast:
                loss = loss_of(model, data.sources[rows, :s], data.targets[rows, :t], config.label_smoothing)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(weights, config.clip_norm)
            optimiser.step()
            losses.append(loss.detach())
        model.eval()
        with torch.inference_mode():
            checks = [
                loss_of(model, valid.sources[rows, :s], valid.targets[rows, :t], 0.0)
                for rows, s, t in valid.groups(config.batch_tokens, random.Random(0))
            ]
        if epoch >= epochs - config.average_checkpoints:
            with torch.no_grad():
                for mixed, weight in zip(mean, weights, strict=True):
                    mixed.add_(weight, alpha=1 / min(config.average_checkpoints, epochs))
        run.log({"train_loss": float(torch.stack(losses).mean()), "valid_loss": float(torch.stack(checks).mean())})
    restore(weights, mean)


def back_translated(
    config: Config, data: Pairs, valid: Pairs, alone: Sequence[list[int]], en: Tokens, zh: Tokens, run: Run
) -> list[str]:
    """English for monolingual Chinese, by a model trained in the other direction (Sennrich et al. 2016)."""

    def make(work: Run) -> None:
        model = new_model(config, zh.size, en.size, run.seed + 1).to(run.device)
        fit(model, data, valid, config, work, config.back_epochs)
        lines = [en.decode(row) for row in translate(model, alone, config, run.device, 1)]
        write_file(work.folder / "back_translated.en", "".join(line + "\n" for line in lines).encode())

    return read_lines(run.shared("back_translation", asdict(config), make) / "back_translated.en")


def train(config: Config, public: Path, run: Run) -> None:
    """Train one level and write a translation of each test line."""
    english, chinese, test, mono = (read_lines(public / name) for name in FILES)
    pairs = clean(list(zip(english, chinese, strict=True)))
    alone = [line for line in map(tidy, mono) if line] if config.back_translation else []
    if config.back_translation and not alone:
        raise UserError(f"{public / FILES[3]}: this level back-translates the monolingual text, but the file is empty.")
    random.Random(run.seed).shuffle(pairs)
    english, chinese = ([pair[side] for pair in pairs] for side in (0, 1))
    en, zh = tokenizers(config, english[config.valid :], chinese[config.valid :], alone, run)
    ens, zhs = en.encode(english), zh.encode(chinese)
    held_ens, held_zhs, ens, zhs = ens[: config.valid], zhs[: config.valid], ens[config.valid :], zhs[config.valid :]
    if config.back_translation:
        data, valid = Pairs.of(zhs, ens, run.device), Pairs.of(held_zhs, held_ens, run.device)
        rows = zh.encode(alone)
        made = en.encode(back_translated(config, data, valid, rows, en, zh, run))
        # People's pairs count twice; the others begin with a tag (Caswell et al. 2019).
        ens, zhs = ens * 2 + [[TAG, *row] for row in made], zhs * 2 + rows
    model = new_model(config, en.size, zh.size, run.seed).to(run.device)
    data, valid = Pairs.of(ens, zhs, run.device), Pairs.of(held_ens, held_zhs, run.device)
    fit(model, data, valid, config, run, config.epochs)
    found = translate(model, en.encode([tidy(line) for line in test]), config, run.device, config.beam_size)
    lines = [" ".join(zh.decode(row).split()) or "<unk>" for row in found]
    run.finish("".join(line + "\n" for line in lines).encode())


if __name__ == "__main__":
    raise SystemExit(main("hw05"))
