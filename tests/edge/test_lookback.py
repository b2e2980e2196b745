"""Looking back on yesterday: on a store of measured days, within its time, with the page's own bill at the top."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from energy import START_S, NaiveForecasts, days_of, duck_eur_per_kwh, make_days, make_grid, make_site
from hypothesis import given
from hypothesis import strategies as st

from core_kernels.records import Frame
from edge.clock import Clock
from edge.config import Site
from edge.config_supply import Tariff
from edge.control.causes import CAUSES, checked_day, day_without, failures_kept
from edge.control.ledger import Cost, Ledger
from edge.control.regret import Rungs, kept, split
from edge.daemon import look_back
from edge.errors import EdgeError, StoreError
from edge.facts import Facts
from edge.facts.savings import regrets
from edge.files import STORE_NAME
from edge.ingest.store import Store, StoreReader
from edge.ingest.tariff import PriceBook
from edge.ipc import IpcError
from edge.log import Log
from edge.lookback import Lookback
from edge.messages import to_json
from edge.planner_ports import PlannerPorts
from edge.replay import live
from edge.supply import prices_of

DAY, NOW_S = "2024-06-09", START_S + 9 * 86_400  # 02:00 in Prague, two hours after the day's end
EUROS = st.floats(-500.0, 500.0, allow_nan=False)


@dataclass
class Box:
    """A state folder with nine measured days, and looking back's ports to it; what is kept goes into the store."""

    site: Site
    state: Path

    def window(self, until_s: float, days: int) -> Frame:
        reader = StoreReader(self.state / STORE_NAME)
        found = reader.window(until_s, days)
        reader.close()
        return found

    def known_weather(self, _now_s: float) -> Frame | None:
        return None

    def price_book(self) -> PriceBook:
        return prices_of(self.site)

    def has_regret(self, day: str) -> bool:
        return any(body["day"] == day for body in self.regrets())

    def keep_regret(self, body: Mapping[str, Any]) -> None:
        store = Store(self.state / STORE_NAME)
        store.add_regret(body["day"], checked_day(to_json(body)))
        store.close()

    def regrets(self, since: str = "") -> list[dict[str, Any]]:
        reader = StoreReader(self.state / STORE_NAME)
        found = reader.regrets(since)
        reader.close()
        return found

    def lookback(self, asked_to_stop=lambda: False) -> Lookback:
        return Lookback(site=self.site, ports=self, forecaster=NaiveForecasts(), asked_to_stop=asked_to_stop)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Box:
    """Nine days of which the last was lived as the box decides, with a meter that bills 50 W more than the balance."""
    folder = tmp_path_factory.mktemp("lookback")
    tariff = Tariff(prices="prices.csv", peak_eur_per_kw_month=3.0)
    box = Box(site=replace(make_site(tariff=tariff), folder=folder), state=folder)
    measured = make_days(9)
    lived = live(make_site(), days_of(measured, 7, 2), NaiveForecasts())
    battery_w, soc_frac = np.zeros(measured.grid.count), np.full(measured.grid.count, 0.5)
    battery_w[-192:], soc_frac[-192:] = lived.battery_w, lived.soc_frac[1:]
    grid_w = measured.columns["load_w"] - measured.columns["pv_w"] - battery_w + 50.0
    columns = {**measured.columns, "battery_w": battery_w, "soc_frac": soc_frac, "grid_w": grid_w}
    store = Store(folder / STORE_NAME)
    store.import_frame(Frame(grid=measured.grid, columns=columns))
    store.close()
    hours = make_grid(24 * 13, START_S - 86_400, 3600)
    prices = zip(hours.starts_s(), duck_eur_per_kwh(hours), strict=True)
    rows = [f"{datetime.fromtimestamp(time_s, UTC).isoformat()},{1000.0 * eur}" for time_s, eur in prices]
    (folder / "prices.csv").write_text("\n".join(["time_utc,price_eur_mwh", *rows]) + "\n")
    return box


@pytest.fixture(scope="module")
def looked(whole: Box) -> Mapping[str, Any]:
    """Yesterday, looked back upon once."""
    found = whole.lookback().look(NOW_S, 600.0)
    assert found is not None
    return found


def test_the_gap_is_split_in_cents_that_add_up(looked: Mapping[str, Any]) -> None:
    assert looked["day"] == DAY
    assert looked["problem"] == ""
    assert tuple(looked["gap_eur"]) == CAUSES
    cents = {cause: round(100 * eur) for cause, eur in looked["gap_eur"].items()}
    assert sum(cents.values()) == round(100 * looked["actual_eur"]) - round(100 * looked["perfect_foresight_eur"])
    assert looked["perfect_foresight_eur"] < looked["rules_eur"] < looked["no_battery_eur"]
    assert looked["failed_count"] == 0


def test_page_and_lookback_pay_the_same_bill_peaks_and_the_meters_own_word_included(
    whole: Box, looked: Mapping[str, Any]
) -> None:
    facts = Facts(whole.site, whole.state, Clock(start_s=NOW_S, origin_s=time.monotonic(), speed=1e-6))
    found = facts.savings()
    row = next(day for day in found["days"] if day["day"] == DAY)
    for name, mine in (("ours_eur", "actual_eur"), ("rules_eur", "rules_eur"), ("no_battery_eur", "no_battery_eur")):
        assert row[name] == pytest.approx(looked[mine], abs=0.00501), name
    assert found["regret"]["days"] == [to_json(looked)]
    assert found["regret"]["total"]["gap_eur"] == looked["gap_eur"]
    assert found["days"][0]["day"] == "2024-06-02", "of the first, how it began is not known"
    grid_w = whole.window(NOW_S - 2 * 3600, 9).column("grid_w")
    added_w = np.nanmax(grid_w) - np.nanmax(grid_w[:96])
    peaks_eur = sum(day["ours_peak_eur"] for day in found["days"])
    assert peaks_eur == pytest.approx(3.0 * added_w / 1000.0), "each day bears what it adds to its month"


def test_a_day_is_looked_back_upon_once(whole: Box, looked: Mapping[str, Any]) -> None:
    assert whole.has_regret(looked["day"])
    assert whole.lookback().look(NOW_S, 600.0) is None


def test_before_its_last_quarter_is_closed_the_day_waits(whole: Box) -> None:
    assert whole.lookback().look(START_S + 9 * 86_400 - 7200 + 600.0, 600.0) is None


@pytest.mark.parametrize(
    ("now_s", "free_wall_s", "why"),
    [
        (NOW_S - 86_400, 3.0, "runs so fast that there is no time for it"),
        (NOW_S + 86_400, 600.0, "only 8% of its quarter hours were measured"),
        (NOW_S + 3 * 86_400, 600.0, "nothing was measured"),
    ],
)
def test_a_day_that_cannot_be_looked_back_upon_is_named(whole: Box, now_s: float, free_wall_s: float, why: str) -> None:
    found = whole.lookback().look(now_s, free_wall_s)
    assert found is not None
    assert why in found["problem"]
    kept_days = whole.regrets(found["day"])
    assert kept_days[0]["problem"] == found["problem"]
    assert {"day": found["day"], "why": found["problem"]} in regrets(kept_days)["left_out"]


def test_it_stops_with_the_box_and_says_nothing_of_the_day(whole: Box) -> None:
    assert whole.lookback(lambda: True).look(NOW_S - 2 * 86_400, 600.0) is None
    assert not any(body["day"] == "2024-06-07" for body in whole.regrets())


def test_when_its_time_is_over_it_says_so(whole: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.lookback.MOST_WALL_S", 0.2)
    monkeypatch.setattr("edge.lookback.LEAST_WALL_S", 0.1)
    found = whole.lookback().look(NOW_S - 2 * 86_400, 600.0)
    assert found is not None
    assert found["problem"] == "it was not done within 0 s"


def test_without_a_price_the_day_is_named(whole: Box, tmp_path: Path) -> None:
    poor = Box(site=replace(whole.site, tariff=Tariff(prices="short.csv")), state=whole.state)
    (whole.state / "short.csv").write_text("time_utc,price_eur_mwh\n2024-06-01T00:00:00Z,10\n2024-06-01T01:00:00Z,10\n")
    kept_before = len(whole.regrets())
    found = poor.lookback().look(NOW_S - 3 * 86_400, 600.0)
    assert found is not None
    assert "price" in found["problem"]
    assert len(whole.regrets()) == kept_before + 1


def test_the_planners_ports_know_what_was_kept_and_say_when_control_is_away(
    whole: Box, looked: Mapping[str, Any]
) -> None:
    ports = PlannerPorts(whole.site, whole.state, Clock(start_s=NOW_S, origin_s=time.monotonic(), speed=1e-6))
    assert ports.has_regret(looked["day"])
    assert not ports.has_regret("2030-01-01")
    assert ports.known_weather(NOW_S) is None
    assert ports.price_book().source.endswith("prices.csv")
    with pytest.raises(IpcError, match="not running"):
        ports.keep_regret(looked)


@given(st.lists(st.tuples(st.lists(EUROS, min_size=6, max_size=6), EUROS), min_size=1, max_size=5))
def test_whatever_the_days_were_the_sums_of_all_days_add_up_to_the_cent(days) -> None:
    names = ("actual", "modelled", "decided", "true_pv", "true_load", "true_prices")
    bodies = []
    for euros, best_eur in days:
        rungs = Rungs(**{name: Cost(bill_eur=eur) for name, eur in zip(names, euros, strict=True)})
        rest = {way: Cost(bill_eur=1.005) for way in ("no_battery", "rules", "ours")}
        ledger = Ledger(**rest, perfect_foresight=Cost(bill_eur=best_eur))
        bodies.append(checked_day(to_json(kept(DAY, split(rungs, ledger), 1.0))))
    total = regrets(bodies)["total"]
    cents = {cause: round(100 * eur) for cause, eur in total["gap_eur"].items()}
    assert sum(cents.values()) == round(100 * total["total_gap_eur"])
    assert sum(cents.values()) == round(100 * total["actual_eur"]) - round(100 * total["perfect_foresight_eur"])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"day": "yesterday"}, "Invalid isoformat"),
        ({"day": 5}, "a text is none"),
        ({"problem": "x" * 1000}, "too long"),
        ({"failures": ["x"] * 9}, "more than 5 failures"),
        ({"more": 1}, "not a day's regret: more"),
        ({"actual_eur": 2.01}, "parts of 100 ct make 101 ct"),
        ({"gap_eur": {"bad luck": 1.0}}, "other causes"),
        ({"actual_eur": math.nan}, "NaN"),
    ],
)
def test_what_is_no_days_regret_is_not_kept(changes: Mapping[str, Any], why: str) -> None:
    gap_eur = dict.fromkeys(CAUSES, 0.0) | {"PV error": 1.0}
    good = day_without(DAY, "") | {
        "actual_eur": 2.0, "perfect_foresight_eur": 1.0, "total_gap_eur": 1.0, "gap_eur": gap_eur,
    }  # fmt: skip
    assert checked_day(good) == good
    with pytest.raises(ValueError, match=why):
        checked_day(good | changes)


def test_only_the_first_failures_are_kept_each_as_far_as_it_goes() -> None:
    assert failures_kept(tuple("abcdefgh")) == list("abcde")
    assert failures_kept(("x" * 900,)) == ["x" * 500]


def test_a_store_without_its_days_is_an_error_in_words(tmp_path: Path) -> None:
    Store(tmp_path / STORE_NAME).close()
    reader = StoreReader(tmp_path / STORE_NAME)
    assert reader.regrets("") == []
    reader.close()
    store = Store(tmp_path / STORE_NAME)
    store._db.execute("INSERT INTO regret VALUES ('2024-01-01', '[]')")
    store.close()
    reader = StoreReader(tmp_path / STORE_NAME)
    with pytest.raises(StoreError, match="it is no JSON object"):
        reader.regrets("")
    reader.close()


class Answer:
    """Looks back as it is told: a day, nothing, or an error."""

    def __init__(self, answer: Mapping[str, Any] | EdgeError | None) -> None:
        self.answer = answer
        self.free_wall_s = math.nan

    def look(self, _now_s: float, free_wall_s: float) -> Mapping[str, Any] | None:
        self.free_wall_s = free_wall_s
        if isinstance(self.answer, EdgeError):
            raise self.answer
        return self.answer


def test_the_planner_says_what_looking_back_found_and_survives_what_it_could_not_keep(
    capsys: pytest.CaptureFixture[str], looked: Mapping[str, Any]
) -> None:
    clock = Clock(start_s=NOW_S, origin_s=time.monotonic(), speed=10.0)
    found = Answer(looked)
    for answer in (found, Answer(day_without(DAY, "no prices")), Answer(None), Answer(IpcError("control is away"))):
        look_back(answer, clock, NOW_S + 600.0, Log("planner"))
    assert 0.0 < found.free_wall_s <= 60.0
    said = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [row["event"] for row in said] == ["lookback", "lookback", "alarm"]
    assert said[0]["text"] == f"{DAY}: {looked['total_gap_eur']:.2f} EUR were missed"
    assert said[1]["text"] == "no prices"
    assert said[2]["text"] == "yesterday is not looked back upon: control is away"
