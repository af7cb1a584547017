"""HW5: machine translation of talks from English into Traditional Chinese, scored by corpus BLEU.

The files are those of the course: the raw parallel text of TED2020, 4,000 English test lines, each with a dummy
translation, and more Chinese talks for back-translation.
"""

from __future__ import annotations

from tasks.base import Edition, Place, Rules, Task, measured, official_bars
from tasks.bleu import BLEU
from tasks.formats import TRANSLATION, LinesFormat

RAW_FILES = ("ted2020/raw.en", "ted2020/raw.zh")
TEST_FILES = ("test/test.en", "test/test.zh")
MONO_FILE = "ted_zh_corpus.deduped.gz"
COLUMN = TRANSLATION
TEST_LINES = 4000
MAX_BYTES = 699_999
"""The course's server accepted files smaller than 700 kB."""
SIZES = {"small": (6_000, 1_000, 6_000), "full": (393_980, TEST_LINES, 400_000)}
"""Size to pairs of the parallel text, test lines and lines of the monolingual text; "full" has the course's counts."""

COURSE = (
    "the course's files, talks of TED2020 (Reimers and Gurevych 2020); licence not stated; the test lines are carved "
    "out of the parallel text, which is public on the internet"
)


RULES_2021 = Rules(quota_zone="Asia/Taipei", unselected="first", unselected_count=1)
FORMAT = LinesFormat(COLUMN, range(1, TEST_LINES + 1), MAX_BYTES)

TASK = Task(
    "hw05",
    "Transformer: English to Traditional Chinese",
    (
        Edition(
            "builtin",
            "a seeded grammar with its own lexicon (tasks/hw05_transformer/world.py), MIT",
            FORMAT,
            (BLEU,),
            measured(
                BLEU, "ladder.py hw5 --seeds 300-302",
                ("simple", 21.70, 0.93), ("medium", 57.92, 0.63), ("strong", 68.20, 1.10), ("boss", 77.51, 1.20),
            ),
            RULES_2021,
            Place("tasks.hw05_transformer.world:make"),
        ),
        Edition(
            "2021", COURSE, FORMAT, (BLEU,),
            official_bars(
                BLEU, "2021", 1.0, ("simple", 18.43), ("medium", 24.04), ("strong", 29.32),
                private=(17.61, 23.43, 28.27), digits=2, rounded=True,
            ),
            RULES_2021, Place("tasks.hw05_transformer.official:make", ("2021",)), official=True,
        ),
        Edition(
            "2022", COURSE, FORMAT, (BLEU,),
            official_bars(
                BLEU, "2022", 0.5, ("simple", 14.58), ("medium", 18.04), ("strong", 25.20), ("boss", 29.13),
                digits=2, rounded=True,
            ),
            Rules(quota_zone="Asia/Taipei", unselected_count=1),
            Place("tasks.hw05_transformer.official:make", ("2022",)), official=True,
        ),
    ),
)  # fmt: skip
