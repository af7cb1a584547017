"""One's own points, as the gradebook has them for the staff."""

from __future__ import annotations

from datetime import datetime

from harness.course.access import Viewer, canonical_or_empty, not_found, require_login
from harness.course.boards import open_homeworks
from harness.course.gradebook import Student, Total, find_schemes, find_total, gradebook
from harness.course.types import HomeworkPoints, Points
from harness.home import Home


def points(home: Home, viewer: Viewer, hw: str | None, now: datetime) -> Points:
    """The viewer's points in one homework or in all; private ones after the reveal, those of a quiz when it opens."""
    require_login(viewer)
    if hw is not None and not viewer.at_home and not canonical_or_empty(hw):
        raise not_found(f"there is no homework {hw[:60]!r} in this course")
    schemes = find_schemes(home, hw)
    rule = Total() if hw is not None else find_total(home, schemes)
    with home.database() as database:
        shown, _ = open_homeworks(home, database, schemes, now)
        (line,) = gradebook(home, database, schemes, shown, only=[Student(viewer.key, viewer.key)])
    counts = rule.counts(line.points)
    rows = [
        HomeworkPoints(
            homework=name,
            public=dict(score.public),
            private=None
            if score.private is None
            else {bar: n for bar, n in score.private.items() if schemes[name].bars[bar][1]},
            parts=dict(score.parts),
            submissions=list(score.submissions),
            total=score.total,
            maximum=schemes[name].maximum,
            counts=name in counts,
        )
        for name, score in line.scores.items()
    ]
    most = rule.of({name: scheme.maximum for name, scheme in schemes.items()})
    return Points(rows, rule.of(line.points), most, rule.words)
