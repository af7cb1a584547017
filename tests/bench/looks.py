"""What a person looks at and listens to before a built-in world is used.

    python tests/bench/looks.py FOLDER [--seed N] [--only hw02,hw07,hw11,hw15] [--pairs N]

It writes for HW2 three utterances as WAV with their spectrograms and phonemes, for HW7 a hundred paragraphs with their
questions and answers, for HW11 pairs of a painting and a drawing of the same thing, ten of each kind, and for HW15
twenty alphabets of the test, each character by two hands. Language, studio, family and writing are those of
`prepare --seed N`. `--pairs 2` makes `docs/homeworks/hw11-pairs.png`, the picture of the README.
"""

from __future__ import annotations

import argparse
import io
import sys
import wave
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))

from tasks import speech
from tasks.figures import DIALS, KINDS
from tasks.hw02_classification import world as phonemes
from tasks.hw07_bert import SIZES
from tasks.hw07_bert import world as passages
from tasks.hw07_bert.lexicon import draw_language
from tasks.hw15_meta import world as characters
from tasks.hw15_meta.alphabets import alphabet, draw_family
from tasks.pen import draw_hand
from tasks.streams import Streams, fixed
from tasks.things import Maker, draw_maker, drawing, painting

ALPHABETS, LETTERS, HANDS = 20, 10, 2


def listen(folder: Path, streams: Streams, pairs: int) -> None:
    """Three utterances as they are heard, and what is said in each frame."""
    studio = phonemes.draw_studio(streams.generator("studio"))
    texts = phonemes.draw_sentences(streams, "small", (3, 0))[0]
    voices = [speech.draw_voice(streams.generator("train/voices")) for _ in range(3)]
    cast = phonemes.cast_part("train", texts, voices, voices, streams.generator("train/cast"))
    figure = Figure(figsize=(14, 9), dpi=90, layout="constrained")
    with speech.synthesiser() as speak:
        for number, (utterance, axes) in enumerate(zip(cast, figure.subplots(3, 1), strict=True)):
            samples, sounds = phonemes.record(speak, studio, utterance, streams.generator(f"train/{number}"))
            with wave.open(str(folder / f"utterance-{number}.wav"), "wb") as file:
                file.setparams((1, 2, speech.RATE, len(samples), "NONE", ""))
                file.writeframes((samples * 32767).astype("<i2").tobytes())
            seen = speech.log_mel(samples, 80)
            axes.imshow(seen.T, origin="lower", aspect="auto", cmap="magma")
            axes.set_title(utterance.text, fontsize=9)
            labels = sounds.labels(len(seen))
            for frame in np.flatnonzero(np.diff(labels, prepend=-1)):
                axes.axvline(frame, color="white", linewidth=0.4)
                axes.text(frame, 81, speech.PHONEMES[labels[frame]], fontsize=7)
    figure.savefig(folder / "utterances.png")


def read(folder: Path, streams: Streams, pairs: int) -> None:
    """A hundred paragraphs, their questions, and all right answers."""
    language = draw_language(streams.random("language"))
    made = passages.paragraphs(language, streams.within("train"), SIZES["small"].questions, range(100))
    with (folder / "paragraphs.txt").open("w", encoding="utf-8") as file:
        for number, (text, asked) in enumerate(made):
            file.write(f"[{number}] {text}\n")
            file.writelines(f"    {one.text} {' | '.join(one.answers)}\n" for one in asked)


def see_pairs(folder: Path, streams: Streams, pairs: int) -> None:
    """Pairs of pictures of one thing, a column for each kind: paintings in the upper rows, drawings in the lower."""
    rng = streams.generator("pairs")
    maker = draw_maker(rng)
    shown: list[list[Any]] = [[] for _ in range(2 * pairs)]
    for kind in range(len(KINDS)):
        for pair in range(pairs):
            same = of_one(maker, kind, rng)
            shown[2 * pair].append(painting(same, kind, rng))
            drawn = np.repeat(drawing(same, kind, rng)[..., None], 3, axis=2)
            shown[2 * pair + 1].append(np.asarray(Image.fromarray(drawn).resize((32, 32))))
    page = np.concatenate([np.concatenate(row, axis=1) for row in shown])
    picture = Image.fromarray(page).resize((page.shape[1] * 3, page.shape[0] * 3), Image.Resampling.NEAREST)
    picture.quantize(256, dither=Image.Dither.NONE).save(folder / "hw11-pairs.png", optimize=True)


def of_one(maker: Maker, kind: int, rng: np.random.Generator) -> Maker:
    """A maker whose things of a kind all have the same proportions."""
    breeds = maker.breeds.shape[1]
    middle = maker.breeds[kind, rng.choice(breeds, p=maker.shares[0, kind])]
    dials = (middle + rng.normal(0, maker.spread, DIALS)).clip(0, 1)
    return replace(maker, breeds=np.broadcast_to(dials, maker.breeds.shape), spread=0.0)


def see_alphabets(folder: Path, streams: Streams, pairs: int) -> None:
    """Twenty alphabets, two rows of ten characters each: the same characters by two hands."""
    family = draw_family(streams.generator("family"))
    writing = characters.draw_writing(streams.generator("writing"))
    figure = Figure(figsize=(12, 14), dpi=90, layout="constrained")
    for number, axes in enumerate(figure.subplots(ALPHABETS // 2, 2).flat):
        rng = streams.generator(f"test/{number}/characters")
        strokes = alphabet(family, LETTERS, rng)
        rows = []
        for _ in range(HANDS):
            hand = draw_hand(rng, writing.hands)
            rows.append(np.concatenate([characters.picture(one, hand, writing, rng) for one in strokes], axis=1))
        axes.imshow(np.concatenate(rows), cmap="gray")
        axes.set_axis_off()
        axes.set_title(f"alphabet {number}", fontsize=7)
    drawn = io.BytesIO()
    figure.savefig(drawn)
    with Image.open(drawn) as image:
        image.convert("L").save(folder / "alphabets.png", optimize=True)


LOOKS: dict[str, Callable[[Path, Streams, int], None]] = {
    "hw02": listen, "hw07": read, "hw11": see_pairs, "hw15": see_alphabets,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--only", default=",".join(LOOKS))
    parser.add_argument("--pairs", type=int, default=10, help="pairs of each kind of thing")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for name in given.only.split(","):
        LOOKS[name](given.folder, fixed(given.seed).within(f"{name}/builtin/0/world"), given.pairs)
    print(*sorted(path.name for path in given.folder.iterdir()), sep="\n")


if __name__ == "__main__":
    main()
