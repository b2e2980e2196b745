"""The closed table of signals."""

import pytest

from core_kernels.signals import SIGNALS, Kind, is_extra, is_signal, signal


def test_every_row_has_a_unit_and_a_range():
    for name, row in SIGNALS.items():
        assert row.name == name
        assert row.unit
        assert row.low < row.high


@pytest.mark.parametrize(
    ("name", "unit", "kind"),
    [
        ("pv_w", "W", Kind.MEAN),
        ("soc_frac", "frac", Kind.STATE),
        ("grid_import_wh", "Wh", Kind.COUNTER),
        ("price_import_eur_per_kwh", "EUR/kWh", Kind.PRICE),
        ("room_living_c", "degC", Kind.MEAN),
        ("heat_bath_2_w", "W", Kind.MEAN),
        ("fc_temp_air_c", "degC", Kind.MEAN),
        ("fc_room_living_c", "degC", Kind.MEAN),
        ("fc_cloud_low_frac", "frac", Kind.MEAN),
        ("fc_snow_depth_mm", "mm", Kind.MEAN),
        ("fc_wind_east_m_per_s", "m/s", Kind.MEAN),
    ],
)
def test_a_known_name_is_found_under_its_own_name(name, unit, kind):
    row = signal(name)
    assert (row.name, row.unit, row.kind) == (name, unit, kind)


@pytest.mark.parametrize(
    "name", ["pv", "PV_W", "pv_kw", "room__Living_c", "room_c", "room_living_c\n", "fc_", "fc_moon", ""]
)
def test_an_unknown_name_is_an_error_never_a_guess(name):
    with pytest.raises(KeyError, match="unknown signal"):
        signal(name)


def test_energy_counters_and_states_are_told_apart():
    for row in SIGNALS.values():
        assert (row.unit == "Wh") == (row.kind is Kind.COUNTER)


def test_only_forecasts_beyond_the_table_have_to_be_asked_for():
    assert is_extra("fc_cloud_low_frac")
    assert not any(is_extra(name) for name in ("fc_cloud_frac", "fc_room_hall_c", "cloud_low_frac", "fc_moon", "pv_w"))


def test_a_name_is_a_signal_or_not():
    assert is_signal("fc_ghi_w_per_m2")
    assert is_signal("room_kitchen_c")
    assert not is_signal("power")
