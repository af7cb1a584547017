"""Corpus BLEU of Chinese text, as the course's server computed it, from ten whole numbers a sentence.

Papineni et al., BLEU: a Method for Automatic Evaluation of Machine Translation, ACL 2002; in the form of sacrebleu
(Post, WMT 2018) with `zh` tokenisation and exponential smoothing, to the last bit. The server first ran both sides
through two scripts of the Moses toolkit, `replace-unicode-punctuation` and `normalize-punctuation -l zh`: the tables
`WIDE` and `PUNCTUATION` say what those do.

>>> import numpy as np
>>> truth, guess = (np.array([text], dtype=object) for text in ("貓咪真可愛。", "貓好可愛。"))
>>> rows = BLEU.rows({"translation": truth}, {"translation": guess})
>>> rows.tolist()  # lengths of both, matches of 1 to 4 tokens, tokens of the hypothesis
[[5, 6, 4, 2, 1, 0, 5, 4, 3, 2]]
>>> f"{BLEU.value(rows):.2f}"  # the example of the course's slides
'34.98'
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from tasks.metrics import Metric, resampled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tasks.base import Columns

SACREBLEU = "2.6.0"
"""The version that gives the same numbers; the tests compare with the installed one."""

ORDERS = 4
PERFECT = 100.00000000000004  # what the formula gives for precisions of 100, in double precision

# The punctuation of the course's server -------------------------------------------------------------------------------

WIDE = {
    "，": ",", "、": ",", "：": ":", "∶": ":", "；": ";", "？": "?", "！": "!", "％": "%", "～": "~", "━": "-",
    "（": "(", "）": ")", "【": "[", "】": "]", "〈": "<", "〉": ">",
    "「": '"', "」": '"', "《": '"', "》": '"', "“": '"', "”": '"', "’": "'", "…": "...",
    "０": "0", "１": "1", "２": "2", "３": "3", "４": "4", "５": "5", "６": "6", "７": "7", "８": "8", "９": "9",
}  # fmt: skip
"""What `replace-unicode-punctuation` writes for a single character (since October 2019, when １ stopped being a quote).

The full stops 。 and ． become ". " and swallow the spaces after them. 『』〔〕＂ and wide letters stay.
"""

_NB = "\u00a0"  # no-break space
_SPACES = ("  ", "  +", " ")


def _quote_first(match: re.Match[str]) -> str:
    """Moves a quote before the full stops that it followed; leaves full stops alone unchanged."""
    stops, behind = match.groups()
    return stops if behind is None else f'"{stops}{behind}'


PUNCTUATION: tuple[tuple[str, str | None, str | Callable[[re.Match[str]], str]], ...] = (
    ("。", "。 *", ". "),
    ("．", "． *", ". "),
    *((wide, None, narrow) for wide, narrow in WIDE.items()),
    # From here on normalize-punctuation. A bracket has a space outside and none inside, nor before a mark.
    ("\r", None, ""),
    ("(", None, " ("),
    (")", None, ") "),
    _SPACES,
    (") ", r"\) ([.!:?;,])", r")\1"),
    ("( ", None, "("),
    (" )", None, ")"),
    (" %", "([0-9]) %", r"\1%"),
    (" :", None, ":"),
    (" ;", None, ";"),
    # Quotes and dashes of other scripts; two single quotes are a double one.
    ("`", None, "'"),
    ("''", None, ' " '),
    ("„", None, '"'),
    ("–", None, "-"),
    ("—", None, " - "),
    ("´", None, "'"),
    ("‘", None, "'"),
    ("‚", None, "'"),
    ("''", None, '"'),
    # French quotes, with the no-break spaces that belong to them.
    (f"{_NB}«{_NB}", None, ' "'),
    (f"«{_NB}", None, '"'),
    ("«", None, '"'),
    (f"{_NB}»{_NB}", None, '" '),
    (f"{_NB}»", None, '"'),
    ("»", None, '"'),
    # No-break spaces before marks and units.
    (f"{_NB}%", None, "%"),
    (f"nº{_NB}", None, "nº "),
    (f"{_NB}:", None, ":"),
    (f"{_NB}ºC", None, " ºC"),
    (f"{_NB}cm", None, " cm"),
    (f"{_NB}?", None, "?"),
    (f"{_NB}!", None, "!"),
    (f"{_NB};", None, ";"),
    (f",{_NB}", None, ", "),
    _SPACES,
    # A quote moves before the comma and the full stops that it followed. The end of a line counts as a character.
    (',"', None, '",'),
    ('."', r'(\.+)(?:"([ \t\r\f\v]*[^<]))?', _quote_first),
    (_NB, f"([0-9]){_NB}([0-9])", r"\1.\2"),
)
"""The replacements of both scripts, in order: where the text contains the first entry, the pattern (or the first entry
itself) is replaced by the last. Rules of the second script that never apply after the first are left out."""


def normalised(lines: Sequence[str]) -> list[str]:
    """The lines as the course's server compared them.

    >>> normalised(["他說：「好。」", "２０２１年（春）"])
    ['他說:"好. "', '2021年 (春) ']
    """
    text = _joined(lines)
    for needed, pattern, new in PUNCTUATION:
        if needed in text:
            text = text.replace(needed, str(new)) if pattern is None else re.sub(pattern, new, text)
    return text.split("\n")[:-1]


def _joined(lines: Sequence[str]) -> str:
    """One text with a line end after every line; line ends inside a line, which no reader accepts, become blanks."""
    text = "\n".join([*lines, ""])
    return text if text.count("\n") == len(lines) else "\n".join([*(line.replace("\n", " ") for line in lines), ""])


# Tokens ---------------------------------------------------------------------------------------------------------------

_OTHER, _DIGIT, _HYPHEN, _STOP, _ALONE, _SPACE, _END = range(7)
"""Kinds of characters. From `_ALONE` on, a character belongs to no longer token."""

_CHINESE = (
    (0x3400, 0x4DB5), (0x4E00, 0x9FBB), (0xF900, 0xFA2D), (0xFA30, 0xFA6A), (0xFA70, 0xFAD9), (0xFF00, 0xFFEF),
    (0x2E80, 0x2FDF), (0x2FF0, 0x303F), (0x3100, 0x312F), (0x31A0, 0x31BF), (0x31C0, 0x31EF), (0x3200, 0x33FF),
    (0xFE10, 0xFE1F), (0xFE30, 0xFE4F), (0x2600, 0x27BF), (0x2001, 0x2A6D),
)  # fmt: skip
"""What sacrebleu treats as a Chinese character. The last range is its version of the plane of rare characters, written
with four digits only: it holds curly quotes, dashes, arrows and signs, and the rare characters are words instead."""

_PUNCTUATION = '!"#$%&()*+/:;<=>?@[\\]^_`{|}~'

WORDS = 0x110000  # tokens of one character are their code points, words are numbered from here on
UNKNOWN = 2**24 - 1  # a word that is not in the references


@lru_cache(maxsize=1)
def _kinds() -> NDArray[np.uint8]:
    """The kind of every code point."""
    import numpy as np

    kinds = np.full(0x110000, _OTHER, dtype=np.uint8)
    for first, last in _CHINESE:
        kinds[first : last + 1] = _ALONE
    kinds[[ord(mark) for mark in _PUNCTUATION]] = _ALONE
    kinds[[point for point in range(0x3001) if chr(point).isspace()]] = _SPACE  # the ideographic space too
    kinds[ord("0") : ord("9") + 1] = _DIGIT
    kinds[[ord("."), ord(",")]] = _STOP
    kinds[ord("-")] = _HYPHEN
    kinds[ord("\n")] = _END
    return kinds


def tokens(lines: Sequence[str], number: Callable[[str], int]) -> NDArray[np.int64]:
    """The tokens of all lines in one array, a line end after each line; `number` names words of two characters or more.

    A Chinese character is a token, and so is an ASCII mark. A full stop or comma is one unless digits (or the ends of
    the line) stand on both its sides; in a row of them the last one sticks to a digit behind it where sacrebleu, which
    takes them in pairs, had none left to pair it with. A hyphen is one behind a digit. Blanks separate.
    """
    import numpy as np

    text = "\n" + _joined([line.strip() for line in lines])
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    kinds = _kinds()[points]
    alone = kinds >= _ALONE
    begins = alone.copy()
    begins[1:] |= alone[:-1]

    stops = np.flatnonzero(kinds == _STOP)
    if len(stops):
        begins[stops] = True
        apart = np.flatnonzero(np.diff(stops) > 1)
        first = stops[np.concatenate([[0], apart + 1])]
        last = stops[np.concatenate([apart, [len(stops) - 1]])]
        joins = (kinds == _DIGIT) | (kinds == _END)
        before, behind, odd = joins[first - 1], joins[last + 1], (last - first) % 2 == 0
        begins[first[before & behind & (first == last) & (kinds[first - 1] != _END)]] = False
        begins[(last + 1)[~(behind & (odd == before))]] = True
    hyphens = np.flatnonzero(kinds == _HYPHEN)
    hyphens = hyphens[kinds[hyphens - 1] == _DIGIT]
    begins[hyphens] = begins[hyphens + 1] = True

    start = np.flatnonzero(begins)
    length = np.diff(start, append=len(points))
    kept = kinds[start] != _SPACE
    kept[0] = False  # the line end that was put first
    start, length = start[kept], length[kept]
    result: NDArray[np.int64] = points[start].astype(np.int64)
    words = np.flatnonzero(length > 1)
    places = zip(start[words].tolist(), (start[words] + length[words]).tolist(), strict=True)
    result[words] = [number(text[begin:end]) for begin, end in places]
    return result


# Counting -------------------------------------------------------------------------------------------------------------

BLOCK = 2_000  # sentences counted at once: their arrays stay in the processor's cache


@dataclass(frozen=True)
class _Reference:
    """The distinct n-grams of a block of references, n = 1 … 4, numbered in the order of their keys.

    The key of an n-gram is (number of its first n - 1 tokens) × 2²⁴ + its last token, where the number of no tokens is
    that of the sentence. So n-grams of different sentences have different keys.
    """

    words: dict[str, int]
    length: NDArray[np.int64]  # tokens of each sentence (n,)
    keys: tuple[NDArray[np.int64], ...]
    counts: tuple[NDArray[np.int64], ...]
    first: tuple[NDArray[np.int64], ...]  # where the keys that continue each number begin
    sentence: tuple[NDArray[np.int64], ...]  # of each n-gram


@lru_cache(maxsize=2)
def _references(text: str, normalise: bool) -> tuple[_Reference, ...]:
    """The references in blocks, kept for the next submission. `text` has a line end after each."""
    lines = text.split("\n")[:-1]
    blocks = (lines[start : start + BLOCK] for start in range(0, len(lines), BLOCK))
    return tuple(_reference(normalised(block) if normalise else block) for block in blocks)


def _reference(lines: Sequence[str]) -> _Reference:
    import numpy as np

    words: dict[str, int] = {}
    found = tokens(lines, lambda word: words.setdefault(word, WORDS + len(words)))
    assert WORDS + len(words) < UNKNOWN
    number, length = _sentences(found)
    at = np.arange(len(found))
    keys: list[NDArray[np.int64]] = []
    sentence: list[NDArray[np.int64]] = []
    counts, first = [], []
    for order in range(ORDERS):
        inside = found[np.minimum(at + order, len(found) - 1)] != ord("\n")
        at, number = at[inside], number[inside]
        key, number, count = np.unique((number << 24) | found[at + order], return_inverse=True, return_counts=True)
        before = key >> 24
        first.append(np.searchsorted(before, np.arange(len(keys[-1]) if keys else len(length))))
        keys.append(key)
        counts.append(count)
        sentence.append(sentence[-1][before] if sentence else before)
    return _Reference(words, length, tuple(keys), tuple(counts), tuple(first), tuple(sentence))


def _sentences(found: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The sentence of each token, a line end belonging to the one it ends, and the length of each sentence."""
    import numpy as np

    length = np.diff(np.flatnonzero(found == ord("\n")), prepend=-1) - 1
    return np.repeat(np.arange(len(length)), length + 1), length


def statistics(references: Sequence[str], hypotheses: Sequence[str], *, normalise: bool) -> NDArray[np.int64]:
    """Ten whole numbers for each sentence (n, 10): both lengths, then matches and totals of n-grams, n = 1 … 4.

    A match is an n-gram of the hypothesis that the reference has too, at most as often as the reference has it.
    """
    import numpy as np

    assert len(references) == len(hypotheses), "a reference for each hypothesis"
    rows = np.zeros((len(references), 2 + 2 * ORDERS), dtype=np.int64)
    for place, block in enumerate(_references(_joined(references), normalise)):
        inside = slice(place * BLOCK, (place + 1) * BLOCK)
        lines = hypotheses[inside]
        _count(block, normalised(lines) if normalise else lines, rows[inside])
    return rows


def _count(reference: _Reference, hypotheses: Sequence[str], rows: NDArray[np.int64]) -> None:
    """Fills the statistics (n, 10) of a block of sentences."""
    import numpy as np

    found = tokens(hypotheses, lambda word: reference.words.get(word, UNKNOWN))
    number, length = _sentences(found)
    rows[:, 0], rows[:, 1] = length, reference.length
    at = np.arange(len(found))
    for order in range(ORDERS):
        rows[:, 2 + ORDERS + order] = np.maximum(length - order, 0)
        keys, counts = reference.keys[order], reference.counts[order]
        if not len(at) or not len(keys):
            continue
        # No key has a line end: n-grams across one are not found. Most n-grams continue in one way only, the first.
        wanted = (number << 24) | found[at + order]
        place = np.minimum(reference.first[order][number], len(keys) - 1)
        later = np.flatnonzero(keys[place] < wanted)
        place[later] = np.minimum(np.searchsorted(keys, wanted[later]), len(keys) - 1)
        same = keys[place] == wanted
        at, number = at[same], place[same]
        matched = np.minimum(np.bincount(number, minlength=len(keys)), counts)
        rows[:, 2 + order] = np.bincount(reference.sentence[order], weights=matched, minlength=len(length))


# The metric -----------------------------------------------------------------------------------------------------------


def score(sums: Sequence[float]) -> float:
    """BLEU, 0 to 100, of the ten sums, with sacrebleu's arithmetic.

    Where no n-gram of an order matches, half, a quarter, … of one is taken (Chen and Cherry, A Systematic Comparison of
    Smoothing Techniques for Sentence-Level BLEU, WMT 2014, method 3).
    """
    length, wanted, matches, totals = sums[0], sums[1], sums[2 : 2 + ORDERS], sums[2 + ORDERS :]
    if not any(matches) or not totals[-1]:
        return 0.0
    logs, halvings = [], 1.0
    for match, total in zip(matches, totals, strict=True):
        if not match:
            halvings *= 2
        logs.append(math.log(100.0 * match / total if match else 100.0 / (halvings * total)))
    brevity = math.exp(1 - wanted / length) if length < wanted else 1.0
    return brevity * math.exp(sum(logs) / ORDERS)


def sentences(answers: Columns, predictions: Columns, *, normalise: bool = True) -> NDArray[np.int64]:
    """The `statistics` of each sentence (n, 10), of the column that the answers have."""
    (name,) = answers
    return statistics(answers[name].tolist(), predictions[name].tolist(), normalise=normalise)


def corpus_score(rows: NDArray[np.int64], weight: NDArray[Any] | None = None) -> Any:
    """The score of the weighted sums of the rows: a float, or (b,) for weights (b, n)."""
    import numpy as np

    if weight is None or (weight.dtype == bool and weight.ndim == 1):
        return score((rows if weight is None else rows[weight]).sum(axis=0).tolist())
    sums = (weight.astype(np.float64) @ rows).tolist()
    return score(sums) if weight.ndim == 1 else np.array([score(each) for each in sums])


BLEU = Metric(
    "bleu_score", "BLEU", True, PERFECT, 0.0, 2, sentences,
    value=corpus_score, interval=partial(resampled, corpus_score),
)  # fmt: skip
"""Corpus BLEU of one column of text; `best` is the score of a file equal to the references."""

SIGNATURE = f"nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:{SACREBLEU}|punctuation:moses-zh"
"""Every setting that can change the score, in sacrebleu's form."""
