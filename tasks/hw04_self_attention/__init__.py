"""HW4: speaker identification with self-attention. Which of the known speakers says this?

The files are `metadata.json`, `testdata.json` and `mapping.json` as in the course; each utterance in them also has its
`offset` in `features.npy`, one array of all frames in place of a file for each utterance. A row of a submission is
`uttr-b73206c2bc3d42bf9c77ad4565d4ff15.pt,id10174`.
"""

from __future__ import annotations

from tasks.base import Bar, Edition, Place, Rules, Task, measured, official_bars
from tasks.formats import Column, TableFormat, Year
from tasks.metrics import ACCURACY

ID, TARGET = "Id", "Category"
N_MELS = 40
FEATURES_FILE, TRAIN_FILE, TEST_FILE, MAPPING_FILE = "features.npy", "metadata.json", "testdata.json", "mapping.json"
COURSE = {"2021": (600, 69_438, 6000), "2022": (600, 56_666, 8000), "2023": (600, 56_666, 8000)}
"""The speakers of each year, their utterances and the test utterances, as the course has them."""
YEARS = tuple(Year(year, (ID, TARGET), test) for year, (_, _, test) in COURSE.items())
NAME = r"uttr-[0-9a-f]{32}\.pt"
"""The name of an utterance, which is that of its file in the course."""
SPEAKER = r"id[0-9]{5}"
"""The name of a speaker in the course."""


def form_of(year: str) -> TableFormat:
    """The format of the course's own test set, whose utterances and speakers are not known here."""
    count = COURSE[year][2]
    ids = tuple(f"test utterance {number}" for number in range(count))
    others = tuple(other for other in YEARS if other.rows != count)
    return TableFormat(ID, (Column(TARGET, "text", room=40, pattern=SPEAKER),), ids, others, NAME)


ROWS = "the test utterances: 4,000 in the slides, 8,000 in the file"
UNSURE = {
    "2021": (
        "the bars: one copy of the slides has them, another has none",
        "the public part: its size was not told, the bars fit 70 % of the test",
    ),
    "2022": (
        ROWS,
        "the public part: its size was not told, the bars fit half of the test",
        "the simple bar: 0.60850 at first, 0.60824 later",
    ),
    "2023": (
        ROWS,
        "the public part: its size was not told, the bars fit half of the test",
        "the boss bar: not in the slides, 0.93175 by two students and 0.93 by others, so there is none",
    ),
}


def _official(year: str, bars: tuple[Bar, ...], public_share: float) -> Edition:
    corpus = {"2021": "VoxCeleb1", "2022": "VoxCeleb2", "2023": "VoxCeleb2"}[year]
    return Edition(
        year,
        f"the course's files of {year}, speech of {corpus}, CC BY 4.0; a tenth of each speaker's labelled utterances is"
        " the hidden test",
        form_of(year),
        (ACCURACY,),
        bars,
        Rules(public_share=public_share),
        Place("tasks.hw04_self_attention.official:make", (year,)),
        official=True,
        unsure=UNSURE[year],
    )


TASK = Task(
    "hw04",
    "Self-attention: who is speaking",
    (
        Edition(
            "builtin",
            "a seeded world of synthetic speech (tasks/hw04_self_attention/world.py), MIT",
            TableFormat(ID, (Column(TARGET, "text", room=40),), (), YEARS),
            (ACCURACY,),
            measured(
                ACCURACY, "ladder.py hw4 --seeds 310-312",
                ("simple", 0.2021, 0.0191), ("medium", 0.4132, 0.0528), ("strong", 0.5569, 0.0521),
                ("boss", 0.6583, 0.0292),
            ),
            Rules(),
            Place("tasks.hw04_self_attention.world:make"),
        ),
        _official(
            "2021",
            official_bars(ACCURACY, "2021", 1.0, ("simple", 0.82523), ("medium", 0.90547), ("strong", 0.95404)),
            0.7,
        ),
        _official(
            "2022",
            official_bars(
                ACCURACY, "2022", 0.5,
                ("simple", 0.60824), ("medium", 0.70375), ("strong", 0.77750), ("boss", 0.86500),
            ),
            0.5,
        ),
        _official(
            "2023",
            official_bars(ACCURACY, "2023", 0.5, ("simple", 0.66025), ("medium", 0.81750), ("strong", 0.88500)),
            0.5,
        ),
    ),
)  # fmt: skip
