"""Phrases of the built-in worlds in both languages: things and people, times, places, acts, and drafted sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from tasks.bilingual import lexicon as words
from tasks.bilingual.grammar import (
    NONE,
    SMALL,
    STATIVE,
    Adverbial,
    Clause,
    Phrase,
    attribute,
    clause,
    count_zh,
    counted,
    definite,
    join,
    plural,
    verb_form,
    with_s,
)
from tasks.bilingual.language import Speaker
from tasks.bilingual.lexicon import Entry, entries

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
