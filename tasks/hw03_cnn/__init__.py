"""HW3: image classification. Which of eleven kinds of dish does a picture show? Few pictures have labels.

Files are laid out as in the course: 2021 in `food-11` (a folder for each class, an unlabelled part), 2022 in `food11`
(everything labelled, the class in the file name). An instructor's own pictures are laid out as those of 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.base import Bar, Edition, Place, Rules, Task, measured, official_bars
from tasks.formats import Column, TableFormat, Year
from tasks.metrics import ACCURACY

TARGET = "Category"
CLASSES = tuple(f"dish {number}" for number in range(11))
"""A word for the class of each number; neither the key nor the course names them."""


@dataclass(frozen=True)
class Layout:
    """The folders of one year's pictures, and the course's own counts; `unlabelled` is 0 where the year has none.

    `testing` is the folder of the test pictures, and `first` the number of the first of them.
    """

    year: str
    root: str
    training: int
    validation: int
    unlabelled: int
    public_share: float
    test: int = 3347
    testing: str = "testing/00"
    first: int = 0

    @property
    def folders(self) -> bool:
        """Whether each class has its own folder (2021, own), not its number before each name (2022)."""
        return self.year != "2022"

    @property
    def training_folder(self) -> str:
        return f"{self.root}/training/labeled" if self.folders else f"{self.root}/training"

    @property
    def unlabelled_folder(self) -> str:
        return f"{self.root}/training/unlabeled/00"

    @property
    def validation_folder(self) -> str:
        return f"{self.root}/validation"

    @property
    def test_folder(self) -> str:
        return f"{self.root}/{self.testing}"

    def labelled_name(self, folder: str, label: int, number: int) -> str:
        """The path of labelled picture `number` of a class, below `public`."""
        name = f"{label}_{number}.jpg"
        return f"{folder}/{label:02d}/{name}" if self.folders else f"{folder}/{name}"

    def test_name(self, number: int) -> str:
        """The path of test picture `number`, counted from 0."""
        return f"{self.test_folder}/{number + self.first:04d}.jpg"

    def name(self, part: str, label: int, number: int) -> str:
        """The path of a picture of the part "training", "validation", "unlabelled" or "test"."""
        if part == "test":
            return self.test_name(number)
        if part == "unlabelled":
            # A letter before the number: no test id may name two files, or the leak checks would look at one only.
            return f"{self.unlabelled_folder}/u_{number:04d}.jpg"
        return self.labelled_name(self.training_folder if part == "training" else self.validation_folder, label, number)

    def ids(self, count: int) -> range | tuple[str, ...]:
        """The ids of `count` test pictures: whole numbers from 0 in 2021, the file names, such as "0001", in 2022."""
        return range(count) if self.folders else tuple(f"{number + self.first:04d}" for number in range(count))


LAYOUT_2021 = Layout("2021", "food-11", 280 * 11, 60 * 11, 6786, 0.5)
LAYOUT_2022 = Layout("2022", "food11", 9866, 3430, 0, 0.3, testing="test", first=1)
LAYOUTS = (LAYOUT_2021, LAYOUT_2022)
"""Those of the course."""
LAYOUT_OWN = Layout("own", "pictures", 0, 0, 0, 0.5)  # the counts are those of the instructor's pictures
YEARS = (
    *(Year(each.year, ("Id", TARGET), each.test, str(each.ids(1)[0])) for each in LAYOUTS),
    Year("2023", ("Id", TARGET), 3000, "0000"),
)


def form_of(layout: Layout, classes: int = len(CLASSES)) -> TableFormat:
    """The format of a submission for so many classes."""
    column = Column(TARGET, "int", 0, classes - 1)
    return TableFormat("Id", (column,), layout.ids(layout.test), years=() if layout is LAYOUT_OWN else YEARS)


def _edition(name: str, layout: Layout, maker: str, bars: tuple[Bar, ...] = ()) -> Edition:
    slug = {"2021": "ml2021spring-hw3", "2022": "ml2022spring-hw3b"}.get(layout.year)
    source = {
        "world": f"a seeded world of drawn dishes in the course's {layout.year} layout (tasks/hw03_cnn/world.py), MIT",
        "official": f"the course's files of Kaggle {slug}, pictures of food-11; licence not stated; those of 2021 are"
        " for this course only and must not be passed on; the labels can be found on the internet",
        "own": "the instructor's own pictures, a folder for each class (tasks/hw03_cnn/own.py)",
    }
    return Edition(
        name,
        source[maker],
        form_of(layout),
        (ACCURACY,),
        bars,
        Rules(public_share=layout.public_share),
        Place(f"tasks.hw03_cnn.{maker}:make", (layout,)),
        official=maker != "world",
    )


TASK = Task(
    "hw03",
    "CNN: what is on the plate",
    (
        _edition(
            "builtin", LAYOUT_2021, "world",
            measured(
                ACCURACY, "ladder.py hw3 --seeds 300-302",
                ("simple", 0.4807, 0.0646), ("medium", 0.7287, 0.0778), ("strong", 0.8900, 0.0262),
                ("boss", 0.9707, 0.0070),
            ),
        ),
        _edition(
            "builtin-2022", LAYOUT_2022, "world",
            measured(
                ACCURACY, "ladder.py hw3 --edition builtin-2022 --seeds 300-302",
                ("simple", 0.5100, 0.0612), ("medium", 0.8289, 0.0327), ("strong", 0.9011, 0.0158),
                ("boss", 0.9656, 0.0252),
            ),
        ),
        _edition(
            "2021", LAYOUT_2021, "official",
            official_bars(ACCURACY, "2021", 1.0, ("simple", 0.44862), ("medium", 0.52807), ("strong", 0.82138)),
        ),
        _edition(
            "2022", LAYOUT_2022, "official",
            official_bars(
                ACCURACY, "2022", 0.5,
                ("simple", 0.50099), ("medium", 0.73207), ("strong", 0.81872), ("boss", 0.88446),
            ),
        ),
        _edition("own", LAYOUT_OWN, "own"),
    ),
)  # fmt: skip
