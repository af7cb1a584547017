"""The course's own files of HW7, and a hidden test carved out of their labelled paragraphs.

The official test answers were not handed out, so a part of the labelled paragraphs of hw7_train.json and hw7_dev.json,
whichever are there, becomes the test: a quarter of the questions, or as many as the course's test has. DRCD's own files
(DRCD_training.json, …), in the layout of SQuAD, are read as well; where people gave several answers, each is right.
Paragraphs that share long pieces of text, such as a text and its spoken version, stay on one side.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.base import Made, UserError
from tasks.groups import Linked
from tasks.hw07_bert import DEV_FILE, TEST_FILE, TRAIN_FILE, YEARS
from tasks.hw07_bert.story import Question
from tasks.hw07_bert.world import made_of, write_questions
from tasks.sources import Source, opened, refused
from tasks.streams import Streams

WANTED = r"hw7_(train|dev|test)\.json|DRCD_(training|dev|test)\.json"
LABELLED = (TRAIN_FILE, DEV_FILE, "DRCD_training.json", "DRCD_dev.json", "DRCD_test.json")
MAX_BYTES = 256 * 2**20
FEWEST = 40
"""The fewest labelled paragraphs accepted."""
SHARE = 4  # one of so many becomes hidden
DEV = 10  # of the rest, one of so many validates where the source has no dev file
PIECE, SAME = 8, 0.2
"""Two paragraphs are the same where the shorter one shares this part of its pieces of so many characters."""
SHOWN = 20
"""The most problems of a file that are listed."""
FIELDS = ("id", "paragraph_id", "question_text", "answer_text", "answer_start", "answer_end")


@dataclass(frozen=True)
class Labelled:
    """A paragraph with its questions, and whether it is from the dev file."""

    text: str
    asked: tuple[Question, ...]
    dev: bool


def read_course(source: Source, path: str) -> list[tuple[str, tuple[Question, ...]]]:
    """The paragraphs of a file in the course's layout that have questions. Raises UserError."""
    where = f"{source.name}, {path}"
    data = source.json(path, MAX_BYTES)
    questions, texts = _list(data, "questions", where), _list(data, "paragraphs", where)
    if not all(isinstance(text, str) for text in texts):
        raise refused(f"{where}: expected paragraphs of text; found other values.")
    asked: list[list[Question]] = [[] for _ in texts]
    problems = []
    for at, one in enumerate(questions):
        try:
            place, question = _asked(f"{where}, question {at}", one, texts)
        except UserError as error:
            problems.append(str(error))
        else:
            asked[place].append(question)
    _refuse(problems)
    return [(text, tuple(found)) for text, found in zip(texts, asked, strict=True) if found]


def _refuse(problems: list[str]) -> None:
    """Raises UserError with the first problems, if there are any."""
    if problems:
        more = [f"… and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        raise refused("\n".join([*problems[:SHOWN], *more]))


def _asked(where: str, one: Any, texts: list[str]) -> tuple[int, Question]:
    """The number of a question's paragraph, and the question. Raises UserError."""
    if not isinstance(one, dict) or not set(FIELDS) <= set(one):
        raise refused(f"{where}: expected the fields {', '.join(FIELDS)}.")
    place, start, end, answer = (one[name] for name in ("paragraph_id", "answer_start", "answer_end", "answer_text"))
    if not all(type(number) is int for number in (place, start, end)) or not isinstance(answer, str):
        raise refused(f"{where}: expected a paragraph's number, an answer, and where it begins and ends.")
    if not 0 <= place < len(texts):
        raise refused(f"{where}: expected a paragraph_id from 0 to {len(texts) - 1}; found {place}.")
    if not isinstance(one["question_text"], str):
        raise refused(f"{where}: expected a text as question_text.")
    return place, _question(where, texts[place], one["question_text"], (answer,), start, end)


def read_drcd(source: Source, path: str) -> list[tuple[str, tuple[Question, ...]]]:
    """The paragraphs of a file in the layout of SQuAD. Raises UserError."""
    where = f"{source.name}, {path}"
    found, problems = [], []
    try:
        for article in _list(source.json(path, MAX_BYTES), "data", where):
            for paragraph in article["paragraphs"]:
                text, asked = paragraph["context"], []
                for one in paragraph["qas"]:
                    answers = tuple(dict.fromkeys(answer["text"] for answer in one["answers"]))
                    start = one["answers"][0]["answer_start"]
                    here = f"{where}, question {one['id']}"
                    end = start + len(answers[0]) - 1
                    try:
                        asked.append(_question(here, text, one["question"], answers, start, end))
                    except UserError as error:
                        problems.append(str(error))
                found.append((text, tuple(asked)))
    except (KeyError, TypeError, IndexError) as error:
        raise refused(f"{where}: expected the layout of SQuAD; something else is there ({error!r:.60}).") from None
    _refuse(problems)
    return found


def _question(where: str, text: str, question: str, answers: tuple[str, ...], start: int, end: int) -> Question:
    """A question whose first answer stands at its place. Raises UserError, without the answer."""
    if not 0 <= start <= end < len(text):
        raise refused(f"{where}: expected an answer within the {len(text)} characters; found {start} to {end}.")
    if text[start : end + 1] != answers[0]:
        raise refused(f"{where}: expected the answer's text from {start} to {end}; another text is there.")
    return Question(question, answers, start)


def _list(data: Any, name: str, where: str) -> list[Any]:
    value = data.get(name) if isinstance(data, dict) else None
    if not isinstance(value, list):
        raise refused(f"{where}: expected a list {name}; it is not there.")
    return value


def read_official(place: Path | None) -> list[Labelled]:
    """All labelled paragraphs with questions, each text once. Raises UserError."""
    with opened(place, WANTED) as source:
        paths = [path for name in LABELLED if (path := source.find(name)) is not None]
        if not paths:
            raise source.missing(f"the file {TRAIN_FILE} or {DEV_FILE}, which have answers")
        found: dict[str, Labelled] = {}
        for path in paths:
            read = read_drcd if path.rpartition("/")[2].upper().startswith("DRCD") else read_course
            for text, asked in read(source, path):
                before = found.get(text, Labelled(text, (), path.rpartition("/")[2].lower() == DEV_FILE))
                every = {question.text: question for question in (*asked, *before.asked)}
                found[text] = Labelled(text, tuple(every.values()), before.dev)
        if len(found) < FEWEST:
            raise refused(f"{source.name}: expected at least {FEWEST} paragraphs with questions; found {len(found)}.")
    return list(found.values())


def same_texts(texts: list[str]) -> NDArray[np.int64]:
    """The number of the group of each text (n,): those that share pieces are in one, and what is like those too."""
    pieces = [{text[at : at + PIECE] for at in range(max(1, len(text) - PIECE + 1))} for text in texts]
    holders: dict[str, list[int]] = defaultdict(list)
    for place, own in enumerate(pieces):
        for piece in sorted(own):
            holders[piece].append(place)
    shared: dict[tuple[int, int], int] = defaultdict(int)
    for places in holders.values():
        if 1 < len(places) <= 20:  # what more texts have is a saying or a name
            for number, one in enumerate(places):
                for other in places[number + 1 :]:
                    shared[one, other] += 1
    every = Linked(len(texts))
    for (one, other), count in shared.items():
        if count >= SAME * min(len(pieces[one]), len(pieces[other])):
            every.link(other, one)
    return np.array([every.root(place) for place in range(len(texts))], dtype=np.int64)


def make(public: Path, streams: Streams, size: str, source: Path | None, secret: Path | None = None) -> Made:
    """Write the carved competition into `public`."""
    every = read_official(source)
    groups = same_texts([one.text for one in every])
    total = sum(len(one.asked) for one in every)
    most = min(total // SHARE, max(year.rows for year in YEARS))
    members: dict[int, list[int]] = defaultdict(list)
    for place, group in enumerate(groups.tolist()):
        members[group].append(place)
    names = list(members)
    hidden: list[int] = []
    dev: list[int] = []
    train: list[int] = []
    files = any(one.dev for one in every) and not all(one.dev for one in every)
    count = 0
    for at in streams.generator("hidden paragraphs").permutation(len(names)).tolist():
        places = members[names[at]]
        size_of_group = sum(len(every[place].asked) for place in places)
        if count + size_of_group <= most:
            hidden += places
            count += size_of_group
        elif files:
            for place in places:
                (dev if every[place].dev else train).append(place)
        else:
            (dev if at % DEV == 0 else train).extend(places)
    for name, places in ((TRAIN_FILE, train), (DEV_FILE, dev), (TEST_FILE, hidden)):
        asked = [(number, question) for number, place in enumerate(places) for question in every[place].asked]
        order = streams.generator(f"order of {name}").permutation(len(asked))
        asked = [asked[at] for at in order]
        write_questions(public / name, [every[place].text for place in places], asked, answers=name != TEST_FILE)
    return made_of(asked, np.array([f"paragraph {groups[hidden[number]]}" for number, _ in asked]))
