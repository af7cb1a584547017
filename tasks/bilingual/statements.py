"""Statements and questions of one clause in both languages, each with the word order that its construction asks for."""

from __future__ import annotations

from dataclasses import replace

from tasks.bilingual import lexicon as words
from tasks.bilingual.grammar import (
    NONE,
    Clause,
    Phrase,
    be,
    clause,
    compared,
    comparison,
    container,
    counted,
    definite,
    have,
    is_adjective,
    join,
    le,
    passive,
    plural,
    present,
    third,
    verb_form,
    with_s,
)
from tasks.bilingual.language import Speaker
from tasks.bilingual.phrases import (
    KINDS,
    NOUNS,
    Draft,
    act,
    drafted,
    future_time,
    habit_time,
    noun_phrase,
    number_of,
    owned,
    owner,
    past_time,
    someone,
    span,
    where,
)


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
