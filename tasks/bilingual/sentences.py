"""Sentences of the built-in worlds in both languages, chosen by a speaker from the grammar and the lexicon."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NamedTuple

from tasks.bilingual import lexicon as words
from tasks.bilingual.grammar import (
    DIGITS,
    NONE,
    OWNERS,
    PRONOUNS,
    SMALL,
    STATIVE,
    Adverbial,
    Clause,
    Phrase,
    article,
    attribute,
    be,
    clause,
    compared,
    comparison,
    container,
    count_zh,
    counted,
    definite,
    have,
    is_adjective,
    join,
    le,
    number_zh,
    passive,
    plural,
    present,
    third,
    verb_form,
    with_s,
)
from tasks.bilingual.language import FORMAL, Speaker
from tasks.bilingual.lexicon import Entry, cells, entries

Pair = tuple[str, str]
MARKS = {".": "。", "?": "？", "!": "！"}


class Draft(NamedTuple):
    """A sentence before its capital letter, its mark and its cue."""

    en: str
    zh: str
    mark: str = "."


NOUNS = {
    # kind: list of nouns, list of their adjectives
    "animals": (words.ANIMALS, words.ANIMAL_ADJECTIVES), "food": (words.FOOD, words.FOOD_ADJECTIVES),
    "drinks": (words.DRINKS, words.FOOD_ADJECTIVES), "things": (words.THINGS, words.THING_ADJECTIVES),
    "texts": (words.TEXTS, words.IDEA_ADJECTIVES), "shows": (words.SHOWS, words.IDEA_ADJECTIVES),
    "clothes": (words.CLOTHES, words.COLORS), "accessories": (words.ACCESSORIES, words.COLORS),
    "driven": (words.DRIVEN, words.COLORS), "ridden": (words.RIDDEN, words.THING_ADJECTIVES),
    "buildings": (words.BUILDINGS, words.PLACE_ADJECTIVES), "ideas": (words.IDEAS, words.IDEA_ADJECTIVES),
    "strings": (words.STRINGS, words.THING_ADJECTIVES), "keys": (words.KEYS, words.THING_ADJECTIVES),
    "winds": (words.WINDS, words.THING_ADJECTIVES),
}  # fmt: skip
BARE_OBJECTS = {
    "taken": words.TAKEN, "languages": words.LANGUAGES, "subjects": words.SUBJECTS, "hand_sports": words.HAND_SPORTS,
    "foot_sports": words.FOOT_SPORTS, "board_games": words.BOARD_GAMES, "games": words.GAMES,
}  # fmt: skip
KINDS = (
    "people " * 13 + "animals " * 5 + "food " * 9 + "drinks " * 6 + "things " * 15 + "texts " * 8 + "shows " * 4
    + "clothes " * 6 + "accessories " * 4 + "driven " * 4 + "ridden " * 2 + "taken " * 3 + "buildings " * 5
    + "ideas " * 9 + "languages " * 3 + "subjects " * 3 + "strings keys keys winds " + "hand_sports " * 3
    + "foot_sports board_games games games"
).split()  # fmt: skip


def owner(g: Speaker) -> tuple[str, str]:
    """A possessive: ("my", "我"), ("Tom's", "湯姆")."""
    if g.chance(0.3):
        name = g.entry(words.NAMES)
        return f"{name.english}'s", name.chinese
    return g.owner()


def owned(g: Speaker, nouns: str) -> Phrase:
    """A thing with its owner."""
    (en, zh), noun = owner(g), g.entry(nouns)
    return Phrase(f"{en} {noun.english}", f"{zh}的{noun.chinese}", noun.paired)


def described(g: Speaker, kind: str, adjectives: str) -> Entry:
    """One adjective or two before a noun: "red", "very old red"."""
    first = g.entry(adjectives)
    if kind not in ("things", "clothes", "accessories", "driven") or g.chance(0.4):
        return first
    color = g.entry(words.COLORS)
    if adjectives == words.COLORS or g.chance(0.4):
        return color
    very, very_zh = ("very ", "很") if g.chance(0.5) else ("", "")
    return Entry(f"{very}{first.english} {color.english}", (), f"{very_zh}{first.chinese}的{color.chinese}")


def noun_phrase(g: Speaker, kind: str, *, relative: bool = True) -> Phrase:
    """A thing of a kind, of any number and definiteness."""
    nouns, adjectives = NOUNS[kind]
    if kind == "food" and g.chance(0.35):
        nouns = words.MASS_FOOD
    noun = g.entry(nouns)
    adjective = described(g, kind, adjectives) if g.chance(0.35) else None
    en_adjective, zh_adjective = attribute(adjective)
    draw = g.rng.random()
    if draw < 0.3:
        return counted(1, noun, adjective)
    if draw < 0.45:
        digits = g.chance(0.2) and not noun.mass
        return counted(11 + g.below(89) if digits else 2 + g.below(9), noun, adjective, digits=digits)
    if draw < 0.58:
        return definite(noun, g.chance(0.3), adjective)
    if draw < 0.68 and not noun.mass:
        return definite(noun, g.chance(0.3), adjective, near="this" if g.chance(0.6) else "that")
    if draw < 0.8:
        en, zh = owner(g)
        of = "" if zh_adjective.endswith("的") else "的"
        return Phrase(f"{en} {en_adjective}{noun.english}", f"{zh}{of}{zh_adjective}{noun.chinese}", noun.paired)
    if draw < 0.9 or not relative:
        if noun.mass:
            en, zh = ("some", "一些") if g.chance(0.5) else ("a lot of", "很多")
        else:
            en, zh = g.one_of((("some", "一些"), ("many", "很多"), ("several", f"好幾{noun.extra}")))
        if noun.paired:
            en, zh = "some", "一些"
        return Phrase(f"{en} {en_adjective}{plural(noun)}", f"{zh}{zh_adjective}{noun.chinese}", not noun.mass)
    if kind in ("things", "food", "clothes", "accessories") and g.chance(0.3):
        spot = g.entry(words.SURFACES)
        return Phrase(f"the {noun.english} {spot.english}", f"{spot.chinese}的{definite(noun, False).zh}", noun.paired)
    by, time = someone(g, simple=True), past_time(g) if g.chance(0.4) else NONE
    verb = g.entry(words.TRANSITIVE[kind])
    en = join("the", noun.english, "that", by.en, verb_form(verb, "past"), time.en)
    zh = g.put("that", f"{by.zh}{time.zh}{verb.chinese}", noun.extra, noun.chinese)
    return Phrase(en, zh, noun.paired)


def someone(g: Speaker, *, simple: bool = False) -> Phrase:
    draw = g.rng.random()
    if draw < 0.34:
        return g.pronoun()
    if draw < 0.58:
        return g.phrase(words.NAMES)
    if draw < 0.72:
        kin = g.entry(words.KIN)
        en, zh = owner(g)
        return Phrase(f"{en} {kin.english}", zh + ("的" if en.endswith("'s") else "") + kin.chinese, bool(kin.forms))
    noun = g.entry(words.PEOPLE)
    if simple or draw < 0.82:
        many = g.chance(0.25)
        return Phrase(f"the {plural(noun) if many else noun.english}", noun.chinese + ("們" if many else ""), many)
    if draw < 0.9:
        adjective = g.entry(words.PERSON_ADJECTIVES) if g.chance(0.6) else None
        return counted(1 if g.chance(0.6) else 2 + g.below(7), noun, adjective)
    if draw < 0.93:
        city = g.entry(words.CITIES)
        return Phrase(f"the {noun.english} from {city.english}", f"從{city.chinese}來的{noun.chinese}")
    if draw < 0.95:
        place = where(g)
        en, zh = g.one_of((("standing", "站"), ("sitting", "坐")))
        return Phrase(f"the {noun.english} {en} {place.en}", f"{zh}在{place.zh}的{noun.chinese}")
    who = Phrase("who", "")
    does = act(g, who, "past" if g.chance(0.6) else "habit", short=True)
    return Phrase(f"the {noun.english} who {does.says}", f"{does.zh.removesuffix('了')}的{noun.chinese}")


def thing_of(g: Speaker, kind: str, verb: Entry, *, simple: bool) -> Phrase:
    """An object for a verb of that kind."""
    if kind == "people":
        return someone(g, simple=simple)
    if kind in BARE_OBJECTS:
        return g.phrase(BARE_OBJECTS[kind])
    if verb.english == "play":
        noun = g.entry(NOUNS[kind][0])
        return Phrase(f"the {noun.english}", noun.chinese)
    return noun_phrase(g, kind, relative=not simple)


def number_of(g: Speaker, limit: int) -> tuple[str, str]:
    number = 2 + g.below(limit - 1)
    return SMALL[number], count_zh(number)


def span(g: Speaker) -> Adverbial:
    """How long: "two hours" is 兩個小時."""
    (en, zh), period = number_of(g, 10), g.entry(words.PERIODS)
    return Adverbial(f"{en} {with_s(period.english)}", f"{zh}{period.extra}{period.chinese}")


def past_time(g: Speaker) -> Adverbial:
    """A time in the past, such as a date or an hour."""
    draw = g.rng.random()
    if draw < 0.6:
        return g.adverbial(words.PAST_TIMES)
    if draw < 0.72:
        length = span(g)
        return Adverbial(f"{length.en} ago", f"{length.zh}前")
    if draw < 0.8:
        day = g.entry(words.WEEKDAYS)
        return Adverbial(f"last {day.english}", f"上週{day.chinese}")
    if draw < 0.87:
        year = str(1950 + g.below(74))
        return Adverbial(f"in {year}", f"{year}年")
    month = g.entry(words.MONTHS)
    number = entries(words.MONTHS).index(month) + 1
    if draw < 0.9:
        return Adverbial(f"in {month.english}", f"{month.chinese}月")
    day_number, year = 1 + g.below(28), str(1950 + g.below(74))
    if g.chance(0.5):
        return Adverbial(f"on {month.english} {day_number}", f"{number}月{day_number}日")
    return Adverbial(f"on {month.english} {day_number}, {year}", f"{year}年{number}月{day_number}日")


def clock(g: Speaker) -> Adverbial:
    """An hour: "at half past two" is 兩點半, "at 7:15" is 7點15分."""
    number = 1 + g.below(12)
    draw = g.rng.random()
    if draw < 0.4:
        return Adverbial(f"at {SMALL[number]} o'clock", f"{count_zh(number)}點")
    if draw < 0.7:
        return Adverbial(f"at half past {SMALL[number]}", f"{count_zh(number)}點半")
    minute = 5 * (2 + g.below(10))
    return Adverbial(f"at {number}:{minute}", f"{number}點{minute}分")


def habit_time(g: Speaker) -> Adverbial:
    if g.chance(0.65):
        return g.adverbial(words.HABIT_TIMES)
    if g.chance(0.5):
        return clock(g)
    day = g.entry(words.WEEKDAYS)
    hour = clock(g) if g.chance(0.3) else NONE
    return Adverbial(join(hour.en, f"every {day.english}"), f"每個星期{day.chinese}{hour.zh}")


def future_time(g: Speaker) -> Adverbial:
    draw = g.rng.random()
    if draw < 0.6:
        return g.adverbial(words.FUTURE_TIMES)
    if draw < 0.75:
        day = g.entry(words.WEEKDAYS)
        return Adverbial(f"next {day.english}", f"下週{day.chinese}")
    if draw < 0.85:
        hour = clock(g)
        return Adverbial(f"{hour.en} tomorrow", f"明天{hour.zh}")
    length = span(g)
    return Adverbial(f"in {length.en}", f"{length.zh}後")


def where(g: Speaker) -> Adverbial:
    draw = g.rng.random()
    if draw < 0.5:
        building = g.entry(words.BUILDINGS)
        inside = g.chance(0.5)
        return Adverbial(
            f"{'in' if inside else 'at'} the {building.english}", building.chinese + ("裡" if inside else "")
        )
    if draw < 0.7:
        city = g.phrase(words.CITIES)
        return Adverbial(f"in {city.en}", city.zh)
    return g.adverbial(words.SPOTS)


def act(g: Speaker, subject: Phrase, tense: str, *, short: bool = False, question: bool = False) -> Clause:
    """A clause of that tense in which somebody does something."""
    kind = tense.removeprefix("not ")
    plain = g.chance(0.2)
    sort = "" if plain else g.one_of(KINDS)
    verb = g.entry(words.INTRANSITIVE if plain else words.TRANSITIVE[sort])
    while (kind in ("progressive", "ever") and verb.head in STATIVE) or (
        kind == "habit" and verb_form(verb, "past") == verb.english  # "they cut it" would be present or past
    ):
        verb = g.entry(words.INTRANSITIVE if plain else words.TRANSITIVE[sort])
    thing = None if plain else thing_of(g, sort, verb, simple=short)
    stative = verb.head in STATIVE
    place = (
        where(g) if sort not in ("taken", "buildings") and not stative and g.chance(0.15 if short else 0.3) else NONE
    )
    makers = {"habit": habit_time, "past": past_time, "future": future_time, "modal": future_time}
    time = makers[kind](g) if kind in makers and g.chance(0.25 if short else 0.5) else NONE
    denied = tense.startswith("not ")
    manner = g.adverbial(words.MANNER) if not stative and not denied and g.chance(0.06) else NONE
    ending = at_the_end(g, kind, denied) if not stative and subject.zh and g.chance(0.1 if short else 0.3) else NONE
    if kind in ("ever", "done") or ending.zh:
        manner = NONE
    front = bool(time.en) and not short and not question and g.chance(0.2)
    modal = g.entry(words.MODALS) if kind == "modal" else None
    if modal is not None and denied:
        modal = Entry("should", (), "應該") if g.chance(0.5) else Entry("can", (), "能")
    made = clause(
        tense, subject, verb, thing, place=place, time=time, manner=manner, modal=modal, front=front, ending=ending,
        frames=g.frames,
    )  # fmt: skip
    if tense == "habit" and not question and not ending.zh and g.chance(0.2):
        often = g.entry(words.FREQUENCY)
        made = inserted(replace(made, says=f"{often.english} {made.says}"), often.chinese)
    return made


def at_the_end(g: Speaker, kind: str, denied: bool) -> Adverbial:
    """An adverb that ends an English clause and comes before the Chinese verb, if there is one for that tense."""
    draw = g.rng.random()
    if kind in ("progressive", "done", "ever"):
        return NONE
    if draw < 0.25 and kind != "habit":
        return Adverbial("again", g.frames["a next time" if denied or kind != "past" else "a second time"])
    if draw < 0.5 and kind in ("past", "habit") and not denied:
        return Adverbial("too", g.frames["also"])
    return g.adverbial(words.PAST_ENDINGS if kind == "past" and not denied and g.chance(0.5) else words.ENDINGS)


def inserted(made: Clause, word: str) -> Clause:
    """A clause with a word put after its Chinese time."""
    return replace(made, zh=made.when + word + made.zh.removeprefix(made.when))


TENSES = (
    ["past"] * 9 + ["habit"] * 6 + ["future"] * 3 + ["progressive"] * 3 + ["modal"] * 4
    + ["done", "ever", "not past", "not past", "not habit", "not future", "not done", "not ever", "not modal"]
)  # fmt: skip


def some_act(g: Speaker, *, short: bool = False) -> Clause:
    return act(g, someone(g, simple=short), g.one_of(TENSES), short=short)


def ended(en: str, zh: str, mark: str = ".") -> Pair:
    """A sentence with its capital letter and end marks."""
    return en[0].upper() + en[1:] + mark, zh + MARKS[mark]


def drafted(made: Clause) -> Draft:
    return Draft(made.en, made.chinese)


def statement(g: Speaker) -> Draft:
    return drafted(some_act(g))


def quality(g: Speaker) -> Clause:
    """Somebody or something has a property."""
    degree = g.one_of(("", "", "", "very", "very", "too", "not", "not very", "so"))
    if g.chance(0.4):
        return is_adjective(someone(g), g.entry(words.PERSON_ADJECTIVES), degree, g.frames)
    kind = g.one_of(("animals", "food", "things", "texts", "shows", "buildings", "ideas", "drinks"))
    if kind == "things" and g.chance(0.4):
        thing, color = definite(g.entry(words.THINGS), False), g.entry(words.COLORS)
        return Clause(thing, f"{be(thing)} {color.english}", be(thing), color.english, f"是{color.chinese}的")
    nouns, adjectives = NOUNS[kind]
    if g.chance(0.4):
        thing = owned(g, nouns)
    else:
        thing = definite(g.entry(nouns), g.chance(0.2), near=g.one_of(("the", "this", "that")))
    return is_adjective(thing, g.entry(adjectives), degree, g.frames)


def description(g: Speaker) -> Draft:
    return drafted(quality(g))


def comparing(g: Speaker) -> Draft:
    how = g.one_of(("", "", "", "much", "a little", "as", "not as"))
    draw = g.rng.random()
    if draw < 0.45:
        made = compared(someone(g), someone(g, simple=True), g.entry(words.PERSON_ADJECTIVES), how, g.frames)
    elif draw < 0.6:
        one, other = g.phrase(words.CITIES), g.phrase(words.CITIES)
        made = compared(one, other, g.entry(words.PLACE_ADJECTIVES), how, g.frames)
    elif draw < 0.85:
        kind = g.one_of(("animals", "food", "things", "texts", "shows", "buildings", "ideas"))
        nouns, adjectives = NOUNS[kind]
        noun = g.entry(nouns)
        this = definite(noun, False, near="this")
        that = Phrase("those ones" if this.plural else "that one", f"那{noun.extra}")
        made = compared(this, that, g.entry(adjectives), how, g.frames)
    elif draw < 0.93:
        one_person, other_person, (en, zh) = someone(g), someone(g, simple=True), number_of(g, 12)
        unit, old, adjective_zh = g.one_of(
            (("years", "older", "大"), ("years", "younger", "小"), ("centimeters", "taller", "高"))
        )
        says = f"{be(one_person)} {en} {unit} {old} than {other_person.object}"
        unit_zh = "歲" if unit == "years" else "公分"
        return Draft(f"{one_person.en} {says}", f"{one_person.zh}比{other_person.zh}{adjective_zh}{zh}{unit_zh}")
    else:
        person, noun, adjective = someone(g, simple=True), g.entry(words.PEOPLE), g.entry(words.PERSON_ADJECTIVES)
        place, place_zh = g.one_of(
            (("in the class", "班上"), ("in the world", "世界上"), ("in the village", "村子裡"), ("in Taiwan", "台灣"))
        )
        most = comparison(adjective.english)[1]
        one_of = "one of the" if person.plural else "the"
        en = f"{person.en} {be(person)} {one_of} {most} {plural(noun) if person.plural else noun.english} {place}"
        return Draft(
            en, f"{person.zh}是{place_zh}最{adjective.chinese}的{noun.chinese}" + ("之一" if person.plural else "")
        )
    return Draft(made.en, made.chinese)


def yes_no(g: Speaker) -> Draft:
    draw = g.rng.random()
    if draw < 0.2:
        made = is_adjective(someone(g), g.entry(words.PERSON_ADJECTIVES), "", {"is": "{}"})
    elif draw < 0.3:
        made = a_passive(g)
    else:
        tense = g.one_of(("past", "past", "habit", "habit", "future", "progressive", "modal", "ever", "done"))
        made = act(g, someone(g), tense, question=True)
        if tense == "ever":
            made = replace(made, zh=made.zh.removeprefix(g.frames["ever"]))
        if tense == "modal" and made.auxiliary == "would":
            made = act(g, made.subject, "future", question=True)
    asked = replace(made, front=NONE)
    return Draft(asked.asked, asked.subject.zh + asked.zh + "嗎", "?")


def question(g: Speaker) -> Draft:
    """Who, what, where, when, why, which, how many, how much."""
    sort = g.below(9)
    if sort == 0:
        made = act(g, Phrase("who", "誰"), g.one_of(("past", "past", "habit", "future", "progressive")), question=True)
        return Draft(made.en, made.chinese, "?")
    person = someone(g, simple=True)
    kind = g.one_of(KINDS)
    while kind not in NOUNS or kind in ("strings", "keys", "winds"):
        kind = g.one_of(KINDS)
    noun, verb = g.entry(NOUNS[kind][0]), g.entry(words.TRANSITIVE[kind])
    base, measure = verb_form(verb, "base"), noun.extra
    time = past_time(g) if g.chance(0.4) else NONE
    if sort == 1:
        asked = join("what did", person.en, base, time.en)
        return Draft(asked, f"{person.zh}{time.zh}{verb.chinese}{le(verb)}什麼", "?")
    if sort in (2, 3):
        made = act(g, person, "future" if sort == 2 else "past", short=True, question=True)
        return Draft(f"why {made.asked}", f"{made.subject.zh}為什麼{made.zh}", "?")
    if sort in (4, 5):
        thing = noun_phrase(g, kind, relative=False)
        ask, ask_zh = ("where", "在哪裡") if sort == 4 else ("when", "什麼時候")
        if g.chance(0.5):
            did, zh = "did", f"是{ask_zh}{verb.chinese}{thing.zh}的"
        else:
            will = g.frames["will"]
            did, zh = "will", f"{will + ask_zh if sort == 4 else ask_zh + will}{verb.chinese}{thing.zh}"
        return Draft(f"{ask} {did} {person.en} {base} {thing.object}", person.zh + zh, "?")
    if sort in (6, 7):
        if sort == 7:
            ask, ask_zh = f"which {noun.english}", "哪一"
        elif noun.mass or noun.paired:
            ask, ask_zh = f"how many {with_s(container(measure) if noun.mass else 'pair')} of {noun.english}", "幾"
        else:
            ask, ask_zh = f"how many {plural(noun)}", "幾"
        zh = f"{person.zh}{time.zh}{verb.chinese}{le(verb)}{ask_zh}{measure}{noun.chinese}"
        return Draft(join(ask, "did", person.en, base, time.en), zh, "?")
    this = counted(1, noun) if noun.mass else definite(noun, False, near="this")
    return Draft(f"how much {'do' if this.plural else 'does'} {this.en} cost", f"{this.zh}多少錢", "?")


def a_passive(g: Speaker) -> Clause:
    kind = tuple(words.BAD)[g.below(len(words.BAD))]
    verb = g.entry(words.BAD[kind])
    thing = someone(g, simple=True) if kind == "people" else definite(g.entry(NOUNS[kind][0]), g.chance(0.2))
    if kind != "people" and g.chance(0.3):
        thing = owned(g, NOUNS[kind][0])
    by = (someone(g, simple=True) if g.chance(0.7) else counted(1, g.entry(words.PEOPLE))) if g.chance(0.6) else None
    return passive(thing, verb, by, past_time(g) if g.chance(0.5) else NONE, g.frames)


def being_done(g: Speaker) -> Draft:
    return drafted(a_passive(g))


def there_is(g: Speaker) -> Draft:
    """有 after the place."""
    if g.chance(0.35):
        noun, place = g.entry(words.PEOPLE if g.chance(0.7) else words.ANIMALS), where(g)
    else:
        kind = g.one_of(("things", "food", "texts", "clothes", "accessories", "drinks"))
        place, noun = g.adverbial(words.SURFACES), g.entry(NOUNS[kind][0])
    draw = g.rng.random()
    if draw < 0.2:
        en = f"{'is' if noun.mass else 'are'} no {plural(noun)}"
        return Draft(f"there {en} {place.en}", f"{place.zh}沒有{noun.chinese}")
    number = 1 if g.chance(0.4) else 2 + g.below(9)
    thing = counted(number, noun)
    verb = "is" if number == 1 else "are"
    if draw < 0.4:
        return Draft(f"{verb} there {thing.en} {place.en}", f"{place.zh}有{thing.zh}嗎", "?")
    if draw < 0.5:
        tense, time = "was" if number == 1 else "were", past_time(g)
        return Draft(f"there {tense} {thing.en} {place.en} {time.en}", f"{time.zh}{place.zh}有{thing.zh}")
    return Draft(f"there {verb} {thing.en} {place.en}", f"{place.zh}有{thing.zh}")


def putting(g: Speaker) -> Draft:
    """把 before what is moved, and giving."""
    person, time = someone(g), past_time(g) if g.chance(0.3) else NONE
    draw = g.rng.random()
    if draw < 0.5:
        kind = g.one_of(("things", "food", "texts", "clothes", "accessories"))
        noun, spot = g.entry(NOUNS[kind][0]), g.entry(words.SURFACES)
        thing = definite(noun, g.chance(0.2))
        if g.chance(0.4):
            en_owner, zh_owner = owner(g)
            thing = Phrase(f"{en_owner} {noun.english}", f"{zh_owner}的{noun.chinese}")
        en, zh = g.one_of((("put", "放"), ("left", "留"), ("hid", "藏")))
        return Draft(
            join(person.en, en, thing.object, spot.english, time.en),
            f"{person.zh}{time.zh}{g.frames['take']}{thing.zh}{zh}在{spot.chinese}",
        )
    other = someone(g, simple=True)
    kind = g.one_of(("things", "food", "texts", "clothes", "accessories", "drinks"))
    thing = noun_phrase(g, kind, relative=False)
    en, zh = g.one_of((("gave", "給"), ("sent", "寄給"), ("lent", "借給"), ("sold", "賣給"), ("showed", "給")))
    given, after = zh + ("了" if zh != "給" or en == "gave" else ""), "看" if en == "showed" else ""
    if g.chance(0.5):
        return Draft(
            join(person.en, en, other.object, thing.object, time.en),
            f"{person.zh}{time.zh}{given}{other.zh}{thing.zh}{after}",
        )
    return Draft(
        join(person.en, en, thing.object, "to", other.object, time.en),
        f"{person.zh}{time.zh}{g.frames['take']}{thing.zh}{given}{other.zh}{after}",
    )


def going(g: Speaker) -> Draft:
    """Going somewhere by something with somebody: 跟, 搭 and 去 in the order of events."""
    person = someone(g)
    the, places = ("", words.CITIES) if g.chance(0.5) else ("the ", words.BUILDINGS)
    place = g.entry(places)
    to, to_zh, by, by_zh = f"to {the}{place.english}", place.chinese, "", ""
    if g.chance(0.5):
        ride = g.entry(words.TAKEN)
        by, by_zh = f"by {ride.english.split(' ', 1)[1]}", f"搭{ride.chinese}"
    elif g.chance(0.3):
        by, by_zh = g.one_of((("on foot", "走路"), ("by bicycle", "騎腳踏車"), ("by car", "開車")))
    other = someone(g, simple=True) if g.chance(0.3) else None
    beside, beside_zh = (f"with {other.object}", g.frames["with"] + other.zh) if other else ("", "")
    tense = g.below(5)
    if tense == 0:
        time, verb, aspect = habit_time(g) if g.chance(0.6) else NONE, "goes" if third(person) else "go", "去"
    elif tense == 1:
        time, verb, aspect = future_time(g) if g.chance(0.6) else NONE, "will go", "去"
        by_zh = g.frames["will"] + beside_zh + by_zh
        beside_zh = ""
    elif tense == 2:
        en, zh = number_of(g, 10)
        return Draft(f"{person.en} {have(person)} been {to} {en} times", f"{person.zh}去過{to_zh}{zh}次")
    else:
        time, verb, aspect = past_time(g) if g.chance(0.6) else NONE, "went", "去了"
    return Draft(
        join(person.en, verb, to, by, beside, time.en), f"{person.zh}{time.zh}{beside_zh}{by_zh}{aspect}{to_zh}"
    )


def lasting(g: Speaker) -> Draft:
    """How long, how often, how well."""
    person, verb = someone(g), g.entry(words.INTRANSITIVE)
    while len(verb.extra) > 1:
        verb = g.entry(words.INTRANSITIVE)
    draw = g.rng.random()
    length = span(g)
    if draw < 0.45:
        time, length = past_time(g) if g.chance(0.4) else NONE, replace(length, en=f"for {length.en}")
        return drafted(clause("past", person, verb, length=length, time=time, frames=g.frames))
    if draw < 0.75:
        how, how_zh = g.one_of(
            (("fast", "快"), ("well", "好"), ("slowly", "慢"), ("badly", "差"), ("happily", "開心"), ("a lot", "多"))
        )
        very = g.chance(0.3) and how != "a lot"
        form = present(verb, person)
        return Draft(
            join(person.en, form, "very" if very else "", how),
            f"{person.zh}{verb.extra}得{'非常' if very else '很'}{how_zh}",
        )
    other = someone(g, simple=True)
    form = present(verb, person)
    more, more_zh = g.one_of((("faster", "快"), ("better", "好"), ("more slowly", "慢"), ("longer", "久")))
    return Draft(f"{person.en} {form} {more} than {other.object}", f"{person.zh}{verb.extra}得比{other.zh}{more_zh}")


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
        return Draft(f"{person.en} {form} {one.en('ing')} to {other.en('ing')}",
                     f"{person.zh}{g.put('prefer', one.zh, other.zh)}")  # fmt: skip
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
    return Draft(join(person.en, en, other.object, f"{no}to", todo.en("base"), time.en),
                 f"{person.zh}{time.zh}{zh}{other.zh}{no_zh}{todo.zh}")  # fmt: skip


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
