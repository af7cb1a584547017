"""The settings of the server: the table [server] of config.toml, whose limits hold for grading at home too."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.apart import Limits
from tasks.errors import UserError

if TYPE_CHECKING:
    from harness.home import Home

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Settings:
    """Every setting with its default. Request limits apply per web process."""

    host: str = "127.0.0.1"
    port: int = 8600
    url: str = ""  # the public address, if a proxy is in front of the server
    client: str = ""  # where students install lhy-grade from: the address of a wheel or of a git repository
    certificate: str = ""  # PEM files, for TLS without a proxy
    key: str = ""
    seconds: int = 120  # wall time limit for grading one submission
    memory_gb: int = 4  # address space limit for grading one submission
    uploads_per_minute: int = 12  # per token
    requests_per_minute: int = 300  # per token, or per address without a login
    trusted_proxies: str = ""  # comma-separated addresses of proxies whose X-Forwarded-For is trusted
    mail_host: str = ""  # the SMTP server that sends invitations
    mail_port: int = 587
    mail_security: str = "starttls"  # or "tls" from the first byte on, or "none"
    mail_from: str = ""  # the sender's address
    mail_user: str = ""  # who logs in there
    mail_password: str = ""  # the file with the password
    mail_seconds: int = 30  # how long sending all invitations of one request may take

    @property
    def limits(self) -> Limits:
        """The limits of grading one submission."""
        return Limits(self.seconds, self.memory_gb * 2**30)

    @property
    def address(self) -> str:
        """The printed address, which is also the origin of browser requests."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.url.rstrip("/") or f"{'https' if self.certificate else 'http'}://{host}:{self.port}"

    @property
    def secure(self) -> bool:
        """Whether people reach it over TLS, so that cookies can be limited to TLS."""
        return self.address.startswith("https://")


def read_settings(home: Home) -> Settings:
    """The settings of a home. Raises UserError for an unknown setting, a wrong type or a bad value."""
    own = home.settings.get("server", {})
    known = {field.name: type(field.default) for field in fields(Settings)}
    if not isinstance(own, dict):
        raise UserError("config.toml: server must be a table, [server].")
    for name, value in own.items():
        if name not in known:
            raise UserError(f"config.toml: [server] has no setting {name!r}; the settings are: {', '.join(known)}.")
        if type(value) is not known[name]:
            raise UserError(f"config.toml: [server] {name} must be a {known[name].__name__}, got {value!r}.")
        if isinstance(value, int) and not (0 if name == "port" else 1) <= value <= (65535 if name == "port" else 10**6):
            raise UserError(f"config.toml: [server] {name}: {value} is out of range.")
    settings = Settings(**own)
    if bool(settings.certificate) != bool(settings.key):
        raise UserError("config.toml: [server] certificate and key belong together; set both or neither.")
    for path in filter(None, (settings.certificate, settings.key)):
        if not Path(path).is_file():
            raise UserError(f"config.toml: [server] there is no file {path}.")
    if settings.mail_security not in ("starttls", "tls", "none"):
        raise UserError(
            f"config.toml: [server] mail_security must be starttls, tls or none, got {settings.mail_security!r}."
        )
    if settings.mail_host and "@" not in settings.mail_from:
        raise UserError("config.toml: [server] mail_host needs mail_from, the address of the sender.")
    if settings.mail_password and not Path(settings.mail_password).is_file():
        raise UserError(f"config.toml: [server] there is no file {settings.mail_password}.")
    if settings.client and not re.fullmatch(r"(git\+)?https?://[^\s\"'`$\\<>]+", settings.client):
        raise UserError(
            "config.toml: [server] client must be an address that pip installs from, https://… or git+https://…; got"
            f" {settings.client!r}."
        )
    if settings.url and not settings.url.startswith(("http://", "https://")):
        raise UserError(f"config.toml: [server] url must begin with http:// or https://, got {settings.url!r}.")
    return settings
