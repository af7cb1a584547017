"""Pre-trained models in a folder: what is loaded of them, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines import pretrained, spans
from tasks.base import UserError
from tasks.hw07_bert import lexicon


def saved(folder: Path, tokens: Any = None) -> Path:
    """A tiny BERT with random weights, and the tokenizer of its characters, as transformers saves them."""
    transformers = pytest.importorskip("transformers")
    folder.mkdir()
    signs = sorted(set("".join(lexicon.__dict__[name] for name in ("SURNAMES", "MEN", "WOMEN", "PLACES", "SECOND"))))
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str, range(10)), *signs, "##元", "，", "。", "？"]
    (folder / "vocab.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(names), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=160,
    )  # fmt: skip
    transformers.BertForQuestionAnswering(config).save_pretrained(folder)
    if tokens is None:
        tokens = transformers.BertTokenizerFast(vocab_file=str(folder / "vocab.txt"))
    tokens.save_pretrained(folder)
    return folder


def test_tokens_know_their_characters(tmp_path: Path) -> None:
    _, make = pretrained.loaded(saved(tmp_path / "bert"), "cpu")
    text = "林志明，1987年。"
    batch = make([text], [(0, spans.Asked(0, "林志明？", ((14, 17),)), 10)])
    assert isinstance(batch, pretrained.TokenBatch)
    starts, ends = batch.places[:, 0]
    pieces = [text[begin : end + 1] for begin, end in zip(starts.tolist(), ends.tolist(), strict=True) if begin >= 0]
    assert "".join(pieces) == text
    right = [(a, b) for a, b in zip(batch.starts[0].tolist(), batch.ends[0].tolist(), strict=True)]
    assert sum(a for a, _ in right) == sum(b for _, b in right) == 1
    assert int(starts[batch.starts[0]]) == 4
    assert int(ends[batch.ends[0]]) == 7


def test_a_folder_that_cannot_be_used_is_refused_with_the_reason(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    with pytest.raises(UserError, match="it has no config"):
        pretrained.loaded(tmp_path, "cpu")
    folder = saved(tmp_path / "pickle")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"pytorch_model.bin, a pickle, which can run any code"):
        pretrained.loaded(folder, "cpu")
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(UserError, match="safetensors; found none"):
        pretrained.loaded(folder, "cpu")
    folder = saved(tmp_path / "damaged")
    (folder / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(UserError, match="transformers cannot load it"):
        pretrained.loaded(folder, "cpu")
    folder = saved(tmp_path / "slow", transformers.CanineTokenizer())
    with pytest.raises(UserError, match="does not say where its tokens stand"):
        pretrained.loaded(folder, "cpu")


def test_a_missing_transformers_is_one_line_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match=r"pip install 'lhy-grade\[bert\]'"):
        pretrained.loaded(tmp_path, "cpu")
