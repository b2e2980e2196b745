"""A few small homes, and the schedulers, workers and object stores that a fleet is trained with."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pandas as pd

from training.boosters import Recipe
from training.fleet.home import Job, program_sha256
from training.package import Release

SITE = '[site]\nname = "{name}"\nlatitude_deg = 49.2\nlongitude_deg = 16.6\ntimezone = "Europe/Prague"\n'
START = "2024-01-01"
DAYS = 40


def home_table(seed, days=DAYS):
    """A load with an evening and its own height."""
    random = np.random.default_rng(seed)
    times = pd.date_range(START, periods=days * 96, freq="15min", tz="UTC")
    hour = times.hour.to_numpy() + times.minute.to_numpy() / 60.0
    load_w = (200.0 + 900.0 * np.exp(-((hour - 19.0) ** 2) / 4.0)) * random.uniform(0.5, 2.0)
    return pd.DataFrame({"time_utc": times, "load_w": load_w + random.gamma(1.0, 80.0, times.size)})


def write_homes(folder, names, days=DAYS):
    for seed, name in enumerate(names):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "site.toml").write_text(SITE.format(name=name))
        home_table(seed, days).to_parquet(folder / name / "table.parquet")
    return folder


def job_of(homes, out, **changed):
    facts = {
        "homes_url": str(homes),
        "out_url": str(out),
        "recipe": Recipe(rounds=4),
        "release": Release(version="2026.11.23-1", seq=1, created="2026-11-23T00:00:00Z"),
        "judge_days": 7,
        "program_sha256": program_sha256(),
    }
    return Job(**(facts | changed))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def process(*arguments, **environment):
    started = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait(30)
