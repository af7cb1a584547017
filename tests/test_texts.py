"""BLEU, chrF and TER by name are sacrebleu's own, on both boards; HW5's grades are recounted by sacrebleu."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import sacrebleu
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.answers import read_secret
from harness.cli.main import cli
from harness.competition import find_competition
from harness.home import open_home
from tasks import bleu, kaggle, texts
from tasks.apart import Limits
from tasks.base import PUBLIC
from tasks.named import NAMED
from tests.conftest import Write

EXTRA = {"ja-mecab": "MeCab", "ko-mecab": "mecab_ko"}
CASES: dict[str, tuple[str, dict[str, Any], Any]] = {
    **{
        f"bleu {name}": ("bleu", {"tokenize": name}, sacrebleu.BLEU(tokenize=name, force=True))
        for name in ("13a", "intl", "zh", "char", "none")
    },
    "chrf": ("chrf", {"words": 0}, sacrebleu.CHRF()),
    "chrf++": ("chrf", {"words": 2}, sacrebleu.CHRF(word_order=2)),
    "ter": ("ter", {"text": "western"}, sacrebleu.TER()),
    "ter asian": ("ter", {"text": "asian"}, sacrebleu.TER(normalized=True, asian_support=True)),
}
WORDS = ("the", "cat", "Sat", "on", "mat.", "貓", "坐在", "3,000", "e-mail", "。", '"', " .")
SENTENCE = st.lists(st.sampled_from(WORDS), max_size=7).map(" ".join)


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words])


@pytest.mark.parametrize("case", CASES)
@settings(deadline=None, max_examples=25)
@given(pairs=st.lists(st.tuples(SENTENCE.filter(str.strip), SENTENCE), min_size=2, max_size=6), data=st.data())
def test_any_part_of_a_corpus_has_sacrebleus_score(
    case: str, pairs: list[tuple[str, str]], data: st.DataObject
) -> None:
    name, options, theirs = CASES[case]
    metric = NAMED[name].metric(options, 1)
    answers, guesses = ({"y": np.array(side)} for side in zip(*pairs, strict=True))
    rows = metric.rows(answers, guesses)
    weight = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(pairs), max_size=len(pairs)).filter(any)))
    again = [pair for pair, times in zip(pairs, weight.tolist(), strict=True) for _ in range(times)]
    expected = theirs.corpus_score([guess for _, guess in again], [[truth for truth, _ in again]]).score
    assert metric.value(rows, weight) == expected
    assert metric.value(rows, np.stack([weight, weight * 0 + 1])).tolist() == [expected, metric.value(rows)]
    part = weight > 0
    kept = [pair for pair, taken in zip(pairs, part.tolist(), strict=True) if taken]
    assert metric.value(rows, part) == theirs.corpus_score([g for _, g in kept], [[t for t, _ in kept]]).score
    best = metric.value(metric.rows(answers, answers))
    assert best <= metric.best if metric.higher_is_better else best == metric.best


@pytest.mark.parametrize("case", CASES)
def test_the_signature_is_sacrebleus_and_the_interval_resamples_the_corpus(case: str) -> None:
    name, options, theirs = CASES[case]
    signature = NAMED[name].signature
    assert signature is not None
    theirs.corpus_score(["a b"], [["a b"]])
    assert signature(options) == str(theirs.get_signature())
    rng = np.random.default_rng(0)
    truth = [" ".join(rng.choice(WORDS[:9], 8)) for _ in range(40)]
    guess = [" ".join(word for word in text.split() if rng.random() < 0.8) for text in truth]
    metric = NAMED[name].metric(options, 1)
    rows, every = metric.rows({"y": np.array(truth)}, {"y": np.array(guess)}), np.ones(40, dtype=bool)
    low, high = metric.interval(rows, every) or (0, 0)
    assert low < metric.value(rows) < high
    assert metric.interval(rows, every, np.arange(40) // 8) != (low, high)
    assert texts.MOST_SENTENCES == 50_000
    assert metric.interval(np.repeat(rows, 1251, axis=0), np.ones(50_040, dtype=bool)) is None


# A competition --------------------------------------------------------------------------------------------------------

TRUTH = [f"the {animal} sat on {count} old mats" for count in range(3, 9) for animal in ("cat", "dog", "emu")]


def make(folder: Path, *words: str, truth: list[str] = TRUTH) -> Result:
    (folder / "solution.csv").write_text("id,text\n" + "".join(f'{n},"{text}"\n' for n, text in enumerate(truth)))
    return call(folder / "home", "new", "own", "--solution", str(folder / "solution.csv"), "--metric", *words)


@pytest.mark.skipif(os.name != "posix", reason="graders are forked")
def test_both_boards_have_sacrebleus_score_and_the_version_its_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tmp_path, "bleu", "--metric-arg", "tokenize=intl")
    assert made.exit_code == 0, made.output
    home = tmp_path / "home"
    guess = [text.replace("old mats", "mats" if n % 3 else "an old mat") for n, text in enumerate(TRUTH)]
    (tmp_path / "a.csv").write_text("id,text\n" + "".join(f"{n},{text}\n" for n, text in enumerate(guess)))
    sent = call(home, "submit", "own", str(tmp_path / "a.csv"), "--as", "ada", "--format", "json")
    assert sent.exit_code == 0, sent.output
    found = open_home(home)
    secret = read_secret(found, find_competition(found, "own"))
    signature = f"nrefs:1|case:mixed|eff:no|tok:intl|smooth:exp|version:{sacrebleu.__version__}"
    assert secret.metric_version == f"bleu_score(tokenize=intl)|{signature}|v:1"
    assert f"It is computed by sacrebleu: `{signature}`." in (home / "public/own/sheet.md").read_text()
    assert secret.answers.usage is not None
    expected = {}
    for public in (True, False):
        rows = np.flatnonzero((secret.answers.usage == PUBLIC) == public).tolist()
        expected[public] = sacrebleu.corpus_bleu(
            [guess[n] for n in rows], [[TRUTH[n] for n in rows]], tokenize="intl"
        ).score
    shown = json.loads(sent.stdout)["scores"][0]
    assert shown["public"] == pytest.approx(expected[True], abs=0.01001)
    assert shown["interval"][0] < expected[True] < shown["interval"][1]
    assert call(home, "reveal", "own", "--reason", "the end", "--yes").exit_code == 0
    board = json.loads(call(home, "leaderboard", "own", "--private", "--format", "json").stdout)["board"]
    assert board[0]["score"] == pytest.approx(expected[False], abs=0.01001)
    assert call(home, "audit", "verify").exit_code == 0

    monkeypatch.setattr(texts, "signature", lambda name, options: signature.replace("version:2", "version:1"))
    (tmp_path / "b.csv").write_text("id,text\n" + "".join(f"{n},a\n" for n in range(len(TRUTH))))
    refused = call(home, "submit", "own", str(tmp_path / "b.csv"), "--as", "bob")
    assert "graded by sacrebleu with" in " ".join((refused.stdout + refused.stderr).split())
    assert "pip install sacrebleu==VERSION" in " ".join((refused.stdout + refused.stderr).split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("bleu", "--metric-arg", "tokenize=words"), "tokenize must be one of 13a, intl, zh, char, none, ja-mecab,"),
        (("chrf", "--metric-arg", "words=3"), "words must be a whole number from 0 to 2"),
        (("ter", "--metric-arg", "text=latin"), "text must be one of western, asian"),
        (("chrf", "--sample", "solution.csv"), "--sample"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    refused = make(tmp_path, *words)
    assert (refused.exit_code, said in " ".join(refused.stderr.split())) == (2, True), refused.output


def test_answers_that_are_empty_or_in_two_columns_are_refused(tmp_path: Path, write: Write) -> None:
    for text, said in (("id,y\n0,a\n1,\n", "line 3: column 'y' is empty"), ("id,y,z\n0,a,b\n1,c,d\n", "one answer")):
        words = ["--solution", str(write(text)), "--metric", "bleu"]
        refused = call(tmp_path / "home", "new", "own", *words)
        assert (refused.exit_code, said in " ".join(refused.stderr.split())) == (2, True)


def test_a_prediction_far_longer_than_any_answer_is_refused_and_an_empty_one_is_not(tmp_path: Path) -> None:
    assert make(tmp_path, "chrf").exit_code == 0
    for last, code in (("x " * 200, 3), ("x " * 120, 0), ("", 0)):
        rows = "".join(f"{n},{last if n == 3 else 'a'}\n" for n in range(len(TRUTH)))
        (tmp_path / "a.csv").write_text("id,text\n" + rows)
        checked = call(tmp_path / "home", "check", "own", str(tmp_path / "a.csv"))
        assert checked.exit_code == code, checked.output
    form = json.loads((tmp_path / "home/public/own/format.json").read_text())
    assert form["columns"][0]["maximum"] == 256


@pytest.mark.skipif(os.name != "posix", reason="graders are forked")
def test_ter_of_sentences_for_which_it_takes_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kaggle, "TRIAL", Limits(0.5))
    rng = np.random.default_rng(0)
    refused = make(tmp_path, "ter", truth=[" ".join(rng.choice(list("abcdefgh"), 60)) for _ in range(10)])
    assert (refused.exit_code, "Use chrf, or fewer or shorter sentences" in " ".join(refused.stderr.split())) == (
        2,
        True,
    )
    assert make(tmp_path, "ter").exit_code == 0, "with other sentences"


# HW5 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="graders are forked")
def test_audit_verify_recounts_grades_of_hw5_with_sacrebleu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    assert call(home, "prepare", "hw5", "--seed", "1").exit_code == 0
    found = open_home(home)
    truth = read_secret(found, find_competition(found, "hw05")).answers.columns["translation"].tolist()
    (tmp_path / "a.txt").write_text("".join(text[: 3 + n % 9] + "\n" for n, text in enumerate(truth)))
    assert call(home, "submit", "hw5", str(tmp_path / "a.txt"), "--as", "ada").exit_code == 0
    whole = call(home, "audit", "verify")
    assert whole.exit_code == 0, whole.output
    assert "1 grades recounted by sacrebleu" in whole.stdout
    with monkeypatch.context() as wrong:
        wrong.setattr(bleu, "score", lambda sums: 12.5)
        (tmp_path / "b.txt").write_text("".join(text[: 2 + n % 9] + "\n" for n, text in enumerate(truth)))
        assert call(home, "submit", "hw5", str(tmp_path / "b.txt"), "--as", "bob").exit_code == 0
    told = call(home, "audit", "verify")
    assert told.exit_code != 0
    assert "submission 2: sacrebleu gives it another score than its grade" in told.stdout + told.stderr
    assert "submission 1:" not in told.stdout + told.stderr


@pytest.mark.parametrize("name", texts.NEEDED)
def test_what_a_tokenizer_lacks_is_named_with_what_to_do(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise URLError("Name or service not known")

    if name in EXTRA:
        monkeypatch.setitem(sys.modules, EXTRA[name], None)
        monkeypatch.delitem(sys.modules, f"sacrebleu.tokenizers.tokenizer_{name.replace('-', '_')}", raising=False)
    else:
        spm = importlib.import_module("sacrebleu.tokenizers.tokenizer_spm")
        monkeypatch.setattr(spm, "SACREBLEU_DIR", str(tmp_path))
        monkeypatch.setattr(spm, "download_file", offline)
    made = make(tmp_path, "bleu", "--metric-arg", f"tokenize={name}")
    assert (made.exit_code != 0, texts.NEEDED[name] in made.stderr) == (True, True), made.output
    assert "Traceback" not in made.stderr
    assert not (tmp_path / "home" / "public" / "own").exists()
