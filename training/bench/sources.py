"""How fast and how large an extraction is: ten fields of a year at 5 minutes from a real InfluxDB on loopback.

The reference is the same ten queries, one after the other, by a plain blocking client. Each measurement has a process
of its own, three of each in turn, the quickest counts; memory is the peak above what the imports take. Processor time
is what the client itself took, which neighbours on a busy machine hardly change.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from core_kernels.figures import Row, limit_row, ratio_row
from core_kernels.units import SECONDS_PER_DAY
from training.boosters import Stage, quiet
from training.cache import PartCache
from training.energy_dataset import EnergyDataset
from training.errors import SetupError, TrainingError
from training.extract import Settings, UnifiedDataExtractor
from training.mapping import parse_mapping
from training.sources.urls import open_source

START_S = 1_546_300_800  # 2019-01-01 00:00 UTC
SLOT_S = 300
_FIELDS, _YEARS = 10, 5
_DAYS_PER_YEAR = 365
_MOST_S, _MOST_MB, _MOST_GROWTH, _MOST_CPU_RATIO = 5.0, 300.0, 0.10, 0.6
_TURNS = 3
_WAIT_S, _TIMEOUT_S = 120.0, 900.0
_BATCH_ROWS = 5_000
_MODULE = "training.bench.sources"
_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{back}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  auth-enabled = {auth}
  log-enabled = false
[subscriber]
  enabled = false
[continuous_queries]
  enabled = false
"""


def rows(stage: Stage = quiet) -> list[Row]:
    """Seconds and memory of a year, memory of five; raises :class:`SetupError` where influxd is absent."""
    with tempfile.TemporaryDirectory(prefix="pems-bench-") as name, influxd(Path(name)) as port:
        stage("sources: five years into InfluxDB")
        fill(port, _YEARS * _DAYS_PER_YEAR)
        _measured("ours", port, _DAYS_PER_YEAR)  # the server's own caches and the kernels, once for both sides
        plain, year = [], []
        for turn in range(1, _TURNS + 1):
            stage(f"sources: a year, one query after the other, then all at once, {turn} of {_TURNS}")
            plain.append(_measured("plain", port, _DAYS_PER_YEAR))
            year.append(_measured("ours", port, _DAYS_PER_YEAR))
        stage("sources: five years")
        whole = _measured("ours", port, _YEARS * _DAYS_PER_YEAR)
    return _rows(_least(plain), _least(year), whole)


def _least(found: list[dict[str, float]]) -> dict[str, float]:
    """The best turn, number by number."""
    return {name: min(each[name] for each in found) for name in found[0]}


def _rows(plain: dict[str, float], year: dict[str, float], whole: dict[str, float]) -> list[Row]:
    reference = f"the same {_FIELDS} queries one after the other, blocking httpx"
    what = f"{_FIELDS} queries of a year at 5 min, slots and flags"
    growth = whole["rss_mb"] / year["rss_mb"]
    flat = Row(
        name=f"peak memory of {_YEARS} years, imports included",
        value=whole["rss_mb"],
        unit="MB",
        reference="peak memory of 1 year",
        reference_value=year["rss_mb"],
        ratio=growth,
        target="within 10 % of 1 year",
        ok=abs(growth - 1.0) <= _MOST_GROWTH,
    )
    return [
        limit_row(f"{what}, wall time", (year["wall_s"], plain["wall_s"]), "s", reference, _MOST_S),
        ratio_row(
            f"{what}, the client's processor time",
            (year["cpu_s"], plain["cpu_s"]),
            "s",
            reference,
            _MOST_CPU_RATIO,
            f"<= {_MOST_CPU_RATIO} of the reference",
        ),
        limit_row(f"{what}, peak memory", (year["peak_mb"], plain["peak_mb"]), "MB above imports", reference, _MOST_MB),
        flat,
    ]


def _measured(what: str, port: int, days: int) -> dict[str, float]:
    command = [sys.executable, "-m", _MODULE, what, str(port), str(days)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_TIMEOUT_S)
    if done.returncode:
        raise TrainingError(f"bench sources: {done.stderr.strip().splitlines()[-1]}")
    return dict(json.loads(done.stdout))


def influxdb_config(folder: Path, port: int, back: int, auth: bool = False) -> Path:
    """Write what makes a server keep to a folder and to loopback; gives the file."""
    path = folder / "influxdb.conf"
    path.write_text(_CONFIG.format(folder=folder, port=port, back=back, auth=str(auth).lower()))
    return path


@contextmanager
def influxd(folder: Path) -> Iterator[int]:
    """A server of one's own; gives its port."""
    program = shutil.which("influxd")
    if program is None:
        raise SetupError("influxd is not installed: apt-get install influxdb")
    port, back = _free_port(), _free_port()
    config = influxdb_config(folder, port, back)
    command = [program, "-config", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(process, port)
        yield port
    finally:
        process.terminate()
        process.wait(60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline_s = time.monotonic() + _WAIT_S
    while process.poll() is None and time.monotonic() < deadline_s:
        try:
            httpx.get(f"http://127.0.0.1:{port}/ping", timeout=5.0).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise TrainingError(f"influxd did not come up on port {port}")


def fill(port: int, days: int) -> None:
    """Ten fields every 5 minutes."""
    base = f"http://127.0.0.1:{port}"
    httpx.post(f"{base}/query", params={"q": "CREATE DATABASE home"}).raise_for_status()
    random = np.random.default_rng(3)
    for first in range(0, days * SECONDS_PER_DAY // SLOT_S, _BATCH_ROWS):
        count = min(_BATCH_ROWS, days * SECONDS_PER_DAY // SLOT_S - first)
        values = np.round(random.normal(20.0, 2.0, (count, _FIELDS)), 2).tolist()
        lines = [
            "room " + ",".join(f"t{k}={value}" for k, value in enumerate(row)) + f" {START_S + SLOT_S * (first + i)}"
            for i, row in enumerate(values)
        ]
        answer = httpx.post(
            f"{base}/write", params={"db": "home", "precision": "s"}, content="\n".join(lines), timeout=_WAIT_S
        )
        answer.raise_for_status()


def ours(port: int, days: int, cache: Path) -> EnergyDataset:
    """The extraction."""
    rows = [{"name": f"room_t{k}_c", "field": f"room.t{k}", "unit": "degC"} for k in range(_FIELDS)]
    mapping = parse_mapping({"signal": rows}, "bench")
    settings = Settings(slot_s=SLOT_S, workers=_FIELDS)

    async def run() -> EnergyDataset:
        source = open_source(f"influxdb://127.0.0.1:{port}/home")
        extractor = UnifiedDataExtractor([source], mapping, PartCache(cache), settings)
        try:
            return await extractor.extract(START_S, START_S + days * SECONDS_PER_DAY)
        finally:
            await extractor.aclose()

    return asyncio.run(run())


def plain(port: int, days: int) -> int:
    """One query after the other, each whole, as arrays; gives the number of rows."""
    count = 0
    for k in range(_FIELDS):
        until_s = START_S + days * SECONDS_PER_DAY
        query = f'SELECT "t{k}" FROM "room" WHERE time >= {START_S}s AND time < {until_s}s'  # noqa: S608 -- our numbers
        params = {"db": "home", "q": query, "epoch": "ms"}
        answer = httpx.get(f"http://127.0.0.1:{port}/query", params=params, timeout=_TIMEOUT_S)
        table = np.array(answer.json()["results"][0]["series"][0]["values"], dtype=np.float64)
        count += table.shape[0]
    return count


def main(what: str, port: int, days: int) -> dict[str, float]:
    """Wall time, processor time and peak memory above imports of one side."""
    before_mb = _memory_mb("VmRSS")
    with tempfile.TemporaryDirectory(prefix="pems-bench-cache-") as cache:
        started_s, began_cpu_s = time.perf_counter(), time.process_time()
        if what == "ours":
            data = ours(port, days, Path(cache))
            known = sum(part.counts.rows for name in data.signals for part in data.parts(name))
            if data.missing:
                raise TrainingError(data.missing[0].reason)
        else:
            known = plain(port, days)
        wall_s, cpu_s = time.perf_counter() - started_s, time.process_time() - began_cpu_s
    wanted = _FIELDS * days * SECONDS_PER_DAY // SLOT_S
    if known != wanted:
        raise TrainingError(f"{known} rows came of {wanted}")
    peak_mb = _memory_mb("VmHWM")
    return {"wall_s": wall_s, "cpu_s": cpu_s, "peak_mb": peak_mb - before_mb, "rss_mb": peak_mb}


def _memory_mb(field: str) -> float:
    """One line of Linux' own account; unlike getrusage it does not count the process that started this one."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(field)) / 1024.0


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
