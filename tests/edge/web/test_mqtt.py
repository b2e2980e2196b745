"""The broker: discovery, states, last will, overrides by hand, and everything that is refused; on a real Mosquitto."""

from __future__ import annotations

import asyncio
import gc
import json
import math
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from broker import Broker, Listener, until
from fakes import good_readings, make_plan

from edge import outside
from edge.box import ControlPorts
from edge.clock import Clock
from edge.config import Battery, Site
from edge.config_house import Zone
from edge.config_supply import Mqtt, Tariff
from edge.cycle import control_cycle, judge
from edge.errors import ConfigError, FeedError
from edge.feeds.cache import FeedCache
from edge.files import SOCKET_NAME
from edge.ipc import Client, IpcError, Service
from edge.log import Log
from edge.messages import Command, to_json
from edge.supply import said_of_house
from edge.web.mqtt import Bridge, Ears
from edge.web.mqtt_inbox import Inbox, OverrideMode, OverrideNumber, PriceList, Said
from edge.web.mqtt_login import read_secrets, tls_context
from edge.web.mqtt_queue import MOST_COMMANDS, Waiting, library_log
from edge.web.mqtt_state import Topics, discovery, heaters_w, planned_w, relays, slug, state_of

SITE = Site(
    name="Chata č. 5", latitude_deg=49.2, longitude_deg=16.6, timezone="Europe/Prague",
    battery=Battery(capacity_wh=10_000, charge_w=5000, discharge_w=5000), tariff=Tariff(source="mqtt", topic="prices"),
)  # fmt: skip
MQTT = Mqtt(host="127.0.0.1", every_s=1.0, allow_override=True, rooms=("living",), evcc="evcc/loadpoints/1")
BASE = "pems/chata_c_5"
# paho leaves the socket of a refused handshake to the collector
UNCLOSED = "ignore::pytest.PytestUnraisableExceptionWarning"
NOW_S = 1_717_236_000.0


def answer(**changes: Any) -> dict[str, Any]:
    values = {
        "time_s": NOW_S,
        "speed": 1.0,
        "period_s": 1.0,
        "site": {"name": SITE.name, "timezone": "Europe/Prague"},
        "house": judge(good_readings(NOW_S), NOW_S),
        "command": Command(mode="power", battery_w=-2000.0, lease_s=900.0, reason="store the surplus"),
        "plan": make_plan(8, issued_s=NOW_S - 60, valid_until_s=NOW_S + 900, start_s=int(NOW_S)),
        "override": None,
        "readings": [*good_readings(NOW_S), *good_readings(NOW_S, grid_import_wh=5000.0)[-1:]],
        "alarms": [],
    }
    data: dict[str, Any] = to_json({**values, **changes})
    return data


def test_the_state_holds_si_numbers_and_null_for_what_is_not_known() -> None:
    state = state_of(answer(), 1000.0, 60.0)
    assert (state["pv_w"], state["battery_w"], state["soc_percent"]) == (3000.0, -2000.0, 50.0)
    assert state["grid_import_wh"] == 5000.0
    assert state["battery_charge_wh"] is None
    assert state["price_import"] == 0.3
    assert state["reason"] == "store the surplus"
    assert state["problem"] == "OFF"
    old = state_of(answer(time_s=NOW_S + 60, plan=None), 1000.0, 60.0)
    assert old["pv_w"] is None
    assert old["soc_percent"] is None
    assert old["price_import"] is None
    assert old["problem"] == "ON"


def test_what_rooms_shall_draw_is_read_from_the_plan_while_it_is_in_force() -> None:
    status = answer()
    status["plan"]["setpoint_w"] = {"zone.living": [800.0, 0.0] + [0.0] * 6}
    assert planned_w(status) == {"zone.living": 800.0}
    assert planned_w({**status, "time_s": NOW_S + 5000}) == {}
    assert planned_w(answer(plan=None)) == {}


@pytest.mark.parametrize(
    ("power_w", "into_s", "word"),
    [(750.0, 0, "ON"), (750.0, 449, "ON"), (750.0, 451, "OFF"), (0.0, 0, "OFF"), (1500.0, 899, "ON"), (90.0, 0, "OFF"),
     (1450.0, 890, "ON"), (-5.0, 0, "OFF")],
)  # fmt: skip
def test_a_relay_is_on_for_its_share_of_the_quarter_hour(power_w: float, into_s: int, word: str) -> None:
    status = answer(time_s=NOW_S + into_s)
    assert relays(status, {"zone.living": power_w}, {"living": 1500.0, "attic": 800.0}) == {"living": word}


def test_a_room_that_the_bundle_knows_is_switched_by_its_schedule_and_one_of_unknown_power_is_left_alone() -> None:
    by_plan, by_share, unknown = (
        Zone(name="living", heat_w=math.nan, by="relay"),
        Zone(name="attic", heat_w=800.0),
        Zone(name="bath", heat_w=math.nan),
    )
    heaters = heaters_w(
        replace(SITE, zones=(by_plan, by_share, unknown)), Mqtt(host="x", relays=("living", "attic", "bath"))
    )
    assert set(heaters) == {"living", "attic"}
    on = relays(answer(time_s=NOW_S + 899), {"zone.living": 3000.0, "zone.attic": 400.0}, heaters)
    assert on == {"living": "ON", "attic": "OFF"}
    assert relays(answer(), {"zone.living": 0.0}, heaters) == {"living": "OFF"}


def test_a_text_is_no_longer_than_home_assistant_takes() -> None:
    command = Command.native("x" * 1000)
    assert len(state_of(answer(command=command), 0.0, 0.0)["reason"]) == 255


def test_discovery_makes_the_energy_dashboard_ready() -> None:
    found = discovery(Topics.of(SITE, MQTT), MQTT, frozenset({"grid_import_wh"}))
    energy = found["homeassistant/sensor/pems_chata_c_5/grid_import_wh/config"]
    assert (energy["device_class"], energy["state_class"], energy["unit_of_measurement"]) == (
        "energy", "total_increasing", "Wh",
    )  # fmt: skip
    assert energy["value_template"] == "{{ value_json.grid_import_wh }}"
    assert energy["availability_topic"] == f"{BASE}/availability"
    assert "homeassistant/sensor/pems_chata_c_5/grid_export_wh/config" not in found, "no counter, no entity"
    power = found["homeassistant/sensor/pems_chata_c_5/pv_w/config"]
    assert (power["device_class"], power["state_class"]) == ("power", "measurement")
    assert len({config["unique_id"] for config in found.values()}) == len(found)
    select = found["homeassistant/select/pems_chata_c_5/override_mode/config"]
    assert select["command_topic"] == f"{BASE}/override/mode/set"
    assert not any(
        "override" in topic
        for topic in discovery(Topics.of(SITE, MQTT), replace(MQTT, allow_override=False), frozenset())
    )


def test_every_entity_finds_its_value_in_the_state() -> None:
    signals = frozenset({"grid_import_wh", "grid_export_wh", "pv_energy_wh", "battery_charge_wh"})
    state = state_of(answer(), 1000.0, 60.0)
    for config in discovery(Topics.of(SITE, MQTT), MQTT, signals).values():
        assert config["value_template"].split(".")[1].split(" ")[0] in state


def test_names_become_topics() -> None:
    assert slug("Chata č. 5/#+") == "chata_c_5"
    assert slug("家") == "home"


def inbox() -> Inbox:
    return Inbox(SITE, MQTT, Topics.of(SITE, MQTT))


@pytest.mark.parametrize(
    ("topic", "payload", "retained", "message"),
    [
        (f"{BASE}/override/mode/set", b"charge", False, OverrideMode(mode="charge")),
        (f"{BASE}/override/power_w/set", b" 2500 ", False, OverrideNumber(name="power_w", value=2500.0)),
        (f"{BASE}/room/living/setpoint_c/set", b"21.5", False, Said(name="room.living.setpoint_c", value=21.5)),
        ("evcc/loadpoints/1/chargePower", b"3680", True, Said(name="ev.chargePower", value=3680.0)),
        (f"{BASE}/override/power_w/set", b"2.5e3", False, OverrideNumber(name="power_w", value=2500.0)),
        (
            "evcc/loadpoints/1/effectivePlanTime",
            b"1717398000",
            True,
            Said(name="ev.effectivePlanTime", value=1717398e3),
        ),
        (
            "evcc/loadpoints/1/effectivePlanTime",
            b"2024-06-03T07:00:00Z",
            True,
            Said(name="ev.effectivePlanTime", value=1717398e3),
        ),
        ("evcc/loadpoints/1/connected", b"true", True, Said(name="ev.connected", value=1.0)),
        ("prices", b"{}", True, PriceList(body=b"{}")),
    ],
)
def test_what_is_understood(topic: str, payload: bytes, retained: bool, message: object) -> None:
    assert inbox().read(topic, payload, retained=retained) == message


def test_an_empty_state_takes_back_what_was_said(tmp_path: Path) -> None:
    found = inbox().read("evcc/loadpoints/1/vehicleSoc", b"", retained=False)
    assert isinstance(found, Said)
    assert math.isnan(found.value)
    cache = FeedCache(tmp_path / "feeds.sqlite", writable=True)
    cache.note(found.name, 55.0, 1.0)
    assert cache.said() == {"ev.vehicleSoc": (55.0, 1.0)}
    cache.note(found.name, found.value, 2.0)
    assert cache.said() == {}
    cache.close()


def test_a_state_that_the_broker_kept_corrects_what_is_known_and_makes_nothing_fresh(tmp_path: Path) -> None:
    cache = FeedCache(tmp_path / "feeds.sqlite", writable=True)
    cache.correct("ev.connected", 1.0)
    assert cache.said() == {}, "it may be years old"
    cache.note("ev.connected", 1.0, 5.0)
    cache.correct("ev.connected", 0.0)
    assert cache.said() == {"ev.connected": (0.0, 5.0)}
    cache.correct("ev.connected", math.nan)
    assert cache.said() == {}
    cache.close()


def heard(topic: str, payload: bytes) -> aiomqtt.Message:
    return aiomqtt.Message(topic, payload, qos=1, retain=False, mid=1, properties=None)


def test_commands_come_before_states_and_of_a_state_only_the_newest() -> None:
    waiting = Waiting()
    for number in range(1000):
        waiting.add(heard("evcc/chargePower", str(number).encode()))
    waiting.add(heard(f"{BASE}/override/power_w/set", b"2500"))
    waiting.add(heard(f"{BASE}/override/mode/set", b"charge"))
    assert len(waiting) == 3
    assert [waiting.take().payload for _ in range(3)] == [b"2500", b"charge", b"999"]


def test_of_too_many_commands_the_newest_are_kept() -> None:
    waiting = Waiting()
    for number in range(MOST_COMMANDS + 10):
        waiting.add(heard(f"{BASE}/override/power_w/set", str(number).encode()))
    assert len(waiting) == MOST_COMMANDS
    assert waiting.take().payload == b"10"


def test_what_the_library_warns_of_is_an_event() -> None:
    told: list[tuple[str, str]] = []
    logger = library_log(lambda kind, text: told.append((kind, text)))
    logger.warning("There are %d pending publish calls.", 11)
    logger.info("nobody needs this")
    assert told == [("mqtt", "There are 11 pending publish calls.")]


@pytest.mark.parametrize(
    ("topic", "payload", "retained", "words"),
    [
        (f"{BASE}/override/mode/set", b"charge", True, "an old command that the broker kept"),
        (f"{BASE}/override/power_w/set", b"2500", True, "an old command"),
        (f"{BASE}/room/living/setpoint_c/set", b"21", True, "an old command"),
        (f"{BASE}/override/mode/set", b"explode", False, "'explode' is nothing that was asked for"),
        (f"{BASE}/override/mode/set", b"", False, "nothing that was asked for"),
        (f"{BASE}/override/power_w/set", b"1e9", False, "not from 100 to 20000"),
        (f"{BASE}/override/power_w/set", b"nan", False, "is not a number"),
        *(
            (f"{BASE}/override/power_w/set", text, False, "is not a number")
            for text in (
                b"1_0_0",
                b"inf",
                b"1e400",
                b"0x100",
                b"1 000",
                "\uff12\uff15".encode(),
                b"2,5",
                b"+-5",
                b".5",
                b"9" * 400,
            )
        ),
        ("evcc/loadpoints/1/effectivePlanTime", b"tomorrow", True, "is not an instant"),
        ("evcc/loadpoints/1/effectivePlanTime", b"9" * 30, True, "is not an instant"),
        (f"{BASE}/override/minutes/set", b"forever", False, "is not a number"),
        (f"{BASE}/override/minutes/set", b"\xff\xfe\x00", False, "is no text"),
        (f"{BASE}/room/living/setpoint_c/set", b"80", False, "not from 5 to 35"),
        (f"{BASE}/room/attic/setpoint_c/set", b"20", False, "nothing that was asked for"),
        ("evcc/loadpoints/1/vehicleSoc", b"101", False, "not from 0 to 100"),
        ("evcc/loadpoints/1/charging", b"maybe", False, "neither true nor false"),
        ("prices", b"x" * 300_000, False, "300000 bytes are too many"),
    ],
)
def test_what_is_refused_with_its_reason(topic: str, payload: bytes, retained: bool, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        inbox().read(topic, payload, retained=retained)


def test_without_permission_nobody_overrides() -> None:
    closed = Inbox(SITE, replace(MQTT, allow_override=False), Topics.of(SITE, MQTT))
    assert not any("override" in topic for topic in closed.topics)
    with pytest.raises(ValueError, match="nothing that was asked for"):
        closed.read(f"{BASE}/override/mode/set", b"charge", retained=False)


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ('user = "a"\npassword = "b"', 0o644, "chmod 600"),
        ('user = "a"', 0o600, "needs user and password"),
        ('user = "a"\npassword = 5', 0o600, "needs user and password"),
        ("no toml", 0o600, "is not TOML"),
    ],
)
def test_secrets_are_a_file_of_ones_own(text: str, mode: int, words: str, tmp_path: Path) -> None:
    (tmp_path / "secret.toml").write_text(text)
    (tmp_path / "secret.toml").chmod(mode)
    with pytest.raises(ConfigError, match=words):
        read_secrets(replace(SITE, folder=tmp_path), replace(MQTT, secrets="secret.toml"))


def test_a_missing_authority_is_a_configuration_error(tmp_path: Path) -> None:
    assert tls_context(SITE, MQTT) is None
    with pytest.raises(ConfigError, match=r"mqtt\.ca none\.pem cannot be used"):
        tls_context(replace(SITE, folder=tmp_path), replace(MQTT, tls=True, ca="none.pem"))


def deaf(logged: list[str]) -> Ears:
    """Ears that only log."""
    return Ears(
        said=lambda *_: None, kept=lambda *_: None, prices=lambda _: None, log=lambda _, text: logged.append(text)
    )


class House:
    """A box's control process that answers on its socket, and a bridge to a broker beside it."""

    def __init__(self, folder: Path, mqtt: Mqtt) -> None:
        self.folder = folder
        (folder / "secret.toml").write_text('user = "box"\npassword = "secret"\n')
        (folder / "secret.toml").chmod(0o600)
        self.site = replace(SITE, folder=folder)
        self.ports = ControlPorts(self.site, folder, Clock(start_s=NOW_S, origin_s=time.monotonic()), period_s=3600.0)
        control_cycle(self.ports, self.site)
        self.service = Service(folder / SOCKET_NAME, self.ports.handlers())
        self.said: list[tuple[str, float]] = []
        self.kept: list[tuple[str, float]] = []
        self.prices: list[bytes] = []
        self.logged: list[tuple[str, str]] = []
        ears = Ears(
            said=lambda name, value: self.said.append((name, value)),
            kept=lambda name, value: self.kept.append((name, value)), prices=self.take_prices,
            log=lambda kind, text: self.logged.append((kind, text)),
        )  # fmt: skip
        self.stopping = False
        bridge = Bridge(self.site, replace(mqtt, secrets="secret.toml"), Client(folder / SOCKET_NAME), ears)
        self.thread = threading.Thread(target=lambda: asyncio.run(bridge.run(lambda: self.stopping)), daemon=True)
        self.thread.start()

    def take_prices(self, body: bytes) -> None:
        if body == b"garbage":
            raise FeedError("the answer is not JSON")
        self.prices.append(body)

    @property
    def override(self) -> Any:
        return self.ports.override()

    def logs(self, kind: str) -> list[str]:
        return [text for found, text in self.logged if found == kind]

    def stop(self) -> None:
        self.stopping = True
        self.thread.join(30)
        assert not self.thread.is_alive()
        self.service.close()
        self.ports.release()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    found = Broker(tmp_path_factory.mktemp("broker"))
    yield found
    found.stop()


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    found = Listener(broker)
    yield found
    found.close()


@pytest.fixture
def house(broker: Broker, tmp_path: Path) -> Iterator[House]:
    found = House(tmp_path, replace(MQTT, port=broker.port))
    yield found
    found.stop()


@pytest.mark.services
def test_the_box_is_discovered_speaks_and_says_goodbye(broker: Broker, listener: Listener, tmp_path: Path) -> None:
    house = House(tmp_path, replace(MQTT, port=broker.port))
    until(lambda: listener.last(f"{BASE}/availability") == "online", "online")
    state = json.loads(listener.last(f"{BASE}/state") or "")
    assert state["override_mode"] == "off"
    assert state["pv_w"] is None, "this house has no devices"
    config = json.loads(listener.last("homeassistant/sensor/pems_chata_c_5/pv_w/config") or "")
    assert config["state_topic"] == f"{BASE}/state"
    house.stop()
    until(lambda: listener.last(f"{BASE}/availability") == "offline", "goodbye")


@pytest.mark.services
def test_a_hand_on_the_broker_takes_the_battery_and_lets_go(house: House, listener: Listener) -> None:
    until(lambda: listener.last(f"{BASE}/availability") == "online", "online")
    listener.say(f"{BASE}/override/power_w/set", "2500")
    listener.say(f"{BASE}/override/minutes/set", "30")
    listener.say(f"{BASE}/override/mode/set", "charge")
    until(lambda: house.override is not None, "the override")
    assert house.override.battery_w == -2500.0
    assert house.override.until_s - house.override.since_s == 1800.0
    until(lambda: json.loads(listener.last(f"{BASE}/state") or "{}").get("override_mode") == "charge", "its state")
    assert json.loads(listener.last(f"{BASE}/state") or "")["override_power_w"] == 2500.0
    listener.say(f"{BASE}/override/mode/set", "off")
    until(lambda: house.override is None, "the end")


@pytest.mark.services
def test_old_commands_and_garbage_are_refused_logged_and_change_nothing(
    broker: Broker, listener: Listener, tmp_path: Path
) -> None:
    listener.say(f"{BASE}/override/mode/set", "discharge", retain=True)
    house = House(tmp_path, replace(MQTT, port=broker.port))
    try:
        until(lambda: house.logs("refused"), "the refusal of the old command")
        assert house.logs("refused") == [f"{BASE}/override/mode/set: an old command that the broker kept"]
        for payload in (b"\x00\xff", b"explode", b'{"mode": "charge"}', b"", b"9" * 100_000):
            listener.say(f"{BASE}/override/mode/set", payload)
            listener.say(f"{BASE}/override/power_w/set", payload)
        listener.say("prices", b"garbage")
        listener.say(f"{BASE}/room/living/setpoint_c/set", b"21")
        until(lambda: house.said, "the setpoint behind all that")
        assert house.said == [("room.living.setpoint_c", 21.0)]
        assert house.override is None
        assert len(house.logs("refused")) == 12
        assert house.logs("refused")[-1] == "prices: the answer is not JSON"
    finally:
        listener.say(f"{BASE}/override/mode/set", b"", retain=True)
        house.stop()


@pytest.mark.services
def test_a_flood_on_another_topic_does_not_keep_a_hand_off(house: House, listener: Listener) -> None:
    until(lambda: listener.last(f"{BASE}/availability") == "online", "online")
    for number in range(5000):
        listener.say("evcc/loadpoints/1/chargePower", str(number))
    listener.say(f"{BASE}/override/mode/set", "hold")
    for _ in range(5000):
        listener.say("evcc/loadpoints/1/vehicleSoc", b"garbage")
    until(lambda: house.override is not None, "the override")
    until(lambda: ("ev.chargePower", 4999.0) in house.said, "the newest state")
    assert not any("full" in text for text in house.logs("mqtt"))


@pytest.mark.services
def test_states_of_others_and_prices_are_passed_on(house: House, listener: Listener) -> None:
    until(lambda: listener.last(f"{BASE}/availability") == "online", "online")
    listener.say("evcc/loadpoints/1/chargePower", "3680")
    listener.say("evcc/loadpoints/1/connected", "true")
    listener.say("prices", b"{}")
    until(lambda: house.prices and len(house.said) == 2, "what others say")
    assert house.said == [("ev.chargePower", 3680.0), ("ev.connected", 1.0)]
    assert house.prices == [b"{}"]


@pytest.mark.services
def test_a_control_that_does_not_answer_makes_the_box_offline(house: House, listener: Listener) -> None:
    until(lambda: listener.last(f"{BASE}/availability") == "online", "online")
    house.service.close()
    until(lambda: listener.last(f"{BASE}/availability") == "offline", "offline")
    listener.say(f"{BASE}/override/mode/set", "hold")
    until(lambda: house.logs("refused"), "the refusal")
    assert "the box is not running" in house.logs("refused")[0]
    house.service = Service(house.folder / SOCKET_NAME, house.ports.handlers())
    until(lambda: listener.last(f"{BASE}/availability") == "online", "online again")


@pytest.mark.services
def test_a_broker_that_restarts_finds_the_box_again_and_all_of_it(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "own")
    (tmp_path / "house").mkdir()
    house = House(tmp_path / "house", replace(MQTT, port=broker.port))
    try:
        until(lambda: house.logs("mqtt"), "the first session")
        broker.stop()
        until(lambda: any("again in" in text for text in house.logs("mqtt")), "the loss")
        broker.start()
        until(lambda: sum("connected to" in text for text in house.logs("mqtt")) == 2, "the second session")
        listener = Listener(broker)
        until(lambda: listener.last(f"{BASE}/availability") == "online", "online")
        assert listener.last("homeassistant/sensor/pems_chata_c_5/pv_w/config"), "discovery is published anew"
        listener.say(f"{BASE}/override/mode/set", "hold")
        until(lambda: house.override is not None, "a command after the restart")
        listener.close()
    finally:
        house.stop()
        broker.stop()


@pytest.mark.services
def test_commands_that_a_broker_kept_on_disk_through_its_own_restart_are_refused(tmp_path: Path) -> None:
    store = tmp_path / "own"
    broker = Broker(store, "persistence true", f"persistence_location {store}/", "autosave_interval 1")
    old = {f"{BASE}/override/mode/set": "discharge", f"{BASE}/override/power_w/set": "5000",
           f"{BASE}/room/living/setpoint_c/set": "30"}  # fmt: skip
    listener = Listener(broker)
    for topic, text in old.items():
        listener.say(topic, text, retain=True)
    listener.say("evcc/loadpoints/1/connected", "true", retain=True)
    until(lambda: len(listener.heard) == 4, "the broker has all of it")
    listener.close()
    broker.stop()
    assert (store / "mosquitto.db").stat().st_size > 0, "kept on disk"
    broker.start()
    (tmp_path / "house").mkdir()
    house = House(tmp_path / "house", replace(MQTT, port=broker.port))
    try:
        until(lambda: len(house.logs("refused")) == len(old), "the refusals")
        assert set(house.logs("refused")) == {f"{topic}: an old command that the broker kept" for topic in old}
        until(lambda: house.kept, "a state may be old")
        assert house.kept == [("ev.connected", 1.0)]
        assert house.said == [], "nobody knows when that was said"
        assert house.override is None
    finally:
        house.stop()
        broker.stop()


@pytest.mark.services
def test_a_wrong_password_is_tried_again_in_growing_pauses(broker: Broker, tmp_path: Path) -> None:
    house = House(tmp_path, replace(MQTT, port=broker.port))
    house.stop()
    (tmp_path / "secret.toml").write_text('user = "box"\npassword = "wrong"\n')
    logged: list[str] = []
    ears = Ears(
        said=lambda *_: None, kept=lambda *_: None, prices=lambda _: None, log=lambda _, text: logged.append(text)
    )
    bridge = Bridge(house.site, replace(MQTT, port=broker.port, secrets="secret.toml"), Client(tmp_path / "s"), ears)
    asyncio.run(bridge.run(lambda: len(logged) >= 2))
    assert [text.rsplit("; ", 1)[1] for text in logged[:2]] == ["again in 1 s", "again in 2 s"]
    assert not any("wrong" in text for text in logged)
    with pytest.raises(IpcError):
        Client(tmp_path / "s").ask("status")


@pytest.mark.services
@pytest.mark.filterwarnings(UNCLOSED)
def test_tls_trusts_the_sites_own_authority_and_nobody_else(tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    broker = Broker(tmp_path / "tls", f"certfile {cert}", f"keyfile {key}")
    (tmp_path / "house").mkdir()
    house = House(tmp_path / "house", replace(MQTT, port=broker.port, tls=True, ca=str(cert)))
    try:
        until(lambda: any("connected to" in text for text in house.logs("mqtt")), "a session over TLS")
        logged: list[str] = []
        ears = Ears(
            said=lambda *_: None, kept=lambda *_: None, prices=lambda _: None, log=lambda _, text: logged.append(text)
        )
        untrusting = Bridge(house.site, replace(MQTT, port=broker.port, tls=True), Client(tmp_path / "s"), ears)
        asyncio.run(untrusting.run(lambda: bool(logged)))
        assert "certificate" in logged[0].lower()
        del untrusting
        gc.collect()
    finally:
        house.stop()
        broker.stop()


@pytest.mark.services
def test_the_web_process_speaks_with_the_broker_beside_its_pages(
    broker: Broker, listener: Listener, house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    until(lambda: listener.last(f"{BASE}/availability") == "online", "online")
    site = replace(house.site, name="second", mqtt=replace(MQTT, port=broker.port, secrets="secret.toml"))
    stopping = threading.Event()
    outside.start(site, house.folder, Clock.real(), Log("web"), stopping.is_set)
    until(lambda: listener.last("pems/second/availability") == "online", "the second box")
    listener.say("pems/second/room/living/setpoint_c/set", "21")
    until(lambda: said_of_house(site, house.folder), "what was said")
    assert said_of_house(site, house.folder)["room.living.setpoint_c"][0] == 21.0
    stopping.set()
    until(lambda: listener.last("pems/second/availability") == "offline", "goodbye")
