"""Sentences of the built-in worlds in both languages, chosen by a speaker from the grammar and the lexicon."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from tasks.bilingual import lexicon as words
from tasks.bilingual.grammar import (
    NONE,
    SMALL,
    STATIVE,
    Phrase,
    attribute,
    count_zh,
    definite,
    have,
    join,
    le,
    plural,
    present,
    verb_form,
)
from tasks.bilingual.language import FORMAL, Speaker
from tasks.bilingual.lexicon import Entry
from tasks.bilingual.phrases import (
    KINDS,
    NOUNS,
    Draft,
    Pair,
    act,
    ended,
    number_of,
    past_time,
    some_act,
    someone,
    span,
    statement,
    thing_of,
    where,
)
from tasks.bilingual.senses import ALL_PHRASES, being, in_context, sense
from tasks.bilingual.statements import (
    a_passive,
    being_done,
    comparing,
    description,
    going,
    lasting,
    putting,
    quality,
    question,
    there_is,
    yes_no,
)

CONJUNCTIONS = (
    # frame, English before a first clause, and whether the second must be said first in English
    ("when", "when", False), ("before", "before", False), ("after", "after", False), ("because", "because", True),
    ("although", "although", False), ("but", "but", None), ("so that", "so", None),
)  # fmt: skip


def joined(g: Speaker) -> Draft:
    """Two clauses; Chinese puts the condition, the cause and the time first."""
    frame, word, behind = g.one_of(CONJUNCTIONS)
    first = sense(g) if g.chance(0.2) else act(g, someone(g, simple=True), "past", short=True)
    if frame in ("because", "so that") and g.chance(0.4):
        first = quality(g)
    second = act(g, someone(g, simple=True), "past", short=True)
    scene = first.chinese
    if frame == "before":
        scene = re.sub("了(?!解)", "", scene, count=1)
    elif frame == "when":
        scene = scene.removesuffix("了")
    zh = g.put(frame, scene, second.chinese)
    if behind is None:
        return Draft(f"{first.en}, {word} {second.en}", zh)
    if behind or g.chance(0.6):
        return Draft(f"{second.en} {word} {first.en}", zh)
    return Draft(f"{word} {first.en}, {second.en}", zh)


def conditional(g: Speaker) -> Draft:
    """If and unless, whose condition Chinese says first, and the denial after unless."""
    condition = act(g, someone(g, simple=True), "habit", short=True)
    unless = g.chance(0.4)
    tense = ("not " if unless and g.chance(0.7) else "") + "future"
    result = act(g, someone(g, simple=True), tense, short=True)
    word = "unless" if unless else "if"
    zh = g.put(word, condition.chinese, result.chinese)
    if g.chance(0.6):
        return Draft(f"{result.en} {word} {condition.en}", zh)
    return Draft(f"{word} {condition.en}, {result.en}", zh)


def reported(g: Speaker) -> Draft:
    inner = g.one_of((quality(g), some_act(g, short=True), a_passive(g), sense(g)))
    person = someone(g, simple=True)
    en, zh = g.one_of((("say", "說"), ("think", "覺得"), ("believe", "相信"), ("know", "知道"), ("hope", "希望")))
    verb = present(Entry(en, (), ""), person)
    return Draft(f"{person.en} {verb} that {inner.en}", f"{person.zh}{zh}{inner.chinese}")


@dataclass(frozen=True)
class Deed:
    """A verb with its object, without subject, tense, time and place."""

    verb: Entry
    thing: Phrase | None

    def en(self, form: str) -> str:
        return join(verb_form(self.verb, form), self.thing.object if self.thing else "")

    @property
    def zh(self) -> str:
        return self.verb.chinese + (self.thing.zh if self.thing else "")

    @property
    def done(self) -> str:
        return f"{self.verb.chinese}了{self.thing.zh}" if self.thing else f"{self.verb.chinese}了"


def deed(g: Speaker, *, long: bool = False) -> Deed:
    """Something to do; `long`: that can go on for hours."""
    while True:
        plain = g.chance(0.15)
        sort = "" if plain else g.one_of(KINDS)
        verb = g.entry(words.INTRANSITIVE if plain else words.TRANSITIVE[sort])
        if verb.head not in STATIVE and (not long or verb.head in LONG) and not verb.chinese.endswith("著"):
            return Deed(verb, None if plain else thing_of(g, sort, verb, simple=True))


LONG = frozenset(words.LONG_ACTS.split())


def perfect(g: Speaker) -> Draft:
    """What has been going on: the end of the English sentence decides how Chinese begins and marks it."""
    person, does = someone(g), deed(g, long=True)
    length = span(g)
    place = where(g) if g.chance(0.5) else NONE
    at, at_zh = place.en, f"在{place.zh}" if place.zh else ""
    sort = g.below(4)
    if sort == 0:
        end, verb = f"for {length.en}", does.verb
        short = verb.extra if not does.thing else verb.chinese
        rest = does.thing.zh if does.thing else verb.chinese.removeprefix(short)
        zh = at_zh + g.put("copy", short, rest, length.zh)
    elif sort == 1:
        time = past_time(g)
        end, zh = (
            f"since {time.en.removeprefix('in ').removeprefix('on ')}",
            g.put("since", time.zh) + at_zh[1:] + does.zh,
        )
        if " ago" in end or (not time.en[-1].isdigit() and time.en.split()[0] not in ("last", "yesterday", "in")):
            end, zh = "lately", g.frames["lately"] + at_zh[1:] + does.zh
    else:
        frame = ("lately", "all day")[sort - 2]
        end, zh = frame, g.frames[frame] + at_zh[1:] + does.zh
    return Draft(join(person.en, have(person), "been", does.en("ing"), at, end), person.zh + zh)


def echo(g: Speaker) -> Draft:
    """One, it and them, whose Chinese depends on the noun that they stand for."""
    kind = g.one_of(("things", "things", "food", "texts", "clothes", "accessories", "animals", "driven"))
    nouns, adjectives = NOUNS[kind]
    noun = g.entry(nouns)
    while noun.paired:
        noun = g.entry(nouns)
    one, other, verb = someone(g), someone(g, simple=True), g.entry(words.TRANSITIVE[kind])
    past, past_zh = verb_form(verb, "past"), verb.chinese + le(verb)
    said, said_zh = f"{one.en} {past}", one.zh + past_zh
    sort = g.below(3)
    if sort == 0:
        (many, many_zh), few = number_of(g, 12), 1 + g.below(3)
        only = g.chance(0.6)
        zh = g.put(
            "but", f"{said_zh}{many_zh}{noun.extra}{noun.chinese}",
            f"{other.zh}{'只' if only else ''}{past_zh}{count_zh(few)}{noun.extra}",
        )  # fmt: skip
        return Draft(join(said, many, f"{plural(noun)}, but", other.en, past, "only" if only else "", SMALL[few]), zh)
    if sort == 1:
        first, second = g.entry(adjectives), g.entry(adjectives)
        words_zh = [attribute(entry)[1] for entry in (first, second)]
        return Draft(
            f"{said} the {first.english} {noun.english}, and {other.en} {past} the {second.english} one",
            f"{said_zh}那{noun.extra}{words_zh[0]}{noun.chinese}，{other.zh}{past_zh}{words_zh[1]}那{noun.extra}",
        )
    then, more = g.entry(words.TRANSITIVE[kind]), g.chance(0.4)
    thing = definite(noun, more)
    it = ("牠" if kind == "animals" else "它") + ("們" if more else "")
    head, _, rest = verb_form(then, "past").partition(" ")
    it_en = "them" if more else "it"
    after = join(head, it_en, rest) if rest in ("away", "on", "off", "up") else join(head, rest, it_en)
    return Draft(f"{said} {thing.en} and then {after}", f"{said_zh}{thing.zh}，然後{then.chinese}{le(then)}{it}")


def everyone(g: Speaker) -> Draft:
    """Every, all, most, none, only and even: Chinese marks them before the verb."""
    noun = g.entry(words.PEOPLE)
    sort = g.one_of(("every", "all", "most", "none", "only", "even"))
    tense = g.one_of(("past", "past", "habit", "future"))
    if sort == "only":
        name = g.entry(words.NAMES)
        who, shown = Phrase(f"only {name.english}", ""), g.frames["only"] + name.chinese
    else:
        many = sort in ("all", "most", "none")
        before = {"all": "all the", "most": "most of the", "none": "none of the", "even": "even the"}.get(sort, sort)
        who = Phrase(f"{before} {plural(noun) if many else noun.english}", "", many)
        shown = g.put(sort, noun.chinese, noun.extra)
    made = act(g, who, tense, short=True)
    zh = made.zh.removeprefix(made.when)
    if sort == "none":
        zh = re.sub("了(?!解)", "", zh, count=1)
    return Draft(made.en, f"{made.front.zh}{made.when}{shown}{zh}")


def instead(g: Speaker) -> Draft:
    """Instead of, without, in order to, rather than and how long it took: Chinese says the second part first."""
    person, one, other = someone(g), deed(g), deed(g)
    sort = g.below(5)
    if sort in (0, 1):
        frame, between = ("without", "without") if sort else ("instead", "instead of")
        zh = person.zh + g.put(frame, one.done, other.zh)
        return Draft(join(person.en, one.en("past"), between, other.en("ing")), zh)
    if sort == 2:
        made = act(g, person, "past", short=True)
        return Draft(f"{made.en} in order to {other.en('base')}", g.put("for", other.zh, made.chinese))
    if sort == 3:
        form = present(Entry("prefer", (), ""), person)
        return Draft(
            f"{person.en} {form} {one.en('ing')} to {other.en('ing')}",
            f"{person.zh}{g.put('prefer', one.zh, other.zh)}",
        )
    length, does = span(g), deed(g, long=True)
    return Draft(
        f"it took {person.object} {length.en} to {does.en('base')}",
        person.zh + g.put("spent", does.zh, length.zh),
    )


def told(g: Speaker) -> Draft:
    """Telling somebody to do or not to do something; something is easy to do."""
    person, other, todo = someone(g), someone(g, simple=True), deed(g)
    if g.chance(0.4):
        adjective = g.entry(words.IDEA_ADJECTIVES)
        return Draft(
            f"it is {adjective.english} for {other.object} to {todo.en('base')}",
            g.put("for him", other.zh, todo.zh, adjective.chinese),
        )
    en, zh = g.one_of((("told", "叫"), ("asked", "請"), ("warned", "警告"), ("wanted", "要")))
    no, no_zh = ("not ", "不要") if g.chance(0.4) and zh != "要" else ("", "")
    time = past_time(g) if g.chance(0.4) else NONE
    return Draft(
        join(person.en, en, other.object, f"{no}to", todo.en("base"), time.en),
        f"{person.zh}{time.zh}{zh}{other.zh}{no_zh}{todo.zh}",
    )


def ordering(g: Speaker) -> Draft:
    """Please, do not, let us."""
    todo = deed(g)
    sort = g.below(3)
    if sort == 0:
        return Draft(f"please {todo.en('base')}", f"請{todo.zh}")
    if sort == 1:
        return Draft(f"do not {todo.en('base')}", f"不要{todo.zh}", "!" if g.chance(0.3) else ".")
    return Draft(f"let's {todo.en('base')}", f"我們{todo.zh}吧")


def cleft(g: Speaker) -> Draft:
    """ "It was Mary who broke the window": 打破窗戶的是瑪麗."""
    person = someone(g, simple=True)
    does = act(g, Phrase("who", ""), "past", short=True)
    return Draft(f"it was {person.object} who {does.says}", f"{does.zh.removesuffix('了')}的是{person.zh}")


SENTENCES = {
    statement: 14, description: 3, comparing: 5, yes_no: 5, question: 6, being_done: 4, there_is: 3, putting: 5,
    going: 4, lasting: 3, being: 4, in_context: 6, joined: 10, conditional: 5, reported: 5, perfect: 7, echo: 8,
    everyone: 6, instead: 8, told: 5, ordering: 2, cleft: 2,
}  # fmt: skip
"""Kinds of sentences with their shares in percent, before a language's own weights."""
OFTEN = 0.01
"""The share of set phrases."""
FORMAL_SHARE = 0.35


def sentence(g: Speaker) -> Pair:
    """One sentence in both languages."""
    if g.chance(OFTEN):
        en, zh = g.one_of(ALL_PHRASES)
        return en, zh
    shares = [share * weight for share, weight in zip(SENTENCES.values(), g.language.weights, strict=False)]
    make = g.rng.choices(list(SENTENCES), shares)[0]
    if not g.chance(FORMAL_SHARE):
        return ended(*make(g))
    made = make(replace(g, style=FORMAL))
    cues = g.language.cues + (g.language.news if made.mark == "." and make is not ordering else ())
    en, zh = g.one_of(cues)
    return ended(en.format(made.en), zh.format(made.zh), made.mark)
