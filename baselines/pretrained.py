"""A pre-trained encoder of Hugging Face that answers questions: what `--set pretrained=FOLDER` of HW7 fine-tunes.

The folder has `config.json`, weights in safetensors and a tokenizer that knows where its tokens stand in the text, as
`save_pretrained` writes them. Nothing is downloaded, no code of the folder is run, and no pickle is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from baselines.reading import NEVER
from baselines.spans import Maker, Row, span_loss
from tasks.base import UserError

MOST_TOKENS = 512


def loaded(folder: Path, device: str) -> tuple[nn.Module, Maker]:
    """The network with a head for spans, drawn by torch's seed where the folder has none, and the maker of batches.

    Raises UserError for a folder that cannot be used, with what to do.
    """
    from safetensors import SafetensorError

    try:
        import transformers
    except ModuleNotFoundError:
        raise UserError("pretrained= needs transformers; install it with: pip install 'lhy-grade[bert]'") from None
    if not (folder / "config.json").is_file():
        raise UserError(f"pretrained={folder}: expected the folder of a saved model; it has no config.json.")
    if not any(folder.glob("*.safetensors")):
        pickles = sorted(path.name for path in folder.iterdir() if path.suffix in (".bin", ".pt", ".pth", ".ckpt"))
        found = f"found {pickles[0]}, a pickle, which can run any code when it is opened" if pickles else "found none"
        raise UserError(
            f"pretrained={folder}: expected weights as .safetensors; {found}. Save the model again with"
            " save_pretrained(folder), or take the .safetensors of its page."
        )
    told: Any = transformers.utils.logging
    told.set_verbosity_error()
    told.disable_progress_bar()
    given: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **given)
        network = transformers.AutoModelForQuestionAnswering.from_pretrained(folder, use_safetensors=True, **given)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"pretrained={folder}: transformers cannot load it: {reason:.300}") from error
    if not tokenizer.is_fast:
        raise UserError(
            f"pretrained={folder}: {type(tokenizer).__name__} does not say where its tokens stand in the text; a fast"
            " tokenizer is needed (a folder with tokenizer.json)."
        )
    most = min(MOST_TOKENS, getattr(network.config, "max_position_embeddings", MOST_TOKENS))
    return network.float().to(device), partial(TokenBatch.of, tokenizer, most, device)


@dataclass(frozen=True)
class TokenBatch:
    """Pairs of question and window as tokens, (q, l), and for each token where it begins and ends in the window.

    A token of the question, a mark, or padding has the place -1.
    """

    inputs: dict[str, Tensor]
    places: Tensor  # (2, q, l)
    starts: Tensor  # (q, l): whether an answer begins in this token
    ends: Tensor
    length: int

    @staticmethod
    def of(tokenizer: Any, most: int, device: str, texts: Sequence[str], asked: Sequence[Row]) -> TokenBatch:
        windows = [texts[window] for window, _, _ in asked]
        questions = [one.text[: most // 4] for _, one, _ in asked]
        made = tokenizer(
            questions, windows, truncation="only_second", max_length=most, padding=True, return_tensors="pt",
            return_offsets_mapping=True,
        )  # fmt: skip
        offsets = made.pop("offset_mapping")  # (q, l, 2)
        inside = torch.tensor([[part == 1 for part in made.sequence_ids(row)] for row in range(len(asked))])
        inside &= offsets[:, :, 1] > offsets[:, :, 0]
        places = torch.stack([offsets[:, :, 0], offsets[:, :, 1] - 1]).masked_fill(~inside, -1)
        wanted = torch.zeros(2, *inside.shape, dtype=torch.bool)
        for row, (_, one, begin) in enumerate(asked):
            for span in one.spans:
                for side, at in enumerate(span):
                    wanted[side, row] |= (places[0, row] <= at - begin) & (at - begin <= places[1, row]) & inside[row]
        inputs = {name: value.to(device) for name, value in made.items()}
        starts, ends = wanted.to(device)
        return TokenBatch(inputs, places.to(device), starts, ends, max(map(len, texts)))

    def _tokens(self, network: nn.Module) -> tuple[Tensor, Tensor]:
        found = network(**self.inputs)
        outside = self.places[0] < 0
        start, end = (x.float().masked_fill(outside, NEVER) for x in (found.start_logits, found.end_logits))
        return start, end

    def loss(self, network: nn.Module) -> Tensor:
        return span_loss(self._tokens(network), (self.starts, self.ends))

    def logits(self, network: nn.Module) -> tuple[Tensor, Tensor]:
        """By character: those of a token stand where it begins, or ends."""
        sides = []
        for logits, places in zip(self._tokens(network), self.places, strict=True):
            out = torch.full((len(logits), self.length + 1), NEVER, device=logits.device)
            at = places.masked_fill(places < 0, self.length)
            sides.append(out.scatter(1, at, logits)[:, : self.length])
        return sides[0], sides[1]
