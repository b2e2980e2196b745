"""One device: its planned reads, what they last brought, and when to ask again. Raises nothing while polling."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

from edge.clock import Clock
from edge.devices.agenda import Agenda
from edge.devices.blocks import Block
from edge.devices.identify import stranger
from edge.devices.liveness import GATEWAY, Liveness
from edge.devices.lockstep import Place
from edge.devices.planner import SLOW_PERIOD_S, plan_reads
from edge.devices.profile import Point, Profile
from edge.devices.registers import identity_from_words
from edge.devices.samples import Sample, Samples
from edge.devices.scheduler import Bus, Lane
from edge.devices.survey import Survey
from edge.devices.trust import Total
from edge.devices.turns import Turn
from edge.errors import DeviceError, DeviceRejected, DeviceUnreachable
from edge.messages import Cause

ILLEGAL_ADDRESS = (1, 2, 3)  # devices use all three for a register that they do not have
DEVICE_FAILURE = 4
ENDLESS_COUNT = 6  # a "device failure" that never ends, while other reads answer, is a missing register
CONFIRMATIONS = 2
RECONSIDER_S = 600.0  # the cost of requests is measured all the time, the plan follows now and then
ASLEEP_PAUSE_S = 60.0  # between two looks at an inverter that sleeps
SERIAL_NUMBER = "serial_number"


class Unit:
    """One device on a link. ``is_night`` says whether an inverter may be asleep for want of sun, ``measures`` before
    which consumer a meter stands instead of the house."""

    def __init__(
        self,
        profile: Profile,
        bus: Bus,
        number: int,
        clock: Clock,
        is_night: Callable[[float], bool] = lambda _: False,
        *,
        measures: str = "",
    ) -> None:
        self.family = profile
        self.link = bus
        self.number = number
        self.measures = measures
        self.name = f"{profile.name}#{number}"
        self._clock = clock
        self._is_night = is_night
        self._confirmed_s = -math.inf
        self._reconsider_s = clock.now_s() + RECONSIDER_S
        self._serial_number = ""
        self._liveness = Liveness(bus)
        self._random = random.Random(self.name)
        self._survey = Survey(profile, bus, number)
        self.adopt(self._survey.profile)

    def adopt(self, profile: Profile) -> None:
        """Begin anew with this profile: the first one, or what a discovery made of it."""
        self.profile = profile
        self.signals = profile.signals()
        self._samples = Samples(profile)
        self._agenda = Agenda(profile, lambda: self.link.cost)
        self.confirmations = 0

    @property
    def samples(self) -> dict[str, Sample]:
        """What each point last brought."""
        return self._samples.latest

    @property
    def confirmed(self) -> bool:
        """The device was read often enough, with one identity, to be written to."""
        return not self.why_unconfirmed

    @property
    def why_unconfirmed(self) -> str:
        """Why the device must not be written to yet, in words; empty when it may."""
        if self.doubt:
            return self.doubt
        if self._survey.turn is not None:
            return f"the device's SunSpec map is to be read first: {self._survey.turn.reason}"
        if SERIAL_NUMBER in self.samples and not self._serial_number:
            return "the serial number is blank or no text"
        if self.confirmations < CONFIRMATIONS:
            return f"start-up: {self.confirmations} of {CONFIRMATIONS} consistent reads"
        if SERIAL_NUMBER in self.profile.by_name and not self._serial_number:
            return f"start-up: no serial number: {self.why_missing(self.profile.by_name[SERIAL_NUMBER])[0]}"
        return ""

    @property
    def doubt(self) -> str:
        """Why nothing that the device says is believed; empty when there is no such reason."""
        words = chain.from_iterable(sample.words for sample in self.samples.values())
        first = next(words, None)
        if first in (0, 0xFFFF) and all(word == first for word in words):
            return f"every register reads {first}: this is no device"
        return stranger(self.profile, {name: sample.words for name, sample in self.samples.items()})

    @property
    def absent(self) -> dict[str, tuple[str, Cause]]:
        """Signals of the family that this device lacks, or that nobody knows of before its map is read."""
        search = self._survey.turn
        if search is not None and self._survey.is_first:
            return dict.fromkeys(self.profile.absent, (search.reason, search.cause))
        return {name: (why, "absent") for name, why in self.profile.absent.items()}

    @property
    def complete(self) -> bool:
        """Every planned read was tried at least once."""
        turns = self._agenda.turns if self._survey.turn is None else [self._survey.turn]
        return all(math.isfinite(turn.asked_s) for turn in turns)

    def is_asleep(self, now_s: float) -> bool:
        """An inverter that knew its totals and is silent, or says only zeros, while the sun is low."""
        if self.profile.header.role != "inverter" or not self.samples or not self._is_night(now_s):
            return False
        return self._liveness.is_dead or self._samples.is_blank or self._samples.lifeless

    def due(self, now_s: float) -> list[Turn]:
        """Reads that wait, latest first. A silent unit is left alone, and then probed with any one of its reads."""
        if self.is_silent(now_s):
            return []
        turns = self._agenda.turns if self._survey.turn is None else [self._survey.turn]
        ranked = [(-late, turn.lane, index) for index, turn in enumerate(turns) if (late := turn.lateness(now_s)) > 0.0]
        if self._liveness.is_dead:
            ranked = [self._random.choice(ranked)] if ranked else []
        return [turns[index] for *_, index in sorted(ranked)]

    def poll(self, turn: Turn) -> None:
        """Do one planned read; what goes wrong becomes the reason of its points."""
        turn.asked_s = self._clock.now_s()
        try:
            taken = self._take(turn.block, turn.lane) if turn is not self._survey.turn else self._explore()
        except DeviceRejected as error:
            self._rejected(turn, error)
        except DeviceError as error:
            self._failed(turn, error)
        else:
            self._answered(turn, taken)

    def fetch(self, points: Iterable[Point]) -> None:
        """Read these points now, whatever the queue says; raises :class:`DeviceError`."""
        for block in plan_reads(self.profile.with_partners(points), self.profile.link, self.link.cost):
            if not self._take(block, Lane.VERIFY):
                self._take(block, Lane.VERIFY)

    @property
    def errors_by_cause(self) -> Mapping[Cause, int]:
        """Requests that failed since the start."""
        return self._liveness.errors_by_cause

    def why_missing(self, point: Point) -> tuple[str, Cause]:
        """The reason why a point has no sample, or an old one, in words and in one."""
        turn = self._agenda.turn_of(point)
        if math.isinf(turn.asked_s) and self._liveness.reason:
            return self._liveness.reason, self._liveness.cause
        return turn.reason, turn.cause

    def period_s(self, point: Point) -> float:
        """How often the point is read at least."""
        return SLOW_PERIOD_S if self._agenda.turn_of(point).block.poll == "slow" else 0.0

    def is_silent(self, now_s: float) -> bool:
        """The unit did not answer lately and is left alone for a while."""
        return self._liveness.is_silent(now_s)

    def refused(self, point: Point) -> bool:
        """The device said that it does not have this register."""
        return self._agenda.turn_of(point).refused

    def note_refusal(self, point: Point, error: DeviceRejected) -> None:
        """A register that was asked for outside the queue was refused."""
        self._refuse(self._agenda.turn_of(point), error)

    def total(self, point: Point) -> Total | None:
        """What a counter last said that was believed."""
        return self._samples.total(point.name)

    def known(self, names: Sequence[str], now_s: float, max_age_s: float) -> list[Sample] | None:
        """The samples of these points, or ``None`` if one is missing or too old."""
        found = [self.samples[name] for name in names if name in self.samples]
        fresh = [sample for sample in found if not sample.reason and now_s - sample.measured_s <= max_age_s]
        return fresh if len(fresh) == len(names) else None

    def _explore(self) -> bool:
        """Read the device's map; with another map than before, everything begins anew."""
        profile = self._survey.explore()
        if profile is not None:
            self.adopt(profile)
        return True

    def _take(self, block: Block, lane: Lane) -> bool:
        """Read a block and keep its points; false when it is to be read once more before it is believed."""
        words_at: dict[int, int] = {}
        for address, count in block.requests:
            try:
                words = self.link.read(self.number, block.space, address, count, lane)
            except DeviceUnreachable:
                self._survey.lose()
                raise
            found = dict(enumerate(words, address))
            if words_at and any(words_at.get(cell, word) != word for cell, word in found.items()):
                self._samples.spoil(block, self._clock.now_s(), "its high word changed while the low word was read")
                return True
            words_at |= found
        return self._samples.take(block, words_at, self._clock.now_s())

    def _answered(self, turn: Turn, taken: bool) -> None:
        now_s = self._clock.now_s()
        self._liveness.answered()
        self._agenda.answered(turn)
        if not taken:
            turn.asked_s = -math.inf
            return
        turn.brought_s = now_s
        self._confirm()
        if now_s >= self._reconsider_s and self.complete:
            self._reconsider_s = now_s + RECONSIDER_S
            self._agenda.reconsider()
        self._rest_if_asleep(now_s)

    def _failed(self, turn: Turn, error: DeviceError) -> None:
        self._liveness.failed(error, turn.asked_s, self._clock.now_s())
        turn.reason, turn.cause = self._liveness.reason, self._liveness.cause
        if turn is self._survey.turn:
            turn.put_off(self._clock.now_s())
        if self._liveness.failures_count > CONFIRMATIONS:
            self.confirmations = 0
        if not isinstance(error, DeviceUnreachable):
            self._rest_if_asleep(self._clock.now_s())

    def _rest_if_asleep(self, now_s: float) -> None:
        """Look again in a while at an inverter that answers, but with nothing, while the sun is low."""
        if self.is_asleep(now_s) and (self._samples.is_blank or self._samples.lifeless):
            self._liveness.rest(now_s, ASLEEP_PAUSE_S)

    def _rejected(self, turn: Turn, error: DeviceRejected) -> None:
        """The device, or a gateway for it, says no: never, not now, or nobody there."""
        if error.exception_code in GATEWAY:
            self._failed(turn, error)
            return
        self._liveness.answered()
        if error.exception_code in ILLEGAL_ADDRESS or (
            error.exception_code == DEVICE_FAILURE and turn.busy_count >= ENDLESS_COUNT
        ):
            self._refuse(turn, error)
            return
        turn.reason, turn.cause = str(error), "busy"
        self._liveness.errors_by_cause["busy"] += 1
        turn.put_off(self._clock.now_s())

    def _refuse(self, turn: Turn, error: DeviceRejected) -> None:
        """A refused address: its points are invalid, and the one is looked for when the way to the unit is sound."""
        now_s = self._clock.now_s()
        turn.reason, turn.cause = str(error), "refused"
        self._liveness.errors_by_cause["refused"] += 1
        if self._liveness.is_healthy(now_s):
            self._agenda.refuse(turn, str(error), now_s)
        if turn.refused:
            for point in turn.block.points:
                self.samples.pop(point.name, None)

    def _confirm(self) -> None:
        """Count rounds in which every fast read answered, with the same serial number."""
        serial = self.samples.get(SERIAL_NUMBER)
        number = identity_from_words(serial.words) if serial else self._serial_number
        if self._serial_number and number != self._serial_number:
            self.confirmations = 0
        self._serial_number = number
        constant = self.profile.probe
        if constant is not None and constant.name in self.samples and (number or constant.name != SERIAL_NUMBER):
            place = Place(space=constant.space, address=constant.address, count=constant.words)
            self.link.know(self.number, place, self.samples[constant.name].words)
        fast = [turn.brought_s for turn in self._agenda.turns if turn.block.poll == "fast" and not turn.refused]
        if fast and min(fast) > self._confirmed_s:
            self._confirmed_s = max(fast)
            self.confirmations += 1
