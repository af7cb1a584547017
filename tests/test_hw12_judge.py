"""HW12's actions: the episodes, the judge that replays them, and the reward."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.cli.main import cli
from harness.competition import find_competition
from harness.grading.accept import submit
from harness.home import open_home
from harness.plans import plan_homework
from harness.prepare import prepare
from harness.shown import shown
from harness.versions import read_versions
from submissions.episodes import CONVERT
from submissions.reader import read
from tasks import processes
from tasks.base import PUBLIC, Made, SubmissionError, UserError
from tasks.formats import EpisodesFormat
from tasks.hw12_reinforcement import CHAINED_REWARD, EPISODES_FILE, MAX_STEPS, REWARD, TASK
from tasks.hw12_reinforcement import judge as judging
from tasks.hw12_reinforcement.judge import check, new_environment, replays
from tasks.hw12_reinforcement.world import to_csv
from tasks.metrics import student
from tasks.streams import Streams
from tests.bench.replay import pilot
from tests.flights import columns, make, small_public

ROOT = Path(__file__).parents[1]
NOW = datetime(2027, 2, 1, tzinfo=UTC)
Pilot = Callable[[Any], int]


def idle(state: Any) -> int:
    return 0


def dice(seed: int) -> Pilot:
    rng = np.random.default_rng(seed)
    return lambda state: int(rng.integers(4))


def fly(pilot: Pilot, seeds: Sequence[int], *, chained: bool = False) -> tuple[list[list[int]], list[float]]:
    """The actions and total rewards of episodes in gymnasium's environment as `make` gives it, wrappers and all."""
    import gymnasium

    new_environment()  # loads Box2D with its warnings, which are errors here, put off
    environment = gymnasium.make("LunarLander-v3")
    episodes, totals = [], []
    for place, seed in enumerate(seeds):
        state, _ = environment.reset(seed=None if chained and place else seed)
        actions: list[int] = []
        total, over = 0.0, False
        while not over:
            actions.append(pilot(state))
            state, reward, terminated, truncated, _ = environment.step(actions[-1])
            total += float(reward)
            over = terminated or truncated
        episodes.append(actions)
        totals.append(total)
    return episodes, totals


SEEDS = (5, 77, 2**31 - 1, 0, 123456, 9)
REPLAYED = [edition for edition in TASK.editions if isinstance(edition.format, EpisodesFormat)]
FORM = EpisodesFormat(SEEDS)
CHAIN = EpisodesFormat((543,) * 5, chained=True)


@pytest.fixture(scope="module")
def landed() -> tuple[list[list[int]], list[float]]:
    return fly(pilot, SEEDS)


# The episodes


def test_students_get_the_seeds_of_all_episodes_which_all_count_on_one_board(tmp_path: Path) -> None:
    made, form = make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [EPISODES_FILE]
    with (tmp_path / EPISODES_FILE).open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["episode", "seed"]
    assert [int(row[0]) for row in rows[1:]] == list(made.answers.ids) == list(range(100))
    assert tuple(int(row[1]) for row in rows[1:]) == form.seeds
    assert len(set(form.seeds)) == 100
    assert min(form.seeds) >= 0
    assert max(form.seeds) < 2**31
    assert made.answers.columns == {}
    assert made.answers.usage is not None
    assert set(made.answers.usage.tolist()) == {PUBLIC}  # nothing that students can replay is hidden
    assert made.answers.groups is None


def test_the_full_world_has_more_episodes_and_its_longest_file_fits_under_the_cap() -> None:
    form = EpisodesFormat(tuple(range(400)))
    assert len(to_csv([[3] * MAX_STEPS] * 400)) <= form.max_bytes
    assert len(to_csv([[3] * MAX_STEPS] * 5)) <= TASK.edition("2021").format.max_bytes


@pytest.mark.parametrize("edition", [edition.name for edition in REPLAYED])
def test_the_sample_submission_is_replayed_and_passes_no_bar_but_the_one_for_any_file(
    edition: str, tmp_path: Path
) -> None:
    made, form = make(tmp_path, edition)
    assert made.sample is not None
    judged = check(form, read(made.sample, form))
    metric = TASK.edition(edition).metrics[0]
    value = metric.value(metric.rows(made.answers.columns, judged.columns))
    assert -200 < value < -80
    higher = {metric.name: True}
    passed = [bar.name for bar in TASK.edition(edition).bars if bar.passed({metric.name: value}, higher, private=False)]
    assert passed == (["any valid file"] if edition == "2021" else [])


def test_the_courses_bands_give_its_points() -> None:
    def points(year: str, value: float) -> float:
        bars = TASK.edition(year).bars
        return sum(
            bar.points[0] for bar in bars if bar.passed({REWARD.name: value}, {REWARD.name: True}, private=False)
        )

    cases = (-300.0, -0.5, 0.0, 99.5, 100.0, 169.9, 170.0, 200.0, 240.5, 241.0, 268.9, 269.0, 269.009, 269.01, 300.0)
    assert [points("2021", value) for value in cases] == [2, 2, 3, 3, 4, 4, 4, 5, 5, 6, 6, 6, 6, 6, 6]
    assert [points("2022", value) for value in cases] == [0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 4, 4]
    for edition in REPLAYED:
        assert all(bar.points[1] == 0 for bar in edition.bars)
        assert edition.rules.public_share == 1.0
    assert sum(bar.points[0] for bar in TASK.edition("builtin-actions").bars) == 8
    for year in ("2021", "2022"):
        assert "not comparable" in TASK.edition(year).source
        assert all(bar.points[1] == 0 and bar.source == f"official {year}" for bar in TASK.edition(year).bars)
    assert "not comparable" in (ROOT / "tasks/hw12_reinforcement/sheet.md").read_text(encoding="utf-8")


def test_the_program_and_the_command_on_the_sheet_work(tmp_path: Path) -> None:
    sheet = (ROOT / "tasks/hw12_reinforcement/sheet.md").read_text(encoding="utf-8")
    program = next(part for part in sheet.split("```python\n") if part.startswith("import csv")).split("```")[0]
    small_public(tmp_path, (8, 9))
    policy = "my_policy = lambda state: int(state[1] < 0.5)\n"
    subprocess.run([sys.executable, "-c", policy + program], cwd=tmp_path, check=True)
    form = EpisodesFormat((8, 9))
    check(form, read((tmp_path / "submission.csv").read_bytes(), form))
    assert CONVERT in sheet


# The judge


def test_a_pilot_by_hand_beats_the_dice_which_no_engine_at_all_does_not(
    landed: tuple[list[list[int]], list[float]],
) -> None:
    scores = {}
    for name, episodes in (("hand", landed[0]), ("dice", fly(dice(1), SEEDS)[0]), ("idle", fly(idle, SEEDS)[0])):
        judged = check(FORM, columns(episodes, FORM))
        assert judged.notes == ()
        scores[name] = REWARD.value(REWARD.rows({}, judged.columns))
    assert scores["hand"] > 150
    assert scores["hand"] > 200 + max(scores["dice"], scores["idle"])


def test_replays_are_equal_bit_for_bit_in_any_order_again_and_over_processes(
    landed: tuple[list[list[int]], list[float]],
) -> None:
    read_ones = columns(landed[0], FORM)
    one = replays(FORM, read_ones, processes=1)
    assert [flight.total for flight in one] == landed[1]
    assert replays(FORM, read_ones, processes=1) == one
    assert replays(FORM, read_ones, processes=2) == one
    backwards = EpisodesFormat(SEEDS[::-1])
    assert replays(backwards, columns(landed[0][::-1], backwards), processes=1) == one[::-1]


def test_where_no_process_can_be_started_the_replay_is_done_in_this_one(
    landed: tuple[list[list[int]], list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*arguments: Any, **options: Any) -> None:
        raise OSError("no processes here")

    monkeypatch.setattr(processes, "ProcessPoolExecutor", none)
    assert [flight.total for flight in replays(FORM, columns(landed[0], FORM), processes=2)] == landed[1]


def test_few_steps_start_no_process(
    landed: tuple[list[list[int]], list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "ProcessPoolExecutor", None)
    check(FORM, columns(landed[0], FORM))
    monkeypatch.setattr(judging, "EACH", 1)
    monkeypatch.setattr(judging, "cores", lambda: 2)
    with pytest.raises(TypeError):
        check(FORM, columns(landed[0], FORM))


def faults(episodes: Sequence[Sequence[int]], form: EpisodesFormat) -> SubmissionError:
    with pytest.raises(SubmissionError) as error:
        check(form, columns(episodes, form))
    return error.value


@pytest.mark.parametrize("place", range(len(SEEDS)))
def test_an_episode_without_its_last_action_or_with_one_more_is_refused(
    landed: tuple[list[list[int]], list[float]], place: int
) -> None:
    length = len(landed[0][place])
    for change, code in ((landed[0][place][:-1], "E_EPISODE_SHORT"), ([*landed[0][place], 0], "E_EPISODE_LONG")):
        episodes = [*landed[0][:place], change, *landed[0][place + 1 :]]
        error = faults(episodes, FORM)
        assert [problem.code for problem in error.problems] == [code]
        assert f"episode {place}: " in str(error)
        expected = f"over after {length:,} actions" if code == "E_EPISODE_LONG" else f"({length - 1:,} actions)"
        assert expected in str(error)
    assert set(judging.CODES) == {"E_EPISODE_SHORT", "E_EPISODE_LONG"}
    first = faults([[0], *landed[0][1:]], FORM)
    assert str(first).startswith("E_EPISODE_SHORT  episode 0: not over after its last action (1 actions)")


def test_all_episodes_that_do_not_end_with_their_last_action_are_listed() -> None:
    many = EpisodesFormat(tuple(range(30)))
    error = faults([[0]] * 30, many)
    assert (error.total, len(error.problems)) == (30, 20)
    assert "LunarLander-v3 gymnasium" in str(error)  # where all fail, the versions may differ


def test_the_limit_of_steps_ends_an_episode() -> None:
    short = EpisodesFormat((5, 77), max_steps=20)
    assert len(check(short, columns([[2] * 20, [0] * 20], short)).columns["return"]) == 2
    assert faults([[2] * 20, [0] * 19], short).code == "E_EPISODE_SHORT"


def hover(state: Any) -> int:
    """Stays half a screen above the pad until the limit of steps."""
    x, y, *others = (float(value) for value in state)
    return pilot((x, y - 0.8 + 0.55 * abs(x), *others))


def test_a_thousand_actions_are_over_as_gymnasium_says_and_one_less_is_not() -> None:
    form = EpisodesFormat((5,))
    episodes, totals = fly(hover, (5,))
    assert len(episodes[0]) == MAX_STEPS == form.max_steps
    assert check(form, columns(episodes, form)).columns["return"].tolist() == totals
    assert faults([episodes[0][:-1]], form).code == "E_EPISODE_SHORT"


def test_a_chain_depends_on_order_and_on_every_earlier_step() -> None:
    episodes, totals = fly(dice(3), CHAIN.seeds, chained=True)
    judged = check(CHAIN, columns(episodes, CHAIN))
    assert judged.columns["return"].tolist() == totals
    assert "not comparable" in judged.notes[0]
    assert len(set(totals)) == 5
    alone = EpisodesFormat(CHAIN.seeds)
    assert [
        flight.over == len(actions)
        for flight, actions in zip(replays(alone, columns(episodes, alone)), episodes, strict=True)
    ] != [True] * 5
    swapped = [episodes[0], episodes[2], episodes[1], *episodes[3:]]
    assert faults(swapped, CHAIN).code in ("E_EPISODE_SHORT", "E_EPISODE_LONG")
    error = faults([[*episodes[0], 0], *episodes[1:]], CHAIN)  # the later ones are not replayed, nor blamed
    assert [problem.code for problem in error.problems] == ["E_EPISODE_LONG"]
    assert "Later episodes start where this one ends" in str(error)
    assert faults([episodes[0][:-1], *episodes[1:]], CHAIN).code == "E_EPISODE_SHORT"


def test_the_version_names_everything_that_can_change_a_return() -> None:
    import gymnasium

    version = judging.version()
    assert all(edition.judge and edition.judge.offline for edition in TASK.editions)
    assert {edition.judge.version() for edition in REPLAYED if edition.judge} == {version}
    assert version.startswith(f"LunarLander-v3 gymnasium {gymnasium.__version__} Box2D 2.")


@pytest.mark.parametrize("package", ["gymnasium", "Box2D"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("gymnasium.envs.box2d")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=r'needs .*, which is not installed.*pip install "lhy-grade\[rl\]"'):
        new_environment()


# The judge in a course


@pytest.fixture
def homework(course: Path, tmp_path: Path) -> Path:
    """A home with HW1 and the chained HW12, and a submission of each that was accepted and not graded."""
    root = tmp_path / "home"
    shutil.copytree(course, root)
    home = open_home(root)
    prepare(home, plan_homework("hw12", "2022", None, "small"), seed=1, new_data=False, accept_leaks=False, now=NOW)

    def stop(step: str) -> None:
        if step == "accepted":
            raise InterruptedError

    for name in ("hw12", "hw01"):
        competition = find_competition(home, name)
        with pytest.raises(InterruptedError):
            submit(home, competition, sample(root, name), participant="ada", now=NOW, step=stop)
    return root


def sample(root: Path, name: str) -> Path:
    return root / "public" / name / "sample_submission.csv"


def call(root: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(root), *words])


def test_another_version_of_the_judge_is_refused_with_what_to_do_and_nothing_is_recorded(
    homework: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "version", lambda: "gymnasium of another year")
    refused = call(homework, "submit", "hw12", str(sample(homework, "hw12")), "--as", "eve", "--format", "json")
    error = json.loads(refused.stdout)["error"]
    assert (refused.exit_code, error["code"]) == (8, "E_JUDGE_VERSION")
    for words in ("LunarLander-v3 gymnasium", "gymnasium of another year", "prepare hw12 --edition 2022 --new-data"):
        assert words in error["message"]
    listed = json.loads(call(homework, "submissions", "hw12", "--all", "--format", "json").stdout)
    assert [row["participant"] for row in listed["submissions"]] == ["ada"]


def test_what_waits_for_a_judge_holds_up_no_other_homework_and_gets_the_same_score_later(
    homework: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(judging, "version", lambda: "gymnasium of another year")
        done = call(homework, "grade", "--pending")
        assert done.exit_code == 0
        assert "hw01: submission 2 graded" in done.stdout
        assert "hw12: submission 1 still waiting: hw12 was prepared to be judged with" in done.stdout
    assert call(homework, "grade", "--pending").stdout == "hw12: submission 1 graded\n"
    actions = homework / "actions.json"
    form = TASK.edition("2022").format
    assert isinstance(form, EpisodesFormat)
    read_ones = read(sample(homework, "hw12").read_bytes(), form)
    lengths = read_ones["length"].tolist()
    rows = zip(read_ones["actions"].tolist(), lengths, strict=True)
    actions.write_text(json.dumps([row[:length] for row, length in rows]))
    assert call(homework, "submit", "hw12", str(actions), "--as", "bob").exit_code == 0
    board = json.loads(call(homework, "leaderboard", "hw12", "--format", "json").stdout)["board"]
    returns = [flight.total for flight in replays(form, read_ones)]
    assert [row["score"] for row in board] == [shown(REWARD.value(np.array(returns)), REWARD.digits)] * 2
    assert call(homework, "audit", "verify").exit_code == 0


def test_other_seeds_are_other_data_though_the_marks_are_the_same(tmp_path: Path) -> None:
    plan = plan_homework("hw12", "2022", None, "small")

    def moved(public: Path, streams: Streams, secret: Path) -> Made:
        made = plan.make(public, streams, secret)
        return replace(made, form=replace(CHAIN, seeds=(544,) * 5))

    versions = []
    for name, one in (("as it is", plan), ("moved", replace(plan, make=moved))):
        home = open_home(tmp_path / name)
        prepare(home, one, seed=1, new_data=False, accept_leaks=False, now=NOW)
        versions.append(read_versions(home, find_competition(home, "hw12")))
    assert versions[0][1] == versions[1][1]
    assert versions[0][0] != versions[1][0]


def test_a_public_folder_with_other_episodes_than_the_answers_are_for_is_not_scored(homework: Path) -> None:
    path = homework / "public" / "hw12" / "format.json"
    path.write_text(path.read_text(encoding="utf-8").replace("543", "544"), encoding="utf-8")
    refused = call(homework, "submit", "hw12", str(sample(homework, "hw12")), "--as", "eve")
    assert refused.exit_code == 2
    assert "do not belong to its public folder" in refused.stderr


def test_check_replays_without_a_home_where_the_seeds_are_the_courses_and_tells_where_they_are_drawn(
    homework: Path, tmp_path: Path
) -> None:
    file = str(sample(homework, "hw12"))
    assert call(tmp_path / "none", "check", "hw12", file, "--edition", "2021").exit_code == 0
    assert call(homework, "check", "hw12", file).exit_code == 0
    refused = call(tmp_path / "none", "check", "hw12", file, "--edition", "builtin-actions")
    assert refused.exit_code == 2
    assert "leave out --edition" in refused.stderr


# The reward


def test_the_reward_is_a_weighted_mean_and_its_interval_is_students_moved_by_its_skewness() -> None:
    from scipy import stats

    rng = np.random.default_rng(0)
    returns = rng.normal(200, 90, size=40)
    weight = rng.integers(0, 4, size=(6, 40))
    values = REWARD.value(returns, weight)
    for row, value in zip(weight, values, strict=True):
        assert value == pytest.approx(np.repeat(returns, row).mean(), rel=1e-12)
    public = np.arange(40) < 23
    interval = REWARD.interval(returns, public)
    assert interval is not None
    part = returns[public]
    middle = part.mean() + stats.skew(part) * stats.sem(part) / (6 * len(part) ** 0.5)  # Johnson's
    expected = stats.t.interval(0.95, len(part) - 1, middle, stats.sem(part))
    assert interval == pytest.approx(expected, rel=1e-6)
    for degrees in (4, 5, 9, 30, 1000):
        assert student(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), abs=1e-3)
    assert REWARD.interval(returns, np.arange(40) < 4) is None
    assert CHAINED_REWARD.interval(returns, public) is None
    assert (REWARD.name, REWARD.higher_is_better, REWARD.hint) == ("mean_return_score", True, None)
