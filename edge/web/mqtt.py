"""The broker's door: one session after the other, with a last will, and longer pauses the longer nobody answers.

The box speaks every few seconds and listens to what the site file opens. It never acts on what it does not understand,
and what it passes on goes to control, whose guard has the last word.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import aiomqtt

from edge.config import Site
from edge.config_supply import Mqtt
from edge.errors import EdgeError
from edge.web.mqtt_inbox import Inbox, OverrideMode, OverrideNumber, PriceList, Said
from edge.web.mqtt_login import read_secrets, tls_context
from edge.web.mqtt_queue import Lanes, library_log
from edge.web.mqtt_state import OFFLINE, ONLINE, Topics, discovery, heaters_w, planned_w, relays, state_of

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0  # wall time
_ANSWER_S = 10.0
_KEEPALIVE_S = 30
_POLL_S = 0.2


class Control(Protocol):
    """Asks control; raises :class:`EdgeError` where there is no answer."""

    def ask(self, verb: str, **payload: Any) -> Any:
        """The data of the answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ears:
    """Who is told what came in; each may raise :class:`EdgeError`.

    ``kept`` is a state that the broker kept since nobody knows when.
    """

    said: Callable[[str, float], None]
    kept: Callable[[str, float], None]
    prices: Callable[[bytes], None]
    log: Callable[[str, str], None]


class Bridge:
    """One box on one broker."""

    def __init__(self, site: Site, mqtt: Mqtt, control: Control, ears: Ears) -> None:
        self._mqtt, self._control, self._ears = mqtt, control, ears
        self._topics = Topics.of(site, mqtt)
        self._inbox = Inbox(site, mqtt, self._topics)
        self._heaters_w = heaters_w(site, mqtt)
        self._secrets, self._tls = read_secrets(site, mqtt), tls_context(site, mqtt)
        self._numbers = {"power_w": 1000.0, "minutes": 60.0}
        self._failures = 0
        self._discovered: frozenset[str] | None = None
        self._news = asyncio.Event()

    async def run(self, stop: Callable[[], bool]) -> None:
        """Hold a session until it is time to go; a lost one is begun anew after a pause."""
        while not stop():
            try:
                await self._session(stop)
            except (aiomqtt.MqttError, OSError) as error:
                pause_s = min(_FIRST_PAUSE_S * 2.0 ** min(self._failures, 10), _LONGEST_PAUSE_S)
                self._failures += 1
                self._ears.log("mqtt", f"{self._mqtt.host}: {error}; again in {pause_s:.0f} s")
                await _sleep(pause_s, stop)

    async def _session(self, stop: Callable[[], bool]) -> None:
        will = aiomqtt.Will(self._topics.availability, OFFLINE, qos=1, retain=True)
        async with aiomqtt.Client(
            self._mqtt.host,
            self._mqtt.port,
            username=self._secrets.user,
            password=self._secrets.password,
            identifier=self._topics.node,
            will=will,
            tls_context=self._tls,
            keepalive=_KEEPALIVE_S,
            timeout=_ANSWER_S,
            queue_type=Lanes,
            logger=library_log(self._ears.log),
        ) as client:
            self._failures, self._discovered = 0, None
            self._ears.log("mqtt", f"connected to {self._mqtt.host}:{self._mqtt.port}")
            for topic in self._inbox.topics:
                await client.subscribe(topic, qos=1)
            tasks = [asyncio.create_task(work) for work in (self._listen(client), self._speak(client, stop))]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _speak(self, client: aiomqtt.Client, stop: Callable[[], bool]) -> None:
        """Publish the state every few seconds, and at once after a command; say goodbye at the end."""
        while not stop():
            self._news.clear()
            await self._publish(client)
            await _sleep(self._mqtt.every_s, lambda: stop() or self._news.is_set())
        await client.publish(self._topics.availability, OFFLINE, qos=1, retain=True)

    async def _publish(self, client: aiomqtt.Client) -> None:
        """One state document; without control only that there is none."""
        try:
            status = await asyncio.to_thread(self._control.ask, "status")
        except EdgeError:
            await client.publish(self._topics.availability, OFFLINE, qos=1, retain=True)
            return
        signals = frozenset(row["signal"] for row in status["readings"])
        if signals != self._discovered:
            for topic, config in discovery(self._topics, self._mqtt, signals).items():
                await client.publish(topic, json.dumps(config), qos=1, retain=True)
            self._discovered = signals
        state = state_of(status, self._numbers["power_w"], self._numbers["minutes"])
        await client.publish(self._topics.state, json.dumps(state), qos=0)
        planned = planned_w(status)
        for name, power_w in planned.items():
            await client.publish(f"{self._topics.base}/planned/{name.replace('.', '/')}_w", f"{power_w:.0f}")
        for room, word in relays(status, planned, self._heaters_w).items():
            await client.publish(f"{self._topics.base}/relay/{room}", word)
        await client.publish(self._topics.availability, ONLINE, qos=1, retain=True)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            topic, payload = message.topic.value, message.payload
            try:
                await self._take(topic, payload if isinstance(payload, bytes) else b"", retained=message.retain)
            except (ValueError, EdgeError) as error:
                self._ears.log("refused", f"{topic}: {error}")

    async def _take(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Understand one message and pass it on; raises ``ValueError`` or :class:`EdgeError` where it is refused."""
        match self._inbox.read(topic, payload, retained=retained):
            case OverrideMode(mode=mode):
                await asyncio.to_thread(self._override, mode)
                self._news.set()
            case OverrideNumber(name=name, value=value):
                self._numbers[name] = value
                self._news.set()
            case Said(name=name, value=value):
                await asyncio.to_thread(self._ears.kept if retained else self._ears.said, name, value)
            case PriceList(body=body):
                await asyncio.to_thread(self._ears.prices, body)

    def _override(self, mode: str) -> None:
        if mode == "off":
            self._control.ask("end_override")
            return
        power_w = self._numbers["power_w"] if mode in ("charge", "discharge") else None
        self._control.ask("override", mode=mode, power_w=power_w, duration_s=60.0 * self._numbers["minutes"])


async def _sleep(seconds_s: float, until: Callable[[], bool]) -> None:
    """Wait in pieces, at most until a condition holds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds_s
    while not until() and (left_s := end - loop.time()) > 0.0:
        await asyncio.sleep(min(left_s, _POLL_S))
