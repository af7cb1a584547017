"""HW7: the stories and their questions, the course's own files, and the parts of the baseline."""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines import hw07_bert as baseline
from baselines import spans
from baselines.common import train_level
from baselines.reading import NEVER, exact
from harness.answers import read_secret
from harness.competition import find_competition
from harness.grading.scoring import grade_here
from harness.home import Home
from submissions.reader import read
from tasks.base import PUBLIC, Answers, Made, UserError
from tasks.hw07_bert import DEV_FILE, TARGET, TASK, TEST_FILE, TEXT_FILE, TRAIN_FILE, lexicon, official, story, world
from tasks.hw07_bert.story import Question, Story, sentences
from tasks.metrics import ANSWER_MATCH, CHARACTER_F1
from tasks.streams import fixed
from tests.bench.tricks import hw07 as tricks
from tests.bench.tricks.frame import Given, prepared
from tests.bench.tricks.hw07 import Solver
from tests.conftest import SHARED, SHORT, needs
from tests.test_bilingual import SIMPLIFIED
from tests.test_pretrained import saved

COURSE, DRCD = SHARED / "hw7-qa" / "2022", SHARED / "hw7-qa" / "drcd"
NARROW = ["dim=64", "width=64", "blocks=1", "summaries=24", "batch=8", "lr=0.002", "warmup=50"]
"""The settings of the built-in data, for the course's on a CPU."""


@pytest.fixture(scope="module")
def stories() -> list[tuple[Story, list[Question]]]:
    """Fifty stories of each of six keys, with their questions."""
    made = []
    for seed in range(6):
        language = lexicon.draw_language(fixed(seed).random("language"))
        for number in range(50):
            rng = random.Random(f"{seed} {number}")
            told = story.tell(language, rng)
            made.append((told, story.ask(told, rng, 6)))
    return made


# The world


def test_the_words_are_traditional_and_no_relation_has_the_phrase_of_another() -> None:
    texts = [value for value in vars(lexicon).values() if isinstance(value, str)]
    assert not set("".join(texts + [p for every in lexicon.RELATIONS.values() for p in every])) & set(SIMPLIFIED) - set(
        "后里面台只系于云才干"  # which traditional writing has as well
    )
    for every in lexicon.RELATIONS.values():
        phrases = [phrase for relation in every for phrase in relation.split()]
        assert len(set(phrases)) == len(phrases) == 4 * len(every)
        assert all(phrase.count("{o}") == 1 for phrase in phrases)


def test_another_key_has_another_language() -> None:
    one, other = (lexicon.draw_language(fixed(seed).random("language")) for seed in (1, 2))
    assert len(set(one.objects["place"]) & set(other.objects["place"])) < 0.2 * len(one.objects["place"])
    assert len(set(one.given[0]) & set(other.given[0])) < 0.3 * len(one.given[0])
    assert {kind: [r.number for r in every] for kind, every in one.relations.items()} != {
        kind: [r.number for r in every] for kind, every in other.relations.items()
    }


def test_each_answer_follows_from_the_paragraph_and_no_other(stories: list[tuple[Story, list[Question]]]) -> None:
    asked = Counter[str]()
    for told, questions in stories:
        solver = Solver(told.text)
        for question in questions:
            right = set(question.answers)
            assert solver.answers(question.text) == right, (told.text, question)
            assert told.text[question.start :].startswith(question.answers[0])
            assert len(right) == 1 or question.text.endswith(("請舉出一個。", "請舉出一位。", "請舉出一樣。"))
            asked[f"{len(right)}"] += 1
    assert asked["1"] > 1000
    assert asked["2"] > 0.02 * asked["1"]


def test_a_paragraph_has_eight_to_fourteen_sentences_and_most_say_he_or_she(
    stories: list[tuple[Story, list[Question]]],
) -> None:
    parts = [[sentence for _, sentence in sentences(told.text)] for told, _ in stories]
    counts = np.array([len(part) for part in parts])
    assert np.mean((counts >= 8) & (counts <= 14)) > 0.9
    assert 0.55 < np.mean([bool(re.search("[他她]", sentence)) for part in parts for sentence in part[1:]]) < 0.75
    assert max(len(told.text) for told, _ in stories) <= baseline.LEVELS["strong"].window


def test_a_question_asks_in_other_words_and_seldom_of_the_sentence_that_looks_most_like_it(
    stories: list[tuple[Story, list[Question]]],
) -> None:
    found = []
    for told, questions in stories:
        for question in questions:
            begin, sentence = story.most_alike(told.text, question.text)
            found.append(begin <= question.start < begin + len(sentence))
    assert 0.01 < np.mean(found) < 0.12


def test_the_text_without_questions_tells_facts_again_in_other_words() -> None:
    language = lexicon.draw_language(fixed(3).random("language"))
    for number in range(50):
        rng = random.Random(number)
        told = story.tell(language, rng)
        line = story.remember(told, rng, 4)
        assert line.startswith(told.text)
        assert "\n" not in line
        rest, asked = spans.clozes(line, rng)
        assert asked
        for one in asked:
            for begin, end in one.spans:
                assert one.text.replace(spans.BLANK, rest[begin : end + 1]) in line


@pytest.fixture
def small(homes: Callable[[str], Home]) -> tuple[Path, Answers]:
    home = homes("hw07")
    return home.public("hw07"), read_secret(home, find_competition(home, "hw07")).answers


def test_the_files_are_the_courses_and_the_test_has_no_answers(small: tuple[Path, Answers]) -> None:
    folder, answers = small
    texts: list[set[str]] = []
    for name in (TRAIN_FILE, DEV_FILE, TEST_FILE):
        data = json.loads((folder / name).read_text(encoding="utf-8"))
        assert list(data) == ["questions", "paragraphs"]
        assert [one["id"] for one in data["questions"]] == list(range(len(data["questions"])))
        texts.append(set(data["paragraphs"]))
        for one in data["questions"]:
            assert tuple(one) == official.FIELDS
            given = (one["answer_text"], one["answer_start"], one["answer_end"])
            text = data["paragraphs"][one["paragraph_id"]]
            if name == TEST_FILE:
                assert given == (None, None, None)
            else:
                assert text[one["answer_start"] : one["answer_end"] + 1] == one["answer_text"]
    assert not texts[0] & texts[2] | texts[1] & texts[2] | texts[0] & texts[1]
    assert len((folder / TEXT_FILE).read_text(encoding="utf-8").splitlines()) == 40
    assert len(answers) == len(data["questions"])
    assert answers.groups is not None
    assert [f"paragraph {one['paragraph_id']}" for one in data["questions"]] == answers.groups.tolist()
    for one, right in zip(data["questions"], answers.columns[TARGET].tolist(), strict=True):
        assert all(answer in data["paragraphs"][one["paragraph_id"]] for answer in right.split("\n"))


# The format and the metrics


def answered(*cells: str) -> bytes:
    return "".join(f"{line}\n" for line in ("ID,Answer", *(f"{at},{cell}" for at, cell in enumerate(cells)))).encode()


def form_of(count: int) -> Any:
    return TASK.editions[0].format.fit(Answers(range(count), {}))


def test_every_cell_is_text_and_an_empty_one_is_wrong_but_taken() -> None:
    cells = ["NA", "null", "", "007", "1970", '"a,b"', '"說「好」，""是"""', "《詩》", "nan", "inf"]
    wanted = ["NA", "null", "", "007", "1970", "a,b", '說「好」，"是"', "《詩》", "nan", "inf"]
    for data in (answered(*cells), b"\xef\xbb\xbf" + answered(*cells).replace(b"\n", b"\r\n")):
        columns = read(data, form_of(len(cells)))
        assert columns[TARGET].tolist() == wanted
    truth = {TARGET: np.array([*wanted[:2], "NA", *wanted[3:]])}
    assert ANSWER_MATCH.rows(truth, columns).tolist() == [cell != "" for cell in wanted]
    assert CHARACTER_F1.rows(truth, columns).tolist() == [float(cell != "") for cell in wanted]


# The course's files


def given(place: Path, paragraphs: int = 60) -> Path:
    """Files in the course's layout: three parts of a world, every tenth paragraph also in a spoken version."""
    place.mkdir(parents=True)
    language = lexicon.draw_language(fixed(11).random("language"))
    for name, count in ((TRAIN_FILE, paragraphs), (DEV_FILE, paragraphs // 3), (TEST_FILE, 5)):
        made = world.paragraphs(language, fixed(11).within(name), 3, range(count))
        if name != TEST_FILE:
            made += [(text.replace("三", "山").replace("還", "環"), asked) for text, asked in made[::10]]
            made = [(text, [q for q in asked if text[q.start :].startswith(q.answers[0])]) for text, asked in made]
        parts = world.shuffled([one for one in made if one[1]], np.random.default_rng(0))
        world.write_questions(place / name, *parts, answers=name != TEST_FILE)
    return place


def take(year: str, source: Path, public: Path, seed: int = 0) -> Made:
    public.mkdir()
    return TASK.edition(year).make(public, fixed(seed), "small", source)


def labelled(folder: Path, name: str) -> tuple[list[str], list[dict[str, Any]]]:
    data = json.loads((folder / name).read_text(encoding="utf-8"))
    return data["paragraphs"], data["questions"]


def test_a_quarter_of_the_questions_becomes_hidden_by_whole_paragraphs_with_their_spoken_versions(
    tmp_path: Path,
) -> None:
    source = given(tmp_path / "given")
    total = sum(len(labelled(source, name)[1]) for name in (TRAIN_FILE, DEV_FILE))
    made = take("2022", source, tmp_path / "public")
    assert total / 4 - 6 <= len(made.answers) <= total / 4
    sides = [labelled(tmp_path / "public", name)[0] for name in (TRAIN_FILE, DEV_FILE, TEST_FILE)]
    kept = {text.replace("三", "山").replace("還", "環") for side in sides[:2] for text in side}
    assert not kept & {text.replace("三", "山").replace("還", "環") for text in sides[2]}
    before = {q["question_text"]: q for name in (TRAIN_FILE, DEV_FILE) for q in labelled(source, name)[1]}
    for one, right in zip(labelled(tmp_path / "public", TEST_FILE)[1], made.answers.columns[TARGET], strict=True):
        assert one["answer_text"] is None
        assert right in {q["answer_text"] for q in before.values()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one.update(answer_end=5000), "expected an answer within the"),
        (lambda one: one.update(answer_start=-1), "expected an answer within the"),
        (lambda one: one.update(answer_start=one["answer_start"] - 1), "another text is there"),
        (lambda one: one.update(paragraph_id=999), "expected a paragraph_id from 0"),
        (lambda one: one.update(answer_start=True), "where it begins and ends"),
        (lambda one: one.update(answer_text=None), "where it begins and ends"),
        (lambda one: one.pop("question_text"), "expected the fields"),
        (lambda one: one.update(question_text=7), "expected a text as question_text"),
    ],
)
def test_a_question_that_does_not_fit_its_paragraph_is_named_without_its_answer(
    change: Callable[[dict[str, Any]], object], message: str, tmp_path: Path
) -> None:
    told, (answer,) = refused(change, range(7, 8), tmp_path)
    assert f"{TRAIN_FILE}, question 7" in told
    assert message in told
    assert answer not in told


def refused(change: Callable[[dict[str, Any]], object], which: range, place: Path) -> tuple[str, list[str]]:
    """What is said of the training file with some questions changed, and the answers of these."""
    source = given(place / "given")
    data = json.loads((source / TRAIN_FILE).read_text(encoding="utf-8"))
    answers = [data["questions"][at]["answer_text"] for at in which]
    for at in which:
        change(data["questions"][at])
    (source / TRAIN_FILE).write_text(json.dumps(data))
    with pytest.raises(UserError) as caught:
        take("2022", source, place / "public")
    assert caught.value.code == "E_SOURCE_CONTENT"
    assert not list((place / "public").iterdir())
    return str(caught.value), answers


def test_all_questions_that_do_not_fit_are_named_at_once(tmp_path: Path) -> None:
    told, _ = refused(lambda one: one.update(answer_end=5000), range(2, 26), tmp_path)
    assert all(f"question {at}: expected an answer within" in told for at in range(2, 22))
    assert "… and 4 more" in told


def test_all_questions_of_a_file_in_the_layout_of_squad_that_do_not_fit_are_named_at_once(tmp_path: Path) -> None:
    language = lexicon.draw_language(fixed(11).random("language"))
    paragraphs = [
        {
            "context": text,
            "qas": [
                {
                    "id": f"{place}-{at}",
                    "question": one.text,
                    "answers": [{"text": one.answers[0], "answer_start": one.start + (place == at == 0) * 5000}],
                }
                for at, one in enumerate(asked)
            ],
        }
        for place, (text, asked) in enumerate(world.paragraphs(language, fixed(11), 3, range(50)))
    ]
    paragraphs[7]["qas"][0]["answers"][0]["answer_start"] += 1  # type: ignore[index]
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "DRCD_dev.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    with pytest.raises(UserError) as caught:
        take("2021", tmp_path / "given", tmp_path / "public")
    told = str(caught.value)
    assert re.search("question 0-0: expected an answer within", told)
    assert re.search("question 7-0: expected the answer's text", told)
    assert not list((tmp_path / "public").iterdir())


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"questions": [], "paragraphs": 3}', '{"questions": [3], "paragraphs": []}']
)
def test_what_is_not_the_courses_json_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / DEV_FILE).write_text(text)
    with pytest.raises(UserError, match="expected"):
        take("2021", tmp_path / "given", tmp_path / "public")


def answers_in(source: Path) -> dict[tuple[str, str], list[str]]:
    """Every answer of a real file to each question about a paragraph."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in source.glob("DRCD_*.json"):
        for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                for one in paragraph["qas"]:
                    found[paragraph["context"], one["question"]] += [answer["text"] for answer in one["answers"]]
    for path in source.glob(DEV_FILE):
        texts, asked = labelled(source, path.name)
        for one in asked:
            found[texts[one["paragraph_id"]], one["question_text"]].append(one["answer_text"])
    return found


@needs("hw7-qa")
@pytest.mark.parametrize(
    ("year", "source", "questions", "several"), [("2021", DRCD, 7017, 300), ("2022", COURSE, 4131, 0)]
)
def test_on_real_questions_the_score_of_a_simple_rule_is_the_exact_match_that_is_counted_from_the_files(
    year: str, source: Path, questions: int, several: int, tmp_path: Path
) -> None:
    made = prepared(tmp_path, "hw07", year, "small", 1, source)
    texts, asked = labelled(made.public, TEST_FILE)
    known = answers_in(source)
    hits, cells = [], []
    for at, one in enumerate(asked):
        text, question = texts[one["paragraph_id"]], one["question_text"]
        said = tricks.kind_in_sentence(tricks.Asked(text, question, None))
        cells.append(said[:1] + "," * (at % 2) + said[1:])  # commas do not count
        hits.append(said.replace(",", "") in {right.replace(",", "") for right in known[text, question]})
    for name in (TRAIN_FILE, DEV_FILE):
        texts, asked = labelled(made.public, name)
        assert all(texts[q["paragraph_id"]][q["answer_start"] : q["answer_end"] + 1] == q["answer_text"] for q in asked)
    usage = made.secret.answers.usage
    assert usage is not None
    score = grade_here(made.secret, answered(*(f'"{cell}"' for cell in cells))).scores[0]
    public = usage == PUBLIC
    assert score.public == pytest.approx(np.mean(np.array(hits)[public]))
    assert score.private == pytest.approx(np.mean(np.array(hits)[~public]))
    assert 0.02 < np.mean(hits) < 0.2
    assert questions // 4 - 10 <= len(hits) <= questions // 4
    assert sum("\n" in cell for cell in made.secret.answers.columns[TARGET]) >= several


@needs("hw7-qa")
@pytest.mark.slow
def test_simple_trained_on_drcd_is_far_above_the_best_cheap_trick_there(tmp_path: Path) -> None:
    """A network as narrow as on the built-in data, at whose size a core has it done in minutes."""
    made = prepared(tmp_path / "home", "hw07", "2021", "small", 300, DRCD)
    path = train_level("hw07", "simple", made.public, tmp_path / "run", seed=300, device="cpu", overrides=NARROW)
    given = Given("hw07", made.public, "2021", "small", 300, tmp_path)
    trick = tricks.said(given, partial(tricks.nearest_known, given))
    ours, theirs = (grade_here(made.secret, data).scores[0] for data in (path.read_bytes(), trick))
    assert ours.private is not None
    assert theirs.private is not None
    assert ours.public > theirs.public + 0.1
    assert ours.private > theirs.private + 0.1


# The baseline


def test_windows_cover_a_paragraph_and_a_training_window_holds_its_answer() -> None:
    rng = random.Random(0)
    for length in (1, 40, 150, 151, 420):
        for level in ("simple", "strong"):
            config = baseline.LEVELS[level]
            found = baseline.begins(length, config.window, config.stride)
            assert {at for begin in found for at in range(begin, begin + config.window)} >= set(range(length))
            assert max(found) == max(0, length - config.window)
            for _ in range(20):
                start = rng.randrange(length)
                end = min(length - 1, start + rng.randrange(8))
                begin = baseline.window_of(config, length, (start, end), rng)
                assert begin <= start <= end < begin + config.window
                assert 0 <= begin <= max(0, length - config.window)


def test_places_whose_characters_are_in_the_question_are_marked() -> None:
    signs = spans.Signs.of(["abcdxyab", "abcab"])
    found = exact(signs.rows(["xabcdyab"]), signs.rows(["abcz"]))[0]
    assert found.T.tolist() == [[0, 1, 1, 1, 0, 0, 1, 1], [0, 1, 1, 1, 0, 0, 1, 1], [0, 1, 1, 1, 0, 0, 0, 0]]


def test_the_best_span_ends_after_its_start_where_a_longest_is_set() -> None:
    config = partial(baseline.Config, window=6)
    logits = torch.full((2, 6), NEVER)
    logits[0, 4], logits[0, 1] = 0.0, -1.0
    logits[1, 2], logits[1, 5] = 0.0, -2.0
    found = [(baseline.Window(0, 0, "abcdef"), logits)]
    assert baseline.best_span(config(), found) == ""
    assert baseline.best_span(config(longest=3), found) == "bc"
    better = [
        *found,
        (baseline.Window(0, 3, "xyz"), torch.cat([torch.tensor([[0.5, -9, -9]] * 2), logits[:, :3] * 0 - 9], 1)),
    ]
    assert baseline.best_span(config(longest=3), better) == "x"


def test_answers_are_written_without_ascii_commas_and_read_as_they_are() -> None:
    said = ['說"好"', "", "NA", "3600元"]
    assert read(spans.submission(range(4), said), form_of(4))[TARGET].tolist() == said
    window = baseline.Window(0, 0, "3,600元")
    logits = torch.zeros(2, 6)
    logits[1, 5] = 1.0
    assert baseline.answers(baseline.Config(window=6), [window], logits[None], 1) == ["3600元"]


def test_a_level_learns_the_answers_of_a_small_world(small: tuple[Path, Answers], tmp_path: Path) -> None:
    """A quarter of the training answers after 24 epochs of 24 paragraphs, where guessing finds one in twenty."""
    folder = tmp_path / "public"
    folder.mkdir()
    for name in (TRAIN_FILE, DEV_FILE):
        (folder / name).write_bytes((small[0] / name).read_bytes())
    (folder / "manifest.json").write_text("{}")
    (folder / TEST_FILE).write_bytes((small[0] / TRAIN_FILE).read_bytes())  # the training questions are asked again
    overrides = ["epochs=24", "dim=32", "width=32", "warmup=10", "valid=1", "pretrain=0", "ensemble=1", "dropout=0"]
    overrides += ["lr=0.004"]
    path = train_level("hw07", "boss", folder, tmp_path / "run", seed=0, device="cpu", overrides=overrides)
    asked = labelled(folder, TRAIN_FILE)[1]
    said = read(path.read_bytes(), form_of(len(asked)))
    truth = {TARGET: np.array([one["answer_text"] for one in asked])}
    assert ANSWER_MATCH.value(ANSWER_MATCH.rows(truth, said)) > 0.25


def test_a_pretrained_model_in_a_folder_is_fine_tuned(small: tuple[Path, Answers], tmp_path: Path) -> None:
    folder = saved(tmp_path / "bert")
    overrides = [*SHORT["hw07"], f"pretrained={folder}", "epochs=1", "lr=0.001"]
    said = []
    for run in ("one", "two"):
        path = train_level("hw07", "strong", small[0], tmp_path / run, seed=0, device="cpu", overrides=overrides)
        columns = read(path.read_bytes(), form_of(len(small[1])))
        said.append(columns[TARGET].tolist())
    assert said[0] == said[1]
    texts, asked = labelled(small[0], TEST_FILE)
    assert all(
        answer in texts[one["paragraph_id"]].replace(",", "") for one, answer in zip(asked, said[0], strict=True)
    )
