"""Text metrics that are sacrebleu's own: BLEU, chrF and TER of a corpus, from its statistics of each sentence.

Post, A Call for Clarity in Reporting BLEU Scores, WMT 2018. A board's score is that of the summed statistics of its
sentences, so that the score of any part of the corpus is sacrebleu's to the last bit.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.apart import Died, Limits, apart
from tasks.base import Columns, UserError
from tasks.bleu import PERFECT, normalised
from tasks.metrics import Interval, Metric, resampled

_MODEL = (
    "bleu with tokenize={0} needs a model that sacrebleu fetches once from the internet, and sentencepiece. Run this"
    ' with internet, as the user that grades: python -c "from sacrebleu.metrics import BLEU;'
    " BLEU(tokenize='{0}')\""
)
_PACKAGE = 'bleu with tokenize={0} needs packages that are not installed; install them: pip install "sacrebleu[{1}]"'
NEEDED = {
    "ja-mecab": _PACKAGE.format("ja-mecab", "ja"),
    "ko-mecab": _PACKAGE.format("ko-mecab", "ko"),
    "flores101": _MODEL.format("flores101"),
    "flores200": _MODEL.format("flores200"),
}
"""What some tokenizers need beside sacrebleu."""

MOST_SENTENCES = 50_000
"""The most sentences of a board of which a thousand resamples are computed."""
PIECE = 50  # resamples whose counts are held as doubles


def scorer(name: str, options: Mapping[str, Any]) -> Any:
    """The metric of sacrebleu with these options, those of `tasks.named`."""
    found: Any = importlib.import_module("sacrebleu.metrics")
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)  # it remarks on texts that end in " ."
    if name == "bleu":
        try:
            return found.BLEU(tokenize=options["tokenize"], force=True)
        except (RuntimeError, ImportError, OSError) as error:  # what the tokenizer needs is not there
            raise UserError(NEEDED[options["tokenize"]], code="E_METRIC") from error
    if name == "chrf":
        return found.CHRF(word_order=options["words"])
    asian = options["text"] == "asian"
    return found.TER(normalized=asian, asian_support=asian)


def signature(name: str, options: Mapping[str, Any]) -> str:
    """sacrebleu's signature for one reference: every setting that can change the score, and its version."""
    one = scorer(name, options)
    one.corpus_score(["a"], [["a"]])  # it learns the number of references
    return str(one.get_signature())


def statistics(one: Any, answers: Columns, predictions: Columns) -> NDArray[Any]:
    """The statistics of each sentence (n, k), of the only column of the answers, that sacrebleu adds up."""
    ((name, truth),) = answers.items()
    found = one._extract_corpus_statistics(predictions[name].tolist(), [truth.tolist()])
    return np.array(found, dtype=np.float64)


def corpus_value(one: Any, rows: NDArray[Any], weight: NDArray[Any] | None = None) -> Any:
    """sacrebleu's score of the weighted sums of the rows: a float, or (b,) for weights (b, n)."""
    if weight is None or weight.ndim == 1:
        return _of_sums(one, rows.sum(axis=0) if weight is None else weight.astype(np.float64) @ rows)
    pieces = [weight[at : at + PIECE].astype(np.float64) @ rows for at in range(0, len(weight), PIECE)]
    return np.array([_of_sums(one, sums) for piece in pieces for sums in piece])


def _of_sums(one: Any, sums: NDArray[Any]) -> float:
    whole = [int(number) if number == int(number) else number for number in sums.tolist()]
    return float(one._compute_score_from_stats(whole).score) + 0.0


def _interval(one: Any, rows: Any, weight: NDArray[Any], groups: NDArray[Any] | None = None) -> Interval:
    if np.count_nonzero(weight) > MOST_SENTENCES:
        return None
    return resampled(partial(corpus_value, one), rows, weight, groups)


def _made(name: str, label: str, best: float, worst: float, options: Mapping[str, Any]) -> Metric:
    one = scorer(name, options)
    return Metric(
        f"{name}_{'score' if best > worst else 'error'}",
        label,
        best > worst,
        best,
        worst,
        2,
        partial(statistics, one),
        value=partial(corpus_value, one),
        interval=partial(_interval, one),
    )


def bleu(options: Mapping[str, Any], columns: int) -> Metric:
    """Corpus BLEU, from 0 to 100."""
    return _made("bleu", "BLEU", PERFECT, 0.0, options)


def chrf(options: Mapping[str, Any], columns: int) -> Metric:
    """chrF, or chrF++ with words (Popović, WMT 2015 and 2017), from 0 to 100."""
    return _made("chrf", "chrF" + "+" * options["words"], 100.0, 0.0, options)


def ter(options: Mapping[str, Any], columns: int) -> Metric:
    """Translation edit rate in per cent (Snover et al., AMTA 2006)."""
    return _made("ter", "TER", 0.0, np.inf, options)


def refuse_slow(metric: Metric, answers: Columns, limits: Limits) -> None:
    """Raises UserError where TER takes longer than that for sentences that have little in common with the answers."""
    others = {name: np.roll(values, 1) for name, values in answers.items()}
    try:
        apart(lambda: {"score": metric.value(metric.rows(answers, others))}, limits)
    except Died as error:
        raise UserError(
            f"ter cannot score the answers in another order: {error}. It is slow for sentences that have little in"
            " common, and such a submission would fail. Use chrf, or fewer or shorter sentences. No competition was"
            " made."
        ) from None


def recounted(answers: Columns, predictions: Columns, side: NDArray[np.bool_]) -> float:
    """sacrebleu's own score of HW5 on the rows of a side, after the punctuation of the course's server."""
    ((name, truth),) = answers.items()
    references, hypotheses = (normalised(lines[side].tolist()) for lines in (truth, predictions[name]))
    one = scorer("bleu", {"tokenize": "zh"})
    return float(one.corpus_score(hypotheses, [references]).score)
