"""Sending mail by SMTP, within a time limit: a server that hangs costs no more than that."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid, parseaddr
from pathlib import Path

from harness.course.desk import Invitations
from harness.settings import Settings
from tasks.errors import UserError


@dataclass(frozen=True)
class Mail:
    """A mail in plain text to one address; `about` says whom it is for, in the answer."""

    about: str
    to: str
    subject: str
    text: str


def send_all(settings: Settings, done: Invitations, now: datetime) -> dict[str, str]:
    """Sends the invitations; why one was not sent, by id."""
    letters = [Mail(one.id, one.email, one.subject, one.text) for one in done.invitations if one.email]
    unsent = {one.id: "there is no e-mail address on the roster" for one in done.invitations if not one.email}
    return unsent | send(settings, letters, now)


def send(settings: Settings, mails: Sequence[Mail], now: datetime) -> dict[str, str]:
    """Sends each mail by one connection; what went wrong, by `about`: empty if all were taken by the server.

    After `mail_seconds`, or an interrupt, the rest is not sent.
    """
    ends = time.monotonic() + settings.mail_seconds
    failed = {mail.about: "not sent: the mail server took too long" for mail in mails}
    context = ssl.create_default_context()
    over_tls = settings.mail_security == "tls"
    server = (
        smtplib.SMTP_SSL(timeout=settings.mail_seconds, context=context)
        if over_tls
        else smtplib.SMTP(timeout=settings.mail_seconds)
    )
    watch = threading.Timer(settings.mail_seconds, _cut, [server])  # one that sends a byte now and then is never late
    watch.start()
    try:
        with contextlib.closing(server):
            _log_in(server, settings, context)
            for mail in mails:
                if time.monotonic() > ends:
                    break
                try:
                    server.send_message(_written(settings, mail, now))
                    del failed[mail.about]
                except smtplib.SMTPRecipientsRefused:
                    failed[mail.about] = "the mail server does not take this address"
                except smtplib.SMTPResponseException as error:
                    failed[mail.about] = f"the mail server refused it ({error.smtp_code})"
                except (ValueError, smtplib.SMTPNotSupportedError):
                    failed[mail.about] = "the address is not valid in mail, or not for this mail server"
    except (OSError, ValueError, smtplib.SMTPException, KeyboardInterrupt) as error:
        late = isinstance(error, TimeoutError) or time.monotonic() > ends - 0.1  # smtplib says "disconnected" then, too
        why = "the mail server took too long" if late else f"the mail server failed: {type(error).__name__}"
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else why
        failed = {about: f"not sent: {why}" if text[:4] == "not " else text for about, text in failed.items()}
    finally:
        watch.cancel()
    return failed


def _cut(server: smtplib.SMTP) -> None:
    """Ends a connection, so that whoever waits for an answer waits no more."""
    if server.sock is not None:
        with contextlib.suppress(OSError):
            server.sock.shutdown(socket.SHUT_RDWR)


def not_set() -> UserError:
    """The error where no mail server is set."""
    return UserError("no mail server is set: write mail_host into [server] of config.toml.", code="E_MAIL")


def _log_in(server: smtplib.SMTP, settings: Settings, context: ssl.SSLContext) -> None:
    """Connects, and logs in where a user is set."""
    server._host = settings.mail_host  # type: ignore[attr-defined]  # smtplib checks the certificate for it
    server.connect(settings.mail_host, settings.mail_port)
    if settings.mail_security == "starttls":
        server.starttls(context=context)
    if settings.mail_user:
        password = Path(settings.mail_password).read_text(encoding="utf-8").strip() if settings.mail_password else ""
        server.login(settings.mail_user, password)


def _written(settings: Settings, mail: Mail, now: datetime) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["Date"], message["Message-ID"] = format_datetime(now), make_msgid(domain=_domain(settings.mail_from))
    message["From"], message["To"], message["Subject"] = settings.mail_from, mail.to, mail.subject
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message


def _domain(address: str) -> str:
    """The domain of the sender, so that an id of a mail does not name this machine."""
    return parseaddr(address)[1].rpartition("@")[2] or "localhost"
