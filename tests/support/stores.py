"""Debian's databases on loopback, in folders of their own, and a year of made signals to put into them."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest

from training.bench.sources import influxdb_config

YEAR_START_S = 1_672_531_200  # 2023-01-01 00:00 UTC
POSTGRES_BIN = Path("/usr/lib/postgresql/15/bin")
WAIT_S = 120.0


@dataclass
class Server:
    """A process that listens on a port of loopback."""

    process: subprocess.Popen
    port: int
    folder: Path

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait(30)


def program(name):
    """The path of a server's program; the test is skipped where it is absent."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin")
    if found is None:
        pytest.skip(f"{name} is not installed here (Debian has it)")
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(ready, server, what):
    """Wait for a condition for a generous while."""
    deadline = time.monotonic() + WAIT_S
    while not ready():
        assert server.process.poll() is None, f"{what} ended with {server.process.poll()}"
        assert time.monotonic() < deadline, f"{what} did not come up in {WAIT_S} s"
        time.sleep(0.05)


def answers(url):
    def ask():
        try:
            return httpx.get(url, timeout=5.0).status_code < 300
        except httpx.HTTPError:
            return False

    return ask


def start_influxdb(folder, auth=False, port=None):
    port, back = port or free_port(), free_port()
    config = influxdb_config(folder, port, back, auth)
    command = [program("influxd"), "-config", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = Server(process, port, folder)
    until(answers(f"http://127.0.0.1:{port}/ping"), server, "influxd")
    return server


def influx_query(server, query, **more):
    params = {"q": query, **more}
    answer = httpx.post(f"http://127.0.0.1:{server.port}/query", params=params, timeout=60.0)
    answer.raise_for_status()
    return answer.json()


def influx_write(server, database, lines, **more):
    params = {"db": database, "precision": "s", **more}
    for first in range(0, len(lines), 20_000):
        body = "\n".join(lines[first : first + 20_000]).encode()
        answer = httpx.post(f"http://127.0.0.1:{server.port}/write", params=params, content=body, timeout=120.0)
        assert answer.status_code == 204, answer.text


def start_victoria(folder):
    port = free_port()
    command = [
        program("victoria-metrics"),
        f"-httpListenAddr=127.0.0.1:{port}",
        f"-storageDataPath={folder}",
        "-retentionPeriod=100y",
        "-search.latencyOffset=0s",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = Server(process, port, folder)
    until(answers(f"http://127.0.0.1:{port}/health"), server, "victoria-metrics")
    return server


def _as_postgres():
    """PostgreSQL refuses root: the words that make it somebody else."""
    return ["/usr/sbin/runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


def start_postgres(folder):
    if not (POSTGRES_BIN / "initdb").exists():
        pytest.skip("PostgreSQL 15 is not installed here (Debian has it)")
    port = free_port()
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        for parent in folder.parents[:3]:
            parent.chmod(parent.stat().st_mode | 0o011)
    data, secret = folder / "data", folder / "secret"
    secret.write_text("right\n")
    secret.chmod(0o644)
    make = [str(POSTGRES_BIN / "initdb"), "-D", str(data), "-U", "owner", "-A", "scram-sha-256", f"--pwfile={secret}"]
    subprocess.run([*_as_postgres(), *make, "--no-sync"], check=True, stdout=subprocess.DEVNULL, timeout=WAIT_S)
    settings = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    run = [*_as_postgres(), str(POSTGRES_BIN / "postgres"), "-D", str(data), "-p", str(port), *settings]
    process = subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = Server(process, port, folder)
    probe = [str(POSTGRES_BIN / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-q"]
    until(lambda: subprocess.run(probe, check=False).returncode == 0, server, "postgres")
    return server


@contextmanager
def running(server):
    try:
        yield server
    finally:
        server.stop()


def made_year(names, slot_s=900, days=365):
    """Times and one distinct series a name: a daily wave, its own height, rounded as meters do."""
    times_s = YEAR_START_S + slot_s * np.arange(days * 86_400 // slot_s, dtype=np.float64)
    wave = np.sin((times_s % 86_400) / 86_400 * 2.0 * np.pi)
    noise = np.random.default_rng(7).normal(size=times_s.size)
    return times_s, {name: np.round(20.0 + i + 5.0 * wave + noise, 3) for i, name in enumerate(names)}
