"""Authentication: tokens, browser sessions, CSRF protection and rate limits.

A program sends `Authorization: Bearer lhy_…`. A browser sends a cookie that `open_session` made from a token: the
token's hash, an expiry time and a session number, signed with a key of the home. The cookie does not hold the token,
and it becomes invalid when the browser signs out or the token is revoked. A request by cookie that changes something
must come from a page of this server, which browsers say themselves (`check_site`). Roles are read from the roster at
each request.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import HTTPConnection

from harness.course.access import NOBODY, Viewer
from harness.course.types import Done, NewToken, TokenRow, Tokens
from harness.home import Home, local
from harness.settings import Settings
from leaderboard import access_tokens
from tasks.errors import UserError

if TYPE_CHECKING:
    from leaderboard.database import Database

By = Literal["nothing", "header", "cookie"]

MOST_TOKENS = 20
"""The most valid tokens of one person at the same time."""

MOST_A_DAY, DAY = 50, timedelta(days=1)
"""The most tokens that one person can make in a day, ended ones included."""

SESSION_DAYS = 30
"""Days until a browser session expires, or earlier with its token."""


@dataclass(frozen=True)
class Login:
    """Who sends a request, and how: `token` is the row's number, for logs and limits; None without a login."""

    viewer: Viewer
    token: int | None = None
    by: By = "nothing"
    hash: str = ""
    invited: bool = False


ANYBODY = Login(NOBODY)


def cookie_name(secure: bool) -> str:
    """The cookie's name; with the prefix, browsers accept it only over TLS and from this exact host."""
    return "__Host-lhy_grade" if secure else "lhy_grade"


def find_login(home: Home, authorization: str | None, cookie: str | None, now: datetime) -> Login:
    """The login of a request: by the header if there is one, else by the cookie, else nobody.

    Raises UserError E_LOGIN for a token that is unknown, expired or revoked, or whose person was disabled: the
    error is the same for all of them.
    """
    by: By
    number = ""
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not 20 <= len(token) <= 100 or not token.isascii():
            raise refused()
        digest, by = access_tokens.hash_token(token), "header"
    elif cookie:
        session = _session(home, cookie, now)
        if session is None:
            return ANYBODY  # the session is over: same as never logged in
        digest, number, by = session.token, session.number, "cookie"
    else:
        return ANYBODY
    with home.database() as database:
        found = access_tokens.find_token(database, digest, now, number)
    if found is None:
        if by == "cookie":
            return ANYBODY
        raise refused()
    row, person = found
    viewer = Viewer(person.role, person.key, row.scope)
    return Login(viewer, row.id, by, digest, row.label == access_tokens.INVITATION)


def refused() -> UserError:
    """The error for an invalid token."""
    return UserError(
        "this token is not valid: mistyped, expired, revoked, or an invitation that was used before. Log in with the"
        " token that it became, or ask the course staff for a new one.",
        code="E_LOGIN",
        exit_code=6,
    )


def open_session(home: Home, token: str, now: datetime) -> tuple[str, Login, str | None]:
    """The cookie of a new browser session for a token, and its login. Raises UserError E_LOGIN.

    An invitation is used up: the session then uses a new token, returned third and shown only once.
    """
    login = find_login(home, f"Bearer {token}", None, now)
    digest, own = access_tokens.hash_token(token), None
    if login.invited:
        own = access_tokens.new_token()
        digest = access_tokens.hash_token(own)
        with home.database() as database:
            _redeem(database, access_tokens.hash_token(token), digest, "browser", now)
        login = find_login(home, f"Bearer {own}", None, now)
    ends = int((now + timedelta(days=SESSION_DAYS)).timestamp())
    cookie = _signer(home).dumps((digest, ends, secrets.token_hex(16)))
    return cookie, replace(login, by="cookie"), own


def close_session(home: Home, cookie: str | None, now: datetime) -> None:
    """Signs a browser out: its cookie and every copy of it become invalid."""
    session = _session(home, cookie or "", now)
    if session is not None:
        with home.database() as database:
            access_tokens.end_session(database, session.number, session.ends, now)


def new_token(home: Home, login: Login, label: str, now: datetime) -> NewToken:
    """A new token for the caller, shown only once; an invitation is used up by it.

    Raises UserError: E_LOGIN for nobody, E_SCOPE for a token without full rights, E_TOKENS for too many.
    """
    if login.token is None:
        raise UserError("log in first: lhy-grade login URL", code="E_LOGIN", exit_code=6)
    if label == access_tokens.INVITATION:
        raise UserError("choose another label.", code="E_LABEL")
    key, made = login.viewer.key, access_tokens.new_token()
    with home.database() as database:
        if login.invited:
            _redeem(database, login.hash, access_tokens.hash_token(made), label, now)
        else:
            if login.viewer.scope != "all":
                raise UserError("this token cannot create other tokens.", code="E_SCOPE", exit_code=6)
            if len(access_tokens.live(database, key, now)) >= MOST_TOKENS:
                raise UserError(f"you have {MOST_TOKENS} tokens; revoke one first.", code="E_TOKENS", exit_code=8)
            made_today = [one for one in access_tokens.tokens(database, key) if one.created_at > now - DAY]
            if len(made_today) >= MOST_A_DAY:
                raise UserError(
                    f"at most {MOST_A_DAY} tokens can be made in 24 hours; make one later.",
                    code="E_TOKENS",
                    exit_code=8,
                )
            ends = access_tokens.find_token(database, login.hash, now)
            if ends is None:
                raise refused()
            access_tokens.issue_token(
                database, key, access_tokens.hash_token(made), "all", label, ends[0].expires_at, key, now
            )
        found = access_tokens.find_token(database, access_tokens.hash_token(made), now)
    assert found is not None
    return NewToken(made, found[0].scope, local(home, found[0].expires_at))


def tokens(home: Home, login: Login, now: datetime) -> Tokens:
    """The caller's valid tokens, without the secrets."""
    if login.token is None:
        raise UserError("log in first: lhy-grade login URL", code="E_LOGIN", exit_code=6)
    with home.database() as database:
        rows = [
            TokenRow(
                id=token.id,
                label=token.label,
                scope=token.scope,
                created=local(home, token.created_at),
                expires=local(home, token.expires_at),
                this=token.id == login.token,
            )
            for token in access_tokens.live(database, login.viewer.key, now)
        ]
    return Tokens(rows)


def revoke(home: Home, login: Login, number: int, now: datetime) -> Done:
    """Revokes one of the caller's tokens; one of another person is E_NOT_FOUND."""
    if number not in {token.id for token in tokens(home, login, now).tokens}:
        raise UserError(f"there is no token {number}.", code="E_NOT_FOUND")
    if login.viewer.scope != "all" and number != login.token:
        raise UserError("this token cannot revoke other tokens.", code="E_SCOPE", exit_code=6)
    with home.database() as database:
        access_tokens.revoke_token(database, number, login.viewer.key, now)
    return Done()


def _redeem(database: Database, invitation: str, made: str, label: str, now: datetime) -> None:
    found = access_tokens.find_token(database, invitation, now)
    if found is None or not access_tokens.redeem_invitation(
        database, invitation, made, label=label, expires=found[0].expires_at, now=now
    ):
        raise refused()


def check_site(request: HTTPConnection, settings: Settings) -> None:
    """Raises UserError E_CSRF for a request that a browser did not send from a page of this server.

    Browsers send Origin or Sec-Fetch-Site with every change, and no page can set or leave them out; a request with
    neither is refused.
    """
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    ours = (request.headers.get("host"), urlsplit(settings.address).netloc)  # a proxy may change the host
    strange = origin is not None and urlsplit(origin).netloc not in ours
    if strange or site not in ("same-origin", None) or origin is site is None:
        raise UserError(
            "this request was not sent from a page of this server; reload the page.", code="E_CSRF", exit_code=6
        )


@dataclass(frozen=True)
class _Session:
    """The content of a cookie: the token's hash, the expiry time and the session's number."""

    token: str
    ends: datetime
    number: str


def _session(home: Home, cookie: str, now: datetime) -> _Session | None:
    """The session in a cookie; None for a forged or expired one."""
    try:
        token, ends, number = _signer(home).loads(cookie)
    except BadSignature:
        return None
    return _Session(token, datetime.fromtimestamp(ends, UTC), number) if ends >= now.timestamp() else None


def _signer(home: Home) -> URLSafeSerializer:
    return URLSafeSerializer(
        home.derived("sessions"), "session", signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
    )


class Limiter:
    """A token bucket per name: `per_minute` requests, saved up for at most a minute. Keeps the last `MOST` names."""

    MOST = 20_000

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, now: float) -> float:
        """Counts a request at that time in seconds; returns the seconds to wait, 0 if it is allowed."""
        left, then = self._left.pop(name, (float(self.per_minute), now))
        left = min(float(self.per_minute), left + max(0.0, now - then) * self.per_minute / 60)
        allowed = left >= 1
        self._left[name] = (left - 1 if allowed else left, now)
        while len(self._left) > self.MOST:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1 - left) * 60 / self.per_minute
