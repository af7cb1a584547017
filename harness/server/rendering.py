"""Pages from templates, with numbers, sizes and Markdown as people read them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from harness.course import access, catalogue
from harness.course.access import Viewer
from harness.home import Home
from harness.words import inert, interval, number, short_time

HERE = Path(__file__).parent
STATIC = {"style.css": "text/css", "app.js": "text/javascript", "icon.svg": "image/svg+xml"}


Values = dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """Who requests a page, and when."""

    home: Home
    viewer: Viewer
    path: str
    now: datetime


@dataclass(frozen=True)
class Page:
    """A template with its values."""

    template: str
    values: Values
    status: int = 200


def render(home: Home, ask: Ask | None, page: Page) -> str:
    """The page as HTML; without `ask` it shows no name, as on some error pages."""
    me = catalogue.me(home, ask.viewer) if ask is not None and ask.viewer.role != "nobody" else None
    common = {
        "course": home.course,
        "zone": home.zone,
        "me": me,
        "viewer": ask.viewer if ask is not None else access.NOBODY,
        "path": ask.path if ask is not None else "",
        "now": ask.now if ask is not None else None,
        "may_write": me is not None and me.scope != "read",
    }
    return environment().get_template(page.template).render(common | page.values)


@lru_cache(1)
def environment() -> Environment:
    """The template environment: it escapes every value and makes control characters visible."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=shown,
    )
    made.filters |= {
        "typed": typed,
        "score": score_text,
        "interval": _interval,
        "time": short_time,
        "left": left,
        "bytes": size,
    }
    hashes = {name: hashlib.sha256((HERE / "static" / name).read_bytes()).hexdigest()[:12] for name in STATIC}
    made.globals["static"] = {name: f"/static/{name}?v={value}" for name, value in hashes.items()}
    return made


def shown(value: Any) -> Any:
    """The output for a value in a template: nothing for None, and text with its control characters escaped.

    >>> shown("a\\u202eb"), shown(None), shown(3)
    ('a\\\\u202eb', '', 3)
    """
    if value is None:
        return ""
    return inert(value) if type(value) is str and not value.isprintable() else value


def typed(value: Any) -> Any:
    """The value of a field as somebody typed it: what comes back with the form must be the same."""
    return escape(value)


def score_text(value: float, digits: int) -> str:
    return number(digits)(value)


def _interval(ends: Sequence[float], digits: int) -> str:
    return interval(digits)(ends)


def left(closes: str, now: datetime) -> str:
    """The time left until a deadline, in words.

    >>> left("2027-03-26T23:59:59+08:00", datetime.fromisoformat("2027-03-24T20:00:00+08:00"))
    'in 2 days 3 h'
    """
    rest = datetime.fromisoformat(closes) - now
    if rest < timedelta(0):
        return "over"
    minutes = int(rest.total_seconds()) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    if days >= 14:
        return f"in {days} days"
    if days:
        return f"in {days} day{'s' if days > 1 else ''}" + (f" {hours} h" if hours else "")
    return f"in {hours} h {minutes % 60} min" if hours else f"in {minutes % 60} min"


def size(number_of_bytes: int) -> str:
    """A size in bytes, human-readable.

    >>> size(999), size(2_500_000)
    ('999 bytes', '2.5 MB')
    """
    if number_of_bytes < 1000:
        return f"{number_of_bytes} bytes"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number_of_bytes >= factor:
            return f"{number_of_bytes / factor:.1f} {unit}"
    raise AssertionError(number_of_bytes)


@lru_cache(64)
def markdown(text: str) -> Markup:
    """A homework's text as HTML, without its title, which the page shows; HTML in it is shown as text."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = reader.parse(text)
    if len(tokens) > 2 and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
        tokens = tokens[3:]
    for token in tokens:
        if token.type in ("heading_open", "heading_close") and token.tag == "h1":
            token.tag = "h2"
        if token.type in ("th_open", "td_open") and "style" in token.attrs:
            token.attrs["class"] = str(token.attrs.pop("style")).removeprefix("text-align:")
        for inner in token.children or ():
            if inner.type == "link_open":
                inner.attrs["rel"] = "noopener noreferrer"
    html = reader.renderer.render(tokens, reader.options, {})
    html = html.replace("<table>", '<div class="scroll" tabindex="0" role="region" aria-label="table"><table>')
    return Markup(html.replace("</table>", "</table></div>"))
