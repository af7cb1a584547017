"""The leak checks at the end of `prepare`: ways to read hidden answers without solving the task.

Each check is a function that returns the leaks it finds. A statistical check reports a leak where a result at least
that strong has a probability below `LIMIT` if nothing leaks, by a formula and without random numbers. The messages
are for the instructor: they name files, columns, ids and counts, never an answer.

Not checked: pixels and sound, tables in archives, answers that are encrypted or changed by more than a linear map,
and rows of features that `Made` does not hold.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tasks.base import Made
from tasks.leaks.archives import answers_in_archives
from tasks.leaks.cells import (
    answers_in_features,
    answers_in_ids,
    answers_in_order,
    answers_in_other_rows,
    constant_answers,
)
from tasks.leaks.chance import Leak
from tasks.leaks.files import (
    answers_in_file_facts,
    answers_in_files,
    answers_of_repeated_ids,
    inputs_in_files,
)
from tasks.leaks.rows import equal_rows, near_rows, shared_groups, split_groups

CODES: dict[str, str] = {
    "E_LEAK_CONSTANT": "An answer column has only one value. Check that it is the right column.",
    "E_LEAK_EQUAL_ROWS": "Test rows equal training rows. Remove duplicates before the split.",
    "E_LEAK_NEAR_ROWS": "Test rows are near-copies of training rows. Keep all copies on the same side.",
    "E_LEAK_ORDER": "The answers correlate with the order of the rows. Shuffle the rows.",
    "E_LEAK_ID": "The answers can be read from the ids. Renumber the rows.",
    "E_LEAK_FEATURE": "A feature gives the answers away. Remove it.",
    "E_LEAK_OTHER_ROW": "The answers of some rows are features of other rows. Remove those columns, or split by group.",
    "E_LEAK_FILE": "A file that students get contains the answers. Remove it.",
    "E_LEAK_FILE_NAME": "The answers can be read from file or folder names. Rename the files.",
    "E_LEAK_FILE_SIZE": "The answers correlate with the sizes of files. Write all files in the same way.",
    "E_LEAK_FILE_TIME": "The answers correlate with the times of files. Give all files the same time.",
    "E_LEAK_ARCHIVE_ORDER": (
        "The answers correlate with the order of the files in an archive. Write it again, sorted by names that tell "
        "nothing, all files with one time: tar --sort=name --mtime=@0 --owner=0 --group=0 -czf x.tgz FOLDER"
    ),
    "E_LEAK_PICTURE": (
        "The answers can be read from texts, EXIF or other data beside the pixels of pictures. Save the pictures again "
        "from their pixels alone."
    ),
    "E_LEAK_SHARED_GROUP": "A group has rows in training and in the test. Split by group.",
    "E_LEAK_SPLIT_GROUP": "A group has public and private rows. Give all rows of a group the same Usage.",
}
"""The codes of leaks, which `prepare` and `new` print: what each means and what to do."""


def find_leaks(public: Path, made: Made) -> list[Leak]:
    """All leaks of a prepared competition: `public` is the folder that students get, `made` the hidden side.

    Answers of more than one number per row, such as the features of an image, are not checked.
    """
    plain = {name: values for name, values in made.answers.columns.items() if values.ndim == 1}
    answers = replace(made.answers, columns=plain)
    leaks = [
        *constant_answers(answers),
        *answers_in_order(answers),
        *answers_in_ids(answers),
        *answers_in_file_facts(public, answers),
        *answers_in_files(public, answers),
        *answers_of_repeated_ids(public, answers),
        *answers_in_archives(public, answers),
        *split_groups(answers),
        *shared_groups(made.train_groups, answers),
    ]
    if made.inputs is not None:
        leaks += inputs_in_files(public, made.inputs)
    if made.test is not None:
        leaks += answers_in_features(made.test, answers)
        leaks += answers_in_other_rows(made.test, answers, own_rows=True)
    if made.train is not None:
        leaks += answers_in_other_rows(made.train, answers, own_rows=False)
    if made.train is not None and made.test is not None:
        equal = equal_rows(made.train, made.test)
        leaks += equal or near_rows(made.train, made.test)
    return leaks
