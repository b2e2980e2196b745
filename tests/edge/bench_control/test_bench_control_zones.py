import json

import numpy as np
import pytest

from edge.bench_control import zones


class Answering:
    """A peer that takes ten seconds for every programme, and keeps which it was asked."""

    def __init__(self, folder):
        self.folder, self.stdin, self.stdout = folder, self, self
        self.seen = []

    def write(self, line):
        path = self.folder / f"programme-{json.loads(line)['window']}.npz"
        with np.load(path) as arrays:
            self.seen.append({name: arrays[name] for name in arrays.files})

    def flush(self):
        pass

    def readline(self):
        return '{"ms": 10000.0}'


def test_every_programme_is_solved_beside_the_peer_and_no_two_have_the_same_cop(tmp_path):
    peer = Answering(tmp_path)
    row = zones.beside(peer, tmp_path, 4)
    assert row.ok
    assert row.reference_value == 10_000.0
    assert row.ratio == pytest.approx(row.value / 10_000.0)
    first, second = peer.seen[:2]
    assert len(peer.seen) == 16
    assert (first["rows_data"] != second["rows_data"]).sum() >= 2 * 4 * 90  # in the balance and in the pump, each room
    np.testing.assert_array_equal(first["rows_indices"], second["rows_indices"])
    assert (first["l"] <= first["u"]).all()


def test_rooms_stay_near_their_band_through_the_plans():
    loop = zones.Loop(4)
    shapes = [loop.solve(k).shape for k in range(4)]
    assert all(shape.layout.columns == shapes[0].layout.columns for shape in shapes)
    assert all(19.5 < air_c < 23.5 for air_c in loop.air_c.values())
