"""The words of HW7's built-in world, in traditional Chinese as written in Taiwan, and what a key draws of them.

A relation is several ways to say one thing, each with the place `{o}` of what is asked for. No two relations of a kind
are true of the same event: who has a shop somewhere does not thereby have a post there.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product
from typing import Literal

Kind = Literal["place", "person", "thing", "money", "reason"]

SURNAMES = "陳林黃張李王吳劉蔡楊許鄭謝郭洪曾邱廖賴周葉蘇莊呂江何蕭羅高潘簡朱鍾彭游詹胡施沈余盧梁趙顏柯翁魏孫戴范"
MEN = "志明建國家豪俊傑文雄信宏冠廷柏翰宗憲耀輝振聲啟元承恩嘉良哲維政勳炳坤世昌永福仁德光義"
WOMEN = "美華淑芬雅婷惠玲麗珠秀英怡君佩珊欣儀靜宜慧敏月娥素貞瓊瑤婉如思穎詩涵翠蓮碧雲玉蘭心怡"
TITLES = """
醫師 老師 教授 律師 校長 主任 經理 太太 先生 小姐 會計師 法官 隊長 站長 牧師 議員
"""
PLACES = "青白紅金銀石竹松柳梅桂楓荷雲霧雪星月日溪泉湖沙土水山火龍鳳鹿鶴雁鷺馬牛羊東西南北長平安福德永大新古高"
SECOND = "溪石林田山水井橋坡崙潭埔寮窟岸門城泉丘嶺灣澳塘崎"
SUFFIXES = """
鎮 村 鄉 港 里 島 莊 市
"""
JOBS = """
木匠 護理師 漁夫 農夫 裁縫 廚師 司機 記者 畫家 詩人 樂手 園丁 郵差 警察 藥師 建築師 攝影師 翻譯 編輯 演員 導遊
理髮師 鐵匠 牙醫 船長 礦工 舞者 商人 獸醫 工程師 陶藝家 書法家
"""
THINGS = """
貝殼 郵票 瓷器 古錢 蘭花 玉石 面具 燈籠 摺扇 茶壺 木偶 風箏 陶罐 銅鏡 琉璃 竹籃 刺繡 算盤 香爐 印章 古琴 草藥
化石 鐘錶 絲綢 漆器 銀飾 硯台 雕像 紙傘 地毯 屏風 水晶 珊瑚 珍珠 羽毛 蝴蝶標本 老照片 舊地圖 木雕 盆栽 劍鞘 酒杯
琥珀
"""
REASONS = """
母親生病 房租上漲 家裡失火 腰痛復發 錢不夠用 想念家鄉 孩子出生 長期失眠 颱風來襲 和人結怨 收到恐嚇信 眼睛發炎
父親過世 遭人冤枉 被人騙錢 摔斷了腿 治安變差 迷上賭博 染上肺病 愛上旁人 厭倦人群 夢見祖父 橋梁斷裂 河水氾濫
遇上地震 繼承遺產
"""

RELATIONS: dict[Kind, tuple[str, ...]] = {
    "place": (
        "住在{o} 居住在{o} 定居在{o} 落腳在{o}",
        "在{o}上班 在{o}任職 在{o}就職 在{o}當職員",
        "在{o}求學 在{o}上學 在{o}念書 在{o}就讀",
        "去{o}旅行 到{o}遊玩 去{o}度假 到{o}觀光",
        "在{o}開店 在{o}做生意 在{o}擺攤 在{o}經商",
        "在{o}購屋 在{o}置產 在{o}買房 在{o}買了樓房",
    ),
    "person": (
        "教過{o} 指導過{o} 給{o}上過課 當過{o}的師傅",
        "拜訪過{o} 探望過{o} 去過{o}的家 到{o}的家作過客",
        "幫過{o} 協助過{o} 替{o}解過圍 對{o}伸出援手",
        "寫信給{o} 給{o}寄過信 與{o}通過信 去信給{o}",
        "贏過{o} 打敗過{o} 擊敗過{o} 勝過{o}",
        "跟{o}吵架 與{o}爭執 跟{o}翻臉 與{o}鬧翻",
    ),
    "thing": (
        "賣{o} 販售{o} 出售{o} 兜售{o}",
        "收集{o} 收藏{o} 蒐羅{o} 搜集{o}",
        "研究{o} 鑽研{o} 探究{o} 考察{o}",
        "畫{o} 描繪{o} 替{o}寫生 用畫筆記錄{o}",
        "弄丟了{o} 遺失了{o} 丟失了{o} 搞丟了{o}",
        "買下{o} 購買{o} 採購{o} 選購{o}",
    ),
    "money": (
        "捐了{o} 捐出{o} 捐獻了{o} 樂捐{o}",
        "欠下{o} 負債{o} 欠人{o} 背了{o}的債",
        "賺了{o} 賺進{o} 獲利{o} 掙了{o}",
        "賠了{o} 虧損{o} 虧了{o} 賠掉{o}",
        "存了{o} 存下{o} 儲蓄了{o} 積存了{o}",
    ),
    "reason": (
        "因為{o}而辭職 因為{o}而離職 因為{o}而辭去工作 因為{o}而不再上班",
        "因為{o}而搬家 因為{o}而遷居 因為{o}而換了住處 因為{o}而搬走",
        "因為{o}而休學 因為{o}而輟學 因為{o}而中斷學業 因為{o}而離開學校",
        "因為{o}而取消旅行 因為{o}而放棄遠行 因為{o}而沒有出遊 因為{o}而打消遊興",
        "因為{o}而關店 因為{o}而歇業 因為{o}而收掉店面 因為{o}而停止營業",
    ),
}  # fmt: skip
ASKED: dict[Kind, tuple[str, ...]] = {
    "place": ("哪裡", "什麼地方", "哪個地方"),
    "person": ("誰", "哪一位", "什麼人"),
    "thing": ("什麼", "什麼東西", "哪種東西"),
    "money": ("多少錢", "多少元"),
    "reason": ("為什麼", "為了什麼緣故", "為何"),
}
"""The words that ask for an answer of each kind; those of a reason replace all of 因為{o}而."""
SEVERAL: dict[Kind, tuple[str, str]] = {
    "place": ("哪些地方", "個"), "person": ("哪些人", "位"), "thing": ("哪些東西", "樣"),
}  # fmt: skip
"""The words that ask for several answers, and the measure word of one of them."""
TIES = """
同鄉 鄰居 老同學 表親 好友 舊識 室友 同學 棋友 老搭檔
"""


@dataclass(frozen=True)
class Relation:
    """One relation of a kind, with its number among those of the kind, and the phrases that say it."""

    kind: Kind
    number: int
    phrases: tuple[str, ...]


@dataclass(frozen=True)
class Language:
    """The words of one key."""

    surnames: tuple[str, ...]
    given: tuple[tuple[str, ...], tuple[str, ...]]  # of men and of women
    titles: tuple[str, ...]
    jobs: tuple[str, ...]
    ties: tuple[str, ...]
    objects: dict[Kind, tuple[str, ...]]  # the places, things and reasons
    relations: dict[Kind, tuple[Relation, ...]]
    commas: bool  # 3,600元, not 3600元


def draw_language(rng: random.Random) -> Language:
    """The words of a key: parts of every list, names that are put together anew, and four relations of each kind."""

    def some(words: str, count: int) -> tuple[str, ...]:
        """Some of the words, or of the characters where there are no spaces."""
        return tuple(rng.sample(words.split() if " " in words else list(words), count))

    def names(signs: str) -> tuple[str, ...]:
        return tuple(a + b for a, b in rng.sample(list(product(some(signs, 16), some(signs, 16))), 60) if a != b)

    bodies = rng.sample(list(product(some(PLACES, 24), some(SECOND, 12))), 90)
    places = dict.fromkeys(a + b for a, b in bodies if a != b)
    suffixes = some(SUFFIXES, 5)
    relations: dict[Kind, tuple[Relation, ...]] = {}
    for kind, every in RELATIONS.items():
        numbers = rng.sample(range(len(every)), 4)
        relations[kind] = tuple(Relation(kind, number, tuple(every[number].split())) for number in numbers)
    return Language(
        some(SURNAMES, 24),
        (names(MEN), names(WOMEN)),
        some(TITLES, 10),
        some(JOBS, 20),
        some(TIES, 6),
        {
            "place": tuple(place + rng.choice(suffixes) for place in places),
            "thing": some(THINGS, 30),
            "reason": some(REASONS, 20),
        },
        relations,
        rng.random() < 0.5,
    )
