"""Pictures of days and plans, read back from their own SVG."""

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import Plan
from edge.picture import NARROW_PX, Days, days_svg, plan_svg
from edge.picture.layers import Band, Bars, Line, Scales
from edge.picture.stack import Span, midnights, nice_ticks

PRAGUE = ZoneInfo("Europe/Prague")
START_S = 1717365600  # Mon 3 Jun 2024, 00:00 in Prague
SCALES = Scales(left_px=0.0, width_px=100.0, start_s=0.0, end_s=100.0, top_px=0.0, height_px=10.0, low=0.0, high=10.0)
NAN = math.nan


def days(count: int = 96, **columns: tuple[float, ...]) -> Days:
    wave = tuple(1000.0 * math.sin(index / 10.0) for index in range(count))
    usual = {"battery_w": wave, "soc_frac": (0.5,) * (count + 1), "price_import_eur_per_kwh": (0.3,) * count}
    return Days(start_s=START_S, slot_s=900.0, **(usual | columns))


def plan(count: int = 192) -> Plan:
    zeros = (0.0,) * count
    return Plan(
        issued_s=START_S, valid_until_s=START_S + 1800.0, start_s=START_S, slot_s=900, source="mpc", reason="because",
        violations=(), water_value_eur_per_kwh=0.2, wear_eur_per_kwh=0.02, cost_eur=1.0,
        battery_w=(500.0, -500.0) * (count // 2), soc_frac=(0.5,) * (count + 1), grid_w=zeros,
        pv_p10_w=zeros, pv_p50_w=zeros, pv_p90_w=(100.0,) * count,
        load_p10_w=zeros, load_p50_w=zeros, load_p90_w=(100.0,) * count,
        price_import_eur_per_kwh=(0.3,) * count, price_export_eur_per_kwh=(0.1,) * count,
    )  # fmt: skip


def words(svg: str) -> list[str]:
    return [item.text or "" for item in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_a_day_shows_its_panels_units_and_local_hours():
    shown = words(days_svg(days(pv_w=(1.0,) * 96, load_w=(2.0,) * 96), zone=PRAGUE, title="A day"))
    assert {"Price, ct/kWh", "PV, kW", "House, kW", "Battery, kW", "Charge, %"} <= set(shown)
    assert {"A day", "discharge", "charge", "measured", "load", "00", "12", "Mon 3 Jun"} <= set(shown)


def test_what_is_not_known_has_no_panel():
    assert "PV, kW" not in words(days_svg(days(), zone=PRAGUE, title="A day"))


def test_a_plan_shows_bands_medians_and_the_present():
    svg = plan_svg(plan(), now_s=START_S + 3600.0, zone=PRAGUE)
    shown = words(svg)
    assert shown.count("P10-P90") == 2
    assert {"P50", "load P50", "import", "export"} <= set(shown)
    assert svg.count('stroke-dasharray="2 3"') == 5


def test_a_present_outside_the_picture_is_not_drawn():
    assert 'stroke-dasharray="2 3"' not in plan_svg(plan(), now_s=START_S - 1.0, zone=PRAGUE)
    assert 'stroke-dasharray="2 3"' not in plan_svg(plan(), now_s=NAN, zone=PRAGUE)


def test_a_phone_gets_a_narrow_picture_with_fewer_hours():
    narrow = plan_svg(plan(), now_s=NAN, zone=PRAGUE, width_px=NARROW_PX)
    assert ET.fromstring(narrow).get("viewBox").startswith("0 0 420 ")
    assert len(words(narrow)) < len(words(plan_svg(plan(), now_s=NAN, zone=PRAGUE)))


def test_a_title_is_text_and_never_markup():
    svg = days_svg(days(), zone=PRAGUE, title="<script>alert(1)</script> & co")
    assert "<script" not in svg
    assert "<script>alert(1)</script> & co" in words(svg)


def test_no_style_attribute_needs_a_laxer_content_policy():
    assert "style" not in plan_svg(plan(), now_s=START_S, zone=PRAGUE)


def test_no_slots_give_a_picture_that_says_so():
    assert words(days_svg(Days(start_s=0.0, slot_s=900.0), zone=PRAGUE, title="A day"))[0] == "A day: nothing to show"


def test_a_whole_year_is_shown_in_means_and_stays_small():
    svg = days_svg(days(count=35040), zone=PRAGUE, title="A year")
    assert "A year (means of 6 h)" in words(svg)
    assert len(svg) < 300_000


def test_a_column_of_nan_only_is_drawn_as_nothing():
    svg = days_svg(days(pv_w=(NAN,) * 96), zone=PRAGUE, title="A day")
    ET.fromstring(svg)
    assert "nan" not in svg.lower()


def test_missing_values_break_a_line_and_are_never_zero():
    line = Line(name="x", points=((0.0, 5.0), (10.0, 5.0), (20.0, NAN), (30.0, 5.0), (40.0, 5.0)), colour="red")
    assert re.findall(r' d="([^"]*)"', line.draw(SCALES)) == ["M0.0,5.0L10.0,5.0", "M30.0,5.0L40.0,5.0"]


def test_a_lonely_point_is_still_seen():
    assert 'd="M0.0,5.0L0.0,5.0"' in Line(name="x", points=((0.0, 5.0), (10.0, NAN)), colour="red").draw(SCALES)


def test_a_band_is_drawn_where_both_edges_are_known():
    low = ((0.0, 1.0), (10.0, 1.0), (20.0, NAN))
    high = ((0.0, 2.0), (10.0, 3.0), (20.0, 3.0))
    drawn = Band(name="x", low=low, high=high, colour="red").draw(SCALES)
    assert re.findall(r' d="([^"]*)"', drawn) == ["M0.0,8.0L10.0,7.0L10.0,9.0L0.0,9.0Z"]


def test_bars_rise_in_one_colour_and_fall_in_the_other():
    scales = replace(SCALES, low=-10.0)
    bars = Bars(
        up=("d", "red"), down=("c", "green"), points=((0.0, 5.0), (10.0, -5.0), (20.0, NAN), (30.0, 0.0)), slot_s=10.0
    )
    assert bars.draw(scales) == (
        '<path d="M0.0,5.0V2.5H9.5V5.0Z" fill="red"/><path d="M10.0,5.0V7.5H19.5V5.0Z" fill="green"/>'
    )


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [
        (0.0, 7.2, 4, (0.0, 2.0, 4.0, 6.0, 8.0)),
        (-3.0, 3.0, 3, (-4.0, -2.0, 0.0, 2.0, 4.0)),
        (5.0, 5.0, 2, (4.5, 5.0, 5.5)),
    ],
)
def test_ticks_are_round(low, high, count, expected):
    assert nice_ticks(low, high, count) == expected


@given(st.floats(-1e5, 1e5), st.floats(0.0, 1e5), st.integers(2, 8))
def test_ticks_enclose_the_values_and_stay_few(low, span, count):
    ticks = nice_ticks(low, low + span, count)
    hair = 1e-8 * max(1.0, abs(low), span)  # what no eye can see at this scale
    assert ticks[0] <= low + hair
    assert ticks[-1] >= low + span - hair
    assert 2 <= len(ticks) <= count + 3


@pytest.mark.parametrize(("start_s", "hours"), [(1711839600, 23), (1729980000, 25)])  # 31 Mar and 27 Oct 2024
def test_local_midnights_are_right_on_days_of_23_and_25_hours(start_s, hours):
    span = Span(start_s=start_s, end_s=start_s + 30 * 3600.0, zone=PRAGUE)
    assert midnights(span) == (start_s, start_s + hours * 3600.0)
