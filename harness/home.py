"""The home folder: everything that belongs to a course, its settings and its secret key.

config.toml          course name, zone, database, and the first rules, which override an edition's
public/course.json   course name and the key that verifies receipts
public/hw01/         exactly what students get
public/hw01.png      a picture of it
secret/key           256 random bits; everything hidden is derived from it
secret/hw01/1/       answers and provenance of data version 1
keys/                the keys for receipts and sessions, for the web processes
submissions/         submitted files, by SHA-256
runs/                trained baselines
leaderboard.db       SQLite, unless config.toml names another database
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from tasks import locks
from tasks.errors import UserError
from tasks.streams import derive

if TYPE_CHECKING:
    from datetime import datetime

    from leaderboard.competitions import Changed
    from leaderboard.database import Database
    from tasks.base import Rules

CONFIG = """\
# Settings of this course. Every line is optional.

# course = "Machine Learning"       # the name on boards and receipts
# zone = "Asia/Taipei"              # time zone for times shown; without a class: this machine's
# database = "postgresql://user:password@host/lhy_grade"   # default: leaderboard.db in this folder
# anonymous = true                  # boards show other people without their names
# name = "ada"                      # who submits when --as is not given

# [hw01]                            # rules of one homework, which override its edition's until the first change with
                                    # `lhy-grade rules`: from then on they are in the database, and changed only there
# quota = 5                         # submissions per day
# quota_zone = "UTC"                # the time zone whose midnight starts a new day
# deadline = "2027-03-26T23:59:59+08:00"
# deadline_zone = "Asia/Taipei"     # the time zone for showing the deadline
# selections = 2                    # how many submissions can count on the private board
# scheme = "2022"                   # the year whose points the gradebook uses; default: the edition's own
# points = { boss = [0.5, 0.5] }    # public and private points of a bar; overrides the scheme
# parts = { code = 2, report = 4 }  # parts entered by hand and their maximum points; overrides the scheme

# [total]                           # the course total of the gradebook
# best = 10                         # only the ten homeworks with the most points count; default: all of them
# among = ["hw01", "hw02"]          # of these homeworks; the others always count. Default: of all

# [server]                          # for `lhy-grade serve`
# host = "127.0.0.1"                # address to listen on; put a proxy with TLS in front
# port = 8600
# url = "https://grader.example.edu"  # the address people use
# certificate = "/etc/ssl/grader.pem" # TLS without a proxy, together with `key`
# key = "/etc/ssl/grader.key"
# seconds = 120                     # how long grading one submission may take
# memory_gb = 4                     # and how much address space it may add
# uploads_per_minute = 12           # per token, in each web process
# requests_per_minute = 300
# trusted_proxies = "127.0.0.1"     # proxies whose X-Forwarded-For is trusted; default: none
"""

COURSE_ZONE = "Asia/Taipei"
"""The time zone of a course without one in config.toml."""

WEB_KEYS = ("receipts", "sessions")
"""What a web process has keys for, which follow from the secret key."""

FOR_POINTS = ("scheme", "points", "parts")
"""The keys of a homework's section in config.toml for the gradebook (see `harness.course.gradebook`)."""

TOTAL = ("best", "among")
"""The keys of the section [total] in config.toml, for the course total of the gradebook."""

ATTACHMENT = ("attachment", "attachment_mb", "attachment_deadline")
"""The rules of a second file, which touch no score and can be changed after the reveal."""

MOST_MB = 500
"""The largest second file that a rule can allow, in megabytes."""

CHANGEABLE = (
    "quota",
    "quota_zone",
    "deadline",
    "deadline_zone",
    "selections",
    "unselected",
    "unselected_count",
    "rejections",
    *ATTACHMENT,
)
"""The rules that can be changed while a competition runs. From the first change on, they are in the database."""

TEXTS = ("course", "zone", "database", "name")
TAKEN = (*TEXTS, "anonymous", "total", "server")
"""The keys and sections of config.toml that no competition can be called: its rules would be in the same place."""


def check_free(name: str) -> None:
    """Raises UserError for the name of a new competition that config.toml uses for something else."""
    if name in TAKEN:
        raise UserError(
            f"a competition cannot be called {name}: config.toml has its own {name!r}, where the rules of the"
            " competition would be. Choose another name."
        )


@dataclass(frozen=True)
class Home:
    """Paths and settings of one home folder. Nothing is created until something is written.

    `connect` replaces opening a new database connection each time; the server's threads keep theirs open. `served`
    means that a web process uses this home for a class: such a home never opens `secret/`.
    """

    root: Path
    settings: dict[str, Any]
    connect: Callable[[str], Database] | None = None
    seen: dict[str, Changed] | None = None
    served: bool = False

    @property
    def course(self) -> str:
        return str(self.settings.get("course", "Machine Learning"))

    @cached_property
    def zone(self) -> str:
        """The time zone for times shown: from config.toml, else Taipei's for a class, else this machine's.

        A home has a class if it is served or has a roster.
        """
        given = self.settings.get("zone")
        if given is not None:
            return str(given)
        return COURSE_ZONE if self.served or self._has_roster() else machine_zone()

    def _has_roster(self) -> bool:
        from leaderboard.roster import is_empty

        if not self.has_database():
            return False
        with self.database() as database:
            return not is_empty(database)

    def has_database(self) -> bool:
        return "database" in self.settings or (self.root / "leaderboard.db").exists()

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def submissions(self) -> Path:
        return self.root / "submissions"

    def public(self, name: str) -> Path:
        return self.root / "public" / name

    def secret(self, name: str, version: int) -> Path:
        return self._hidden(name, str(version))

    def _hidden(self, *parts: str) -> Path:
        """A path under `secret/`. Raises UserError in a web process."""
        path = self.root.joinpath("secret", *parts)
        if self.served:
            raise UserError(
                f"{path} is not for a web process; start the server anew, which writes what that needs into the"
                " database and into keys/.",
                code="E_NO_ANSWERS",
            )
        return path

    def rules(self, name: str, rules: Rules, opened: Database | None = None) -> Rules:
        """The edition's rules, overridden by those of the database, or before their first change by config.toml's.

        Raises UserError for an unknown rule or a value of the wrong type.
        """
        return self.in_force(name, rules, self.changed(name, opened))

    def in_force(self, name: str, rules: Rules, changed: Changed) -> Rules:
        """The same, with what the database has."""
        own = self.first_rules(name)
        if changed.rules is not None:
            own = {key: value for key, value in own.items() if key not in CHANGEABLE} | changed.rules
        return override(rules, own, f"config.toml: [{name}]")

    def changed(self, name: str, opened: Database | None = None) -> Changed:
        """The rules and bars of a competition that the database has in place of its first ones."""
        from leaderboard import competitions

        found = competitions.Changed()
        if opened is None and self.seen is not None and name in self.seen:
            return self.seen[name]
        if opened is not None or self.has_database():
            with self.database() if opened is None else contextlib.nullcontext(opened) as database:
                found = competitions.changed(database, name)
        if self.seen is not None:
            self.seen[name] = found
        return found

    def first_rules(self, name: str) -> dict[str, Any]:
        """The rules of a homework in config.toml."""
        return {key: value for key, value in self.settings.get(name, {}).items() if key not in FOR_POINTS}

    def key(self, *, create: bool = False) -> bytes:
        """The 256-bit secret key. Raises UserError if it is missing, unless `create` is set."""
        path = self._hidden("key")
        if create and not path.exists():
            with making(path.parent):
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                path.parent.chmod(0o700)
                new = path.with_name(f".key.{os.getpid()}")
                write_file(new, os.urandom(32), mode=0o600)
                with contextlib.suppress(FileExistsError):
                    os.link(new, path)  # the first process to link makes the key; it is never replaced
                new.unlink()
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            if (self.root / "public" / "course.json").exists():
                raise UserError(
                    f"{path} is not in this home, so files can be checked but not scored; restore it from a backup,"
                    " or score them in the home of the course.",
                    code="E_NO_ANSWERS",
                ) from None
            raise UserError(
                f"There is no course in {self.root} yet; prepare a homework first: lhy-grade prepare hw1"
            ) from None
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror}), but grading needs it.") from None
        if len(key) != 32:
            raise UserError(f"{path} must have 32 bytes, got {len(key)}; restore it from a backup.", exit_code=10)
        return key

    def derived(self, purpose: str) -> bytes:
        """The key for one of `WEB_KEYS`; a web process has it from `keys/`. Raises UserError where it is not there."""
        if not self.served:
            return derive(self.key(), purpose)
        path = self.root / "keys" / purpose
        try:
            key = path.read_bytes()
        except OSError as error:
            raise _no_web_key(f"{path} cannot be read ({error.strerror})") from None
        if len(key) != 32:
            raise _no_web_key(f"{path} must hold 32 bytes, got {len(key)}")
        return key

    def database(self) -> Database:
        """A connection to the leaderboard, which is created if missing."""
        from leaderboard.database import open_database

        if self.settings.get("database") is None:
            with making(self.root):
                self.root.mkdir(parents=True, exist_ok=True)
        return (self.connect or open_database)(self.database_url)

    @property
    def database_url(self) -> str:
        given = self.settings.get("database")
        return f"sqlite:///{self.root / 'leaderboard.db'}" if given is None else str(given)

    def holding(self, database: Database) -> Home:
        """The same home with an open connection, which each `database()` gives again until it is closed.

        It asks for the rules of a competition once; an acceptance sees by itself whether they are still those.
        """
        return replace(self, connect=lambda url: database, seen={})


def override(rules: Rules, own: Mapping[str, Any], where: str) -> Rules:
    """The edition's rules, some of them overridden.

    Raises UserError, with the place, for an unknown rule or a value of the wrong type.
    """
    known = {field.name: getattr(rules, field.name) for field in fields(rules)}
    for key, value in own.items():
        if key not in known:
            names = ", ".join((*known, *FOR_POINTS))
            raise UserError(f"{where} has an unknown rule {key!r}; the rules are: {names}.")
        texts = ("deadline", "attachment_deadline", "quota_zone", "deadline_zone", "unselected")
        wanted = str if key in texts else type(known[key])
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            raise UserError(f"{where} {key} must be a {wanted.__name__}, got {value!r}.")
        if isinstance(value, int) and value < (0 if key != "selections" else 1):
            raise UserError(f"{where} {key} must not be {value}.")
    changed = replace(rules, **own)
    for field in ("quota_zone", "deadline_zone"):
        zone_of(getattr(changed, field), f"{where} {field}")
    if changed.unselected not in ("best_public", "first", "last", "all"):
        raise UserError(f"{where} unselected must be best_public, first, last or all.")
    for field in ("deadline", "attachment_deadline"):
        if getattr(changed, field) is not None:
            instant(getattr(changed, field), f"{where} {field}")
    if not set(changed.attachment_kinds) <= {"pdf", "zip"}:
        raise UserError(f"{where} attachment must be pdf, zip or pdf,zip, got {changed.attachment!r}.")
    if not 1 <= changed.attachment_mb <= MOST_MB:
        raise UserError(f"{where} attachment_mb must be 1 to {MOST_MB}, got {changed.attachment_mb}.")
    return changed


def open_home(root: Path) -> Home:
    """The home at `root` with the settings of its config.toml. Raises UserError if that cannot be read."""
    import tomllib

    path = root / "config.toml"
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        settings = {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    for key in TEXTS:
        if key in settings and not isinstance(settings[key], str):
            raise UserError(f"{path}: {key} must be text in quotes, got {settings[key]!r}.")
    if "zone" in settings:
        zone_of(settings["zone"], f"{path}: zone")
    return Home(root.absolute(), settings)


def keep_keys(home: Home, key: bytes) -> None:
    """Writes what a web process needs of the secret key, where it is not there yet.

    Raises UserError E_KEY where something is there that does not follow from the key.
    """
    folder = home.root / "keys"
    with making(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        for purpose in WEB_KEYS:
            if not (folder / purpose).exists():
                new = folder / f".{purpose}.{os.getpid()}"
                write_file(new, derive(key, purpose), mode=0o600)
                new.replace(folder / purpose)
                sync_folder(folder)
    if wrong := wrong_keys(home, key):
        raise UserError(
            f"{wrong[0]} does not follow from {home.root / 'secret' / 'key'}: one of them was replaced or damaged."
            f" Restore both from the same backup; where the secret key is right, remove {folder}, which this command"
            " writes anew.",
            code="E_KEY",
            exit_code=10,
        )


def wrong_keys(home: Home, key: bytes) -> list[Path]:
    """What lies in `keys/` and does not follow from the secret key."""
    there = [path for purpose in WEB_KEYS if (path := home.root / "keys" / purpose).exists()]
    return [path for path in there if path.read_bytes() != derive(key, path.name)]


def _no_web_key(what: str) -> UserError:
    return UserError(f"{what}; start the server anew, which writes it where it is missing.", code="E_KEY", exit_code=10)


def machine_zone() -> str:
    """The IANA name of this machine's time zone, or UTC if it has none."""
    import tzlocal

    try:
        name = tzlocal.get_localzone_name()
        zone_of(name or "UTC", "zone")
    except (UserError, ValueError, OSError, LookupError):
        return "UTC"
    return name or "UTC"


def zone_of(name: str, where: str) -> Any:
    """The time zone with that IANA name. Raises UserError for an unknown one."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise UserError(f"{where} must be a time zone like Asia/Taipei or UTC, got {name!r}.") from None


def instant(text: str, where: str) -> Any:
    """The aware datetime of an RFC 3339 text. Raises UserError if it is not valid or has no offset."""
    from datetime import date, datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
        if re.match(r"\d{4}-\d\d-\d\d", text):
            try:
                date.fromisoformat(text[:10])
            except ValueError as error:
                raise UserError(f"{where}: {text[:10]} is not in the calendar: {error}.") from None
    if moment is None or moment.tzinfo is None or not re.match(r"[\dW-]+[Tt ]\d\d:?\d\d", text):
        raise UserError(f"{where} must be a time with a UTC offset, like 2027-03-26T23:59:59+08:00, got {text!r}.")
    return moment


@overload
def local(home: Home, moment: datetime) -> str: ...
@overload
def local(home: Home, moment: datetime | None) -> str | None: ...
def local(home: Home, moment: datetime | None) -> str | None:
    """An instant as RFC 3339 in the course's time zone, to the second."""
    if moment is None:
        return None
    return moment.astimezone(zone_of(home.zone, "zone")).isoformat(timespec="seconds")


@contextlib.contextmanager
def making(path: Path) -> Iterator[None]:
    """Turns a full disk or a missing permission into a UserError that names the folder."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write to {path}: {error.strerror or error}. Nothing was changed; free some space or choose another"
            " folder with --home.",
            code="E_DISK",
            exit_code=10,
        ) from error


def write_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Writes a new file and syncs it to the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def keep_file(path: Path, mode: int) -> None:
    """Gives a written file its mode and syncs it to the disk."""
    path.chmod(mode)
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def write_json(path: Path, values: Any, mode: int = 0o644) -> None:
    """Writes plain values as readable JSON; NaN and infinity are refused."""
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
    write_file(path, text.encode() + b"\n", mode)


def sync_folder(folder: Path) -> None:
    """Makes renames in a folder survive a power cut, where the system supports it."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Lets one process at a time change the prepared data of a home; others wait."""
    with contextlib.ExitStack() as stack:
        with making(root):
            root.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locks.locked(root / ".lock"))
        yield
