"""What a class has handed in, for staff: what waits, who has not handed in, how scores are spread, and all files."""

from __future__ import annotations

import io
import itertools
import math
import re
import statistics
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.course import record
from harness.course.access import Viewer, cut_of, find, require_staff
from harness.course.desk import Bin, Histogram, Missing, MissingRow, Queue, QueueRow
from harness.course.download import save_new
from harness.course.entered import competition_for_staff
from harness.course.gradebook import students
from harness.home import Home, local
from harness.sheets import write_rows
from harness.versions import all_versions, read_versions
from leaderboard import queue, ranking, records, roster
from submissions.store import fetch, has
from tasks.errors import UserError

RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10))}
"""Names that Windows gives to devices, with any ending."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first time that an archive can have."""

BINS = 10
"""Bins of a histogram, about."""


def missing(home: Home, viewer: Viewer, hw: str) -> Missing:
    """The students on the roster without a file that counts, by id."""
    competition = competition_for_staff(home, viewer, hw, "see who has not handed in")
    with home.database() as database:
        enrolled = [one for one in students(database) if not one.disabled]
        acts = roster.participants_of(database, competition.key)
        handed = records.handed_in(database, competition.key)
    rows = []
    for one in enrolled:
        done = handed.get(acts.get(one.key, one.key), records.Handed(0, 0, 0))
        if not done.counted:
            files = "practice" if done.practice else "refused" if done.refused else "none"
            rows.append(MissingRow(one.key, one.name, one.email, one.team, files))  # type: ignore[arg-type]
    return Missing(competition.name, len(enrolled), rows)


def waiting(home: Home, viewer: Viewer, now: datetime) -> Queue:
    """What waits for its grade and what is being graded, of all homeworks."""
    require_staff(viewer, "see the queue")
    with home.database() as database:
        versions = all_versions(home, database)
        found = queue.unfinished(database, versions, now, record.settled(home, database, versions))
        names = roster.display_names(database)
    rows = []
    for one in found:
        homework, _, version = one.competition.partition("/")
        name, arrived = names.get(one.participant, one.participant), local(home, one.arrived)
        told = (one.state, one.position, arrived, one.failed, one.lost)
        rows.append(QueueRow(one.submission, homework, int(version), one.participant, name, *told))
    return Queue(rows)


def histogram(home: Home, viewer: Viewer, hw: str) -> Histogram:
    """How the scores of the public board are spread."""
    competition = competition_for_staff(home, viewer, hw, "see how scores are spread")
    metric = competition.ranking
    scores: list[float] = []
    if not competition.quiz:
        versions = read_versions(home, competition)
        with home.database() as database:
            rows = ranking.board(database, competition.key, *versions, metric.higher_is_better)
        scores = [row.score for row in rows if row.kind == "person" and row.score is not None]
    middle = cut_of(competition).score(statistics.median(scores)) if scores else None
    bins = bins_of(scores, metric.higher_is_better)
    label, better = metric.label, metric.higher_is_better
    return Histogram(competition.name, label, better, metric.digits, len(scores), middle, bins)


def bins_of(scores: Sequence[float], higher: bool) -> list[Bin]:
    """Bins with round limits, the worst scores first; one open bin has those far off.

    >>> [(one.low, one.participants) for one in bins_of([0.31, 0.35, 0.42, *[0.36] * 20, 9.0], False)][:3]
    [(0.365, 2), (0.36, 20), (0.355, 0)]
    """
    if not scores:
        return []
    ordered = sorted(scores, reverse=higher)
    reach = 1.5 * abs(ordered[int(0.9 * len(ordered))] - ordered[0]) or math.inf
    near = [score for score in ordered if abs(score - ordered[0]) <= reach]
    width = abs(near[-1] - near[0]) or abs(near[0]) or 1.0
    power = math.floor(math.log10(width / BINS))
    step = next(n * 10.0**power for n in (1, 2, 5, 10) if n * 10.0**power >= width / BINS)
    first = math.floor(min(near) / step)
    limits = [round(first * step, max(0, -power))]
    while limits[-1] <= max(near):
        first += 1
        limits.append(round(first * step, max(0, -power)))
    edges: list[tuple[float | None, float | None]] = [
        (None, limits[0]),
        *itertools.pairwise(limits),
        (limits[-1], None),
    ]
    counted = [
        Bin(low, high, sum((low is None or low <= score) and (high is None or score < high) for score in ordered))
        for low, high in edges
    ]
    shown = [one for one in counted if one.participants or None not in (one.low, one.high)]
    return shown if higher else shown[::-1]


@dataclass(frozen=True)
class ArchiveMember:
    """A file of an archive: its name there, the hash of its bytes, and when it arrived."""

    name: str
    sha256: str
    size: int
    at: datetime


@dataclass(frozen=True)
class Uploads:
    """The files of a homework, and the table of them all that the archive ends with."""

    name: str
    members: list[ArchiveMember]
    index: bytes


def uploads(home: Home, viewer: Viewer, hw: str, counting: bool, version: int | None = None) -> Uploads:
    """All files of a homework whose bytes are kept, or those alone that count now; names are safe in every system.

    `version` selects the files for an older data version.
    """
    competition = competition_for_staff(home, viewer, hw, "download the files of others")
    if version is not None:
        competition = find(home, viewer, hw, version)
    rules = competition.rules
    with home.database() as database:
        entries = [one for one in records.submissions(database, competition.key) if one.kind == "person"]
        names = roster.display_names(database)
        counts = ranking.what_counts(
            database, competition.key, *read_versions(home, competition, database), selections=rules.selections,
            unselected=rules.unselected, unselected_count=rules.unselected_most,
        )  # fmt: skip
    chosen = {number for one in counts.values() for number in one.submissions}
    members: list[ArchiveMember] = []
    rows: list[list[str | float | None]] = []
    for one in entries:
        if counting and one.id not in chosen:
            continue
        name = f"{competition.name}/{safe(one.participant)}/{one.id}-{safe(one.filename)}"
        kept = has(home.submissions, one.sha256)
        if kept:
            members.append(ArchiveMember(name, one.sha256, one.size, one.accepted_at))
        rows.append(
            [
                one.id,
                one.participant,
                names.get(one.participant, one.participant),
                name if kept else "",
                one.filename,
                one.size,
                one.sha256,
                local(home, one.accepted_at),
                one.rejected or "",
                "practice" if one.practice else "",
                "counts" if one.id in chosen else "",
                one.message,
            ]
        )
    header = [
        "submission",
        "participant",
        "name",
        "path",
        "file",
        "bytes",
        "sha256",
        "arrived",
        "refused",
        "late",
        "counts",
        "note",
    ]
    return Uploads(competition.name, members, write_rows(header, rows).encode())


def safe(name: str) -> str:
    """A name that is a file's name in every system: letters, digits, dots and dashes, not at its beginning.

    It has at most 120 bytes, and its ending where that is short.

    >>> safe("../a b.csv"), safe("Nacht eulen"), safe("…"), safe("con.csv")
    ('a_b.csv', 'Nacht_eulen', '_', '_con.csv')
    """
    plain = re.sub(r"[^\w.-]+|\.{2,}", "_", name)
    ending = found[0] if (found := re.search(r"\.[A-Za-z0-9]{1,12}$", plain)) else ""
    stem = plain.removesuffix(ending)
    made = f"{stem.encode()[: 120 - len(ending)].decode(errors='ignore')}{ending}".strip("._-") or "_"
    return f"_{made}" if made.partition(".")[0].upper() in RESERVED else made


class _Pipe(io.RawIOBase):
    """What was written and not taken yet; it cannot seek."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.data += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self.data)
        self.data.clear()
        return taken


def archive(home: Home, found: Uploads) -> Iterator[bytes]:
    """The archive, file by file; bytes that were removed since are left out, and damaged ones are named in a text."""
    pipe = _Pipe()

    def named(name: str, at: datetime | None) -> zipfile.ZipInfo:
        made = zipfile.ZipInfo(name, max(at.timetuple()[:6], EPOCH) if at is not None else EPOCH)
        made.compress_type = zipfile.ZIP_DEFLATED
        return made

    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        damaged = []
        for member in found.members:
            if has(home.submissions, member.sha256):
                try:
                    data = fetch(home.submissions, member.sha256)
                except UserError:
                    damaged.append(f"{member.name}\n")
                    continue
                made.writestr(named(member.name, member.at), data)
                yield pipe.take()
        newest = max((member.at for member in found.members), default=None)
        if damaged:
            told = "Left out, since their bytes in the store are damaged; restore them from a backup:\n"
            made.writestr(named(f"{found.name}/damaged.txt", newest), told + "".join(damaged))
        made.writestr(named(f"{found.name}/index.csv", newest), found.index)
    yield pipe.take()


def save_archive(home: Home, viewer: Viewer, hw: str, path: Path, counting: bool, version: int | None = None) -> int:
    """Writes the archive to a new file, and returns how many files are in it."""
    found = uploads(home, viewer, hw, counting, version)
    save_new(path, archive(home, found))
    return len(found.members)
