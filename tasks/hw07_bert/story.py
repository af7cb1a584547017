"""The paragraphs of HW7's built-in world: what happened to three people in two years, told in Chinese, and questions.

A fact says that a person did something in a year: it has a relation and one or two objects. The facts of one person in
one year are told together, in sentences of one or two facts. Only the first of them names the person, or calls him by
his trade, and only the first says when; later ones say he or she, who is the subject of the sentence before. A question
asks with another phrase than the text. It has one right answer, since a relation holds for an object once in a
paragraph; only where it asks for one of several, each of these is right.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from itertools import product

from tasks.hw07_bert.lexicon import ASKED, SEVERAL, Kind, Language, Relation

PEOPLE = 3
LEFT_OUT, DOUBLE, TRADE, LATER = 0.2, 0.1, 0.25, 0.4
"""The shares of facts left out, of facts with two objects, of people called by their trade, of years told as later."""
KEPT = 0.12
"""The share of kept questions among those whose answer is in the sentence that shares most characters with them."""
SORTS = {"what": 0.76, "who": 0.16, "when": 0.08}
NUMBERS = "零一二三四五六七八九十"


@dataclass(frozen=True)
class Person:
    name: str
    trade: str
    pronoun: str


@dataclass(frozen=True)
class Fact:
    """What a person (by number) did in a year (by number), and the objects of it, as the text names them."""

    person: int
    year: int
    relation: Relation
    objects: tuple[str, ...]


@dataclass(frozen=True)
class Told:
    """A fact in the text: the phrase, the places of the objects, and those of the name and the year that it takes."""

    fact: Fact
    phrase: str
    objects: tuple[int, ...]
    name: int
    year: int | None  # None where the text says how much later it was


@dataclass(frozen=True)
class Question:
    """A question, its right answers, and where the first one begins in the paragraph."""

    text: str
    answers: tuple[str, ...]
    start: int


@dataclass(frozen=True)
class Story:
    """A paragraph with what it says."""

    text: str
    people: tuple[Person, ...]
    years: tuple[str, ...]
    told: tuple[Told, ...]


class Writer:
    """Writes a text and knows where everything stands in it."""

    def __init__(self) -> None:
        self.text = ""

    def add(self, words: str) -> int:
        """Writes words and returns where they begin."""
        self.text += words
        return len(self.text) - len(words)


def money(language: Language, rng: random.Random) -> str:
    amount = rng.randint(12, 99) * rng.choice((100, 1000, 100))
    return f"{amount:,}元" if language.commas else f"{amount}元"


def draw_people(language: Language, rng: random.Random) -> tuple[Person, ...]:
    trades, surnames = rng.sample(language.jobs, PEOPLE), rng.sample(language.surnames, PEOPLE)
    people = []
    for surname, trade in zip(surnames, trades, strict=True):
        woman = rng.randrange(2)
        people.append(Person(surname + rng.choice(language.given[woman]), trade, "他她"[woman]))
    return tuple(people)


def draw_facts(language: Language, rng: random.Random) -> list[Fact]:
    """The facts of all people in both years: four relations, of one kind or two, whose objects return elsewhere."""
    kinds: list[Kind] = rng.sample(list(language.relations), 2)
    shares = (4, 0) if rng.random() < 0.4 else (2, 2)
    facts = []
    for kind, count in zip(kinds, shares, strict=True):
        pool: list[str] = []
        while len(pool) < 10:
            if kind == "money":
                word = money(language, rng)
            elif kind == "person":
                word = rng.choice(language.surnames) + rng.choice(language.titles)
            else:
                word = rng.choice(language.objects[kind])
            if not any(word in other or other in word for other in pool):
                pool.append(word)
        used: dict[tuple[int, int], set[str]] = {cell: set() for cell in product(range(PEOPLE), range(2))}
        for relation in rng.sample(language.relations[kind], count):
            free = rng.sample(pool, len(pool))
            for cell, own in used.items():
                if rng.random() < LEFT_OUT:
                    continue
                left = sorted((word for word in free if word not in own), key=free.index)
                two = kind in SEVERAL and rng.random() < DOUBLE and len(left) > 1
                taken = left[: 2 if two else 1]
                if taken:
                    free = [word for word in free if word not in taken]
                    own.update(taken)
                    facts.append(Fact(*cell, relation, tuple(taken)))
    return facts


def in_chinese(number: int) -> str:
    """A number from 1 to 99, two before a measure word as 兩.

    >>> [in_chinese(number) for number in (2, 10, 12, 20, 35)]
    ['兩', '十', '十二', '二十', '三十五']
    """
    if number == 2:
        return "兩"
    tens, ones = divmod(number, 10)
    return (NUMBERS[tens] if tens > 1 else "") + ("十" if tens else "") + (NUMBERS[ones] if ones else "")


def tell(language: Language, rng: random.Random) -> Story:
    """A paragraph: who the people are, then for each person and year some sentences."""
    people, facts = draw_people(language, rng), draw_facts(language, rng)
    first = rng.randint(1950, 2005)
    numbers = (first, first + rng.randint(2, 12))
    years = tuple(f"{number}年" for number in numbers)
    out = Writer()
    tie, names = rng.choice(language.ties), []
    order = rng.sample(range(PEOPLE), PEOPLE)
    places = {}
    for at, who in enumerate(order):
        places[who] = out.add(people[who].name)
        out.add(f"是{people[who].trade}" + ("，" if at < PEOPLE - 1 else f"，三人是{tie}。"))
    names = [places[who] for who in range(PEOPLE)]

    told: list[Told] = []
    last_person = last_year = -1
    for who, when in order_of_cells(rng):
        here = [fact for fact in facts if (fact.person, fact.year) == (who, when)]
        rng.shuffle(here)
        year: int | None = None
        begun, word = False, ""
        while here:
            size = rng.choices((1, 2, 3), (2, 5, 3))[0]
            group, here = here[:size], here[size:]
            if not begun:
                if when == 1 and last_year == 0 and rng.random() < LATER:
                    out.add(f"{in_chinese(numbers[1] - numbers[0])}年後，")
                else:
                    year = out.add(years[when])
                    out.add(rng.choice(("，", "，", "時，", "那年，")))
                if who == last_person and rng.random() < 0.8:
                    out.add(people[who].pronoun)
                elif rng.random() < TRADE:
                    out.add(rng.choice(("這位", "那位")) + people[who].trade)
                else:
                    names[who] = out.add(people[who].name)
                out.add(rng.choice(("", "", "曾經")))
                begun, last_person, last_year = True, who, when
            else:
                word = rng.choice(
                    [other for other in ("", "同年，", "當時，", "那一年，") if not other or other != word]
                )
                out.add(word + people[who].pronoun + rng.choice(("也", "還", "又")))
            for number, fact in enumerate(group):
                if number:
                    out.add(rng.choice(("，並且", "，而且") if number == len(group) - 1 else ("，", "，也", "，還")))
                told.append(tell_fact(out, fact, rng, names[who], year))
            out.add("。")
    return Story(out.text, people, years, tuple(told))


def remember(story: Story, rng: random.Random, most: int) -> str:
    """A paragraph that ends with what its people say later of some facts, each with another phrase."""
    lines = []
    for told in rng.sample(story.told, min(most, len(story.told))):
        fact = told.fact
        done, name = another(told, rng).format(o="和".join(fact.objects)), story.people[fact.person].name
        year = story.years[fact.year]
        lines.append(
            rng.choice(
                (
                    f"{name}忘不了{year}{done}的事。",
                    f"{name}後來常說起{year}{done}的事。",
                    f"說到{year}{done}的事，{name}記得很清楚。",
                )
            )
        )
    return story.text + "".join(lines)


def order_of_cells(rng: random.Random) -> list[tuple[int, int]]:
    """All pairs of a person and a year in an order in which a person's two years often follow each other."""
    cells: list[tuple[int, int]] = []
    for who in rng.sample(range(PEOPLE), PEOPLE):
        both = [(who, when) for when in (rng.sample(range(2), 2) if rng.random() < 0.3 else range(2))]
        if rng.random() < 0.6:
            cells += both
        else:
            for cell in both:
                cells.insert(rng.randint(0, len(cells)), cell)
    return cells


def tell_fact(out: Writer, fact: Fact, rng: random.Random, name: int, year: int | None) -> Told:
    phrase = rng.choice(fact.relation.phrases)
    before, after = phrase.split("{o}")
    out.add(before)
    places = []
    for number, word in enumerate(fact.objects):
        if number:
            out.add("和")
        places.append(out.add(word))
    out.add(after)
    return Told(fact, phrase, tuple(places), name, year)


def another(told: Told, rng: random.Random) -> str:
    """Another phrase for the same relation than the one in the text."""
    return rng.choice([phrase for phrase in told.fact.relation.phrases if phrase != told.phrase])


def ask_what(story: Story, told: Told, rng: random.Random) -> Question:
    fact = told.fact
    phrase, kind = another(told, rng), fact.relation.kind
    person = story.people[fact.person]
    same = [other for other in story.told if (other.fact.person, other.fact.relation) == (fact.person, fact.relation)]
    year = "" if len(same) == 1 and rng.random() < 0.3 else story.years[fact.year]
    who = rng.choice((f"{year}{person.name}", f"{person.name}{year}"))
    if len(fact.objects) > 1:
        word, measure = SEVERAL[kind]
        return Question(f"{who}{phrase.format(o=word)}？請舉出一{measure}。", fact.objects, told.objects[0])
    word = rng.choice(ASKED[kind])
    asked = phrase.replace("因為{o}而", word) if kind == "reason" else phrase.format(o=word)
    return Question(f"{who}{asked}？", fact.objects, told.objects[0])


def ask_who(story: Story, told: Told, rng: random.Random) -> Question:
    fact = told.fact
    done, year = another(told, rng).format(o=rng.choice(fact.objects)), story.years[fact.year]
    text = rng.choice((f"{year}誰{done}？", f"{year}是誰{done}？", f"{year}{done}的人是誰？", f"誰{year}{done}？"))
    return Question(text, (story.people[fact.person].name,), told.name)


def ask_when(story: Story, told: Told, rng: random.Random) -> Question:
    fact = told.fact
    assert told.year is not None
    done = another(told, rng).format(o=rng.choice(fact.objects))
    text = rng.choice(("{name}哪一年{done}？", "{name}{done}是在哪一年？", "哪一年{name}{done}？"))
    return Question(text.format(name=story.people[fact.person].name, done=done), (story.years[fact.year],), told.year)


def sentences(text: str) -> list[tuple[int, str]]:
    """The sentences of a paragraph, and where each begins.

    >>> sentences("他來。她走。")
    [(0, '他來。'), (3, '她走。')]
    """
    found, begin = [], 0
    for at, sign in enumerate(text):
        if sign == "。":
            found.append((begin, text[begin : at + 1]))
            begin = at + 1
    return found


def most_alike(text: str, question: str) -> tuple[int, str]:
    """The sentence that shares most characters with a question, the first of several, and where it begins."""
    wanted = Counter(question)
    return max(sentences(text), key=lambda found: (wanted & Counter(found[1])).total())


def ask(story: Story, rng: random.Random, most: int) -> list[Question]:
    """Different questions about a paragraph, at most so many."""
    asked: dict[str, Question] = {}
    sorts = rng.choices(list(SORTS), list(SORTS.values()), k=6 * most)
    for sort in sorts:
        if len(asked) == most:
            break
        told = rng.choice(story.told)
        if sort == "when" and told.year is None:
            continue
        question = {"what": ask_what, "who": ask_who, "when": ask_when}[sort](story, told, rng)
        begin, sentence = most_alike(story.text, question.text)
        right = begin <= question.start < begin + len(sentence)
        if right and rng.random() >= KEPT:
            continue
        asked.setdefault(question.text, question)
    return list(asked.values())
