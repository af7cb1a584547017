"""HW5 in four levels: a GRU with attention, a Transformer, sub-words with beam search, back-translation."""

from __future__ import annotations

import gzip
import io
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from baselines.common import main, size_of
from baselines.run import Run, write_file
from tasks.base import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

FILES = ("ted2020/raw.en", "ted2020/raw.zh", "test/test.en", "ted_zh_corpus.deduped.gz")
SUFFIX, THREADS, AUTO = ".txt", 1, "cuda"
PAD, BOS, EOS, UNK, TAG = range(5)  # TAG is the first token of a source made by back-translation (Caswell et al. 2019)
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "<bt>")


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
    factor: float = 1.0  # of Noam's rate, dim^-0.5 min(step^-0.5, step warmup^-1.5) (Vaswani et al. 2017)
    warmup: int = 400  # steps
    cooldown: float = 0.0  # the share of the training, at its end, in which the rate falls to 0
    smoothing: float = 0.1  # of the labels
    clip: float = 1.0  # norm of the gradient
    average: int = 1  # the weights of the last epochs that are averaged
    beam: int = 1
    length_power: float = 1.4  # the score of a hypothesis is its log probability / length^power
    back: bool = False  # translate the monolingual Chinese into English and train on it too
    back_epochs: int = 8  # of the model from Chinese to English
    valid: int = 100  # pairs held out, whose loss is logged


LEVELS = {
    "simple": Config(
        model="gru", tokens="words", layers=1, batch_tokens=512, smoothing=0.0, schedule="constant", epochs=10
    ),
    "medium": Config(tokens="words", batch_tokens=512, warmup=300, smoothing=0.0, epochs=6),
    "strong": Config(cooldown=0.5, average=2, beam=4, epochs=9),
    "boss": Config(cooldown=0.5, average=2, beam=4, epochs=6, back=True, back_epochs=8),
}


def settings(level: str, public: Path) -> Config:
    """The settings of a level: the course's, for a GPU, except on the small built-in text."""
    config = LEVELS[level]
    if size_of(public) == "small":
        return config
    wide = {"simple": 512, "medium": 256, "strong": 512, "boss": 512}[level]
    deep = {"simple": 1, "medium": 4, "strong": 4, "boss": 6}[level]
    return replace(
        config, pieces=8000, pieces_zh=4000, dim=wide, layers=deep, heads=wide // 64, ffn=4 * wide, batch_tokens=16384,
        epochs=15, back_epochs=10, warmup=4000, factor=2.0, valid=3000, lr=5e-4,
    )  # fmt: skip


# Text

REMARK = re.compile(r"[(（\[][^()（）\[\]]*[)）\]]")
SPEAKER = re.compile(r"^(?:[A-Z]{1,3}|[\u4e00-\u9fff]{1,3})[:：] *|^[-－♫] *")
WORD = re.compile(r"[A-Za-z']+|[0-9]+(?:[.,][0-9]+)*|[^\sA-Za-z0-9]")


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


@dataclass(frozen=True)
class Tokens:
    """Text to numbers and back: by a list of words, or by a sentencepiece model."""

    size: int
    encode: Callable[[str], list[int]]
    decode: Callable[[Sequence[int]], str]


def word_tokens(lines: Sequence[str], glue: str) -> Tokens:
    """Words, numbers, Chinese characters and marks that appear at least twice, joined by `glue`."""
    counts = Counter(word for line in lines for word in WORD.findall(line))
    names = [*SPECIAL, *(word for word, count in sorted(counts.items(), key=lambda x: (-x[1], x[0])) if count > 1)]
    place = {word: number for number, word in enumerate(names)}
    return Tokens(
        len(names),
        lambda line: [place.get(word, UNK) for word in WORD.findall(line)],
        lambda numbers: glue.join(names[number] for number in numbers if number > TAG),
    )


def piece_tokens(lines: Sequence[str], pieces: int, path: Path) -> Tokens:
    """Sub-words by byte pair encoding (Sennrich et al. 2016); the model is trained once and kept at `path`.

    Its merges go by frequency, so the common words of a small text stay whole; a unigram model splits many of them.
    """
    try:
        import sentencepiece
    except ModuleNotFoundError:
        raise UserError(
            "this level needs sentencepiece, which is not installed; install it with: pip install sentencepiece"
        ) from None
    if not path.exists():
        written, vocabulary = io.BytesIO(), pieces + len(set().union(*lines))
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=written, model_type="bpe", vocab_size=vocabulary,
            hard_vocab_limit=False, character_coverage=1.0, num_threads=1, pad_id=PAD, bos_id=BOS, eos_id=EOS,
            unk_id=UNK, user_defined_symbols=[SPECIAL[TAG]], minloglevel=2, input_sentence_size=1_000_000,
        )  # fmt: skip
        write_file(path, written.getvalue())
    model = sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes())

    def decode(numbers: Sequence[int]) -> str:
        return str(model.decode([number for number in numbers if number > TAG]))

    return Tokens(model.get_piece_size(), lambda line: list(model.encode(line)), decode)


def read_lines(path: Path) -> list[str]:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8").split("\n")[:-1]


@dataclass(frozen=True)
class Batches:
    """Pairs of token rows on the device, padded: sources (n, s) end with EOS, targets (n, t) begin BOS and end EOS."""

    sources: Tensor
    targets: Tensor
    lengths: list[tuple[int, int]]

    @staticmethod
    def of(sources: Sequence[list[int]], targets: Sequence[list[int]], device: str) -> Batches:
        left, right = [[*row, EOS] for row in sources], [[BOS, *row, EOS] for row in targets]
        lengths = [(len(one), len(other)) for one, other in zip(left, right, strict=True)]
        return Batches(padded(left, device), padded(right, device), lengths)

    def groups(self, limit: int, rng: random.Random) -> list[tuple[list[int], int, int]]:
        """Rows of similar length in batches of at most `limit` tokens with padding, in random order, with lengths."""
        order = list(range(len(self.lengths)))
        rng.shuffle(order)
        order.sort(key=lambda row: self.lengths[row][1] + self.lengths[row][0] / 4 + rng.random() * 3)
        out: list[tuple[list[int], int, int]] = []
        rows: list[int] = []
        s = t = 0
        for row in order:
            one, other = self.lengths[row]
            if rows and (len(rows) + 1) * max(s, t, one, other) > limit:
                out.append((rows, s, t))
                rows, s, t = [], 0, 0
            rows.append(row)
            s, t = max(s, one), max(t, other)
        out.append((rows, s, t))
        rng.shuffle(out)
        return out


def padded(rows: Sequence[Sequence[int]], device: str) -> Tensor:
    import numpy as np
    import torch

    out = np.zeros((len(rows), max(map(len, rows))), dtype=np.int32)
    for place, row in enumerate(rows):
        out[place, : len(row)] = row
    return torch.from_numpy(out).to(device)


# Models. `memory(source)` is the state that a decoder starts from, tensors with the batch as first axis; `step(tokens,
# state)` takes tokens (n, k) after those before and gives logits (n, k, v) and the state after them.

State = dict[str, "Tensor"]
FIXED = ("mask", "seen", "cross")  # parts that depend only on the source, the same for all hypotheses of a sentence


def gru_model(config: Config, sources: int, targets: int) -> nn.Module:
    """A bidirectional GRU encoder and a GRU decoder with attention (Luong et al. 2015)."""
    import torch
    from torch import nn
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    class Gru(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            d = config.dim
            self.source, self.target = nn.Embedding(sources, d), nn.Embedding(targets, d)
            self.encoder = nn.GRU(d, d // 2, config.layers, batch_first=True, bidirectional=True)
            self.decoder = nn.GRU(d, d, config.layers, batch_first=True)
            self.mix, self.out, self.drop = nn.Linear(2 * d, d), nn.Linear(d, targets), nn.Dropout(config.dropout)

        def memory(self, source: Tensor) -> State:
            mask = source != PAD
            packed = pack_padded_sequence(self.drop(self.source(source)), mask.sum(1).cpu(), True, False)
            outputs, last = self.encoder(packed)
            seen = pad_packed_sequence(outputs, True, total_length=source.shape[1])[0]
            last = last.unflatten(0, (config.layers, 2)).transpose(1, 2).flatten(2)
            return {"seen": seen, "mask": mask, "hidden": last.transpose(0, 1).contiguous()}

        def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
            h, hidden = self.decoder(self.drop(self.target(tokens)), state["hidden"].transpose(0, 1).contiguous())
            score = (h @ state["seen"].transpose(1, 2)) * h.shape[-1] ** -0.5
            weight = score.masked_fill(~state["mask"][:, None], -1e4).softmax(-1)
            mixed = torch.tanh(self.mix(torch.cat([weight @ state["seen"], h], -1)))
            return self.out(self.drop(mixed)), {**state, "hidden": hidden.transpose(0, 1).contiguous()}

    return Gru()


def transformer_model(config: Config, sources: int, targets: int) -> nn.Module:
    """A pre-norm Transformer; the embedding matrix of the target also gives the logits."""
    import torch
    from torch import nn
    from torch.nn.functional import scaled_dot_product_attention

    d = config.dim

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.query, self.out = nn.LayerNorm(d), nn.Linear(d, d), nn.Linear(d, d)
            self.pair = nn.Linear(d, 2 * d)

        def pairs(self, x: Tensor) -> tuple[Tensor, Tensor]:
            """Keys and values (n, heads, length, d / heads)."""
            key, value = self.pair(x).unflatten(-1, (2, config.heads, -1)).unbind(2)
            return key.transpose(1, 2), value.transpose(1, 2)

        def forward(self, x: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
            query = self.query(x).unflatten(-1, (config.heads, -1)).transpose(1, 2)
            mixed = scaled_dot_product_attention(query, key, value, mask).transpose(1, 2).flatten(2)
            out: Tensor = self.out(mixed)
            return out

    class Layer(nn.Module):
        def __init__(self, decoder: bool) -> None:
            super().__init__()
            self.self = Attention()
            self.cross = Attention() if decoder else None
            wide, narrow = nn.Linear(d, config.ffn), nn.Linear(config.ffn, d)
            self.feed = nn.Sequential(nn.LayerNorm(d), wide, nn.ReLU(), nn.Dropout(config.dropout), narrow)
            self.drop = nn.Dropout(config.dropout)

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.source, self.target = nn.Embedding(sources, d), nn.Embedding(targets, d)
            self.encoder: Any = nn.ModuleList(Layer(False) for _ in range(config.layers))
            self.decoder: Any = nn.ModuleList(Layer(True) for _ in range(config.layers))
            self.encoded, self.decoded, self.drop = nn.LayerNorm(d), nn.LayerNorm(d), nn.Dropout(config.dropout)
            for weight in self.parameters():
                if weight.ndim == 2:
                    nn.init.xavier_uniform_(weight)
            for table in (self.source, self.target):
                nn.init.normal_(table.weight, std=d**-0.5)

        def embedded(self, table: nn.Embedding, tokens: Tensor, start: int) -> Tensor:
            place = torch.arange(start, start + tokens.shape[1], device=tokens.device)[:, None]
            turn = place * torch.exp(torch.arange(0, d, 2, device=tokens.device) * (-math.log(1e4) / d))
            out: Tensor = self.drop(table(tokens) * d**0.5 + torch.cat([turn.sin(), turn.cos()], 1))
            return out

        def memory(self, source: Tensor) -> State:
            mask = (source != PAD)[:, None, None]
            x = self.embedded(self.source, source, 0)
            for layer in self.encoder:
                y = layer.self.norm(x)
                x = x + layer.drop(layer.self(y, *layer.self.pairs(y), mask))
                x = x + layer.drop(layer.feed(x))
            state, x = {"mask": mask}, self.encoded(x)
            for number, layer in enumerate(self.decoder):
                state[f"cross key {number}"], state[f"cross value {number}"] = layer.cross.pairs(x)
            return state

        def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
            before = state["key 0"].shape[2] if "key 0" in state else 0
            after = before + tokens.shape[1]
            place = torch.arange(after, device=tokens.device)
            causal = None if tokens.shape[1] == 1 else place[before:, None] >= place
            x, state = self.embedded(self.target, tokens, before), dict(state)
            for number, layer in enumerate(self.decoder):
                y = layer.self.norm(x)
                for name, new in zip((f"key {number}", f"value {number}"), layer.self.pairs(y), strict=True):
                    state[name] = torch.cat([state[name], new], 2) if before else new
                x = x + layer.drop(layer.self(y, state[f"key {number}"], state[f"value {number}"], causal))
                y = layer.cross.norm(x)
                cross = layer.cross(y, state[f"cross key {number}"], state[f"cross value {number}"], state["mask"])
                x = x + layer.drop(cross)
                x = x + layer.drop(layer.feed(x))
            return self.decoded(x) @ self.target.weight.T, state

    return Transformer()


def new_model(config: Config, sources: int, targets: int, seed: int) -> nn.Module:
    import torch

    torch.manual_seed(seed)
    return (gru_model if config.model == "gru" else transformer_model)(config, sources, targets)


def loss_of(model: Any, source: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """The mean cross-entropy of the target's tokens."""
    from torch.nn.functional import cross_entropy

    logits, _ = model.step(target[:, :-1], model.memory(source))
    return cross_entropy(
        logits.flatten(0, 1).float(), target[:, 1:].flatten().long(), ignore_index=PAD, label_smoothing=smoothing
    )


# Decoding


def beam_search(model: Any, source: Tensor, beam: int, power: float) -> list[list[int]]:
    """The best hypothesis for each source (n, s), of at most 1.5 s + 10 tokens; the state keeps earlier steps."""
    import torch

    n, device = len(source), source.device
    state = model.memory(source)
    tokens = torch.full((n, 1), BOS, device=device, dtype=torch.long)
    scores = torch.zeros(n, 1, device=device)
    done = torch.zeros(n, 1, dtype=torch.bool, device=device)
    words = torch.zeros(n, 1, 0, dtype=torch.long, device=device)
    lengths = torch.zeros(n, 1, device=device)
    for _ in range(source.shape[1] * 3 // 2 + 10):
        logits, state = model.step(tokens.reshape(-1, 1), state)
        logits = logits[:, -1].float()
        logits[:, [PAD, BOS, UNK, TAG]] = -torch.inf
        chances = logits.log_softmax(-1).unflatten(0, (n, -1))
        size = chances.shape[-1]
        chances = chances.masked_fill(done[..., None], -torch.inf)
        chances[..., PAD] = torch.where(done, 0.0, chances[..., PAD])
        scores, best = (scores[..., None] + chances).flatten(1).topk(beam)
        parent, tokens = best // size, best % size
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
    judged = torch.where(done, 0.0, -1e4) + scores / lengths**power
    best = judged.argmax(1)
    chosen = words[torch.arange(n, device=device), best].tolist()
    return [[word for word in row if word > TAG] for row in chosen]


def translate(model: Any, sources: Sequence[list[int]], config: Config, device: str, beam: int) -> list[list[int]]:
    """The translations of token rows, decoded in batches of similar length."""
    import torch

    order = sorted(range(len(sources)), key=lambda row: len(sources[row]))
    out: list[list[int]] = [[] for _ in sources]
    model.eval()
    many = max(1, 16 * config.batch_tokens // (beam * 32))
    with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, enabled=device == "cuda"):
        for start in range(0, len(order), many):
            rows = order[start : start + many]
            batch = padded([[*sources[row], EOS] for row in rows], device)
            found = beam_search(model, batch, beam, config.length_power)
            for row, words in zip(rows, found, strict=True):
                out[row] = words
    return out


# Training


def fit(
    model: Any, data: Batches, valid: Batches, config: Config, run: Run, epochs: int
) -> None:  # fmt: skip
    """Train for `epochs` and leave averaged weights in the model."""
    import torch

    weights = list(model.parameters())
    optimiser = torch.optim.Adam(weights, lr=config.lr, betas=(0.9, 0.98), eps=1e-9, fused=True)
    mean = [torch.zeros_like(weight) for weight in weights]
    count = {"steps": 0}
    parts = {"weights": weights, "mean": mean, "optimiser": optimiser, "count": count}
    for epoch in run.epochs(epochs, parts):
        model.train()
        losses: list[Tensor] = []
        groups = data.groups(config.batch_tokens, random.Random(f"{run.seed} {epoch}"))
        for number, (rows, s, t) in enumerate(groups):
            count["steps"] += 1
            steps = count["steps"]
            left = 1 - (epoch + number / len(groups)) / epochs
            rate = config.lr
            if config.schedule == "noam":
                rate = config.factor * config.dim**-0.5 * min(steps**-0.5, steps * config.warmup**-1.5)
            if left < config.cooldown:
                rate *= left / config.cooldown
            for group in optimiser.param_groups:
                group["lr"] = rate
            index = torch.tensor(rows, device=run.device)
            with torch.autocast("cuda", torch.bfloat16, enabled=run.device == "cuda"):
                loss = loss_of(model, data.sources[index, :s], data.targets[index, :t], config.smoothing)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(weights, config.clip)
            optimiser.step()
            losses.append(loss.detach())
        model.eval()
        with torch.inference_mode():
            checks = [
                loss_of(model, valid.sources[rows, :s], valid.targets[rows, :t], 0.0)
                for rows, s, t in valid.groups(config.batch_tokens, random.Random(0))
            ]
        with torch.no_grad():
            if epoch >= epochs - config.average:
                for mixed, weight in zip(mean, weights, strict=True):
                    mixed.add_(weight, alpha=1 / min(config.average, epochs))
        run.log({"train_loss": float(torch.stack(losses).mean()), "valid_loss": float(torch.stack(checks).mean())})
    with torch.no_grad():
        for weight, total in zip(weights, mean, strict=True):
            weight.copy_(total)


def train(config: Config, public: Path, run: Run) -> None:
    """Train one level and write a translation of each test line."""
    english, chinese, test, mono = (read_lines(public / name) for name in FILES)
    pairs = clean(list(zip(english, chinese, strict=True)))
    alone = [line for line in map(tidy, mono) if line] if config.back else []
    if config.back and not alone:
        raise UserError(f"{public / FILES[3]}: this level back-translates the monolingual text, but the file is empty.")
    random.Random(run.seed).shuffle(pairs)
    held, pairs = pairs[: config.valid], pairs[config.valid :]
    if config.tokens == "pieces":
        en = piece_tokens([one for one, _ in pairs], config.pieces, run.folder / "pieces.en.model")
        zh = piece_tokens([other for _, other in pairs] + alone, config.pieces_zh, run.folder / "pieces.zh.model")
    else:
        en, zh = word_tokens([one for one, _ in pairs], " "), word_tokens([other for _, other in pairs], "")
    ens, zhs = [en.encode(one) for one, _ in pairs], [zh.encode(other) for _, other in pairs]
    held_ens, held_zhs = [en.encode(one) for one, _ in held], [zh.encode(other) for _, other in held]
    if config.back:
        alone_rows = [zh.encode(line) for line in alone]

        def back_translate(work: Run) -> None:
            back = new_model(config, zh.size, en.size, run.seed + 1).to(run.device)
            data, valid = Batches.of(zhs, ens, run.device), Batches.of(held_zhs, held_ens, run.device)
            fit(back, data, valid, config, work, config.back_epochs)
            made = [en.decode(row) for row in translate(back, alone_rows, config, run.device, 1)]
            write_file(work.folder / "back_translated.en", "".join(line + "\n" for line in made).encode())

        made_file = run.shared("back_translation", asdict(config), back_translate) / "back_translated.en"
        made_rows = [en.encode(line) for line in read_lines(made_file)]
        ens = ens * 2 + [[TAG, *row] for row in made_rows]
        zhs = zhs * 2 + alone_rows  # people's pairs count twice
    model = new_model(config, en.size, zh.size, run.seed).to(run.device)
    data, valid = Batches.of(ens, zhs, run.device), Batches.of(held_ens, held_zhs, run.device)
    fit(model, data, valid, config, run, config.epochs)
    rows = translate(model, [en.encode(tidy(line)) for line in test], config, run.device, config.beam)
    lines = [zh.decode(row) for row in rows]
    run.finish("".join((" ".join(line.split()) or "<unk>") + "\n" for line in lines).encode())


if __name__ == "__main__":
    raise SystemExit(main("hw05"))
