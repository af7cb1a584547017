"""The built-in world of HW7: paragraphs about three people and two years, and questions on them.

The key draws its language (lexicon.py): names of people and places, trades, things, reasons, and four relations of each
kind. A paragraph tells some twenty facts (story.py) whose answers are of one kind or two, in sentences most of which
say only he or she and leave out the year. A question asks with another phrase than the paragraph, and mostly one whose
answer is not in the sentence that looks most like it.

The text without questions has paragraphs of the same kind that end with memories: the same facts again in other words.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tasks.base import Answers, Made, UserError
from tasks.hw07_bert import DEV_FILE, SIZES, TARGET, TEST_FILE, TEXT_FILE, TRAIN_FILE
from tasks.hw07_bert.lexicon import Language, draw_language
from tasks.hw07_bert.story import Question, ask, remember, tell
from tasks.processes import blocks, mapped
from tasks.streams import Streams

BLOCK = 1000
"""Paragraphs that one process writes at a time."""
MEMORIES = 4
Asked = tuple[str, list[Question]]


def paragraphs(language: Language, streams: Streams, most: int, block: Sequence[int]) -> list[Asked]:
    """The paragraphs of these numbers, each with its questions, from a stream of its own."""
    made = []
    for number in block:
        rng = streams.random(str(number))
        asked: list[Question] = []
        while not asked:
            story = tell(language, rng)
            asked = ask(story, rng, most)
        made.append((story.text, asked))
    return made


def lines(language: Language, streams: Streams, block: Sequence[int]) -> list[str]:
    """The lines without questions of these numbers."""
    made = []
    for number in block:
        rng = streams.random(str(number))
        made.append(remember(tell(language, rng), rng, MEMORIES))
    return made


def make(
    public: Path,
    streams: Streams,
    size: str,
    source: Path | None = None,
    secret: Path | None = None,
    processes: int | None = None,
) -> Made:
    """Write the files of a world into `public`, the same however many `processes` there are (`full`: all cores)."""
    if size not in SIZES:
        raise UserError(f"size {size!r}: expected one of: {', '.join(SIZES)}.")
    counts = SIZES[size]
    processes = processes or (None if size == "full" else 1)
    language = draw_language(streams.random("language"))
    parts = {}
    for name, count in (("train", counts.train), ("dev", counts.dev), ("test", counts.test)):
        work = partial(paragraphs, language, streams.within(name), counts.questions)
        parts[name] = [one for made in mapped(work, blocks(count, BLOCK), processes) for one in made]
    text = mapped(partial(lines, language, streams.within("text")), blocks(counts.text, BLOCK), processes)
    public.joinpath(TEXT_FILE).write_text(
        "".join(f"{line}\n" for made in text for line in made), encoding="utf-8", newline="\n"
    )
    write_questions(public / TRAIN_FILE, *shuffled(parts["train"], streams.generator("train/order")))
    write_questions(public / DEV_FILE, *shuffled(parts["dev"], streams.generator("dev/order")))
    texts, asked = shuffled(parts["test"], streams.generator("test/order"))
    write_questions(public / TEST_FILE, texts, asked, answers=False)
    return made_of(asked, np.array([f"paragraph {place}" for place, _ in asked]))


def shuffled(parts: Sequence[Asked], rng: np.random.Generator) -> tuple[list[str], list[tuple[int, Question]]]:
    """The paragraphs, and all their questions in random order, each with the number of its paragraph."""
    every = [(place, question) for place, (_, asked) in enumerate(parts) for question in asked]
    return [text for text, _ in parts], [every[at] for at in rng.permutation(len(every))]


def write_questions(
    path: Path, texts: Sequence[str], asked: Sequence[tuple[int, Question]], answers: bool = True
) -> None:
    """The course's JSON; without `answers` they are null, as in its test file."""
    questions: list[dict[str, Any]] = []
    for number, (place, question) in enumerate(asked):
        answer = question.answers[0]
        found: tuple[str | int | None, ...] = (answer, question.start, question.start + len(answer) - 1)
        names = ("answer_text", "answer_start", "answer_end")
        given = zip(names, found if answers else (None,) * 3, strict=True)
        questions.append({"id": number, "paragraph_id": place, "question_text": question.text, **dict(given)})
    data = {"questions": questions, "paragraphs": list(texts)}
    path.write_text(json.dumps(data, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def made_of(asked: Sequence[tuple[int, Question]], groups: np.ndarray[Any, np.dtype[np.str_]]) -> Made:
    """The hidden answers, several right ones with a line end between them, by paragraph."""
    cells = np.array(["\n".join(question.answers) for _, question in asked], dtype=object)
    return Made(Answers(range(len(asked)), {TARGET: cells}, groups=groups))
