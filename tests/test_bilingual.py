"""The built-in language of the worlds with text: its lexicon, its grammar, and sentences right in both languages."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.bilingual import lexicon as words
from tasks.bilingual.grammar import (
    FIRST,
    NONE,
    PRONOUNS,
    Adverbial,
    Clause,
    Phrase,
    article,
    clause,
    compared,
    comparison,
    counted,
    definite,
    is_adjective,
    number_zh,
    passive,
    plural,
    verb_form,
)
from tasks.bilingual.language import FORMAL, PLAIN, language, lists_of_the_lexicon, speaker
from tasks.bilingual.lexicon import Entry, entries
from tasks.bilingual.phrases import ended
from tasks.bilingual.senses import ALL_SENSES, nth_of
from tasks.bilingual.sentences import SENTENCES, sentence

ME, YOU, HE, SHE, WE, THEY = PRONOUNS
MARY, TOM = Phrase("Mary", "瑪麗"), Phrase("Tom", "湯姆")
LIBRARY = Adverbial("in the library", "圖書館裡")
YESTERDAY = Adverbial("yesterday", "昨天")

SIMPLIFIED = set("机虫苹网胜听坏复宁并庄价优体儿党几厂么万与痒确离种荐蜡触极构气洁扑扰挂据晒")
"""Characters of simplified writing that Big5 has too, since they were others once."""


def word(english: str) -> Entry:
    """The first entry of the lexicon with that English."""
    return next(entry for text in lists_of_the_lexicon() for entry in entries(text) if entry.english == english)


def verb(kind: str, english: str) -> Entry:
    return next(entry for entry in entries(words.TRANSITIVE[kind]) if entry.english == english)


# The lexicon


def test_the_lexicon_has_more_than_a_thousand_different_entries_and_words_that_context_decides() -> None:
    found = {(entry.english, entry.chinese) for text in lists_of_the_lexicon() for entry in entries(text)}
    assert len(found) > 1200
    assert len({english for english, _ in found}) > 1000
    assert len({chinese for _, chinese in found}) > 1000
    by_word: dict[str, set[str]] = {}
    for sense in ALL_SENSES:
        by_word.setdefault(sense.word, set()).add(sense.chinese)
        assert len(sense.predicates) > 1
    assert len(by_word) > 30
    assert all(len(senses) > 1 for senses in by_word.values())
    plays = {entry.chinese for text in words.TRANSITIVE.values() for entry in entries(text) if entry.english == "play"}
    assert plays == {"拉", "彈", "吹", "打", "踢", "下", "玩"}


def test_every_character_is_traditional_and_of_taiwan() -> None:
    text = Path(words.__file__).read_text(encoding="utf-8")
    assert traditional(text)
    assert not traditional("这")
    assert not traditional("机")
    mainland = "打印 软件 軟件 出租車 地鐵 自行車 土豆 西紅柿 視頻 網絡 公交 博客 鼠標 菠蘿 信息 悉尼"
    assert [word for word in mainland.split() if word in text] == []


def traditional(text: str) -> bool:
    """Whether all characters are in Big5, which has no simplified ones but a few."""
    return not SIMPLIFIED & set(text) and text.encode("big5", errors="ignore").decode("big5") == text


def test_every_countable_noun_has_a_measure_word() -> None:
    from tasks.bilingual.phrases import NOUNS

    measures = set()
    for nouns, _ in NOUNS.values():
        for entry in entries(nouns):
            assert len(entry.extra) == 1, entry
            measures.add(entry.extra)
    assert len(measures) > 30
    assert {word("book").extra, word("car").extra, word("shoes").extra} == {"本", "輛", "雙"}


# The grammar by hand

CASES = [
    # time and place before the verb, aspect
    (clause("past", MARY, verb("things", "buy"), counted(3, word("book")), place=LIBRARY, time=YESTERDAY),
     "Mary bought three books in the library yesterday.", "瑪麗昨天在圖書館裡買了三本書。"),
    (clause("past", MARY, verb("things", "buy"), counted(1, word("umbrella")), time=YESTERDAY, front=True),
     "Yesterday, Mary bought an umbrella.", "昨天瑪麗買了一把雨傘。"),
    (clause("not past", ME, verb("food", "eat"), definite(word("apple"), False)),
     "I did not eat the apple.", "我沒有吃那顆蘋果。"),
    (clause("habit", HE, verb("languages", "teach"), Phrase("English", "英文"), time=Adverbial("every day", "每天")),
     "He teaches English every day.", "他每天教英文。"),
    (clause("not habit", SHE, verb("people", "trust"), THEY), "She does not trust them.", "她不相信他們。"),
    (clause("progressive", THEY, verb("shows", "watch"), counted(1, word("movie")), place=Adverbial("at home", "家裡")),
     "They are watching a movie at home.", "他們正在家裡看一部電影。"),
    (clause("not progressive", HE, word("sleep")), "He is not sleeping.", "他沒有在睡覺。"),
    (clause("future", WE, verb("people", "visit"), MARY, time=Adverbial("tomorrow", "明天")),
     "We will visit Mary tomorrow.", "我們明天會拜訪瑪麗。"),
    (clause("not future", TOM, verb("taken", "take"), Phrase("the bus", "公車")),
     "Tom will not take the bus.", "湯姆不會搭公車。"),
    (clause("done", SHE, verb("texts", "write"), counted(2, word("article"))),
     "She has already written two articles.", "她已經寫了兩篇文章。"),
    (clause("not done", ME, verb("food", "cook"), Phrase("the rice", "飯")),
     "I have not cooked the rice yet.", "我還沒煮飯。"),
    (clause("ever", TOM, verb("animals", "see"), counted(1, word("whale"))),
     "Tom has seen a whale before.", "湯姆以前看見過一隻鯨魚。"),
    (clause("not ever", ME, word("dance")), "I have never danced.", "我從來沒有跳過舞。"),
    (clause("past", THEY, word("sit"), manner=Adverbial("sadly", "難過地")), "They sat sadly.", "他們難過地坐著。"),
    (clause("progressive", SHE, word("stand")), "She is standing.", "她正站著。"),
    (clause("not ever", HE, word("lie")), "He has never lain.", "他從來沒有躺過。"),
    (clause("ever", SHE, Entry("write", ("wrote", "written"), "寫作", "寫")),
     "She has written before.", "她以前寫作過。"),
    (clause("past", YOU, word("sleep"), length=Adverbial("for two hours", "兩個小時")),
     "You slept for two hours.", "你睡了兩個小時。"),
    (clause("past", SHE, word("cry"), manner=Adverbial("quietly", "安靜地")), "She cried quietly.", "她安靜地哭了。"),
    (clause("past", HE, verb("people", "love"), MARY), "He loved Mary.", "他愛瑪麗。"),
    (clause("modal", YOU, verb("things", "use"), definite(word("computer"), False, near="this"),
            modal=Entry("should", (), "應該")),
     "You should use this computer.", "你應該使用這台電腦。"),
    (clause("not modal", WE, word("swim"), modal=Entry("can", (), "能"), place=Adverbial("by the river", "河邊")),
     "We cannot swim by the river.", "我們不能在河邊游泳。"),
    (clause("modal", SHE, verb("hand_sports", "play"), Phrase("tennis", "網球"), modal=Entry("want to", (), "想")),
     "She wants to play tennis.", "她想打網球。"),
    # the same verb, another word
    (clause("past", HE, verb("strings", "play"), Phrase("the violin", "小提琴")),
     "He played the violin.", "他拉了小提琴。"),
    (clause("habit", HE, verb("accessories", "wear"), counted(1, word("hat"), word("red"))),
     "He wears a red hat.", "他戴一頂紅色的帽子。"),
    (clause("habit", HE, verb("clothes", "wear"), counted(1, word("trousers"), word("blue"))),
     "He wears a pair of blue trousers.", "他穿一條藍色的褲子。"),
    # passive
    (passive(definite(word("book"), False), Entry("steal", ("stole", "stolen"), "偷走"), counted(1, word("thief")),
             YESTERDAY),
     "The book was stolen by a thief yesterday.", "那本書昨天被一個小偷偷走了。"),
    (passive(definite(word("egg"), True), Entry("eat", ("ate", "eaten"), "吃掉"), None),
     "The eggs were eaten.", "那些雞蛋被吃掉了。"),
    (passive(ME, Entry("scold", (), "罵"), SHE), "I was scolded by her.", "我被她罵了。"),
    # qualities and comparison
    (is_adjective(THEY, word("busy"), "very"), "They are very busy.", "他們非常忙。"),
    (is_adjective(ME, word("hungry"), "not"), "I am not hungry.", "我不餓。"),
    (is_adjective(definite(word("coat"), False, near="this"), word("expensive"), "too"),
     "This coat is too expensive.", "這件外套太貴了。"),
    (compared(TOM, HE, word("tall")), "Tom is taller than him.", "湯姆比他高。"),
    (compared(MARY, TOM, word("clever"), "much"), "Mary is much more clever than Tom.", "瑪麗比湯姆聰明得多。"),
    (compared(SHE, ME, word("famous"), "not as"), "She is not as famous as me.", "她沒有我那麼有名。"),
    (compared(WE, THEY, word("happy"), "as"), "We are as happy as them.", "我們跟他們一樣快樂。"),
]  # fmt: skip


@pytest.mark.parametrize(("made", "en", "zh"), CASES, ids=[en for _, en, _ in CASES])
def test_a_clause_is_right_in_both_languages(made: Clause, en: str, zh: str) -> None:
    assert ended(made.en, made.chinese) == (en, zh)


@pytest.mark.parametrize(
    ("phrase", "en", "zh"),
    [
        (counted(2, word("tea")), "two cups of tea", "兩杯茶"),
        (counted(1, word("old man"), word("kind")), "a kind old man", "一位善良的老先生"),
        (counted(12, word("knife")), "twelve knives", "十二把刀子"),
        (counted(35, word("student"), digits=True), "35 students", "35個學生"),
        (counted(2, word("shoes"), word("new")), "two pairs of new shoes", "兩雙新鞋子"),
        (counted(1, word("car"), word("new")), "a new car", "一輛新車"),
        (definite(word("child"), True, near="that"), "those children", "那些孩子"),
        (definite(word("scissors"), False, near="this"), "these scissors", "這把剪刀"),
    ],
)
def test_a_noun_has_its_number_measure_word_and_adjective(phrase: Phrase, en: str, zh: str) -> None:
    assert (phrase.en, phrase.zh) == (en, zh)


def test_questions_are_asked_with_the_verb_first_and_with_ma() -> None:
    made = clause("past", TOM, verb("things", "buy"), counted(1, word("camera")), time=YESTERDAY)
    assert ended(made.asked, made.chinese + "嗎", "?") == (
        "Did Tom buy a camera yesterday?",
        "湯姆昨天買了一台相機嗎？",
    )
    made = clause("ever", YOU, word("ski"))
    assert made.asked == "have you ever skied"
    made = clause("progressive", SHE, word("sleep"))
    assert made.asked == "is she sleeping"


def find(sort: str, pattern: str, *, tries: int = 200_000, style: int = PLAIN) -> tuple[str, str]:
    """The first sentence of that kind whose English fits, in a language of the first frames."""
    spoken = language(random.Random(4), 1.0, 0)
    plain = replace(spoken, frames=(FIRST, spoken.frames[FORMAL]))
    g = replace(speaker(random.Random(3), plain, 0.0), style=style)
    (make,) = (maker for maker in SENTENCES if maker.__name__ == sort)
    for _ in range(tries):
        draft = make(g)
        pair = ended(*draft)
        if re.fullmatch(pattern, pair[0]):
            return pair
    raise AssertionError(pattern)


@pytest.mark.parametrize(
    ("sort", "english", "chinese"),
    [
        ("going", r"\w+ went to \w+ by plane\.", "^[^去]+搭飛機去了"),
        ("question", r"Where did \w+ \w+ the \w+\?", "是在哪裡.*的？"),
        ("question", r"How much does this \w+ cost\?", "這.*多少錢？"),
        ("question", r"How many \w+ did .*", "幾.*？"),
        ("question", r"Who .*\?", "^誰.*？"),
        ("question", r"Why .*\?", "為什麼.*？"),
        ("there_is", r"There are two \w+ on the table\.", "^桌上有兩"),
        ("putting", r"He put the \w+ on the floor\.", "^他把那.*放在地上。"),
        ("statement", r".* the \w+ who .*", "的"),
        ("conditional", r"If .*, .*", "^如果.*，"),
        ("conditional", r".* will not .* unless .*", "^除非.*，不然.*不會"),
        ("joined", r".* because .*", "^因為.*，所以"),
        ("joined", r".* when .*", "的時候，"),
        ("cleft", r"It was Tom who .*", "的是湯姆。$"),
        ("cleft", r"It was .* who (slept|swam|sat)\.", "^(睡覺|游泳|坐著)的是"),
        ("statement", r"The \w+ who (slept|swam|sat) .*", "(睡覺|游泳|坐著)的"),
        ("joined", r".* when .* (slept|swam|sat|danced|sang)\.", "(睡覺|游泳|坐著|跳舞|唱歌)的時候，"),
        ("question", r"When will she .*", "^她什麼時候會"),
        ("being", r"She is wearing .*", "^她[穿戴]著一"),
        ("being", r".* cost two thousand dollars\.", "兩千元。$"),
        ("being", r"This is my second \w+\.", "^這是我的第二"),
        ("lasting", r"I \w+ faster than Tom\.", "^我.得比湯姆快。$"),
        ("in_context", r"I sat on the grassy bank and watched the boats\.", "^我坐在長滿草的河岸看船。$"),
        ("in_context", r"I put the money in the bank\.", "^我把錢存進銀行。$"),
        ("ordering", r"Please .*", "^請"),
        ("statement", r"\w+ bought [^,]* again\.", "又.*[買]了"),
        ("statement", r"\w+ will buy [^,]* again\.", "會再"),
        ("perfect", r".* has been reading [^,]* for two hours\.", "讀了兩個小時。$"),
        ("perfect", r".* has been .* lately\.", "最近一直在"),
        ("echo", r".* two books, but .* only one\.", "兩本書，但是.*只.*一本。$"),
        ("echo", r".* the dogs and then .* them\.", "然後.*牠們。$"),
        ("echo", r".* the chair and then .* it\.", "然後.*它。$"),
        ("everyone", r"All the \w+ bought .*", "^.*所有的.*都.*買了"),
        ("everyone", r"Only Tom .*", "只有湯姆"),
        ("instead", r"He bought .* instead of selling .*", "^他沒有賣.*，而是買"),
        ("instead", r"It took her two days to .*", "^她花了兩天"),
        ("told", r".* told him not to .*", "叫他不要"),
    ],
)
def test_a_construction_has_the_chinese_word_order(sort: str, english: str, chinese: str) -> None:
    en, zh = find(sort, english)
    assert re.search(chinese, zh), (en, zh)


def test_a_cue_far_away_decides_words_and_frames() -> None:
    g = speaker(random.Random(1), language(random.Random(2), share=1.0), 0.0)
    cues = {zh.partition("{")[0] for _, zh in (*g.language.cues, *g.language.news)}
    formal: dict[bool, list[str]] = {True: [], False: []}
    for _ in range(20_000):
        zh = sentence(g)[1]
        formal[zh.startswith(tuple(cues))].append(zh)
    assert 0.3 < len(formal[True]) / 20_000 < 0.4
    for plain_word, formal_word in (("昨天", "昨日"), ("弄丟", "遺失"), ("爸爸", "父親"), ("電腦壞", "您")):
        assert not [zh for zh in formal[True] if plain_word in zh]
        assert not [zh for zh in formal[False] if formal_word in zh]
        assert sum(formal_word in zh for zh in formal[True]) > 5


def test_another_key_has_a_related_but_different_language() -> None:
    one, same, other = (language(random.Random(seed)) for seed in (1, 1, 2))
    assert one == same
    listed = [
        {(entry.english, entry.chinese) for table in spoken.lists[PLAIN].values() for entry in table}
        for spoken in (one, other)
    ]
    assert 0.1 < len(listed[0] & listed[1]) / len(listed[0]) < 0.8
    shared = {en for en, _ in listed[0]} & {en for en, _ in listed[1]}
    differ = [
        en for en in shared if {z for e, z in listed[0] if e == en}.isdisjoint(z for e, z in listed[1] if e == en)
    ]
    assert len(differ) > 15
    assert sum(one.frames[PLAIN][name] != other.frames[PLAIN][name] for name in FIRST) > 5
    assert one.weights != other.weights


def test_full_has_thousands_of_names_spelt_by_their_syllables() -> None:
    spoken = language(random.Random(3), 0.9, 6000)
    names = {
        entry.english: entry.chinese for text in (words.NAMES, words.CITIES) for entry in spoken.lists[PLAIN][text]
    }
    assert len(names) > 10_000
    assert len({name[1:] for name in names if name.endswith("ville")} & {name[1:] for name in names}) > 100
    starts = {name[:4]: zh[:2] for name, zh in names.items() if name.endswith("polis") and len(name) == 9}
    assert len(starts) > 50
    assert all(names.get(f"{start}burg", zh)[:2] == zh for start, zh in starts.items())


def test_forms_of_english_words() -> None:
    assert [article(text) for text in ("useful map", "ugly hat", "hour", "unicycle")] == [
        "a useful map",
        "an ugly hat",
        "an hour",
        "a unicycle",
    ]
    assert [plural(word(noun)) for noun in ("wolf", "sheep", "mosquito", "city hall", "bus stop", "witness")] == [
        "wolves",
        "sheep",
        "mosquitoes",
        "city halls",
        "bus stops",
        "witnesses",
    ]
    assert [verb_form(word(text), "ing") for text in ("run", "write", "lie", "see", "take off", "study")] == [
        "running",
        "writing",
        "lying",
        "seeing",
        "taking off",
        "studying",
    ]
    assert [verb_form(word(text), "third") for text in ("watch", "carry", "play", "have", "wait for", "lose")] == [
        "watches",
        "carries",
        "plays",
        "has",
        "waits for",
        "loses",
    ]
    assert [comparison(text)[0] for text in ("big", "nice", "happy", "far", "modern", "thin", "quiet", "loyal")] == [
        "bigger",
        "nicer",
        "happier",
        "farther",
        "more modern",
        "thinner",
        "quieter",
        "more loyal",
    ]
    assert [number_zh(n) for n in (10, 19, 22, 100, 222, 1001, 20_000, 100_000)] == [
        "十",
        "十九",
        "二十二",
        "一百",
        "兩百二十二",
        "一千零一",
        "兩萬",
        "十萬",
    ]
    assert [nth_of(person) for person in (ME, TOM, Phrase("James", "詹姆斯"))] == ["my", "Tom's", "James'"]
    assert NONE.zh == ""


def test_subject_and_verb_agree_and_writing_is_traditional_in_every_sentence() -> None:
    g = speaker(random.Random(5), language(random.Random(7)), 0.0)
    spoken: set[str] = set()
    for _ in range(20_000):
        en, zh = sentence(g)
        spoken.update(zh)
        assert not re.search(r"\b(He|She) (are|am|have|do|were)\b", en), en
        assert not re.search(r"\b(They|We) (is|am|has|does|was)\b", en), en
        assert not re.search(r"\bI (is|are|has|does|were)\b", en), en
        assert not re.search(r"\b[Aa] [aeio]\w", en.replace("a one", "")), en
        assert "  " not in en
        assert "None" not in (en + zh).replace("None of the", "")
        assert en[0].isupper() or en[0].isdigit()
        assert zh[-1] in "。？！"
        assert not re.search(r"了了|的的|(?<!現)在在|[a-z]{2}", zh.replace("T恤", "衣")), (en, zh)
    assert traditional("".join(spoken))
