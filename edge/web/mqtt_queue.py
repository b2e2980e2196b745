"""What came from the broker and waits to be read: commands first, and of each state the newest only.

A flood on one topic, by mistake or by malice, then costs that topic its old values and nobody else a thing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable

import aiomqtt

MOST_COMMANDS = 64


class Waiting:
    """Messages in the order in which they are read."""

    def __init__(self) -> None:
        self._commands: deque[aiomqtt.Message] = deque(maxlen=MOST_COMMANDS)
        self._states: OrderedDict[str, aiomqtt.Message] = OrderedDict()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._commands) + len(self._states)

    def add(self, message: aiomqtt.Message) -> None:
        """One more; the newest wish of a hand counts, so that of too many commands the oldest is forgotten."""
        if _is_command(message.topic.value):
            self._commands.append(message)
        else:
            self._states[message.topic.value] = message

    def take(self) -> aiomqtt.Message:
        """The next one."""
        return self._commands.popleft() if self._commands else self._states.popitem(last=False)[1]


class Lanes(asyncio.Queue[aiomqtt.Message]):
    """:class:`Waiting` as the queue of aiomqtt; it is never full, and never holds more than topics and 64 commands."""

    _queue: Waiting

    def _init(self, maxsize: int) -> None:  # noqa: ARG002 -- asyncio's signature
        self._queue = Waiting()

    def _put(self, item: aiomqtt.Message) -> None:
        self._queue.add(item)

    def _get(self) -> aiomqtt.Message:
        return self._queue.take()


def library_log(tell: Callable[[str, str], None]) -> logging.Logger:
    """A logger for the library, whose warnings become events of the box's own log."""
    logger = logging.Logger("mqtt", logging.WARNING)
    logger.addHandler(_Teller(tell))
    return logger


class _Teller(logging.Handler):
    def __init__(self, tell: Callable[[str, str], None]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell("mqtt", record.getMessage())


def _is_command(topic: str) -> bool:
    return "/override/" in topic
