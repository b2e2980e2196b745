"""The chain of answers: a fresh plan, the last valid plan, the rules, native; each shown by removing the one before."""

import dataclasses
import math

import numpy as np
from energy import BATTERY, NaiveForecasts, days_of, make_days, make_site
from fakes import FakePorts, good_readings, make_plan

from edge.control import fastloop
from edge.cycle import control_cycle
from edge.errors import PlanError
from edge.planning import SLOT_S
from edge.replay import ACT_S, live

SITE = make_site()
SELLING = make_plan(
    4,
    water_value_eur_per_kwh=0.05,
    battery_w=(4000.0,) * 4,
    price_import_eur_per_kwh=(0.6,) * 4,
    price_export_eur_per_kwh=(0.5,) * 4,
)
QUIET = {"pv_w": 0.0, "load_w": 800.0, "grid_w": 300.0, "battery_w": 500.0}


class DiesAfter(NaiveForecasts):
    """A planner that stops for good after some plans."""

    def __init__(self, plans_count):
        self.left_count = plans_count

    def forecast(self, issued_s, grid, history, weather):
        self.left_count -= 1
        if self.left_count < 0:
            raise PlanError("the planner is dead")
        return super().forecast(issued_s, grid, history, weather)


def command_at(now_s, plan, **values):
    ports = FakePorts(good_readings(now_s, **{**QUIET, **values}), plan, now_s=now_s)
    control_cycle(ports, SITE)
    return ports.commands[0]


def test_without_a_new_plan_the_last_one_is_followed_until_its_lease_ends():
    fresh, last = command_at(1000.0, SELLING), command_at(2600.0, SELLING)
    assert fresh.mode == last.mode == "power"
    assert last.battery_w > 1000.0


def test_without_a_valid_plan_the_rules_answer():
    expired = command_at(SELLING.valid_until_s, SELLING)
    assert expired.mode == "native"
    assert "self-consumption" in expired.reason
    assert command_at(1000.0, None).reason == expired.reason


def test_without_what_a_plan_needs_to_be_safe_native_answers_and_says_why():
    blind = command_at(1000.0, SELLING, soc_frac=math.nan)
    assert blind.mode == "native"
    assert any("soc_frac" in veto for veto in blind.vetoes)


def test_a_planner_that_dies_in_the_middle_of_a_day_costs_optimality_and_nothing_else():
    seen = []

    def watched(house, plan, battery, imported_wh):
        command = fastloop.wish(house, plan, battery, imported_wh)
        seen.append((house, plan, command))
        return command

    days = days_of(make_days(9), 8, 1)
    lived = live(SITE, days, DiesAfter(8), act=watched)
    assert len(lived.failures) == 96 - 8
    acts = SLOT_S // ACT_S
    last = seen[8 * acts][1]
    assert all(plan is last for _, plan, _ in seen[8 * acts :])
    expired = [command for house, _, command in seen if house.time_s >= last.valid_until_s]
    assert len(expired) == (96 - 9) * acts
    assert {command.mode for command in expired} == {"native"}
    covered_w = np.clip(lived.net_w, -BATTERY.charge_w, BATTERY.discharge_w)
    inside = (lived.soc_frac[9:-1] > 0.2) & (lived.soc_frac[9:-1] < 0.9)
    np.testing.assert_allclose(lived.battery_w[9:][inside], covered_w[9:][inside])


def test_a_site_that_loses_its_battery_is_left_alone():
    ports = FakePorts(good_readings(1000.0, **QUIET), SELLING)
    control_cycle(ports, dataclasses.replace(SITE, battery=None))
    assert ports.commands[0].mode == "native"
