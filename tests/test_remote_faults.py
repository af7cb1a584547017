"""Servers and networks that do not behave, and the proxies before them."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from harness.cli import common
from harness.course import login, remote, transport
from harness.home import Home
from tests import class_server
from tests.class_server import TOKEN, call, issue, serving, standing
from tests.conftest import self_signed

home, folders = class_server.home, class_server.folders


# Servers that do not behave.


@dataclass
class Heard:
    tokens: list[str | None] = field(default_factory=list)


def test_a_redirect_is_not_followed_and_takes_no_token_along() -> None:
    heard = Heard()

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.tokens.append(self.headers.get("Authorization"))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with standing(Other) as elsewhere:

        class Redirecting(Other):
            def do_GET(self) -> None:
                self.send_response(302)
                self.send_header("Location", f"{elsewhere}{self.path}")
                self.send_header("Content-Length", "0")
                self.end_headers()

        with standing(Redirecting) as url:
            done = call("login", url, input=f"{TOKEN}\n")
            assert done.exit_code == 7
            assert elsewhere.removeprefix("http://") in done.stderr
    assert heard.tokens == []
    assert not common.login_file().exists()


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, b"<html>a hotel's login page</html>", 10),
        (200, b"[]", 10),
        (404, b"no such page", 10),
        (502, b"<html>bad gateway</html>", 7),
        (200, b"[" * 100_000, 10),
        (400, b'{"error": {"code": 7, "message": null, "details": "x"}}', 2),
        (422, b'{"error": {"code": "E_X", "message": "m", "details": [1, {}, {"code": "E_X"}]}}', 3),
    ],
)
def test_an_answer_that_is_none_of_ours_is_told_without_a_traceback(status: int, body: bytes, code: int) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with standing(Handler) as url:
        login.write_login(common.login_file(), remote.RemoteCourse(url, TOKEN))
        done = call("quota", "hw1")
    assert done.exit_code == code
    assert "internal error" not in done.stderr


def test_a_server_that_is_not_there_or_breaks_off_ends_with_exit_code_7() -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"{")
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    with standing(Handler) as url:
        login.write_login(common.login_file(), remote.RemoteCourse(url, TOKEN))
        broken = call("quota", "hw1")
    gone = call("quota", "hw1")
    for done in (broken, gone):
        assert done.exit_code == 7
        assert "cannot be reached" in done.stderr
        assert TOKEN not in done.stderr


def test_a_certificate_is_checked_and_a_courses_own_authority_can_be_trusted(home: Home, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    with serving(home, ssl_certfile=str(certificate), ssl_keyfile=str(key)) as served:
        token = issue(home, "ada")
        refused = call("login", served.url, input=f"{token}\n")
        assert refused.exit_code == 7
        assert "cannot be trusted" in refused.stderr
        assert all(request["token"] is None for request in served.requests)
        assert call("login", served.url, "--ca", str(certificate), input=f"{token}\n").exit_code == 0
        assert call("quota", "hw1").exit_code == 0
        assert call("login", served.url, "--ca", str(tmp_path / "none"), input=f"{token}\n").exit_code == 2


# Proxies, slow and broken networks.


def test_a_proxy_sees_the_host_and_the_port_and_never_the_token(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bytes] = []
    certificate, key = self_signed(tmp_path)
    token = issue(home, "ada")
    with serving(home, ssl_certfile=str(certificate), ssl_keyfile=str(key)) as served:
        port = int(served.url.rpartition(":")[2])
        with tunnelling(port, heard) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.replace("//", "//ada:pass%20word@"))
            url = "https://course.test:8600"
            done = call("login", url, "--ca", str(certificate), input=f"{token}\n")
            assert done.exit_code == 0, done.output
            assert call("quota", "hw1").exit_code == 0
            assert heard[0].startswith(b"CONNECT course.test:8600 HTTP/1.")
            assert b"Basic YWRhOnBhc3Mgd29yZA==" in heard[0]
            assert not any(token.encode() in part for part in heard)
            monkeypatch.setenv("NO_PROXY", "course.test")
            count = len(heard)
            assert call("quota", "hw1").exit_code == 7  # there is no such host
            assert len(heard) == count


def test_a_proxy_that_does_not_let_through_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    login.write_login(common.login_file(), remote.RemoteCourse("https://course.test", TOKEN))

    class Refusing(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_error(407, "Proxy Authentication Required")

        def log_message(self, *_: Any) -> None:
            pass

    with standing(Refusing) as url:
        monkeypatch.setenv("https_proxy", url.replace("//", "//ada:secret@"))
        refused = call("quota", "hw1")
    gone = call("quota", "hw1")
    monkeypatch.setenv("https_proxy", "socks5://ada:secret@127.0.0.1:9")
    odd = call("quota", "hw1")
    assert (refused.exit_code, gone.exit_code, odd.exit_code) == (7, 7, 2)
    assert "answers 407 Proxy Authentication Required" in refused.stderr
    assert "does not answer" in gone.stderr
    assert "HTTPS_PROXY" in odd.stderr
    assert not any("secret" in done.output or "x" * 43 in done.output for done in (refused, gone, odd))


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        ("https://course.test", {"HTTPS_PROXY": "proxy.test:3128"}, "http://proxy.test:3128"),
        ("https://course.test", {"ALL_PROXY": "http://proxy.test:3128"}, "http://proxy.test:3128"),
        ("https://course.test", {"HTTP_PROXY": "http://proxy.test:3128"}, None),
        ("http://course.test", {"HTTP_PROXY": "http://proxy.test:3128", "ALL_PROXY": "http://proxy.test"}, None),
        ("https://127.0.0.1:8600", {"HTTPS_PROXY": "http://proxy.test:3128"}, None),
        ("https://a.course.test", {"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": ".course.test"}, None),
        ("https://course.test:8600", {"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": "course.test:8600"}, None),
    ],
)
def test_a_proxy_is_used_for_https_alone(
    url: str, environment: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert transport.find_proxy(url) == proxy


@contextlib.contextmanager
def tunnelling(port: int, heard: list[bytes]) -> Iterator[str]:
    """A proxy that leads every CONNECT to that port of this machine, and keeps all that it is told."""
    import select

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            heard.append(f"{self.requestline}\r\n{self.headers}".encode())
            with socket.create_connection(("127.0.0.1", port)) as there:
                self.connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                ends = {self.connection: there, there: self.connection}
                while ends:
                    for end in select.select(list(ends), [], [], 30)[0]:
                        data = end.recv(2**16)
                        if not data:
                            return
                        if end is self.connection:
                            heard.append(data)
                        ends[end].sendall(data)

        def log_message(self, *_: Any) -> None:
            pass

    with standing(Handler) as url:
        yield url


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_an_answer_that_drips_is_given_up(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (remote, transport):
        monkeypatch.setattr(module, "LONGEST_SECONDS", 0.3)
    done = threading.Event()

    class Dripping(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(head)
            with contextlib.suppress(OSError):
                while not done.wait(0.05):
                    self.wfile.write(b"1")

        def log_message(self, *_: Any) -> None:
            pass

    with standing(Dripping) as url:
        login.write_login(common.login_file(), remote.RemoteCourse(url, TOKEN))
        given_up = call("quota", "hw1")
        done.set()
    assert given_up.exit_code == 7
    assert "too slowly" in given_up.stderr


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_without_tls_or_one_that_hangs_up_is_no_matter_of_certificates(said: bytes, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        login.write_login(common.login_file(), remote.RemoteCourse(url, TOKEN))

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(2**16)
                        connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        (tmp_path / "a.csv").write_text("id,tested_positive\n")
        done = call("submit", "hw1", "a.csv")
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert done.exit_code == 7
    assert "no secure connection" in done.stderr
    assert "--ca" not in done.stderr
    assert "The file is kept" in done.stderr
