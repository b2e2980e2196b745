"""When a SunSpec device's map is read, and what becomes of its profile: at first contact and after every silence."""

from __future__ import annotations

from functools import partial

from edge.devices.blocks import Block
from edge.devices.profile import Profile
from edge.devices.scheduler import Bus
from edge.devices.sunspec import MARKER, Model, discover, resolve
from edge.devices.turns import Turn


class Survey:
    """What is known of one device's map. A device without SunSpec models has none, and ``turn`` is never there."""

    def __init__(self, family: Profile, bus: Bus, number: int) -> None:
        self.turn: Turn | None = None  # the read of the map, while it is due: nothing else is read before
        self._family = family
        self._bus = bus
        self._number = number
        self._models: tuple[Model, ...] = ()
        self.lose()

    @property
    def profile(self) -> Profile:
        """The family's profile for the models that are known."""
        return resolve(self._family, self._models) if self._family.link.sunspec_bases else self._family

    @property
    def is_first(self) -> bool:
        """The map was never read."""
        return not self._models

    def lose(self) -> None:
        """The map must be read (again): a device that comes back may have another firmware, or be another one."""
        bases = self._family.link.sunspec_bases
        if bases and self.turn is None:
            self.turn = Turn(block=Block(space="holding", address=bases[0], count=len(MARKER), poll="fast", points=()))

    def explore(self) -> Profile | None:
        """Read the map: the profile that belongs to it, or ``None`` where it is the known one.

        Raises :class:`DeviceError`; the map stays due then.
        """
        models = discover(partial(self._bus.read, self._number, "holding"), self._family.link.sunspec_bases)
        profile = None if models == self._models else resolve(self._family, models)
        self._models, self.turn = models, None
        return profile
