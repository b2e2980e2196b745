"""Planned reads: a refused register is found, kept out of the others, and asked for again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.devices.agenda import Agenda
from edge.devices.bonds import atoms
from edge.devices.cost import RequestCost
from edge.devices.profile_file import load_profile
from edge.devices.scheduler import Lane
from edge.devices.turns import RECHECK_S, Turn

SPH = load_profile("growatt/sph")
PACED = RequestCost(fixed_s=0.03, word_s=0.002, period_s=0.85)
QUICK = RequestCost(fixed_s=0.0001, word_s=0.001)


class Device:
    """Refuses any read that touches a missing register, and any that is too long."""

    def __init__(self, missing: set[tuple[str, int]], longest: int = 125) -> None:
        self.missing, self.longest = missing, longest
        self.agenda = Agenda(SPH, lambda: PACED)
        self.requests_count = 0

    def refuses(self, turn: Turn) -> bool:
        block = turn.block
        touched = {(block.space, cell) for cell in range(block.address, block.last + 1)}
        return bool(touched & self.missing) or block.count > self.longest

    def settle(self, now_s: float = 0.0) -> None:
        """Ask for everything that is due until nothing is."""
        while turn := next((turn for turn in self.agenda.turns if turn.brought_s < now_s and self._due(turn)), None):
            self.requests_count += 1
            assert self.requests_count < 500
            turn.asked_s = now_s
            if self.refuses(turn):
                self.agenda.refuse(turn, "no", now_s)
            else:
                turn.brought_s = now_s
                self.agenda.answered(turn)

    @staticmethod
    def _due(turn: Turn) -> bool:
        return not turn.refused or turn.not_before_s <= 0.0

    def names(self, *, refused: bool) -> set[str]:
        return {p.name for turn in self.agenda.turns if turn.refused is refused for p in turn.block.points}


def cells() -> list[tuple[str, int]]:
    return [(point.space, cell) for point in SPH.points for cell in point.addresses]


@given(st.sets(st.sampled_from(cells()), max_size=4))
def test_what_has_a_missing_register_ends_up_refused_with_its_partners_and_nothing_else(missing):
    device = Device(missing)
    device.settle()
    lost = {
        p.name
        for atom in atoms(SPH.points)
        if {(part.space, cell) for part in atom for cell in part.addresses} & missing
        for p in atom
    }
    assert device.names(refused=True) == lost
    assert device.names(refused=False) == {p.name for p in SPH.points} - lost
    assert not any(device.refuses(turn) for turn in device.agenda.turns if not turn.refused)


def test_one_missing_register_costs_one_more_read_for_ever_and_few_to_find():
    plain, device = Device(set()), Device({("input", 1096)})
    plain.settle()
    device.settle()
    assert len(device.agenda.turns) == len(plain.agenda.turns) + 1
    assert device.requests_count <= plain.requests_count + 12


def test_a_missing_register_between_points_parts_the_read_there():
    device = Device({("input", 1005)})  # 1000 and 1009 are points, 1005 is none
    device.settle()
    assert device.names(refused=True) == set()
    assert not any(device.refuses(turn) for turn in device.agenda.turns)


def test_a_device_that_refuses_long_reads_gets_shorter_ones():
    device = Device(set(), longest=40)
    device.settle()
    assert device.names(refused=True) == set()
    assert max(turn.block.count for turn in device.agenda.turns) <= 40


def test_a_refused_register_is_asked_for_again_after_an_hour_and_joins_the_others():
    device = Device({("input", 1096)})
    device.settle()
    before = len(device.agenda.turns)
    (refused,) = (turn for turn in device.agenda.turns if turn.refused)
    assert refused.lateness(RECHECK_S - 1.0) == 0.0
    assert refused.lateness(RECHECK_S) > 0.0
    refused.brought_s = RECHECK_S
    device.agenda.answered(refused)
    assert len(device.agenda.turns) == before - 1
    assert device.names(refused=True) == set()


def test_a_new_plan_keeps_what_is_known_of_each_point():
    cost = [PACED]
    agenda = Agenda(SPH, lambda: cost[0])
    for number, turn in enumerate(agenda.turns):
        turn.asked_s = turn.brought_s = 100.0 + number
        agenda.answered(turn)
    before = {p.name: agenda.turn_of(p).brought_s for p in SPH.points}
    cost[0] = QUICK
    agenda.reconsider()
    assert len(agenda.turns) > 10
    assert {p.name: agenda.turn_of(p).brought_s for p in SPH.points} == before


def test_a_plan_stays_where_a_new_one_saves_little():
    cost = [PACED]
    agenda = Agenda(SPH, lambda: cost[0])
    turns = agenda.turns
    cost[0] = RequestCost(fixed_s=0.031, word_s=0.0021, period_s=0.85)
    agenda.reconsider()
    assert agenda.turns is turns


def test_lateness_is_in_periods_and_slow_reads_wait_for_theirs():
    agenda = Agenda(SPH, lambda: PACED)
    control, slow = agenda.turn_of(SPH.by_name["battery_soc"]), agenda.turn_of(SPH.by_name["serial_number"])
    for turn in (control, slow):
        turn.asked_s = 0.0
    assert (control.lateness(2.0), control.lane) == (2.0, Lane.FAST_READ)
    assert (slow.lateness(119.0), slow.lane) == (0.0, Lane.SLOW_READ)
    assert slow.lateness(180.0) == 1.5


def test_at_start_up_fast_reads_come_between_the_slow_ones():
    agenda = Agenda(SPH, lambda: PACED)
    asked, now_s = [], 0.0
    while any(turn.asked_s < 0.0 for turn in agenda.turns):
        now_s += 1.0
        turn = max(agenda.turns, key=lambda one: one.lateness(now_s))
        turn.asked_s = now_s
        asked.append(turn.block.poll)
    assert asked[:2] == ["fast", "fast"]
    assert ["slow", "slow", "slow"] not in [asked[i : i + 3] for i in range(len(asked))]


def test_a_busy_read_is_put_off_longer_and_longer_up_to_a_minute():
    turn = Agenda(SPH, lambda: PACED).turns[0]
    pauses = []
    for _ in range(10):
        turn.put_off(0.0)
        pauses.append(turn.not_before_s)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0]
    assert turn.lateness(59.0) == 0.0
