"""Make tests/data/simses_ageing.json: losses by SimSES 1.3.12's own ageing classes, step by step.

Needs an environment of its own: `python3.11 -m venv V && V/bin/pip install simses==1.3.12`, then
`V/bin/python scripts/oracles/simses_ageing.py tests/data/simses_ageing.json`.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import platform
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import simses
from simses.technology.lithium_ion.cell.nmc_sanyo_ur18650e import SanyoNMC
from simses.technology.lithium_ion.degradation.calendar.lfp_sony import SonyLFPCalendarDegradationModel
from simses.technology.lithium_ion.degradation.calendar.nmc_sanyo_ur18650e import SanyoNMCCalendarDegradationModel
from simses.technology.lithium_ion.degradation.cyclic.lfp_sony import SonyLFPCyclicDegradationModel
from simses.technology.lithium_ion.degradation.cyclic.nmc_sanyo_ur18650e import SanyoNMCCyclicDegradationModel

CELLS = Path(simses.__file__).parent / "data" / "lithium_ion" / "cell"
CAPACITY_AH = 2.05
DT_S = 3600.0


class Cell:
    """A cell of nominal capacity 1 Ah (LFP) with a voltage that the caller sets."""

    voltage_v = 3.7

    def get_nominal_capacity(self) -> float:
        """Capacity of a new cell [Ah]."""
        return 1.0

    def get_calendar_capacity_loss_start(self) -> float:
        """Nothing is lost yet."""
        return 0.0

    get_cyclic_capacity_loss_start = get_calendar_capacity_loss_start

    def get_open_circuit_voltage(self, _state: object) -> float:
        """What the caller set [V]."""
        return self.voltage_v

    def get_serial_scale(self) -> float:
        """One cell."""
        return 1.0

    get_parallel_scale = get_serial_scale


class Cycle:
    """A cycle detector that reports the cycle it is told."""

    def __init__(self) -> None:
        self.depth = self.rate = self.cycles = 0.0

    def get_depth_of_cycle(self) -> float:
        """Depth, 0..1."""
        return self.depth

    def get_crate(self) -> float:
        """Rate [1/s]."""
        return self.rate / 3600.0

    def get_delta_full_equivalent_cycle(self) -> float:
        """Full equivalent cycles."""
        return self.depth * self.cycles


def follow(model: object, steps: list[dict[str, float]], apply: object) -> list[float]:
    """Running total of a model's loss."""
    total, losses = 0.0, []
    for step in steps:
        apply(step)
        total += model.get_degradation()
        losses.append(total)
    return losses


def calendar(model: object, cell: Cell, steps: list[dict[str, float]]) -> list[float]:
    """Calendar loss after each step."""

    def apply(step: dict[str, float]) -> None:
        cell.voltage_v = step.get("voltage_v", 3.7)
        state = SimpleNamespace(time=0.0, soc=step.get("soc_frac"), temperature=step["temp_c"] + 273.15)
        model.calculate_degradation(DT_S, state)

    return follow(model, steps, apply)


def cyclic(model: object, cell: Cell, detector: Cycle, steps: list[dict[str, float]]) -> list[float]:
    """Cycle loss after each cycle."""

    def apply(step: dict[str, float]) -> None:
        cell.voltage_v = step.get("voltage_v", 3.6)
        detector.depth, detector.rate, detector.cycles = (
            step["depth_frac"],
            step.get("c_rate_per_h", 0.0),
            step["count"],
        )
        model.calculate_degradation(SimpleNamespace(capacity=CAPACITY_AH, nominal_voltage=1.0))

    return follow(model, steps, apply)


def case(steps: list[dict[str, float]], losses: list[float]) -> dict[str, list[float]]:
    """One entry of the fixture."""
    return {key: [step[key] for step in steps] for key in steps[0]} | {"loss_frac": losses}


def voltages() -> dict[str, list[float]]:
    """The cell's open-circuit voltage."""
    soc_frac = [i / 40 for i in range(41)]
    fake = SimpleNamespace(get_serial_scale=lambda: 1.0)
    return {
        "soc_frac": soc_frac,
        "voltage_v": [SanyoNMC.get_open_circuit_voltage(fake, SimpleNamespace(soc=soc)) for soc in soc_frac],
    }


def main(target: Path) -> None:
    """Write the fixture."""
    rng = random.Random(1312)
    files = SimpleNamespace(
        lfp_sony_degradation_capacity_file=CELLS / "CLFP_Sony_US26650_capacity_decrease_param.csv",
        lfp_sony_degradation_resistance_file=CELLS / "CLFP_Sony_US26650_resistance_increase_param.csv",
    )
    number = SimpleNamespace(degradation_model_number=1)
    cell, detector = Cell(), Cycle()
    days = [
        {"soc_frac": 0.5 + 0.45 * math.sin(i / 4.0), "temp_c": 22.0 + 12.0 * math.sin(i / 300.0) + rng.gauss(0.0, 1.0)}
        for i in range(1000)
    ]
    cycles = [
        {
            "depth_frac": rng.uniform(0.01, 1.0),
            "c_rate_per_h": rng.uniform(0.05, 1.0),
            "count": rng.choice((0.5, 1.0)),
        }
        for _ in range(1000)
    ]
    still = [{"voltage_v": 3.9, "temp_c": 31.0} for _ in range(500)]
    # 3.6 V is where the class starts its mean of two voltages; half cycles, as its detector counts them
    even = [{"depth_frac": 0.65, "voltage_v": 3.6, "count": 0.5} for _ in range(500)]
    lfp_calendar = SonyLFPCalendarDegradationModel(cell, files, number)
    lfp_cyclic = SonyLFPCyclicDegradationModel(cell, detector, files, number)
    cases = {
        "calendar_lfp": case(days, calendar(lfp_calendar, cell, days)),
        "calendar_nmc": case(still, calendar(SanyoNMCCalendarDegradationModel(cell), cell, still)),
        "cycle_nmc": case(even, cyclic(SanyoNMCCyclicDegradationModel(cell, detector), cell, detector, even)),
        "voltage_nmc": voltages(),
    }
    lfp_state = SimpleNamespace(capacity=1.0, nominal_voltage=1.0)

    def apply(step: dict[str, float]) -> None:
        detector.depth, detector.rate, detector.cycles = step["depth_frac"], step["c_rate_per_h"], step["count"]
        lfp_cyclic.calculate_degradation(lfp_state)

    cases["cycle_lfp"] = case(cycles, follow(lfp_cyclic, cycles, apply))
    made = {
        "simses": importlib.metadata.version("simses"),
        "numpy": importlib.metadata.version("numpy"),
        "python": platform.python_version(),
        "script": "scripts/oracles/simses_ageing.py",
    }
    target.write_text(json.dumps({"made_with": made, "dt_s": DT_S, "cases": cases}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
