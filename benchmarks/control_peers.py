"""Other planners on the same windows, in an environment of their own: one request a line in, one answer a line out.

Started by ``edge.bench_control.peers`` as ``python control_peers.py WINDOWS.npz``; a request is ``{"peer", "window",
"stored_kwh", "car"}``, an answer ``{"ms", "cost_eur", "rss_mb"}`` with the processor time of making that one plan.
Nothing of the product is imported.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path

import numpy as np

LOG = logging.getLogger("peers")


class Windows:
    """The windows' numbers, as the product's side wrote them."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as arrays:
            self.arrays = {name: arrays[name] for name in arrays.files}
        self.steps = self.arrays["net_kw"].shape[1]
        self.slot_h = float(self.arrays["slot_h"])

    def row(self, name: str, window: int):
        return self.arrays[name][window]

    def number(self, name: str) -> float:
        return float(self.arrays[name])


class Cvxpy:
    """The same linear programme in cvxpy, solved by HiGHS; ``dpp`` sets parameters instead of building it anew."""

    def __init__(self, windows: Windows, *, dpp: bool) -> None:
        self.windows, self.dpp = windows, dpp
        self.kept = {}

    def build(self, *, with_car: bool):
        import cvxpy as cp

        w, n = self.windows, self.windows.steps
        h, leg, power_kw = w.slot_h, w.number("leg_frac"), w.number("power_kw")
        given = {name: cp.Parameter(n) for name in ("net_kw", "import_eur", "export_eur")} | {
            "stored_kwh": cp.Parameter()
        }
        charge, discharge, imported, exported, stored = (cp.Variable(n, nonneg=True) for _ in range(5))
        peak = cp.Variable(nonneg=True)
        before = cp.hstack([cp.reshape(given["stored_kwh"], (1,), order="C"), stored[:-1]])
        rows = [
            imported - exported == given["net_kw"] + charge - discharge,
            stored == before + h * leg * charge - h / leg * discharge,
            *(charge <= power_kw, discharge <= power_kw, imported <= w.number("import_kw")),
            *(exported <= w.number("export_kw"), stored >= w.number("low_kwh"), stored <= w.number("high_kwh")),
            *(peak >= imported, peak >= w.number("peak_least_kw")),
        ]
        cost = h * (given["import_eur"] @ imported - given["export_eur"] @ exported)
        cost += h * w.number("wear_eur") * cp.sum(discharge) - w.number("terminal_eur") * stored[n - 1]
        cost += w.number("peak_eur") * (peak - w.number("peak_least_kw"))
        if with_car:
            given |= {name: cp.Parameter(n) for name in ("power_max_kw", "goal_kwh", "most_kwh")}
            given["start_kwh"] = cp.Parameter()
            power, energy, short = (cp.Variable(n, nonneg=True) for _ in range(3))
            had = cp.hstack([cp.reshape(given["start_kwh"], (1,), order="C"), energy[:-1]])
            rows[0] = imported - exported == given["net_kw"] + charge - discharge + power
            rows += [energy == had + h * w.number("car_efficiency_frac") * power, power <= given["power_max_kw"]]
            rows += [energy <= given["most_kwh"], energy + short >= given["goal_kwh"]]
            cost += w.number("car_short_eur") * cp.sum(short)
        return cp.Problem(cp.Minimize(cost), rows), given

    def plan(self, window: int, stored_kwh: float, car=None) -> float:
        with_car = car is not None
        problem, given = self.kept.get(with_car) or self.build(with_car=with_car)
        if self.dpp:
            self.kept[with_car] = problem, given
        told = {"stored_kwh": stored_kwh} | (car or {})
        for name, parameter in given.items():
            parameter.value = told[name] if name in told else self.windows.row(name, window)
        problem.solve(solver="HIGHS", ignore_dpp=not self.dpp)
        return float(problem.value)


class Emhass:
    """EMHASS' own day-ahead optimisation with a battery; the second call and later ones find its problem cached."""

    def __init__(self, windows: Windows, *, gap: float) -> None:
        import emhass
        import pandas as pd
        from emhass.optimization import Optimization

        self.windows, self.pandas = windows, pd
        data = Path(emhass.__file__).parent / "data"
        defaults = json.loads((data / "config_defaults.json").read_text())
        w, step = windows, pd.Timedelta(hours=windows.slot_h)
        power_w = 1000.0 * w.number("power_kw")
        capacity_wh = 1000.0 * w.number("capacity_kwh")
        plant = defaults | {
            "battery_nominal_energy_capacity": capacity_wh,
            "battery_charge_power_max": power_w,
            "battery_discharge_power_max": power_w,
            "battery_charge_efficiency": w.number("leg_frac"),
            "battery_discharge_efficiency": w.number("leg_frac"),
            "battery_minimum_state_of_charge": w.number("low_kwh") / w.number("capacity_kwh"),
            "battery_maximum_state_of_charge": w.number("high_kwh") / w.number("capacity_kwh"),
            "maximum_power_from_grid": 1000.0 * w.number("import_kw"),
            "maximum_power_to_grid": 1000.0 * w.number("export_kw"),
            "inverter_is_hybrid": False,
            "compute_curtailment": False,
        }
        optim = defaults | {
            "set_use_battery": True,
            "set_use_pv": True,
            "number_of_deferrable_loads": 0,
            "set_total_pv_sell": False,
            "set_nocharge_from_grid": False,
            "set_nodischarge_to_grid": False,
            "weight_battery_discharge": w.number("wear_eur"),
            "weight_battery_charge": 0.0,
            "lp_solver_mip_rel_gap": gap,
            "num_threads": 1,
            "delta_forecast_daily": pd.Timedelta(days=1),
        }
        for name in ("nominal_power_of_deferrable_loads", "operating_hours_of_each_deferrable_load"):
            optim[name] = []
        retrieve = defaults | {
            "optimization_time_step": step,
            "time_zone": "UTC",
            "sensor_power_photovoltaics": "pv",
            "sensor_power_load_no_var_loads": "load",
        }
        folders = {"data_path": data, "root_path": data.parent}
        self.optimiser = Optimization(
            retrieve, optim, plant, "cost", "price", "profit", folders, LOG, num_timesteps=w.steps
        )

    def plan(self, window: int, stored_kwh: float, car=None) -> float:  # noqa: ARG002 -- no car here
        pd, w = self.pandas, self.windows
        net_w = 1000.0 * w.row("net_kw", window)
        index = pd.date_range("2024-06-01", periods=w.steps, freq=pd.Timedelta(hours=w.slot_h), tz="UTC")
        frame = pd.DataFrame({"cost": w.row("import_eur", window), "price": w.row("export_eur", window)}, index=index)
        pv, load = pd.Series(np.maximum(-net_w, 0.0), index), pd.Series(np.maximum(net_w, 0.0), index)
        start = stored_kwh / w.number("capacity_kwh")
        found = self.optimiser.perform_dayahead_forecast_optim(frame, pv, load, soc_init=start, soc_final=start)
        grid_kw = found["P_grid"].to_numpy() / 1000.0
        price = np.where(grid_kw > 0.0, frame["cost"], frame["price"])
        worn_kw = np.maximum(found["P_batt"].to_numpy(), 0.0) / 1000.0
        return float(w.slot_h * np.sum(grid_kw * price + w.number("wear_eur") * worn_kw))


class Piqp:
    """The interior-point solver from cold on a programme that the product's side has written, to the same tolerance.

    A row that is one unknown by itself is handed over as its bounds, one with equal bounds as an equation.
    """

    def __init__(self, windows: Windows, folder: Path) -> None:  # noqa: ARG002 -- the programme is in the folder
        self.folder, self.programme = folder, ()

    def ready(self, window: int) -> None:
        """Read the programme, which is no part of the solve."""
        from scipy.sparse import csc_matrix, triu

        with np.load(self.folder / f"programme-{window}.npz") as arrays:
            given = {name: arrays[name] for name in arrays.files}
        names = ("quadratic", "rows")
        parts = [[given[f"{name}_{part}"] for part in ("data", "indices", "indptr")] for name in names]
        quadratic, rows = (
            csc_matrix(tuple(part), shape=tuple(given[f"{name}_shape"]))
            for name, part in zip(names, parts, strict=True)
        )
        quadratic = csc_matrix(quadratic + triu(quadratic, 1).T)
        low, high, by_row = given["l"], given["u"], rows.tocsr()
        single = (np.diff(by_row.indptr) == 1) & (high > low)
        equal = high == low
        least, most = np.full(given["q"].size, -np.inf), np.full(given["q"].size, np.inf)
        at = by_row[single].indices
        least[at], most[at] = low[single], high[single]
        rest = ~single & ~equal
        self.programme = (
            *(quadratic, given["q"], csc_matrix(by_row[equal]), low[equal]),
            *(csc_matrix(by_row[rest]), low[rest], high[rest], least, most),
        )

    def plan(self, window: int, stored_kwh: float, car=None) -> float:  # noqa: ARG002 -- all is in the programme
        import piqp

        solver = piqp.SparseSolver()
        solver.settings.eps_abs = solver.settings.eps_rel = 1e-3
        solver.setup(*self.programme)
        status = solver.solve()
        if status != piqp.PIQP_SOLVED:
            raise RuntimeError(f"PIQP gave up on programme {window}: {status}")
        return float(solver.result.info.primal_obj)


PEERS = {
    "cvxpy rebuilt": lambda windows, _folder: Cvxpy(windows, dpp=False),
    "cvxpy DPP": lambda windows, _folder: Cvxpy(windows, dpp=True),
    "EMHASS": lambda windows, _folder: Emhass(windows, gap=0.01),
    "EMHASS, no gap": lambda windows, _folder: Emhass(windows, gap=0.0),
    "PIQP": Piqp,
}


def peak_mb() -> float:
    """Most memory of this process; not ``ru_maxrss``, which a process takes over from the one that started it."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024.0


def main() -> None:
    """Answer requests until the input ends."""
    path = Path(sys.argv[1])
    windows = Windows(path)
    made = {}
    for line in sys.stdin:
        request = json.loads(line)
        name = request["peer"]
        if name not in made:
            made[name] = PEERS[name](windows, path.parent)
        if name == "PIQP":
            made[name].ready(request["window"])
        started_s = time.process_time()
        cost_eur = made[name].plan(request["window"], request["stored_kwh"], request["car"])
        answer = {"ms": 1000.0 * (time.process_time() - started_s), "cost_eur": cost_eur}
        answer["rss_mb"] = peak_mb()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
