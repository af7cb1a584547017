"""Child processes that get one connection for each file, and are killed if one takes too long."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tasks.apart import Died, Late

CONTROL = 3
"""The file descriptor on which a child gets its connections."""

PIECE = 2**18


@dataclass
class Child(ABC):
    """A process that is started on first use, and again after it has ended."""

    process: tuple[int, socket.socket] | None = None
    ends: weakref.finalize[..., Any] | None = None
    status: int | None = None

    @abstractmethod
    def start(self) -> tuple[int, socket.socket]:
        """Starts it; its number, and our end of the socket that is its `CONTROL`."""

    def running(self) -> None:
        """Starts it where it does not run."""
        if self.process is None:
            self.process = self.start()
            self.ends = weakref.finalize(self, _end, os.getpid(), *self.process)

    def exchange(self, request: bytes, most: int, seconds: float, stopped: Callable[[], bool]) -> bytes | None:
        """Its answer to a request, of at most `most` bytes; None once `stopped` is true.

        Raises Died, and kills it first.
        """
        self.running()
        assert self.process is not None
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with contextlib.suppress(OSError):
                socket.send_fds(self.process[1], [b"."], [theirs.fileno()])
            theirs.close()
            ours.setblocking(False)
            until, rest, got = time.monotonic() + seconds, memoryview(request), bytearray()
            while (left := until - time.monotonic()) > 0 and not stopped():
                ready = select.select([ours], [ours] if rest else [], [], min(left, 0.25))
                try:
                    if ready[1]:
                        rest = rest[ours.send(rest[:PIECE]) :]
                        if not rest:
                            ours.shutdown(socket.SHUT_WR)
                    if ready[0]:
                        chunk = ours.recv(PIECE)
                        got += chunk
                        if not chunk:
                            return bytes(got)
                        if len(got) > most:
                            break
                except BlockingIOError:
                    continue
                except OSError:  # it ended before reading everything
                    return bytes(got)
        self.close()
        if stopped():
            return None
        if len(got) > most:
            raise Died("its process sent too much")
        raise Late(f"it took longer than {seconds:g} s")

    def gone(self) -> bool:
        """Whether the process itself has ended; if so, it is cleaned up, and `status` is its exit status."""
        if self.process is None:
            return True
        ended, status = os.waitpid(self.process[0], os.WNOHANG)
        if ended == 0:
            return False
        self.status = os.waitstatus_to_exitcode(status)
        self.process[1].close()
        if self.ends is not None:
            self.ends.detach()
        self.process = None
        return True

    def close(self) -> None:
        """Kills the process, whatever it is doing."""
        if self.ends is not None:
            self.ends()
        self.process = None


def _end(owner: int, pid: int, control: socket.socket) -> None:
    control.close()
    if os.getpid() == owner:  # not in a forked child
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def connections(control: socket.socket) -> Iterator[socket.socket]:
    """In the child: the connection of each file, until the other end of `control` is closed."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        for descriptor in descriptors:
            yield socket.socket(fileno=descriptor)


def received_whole(connection: socket.socket) -> bytes:
    """In the child: all bytes of a request."""
    parts = []
    while chunk := connection.recv(PIECE):
        parts.append(chunk)
    return b"".join(parts)
