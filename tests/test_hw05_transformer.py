"""HW5: the lexicon and the grammar by hand, the files of the world and of the course, the baseline's parts."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines import hw05_transformer as baseline
from baselines.common import train_level, tuned
from baselines.hw05_transformer import LEVELS, Config, clean, new_model, settings, tidy, translate
from baselines.run import Run
from baselines.seq2seq import Seq2Seq, beam_search
from baselines.text import BOS, EOS, PAD, TAG, Pairs, batches
from harness.home import Home
from tasks.base import PRIVATE, PUBLIC, Made, UserError
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
)  # fmt: skip
from tasks.bilingual.language import FORMAL, PLAIN, language, lists_of_the_lexicon, speaker
from tasks.bilingual.lexicon import Entry, entries
from tasks.bilingual.sentences import ALL_SENSES, SENTENCES, ended, nth_of, sentence
from tasks.formats import LinesFormat
from tasks.hw05_transformer import MONO_FILE, RAW_FILES, TASK, TEST_FILES, official
from tasks.hw05_transformer.world import WORDS
from tasks.streams import fixed
from tests.conftest import SHARED, SHORT, needs

TATOEBA = SHARED / "tatoeba-cmn" / "cmn.txt.gz"
ME, YOU, HE, SHE, WE, THEY = PRONOUNS
MARY, TOM = Phrase("Mary", "瑪麗"), Phrase("Tom", "湯姆")
LIBRARY = Adverbial("in the library", "圖書館裡")
YESTERDAY = Adverbial("yesterday", "昨天")

SIMPLIFIED = set("机虫苹网胜听坏复宁并庄价优体儿党几厂么万与痒确离种荐蜡触极构气洁扑扰挂据晒")
"""Characters of simplified writing that Big5 has too, since they were others once."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with tuned("cpu", 1):
        yield


def word(english: str) -> Entry:
    """The first entry of the lexicon with that English."""
    return next(entry for text in lists_of_the_lexicon() for entry in entries(text) if entry.english == english)


def verb(kind: str, english: str) -> Entry:
    return next(entry for entry in entries(words.TRANSITIVE[kind]) if entry.english == english)


# The lexicon ---------------------------------------------------------------------------------------------------------


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
    from tasks.bilingual.sentences import NOUNS

    measures = set()
    for nouns, _ in NOUNS.values():
        for entry in entries(nouns):
            assert len(entry.extra) == 1, entry
            measures.add(entry.extra)
    assert len(measures) > 30
    assert {word("book").extra, word("car").extra, word("shoes").extra} == {"本", "輛", "雙"}


# The grammar by hand -------------------------------------------------------------------------------------------------

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
        "a useful map", "an ugly hat", "an hour", "a unicycle",
    ]  # fmt: skip
    assert [plural(word(noun)) for noun in ("wolf", "sheep", "mosquito", "city hall", "bus stop", "witness")] == [
        "wolves", "sheep", "mosquitoes", "city halls", "bus stops", "witnesses",
    ]  # fmt: skip
    assert [verb_form(word(text), "ing") for text in ("run", "write", "lie", "see", "take off", "study")] == [
        "running", "writing", "lying", "seeing", "taking off", "studying",
    ]  # fmt: skip
    assert [verb_form(word(text), "third") for text in ("watch", "carry", "play", "have", "wait for", "lose")] == [
        "watches", "carries", "plays", "has", "waits for", "loses",
    ]  # fmt: skip
    assert [comparison(text)[0] for text in ("big", "nice", "happy", "far", "modern", "thin", "quiet", "loyal")] == [
        "bigger", "nicer", "happier", "farther", "more modern", "thinner", "quieter", "more loyal",
    ]  # fmt: skip
    assert [number_zh(n) for n in (10, 19, 22, 100, 222, 1001, 20_000, 100_000)] == [
        "十", "十九", "二十二", "一百", "兩百二十二", "一千零一", "兩萬", "十萬",
    ]  # fmt: skip
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


# The files of the world ----------------------------------------------------------------------------------------------


def lines_of(path: Path) -> list[str]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = data.decode("utf-8")
    assert text.endswith("\n")
    return text.split("\n")[:-1]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made]:
    folder = tmp_path_factory.mktemp("small")
    return folder, TASK.edition("builtin").make(folder, fixed(7), "small", None)


def test_the_files_are_the_courses_and_aligned(small: tuple[Path, Made]) -> None:
    folder, made = small
    english, chinese = (lines_of(folder / name) for name in RAW_FILES)
    assert len(english) == len(chinese) == 6000
    assert len(lines_of(folder / TEST_FILES[0])) == len(made.answers) == 1000
    assert set(lines_of(folder / TEST_FILES[1])) == {"。"}
    assert len(lines_of(folder / MONO_FILE)) == 6000
    assert list(made.answers.ids) == list(range(1, 1001))
    assert (folder / MONO_FILE).read_bytes()[4:8] == bytes(4)  # no time


def test_no_test_sentence_is_in_the_training_text_or_the_monolingual_one(small: tuple[Path, Made]) -> None:
    folder, made = small
    english, chinese = (lines_of(folder / name) for name in RAW_FILES)
    test, hidden = lines_of(folder / TEST_FILES[0]), made.answers.columns["translation"].tolist()
    assert len(set(test)) == len(set(hidden)) == len(test)
    known = {tidy(line) for line in english} | set(english)
    assert not known & set(test)
    known = {tidy(line) for line in (*chinese, *lines_of(folder / MONO_FILE))}
    assert not known & set(hidden)


def test_noise_is_in_the_training_pairs_only(small: tuple[Path, Made]) -> None:
    folder, made = small
    english, chinese = (lines_of(folder / name) for name in RAW_FILES)
    noise = re.compile(r"[()（）♫]|  |--|——|^[A-Z]+: ")
    share = sum(bool(noise.search(en) or noise.search(zh)) for en, zh in zip(english, chinese, strict=True)) / 6000
    assert 0.02 < share < 0.1
    others = [*lines_of(folder / TEST_FILES[0]), *made.answers.columns["translation"], *lines_of(folder / MONO_FILE)]
    assert not [line for line in others if noise.search(line)]


def test_the_monolingual_text_has_words_of_the_test_that_the_parallel_text_hardly_has(small: tuple[Path, Made]) -> None:
    folder, made = small
    parallel, alone = "\n".join(lines_of(folder / RAW_FILES[1])), "\n".join(lines_of(folder / MONO_FILE))
    hidden = "\n".join(made.answers.columns["translation"])
    spoken = language(fixed(7).random("language"), *WORDS["small"])
    known = {entry.chinese for table in spoken.lists[PLAIN].values() for entry in table if len(entry.chinese) > 1}
    rare = [word for word in known if word in hidden and parallel.count(word) < 6]
    assert len(rare) > 60
    assert sum(alone.count(word) > parallel.count(word) for word in rare) > 0.8 * len(rare)


# The course's files --------------------------------------------------------------------------------------------------


def write_course(folder: Path, english: list[str], chinese: list[str], mono: list[str] | None = None) -> Path:
    """The course's layout: ted2020.tgz, test.tgz and the monolingual text."""
    folder.mkdir(parents=True, exist_ok=True)

    def pack(name: str, members: dict[str, list[str]]) -> None:
        with tarfile.open(folder / name, "w:gz") as tar:
            for member, lines in members.items():
                data = "".join(line + "\n" for line in lines).encode()
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))

    pack("ted2020.tgz", {"raw.en": english, "raw.zh": chinese, "._raw.en": ["x"]})
    tests = official.LEAST // 3
    pack("test.tgz", {"test/test.en": ["A line."] * tests, "test/test.zh": ["。"] * tests})
    if mono is not None:
        (folder / "ted_zh_corpus.deduped.gz").write_bytes(gzip.compress("\n".join(mono).encode(), mtime=0))
    return folder


@needs("tatoeba-cmn")
def test_real_pairs_in_the_courses_layout_are_imported_and_carved_without_near_duplicates(tmp_path: Path) -> None:
    rows = [line.split("\t") for line in gzip.decompress(TATOEBA.read_bytes()).decode().split("\n") if line][::2]
    english, chinese = [row[0] for row in rows], [row[1].strip() for row in rows]
    source = write_course(tmp_path / "given", english, chinese, chinese[:500])
    public = tmp_path / "public"
    public.mkdir()
    made = TASK.edition("2022").make(public, fixed(3), "small", source)
    test, hidden = lines_of(public / TEST_FILES[0]), made.answers.columns["translation"].tolist()
    pairs = set(zip(english, chinese, strict=True))
    assert len(test) == len(hidden) == 4000
    assert all(pair in pairs for pair in zip(test, hidden, strict=True))
    train = list(zip(*(lines_of(public / name) for name in RAW_FILES), strict=True))
    assert len(train) > 0.7 * (len(rows) - 4000)
    assert all(pair in pairs for pair in train)
    usage = made.answers.usage
    assert usage is not None
    assert (usage[:2000] == PRIVATE).all()
    assert (usage[2000:] == PUBLIC).all()
    for place, lines in ((0, test), (1, hidden)):
        train_sides = [official.neighbours(pair[place]) for pair in train[::7]]
        for line in lines[::400]:
            side = official.neighbours(line)
            assert not any(official.near(side, other) for other in train_sides), line
    assert not set(hidden) & set(lines_of(public / MONO_FILE))


def test_the_settings_are_the_courses_where_the_data_are_not_the_small_ones(tmp_path: Path) -> None:
    said: list[dict[str, Any]] = [
        {}, {"size": "small"}, {"size": "full"}, {"size": None}, {"edition": "2021"}, {"edition": "builtin"}
    ]  # fmt: skip
    dims = []
    for values in said:
        (tmp_path / "format.json").write_text(json.dumps(values))
        dims.append(settings("strong", tmp_path).dim)
    own = LEVELS["strong"].dim
    assert dims == [own, own, 512, 512, 512, own]
    assert own != 512


def pairs_of(count: int, seed: int = 1) -> tuple[list[str], list[str]]:
    g = speaker(random.Random(seed), language(random.Random(3)), 0.3)
    pairs = [sentence(g) for _ in range(count)]
    return [en for en, _ in pairs], [zh for _, zh in pairs]


def test_unpacked_and_renamed_files_are_read_as_the_archives_are(tmp_path: Path) -> None:
    english, chinese = pairs_of(official.LEAST)
    source = write_course(tmp_path / "given", english, chinese, ["一行。", "", "兩行。"])
    wanted = (english, chinese, ["一行。", "兩行。"])
    assert official.read_official(source) == wanted
    with tarfile.open(source / "ted2020.tgz") as tar:  # unpacked next to it, as the course's notebook does
        for member in tar:
            part = tar.extractfile(member)
            assert part is not None
            (source / member.name).parent.mkdir(exist_ok=True)
            (source / member.name).write_bytes(part.read())
    assert official.read_official(source) == wanted
    loose = tmp_path / "loose"
    (loose / "ted2020").mkdir(parents=True)
    for side, lines in (("en", english), ("zh", chinese)):
        text = "\ufeff" + "\r\n".join(lines) + "\r\n"
        (loose / "ted2020" / f"train_dev.raw.{side}").write_bytes(text.encode())
    assert official.read_official(loose) == (english, chinese, [])


def test_no_line_that_is_handed_out_breaks_in_two_in_any_program() -> None:
    lines = official.lines_of("一\u2028二\x85三\r\n a\rb\x0bc\x1cd \n\n")
    assert lines == ["一 二 三", "a b c d", ""]
    assert "".join(f"{line}\n" for line in lines).splitlines() == lines


def test_what_is_not_the_courses_file_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    english, chinese = pairs_of(official.LEAST)

    def refused(source: Path) -> str:
        with pytest.raises(UserError) as error:
            official.read_official(source)
        return str(error.value)

    assert "as many lines" in refused(write_course(tmp_path / "a", english, chinese[:-1]))
    assert "at least 12000 pairs" in refused(write_course(tmp_path / "b", english[:100], chinese[:100]))
    assert "look swapped" in refused(write_course(tmp_path / "c", chinese, english))
    double = write_course(tmp_path / "d", english, chinese)
    (double / "raw.en").write_text("x\n", encoding="utf-8")
    assert "expected one raw.en; found raw.en and ted2020.tgz/raw.en" in refused(double)
    latin = write_course(tmp_path / "f", english, chinese)
    (latin / "ted2020.tgz").unlink()
    (latin / "raw.en").write_bytes("\n".join(english).encode())
    (latin / "raw.zh").write_bytes("第一行\n".encode() + "第二行".encode("big5"))
    assert "raw.zh, line 2: expected UTF-8" in refused(latin)


def test_near_duplicates_are_found_by_their_rare_neighbours_as_by_looking_at_all() -> None:
    english, _ = pairs_of(1500, seed=4)
    sides = [official.neighbours(line) for line in english]
    known = official.Known()
    for side in sides[:1000]:
        known.add(side)
    slow = [any(official.near(side, other) for other in sides[:1000]) for side in sides[1000:]]
    assert [known.has_near(side) for side in sides[1000:]] == slow
    assert 0 < sum(slow) < 100


# Editions ------------------------------------------------------------------------------------------------------------


def test_the_editions_have_the_courses_rules_and_format() -> None:
    old, new = TASK.edition("2021"), TASK.edition("2022")
    assert {bar.digits for bar in (*old.bars, *new.bars)} == {2}
    assert (old.rules.unselected, new.rules.unselected, old.rules.selections) == ("first", "best_public", 2)
    for edition in TASK.editions:
        assert isinstance(edition.format, LinesFormat)
        assert edition.format.max_bytes < 700_000
        assert len(edition.format.ids) == 4000


# The baseline --------------------------------------------------------------------------------------------------------

TINY = Config(dim=16, layers=2, heads=2, ffn=32, dropout=0.0)


@pytest.mark.parametrize("model", ["gru", "transformer"])
def test_decoding_with_what_was_kept_gives_the_logits_of_the_whole(model: str) -> None:
    config = Config(model=model, tokens="words", dim=16, layers=2, heads=2, ffn=32)  # type: ignore[arg-type]
    network = new_model(config, 40, 50, 0).eval()
    torch.manual_seed(1)
    source, target = torch.randint(5, 40, (6, 9)), torch.randint(5, 50, (6, 12))
    source[2:, 6:] = PAD
    with torch.inference_mode():
        whole, _ = network.step(target, network.memory(source))
        state = network.memory(source)
        for place in range(target.shape[1]):
            logits, state = network.step(target[:, place : place + 1], state)
            torch.testing.assert_close(logits[:, 0], whole[:, place], atol=1e-5, rtol=1e-5)
        # The logits of a place do not look at the tokens after it, nor at the padding.
        changed = target.clone()
        changed[:, 7:] = 5
        torch.testing.assert_close(network.step(changed, network.memory(source))[0][:, :7], whole[:, :7])
        longer = torch.cat([source, torch.zeros(6, 4, dtype=source.dtype)], 1)
        torch.testing.assert_close(network.step(target, network.memory(longer))[0], whole, atol=1e-5, rtol=1e-5)


def greedy(model: Seq2Seq, source: torch.Tensor) -> list[list[int]]:
    """The likeliest token at each place, without a cache."""
    out = []
    for row in source:
        given = row[row != PAD][None]
        tokens = [BOS]
        for _ in range(source.shape[1] * 3 // 2 + 10):
            logits, _ = model.step(torch.tensor([tokens]), model.memory(given))
            last = logits[0, -1]
            last[[PAD, BOS, 3, TAG]] = -torch.inf
            tokens.append(int(last.argmax()))
            if tokens[-1] == EOS:
                break
        out.append([token for token in tokens if token > TAG])
    return out


def test_a_beam_of_one_is_greedy_and_a_wider_one_finds_likelier_translations() -> None:
    network = new_model(TINY, 40, 40, 3).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(1.5)
        network.target.weight[EOS] *= 2
    torch.manual_seed(2)
    source = torch.randint(5, 40, (8, 7))
    source[3:, 5:] = PAD
    with torch.inference_mode():
        assert beam_search(network, source, 1, 1.0) == greedy(network, source)

        def likelihood(words: list[int], row: torch.Tensor) -> float:
            target = torch.tensor([[BOS, *words, EOS]])
            logits = network.step(target[:, :-1], network.memory(row[None]))[0]
            logits[..., [PAD, BOS, 3, TAG]] = -torch.inf
            chances = logits.log_softmax(-1).gather(2, target[:, 1:, None])
            return float(chances.sum())

        one, five = (beam_search(network, source, beam, 0.0) for beam in (1, 5))
        rows = [row[row != PAD] for row in source]
        scores = [[likelihood(words, row) for words, row in zip(found, rows, strict=True)] for found in (one, five)]
    finished = [max(map(len, pair)) < 15 for pair in zip(one, five, strict=True)]
    gains = [b - a for a, b, done in zip(*scores, finished, strict=True) if done]
    assert gains
    assert sum(gains) >= -1e-4


def test_batches_hold_every_row_once_within_the_limit_of_tokens() -> None:
    rng = random.Random(0)
    rows = [[5] * rng.randint(1, 30) for _ in range(300)]
    data = Pairs.of(rows, list(reversed(rows)), "cpu")
    groups = data.groups(120, rng)
    assert sorted(row for group, _, _ in groups for row in group.tolist()) == list(range(300))
    for group, s, t in groups:
        assert len(group) * max(s, t) <= 120
        assert int((data.sources[group, :s] != PAD).sum()) == int((data.sources[group] != PAD).sum())
        assert int((data.targets[group, :t] != PAD).sum()) == int((data.targets[group] != PAD).sum())


def test_batches_of_rows_by_the_longest_keep_the_order_and_a_long_row_is_alone() -> None:
    assert batches([3, 4, 4, 9, 1, 1], 10) == [[0, 1], [2], [3], [4, 5]]
    assert batches([3, 4, 50, 4], 12, [1, 3, 0, 2]) == [[1, 3, 0], [2]]
    assert batches([], 10) == []


def test_cleaning_takes_remarks_and_pairs_that_do_not_fit_away_and_leaves_good_ones_as_they_are() -> None:
    good = ("CA: He bought a book yesterday. (Laughter)", "主持人：他昨天買了一本書。（笑聲）")
    assert clean([good]) == [("He bought a book yesterday.", "他昨天買了一本書。")]
    assert clean([("Thank  you --", "謝謝你——"), ("(Applause)", "（掌聲）")]) == [("Thank you", "謝謝你")]
    assert clean([("Yes.", "他昨天買了一本書，他昨天買了一本書，他昨天買了一本書。")]) == []
    g = speaker(random.Random(2), language(random.Random(5)), 0.3)
    pairs = [sentence(g) for _ in range(3000)]
    kept = clean(pairs)
    assert len(kept) >= 0.99 * len(pairs)
    assert set(kept) <= set(pairs)


def test_the_weights_at_the_end_are_the_mean_of_the_last_epochs(tmp_path: Path) -> None:
    rows = [[5, 6, 7], [8, 9], [6, 5, 9, 9]]
    data = Pairs.of(rows, rows, "cpu")
    config = Config(dim=16, layers=1, heads=2, ffn=16, average_checkpoints=3, epochs=5)
    network = new_model(config, 12, 12, 0)
    seen: list[list[torch.Tensor]] = []

    def keep(done: int, total: int, metrics: object) -> None:
        seen.append([weight.detach().clone() for weight in network.parameters()])

    baseline.fit(network, data, data, config, Run(tmp_path, 0, "cpu", ".txt", progress=keep), 5)
    assert len(seen) == 5
    for place, weight in enumerate(network.parameters()):
        mean = torch.stack([weights[place] for weights in seen[2:]]).mean(0)
        torch.testing.assert_close(weight.detach(), mean)
        assert not torch.equal(seen[-1][place], seen[-2][place]) or place > 1


def test_an_empty_translation_is_written_as_unknown_and_a_missing_monolingual_text_is_said(
    homes: Callable[[str], Home], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = homes("hw05").public("hw05")
    monkeypatch.setattr(baseline, "translate", lambda model, sources, *others: [[] for _ in sources])
    path = train_level("hw05", "medium", tiny, tmp_path / "run", seed=1, device="cpu", overrides=SHORT["hw05"])
    assert path.read_text(encoding="utf-8") == "<unk>\n" * 100
    for name in (*RAW_FILES, TEST_FILES[0]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((tiny / name).read_bytes())
    (tmp_path / MONO_FILE).write_bytes(gzip.compress(b"", mtime=0))
    with pytest.raises(UserError, match="back-translates the monolingual text, but the file is empty"):
        train_level("hw05", "boss", tmp_path, tmp_path / "boss", seed=1, device="cpu", overrides=SHORT["hw05"])


def test_a_missing_sentencepiece_is_one_line_that_says_what_to_install(
    homes: Callable[[str], Home], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = homes("hw05").public("hw05")
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(UserError, match=r"needs sentencepiece.*pip install"):
        train_level("hw05", "strong", tiny, tmp_path, seed=1, device="cpu", overrides=SHORT["hw05"])


def test_a_network_learns_to_turn_rows_around_and_a_beam_finds_them(tmp_path: Path) -> None:
    rng = random.Random(0)
    rows = [[rng.randint(5, 9) for _ in range(rng.randint(2, 4))] for _ in range(500)]
    turned = [list(reversed(row)) for row in rows]
    config = Config(dim=32, layers=1, heads=2, ffn=64, dropout=0.0, batch_tokens=96, warmup=60, factor=0.25, epochs=16)
    network = new_model(config, 12, 12, 0)
    run = Run(tmp_path, 0, "cpu", ".txt")
    data = Pairs.of(rows[100:], turned[100:], "cpu")
    baseline.fit(network, data, data, config, run, 16)
    for beam in (1, 3):
        found = translate(network, rows[:100], config, "cpu", beam)
        assert sum(one == other for one, other in zip(found, turned[:100], strict=True)) > 80
