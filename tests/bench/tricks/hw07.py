"""HW7: pieces of the sentence that looks most like the question, by the kind of answer; a parser; other worlds."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from baselines.common import train_level
from baselines.spans import sentences, submission
from tasks.hw07_bert import DEV_FILE, SIZES, TARGET, TEST_FILE, TEXT_FILE, TRAIN_FILE, lexicon, story, world
from tasks.streams import Streams
from tests.bench.tricks.frame import NO_LEARNING, OTHER_DATA, PUBLIC_DATA, Given, Reference, Trick, World

KINDS = {
    "when": (r"哪一年", r"\d{4}年"),
    "money": (r"多少", r"[\d,]+元"),
    "who": (r"是?誰(?!$)|的人是誰", r"(?<=，)\w{3}(?=是)|^\w{3}(?=是)"),
    "reason": (r"為什麼|為了什麼|為何", r"(?<=因為)[^，。]+?(?=而)"),
    "place": (r"哪裡|地方", r"(?<=[在去到和])\w{2}[鎮村鄉港里島莊市]"),
    "person": (
        r"哪一位|什麼人|哪些人|誰",
        rf"\w(?:{'|'.join(lexicon.TITLES.split())})",
    ),
    "thing": (r"什麼|哪種|哪些", r"\w{2}(?=[，。和])"),
}
"""The words that ask for each kind of answer, and what such an answer looks like."""


@dataclass(frozen=True)
class Asked:
    paragraph: str
    question: str
    answer: str | None


def read_file(path: Path) -> tuple[list[Asked], list[int]]:
    data = json.loads(path.read_text(encoding="utf-8"))
    every = data["questions"]
    asked = [Asked(data["paragraphs"][one["paragraph_id"]], one["question_text"], one["answer_text"]) for one in every]
    return asked, [one["id"] for one in every]


def said(given: Given, answer: Callable[[Asked], str]) -> bytes:
    asked, ids = read_file(given.public / TEST_FILE)
    return submission(ids, [answer(one).replace(",", "") for one in asked])


# Without learning


def alike(one: Asked) -> str:
    """The sentence that shares most characters with the question."""
    wanted = Counter(one.question)
    return max(sentences(one.paragraph), key=lambda sentence: (wanted & Counter(sentence)).total())


def new_piece(one: Asked) -> str:
    """The longest piece of that sentence without a mark or a character of the question."""
    pieces = re.split(f"[，。{re.escape(one.question)}]", alike(one))
    return max(pieces, key=len)


def of_kind(one: Asked, text: str) -> list[str]:
    """All pieces of a text that look like the wanted answer and are not in the question."""
    way = next((way for ask, way in KINDS.values() if re.search(ask, one.question)), KINDS["thing"][1])
    return [piece for piece in re.findall(way, text) if piece not in one.question]


def kind_in_sentence(one: Asked) -> str:
    found = of_kind(one, alike(one)) or of_kind(one, one.paragraph)
    return found[0] if found else ""


def first_of_kind(one: Asked) -> str:
    return next(iter(of_kind(one, one.paragraph)), "")


def middle(one: Asked) -> str:
    window = one.paragraph[:150]
    return window[len(window) // 2 - 1 : len(window) // 2 + 2]


# From the public data


@lru_cache(maxsize=1)
def known_answers(folder: Path) -> dict[str, set[str]]:
    """The answers of the training and dev questions, by the last words that ask for them."""
    found: dict[str, set[str]] = {}
    for name in (TRAIN_FILE, DEV_FILE):
        for one in read_file(folder / name)[0]:
            found.setdefault(asks(one.question), set()).add(str(one.answer))
    return found


def asks(question: str) -> str:
    return next((kind for kind, (ask, _) in KINDS.items() if re.search(ask, question)), "")


def nearest_known(given: Given, one: Asked) -> str:
    """The known answer of this kind, or what looks like one, in the stretch with most characters of the question."""
    known = known_answers(given.public).get(asks(one.question), set())
    pieces = [piece for piece in [*known, *of_kind(one, one.paragraph)] if piece in one.paragraph]
    places = {found.start() for piece in pieces for found in re.finditer(re.escape(piece), one.paragraph)}
    if not places:
        return first_of_kind(one)
    marks = [sign in one.question for sign in one.paragraph]
    best = max(sorted(places), key=lambda at: sum(marks[max(0, at - 30) : at + 10]))
    return max((piece for piece in pieces if one.paragraph.startswith(piece, best)), key=len)


# Other data


class Solver:
    """Reads a paragraph as a reader would, sentence by sentence, and answers a question by looking through its facts.

    It knows the phrases of the lexicon, and that he or she is the one of whom the last sentence spoke.
    """

    WAYS = tuple(
        (kind, number, re.compile(re.escape(phrase).replace(re.escape("{o}"), "(?P<o>[^，。？]+?)") + r"(?![^，。？])"))
        for kind, every in lexicon.RELATIONS.items()
        for number, relation in enumerate(every)
        for phrase in relation.split()
    )

    def __init__(self, text: str) -> None:
        first, *rest = sentences(text)
        self.trades = {job: name for name, job in re.findall(r"(\w{3})是(\w+?)，", first)}
        self.facts: list[tuple[str, str, tuple[Any, int], str]] = []
        who = when = ""
        for sentence in rest:
            body = sentence[:-1]
            if year := re.match(r"(\d{4}年)(?:時|那年)?，", body):
                when, body = year[1], body[year.end() :]
            elif later := re.match(r"([兩一二三四五六七八九十]+)年後，", body):
                number = next(n for n in range(1, 100) if story.in_chinese(n) == later[1])
                when, body = f"{int(when[:4]) + number}年", body[later.end() :]
            body = re.sub(r"^(同年|當時|那一年)，", "", body)
            if trade := re.match(r"[這那]位(\w+)", body):
                job = next(job for job in self.trades if trade[1].startswith(job))
                who, body = self.trades[job], body[2 + len(job) :]
            elif name := next((name for name in self.trades.values() if body.startswith(name)), None):
                who, body = name, body[3:]
            else:
                assert body[0] in "他她", sentence
                body = body[1:]
            for clause in body.split("，"):
                done = re.sub(r"^(曾經|並且|而且|也|還|又)+", "", clause)
                found = [(kind, n, m["o"]) for kind, n, way in self.WAYS if (m := way.fullmatch(done))]
                assert found, (clause, sentence)
                for kind, n, objects in found:
                    parts = objects.split("和") if kind in lexicon.SEVERAL else [objects]
                    self.facts += [(who, when, (kind, n), part) for part in parts]

    def answers(self, question: str) -> set[str]:
        """Every answer that the facts allow."""
        year = re.search(r"\d{4}年", question)
        text = re.sub(r"？.*", "", question.replace(year[0], "", 1) if year else question)
        who = next((name for name in self.trades.values() if name in text), None)
        text = re.sub(r"的人是誰$|是在哪一年$|^哪一年", "", text)
        text = re.sub(r"^(是誰|誰)", "", text) if who is None else re.sub(r"^哪一年", "", text.replace(who, "", 1))
        asks_year = "哪一年" in question
        asked = None
        for kind, words in lexicon.ASKED.items():
            several = lexicon.SEVERAL.get(kind, ("",))[0]
            for kind_, number, way in self.WAYS:
                if kind_ != kind or asks_year or who is None:
                    continue
                for word in sorted([*words, *([several] if several else [])], key=len, reverse=True):
                    as_told = f"因為X而{text.removeprefix(word)}" if kind == "reason" else text
                    if kind == "reason" and not text.startswith(word):
                        continue
                    found = way.fullmatch(as_told)
                    if found and found["o"] == ("X" if kind == "reason" else word):
                        asked = (kind, number)
        facts = [one for one in self.facts if year is None or one[1] == year[0]]
        facts = [one for one in facts if who is None or one[0] == who]
        if asked is not None:
            return {part for *_, relation, part in facts if relation == asked}
        done = {(kind, n, m["o"]) for kind, n, way in self.WAYS if (m := way.fullmatch(text))}
        same = [one for one in facts if (*one[2], one[3]) in done]
        return {one[1] if asks_year else one[0] for one in same}


def parsed(one: Asked) -> str:
    found = sorted(Solver(one.paragraph).answers(one.question))
    return found[0] if found else ""


def overheard(folder: Path) -> lexicon.Language:
    """The language of the public paragraphs: the words and relations that the parser finds in them."""
    people: set[str] = set()
    objects: dict[Any, set[str]] = {kind: set() for kind in lexicon.RELATIONS}
    numbers: dict[Any, set[int]] = {kind: set() for kind in lexicon.RELATIONS}
    texts = {one.paragraph for name in (TRAIN_FILE, DEV_FILE, TEST_FILE) for one in read_file(folder / name)[0]}
    for text in texts:
        solver = Solver(text)
        people |= set(solver.trades.values())
        for *_, (kind, number), part in solver.facts:
            objects[kind].add(part)
            numbers[kind].add(number)

    def there(words: str) -> tuple[str, ...]:
        return tuple(word for word in words.split() if any(word in text for text in texts))

    given = tuple(tuple(sorted({n[1:] for n in people if n[1] in signs})) for signs in (lexicon.MEN, lexicon.WOMEN))
    return lexicon.Language(
        tuple(sorted({name[0] for name in people})),
        (given[0], given[1]),
        there(lexicon.TITLES),
        there(lexicon.JOBS),
        there(lexicon.TIES),
        {kind: tuple(sorted(words)) for kind, words in objects.items()},
        {
            kind: tuple(lexicon.Relation(kind, n, tuple(lexicon.RELATIONS[kind][n].split())) for n in sorted(every))
            for kind, every in numbers.items()
        },
        any("," in word for word in objects["money"]),
    )


def retold(given: Given) -> Path:
    """A folder with questions and text that the generator makes with the words of the public paragraphs."""
    folder, language, streams = given.scratch / "retold", overheard(given.public), given.other_streams()
    folder.mkdir()
    counts = SIZES[given.size]
    asked = world.paragraphs(language, streams.within("train"), counts.questions, range(counts.train))
    world.write_questions(folder / TRAIN_FILE, *world.shuffled(asked, given.rng))
    text = world.lines(language, streams.within("text"), range(counts.text))
    (folder / TEXT_FILE).write_text("".join(f"{line}\n" for line in text), encoding="utf-8")
    return folder


def trained(given: Given, level: str, source: Callable[[Given], Path], *, own: bool) -> bytes:
    """A level trained on the questions and the text of another world, with `own` also on this one's."""
    folder = given.scratch / "mixed"
    shutil.copytree(given.public, folder)
    other = source(given)
    for name in (TRAIN_FILE, TEXT_FILE):
        if not own:
            shutil.copy(other / name, folder / name)
        elif name == TEXT_FILE:
            text = [(place / name).read_text(encoding="utf-8") for place in (given.public, other)]
            (folder / name).write_text("".join(text), encoding="utf-8")
        else:
            mine, theirs = (json.loads((place / name).read_text(encoding="utf-8")) for place in (given.public, other))
            count = len(mine["paragraphs"])
            more = [one | {"paragraph_id": one["paragraph_id"] + count} for one in theirs["questions"]]
            both = {"questions": mine["questions"] + more, "paragraphs": mine["paragraphs"] + theirs["paragraphs"]}
            (folder / name).write_text(json.dumps(both), encoding="utf-8")
    path = train_level("hw07", level, folder, given.scratch / "run", seed=given.seed, device="cpu")
    return path.read_bytes()


def another_key(given: Given) -> Path:
    return given.other().public


def answers(made: World, streams: Streams, size: str) -> bytes:
    """The right answers, as the generator knows them."""
    cells = [str(cell).split("\n")[0].replace(",", "") for cell in made.secret.answers.columns[TARGET]]
    return submission(range(len(cells)), cells)


MORE = (
    "questions of another key are asked in the same ways, so they are as good as more training data; the sheet forbids "
    "them, and no generator knows the official editions"
)
WORDS = (
    "the parser finds the words and the relations of a key in its paragraphs, and the generator asks about them again; "
    "the sheet forbids it, and no generator knows the official editions"
)
PARSER = (
    "the sentences of the generator follow rules, and a reader of its source can write them down. A parser learns "
    "nothing; look at the code that is handed in, or use an official edition"
)
TRICKS = (
    Trick("the middle of the first window", NO_LEARNING, partial(said, answer=middle)),
    Trick("the first that looks like the answer", NO_LEARNING, partial(said, answer=first_of_kind)),
    Trick("sentence with most shared characters, longest new piece", NO_LEARNING, partial(said, answer=new_piece)),
    Trick("the same, what looks like the answer", NO_LEARNING, partial(said, answer=kind_in_sentence)),
    Trick(
        "known answers where most characters are shared", PUBLIC_DATA,
        lambda given: said(given, partial(nearest_known, given)),
    ),
    Trick(
        "own generator: strong on another key's data", OTHER_DATA,
        partial(trained, level="strong", source=another_key, own=False), long=True,
    ),
    Trick(
        "own generator, fitted: strong on stories in the public words", OTHER_DATA,
        partial(trained, level="strong", source=retold, own=False), said=WORDS, long=True,
    ),
    Trick(
        "own generator: strong on the public data and another key's", OTHER_DATA,
        partial(trained, level="strong", source=another_key, own=True), said=MORE, long=True,
    ),
    Trick("a parser written after reading the generator", OTHER_DATA, partial(said, answer=parsed), said=PARSER),
)  # fmt: skip
REFERENCES = (Reference("the generator's answers", answers),)
