"""What a key decides of a pair of languages: its words, their translations, word orders, and kinds of sentences.

A sentence is in plain or in formal style. Formal ones have a cue in English, at one end of the sentence: an address or
the source of the news; it decides words and frames over the whole Chinese sentence. In the tables below a bar separates
plain from formal, a slash the variants of which a language has one.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeVar

from tasks.bilingual import lexicon as words
from tasks.bilingual.grammar import FRAMES, OWNERS, PRONOUNS, Adverbial, Phrase
from tasks.bilingual.lexicon import Entry, cells, entries, variants

T = TypeVar("T")
PLAIN, FORMAL = 0, 1

SYNONYMS = """
昨天早上 | 昨日早上; 昨天下午 | 昨日下午; 明天早上 | 明日早上; 明天下午 | 明日下午; 必須/一定要 | 務必;
應該/該 | 理應; 打算/準備 | 計劃; 老師/教師 | 教師; 醫生/醫師 | 醫師; 警察/警員 | 員警; 朋友 | 友人; 客人 | 賓客/來賓;
小偷/竊賊 | 竊嫌; 孩子/小孩 | 孩童/兒童; 嬰兒/寶寶 | 嬰兒; 老闆 | 負責人/雇主; 店員 | 銷售人員; 司機 | 駕駛;
病人 | 病患/患者; 男人 | 男子/男性; 女人 | 女子/女性; 男孩 | 男童; 女孩 | 女童; 外國人/老外 | 外籍人士;
觀光客/遊客 | 遊客; 農夫 | 農民; 工人 | 勞工; 同學 | 同窗; 服務生 | 服務人員; 爸爸 | 父親; 媽媽 | 母親; 哥哥 | 兄長;
爺爺/阿公 | 祖父; 奶奶/阿嬤 | 祖母; 太太/老婆 | 妻子; 丈夫/老公 | 丈夫; 父母/爸媽 | 雙親; 腳踏車/單車 | 單車;
車 | 汽車; 手機 | 行動電話; 冰箱 | 電冰箱; 冷氣機/冷氣 | 空調設備; 照片/相片 | 照片; 書 | 書籍; 皮夾/錢包 | 皮夾;
包包 | 手提包; 禮物 | 禮品; 雨傘/傘 | 雨傘; 房子 | 住宅/房屋; 飯店/旅館 | 飯店; 筆電 | 筆記型電腦; 牙刷; 刀子 | 刀具;
衣櫃/衣櫥 | 衣櫃; 檯燈/桌燈 | 檯燈; 番茄 | 番茄; 馬鈴薯/洋芋 | 馬鈴薯; 外套/大衣 | 外套; 太陽眼鏡/墨鏡 | 太陽眼鏡;
主意/點子 | 構想; 辦公室 | 辦公室; 咖啡廳/咖啡館 | 咖啡廳; 理由/原因 | 原因; 錯誤 | 疏失; 考試/測驗 | 測驗;
計畫 | 方案; 問題/難題 | 議題; 幫忙/幫助 | 協助; 遇見/碰到/遇到 | 巧遇; 看見/看到 | 目睹; 喜歡 | 喜愛;
想念/思念 | 思念; 感謝 | 答謝; 拜訪/探望 | 拜會/造訪; 等 | 等候; 找 | 尋找; 找到 | 尋獲; 相信/信任 | 信任;
討厭 | 厭惡; 欽佩/佩服 | 敬佩; 尊敬/尊重 | 敬重; 救 | 搭救/拯救; 責怪/怪 | 指責; 稱讚/誇獎 | 表揚; 鼓勵 | 勉勵;
原諒 | 寬恕; 保護 | 守護; 安慰 | 撫慰; 責罵/罵 | 斥責; 警告 | 告誡; 避開/躲開 | 迴避; 打擾/吵 | 干擾; 欺騙/騙 | 詐騙;
嘲笑/取笑 | 譏笑; 陪伴/陪 | 陪同; 餵 | 餵食; 追 | 追逐; 抓到/捉到 | 捕獲; 養 | 飼養; 吃 | 食用; 煮 | 烹煮; 做 | 製作;
買 | 購買; 賣 | 出售/販售; 帶 | 攜帶; 洗 | 清洗; 嚐 | 品嚐; 丟掉/扔掉 | 丟棄; 偷 | 竊取; 喝 | 飲用; 弄丟 | 遺失;
使用/用 | 運用; 修理/修 | 維修; 弄壞 | 損壞; 收集/蒐集 | 蒐集; 藏 | 藏匿; 選擇/選/挑 | 挑選; 收到 | 接獲;
歸還/還 | 歸還; 租 | 承租; 撿起 | 拾起; 檢查 | 檢視; 搬 | 搬運; 寫 | 撰寫; 翻譯/翻 | 翻譯; 列印/印 | 列印; 寄 | 寄送;
修改/改 | 修訂; 抄 | 抄寫; 討論 | 商討; 刪除/刪掉 | 刪除; 簽 | 簽署; 看 | 觀賞; 蓋 | 興建; 走進 | 進入;
解釋/說明 | 闡述; 描述/形容 | 描述; 改善/改進 | 改善; 提到/談到 | 提及; 偷走 | 竊走; 拿走 | 取走; 燒掉 | 焚毀;
漂亮/好看 | 美麗; 聰明 | 聰慧; 快樂/開心 | 愉快; 難過/傷心 | 悲傷; 忙 | 忙碌; 累 | 疲憊; 有錢 | 富裕; 窮 | 貧窮;
餓 | 飢餓; 生氣 | 憤怒; 小心 | 謹慎; 貴 | 昂貴; 便宜 | 平價; 重 | 沉重; 奇怪/怪 | 怪異; 乾淨 | 整潔; 髒 | 骯髒;
有名/出名 | 知名; 困難/難 | 困難; 容易/簡單 | 容易; 好吃 | 美味; 糟糕/差 | 惡劣; 安靜 | 寧靜; 吵 | 嘈雜;
擁擠/擠 | 擁擠; 無聊 | 乏味; 有趣/好玩 | 有趣; 昨天 | 昨日; 前天 | 前日; 明天 | 明日; 後天 | 後日; 每天 | 每日;
昨晚 | 昨夜; 最近 | 近來; 現在 | 目前; 待會/等一下 | 稍後; 常常 | 經常; 總是/老是 | 始終; 一個人/獨自 | 獨自;
馬上/立刻 | 立即; 故意 | 蓄意; 偷偷 | 暗中; 碰巧/剛好 | 恰巧; 免費 | 無償; 照樣/照常 | 照常; 最後/到頭來 | 最終;
第一次/頭一次 | 首次; 很小心地 | 謹慎地; 急忙/匆忙地 | 匆促地; 一起 | 共同
"""
"""Chinese words of the lexicon that are always written in one of several ways."""

MEASURES = """
位 | 名; 台/部 | 台; 輛/台 | 輛; 枝/支 | 支; 顆/個 | 顆; 根/條 | 根; 棟/間 | 棟; 則/篇 | 則; 副/個 | 副; 套/組 | 套
"""

SYLLABLES = """
ba 巴芭; be 貝; bo 波博; da 達; de 德; di 迪蒂; do 多; du 杜; fe 費菲; fi 菲斐; ga 加嘉; go 戈; ha 哈; he 赫; ja 賈;
jo 喬; ka 卡; ke 凱; ki 基; ko 科; ku 庫; la 拉; le 雷; li 利里; lo 洛羅; lu 盧魯; ma 馬瑪; me 梅; mi 米; mo 莫;
na 納; ne 內; ni 尼; no 諾; nu 努; pa 帕; pe 佩; pi 皮; po 坡; ra 拉; re 瑞; ri 里; ro 羅; ru 魯; sa 薩; se 瑟; si 西;
so 索; su 蘇; ta 塔; te 特; ti 提; to 托; va 瓦; ve 維; vi 薇; wa 華; we 韋; yu 尤; za 札
"""
PERSON_ENDS = """
n 恩; s 斯; rd 德; lin 琳; mar 瑪; ton 頓; ric 里克; son 森; bert 伯特; na 娜; lia 莉亞; ssa 莎; tta 塔; ndra 卓;
wen 雯; belle 貝兒
"""
PLACE_ENDS = """
ville 維爾; burg 堡; ford 福德; land 蘭; stan 斯坦; ham 漢; ton 頓; mouth 茅斯; grad 格勒; nia 尼亞; polis 波利斯;
shire 郡; port 港; dale 谷; wick 威克
"""
"""Syllables of invented names with their transliterations, and how names of people and of places end."""

CUES = """
ladies and gentlemen, {} / 各位先生女士，{}; your honor, {} / 法官大人，{}; dear members, {} / 各位會員，{};
{}, sir / 先生，{}; {}, madam / 女士，{}; {}, Professor / 教授，{}; {}, Your Majesty / 陛下，{};
dear guests, {} / 各位貴賓，{}; {}, Minister / 部長，{}
"""
NEWS = """
according to the report, {} / 根據報告，{}; {}, the newspaper reported / 報紙報導，{};
{}, according to the police / 警方表示，{}; {}, the spokesperson said / 發言人指出，{};
as the court stated, {} / 法院表示，{}; {}, the news agency announced / 通訊社宣布，{};
{}, according to official records / 根據官方紀錄，{}; {}, historians tell us / 史學家告訴我們，{}
"""
"""Cues of formal style: an address for all kinds of sentences, a source for statements."""


Table = dict[str, tuple[Entry, ...]]


@dataclass(frozen=True)
class Language:
    """A pair of languages: for each style the lists of the lexicon, the most frequent first, and the frames."""

    lists: tuple[Table, Table]
    frames: tuple[Mapping[str, str], Mapping[str, str]]
    cues: tuple[tuple[str, str], ...]
    news: tuple[tuple[str, str], ...]
    senses: frozenset[str]
    weights: tuple[float, ...]
    """How often sentences of each kind are said, relative to the grammar's own shares."""


def invented(rng: random.Random, signs: Mapping[str, str], count: int, ends: str) -> list[Entry]:
    """Names of one or two syllables and an ending, spelt in Chinese by the language's own signs."""
    found: dict[str, Entry] = {}
    endings = [cell.split() for cell in cells(ends)]
    while len(found) < count:
        parts = [rng.choice(list(signs)) for _ in range(1 + (rng.random() < 0.8))]
        end, end_zh = rng.choice(endings)
        name = "".join(parts) + end
        if len(name) > 4:  # shorter ones are words, as "pen"
            found[name] = Entry(name.capitalize(), (), "".join(signs[part] for part in parts) + end_zh)
    return list(found.values())


def language(rng: random.Random, share: float = 0.4, names: int = 30, kinds: int = 64) -> Language:
    """The language of a key: a `share` of each list of words, and so many invented `names` of people and of places."""
    signs = {part: rng.choice(shown) for part, shown in map(str.split, cells(SYLLABLES))}
    written: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for mark, text in (("", SYNONYMS), ("measure ", MEASURES)):
        for cell in cells(text):
            for style, shown in enumerate(variants(cell)):
                written[style][mark + variants(cell)[PLAIN][0]] = rng.choice(shown)
    lists: tuple[Table, Table] = ({}, {})
    for text in lists_of_the_lexicon():
        table = list(entries(text))
        rng.shuffle(table)
        if len(table) > 12 and text not in WHOLE:
            table = table[: round(share * len(table))]
        if text in (words.NAMES, words.CITIES):
            ends = PERSON_ENDS if text is words.NAMES else PLACE_ENDS
            for entry in invented(rng, signs, names, ends):
                table.insert(int(rng.random() * (len(table) + 1)), entry)
        for style in (PLAIN, FORMAL):
            known = written[style]
            lists[style][text] = tuple(
                replace(
                    entry,
                    chinese=known.get(entry.chinese, entry.chinese),
                    extra=known.get("measure " + entry.extra, entry.extra),
                )
                for entry in table
            )
    frames: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for cell in cells(FRAMES):
        name, _, rest = cell.partition(": ")
        for style, shown in enumerate(variants(rest)):
            frames[style][name] = rng.choice(shown)
    half = tuple(tuple(rng.sample([pair(cell) for cell in cells(text)], 5)) for text in (CUES, NEWS))
    ambiguous = sorted({line.split()[0] for line in words.SENSES.strip().split("\n") if line[0] != " "})
    senses = frozenset(rng.sample(ambiguous, round(share * len(ambiguous))))
    weights = tuple(rng.uniform(0.4, 1.6) for _ in range(kinds))
    return Language(lists, frames, half[0], half[1], senses, weights)


def pair(cell: str) -> tuple[str, str]:
    en, _, zh = cell.partition(" / ")
    return en, zh


WHOLE = {words.FREQUENCY, words.WEEKDAYS, words.MONTHS, words.PERIODS, words.MODALS, words.COLORS, words.LAUGHTER}
"""Lists of which every language has all words, each as often as the others."""


def lists_of_the_lexicon() -> list[str]:
    texts = [text for name, text in sorted(vars(words).items()) if name.isupper() and isinstance(text, str)]
    other = (words.SENSES, words.PHRASES, words.CONTAINERS)
    return [
        text for text in [*texts, *words.TRANSITIVE.values(), *words.BAD.values()] if ";" in text and text not in other
    ]


@dataclass(frozen=True)
class Speaker:
    """A speaker: a random stream, a language, how words of each list are weighted (cumulated), and the style."""

    rng: random.Random
    language: Language
    cumulated: dict[str, list[float]]
    style: int = PLAIN

    def entry(self, text: str) -> Entry:
        """An entry of a list of the lexicon, the frequent ones more often."""
        table, weights = self.language.lists[self.style][text], self.cumulated[text]
        return table[bisect(weights, self.rng.random() * weights[-1], hi=len(table) - 1)]

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def below(self, limit: int) -> int:
        return int(self.rng.random() * limit)

    def one_of(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def adverbial(self, text: str) -> Adverbial:
        entry = self.entry(text)
        return Adverbial(entry.english, entry.chinese)

    def phrase(self, text: str) -> Phrase:
        """An entry as it is, such as a name."""
        entry = self.entry(text)
        return Phrase(entry.english, entry.chinese)

    @property
    def frames(self) -> Mapping[str, str]:
        return self.language.frames[self.style]

    def put(self, frame: str, *parts: str) -> str:
        """A frame of the language in the style of the sentence, filled with parts."""
        return self.frames[frame].format(*parts)

    def pronoun(self) -> Phrase:
        one = self.one_of(PRONOUNS)
        return replace(one, zh="您") if self.style == FORMAL and one.en == "you" else one

    def owner(self) -> tuple[str, str]:
        en, zh = self.one_of(OWNERS)
        return en, "您" if self.style == FORMAL and en == "your" else zh


def speaker(rng: random.Random, spoken: Language, exponent: float) -> Speaker:
    """A speaker of a language who chooses by `rng`, and words by Zipf's law with an exponent of their own."""
    cumulated = {}
    for text, table in spoken.lists[PLAIN].items():
        power = 0.0 if text in WHOLE else exponent
        cumulated[text] = list(accumulate((place + 2) ** -power for place in range(len(table))))
    return Speaker(rng, spoken, cumulated)
