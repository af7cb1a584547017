"""Clauses in English and Chinese from the same parts: the deterministic grammar of the built-in worlds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.bilingual import lexicon as words
from tasks.bilingual.lexicon import Entry, cells, variants

STATIVE = frozenset(words.STATIVE.split())
NO_LE = frozenset(words.NO_LE.split())
DOUBLED = frozenset(words.DOUBLED.split())
DIGITS = "零一二三四五六七八九"
SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
BETTER = {"good": ("better", "best"), "bad": ("worse", "worst"), "far": ("farther", "farthest")}
LONG = {
    "careful", "useful", "famous", "modern", "selfish", "patient", "honest", "special", "polite", "elegant", "urgent",
    "common", "naive", "loyal",
}  # fmt: skip
"""Adjectives of two syllables or more that the spelling does not reveal."""
WHOLE = ("寫作", "躲藏")
"""Verbs of two characters that 過 does not split."""
A_WORDS = ("uni", "use", "euro", "uku", "one")
AN_WORDS = ("hour", "honest")

FRAMES = """
clause: {1}{0}{2}/{0}{1}{2} | {0}{1}{2}/{1}{0}{2}; will: 會 | 將; not will: 不會 | 將不; not past: 沒有/沒 | 並未/未;
done: 已經 | 已; not done: 還沒/還沒有 | 尚未; never: 從來沒有/從沒 | 從未; ever: 以前 | 曾經/曾; by: 被 | 遭;
is: 很{} | 相當{}/十分{}; very: 非常{}/真的很{} | 極為{}; too: 太{}了/實在太{}了 | 過於{}; not: 不{} | 並不{};
not very: 不太{}/不怎麼{} | 並不十分{}; so: 好{}/真{} | 如此{}; than: 比{1}{0}/比{1}還{0} | 比{1}更{0};
much: 比{1}{0}得多/比{1}{0}多了/比{1}{0}很多 | 遠比{1}{0}; a little: 比{1}{0}一點/比{1}{0}一些 | 比{1}稍微{0};
as: 跟{1}一樣{0}/和{1}一樣{0} | 與{1}同樣{0}; not as: 沒有{1}那麼{0}/沒有{1}這麼{0} | 不如{1}{0}; with: 跟/和 | 與;
take: 把 | 將; that: {0}的那{1}{2}/那{1}{0}的{2} | {0}的那{1}{2};
because: 因為{0}，所以{1}/因為{0}，{1} | 由於{0}，因此{1}; when: {0}的時候，{1}/當{0}時，{1} | 於{0}之際，{1};
before: {0}之前，{1}/{0}以前，{1} | {0}前，{1}; after: {0}之後，{1}/{0}以後，{1} | {0}後，{1};
if: 如果{0}，{1}/要是{0}，{1}/如果{0}的話，{1} | 倘若{0}，{1};
although: 雖然{0}，但是{1}/雖然{0}，可是{1} | 儘管{0}，{1}; but: {0}，但是{1}/{0}，可是{1} | {0}，然而{1};
unless: 除非{0}，不然{1}/除非{0}，要不然{1} | 除非{0}，否則{1}; so that: {0}，所以{1} | {0}，因此{1};
for: 為了{0}，{1} | 為{0}，{1}; for him: 對{0}來說，{1}很{2} | 對{0}而言，{1}十分{2};
copy: {0}{1}{0}了{2} | {0}{1}長達{2}; since: 從{0}起就一直在/從{0}開始一直在 | 自{0}起一直在;
lately: 最近一直在/這陣子一直在 | 近來不斷; all day: 整天都在/一整天都在 | 終日都在;
instead: 沒有{1}，而是{0}/不是{1}，而是{0} | 並未{1}，而是{0}; without: 沒有{1}就{0}/沒{1}就{0} | 未{1}便{0};
prefer: 比起{1}，更喜歡{0}/喜歡{0}勝過{1} | 相較於{1}，更喜愛{0}; spent: 花了{1}{0}/用了{1}{0} | 耗時{1}{0};
every: 每{1}{0}都/每一{1}{0}都 | 每{1}{0}皆; all: 所有的{0}都/{0}全都 | 全體{0}皆;
most: 大部分的{0}都/大多數的{0}都 | 多數{0}皆; none: 沒有一{1}{0}/{0}沒有一{1} | 無一{1}{0}; only: 只有 | 僅有;
even: 連{0}都/甚至連{0}都 | 就連{0}也; a second time: 又 | 再度; a next time: 再 | 再次; also: 也 | 亦
"""
"""Words and word orders in plain and formal style, of which a language has one each; {0}, {1} stand for the parts."""

FIRST = {name: variants(rest)[0][0] for name, _, rest in (cell.partition(": ") for cell in cells(FRAMES))}
"""The first plain variant of each."""


@dataclass(frozen=True)
class Phrase:
    """A noun phrase: English as a subject and (`as_object`) as an object, Chinese, person 1 to 3, number."""

    en: str
    zh: str
    plural: bool = False
    person: int = 3
    as_object: str = ""

    @property
    def object(self) -> str:
        return self.as_object or self.en


@dataclass(frozen=True)
class Adverbial:
    """When, where or how; in Chinese it comes before the verb."""

    en: str = ""
    zh: str = ""


NONE = Adverbial()
PRONOUNS = (
    Phrase("I", "我", False, 1, "me"), Phrase("you", "你", False, 2), Phrase("he", "他", as_object="him"),
    Phrase("she", "她", as_object="her"), Phrase("we", "我們", True, 1, "us"),
    Phrase("they", "他們", True, as_object="them"),
)  # fmt: skip
OWNERS = (("my", "我"), ("your", "你"), ("his", "他"), ("her", "她"), ("our", "我們"), ("their", "他們"))


def article(word: str) -> str:
    """The word with a or an before it.

    >>> article("umbrella"), article("university"), article("hour"), article("old man")
    ('an umbrella', 'a university', 'an hour', 'an old man')
    """
    vowel = (word[0] in "aeiou" and not word.startswith(A_WORDS)) or word.startswith(AN_WORDS)
    return f"{'an' if vowel else 'a'} {word}"


def plural(noun: Entry) -> str:
    """The plural of a noun.

    >>> plural(Entry("baby", (), "嬰兒")), plural(Entry("knife", ("knives",), "刀子"))
    ('babies', 'knives')
    """
    if noun.forms:
        return noun.english if noun.forms[0] in "=-" else noun.forms[0]
    return with_s(noun.english)


def with_s(word: str) -> str:
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")


def verb_form(verb: Entry, form: str) -> str:
    """The "base", "third", "past", "participle" or "ing" form of a verb, whose first word is inflected.

    >>> [verb_form(Entry("carry", (), "搬"), form) for form in ("third", "past", "ing")]
    ['carries', 'carried', 'carrying']
    >>> [verb_form(Entry("take off", ("took off", "taken off"), "脫下"), form) for form in ("past", "ing")]
    ['took off', 'taking off']
    """
    if form == "base":
        return verb.english
    if verb.forms and form in ("past", "participle"):
        return verb.forms[form == "participle"]
    head, _, rest = verb.english.partition(" ")
    doubled = head + head[-1] if head in DOUBLED else head
    if form == "third":
        head = "has" if head == "have" else with_s(head)
    elif form == "ing":
        stem = head[:-2] + "y" if head.endswith("ie") else doubled
        head = (stem[:-1] if stem.endswith("e") and not stem.endswith("ee") else stem) + "ing"
    elif head.endswith("y") and head[-2] not in "aeiou":
        head = head[:-1] + "ied"
    else:
        head = doubled + ("d" if head.endswith("e") else "ed")
    return f"{head} {rest}".strip()


def comparison(adjective: str) -> tuple[str, str]:
    """Comparative and superlative.

    >>> comparison("big"), comparison("heavy"), comparison("expensive")
    (('bigger', 'biggest'), ('heavier', 'heaviest'), ('more expensive', 'most expensive'))
    """
    if adjective in BETTER:
        return BETTER[adjective]
    vowels = sum(a in "aeiouy" and b not in "aeiouy" for a, b in zip(adjective, adjective[1:] + "x", strict=True))
    vowels -= adjective.endswith("e") and vowels > 1
    if adjective.endswith("y") and vowels == 2:
        return adjective[:-1] + "ier", adjective[:-1] + "iest"
    if vowels > 1 or adjective in LONG or adjective.endswith("ed"):
        return f"more {adjective}", f"most {adjective}"
    if adjective.endswith("e"):
        return adjective + "r", adjective + "st"
    if adjective[-1] in "gdnt" and adjective[-2] in "aiou" and adjective[-3] not in "aeiou":
        adjective += adjective[-1]
    return adjective + "er", adjective + "est"


def number_zh(number: int) -> str:
    """A whole number below 10^8 in Chinese; 二 in it, as in ordinals and dates, but 兩 before 百, 千 and 萬.

    >>> number_zh(12), number_zh(20), number_zh(205), number_zh(2000), number_zh(35000), number_zh(1010)
    ('十二', '二十', '兩百零五', '兩千', '三萬五千', '一千零一十')
    """
    if number >= 10_000:
        high, low = divmod(number, 10_000)
        tens = ("零" if low < 1000 else "") + number_zh(low) if low else ""
        return ("兩" if high == 2 else number_zh(high)) + "萬" + tens
    if number < 10:
        return DIGITS[number]
    if number < 20:
        return "十" + (DIGITS[number - 10] if number > 10 else "")
    out, gap = "", False
    for unit, sign in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, unit)
        if digit:
            out += "零" if gap and out else ""
            out += ("兩" if digit == 2 and unit >= 100 else DIGITS[digit]) + sign
            gap = False
        else:
            gap = True
    return out


def count_zh(number: int) -> str:
    """A number before a measure word: 兩 for two.

    >>> count_zh(2), count_zh(12), count_zh(3)
    ('兩', '十二', '三')
    """
    return "兩" if number == 2 else number_zh(number)


def attribute(adjective: Entry | None) -> tuple[str, str]:
    """The adjective before a noun: ("new ", "新"), ("expensive ", "貴的")."""
    if adjective is None:
        return "", ""
    return adjective.english + " ", adjective.chinese + ("" if adjective.chinese in words.BARE else "的")


def counted(number: int, noun: Entry, adjective: Entry | None = None, *, digits: bool = False) -> Phrase:
    """A noun with a number: "three new books" is 三本新書, "two cups of tea" is 兩杯茶."""
    en_adjective, zh_adjective = attribute(adjective)
    many = str(number) if digits else SMALL[number]
    zh = f"{number if digits else count_zh(number)}{noun.extra}{zh_adjective}{noun.chinese}"
    if noun.mass or noun.paired:
        unit = "pair" if noun.paired else container(noun.extra)
        en = f"{article(unit) if number == 1 else f'{many} {with_s(unit)}'} of {en_adjective}{noun.english}"
    else:
        single = article(en_adjective + noun.english)
        en = single if number == 1 else f"{many} {en_adjective}{plural(noun)}"
    return Phrase(en, zh, number > 1)


def container(measure: str) -> str:
    return next(entry.english for entry in MEASURES if entry.chinese == measure)


MEASURES = tuple(Entry(pair.split()[1], (), pair.split()[0]) for pair in words.CONTAINERS.split(";"))


def definite(noun: Entry, many: bool, adjective: Entry | None = None, *, near: str = "the") -> Phrase:
    """ "the", "this" or "that" (and their plurals): 那本書, 這些書; a mass noun stands alone."""
    en_adjective, zh_adjective = attribute(adjective)
    if noun.mass:
        return Phrase(f"the {en_adjective}{noun.english}", f"那{noun.extra}{zh_adjective}{noun.chinese}")
    many = many or noun.paired
    word = {"this": "these", "that": "those"}.get(near, near) if many else near
    zh = ("這" if near == "this" else "那") + ("些" if many and not noun.paired else noun.extra)
    return Phrase(
        f"{word} {en_adjective}{plural(noun) if many else noun.english}", f"{zh}{zh_adjective}{noun.chinese}", many
    )


# Clauses -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Clause:
    """A clause without its end mark: English as a statement and in the parts of a question, Chinese around its subject.

    A statement is `subject.en + " " + says`; a question `auxiliary subject bare`. In Chinese all but a fronted time
    follows the subject: `subject.zh + zh`. `when` is the time at the start of `zh`, which `order` may put first.
    """

    subject: Phrase
    says: str
    auxiliary: str
    bare: str
    zh: str
    front: Adverbial = NONE
    when: str = ""
    order: str = FIRST["clause"]

    @property
    def en(self) -> str:
        start = f"{self.front.en}, " if self.front.en else ""
        return f"{start}{self.subject.en} {self.says}"

    @property
    def chinese(self) -> str:
        return self.front.zh + self.order.format(self.when, self.subject.zh, self.zh.removeprefix(self.when))

    @property
    def asked(self) -> str:
        return f"{self.auxiliary} {self.subject.en} {self.bare}"


def be(subject: Phrase, tense: str = "present") -> str:
    if tense == "past":
        return "were" if subject.plural or subject.person == 2 else "was"
    return "are" if subject.plural or subject.person == 2 else "am" if subject.person == 1 else "is"


def third(subject: Phrase) -> bool:
    return subject.person == 3 and not subject.plural


def have(subject: Phrase) -> str:
    return "has" if third(subject) else "have"


def present(verb: Entry, subject: Phrase) -> str:
    return verb_form(verb, "third" if third(subject) else "base")


def join(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def le(verb: Entry) -> str:
    """The mark of a completed act, if the verb takes one."""
    return "" if verb.head in NO_LE else "了"


def clause(
    tense: str,
    subject: Phrase,
    verb: Entry,
    thing: Phrase | None = None,
    *,
    place: Adverbial = NONE,
    time: Adverbial = NONE,
    manner: Adverbial = NONE,
    modal: Entry | None = None,
    front: bool = False,
    length: Adverbial = NONE,
    ending: Adverbial = NONE,
    frames: Mapping[str, str] = FIRST,
) -> Clause:
    """A clause with a verb, in the tense habit, past, progressive, future, done ("has already"), ever ("has … before")
    or modal; with "not " before it each is denied. `length` is how long it was done, `ending` an adverb at
    the end. `front` puts the time first."""
    denied = tense.startswith("not ")
    kind = tense.removeprefix("not ")
    obj = thing.object if thing else ""
    obj_zh = thing.zh if thing else ""
    at = f"在{place.zh}" if place.zh else ""
    after_time = "" if front else time.en
    tail = join(obj, length.en, manner.en, place.en, after_time, ending.en)
    when = "" if front else time.zh
    how = ending.zh + manner.zh
    stative = verb.head in NO_LE and thing is not None
    plain = verb.chinese + obj_zh
    stays_so = plain.endswith("著")  # 坐著: neither 在 nor 了 goes with it
    if length.zh:
        act = (verb.extra or verb.chinese) + "了" + length.zh if not thing else f"{verb.chinese}了{length.zh}{obj_zh}"
    elif stative:
        act = plain
    elif thing:
        act = f"{verb.chinese}了{obj_zh}"
    else:
        act = plain + ("" if at or stays_so else "了")
    had = f"{verb.chinese}過{obj_zh}"
    if stays_so:
        had = f"{verb.extra}過"
    elif not thing and len(verb.chinese) == 2 and verb.extra == verb.chinese[0] and verb.chinese not in WHOLE:
        had = f"{verb.extra}過{verb.chinese[1]}"  # 睡過覺
    base = join(verb_form(verb, "base"), tail)
    has = have(subject)
    if kind == "habit":
        says, auxiliary, bare = join(present(verb, subject), tail), "does" if third(subject) else "do", base
        zh = when + ("不" if denied else "") + how + at + plain
    elif kind == "past":
        says, auxiliary, bare = join(verb_form(verb, "past"), tail), "did", base
        stays = denied or stative
        zh = when + (frames["not past"] if denied else "") + how + at + (plain if stays else act)
    elif kind == "progressive":
        auxiliary, bare = be(subject), join(verb_form(verb, "ing"), tail)
        says = join(auxiliary, bare)
        zh = when + ("沒有" if denied else "正") + how + (at or ("" if stays_so else "在")) + plain
    elif kind == "future":
        auxiliary, bare = "will", base
        says = join(auxiliary, base)
        zh = when + frames["not will" if denied else "will"] + how + at + plain
    elif kind == "done":
        auxiliary = has
        bare = join(verb_form(verb, "participle"), tail, "yet")
        says = join(has, "already", verb_form(verb, "participle"), tail)
        zh = when + (frames["not done"] + at + plain if denied else frames["done"] + at + (plain if stative else act))
    elif kind == "ever":
        auxiliary = has
        bare = join("ever", verb_form(verb, "participle"), tail)
        says = join(has, "never" if denied else "", verb_form(verb, "participle"), tail, "" if denied else "before")
        zh = frames["never" if denied else "ever"] + at + had
    elif kind == "modal" and modal is not None:
        says, auxiliary, bare = modal_forms(modal.english, subject, base, denied)
        zh = when + ("不" if denied else "") + modal.chinese + how + at + plain
    else:
        raise AssertionError(f"no tense {tense!r}")
    if denied and kind in ("habit", "past", "progressive", "future", "done"):
        says = f"{auxiliary} not {bare}"
    return Clause(subject, says, auxiliary, bare, zh, time if front else NONE, when, frames["clause"])


def modal_forms(modal: str, subject: Phrase, base: str, denied: bool) -> tuple[str, str, str]:
    """Statement, auxiliary and the rest of a question of a modal verb."""
    if not modal.endswith(" to") or modal.startswith("would"):
        first, _, rest = modal.partition(" ")
        bare = join(rest, base)
        said = "cannot" if first == "can" and denied else join(first, "not" if denied else "")
        return join(said, bare), first, bare
    auxiliary = "does" if third(subject) else "do"
    head, rest = modal.split(" ", 1)
    bare = f"{modal} {base}"
    said = f"{auxiliary} not {bare}" if denied else f"{present(Entry(head, (), ''), subject)} {rest} {base}"
    return said, auxiliary, bare


def passive(
    thing: Phrase, verb: Entry, by: Phrase | None, time: Adverbial = NONE, frames: Mapping[str, str] = FIRST
) -> Clause:
    """ "The book was stolen by a thief yesterday": 那本書昨天被一個小偷偷走了."""
    bare = join(verb_form(verb, "participle"), f"by {by.object}" if by else "", time.en)
    auxiliary = be(thing, "past")
    return Clause(
        thing, f"{auxiliary} {bare}", auxiliary, bare, f"{time.zh}{frames['by']}{by.zh if by else ''}{verb.chinese}了"
    )


def is_adjective(subject: Phrase, adjective: Entry, degree: str = "", frames: Mapping[str, str] = FIRST) -> Clause:
    """ "is (very, too, not) tall": 很高, 非常高, 太高了, 不高."""
    bare = join(degree.removeprefix("not").strip() if degree.startswith("not") else degree, adjective.english)
    says = join(be(subject), "not" if degree.startswith("not") else "", bare)
    return Clause(subject, says, be(subject), bare, frames[degree or "is"].format(adjective.chinese))


def compared(one: Phrase, other: Phrase, adjective: Entry, how: str = "", frames: Mapping[str, str] = FIRST) -> Clause:
    """比 for "than" (how: "", "much", "a little"), 跟…一樣 for "as … as", 沒有…那麼 for "not as … as"."""
    more = comparison(adjective.english)[0]
    zh = frames[how or "than"].format(adjective.chinese, other.zh)
    if how in ("as", "not as"):
        bare = f"as {adjective.english} as {other.object}"
        return Clause(one, join(be(one), "not" if how == "not as" else "", bare), be(one), bare, zh)
    bare = join(how, more, f"than {other.object}")
    return Clause(one, f"{be(one)} {bare}", be(one), bare, zh)
