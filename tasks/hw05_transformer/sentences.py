"""Sentences of HW5's built-in world in both languages, chosen by a speaker from the grammar and the lexicon."""

from __future__ import annotations

import random
import re
from bisect import bisect
from dataclasses import dataclass, replace
from itertools import accumulate

from tasks.hw05_transformer import lexicon as words
from tasks.hw05_transformer.grammar import (
    DIGITS,
    NO_LE,
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
    is_adjective,
    join,
    number_zh,
    passive,
    plural,
    third,
    verb_form,
    with_s,
)
from tasks.hw05_transformer.lexicon import Entry, entries

Pair = tuple[str, str]
MARKS = {".": "。", "?": "？", "!": "！"}


@dataclass(frozen=True)
class Speaker:
    """A speaker: a random stream, and for each list of the lexicon its entries with their cumulative weights."""

    rng: random.Random
    tables: dict[str, tuple[tuple[Entry, ...], list[float]]]

    def entry(self, text: str) -> Entry:
        """An entry of a list of the lexicon, the frequent ones more often."""
        table, cumulated = self.tables[text]
        return table[bisect(cumulated, self.rng.random() * cumulated[-1], hi=len(table) - 1)]

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def below(self, limit: int) -> int:
        return int(self.rng.random() * limit)

    def adverbial(self, text: str) -> Adverbial:
        entry = self.entry(text)
        return Adverbial(entry.english, entry.chinese)


EVEN = {
    words.FREQUENCY,
    words.WEEKDAYS,
    words.MONTHS,
    words.PERIODS,
    words.MODALS,
    words.COLORS,
    words.LAUGHTER,
    words.PHRASES,
}


def speaker(rng: random.Random, ranks: random.Random, exponent: float) -> Speaker:
    """A speaker who chooses by `rng`: the order of the words by frequency is the world's, the exponent their own."""
    tables = {}
    texts = [text for name, text in sorted(vars(words).items()) if name.isupper() and isinstance(text, str)]
    for text in [*texts, *words.TRANSITIVE.values(), *words.BAD.values()]:
        if ";" not in text or text in (words.SENSES, words.PHRASES, words.CONTAINERS):
            continue
        table = list(entries(text))
        ranks.shuffle(table)
        power = 0.0 if text in EVEN else exponent
        tables[text] = (tuple(table), list(accumulate((place + 2) ** -power for place in range(len(table)))))
    return Speaker(rng, tables)


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
    return OWNERS[g.below(len(OWNERS))]


def noun_phrase(g: Speaker, kind: str, *, relative: bool = True) -> Phrase:
    """A thing of a kind, of any number and definiteness."""
    nouns, adjectives = NOUNS[kind]
    if kind == "food" and g.chance(0.35):
        nouns = words.MASS_FOOD
    noun = g.entry(nouns)
    adjective = g.entry(words.COLORS if kind == "things" and g.chance(0.3) else adjectives) if g.chance(0.3) else None
    en_adjective, zh_adjective = attribute(adjective)
    mass = noun.forms[:1] == ("-",)
    draw = g.rng.random()
    if draw < 0.3:
        return counted(1, noun, adjective)
    if draw < 0.45:
        digits = g.chance(0.2) and not mass
        return counted(11 + g.below(89) if digits else 2 + g.below(9), noun, adjective, digits=digits)
    if draw < 0.58:
        return definite(noun, g.chance(0.3), adjective)
    if draw < 0.68 and not mass:
        return definite(noun, g.chance(0.3), adjective, near="this" if g.chance(0.6) else "that")
    if draw < 0.8:
        en, zh = owner(g)
        of = "" if zh_adjective.endswith("的") else "的"
        return Phrase(
            f"{en} {en_adjective}{noun.english}", f"{zh}{of}{zh_adjective}{noun.chinese}", noun.forms[:1] == ("=",)
        )
    if draw < 0.9 or not relative:
        if mass:
            en, zh = ("some", "一些") if g.chance(0.5) else ("a lot of", "很多")
        else:
            en, zh = (("some", "一些"), ("many", "很多"), ("several", f"好幾{noun.extra}"))[g.below(3)]
        if noun.forms[:1] == ("=",):
            en, zh = "some", "一些"
        return Phrase(f"{en} {en_adjective}{plural(noun)}", f"{zh}{zh_adjective}{noun.chinese}", not mass)
    if kind in ("things", "food", "clothes", "accessories") and g.chance(0.3):
        spot = g.entry(words.SURFACES)
        return Phrase(
            f"the {noun.english} {spot.english}",
            f"{spot.chinese}的{definite(noun, False).zh}",
            noun.forms[:1] == ("=",),
        )
    by, time = someone(g, simple=True), past_time(g) if g.chance(0.4) else NONE
    verb = g.entry(words.TRANSITIVE[kind])
    en = join("the", noun.english, "that", by.en, verb_form(verb, "past"), time.en)
    return Phrase(en, f"{by.zh}{time.zh}{verb.chinese}的{definite(noun, False).zh}", noun.forms[:1] == ("=",))


def someone(g: Speaker, *, simple: bool = False) -> Phrase:
    """A person."""
    draw = g.rng.random()
    if draw < 0.34:
        return PRONOUNS[g.below(len(PRONOUNS))]
    if draw < 0.58:
        name = g.entry(words.NAMES)
        return Phrase(name.english, name.chinese)
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
        en, zh = (("standing", "站"), ("sitting", "坐"))[g.below(2)]
        return Phrase(f"the {noun.english} {en} {place.en}", f"{zh}在{place.zh}的{noun.chinese}")
    who = Phrase("who", "")
    does = act(g, who, "past" if g.chance(0.6) else "habit", short=True)
    return Phrase(f"the {noun.english} who {does.says}", f"{does.zh.removesuffix('了')}的{noun.chinese}")


def thing_of(g: Speaker, kind: str, verb: Entry, *, simple: bool) -> Phrase:
    """An object for a verb of that kind."""
    if kind == "people":
        return someone(g, simple=simple)
    if kind in BARE_OBJECTS:
        entry = g.entry(BARE_OBJECTS[kind])
        return Phrase(entry.english, entry.chinese)
    if verb.english == "play":
        noun = g.entry(NOUNS[kind][0])
        return Phrase(f"the {noun.english}", noun.chinese)
    return noun_phrase(g, kind, relative=not simple)


def number_of(g: Speaker, limit: int) -> tuple[str, str]:
    number = 2 + g.below(limit - 1)
    return SMALL[number], count_zh(number)


def past_time(g: Speaker) -> Adverbial:
    """A time in the past, such as a date or an hour."""
    draw = g.rng.random()
    if draw < 0.6:
        return g.adverbial(words.PAST_TIMES)
    if draw < 0.72:
        (en, zh), period = number_of(g, 10), g.entry(words.PERIODS)
        return Adverbial(f"{en} {with_s(period.english)} ago", f"{zh}{period.extra}{period.chinese}前")
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
    if g.chance(0.3):
        hour = clock(g)
        return Adverbial(f"{hour.en} every {day.english}", f"每個星期{day.chinese}{hour.zh}")
    return Adverbial(f"every {day.english}", f"每個星期{day.chinese}")


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
    (en, zh), period = number_of(g, 10), g.entry(words.PERIODS)
    return Adverbial(f"in {en} {with_s(period.english)}", f"{zh}{period.extra}{period.chinese}後")


def where(g: Speaker) -> Adverbial:
    draw = g.rng.random()
    if draw < 0.5:
        building = g.entry(words.BUILDINGS)
        inside = g.chance(0.5)
        return Adverbial(
            f"{'in' if inside else 'at'} the {building.english}", building.chinese + ("裡" if inside else "")
        )
    if draw < 0.7:
        city = g.entry(words.CITIES)
        return Adverbial(f"in {city.english}", city.chinese)
    return g.adverbial(words.SPOTS)


def act(g: Speaker, subject: Phrase, tense: str, *, short: bool = False, question: bool = False) -> Clause:
    """A clause of that tense in which somebody does something."""
    kind = tense.removeprefix("not ")
    plain = g.chance(0.2)
    sort = "" if plain else KINDS[g.below(len(KINDS))]
    verb = g.entry(words.INTRANSITIVE if plain else words.TRANSITIVE[sort])
    while kind in ("progressive", "ever") and verb.english.split()[0] in STATIVE:
        verb = g.entry(words.INTRANSITIVE if plain else words.TRANSITIVE[sort])
    thing = None if plain else thing_of(g, sort, verb, simple=short)
    stative = verb.english.split()[0] in STATIVE
    place = (
        where(g) if sort not in ("taken", "buildings") and not stative and g.chance(0.15 if short else 0.3) else NONE
    )
    makers = {"habit": habit_time, "past": past_time, "future": future_time, "modal": future_time}
    time = makers[kind](g) if kind in makers and g.chance(0.25 if short else 0.5) else NONE
    manner = g.adverbial(words.MANNER) if not stative and not tense.startswith("not") and g.chance(0.08) else NONE
    if kind in ("ever", "done"):
        manner = NONE
    front = bool(time.en) and not short and not question and g.chance(0.2)
    modal = g.entry(words.MODALS) if kind == "modal" else None
    if modal is not None and tense.startswith("not"):
        modal = Entry("should", (), "應該") if g.chance(0.5) else Entry("can", (), "能")
    made = clause(tense, subject, verb, thing, place=place, time=time, manner=manner, modal=modal, front=front)
    if tense == "habit" and not question and g.chance(0.2):
        often = g.entry(words.FREQUENCY)
        made = replace(made, says=f"{often.english} {made.says}", zh=_after_time(made, time, often.chinese))
    return made


def _after_time(made: Clause, time: Adverbial, word: str) -> str:
    """The Chinese of a clause with a word put after its time."""
    start = 0 if made.front.zh else len(time.zh)
    return made.zh[:start] + word + made.zh[start:]


TENSES = (
    ["past"] * 9 + ["habit"] * 6 + ["future"] * 3 + ["progressive"] * 3 + ["modal"] * 4
    + ["done", "ever", "not past", "not past", "not habit", "not future", "not done", "not ever", "not modal"]
)  # fmt: skip


def some_act(g: Speaker, *, short: bool = False) -> Clause:
    return act(g, someone(g, simple=short), TENSES[g.below(len(TENSES))], short=short)


def ended(en: str, zh: str, mark: str = ".") -> Pair:
    """A sentence with its capital letter and end marks."""
    return en[0].upper() + en[1:] + mark, zh + MARKS[mark]


def statement(g: Speaker) -> Pair:
    made = some_act(g)
    return ended(made.en, made.chinese)


def quality(g: Speaker) -> Clause:
    """Somebody or something has a property."""
    degree = ("", "", "", "very", "very", "too", "not", "not very", "so")[g.below(9)]
    if g.chance(0.4):
        return is_adjective(someone(g), g.entry(words.PERSON_ADJECTIVES), degree)
    kind = ("animals", "food", "things", "texts", "shows", "buildings", "ideas", "drinks")[g.below(8)]
    if kind == "things" and g.chance(0.4):
        thing, color = definite(g.entry(words.THINGS), False), g.entry(words.COLORS)
        return Clause(thing, f"{be(thing)} {color.english}", be(thing), color.english, f"是{color.chinese}的")
    nouns, adjectives = NOUNS[kind]
    if g.chance(0.4):
        en, zh = owner(g)
        noun = g.entry(nouns)
        thing = Phrase(f"{en} {noun.english}", f"{zh}的{noun.chinese}", noun.forms[:1] == ("=",))
    else:
        thing = definite(g.entry(nouns), g.chance(0.2), near=("the", "this", "that")[g.below(3)])
    return is_adjective(thing, g.entry(adjectives), degree)


def description(g: Speaker) -> Pair:
    made = quality(g)
    return ended(made.en, made.chinese)


def comparing(g: Speaker) -> Pair:
    how = ("", "", "", "much", "a little", "as", "not as")[g.below(7)]
    draw = g.rng.random()
    if draw < 0.45:
        made = compared(someone(g), someone(g, simple=True), g.entry(words.PERSON_ADJECTIVES), how)
    elif draw < 0.6:
        (one, other) = (g.entry(words.CITIES) for _ in range(2))
        adjective = g.entry(words.PLACE_ADJECTIVES)
        made = compared(Phrase(one.english, one.chinese), Phrase(other.english, other.chinese), adjective, how)
    elif draw < 0.85:
        kind = ("animals", "food", "things", "texts", "shows", "buildings", "ideas")[g.below(7)]
        nouns, adjectives = NOUNS[kind]
        noun = g.entry(nouns)
        one_thing = definite(noun, False, near="this")
        those = one_thing.plural
        other_thing = Phrase("those ones" if those else "that one", f"那{noun.extra}")
        made = compared(one_thing, other_thing, g.entry(adjectives), how)
    elif draw < 0.93:
        one_person, other_person, (en, zh) = someone(g), someone(g, simple=True), number_of(g, 12)
        unit, old, adjective_zh = (
            ("years", "older", "大"),
            ("years", "younger", "小"),
            ("centimeters", "taller", "高"),
        )[g.below(3)]
        says = f"{be(one_person)} {en} {unit} {old} than {other_person.object}"
        unit_zh = "歲" if unit == "years" else "公分"
        return ended(f"{one_person.en} {says}", f"{one_person.zh}比{other_person.zh}{adjective_zh}{zh}{unit_zh}")
    else:
        person, noun, adjective = someone(g, simple=True), g.entry(words.PEOPLE), g.entry(words.PERSON_ADJECTIVES)
        place, place_zh = (
            ("in the class", "班上"),
            ("in the world", "世界上"),
            ("in the village", "村子裡"),
            ("in Taiwan", "台灣"),
        )[g.below(4)]
        most = comparison(adjective.english)[1]
        one_of = "one of the" if person.plural else "the"
        en = f"{person.en} {be(person)} {one_of} {most} {plural(noun) if person.plural else noun.english} {place}"
        return ended(
            en, f"{person.zh}是{place_zh}最{adjective.chinese}的{noun.chinese}" + ("之一" if person.plural else "")
        )
    return ended(made.en, made.chinese)


def yes_no(g: Speaker) -> Pair:
    draw = g.rng.random()
    if draw < 0.2:
        made = quality(g)
        if "not" in made.says.split() or "too" in made.says.split() or " so " in made.says:
            made = is_adjective(someone(g), g.entry(words.PERSON_ADJECTIVES))
        made = replace(made, zh=made.zh.removeprefix("很"))
    elif draw < 0.3:
        made = a_passive(g)
    else:
        tense = ("past", "past", "habit", "habit", "future", "progressive", "modal", "ever", "done")[g.below(9)]
        made = act(g, someone(g), tense, question=True)
        if tense == "ever":
            made = replace(made, zh=made.zh.removeprefix("以前"))
        if tense == "modal" and made.auxiliary == "would":
            made = act(g, made.subject, "future", question=True)
    asked = replace(made, front=NONE)
    return ended(asked.asked, asked.subject.zh + asked.zh + "嗎", "?")


def question(g: Speaker) -> Pair:
    """Who, what, where, when, why, which, how many, how much."""
    sort = g.below(9)
    if sort == 0:
        made = act(
            g, Phrase("who", "誰"), ("past", "past", "habit", "future", "progressive")[g.below(5)], question=True
        )
        return ended(made.en, made.chinese, "?")
    person = someone(g, simple=True)
    kind = KINDS[g.below(len(KINDS))]
    while kind not in NOUNS or kind in ("strings", "keys", "winds"):
        kind = KINDS[g.below(len(KINDS))]
    noun, verb = g.entry(NOUNS[kind][0]), g.entry(words.TRANSITIVE[kind])
    base, measure = verb_form(verb, "base"), noun.extra
    le = "" if verb.english.split()[0] in NO_LE else "了"
    time = past_time(g) if g.chance(0.4) else NONE
    if sort == 1:
        return ended(join("what did", person.en, base, time.en), f"{person.zh}{time.zh}{verb.chinese}{le}什麼", "?")
    if sort == 2:
        made = act(g, person, "future", short=True, question=True)
        return ended(f"why {made.asked}", f"{made.subject.zh}為什麼{made.zh}", "?")
    if sort == 3:
        made = act(g, person, "past", short=True, question=True)
        return ended(f"why {made.asked}", f"{made.subject.zh}為什麼{made.zh}", "?")
    if sort in (4, 5):
        thing = noun_phrase(g, kind, relative=False)
        ask, ask_zh = ("where", "在哪裡") if sort == 4 else ("when", "什麼時候")
        if g.chance(0.5):
            return ended(
                f"{ask} did {person.en} {base} {thing.object}", f"{person.zh}是{ask_zh}{verb.chinese}{thing.zh}的", "?"
            )
        will_zh = f"會{ask_zh}" if ask == "where" else f"{ask_zh}會"
        return ended(
            f"{ask} will {person.en} {base} {thing.object}", f"{person.zh}{will_zh}{verb.chinese}{thing.zh}", "?"
        )
    mass = noun.forms[:1] in (("-",), ("=",))
    if sort == 6:
        many = (
            f"how many {with_s(container(measure) if noun.forms == ('-',) else 'pair')} of {noun.english}"
            if mass
            else f"how many {plural(noun)}"
        )
        return ended(
            join(many, "did", person.en, base, time.en),
            f"{person.zh}{time.zh}{verb.chinese}{le}幾{measure}{noun.chinese}",
            "?",
        )
    if sort == 7:
        return ended(
            join(f"which {noun.english} did", person.en, base, time.en),
            f"{person.zh}{time.zh}{verb.chinese}{le}哪一{measure}{noun.chinese}",
            "?",
        )
    this = definite(noun, False, near="this") if noun.forms != ("-",) else counted(1, noun)
    return ended(f"how much {'do' if this.plural else 'does'} {this.en} cost", f"{this.zh}多少錢", "?")


def a_passive(g: Speaker) -> Clause:
    kind = tuple(words.BAD)[g.below(len(words.BAD))]
    verb = g.entry(words.BAD[kind])
    thing = someone(g, simple=True) if kind == "people" else definite(g.entry(NOUNS[kind][0]), g.chance(0.2))
    if kind != "people" and g.chance(0.3):
        en, zh = owner(g)
        noun = g.entry(NOUNS[kind][0])
        thing = Phrase(f"{en} {noun.english}", f"{zh}的{noun.chinese}", noun.forms[:1] == ("=",))
    by = (someone(g, simple=True) if g.chance(0.7) else counted(1, g.entry(words.PEOPLE))) if g.chance(0.6) else None
    return passive(thing, verb, by, past_time(g) if g.chance(0.5) else NONE)


def being_done(g: Speaker) -> Pair:
    made = a_passive(g)
    return ended(made.en, made.chinese)


def there_is(g: Speaker) -> Pair:
    """有 after the place."""
    if g.chance(0.35):
        noun, place = g.entry(words.PEOPLE if g.chance(0.7) else words.ANIMALS), where(g)
    else:
        kind = ("things", "food", "texts", "clothes", "accessories", "drinks")[g.below(6)]
        spot = g.entry(words.SURFACES)
        noun, place = g.entry(NOUNS[kind][0]), Adverbial(spot.english, spot.chinese)
    draw = g.rng.random()
    one_of = noun.forms[:1]
    if draw < 0.2:
        en = f"{'is' if one_of == ('-',) else 'are'} no {plural(noun)}"
        return ended(f"there {en} {place.en}", f"{place.zh}沒有{noun.chinese}")
    number = 1 if g.chance(0.4) else 2 + g.below(9)
    thing = counted(number, noun)
    verb = "is" if number == 1 else "are"
    if draw < 0.4:
        return ended(f"{verb} there {thing.en} {place.en}", f"{place.zh}有{thing.zh}嗎", "?")
    if draw < 0.5:
        tense = "was" if number == 1 else "were"
        return ended(f"there {tense} {thing.en} {place.en} yesterday", f"昨天{place.zh}有{thing.zh}")
    return ended(f"there {verb} {thing.en} {place.en}", f"{place.zh}有{thing.zh}")


def putting(g: Speaker) -> Pair:
    """把 before what is moved, and giving."""
    person, time = someone(g), past_time(g) if g.chance(0.3) else NONE
    draw = g.rng.random()
    if draw < 0.5:
        kind = ("things", "food", "texts", "clothes", "accessories")[g.below(5)]
        noun, spot = g.entry(NOUNS[kind][0]), g.entry(words.SURFACES)
        thing = definite(noun, g.chance(0.2))
        if g.chance(0.4):
            en_owner, zh_owner = owner(g)
            thing = Phrase(f"{en_owner} {noun.english}", f"{zh_owner}的{noun.chinese}")
        en, zh = (("put", "放"), ("left", "留"), ("hid", "藏"))[g.below(3)]
        return ended(
            join(person.en, en, thing.object, spot.english, time.en),
            f"{person.zh}{time.zh}把{thing.zh}{zh}在{spot.chinese}",
        )
    other = someone(g, simple=True)
    kind = ("things", "food", "texts", "clothes", "accessories", "drinks")[g.below(6)]
    thing = noun_phrase(g, kind, relative=False)
    en, zh = (("gave", "給"), ("sent", "寄給"), ("lent", "借給"), ("sold", "賣給"), ("showed", "給"))[g.below(5)]
    le = "了" if zh != "給" or en == "gave" else ""
    after = "看" if en == "showed" else ""
    if g.chance(0.5):
        return ended(
            join(person.en, en, other.object, thing.object, time.en),
            f"{person.zh}{time.zh}{zh}{le}{other.zh}{thing.zh}{after}",
        )
    return ended(
        join(person.en, en, thing.object, "to", other.object, time.en),
        f"{person.zh}{time.zh}把{thing.zh}{zh}{le}{other.zh}{after}",
    )


def going(g: Speaker) -> Pair:
    """Going somewhere by something with somebody: 跟, 搭 and 去 in the order of events."""
    person = someone(g)
    if g.chance(0.5):
        city = g.entry(words.CITIES)
        to, to_zh = f"to {city.english}", city.chinese
    else:
        building = g.entry(words.BUILDINGS)
        to, to_zh = f"to the {building.english}", building.chinese
    by, by_zh = "", ""
    if g.chance(0.5):
        ride = g.entry(words.TAKEN)
        by, by_zh = f"by {ride.english.split(' ', 1)[1]}", f"搭{ride.chinese}"
    elif g.chance(0.3):
        by, by_zh = (("on foot", "走路"), ("by bicycle", "騎腳踏車"), ("by car", "開車"))[g.below(3)]
    other = someone(g, simple=True) if g.chance(0.3) else None
    beside, beside_zh = (f"with {other.object}", f"跟{other.zh}") if other else ("", "")
    tense = g.below(5)
    if tense == 0:
        time, verb, aspect = habit_time(g) if g.chance(0.6) else NONE, "goes" if third(person) else "go", "去"
    elif tense == 1:
        time, verb, aspect = future_time(g) if g.chance(0.6) else NONE, "will go", "去"
        by_zh = "會" + beside_zh + by_zh
        beside_zh = ""
    elif tense == 2:
        en, zh = number_of(g, 10)
        has = "has" if third(person) else "have"
        return ended(f"{person.en} {has} been {to} {en} times", f"{person.zh}去過{to_zh}{zh}次")
    else:
        time, verb, aspect = past_time(g) if g.chance(0.6) else NONE, "went", "去了"
    return ended(
        join(person.en, verb, to, by, beside, time.en), f"{person.zh}{time.zh}{beside_zh}{by_zh}{aspect}{to_zh}"
    )


def lasting(g: Speaker) -> Pair:
    """How long, how often, how well."""
    person, verb = someone(g), g.entry(words.INTRANSITIVE)
    while len(verb.extra) > 1:
        verb = g.entry(words.INTRANSITIVE)
    draw = g.rng.random()
    (en, zh), period = number_of(g, 10), g.entry(words.PERIODS)
    if draw < 0.45:
        time = past_time(g) if g.chance(0.4) else NONE
        length = Adverbial(f"for {en} {with_s(period.english)}", f"{zh}{period.extra}{period.chinese}")
        made = clause("past", person, verb, length=length, time=time)
        return ended(made.en, made.chinese)
    if draw < 0.75:
        how, how_zh = (
            ("fast", "快"),
            ("well", "好"),
            ("slowly", "慢"),
            ("badly", "差"),
            ("happily", "開心"),
            ("a lot", "多"),
        )[g.below(6)]
        very = g.chance(0.3) and how != "a lot"
        form = verb_form(verb, "third" if third(person) else "base")
        return ended(
            join(person.en, form, "very" if very else "", how),
            f"{person.zh}{verb.extra}得{'非常' if very else '很'}{how_zh}",
        )
    other = someone(g, simple=True)
    form = verb_form(verb, "third" if third(person) else "base")
    more, more_zh = (("faster", "快"), ("better", "好"), ("more slowly", "慢"), ("longer", "久"))[g.below(4)]
    return ended(f"{person.en} {form} {more} than {other.object}", f"{person.zh}{verb.extra}得比{other.zh}{more_zh}")


NTH = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def being(g: Speaker) -> Pair:
    """Who somebody is, where from, how old, what something costs, 著."""
    person = someone(g)
    sort = g.below(8)
    if sort == 0:
        noun = g.entry(words.PEOPLE)
        says = plural(noun) if person.plural else article(noun.english)
        return ended(f"{person.en} {be(person)} {says}", f"{person.zh}是{noun.chinese}")
    if sort == 1:
        city, year = g.entry(words.CITIES), 1930 + g.below(90)
        return ended(
            f"{person.en} {be(person, 'past')} born in {city.english} in {year}",
            f"{person.zh}{year}年在{city.chinese}出生",
        )
    if sort == 2:
        city = g.entry(words.CITIES)
        verb, zh = (("live in", "住在"), ("come from", "來自"))[g.below(2)]
        return ended(
            f"{person.en} {verb_form(Entry(verb, (), ''), 'third' if third(person) else 'base')} {city.english}",
            f"{person.zh}{zh}{city.chinese}",
        )
    if sort == 3:
        age = 3 + g.below(90)
        en = SMALL[age] if age < 13 else str(age)
        return ended(
            f"{person.en} {be(person)} {en} years old", f"{person.zh}今年{count_zh(age) if age < 13 else age}歲"
        )
    if sort == 4:
        kind = ("things", "clothes", "accessories", "driven", "food", "ridden")[g.below(6)]
        thing = definite(g.entry(NOUNS[kind][0]), False, near="this" if g.chance(0.5) else "the")
        amount = (10 + g.below(90)) * 10 ** g.below(4)
        if g.chance(0.3):
            hundreds = 2 + g.below(8)
            unit, unit_zh = (("hundred", "百"), ("thousand", "千"), ("million", "百萬"))[g.below(3)]
            return ended(
                f"{thing.en} cost {SMALL[hundreds]} {unit} dollars",
                f"{thing.zh}花了{'兩' if hundreds == 2 else DIGITS[hundreds]}{unit_zh}元",
            )
        en, zh = (f"NT${amount:,}", f"新台幣{amount:,}元") if g.chance(0.4) else (f"{amount} dollars", f"{amount}元")
        return ended(f"{thing.en} cost{'' if thing.plural else 's'} {en}", f"{thing.zh}要{zh}")
    if sort == 5:
        kind, zh = (("clothes", "穿"), ("accessories", "戴"))[g.below(2)]
        noun = g.entry(NOUNS[kind][0])
        thing = counted(1, noun, g.entry(words.COLORS) if g.chance(0.6) else None)
        return ended(f"{person.en} {be(person)} wearing {thing.en}", f"{person.zh}{zh}著{thing.zh}")
    if sort == 6:
        thing = counted(1 + g.below(3), g.entry(words.THINGS))
        return ended(f"{person.en} {be(person, 'past')} holding {thing.en}", f"{person.zh}拿著{thing.zh}")
    order = 2 + g.below(9)
    kind = ("things", "texts", "ideas", "buildings")[g.below(4)]
    noun = g.entry(NOUNS[kind][0])
    nth = NTH[order - 2]
    measure = noun.extra
    return ended(
        f"this is {nth_of(person)} {nth} {noun.english}",
        f"這是{person.zh}的第{number_zh(order)}{measure}{noun.chinese}",
    )


def nth_of(person: Phrase) -> str:
    """The possessive of a person."""
    for pronoun, (en, _) in zip(PRONOUNS, OWNERS, strict=True):
        if person is pronoun:
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
        pairs = [item.strip().split(" / ") for item in rest.split(";")]
        out.append(Sense(word, chinese, tuple((en, zh) for en, zh in pairs)))
    return tuple(out)


ALL_SENSES = senses()
ALL_PHRASES = tuple(tuple(item.strip().split(" / ")) for item in words.PHRASES.split(";"))


def sense(g: Speaker) -> Clause:
    """An ambiguous word in its context."""
    person, time = someone(g), past_time(g) if g.chance(0.35) else NONE
    chosen = ALL_SENSES[g.below(len(ALL_SENSES))]
    en, zh = chosen.predicates[g.below(len(chosen.predicates))]
    if en.startswith("was "):
        en = be(person, "past") + en[3:]
    if any(mark in en for mark in ("last ", " in spring", "2015", " late", " noon", " dinner", " night")):
        time = NONE
    return Clause(person, join(en, time.en), "did", "", time.zh + zh)


def in_context(g: Speaker) -> Pair:
    made = sense(g)
    return ended(made.en, made.chinese)


def joined(g: Speaker) -> Pair:
    """Two clauses; Chinese puts the condition, the cause and the time first."""
    sort = g.below(9)
    first = sense(g) if g.chance(0.2) else act(g, someone(g, simple=True), "past", short=True)
    second = act(g, someone(g, simple=True), "past", short=True)
    if sort == 0:
        head, head_zh = (("when", "{}的時候，"), ("before", "{}之前，"), ("after", "{}之後，"))[g.below(3)]
        scene = first.chinese
        if head == "before":
            scene = re.sub("了(?!解)", "", scene, count=1)
        elif head == "when":
            scene = scene.removesuffix("了")
        if g.chance(0.5):
            return ended(f"{head} {first.en}, {second.en}", head_zh.format(scene) + second.chinese)
        return ended(f"{second.en} {head} {first.en}", head_zh.format(scene) + second.chinese)
    if sort == 1:
        cause = quality(g) if g.chance(0.4) else first
        return ended(f"{second.en} because {cause.en}", f"因為{cause.chinese}，所以{second.chinese}")
    if sort == 2:
        condition, result = (
            act(g, someone(g, simple=True), "habit", short=True),
            act(g, someone(g, simple=True), "future", short=True),
        )
        if g.chance(0.5):
            return ended(f"if {condition.en}, {result.en}", f"如果{condition.chinese}，{result.chinese}")
        return ended(f"{result.en} if {condition.en}", f"如果{condition.chinese}，{result.chinese}")
    if sort == 3:
        return ended(f"although {first.en}, {second.en}", f"雖然{first.chinese}，但是{second.chinese}")
    if sort == 4:
        return ended(f"{first.en}, but {second.en}", f"{first.chinese}，但是{second.chinese}")
    if sort in (5, 6):
        inner = (quality(g), some_act(g, short=True), a_passive(g), sense(g))[g.below(4)]
        person = someone(g, simple=True)
        en, zh = (("say", "說"), ("think", "覺得"), ("believe", "相信"), ("know", "知道"), ("hope", "希望"))[g.below(5)]
        verb = verb_form(Entry(en, (), ""), "third" if third(person) else "base")
        return ended(f"{person.en} {verb} that {inner.en}", f"{person.zh}{zh}{inner.chinese}")
    adjective = g.entry(words.IDEA_ADJECTIVES)
    todo = act(g, Phrase("", ""), "future", short=True)
    if sort == 7:
        return ended(
            f"it is {adjective.english} to {todo.bare}", f"{todo.zh.replace('會', '', 1)}很{adjective.chinese}"
        )
    person = someone(g, simple=True)
    return ended(
        f"it is {adjective.english} for {person.object} to {todo.bare}",
        f"對{person.zh}來說，{todo.zh.replace('會', '', 1)}很{adjective.chinese}",
    )


def ordering(g: Speaker) -> Pair:
    """Please, do not, let us."""
    todo = act(g, Phrase("", ""), "future", short=True)
    while todo.bare.split()[0] in STATIVE:
        todo = act(g, Phrase("", ""), "future", short=True)
    zh = todo.zh.replace("會", "", 1)
    sort = g.below(3)
    if sort == 0:
        return ended(f"please {todo.bare}", f"請{zh}")
    if sort == 1:
        return ended(f"do not {todo.bare}", f"不要{zh}", "!" if g.chance(0.3) else ".")
    return ended(f"let's {todo.bare}", f"我們{zh}吧")


def said_often(g: Speaker) -> Pair:
    en, zh = ALL_PHRASES[g.below(len(ALL_PHRASES))]
    return en, zh


def cleft(g: Speaker) -> Pair:
    """ "It was Mary who broke the window": 打破窗戶的是瑪麗."""
    person = someone(g, simple=True)
    does = act(g, Phrase("who", ""), "past", short=True)
    return ended(f"it was {person.object} who {does.says}", f"{does.zh.removesuffix('了')}的是{person.zh}")


SENTENCES = (
    [statement] * 20 + [description] * 5 + [comparing] * 6 + [yes_no] * 6 + [question] * 6 + [being_done] * 5
    + [there_is] * 4 + [putting] * 5 + [going] * 5 + [lasting] * 4 + [being] * 6 + [in_context] * 10 + [joined] * 14
    + [ordering] * 3 + [said_often] + [cleft] * 2
)  # fmt: skip


def sentence(g: Speaker) -> Pair:
    """One sentence in both languages."""
    return SENTENCES[g.below(len(SENTENCES))](g)
