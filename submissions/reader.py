"""The single entry point for reading submissions, the same for `check` and `submit`: one strict reader per format."""

from __future__ import annotations

from submissions.text import load as load
from tasks.base import Columns
from tasks.formats import EpisodesFormat, Format, ImagesFormat, LinesFormat, QuizFormat, TableFormat
from tasks.tensor_formats import ArraysFormat, ModelFormat


def read(data: bytes, form: Format) -> Columns:
    """The predictions in the bytes of a file, by column name, in the order of `form.ids`.

    Raises SubmissionError with every problem found, up to `submissions.text.SHOWN`; the rest is counted.
    """
    match form:
        case TableFormat():
            from submissions.table import read_table

            return read_table(data, form)
        case LinesFormat():
            from submissions.lines import read_lines

            return read_lines(data, form)
        case ImagesFormat():
            from submissions.images import read_images

            return read_images(data, form)
        case EpisodesFormat():
            from submissions.episodes import read_episodes

            return read_episodes(data, form)
        case ArraysFormat():
            from submissions.arrays import read_arrays

            return read_arrays(data, form)
        case ModelFormat():
            from submissions.models import read_model

            return read_model(data, form)
        case QuizFormat():
            from submissions.quiz import read_quiz

            return read_quiz(data, form)
