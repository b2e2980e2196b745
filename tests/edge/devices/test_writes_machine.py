"""Anything at any time: commands, tricks of the device, another master, silence, deaths of the box. Nothing unsafe."""

from __future__ import annotations

import math

from commanded import Commanded, Killed
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge.config import Battery
from edge.messages import WriteResult

CHARGE_W, DISCHARGE_W, RATED_W = 1500.0, 1000.0, 5000.0
BATTERY = Battery(capacity_wh=10_000.0, charge_w=CHARGE_W, discharge_w=DISCHARGE_W, rated_w=RATED_W)
RESOLUTION_W = 0.01 * RATED_W


class Pipeline(RuleBasedStateMachine):
    """The write pipeline of one family."""

    family = ("growatt/sph", "vpp")

    @initialize()
    def begin(self) -> None:
        self.box = Commanded(*self.family, battery=BATTERY)
        self.result = WriteResult(outcome="unchanged", writes=0)

    def do(self, command, *arguments: float) -> None:
        """Command; where the box dies at it, a new one starts."""
        self.box.devices.read(60.0)
        try:
            self.result = command(*arguments)
        except Killed:
            self.result = WriteResult(outcome="failed", writes=0)
            self.box.imp.tricks = {}
            self.box.start()

    @rule(battery_w=st.floats(-8000.0, 8000.0) | st.just(math.nan), lease_s=st.sampled_from([60.0, 300.0, 900.0]))
    def power(self, battery_w: float, lease_s: float) -> None:
        self.do(self.box.power, battery_w, lease_s)

    @rule()
    def native(self) -> None:
        self.do(self.box.native)

    @rule(seconds=st.sampled_from([0.5, 3.0, 31.0, 400.0, 3700.0]))
    def wait(self, seconds: float) -> None:
        self.box.wait(seconds)

    @rule(
        step=st.integers(0, 5),
        trick=st.sampled_from(["refuse", "ignore", "silent", "mute", "die", "die after"]),
    )
    def plan_a_trick(self, step: int, trick: str) -> None:
        self.box.imp.tricks = {len(self.box.imp.writes) + step: trick}

    @rule()
    def another_master_resets(self) -> None:
        control = next(c for c in self.box.profile.controls if c.name == self.family[1])
        self.box.device._revert(control)

    @rule()
    def the_box_restarts(self) -> None:
        self.box.start()

    @rule()
    def the_line_goes_dead(self) -> None:
        self.box.imp.silent = True
        self.do(self.box.power, -1000.0)
        self.box.imp.silent = False

    @precondition(lambda self: not math.isnan(self.result.battery_w))
    @rule()
    def what_is_told_is_what_the_limits_allow(self) -> None:
        assert -CHARGE_W - 1e-6 <= self.result.battery_w <= DISCHARGE_W + 1e-6

    @invariant()
    def the_battery_never_does_more_than_the_limits(self) -> None:
        if hasattr(self, "box") and not self.box.imp.is_free:
            assert -CHARGE_W - RESOLUTION_W <= self.box.device.battery_w <= DISCHARGE_W + RESOLUTION_W

    @invariant()
    def the_ledger_has_every_word_that_the_wire_saw(self) -> None:
        if hasattr(self, "box"):
            words = {write.address: write.words for write in self.box.profile.writes}
            noted = sum(words[int(write.register.rsplit(" ", 1)[1])] for _, write in self.box.ledger.rows)
            assert noted == sum(len(sent) for _, sent in self.box.imp.writes)

    def teardown(self) -> None:
        """Whatever was: native is reached as soon as the device obeys again."""
        if not hasattr(self, "box"):
            return
        self.box.imp.tricks, self.box.imp.silent = {}, False
        self.box.clock.sleep(301.0)
        self.box.ready()
        result = self.box.native()
        if result.outcome == "reverted":  # the other master is named first
            result = self.box.native()
        assert result.outcome in ("applied", "unchanged"), result
        assert self.box.imp.is_free
        assert self.box.ledger.unreleased(f"{self.family[0]}#{self.box.profile.link.default_unit}") == []


def machine(family: tuple[str, str]):
    """The machine of another family, as a test case."""
    kind = type(f"Pipeline{family[1].title()}", (Pipeline,), {"family": family})
    case = kind.TestCase
    case.settings = settings(max_examples=6, stateful_step_count=14, deadline=None)
    return case


TestVpp = machine(("growatt/sph", "vpp"))
TestSlots = machine(("growatt/sph", "slots"))
TestModXh = machine(("growatt/mod_xh", "slots"))
TestSungrow = machine(("sungrow/sh", "forced_mode"))
TestHuawei = machine(("huawei/sun2000_luna", "forced_period"))
TestSolax = machine(("solax/hybrid", "vpp_mode_1"))
TestVictron = machine(("victron/gx", "grid_setpoint"))
TestGoodwe = machine(("goodwe/et", "ems_mode"))
