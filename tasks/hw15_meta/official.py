"""The course's own characters of HW15, of Omniglot, and hidden tasks drawn from alphabets that are taken out.

The labels of the course's 640 tasks were never published, so these are left out. A fifth of the alphabets, and at least
two, become the hidden ones; of their characters new tasks are drawn, of which each picture is in one at most: some 380
from the course's thirty alphabets. Files that Omniglot's own archives hold in the same layout are taken as well, made
28 pixels wide. Where alphabets are there in several turns, as in 2021, the unturned ones are kept.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from tasks.base import Made
from tasks.hw15_meta import HANDS, QUERIES, SIDE, TASKS, WAYS, picture_name, task_name
from tasks.hw15_meta.world import Pictures, Random, finished, save
from tasks.pictures import given
from tasks.sources import Source, opened, refused
from tasks.streams import Streams

WANTED = r".*character[0-9]+/[^/]+\.png"
PATTERN = re.compile(
    r"(?:^|/)images_background[^/]*/(?P<alphabet>[^/]+?)(?:\.(?P<turn>[0-9]+))?/character(?P<character>[0-9]+)"
    r"/[^/]*?(?P<hand>[0-9]+)\.png$",
    re.IGNORECASE,
)
FEWEST_ALPHABETS, FEWEST_TASKS = 3, 20
Characters = dict[str, dict[int, dict[int, str]]]
"""The path of each picture by alphabet, character and hand."""


def find_characters(source: Source) -> Characters:
    """The unturned characters below `images_background`, wherever it is. Raises UserError for what is incomplete."""
    found: Characters = {}
    root = source.place.resolve().name
    for path in source.paths:
        match = PATTERN.search(f"{root}/{path}")
        if match is None or int(match["turn"] or 0):
            continue
        hands = found.setdefault(match["alphabet"], {}).setdefault(int(match["character"]), {})
        if int(match["hand"]) in hands:
            raise refused(
                f"{source.name}: expected one picture of hand {int(match['hand'])} of character"
                f" {match['character']} of {match['alphabet']}; found {hands[int(match['hand'])]} and {path}.",
                "E_SOURCE_TWICE",
            )
        hands[int(match["hand"])] = path
    if not found:
        raise source.missing("the folder images_background/ALPHABET/character01 with its pictures")
    if len(found) < FEWEST_ALPHABETS:
        raise refused(f"{source.name}: expected at least {FEWEST_ALPHABETS} alphabets; found {', '.join(found)}.")
    few = [
        f"{alphabet}/character{character:02d} ({len(hands)})"
        for alphabet, characters in found.items()
        for character, hands in characters.items()
        if len(hands) != HANDS
    ]
    if few:
        raise refused(
            f"{source.name}: expected {HANDS} pictures of each character; found another number in {len(few):,}:"
            f" {', '.join(few[:5])}{', …' if few[5:] else ''}. Download the files again."
        )
    return found


def read_picture(source: Source, path: str) -> Pictures:
    """A picture in grey, (28, 28)."""
    picture, _ = given(source, path, ("PNG",))
    return np.asarray(picture.convert("L").resize((SIDE, SIDE)), dtype=np.uint8)


def draw_tasks(counts: list[int], rng: Random, most: int = TASKS) -> list[tuple[list[int], list[int]]]:
    """Tasks of characters that have so many pictures: their five characters, and the class of each query.

    Queries are drawn with replacement. No picture is needed twice, and characters with many left are drawn more often.
    """
    left = np.array(counts)
    tasks: list[tuple[list[int], list[int]]] = []
    while len(tasks) < most and np.count_nonzero(left > QUERIES) >= WAYS:
        weights = np.where(left > QUERIES, left, 0)
        chosen = rng.choice(len(left), WAYS, replace=False, p=weights / weights.sum())
        asked = rng.integers(0, WAYS, QUERIES)
        left[chosen] -= 1 + np.bincount(asked, minlength=WAYS)
        tasks.append((chosen.tolist(), asked.tolist()))
    return tasks


def make(public: Path, streams: Streams, size: str, source: Path | None, secret: Path | None = None) -> Made:
    """Write the characters that students get and the hidden tasks into `public`."""
    with opened(source, WANTED) as every:
        files = every.unpacked()
        found = find_characters(files)
        alphabets = sorted(found)
        order = streams.generator("hidden alphabets").permutation(len(alphabets)).tolist()
        hidden = {alphabets[at] for at in order[: max(2, len(alphabets) // 5)]}
        shapes = [list(hands.values()) for name in sorted(hidden) for _, hands in sorted(found[name].items())]
        tasks = draw_tasks([len(paths) for paths in shapes], streams.generator("tasks"))
        if len(tasks) < FEWEST_TASKS:
            raise refused(
                f"{files.name}: expected characters enough for {FEWEST_TASKS} hidden tasks; the alphabets"
                f" that are taken out give {len(tasks)}."
            )
        rng = streams.generator("pictures")
        stacks = [[paths[at] for at in rng.permutation(len(paths))] for paths in shapes]
        read = {
            path: read_picture(files, path)
            for name in found
            for hands in found[name].values()
            for path in hands.values()
        }
    queries: list[Pictures] = []
    for number, (chosen, asked) in enumerate(tasks):
        for part, classes in (("support", range(WAYS)), ("query", asked)):
            pictures = [read[stacks[chosen[label]].pop()] for label in classes]
            for place, picture in enumerate(pictures):
                save(public, task_name(number, part, place), picture)
            queries += pictures if part == "query" else []
    known: list[Pictures] = []
    names: list[str] = []
    first = 1
    for name in sorted(set(found) - hidden):
        for character, hands in sorted(found[name].items()):
            for hand, path in sorted(hands.items()):
                known.append(read[path])
                names.append(name)
                save(public, picture_name(name, character, first, hand), read[path])
            first += 1
    return finished(np.array(known), np.array(names), np.array(queries), [label for _, a in tasks for label in a])
