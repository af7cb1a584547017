"""HW1: regression. Predict the percentage of positive COVID-19 tests from several days of survey answers of a state.

The columns are those of the course, 2021 (40 states, 3 days of 18) and 2022 (37 states, 5 days of 16); the header
repeats the names of a day for every day, without a suffix, as the course's files do.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.base import Bar, Edition, Place, Rules, Task, measured, official_bars
from tasks.formats import Column, TableFormat, Year
from tasks.metrics import MSE, RMSE, Metric

TRAIN_FILE, TEST_FILE = "covid.train.csv", "covid.test.csv"
TARGET = "tested_positive"

STATES = (
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "FL", "GA", "ID", "IL", "IN", "IA", "KS", "KY", "LA", "MD", "MA", "MI",
    "MN", "MS", "MO", "NE", "NV", "NJ", "NM", "NY", "NC", "OH", "OK", "OR", "PA", "RI", "SC", "TX", "UT", "VA", "WA",
    "WV", "WI",
)  # fmt: skip
SURVEY = (
    "cli", "ili", "hh_cmnty_cli", "nohh_cmnty_cli", "wearing_mask", "travel_outside_state", "work_outside_home", "shop",
    "restaurant", "spent_time", "large_event", "public_transit", "anxious", "depressed", "felt_isolated",
    "worried_become_ill", "worried_finances",
)  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """The columns of one year: 0/1 marks of `states`, then `days` times the columns of a day, the target last.

    `train_rows` and `test_rows` are the course's own counts; `missing_id` is the train id that the course left out.
    """

    year: str
    states: tuple[str, ...]
    survey: tuple[str, ...]
    days: int
    train_rows: int
    test_rows: int
    missing_id: int | None = None

    @property
    def day(self) -> tuple[str, ...]:
        """The columns of one day."""
        return (*self.survey, TARGET)

    @property
    def train_header(self) -> tuple[str, ...]:
        return ("id", *self.states, *(self.day * self.days))

    @property
    def test_header(self) -> tuple[str, ...]:
        return self.train_header[:-1]


LAYOUT_2021 = Layout("2021", STATES, SURVEY, 3, 2700, 893)
LAYOUT_2022 = Layout(
    "2022",
    tuple(state for state in STATES if state not in ("PA", "WV", "WI")),
    tuple(name for name in SURVEY if name not in ("felt_isolated", "worried_become_ill")),
    5,
    2699,
    1078,
    missing_id=2239,
)
LAYOUTS = (LAYOUT_2021, LAYOUT_2022)
HEADER = ("id", TARGET)
YEARS = (*(Year(layout.year, HEADER, layout.test_rows, "0") for layout in LAYOUTS), Year("2023", HEADER, 997, "0"))


def _edition(name: str, layout: Layout, maker: str, metric: Metric, bars: tuple[Bar, ...]) -> Edition:
    source = {
        "world": f"a seeded world in the course's {layout.year} columns (tasks/hw01_regression/world.py); no real"
        " person's data, MIT",
        "official": f"the course's files of Kaggle ml{layout.year}spring-hw1, surveys by the Delphi group at CMU;"
        " licence not stated; the labels are public on the internet",
    }
    return Edition(
        name,
        source[maker],
        TableFormat("id", (Column(TARGET, minimum=0, maximum=100),), range(layout.test_rows), years=YEARS),
        (metric,),
        bars,
        Rules(),
        Place(f"tasks.hw01_regression.{maker}:make", (layout,)),
        official=maker != "world",
    )


TASK = Task(
    "hw01",
    "Regression: COVID-19 cases",
    (
        _edition(
            "builtin", LAYOUT_2021, "world", RMSE,
            measured(
                RMSE, "ladder.py hw1 --edition builtin --seeds 100-108",
                ("simple", 1.5798, 0.2334), ("medium", 1.0507, 0.0609), ("strong", 0.7087, 0.0464),
                ("boss", 0.5371, 0.0374),
            ),
        ),
        _edition(
            "builtin-2022", LAYOUT_2022, "world", MSE,
            measured(
                MSE, "ladder.py hw1 --edition builtin-2022 --seeds 100-102",
                ("simple", 1.9868, 0.3247), ("medium", 1.1545, 0.1434), ("strong", 0.6673, 0.1608),
                ("boss", 0.3373, 0.0651),
            ),
        ),
        _edition(
            "2021", LAYOUT_2021, "official", RMSE,
            official_bars(RMSE, "2021", 1.0, ("simple", 2.03004), ("medium", 1.28359), ("strong", 0.88017)),
        ),
        _edition(
            "2022", LAYOUT_2022, "official", MSE,
            official_bars(
                MSE, "2022", 1.0, ("simple", 2.28371), ("medium", 1.49430), ("strong", 1.05728), ("boss", 0.86161)
            ),
        ),
    ),
)  # fmt: skip
