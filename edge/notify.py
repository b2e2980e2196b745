"""What a process tells the service manager: ``sd_notify(3)`` datagrams, and nothing where nobody asked for them.

Without ``NOTIFY_SOCKET`` (a laptop, a test) every call does nothing. A message that cannot be delivered is dropped: the
manager then judges by its own watchdog, and a control cycle never waits for it.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

_SOCKET = "NOTIFY_SOCKET"


def ready() -> None:
    """The process does its work from now on."""
    _tell("READY=1")


def watchdog() -> None:
    """The loop has come round once more."""
    _tell("WATCHDOG=1")


def alive() -> None:
    """Ready, and round once more: for a loop that has no beginning of its own to tell."""
    _tell("READY=1\nWATCHDOG=1")


def stopping() -> None:
    """The process has begun to leave."""
    _tell("STOPPING=1")


def status(text: str) -> None:
    """One line for ``systemctl status``."""
    _tell("STATUS=" + " ".join(text.split()))


def _tell(message: str) -> None:
    address = os.environ.get(_SOCKET, "")
    if not address:
        return
    name = "\0" + address[1:] if address.startswith("@") else address  # an abstract name begins with NUL on the wire
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link, suppress(OSError):
        link.sendto(message.encode(), socket.MSG_DONTWAIT, name)
