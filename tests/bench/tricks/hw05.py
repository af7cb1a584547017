"""HW5: copies, nearest lines, dictionaries, a phrase table (Koehn et al. 2003), and models of pairs of other worlds."""

from __future__ import annotations

import difflib
import math
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from baselines.common import train_level
from baselines.hw05_transformer import clean, read_lines, tidy
from baselines.text import WORD
from tasks.hw05_transformer import COLUMN, MONO_FILE, RAW_FILES, TEST_FILES
from tasks.streams import Streams
from tests.bench.tricks.frame import NO_LEARNING, OTHER_DATA, PUBLIC_DATA, Given, Reference, Trick, World

Words = tuple[str, ...]
LONGEST, LONGEST_ZH = 5, 8
"""Most English words and most Chinese characters of a phrase."""
OPTIONS, BEAM, JUMP = 8, 24, 8
"""Translations of a phrase, hypotheses of a stack, and how far the decoder may jump."""
WEIGHTS = {"lm": 0.5, "table": 0.2, "character": 0.3, "phrase": -0.2, "jump": 0.15}


def words_of(line: str) -> Words:
    return tuple(WORD.findall(line.lower()))


@dataclass(frozen=True)
class Texts:
    """The cleaned training pairs as words and characters, the test, and the monolingual lines."""

    pairs: list[tuple[Words, Words]]
    lines: list[tuple[str, str]]
    test: list[str]
    mono: list[str]


@lru_cache(maxsize=1)
def texts(public: Path) -> Texts:
    english, chinese, test, mono = (read_lines(public / name) for name in (*RAW_FILES, TEST_FILES[0], MONO_FILE))
    lines = clean(list(zip(english, chinese, strict=True)))
    return Texts([(words_of(en), tuple(WORD.findall(zh))) for en, zh in lines], lines, list(map(tidy, test)), mono)


def written(lines: Sequence[str]) -> bytes:
    return "".join((line or "<unk>") + "\n" for line in lines).encode()


# Without learning


def copies(given: Given) -> bytes:
    return written(texts(given.public).test)


def most_frequent(given: Given) -> bytes:
    seen = texts(given.public)
    return written([Counter(zh for _, zh in seen.lines).most_common(1)[0][0]] * len(seen.test))


# Nearest sentences


@lru_cache(maxsize=1)
def nearest(public: Path) -> list[tuple[int, float]]:
    """For each test line the training line with the most similar TF-IDF vector of words and pairs of words."""
    seen = texts(public)
    model = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"[^\s.?!,]+", sublinear_tf=True)
    known = model.fit_transform([en for en, _ in seen.lines])
    likeness = (model.transform(seen.test) @ known.T).toarray()
    return [(int(row.argmax()), float(row.max())) for row in likeness]


def neighbours(given: Given) -> bytes:
    seen = texts(given.public)
    return written([seen.lines[row][1] for row, _ in nearest(given.public)])


def templates(given: Given) -> bytes:
    """The translation of the nearest training sentence, each word that differs replaced as the dictionary says."""
    seen, table = texts(given.public), phrases(given.public)
    out = []
    for line, (row, _) in zip(seen.test, nearest(given.public), strict=True):
        (known, zh), new = seen.pairs[row], words_of(line)
        text = "".join(zh)
        for kind, a, b, c, d in difflib.SequenceMatcher(None, known, new, autojunk=False).get_opcodes():
            ways = ["".join(z) for z, _ in table.options.get(known[a:b], [])] if kind == "replace" else []
            old = next((z for z in ways if z in text), None)
            if old:
                text = text.replace(old, "".join(best(table, new[c:d])), 1)
        out.append(text)
    return written(out)


# Word alignment and phrases


@dataclass(frozen=True)
class Table:
    """Phrases with their translations and log-weights, the best first; words with the characters of IBM model 1."""

    options: dict[Words, list[tuple[Words, float]]]
    word: dict[str, str]


def ibm1(pairs: Sequence[tuple[Words, Words]], rounds: int = 6) -> list[dict[tuple[int, int], float]]:
    """p(target | source) of IBM model 1 (Brown et al. 1993) for the places (target, source) of each pair."""
    left: dict[str, int] = {"": 0}
    right: dict[str, int] = {}
    kinds: dict[tuple[int, int], int] = {}
    cells: list[int] = []
    segment: list[int] = []
    at = 0
    for source, target in pairs:
        ids = [0, *(left.setdefault(word, len(left)) for word in source)]
        for word in target:
            z = right.setdefault(word, len(right))
            cells += [kinds.setdefault((e, z), len(kinds)) for e in ids]
            segment += [at] * len(ids)
            at += 1
    cell, place = np.array(cells), np.array(segment)
    owner = np.array([e for e, _ in kinds])
    chance: NDArray[np.float64] = np.ones(len(kinds))
    for _ in range(rounds):
        share = chance[cell]
        share /= np.bincount(place, share)[place]
        counts = np.bincount(cell, share)
        chance = counts / np.bincount(owner, counts)[owner]
    share, out, at = chance[cell], [], 0
    for source, target in pairs:
        n = len(source) + 1
        block = share[at : at + n * len(target)].reshape(len(target), n)
        out.append({(j, i - 1): float(block[j, i]) for j in range(len(target)) for i in range(n)})
        at += n * len(target)
    return out


def links(
    forth: dict[tuple[int, int], float], back: dict[tuple[int, int], float], n: int, m: int
) -> set[tuple[int, int]]:
    """The alignment (source, target) of both directions, grown from what they share (Koehn et al. 2003)."""
    one = {(max(range(-1, n), key=lambda i: forth[j, i]), j) for j in range(m)}
    other = {(i, max(range(-1, m), key=lambda j: back[i, j])) for i in range(n)}
    one, other = {p for p in one if p[0] >= 0}, {p for p in other if p[1] >= 0}
    both, union = one & other, one | other
    grown = True
    while grown:
        grown = False
        for i, j in sorted(union - both):
            near = any((i + a, j + b) in both for a in (-1, 0, 1) for b in (-1, 0, 1))
            if near and (all(p[0] != i for p in both) or all(p[1] != j for p in both)):
                both.add((i, j))
                grown = True
    for i, j in sorted(union - both):
        if all(p[0] != i for p in both) and all(p[1] != j for p in both):
            both.add((i, j))
    return both


@lru_cache(maxsize=1)
def phrases(public: Path) -> Table:
    """Phrases consistent with the alignment, weighted by log p in both directions."""
    pairs = texts(public).pairs
    forth, back = ibm1(pairs), ibm1([(zh, en) for en, zh in pairs])
    counts: Counter[tuple[Words, Words]] = Counter()
    single: dict[str, Counter[str]] = defaultdict(Counter)
    for (en, zh), a, b in zip(pairs, forth, back, strict=True):
        made = links(a, b, len(en), len(zh))
        to = [[j for i, j in made if i == k] for k in range(len(en))]
        used = {j for _, j in made}
        for start in range(len(en)):
            for end in range(start + 1, min(len(en), start + LONGEST) + 1):
                targets = [j for k in range(start, end) for j in to[k]]
                if not targets:
                    continue
                low, high = min(targets), max(targets) + 1
                if any(low <= j < high and not start <= i < end for i, j in made):
                    continue
                first = low
                while first >= 0 and (first == low or first not in used):
                    last = high
                    while last <= len(zh) and (last == high or last - 1 not in used):
                        if last - first <= LONGEST_ZH:
                            counts[en[start:end], zh[first:last]] += 1
                        last += 1
                    first -= 1
        for k, js in enumerate(to):
            single[en[k]]["".join(zh[j] for j in sorted(js))] += 1
    ahead: Counter[Words] = Counter()
    behind: Counter[Words] = Counter()
    for (e, z), count in counts.items():
        ahead[e] += count
        behind[z] += count
    options: dict[Words, list[tuple[Words, float]]] = defaultdict(list)
    for (e, z), count in counts.items():
        score = WEIGHTS["table"] * 2 * (math.log(count / ahead[e]) + math.log(count / behind[z]))
        options[e].append((z, score + WEIGHTS["phrase"] + WEIGHTS["character"] * len(z)))
    for e, found in options.items():
        options[e] = sorted(found, key=lambda item: (-item[1], item[0]))[:OPTIONS]
    return Table(dict(options), {word: seen.most_common(1)[0][0] for word, seen in single.items()})


def best(table: Table, words: Words) -> Words:
    """The first translation of a phrase, or the words' own one after another."""
    found = table.options.get(words)
    return found[0][0] if found else tuple(sign for word in words for sign in table.word.get(word, word))


def dictionary(given: Given) -> bytes:
    known = phrases(given.public).word
    return written(["".join(known.get(word, word) for word in words_of(line)) for line in texts(given.public).test])


# A language model and a decoder


class FiveGram:
    """A 5-gram of Chinese characters with interpolated absolute discounting (Chen and Goodman 1999)."""

    def __init__(self, lines: Sequence[Words], order: int = 5, discount: float = 0.7) -> None:
        self.order, self.discount = order, discount
        self.counts: Counter[Words] = Counter()
        for line in lines:
            signs = ("<s>",) * (order - 1) + line + ("</s>",)
            for at in range(order - 1, len(signs)):
                for n in range(order):
                    self.counts[signs[at - n : at + 1]] += 1
        self.total: Counter[Words] = Counter()
        self.kinds: Counter[Words] = Counter()
        for gram, count in self.counts.items():
            self.total[gram[:-1]] += count
            self.kinds[gram[:-1]] += 1
        self.cache: dict[Words, float] = {}

    def chance(self, gram: Words) -> float:
        lower = self.chance(gram[1:]) if len(gram) > 1 else 1 / 5000
        total = self.total[gram[:-1]]
        if not total:
            return lower
        left = max(self.counts[gram] - self.discount, 0) / total
        return left + self.discount * self.kinds[gram[:-1]] / total * lower

    def logprob(self, history: Words, signs: Words) -> tuple[float, Words]:
        """The log-probability of signs after a history of four, and the history after them."""
        total = 0.0
        for sign in signs:
            gram = (*history, sign)
            if gram not in self.cache:
                self.cache[gram] = math.log(self.chance(gram))
            total += self.cache[gram]
            history = gram[1:]
        return total, history


@dataclass(frozen=True)
class Hypothesis:
    covered: int  # a bit for each word
    end: int
    history: Words
    score: float
    said: Words


def decoded(line: str, table: Table, model: FiveGram, longest: int, jump: int) -> str:
    """The best translation that stacks of hypotheses by number of words find (Koehn 2004)."""
    words = words_of(line)
    n = len(words)
    spans: dict[tuple[int, int], list[tuple[Words, float]]] = {}
    for i in range(n):
        for j in range(i + 1, min(n, i + longest) + 1):
            found = table.options.get(words[i:j])
            if found is None and j == i + 1:
                found = [(tuple(table.word.get(words[i], words[i])), -5.0)]
            if found:
                spans[i, j] = found
    cost = [[-math.inf] * (n + 1) for _ in range(n + 1)]  # what is best for the words i to j without order
    for width in range(1, n + 1):
        for i in range(n - width + 1):
            j = i + width
            if (i, j) in spans:
                cost[i][j] = max(score + WEIGHTS["lm"] * model.logprob(("",) * 4, z)[0] / 2 for z, score in spans[i, j])
            cost[i][j] = max([cost[i][j], *(cost[i][k] + cost[k][j] for k in range(i + 1, j))])

    def left(covered: int) -> float:
        total, i = 0.0, 0
        while i < n:
            if covered >> i & 1:
                i += 1
                continue
            j = i
            while j < n and not covered >> j & 1:
                j += 1
            total += cost[i][j]
            i = j
        return total

    stacks: list[dict[tuple[int, int, Words], tuple[float, Hypothesis]]] = [{} for _ in range(n + 1)]
    start = Hypothesis(0, 0, ("<s>",) * (model.order - 1), 0.0, ())
    stacks[0][0, 0, start.history] = 0.0, start
    rest: dict[int, float] = {}
    for size in range(n):
        for _, one in sorted(stacks[size].values(), key=lambda item: -item[0])[:BEAM]:
            first = next(i for i in range(n) if not one.covered >> i & 1)
            for (i, j), found in spans.items():
                mask = (1 << j) - (1 << i)
                if one.covered & mask or abs(i - one.end) > jump or (i > first and j - first > jump + longest):
                    continue
                covered = one.covered | mask
                if covered not in rest:
                    rest[covered] = left(covered)
                base = one.score - WEIGHTS["jump"] * abs(i - one.end)
                stack = stacks[covered.bit_count()]
                for z, score in found:
                    fluent, history = model.logprob(one.history, z)
                    total = base + score + WEIGHTS["lm"] * fluent
                    if covered == (1 << n) - 1:
                        total += WEIGHTS["lm"] * model.logprob(history, ("</s>",))[0]
                    key = (covered, j, history)
                    if key not in stack or stack[key][1].score < total:
                        stack[key] = total + rest[covered], Hypothesis(covered, j, history, total, one.said + z)
    if not stacks[n]:
        return "".join(best(table, words))
    return "".join(max(stacks[n].values(), key=lambda item: item[0])[1].said)


def searched(given: Given, longest: int, jump: int) -> bytes:
    """Phrases of at most so many words, in the order that a 5-gram of all the Chinese prefers."""
    seen, table = texts(given.public), phrases(given.public)
    model = FiveGram([zh for _, zh in seen.pairs] + [tuple(WORD.findall(line)) for line in seen.mono])
    return written([decoded(line, table, model, longest, jump) for line in seen.test])


# Other data


def trained(given: Given, level: str, *, own: bool, worlds: int) -> bytes:
    """A level trained on the pairs and the Chinese of other keys' worlds, with `own` also on this one's."""
    folder = given.scratch / "mixed"
    shutil.copytree(given.public, folder)
    for name in RAW_FILES:
        parts = [given.other(number).public / name for number in range(worlds)] + [given.public / name] * own
        (folder / name).write_text("".join(part.read_text(encoding="utf-8") for part in parts), encoding="utf-8")
    return train_level("hw05", level, folder, given.scratch / "run", seed=given.seed, device="cpu").read_bytes()


def answers(world: World, streams: Streams, size: str) -> bytes:
    """The generator's own translations: a sentence has one, so that they reach 100."""
    return written([str(line) for line in world.secret.answers.columns[COLUMN]])


Make = Callable[[Given], bytes]
phrase_table: Make = partial(searched, longest=LONGEST, jump=JUMP)
TRICKS = (
    Trick("the source copied", NO_LEARNING, copies),
    Trick("the most frequent training line", NO_LEARNING, most_frequent),
    Trick("nearest training line (TF-IDF)", PUBLIC_DATA, neighbours),
    Trick("nearest training line, differing words replaced", PUBLIC_DATA, templates),
    Trick("dictionary, word for word (IBM model 1)", NO_LEARNING, dictionary),
    Trick("dictionary with a 5-gram", PUBLIC_DATA, partial(searched, longest=1, jump=4)),
    Trick("phrase table with a 5-gram", PUBLIC_DATA, phrase_table),
    Trick(
        "own generator: strong on two other keys' pairs", OTHER_DATA,
        partial(trained, level="strong", own=False, worlds=2), long=True,
    ),
    Trick(
        "own generator: strong on these and another key's pairs", OTHER_DATA,
        partial(trained, level="strong", own=True, worlds=1),
        said="twice the pairs: keys share the grammar and many words, so that those of another one teach what these do "
        "not. The rules forbid other data; nothing in the file shows them",
    ),
)  # fmt: skip
REFERENCES = (Reference("the generator's translation", answers),)
