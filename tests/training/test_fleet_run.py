"""A fleet on a real scheduler: homes that fail, workers that are killed, an object store, a run that goes on."""

import json
import os
import signal
import threading
import time

import fleets
import httpx
import pytest

pytest.importorskip("distributed", reason="needs the fleet extra")

from training.cli import main
from training.errors import SetupError
from training.fleet.cluster import workers
from training.fleet.outcome import failed
from training.fleet.run import mapped

pytestmark = pytest.mark.training

WAIT_S = 240.0


def slow_or_wrong(name):
    if name == "wrong":
        raise ValueError("of its own")
    time.sleep(0.01)
    return name.upper()


def killer(name, folder):
    """The first two workers that see it die."""
    if name == "x" and sum(1 for _ in folder.iterdir()) < 2:
        (folder / str(os.getpid())).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return name


def test_every_item_comes_back_once_and_an_error_is_the_items_own():
    from distributed import Client

    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as client:
        items = [*map(str, range(40)), "wrong"]
        found = list(mapped(client, items, lambda item: client.submit(slow_or_wrong, item, pure=False), failed))
    done = [result for result in found if isinstance(result, str)]
    assert sorted(done) == sorted(items[:-1])
    (bad,) = (result for result in found if not isinstance(result, str))
    assert (bad.home, bad.reason) == ("wrong", "ValueError: of its own")


def test_nobody_at_the_address_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr("training.fleet.cluster._CONNECT_S", 1)
    with pytest.raises(SetupError, match="no scheduler answers"), workers(f"tcp://127.0.0.1:{fleets.free_port()}", 1):
        pass


def test_the_command_refuses_what_cannot_be_meant(tmp_path, capsys):
    homes, out = tmp_path / "homes", tmp_path / "out"
    for arguments, words in (
        (["--homes", str(homes), "--out", str(out)], "no such folder"),
        (["--homes", "nonsense://x", "--out", str(out)], "nonsense"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["fleet", *arguments])
        assert ended.value.code == 78
        assert words in capsys.readouterr().err
    homes.mkdir()
    with pytest.raises(SystemExit):
        main(["fleet", "--homes", str(homes), "--out", str(out)])
    assert "holds no homes" in capsys.readouterr().err


@pytest.mark.appliance
def test_a_worker_that_is_killed_loses_nothing_and_the_cluster_goes_on(tmp_path):
    with workers("", 2) as client:
        items = ["x", *map(str, range(8))]
        found = list(mapped(client, items, lambda item: client.submit(killer, item, tmp_path, pure=False), failed))
    assert sorted(found) == sorted(items)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.appliance
def test_homes_in_s3_are_trained_by_two_processes_of_which_one_is_killed(tmp_path, monkeypatch, capsys):
    import s3fs

    s3, port = fleets.free_port(), fleets.free_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    address = f"tcp://127.0.0.1:{port}"
    worker = (
        "distributed.cli.dask_worker",
        address,
        "--nthreads",
        "1",
        "--no-dashboard",
        "--nanny",
        "--memory-limit",
        "1GB",
    )
    with (
        fleets.process("moto.server", "-H", "127.0.0.1", "-p", str(s3)),
        fleets.process("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"),
        fleets.process(*worker),
        fleets.process(*worker),
    ):
        wait(lambda: httpx.get(f"http://127.0.0.1:{s3}/").status_code < 500)
        store = s3fs.S3FileSystem()
        store.mkdir("fleet")
        names = [f"h{number}" for number in range(6)]
        fleets.write_homes(tmp_path, names)
        store.put(str(tmp_path), "fleet/homes", recursive=True)
        arguments = ["fleet", "--homes", "s3://fleet/homes", "--out", "s3://fleet/out", "--scheduler", address]
        arguments += ["--judge-days", "7", "--quick", "--json"]
        killed = threading.Thread(target=kill_one, args=(address, store))
        killed.start()
        assert told(arguments, capsys)["trained"] == 6
        killed.join(WAIT_S)
        store.rm("fleet/out/h3/result.json")
        again = told(arguments, capsys)
        assert (again["trained"], again["kept"]) == (1, 5)
        assert b"Fleet" in store.cat("fleet/out/fleet.html")


def kill_one(address, store):
    """Once the first home is done, one of the processes that train the others."""
    from distributed import Client

    wait(lambda: any(name.endswith("result.json") for name in store.find("fleet/out", refresh=True)))
    with Client(address) as client:
        pids = client.run(os.getpid)
        os.kill(next(iter(pids.values())), signal.SIGKILL)


def told(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    return json.loads(capsys.readouterr().out)


def wait(ready):
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            if ready():
                return
        except (httpx.HTTPError, OSError):
            pass
        assert time.monotonic() < deadline
        time.sleep(0.1)
