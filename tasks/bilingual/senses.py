"""English words of several senses, each with a context that decides its Chinese."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.bilingual import lexicon as words
from tasks.bilingual.grammar import (
    DIGITS,
    NONE,
    OWNERS,
    PRONOUNS,
    SMALL,
    Clause,
    Phrase,
    article,
    be,
    count_zh,
    counted,
    definite,
    join,
    number_zh,
    plural,
    present,
)
from tasks.bilingual.language import Speaker
from tasks.bilingual.lexicon import Entry, cells
from tasks.bilingual.phrases import NOUNS, Draft, Pair, drafted, past_time, someone

NTH = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def being(g: Speaker) -> Draft:
    """Who somebody is, where from, how old, what something costs, 著."""
    person = someone(g)
    sort = g.below(8)
    if sort == 0:
        noun = g.entry(words.PEOPLE)
        says = plural(noun) if person.plural else article(noun.english)
        return Draft(f"{person.en} {be(person)} {says}", f"{person.zh}是{noun.chinese}")
    if sort == 1:
        city, year = g.entry(words.CITIES), 1930 + g.below(90)
        return Draft(
            f"{person.en} {be(person, 'past')} born in {city.english} in {year}",
            f"{person.zh}{year}年在{city.chinese}出生",
        )
    if sort == 2:
        city = g.entry(words.CITIES)
        verb, zh = g.one_of((("live in", "住在"), ("come from", "來自")))
        return Draft(
            f"{person.en} {present(Entry(verb, (), ''), person)} {city.english}", f"{person.zh}{zh}{city.chinese}"
        )
    if sort == 3:
        age = 3 + g.below(90)
        en = SMALL[age] if age < 13 else str(age)
        return Draft(
            f"{person.en} {be(person)} {en} years old", f"{person.zh}今年{count_zh(age) if age < 13 else age}歲"
        )
    if sort == 4:
        kind = g.one_of(("things", "clothes", "accessories", "driven", "food", "ridden"))
        thing = definite(g.entry(NOUNS[kind][0]), False, near="this" if g.chance(0.5) else "the")
        amount = (10 + g.below(90)) * 10 ** g.below(4)
        if g.chance(0.3):
            hundreds = 2 + g.below(8)
            unit, unit_zh = g.one_of((("hundred", "百"), ("thousand", "千"), ("million", "百萬")))
            return Draft(
                f"{thing.en} cost {SMALL[hundreds]} {unit} dollars",
                f"{thing.zh}花了{'兩' if hundreds == 2 else DIGITS[hundreds]}{unit_zh}元",
            )
        en, zh = (f"NT${amount:,}", f"新台幣{amount:,}元") if g.chance(0.4) else (f"{amount} dollars", f"{amount}元")
        return Draft(f"{thing.en} cost{'' if thing.plural else 's'} {en}", f"{thing.zh}要{zh}")
    if sort == 5:
        kind, zh = g.one_of((("clothes", "穿"), ("accessories", "戴")))
        noun = g.entry(NOUNS[kind][0])
        thing = counted(1, noun, g.entry(words.COLORS) if g.chance(0.6) else None)
        return Draft(f"{person.en} {be(person)} wearing {thing.en}", f"{person.zh}{zh}著{thing.zh}")
    if sort == 6:
        thing = counted(1 + g.below(3), g.entry(words.THINGS))
        return Draft(f"{person.en} {be(person, 'past')} holding {thing.en}", f"{person.zh}拿著{thing.zh}")
    order, kind = 2 + g.below(9), g.one_of(("things", "texts", "ideas", "buildings"))
    noun = g.entry(NOUNS[kind][0])
    return Draft(
        f"this is {nth_of(person)} {NTH[order - 2]} {noun.english}",
        f"這是{person.zh}的第{number_zh(order)}{noun.extra}{noun.chinese}",
    )


def nth_of(person: Phrase) -> str:
    """The possessive of a person."""
    for pronoun, (en, _) in zip(PRONOUNS, OWNERS, strict=True):
        if person.en == pronoun.en:
            return en
    return person.en + ("'" if person.en.endswith("s") else "'s")


@dataclass(frozen=True)
class Sense:
    """One sense of an ambiguous word, as predicates in the past: (English, Chinese)."""

    word: str
    chinese: str
    predicates: tuple[Pair, ...]


def senses() -> tuple[Sense, ...]:
    """The lexicon's ambiguous words, one entry per sense."""
    out = []
    for line in words.SENSES.replace("\n  ", " ").strip().split("\n"):
        head, _, rest = line.partition(": ")
        word, chinese = head.split()
        pairs = [item.split(" / ") for item in cells(rest)]
        out.append(Sense(word, chinese, tuple((en, zh) for en, zh in pairs)))
    return tuple(out)


ALL_SENSES = senses()
ALL_PHRASES = tuple(tuple(item.split(" / ")) for item in cells(words.PHRASES))


def sense(g: Speaker) -> Clause:
    """An ambiguous word in its context."""
    person, time = someone(g), past_time(g) if g.chance(0.35) else NONE
    en, zh = g.one_of(g.one_of([one for one in ALL_SENSES if one.word in g.language.senses]).predicates)
    if en.startswith("was "):
        en = be(person, "past") + en[3:]
    if any(mark in en for mark in ("last ", " in spring", "2015", " late", " noon", " dinner", " night")):
        time = NONE
    return Clause(person, join(en, time.en), "did", "", time.zh + zh)


def in_context(g: Speaker) -> Draft:
    return drafted(sense(g))
