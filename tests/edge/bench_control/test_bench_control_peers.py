import contextlib
import subprocess
import sys

import numpy as np
import pytest

from edge.bench_control import peers, windows
from edge.errors import PlanError, StoreError

SLOW = 'import sys\nfor line in sys.stdin:\n    print(\'{"ms": 5000.0, "cost_eur": 0.0}\', flush=True)\n'


@pytest.fixture
def slow_peer():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with contextlib.suppress(BrokenPipeError), subprocess.Popen([sys.executable, "-c", SLOW], **pipes) as process:
        yield process
        process.kill()


def test_ours_is_a_small_part_of_a_peer_that_takes_seconds(slow_peer):
    median, p99 = peers.beside(slow_peer, peers.PEERS[0])
    assert median.reference == "cvxpy rebuilt"
    assert median.reference_value == 5000.0
    assert median.ratio == pytest.approx(median.value / 5000.0)
    assert median.ok
    assert p99.ratio >= 1.0
    [without_peak] = peers.beside(slow_peer, peers.PEERS[-1])
    assert without_peak.name == "warm re-solve, 96 x 15 min, battery, median"


def test_a_peer_that_dies_is_named(slow_peer):
    slow_peer.kill()
    slow_peer.wait()
    with pytest.raises(PlanError, match="EMHASS"):
        peers.ask(slow_peer, "EMHASS", 3, 5000.0)


def test_peers_read_the_very_windows_that_ours_solves(tmp_path):
    given = windows.windows(3)
    peers.save(tmp_path / "w.npz", given)
    with np.load(tmp_path / "w.npz") as arrays:
        np.testing.assert_array_equal(arrays["net_kw"], given.net_kw)
        assert float(arrays["leg_frac"]) == windows.LEG_FRAC


def test_without_a_checkout_there_are_no_peers(monkeypatch, tmp_path):
    monkeypatch.setattr(peers, "LOCK", tmp_path / "absent.lock")
    with pytest.raises(StoreError, match="from a checkout"):
        peers.environment()


@pytest.mark.training  # from a checkout only: the wheel has no lock of the peers
def test_an_environment_that_fits_its_lock_is_kept(monkeypatch, tmp_path):
    lock = tmp_path / "some.lock"
    lock.write_text("nothing==1\n")
    monkeypatch.setattr(peers, "LOCK", lock)
    monkeypatch.setattr(peers, "VENV", tmp_path / "venv")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / ".lock").write_bytes(lock.read_bytes())
    assert peers.environment() == tmp_path / "venv" / "bin" / "python"


def test_a_car_that_has_had_its_energy_is_due_nothing_until_the_next_morning():
    at_five = 5 * 4
    empty, full = (windows.car_at(at_five, given_wh) for given_wh in (0.0, 1000.0 * windows.CAR_KWH))
    mornings = np.flatnonzero(np.isfinite(empty.goal_kwh))
    assert mornings.tolist() == [7]  # seven in the morning; that of the next day is past the horizon's end
    reachable_kwh = 2.0 * windows.CAR_KW * windows.CAR_EFFICIENCY_FRAC
    assert empty.goal_kwh[7] == pytest.approx(reachable_kwh)
    assert full.goal_kwh[7] == pytest.approx(full.start_wh / 1000.0) == windows.CAR_KWH
    assert empty.power_max_kw[8:48].max() == 0.0
    assert empty.most_kwh[-1] == 2.0 * windows.CAR_KWH


def test_a_plan_of_battery_peak_and_car_charges_it_in_the_night():
    loop = windows.Loop(140, with_car=True)
    given_kwh = [loop.given_wh / 1000.0 for k in range(140) if loop.solve(k) > 0.0]
    assert windows.CAR_KWH - 1.0 < max(given_kwh[80:]) <= windows.CAR_KWH
    assert given_kwh[40:68] == [0.0] * 28  # away by day
