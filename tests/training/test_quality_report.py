"""What the report says of data with known faults, measured ones among them; and the page it is shown on."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from extraction import extract, rows

from training.errors import SetupError
from training.quality_page import cells, page, plot, write_page
from training.quality_report import Day, report_on
from training.quality_text import as_text, to_json
from training.site import load_site

pytestmark = pytest.mark.training

START_S = 1_672_531_200
DAYS = 70
GOLDEN = """
[site]
name = "golden"
latitude_deg = 39.742
longitude_deg = -105.1727
altitude_m = 1830
timezone = "America/Denver"
[[array]]
dc_w = 4000
tilt_deg = 45
azimuth_deg = 158
inverter_w = 3500
"""


def house():
    """Seventy days of a house that adds up."""
    slots = DAYS * 96
    random = np.random.default_rng(5)
    hour = np.arange(slots) / 4.0 % 24.0
    pv_w = np.where((hour > 7) & (hour < 17), 3000.0 * np.sin((hour - 7) / 10 * np.pi), 0.0) * random.uniform(
        0.5, 1, slots
    )
    load_w = 500.0 + random.gamma(1.0, 300.0, slots)
    battery_w = np.clip(load_w - pv_w, -1500.0, 1500.0) * random.uniform(0.9, 1.0, slots)
    return pd.DataFrame(
        {
            "time_utc": pd.to_datetime(START_S + 900 * np.arange(slots), unit="s", utc=True),
            "pv_w": pv_w,
            "load_w": load_w,
            "battery_w": battery_w,
            "grid_w": load_w - pv_w - battery_w,
            "temp_air_c": 8.0 + 5.0 * np.sin(hour / 24 * 2 * np.pi) + random.normal(0, 0.3, slots),
            "fc_temp_air_c": 8.0 + 5.0 * np.sin(hour / 24 * 2 * np.pi) + random.normal(0, 0.3, slots),
        }
    )


def reported(tmp_path, data, site=None):
    data.to_parquet(tmp_path / "house.parquet")
    span = (START_S, START_S + DAYS * 86_400)
    return report_on(extract([str(tmp_path / "house.parquet")], None, tmp_path / "cache", span), site)


def of(report, name):
    return next(item for item in report.signals if item.name == name)


def texts(report, name):
    return [(finding.kind, finding.text) for finding in of(report, name).findings]


def test_a_house_that_adds_up_is_ready_and_nothing_is_to_do(tmp_path):
    report = reported(tmp_path, house())
    assert report.to_do == ()
    assert report.is_clean
    assert dict(report.ready) == {"pv": True, "load": True, "thermal": False}
    assert report.balance.p95_w < 1e-6
    assert of(report, "pv_w").scores.overall_frac == 1.0
    assert "ready to train: pv yes, load yes, thermal no" in as_text(report)


def test_a_turned_battery_is_named_and_no_other_sign(tmp_path):
    report = reported(tmp_path, house().assign(battery_w=lambda data: -data["battery_w"]))
    kinds = {item.name: [finding.kind for finding in item.findings] for item in report.signals}
    assert kinds["battery_w"] == ["sign"]
    assert kinds["grid_w"] == kinds["pv_w"] == kinds["load_w"] == []
    assert report.balance.median_w > 500.0
    assert dict(of(report, "load_w").flagged)["balance"] > DAYS * 50


@pytest.mark.parametrize(
    ("name", "wrong", "words"),
    [
        ("pv_w", lambda values: values / 1000.0, "is it in kW"),
        ("load_w", lambda values: values * 10.0, "10 times what it should be"),
        ("temp_air_c", lambda values: values * 1.8 + 32.0, r"1\.8 times and \+32"),
        ("pv_w", lambda values: values * 1000.0, "wrong unit"),
    ],
)
def test_a_wrong_unit_is_suspected(tmp_path, name, wrong, words):
    data = house()
    data[name] = wrong(data[name])
    report = reported(tmp_path, data)
    found = [text for kind, text in texts(report, name) if kind == "unit"]
    assert len(found) == 1
    assert pd.Series(found).str.contains(words).all()
    assert not of(report, name).is_ready


def test_gaps_and_a_column_without_values_are_listed(tmp_path):
    data = house().assign(room_kitchen_c=np.nan)
    data = data.drop(index=range(960, 960 + 300)).drop(index=[2000, 2001])
    report = reported(tmp_path, data)
    gaps = of(report, "load_w").gaps
    assert [gap.missing_count for gap in gaps] == [300, 2]
    assert gaps[0].end_s == START_S + 1260 * 900
    kitchen = of(report, "room_kitchen_c")
    assert (kitchen.failed, kitchen.scores.completeness_frac) == (("completeness",), 0.0)
    assert [gap.missing_count for gap in kitchen.gaps] == [DAYS * 96]
    assert any("completeness too low (room_kitchen_c)" in text for text in report.to_do)


def test_a_logger_that_follows_summer_time_is_found_in_measured_power(shared_data, tmp_path):
    (tmp_path / "site.toml").write_text(GOLDEN)
    site = load_site(tmp_path / "site.toml")
    place = shared_data / "pv_nrel_pvdaq" / "system50_ac_power_15min.parquet"
    span = (pd.Timestamp("2011-09-01", tz="UTC").timestamp(), pd.Timestamp("2012-01-20", tz="UTC").timestamp())
    mapping = rows(pv_w=("ac_power", "W"))
    labelled = report_on(extract([f"{place}?time=t_utc_as_labelled"], mapping, tmp_path / "cache", span), site)
    assert [kind for kind, _ in texts(labelled, "pv_w")] == ["clock"]
    assert "daylight saving" in texts(labelled, "pv_w")[0][1]
    assert "temporal" in of(labelled, "pv_w").failed
    right = report_on(extract([f"{place}?time=t_utc_dst_corrected"], mapping, tmp_path / "cache", span), site)
    assert texts(right, "pv_w") == []


def test_weeks_of_one_value_are_stuck_in_measured_power(shared_data, tmp_path):
    data = pd.read_parquet(shared_data / "pv_aneo_trondheim" / "targets_hourly.parquet")
    data[data["site"] == "B"].to_parquet(tmp_path / "b.parquet")
    span = (pd.Timestamp("2019-01-01", tz="UTC").timestamp(), pd.Timestamp("2023-04-01", tz="UTC").timestamp())
    mapping = rows(pv_w=("pv_measurement", "W"))
    found = extract([f"{tmp_path}/b.parquet?time=start_utc"], mapping, tmp_path / "cache", span)
    assert found.counts("pv_w").stuck >= 3_000  # 3,252 hours stand still at a value above 0
    report = report_on(found)
    assert "consistency" in of(report, "pv_w").failed
    assert of(report, "pv_w").gaps[0].missing_count > 1_000


def test_the_report_as_json_has_no_nan_and_names_what_is_missing(tmp_path):
    report = reported(tmp_path, house().assign(room_kitchen_c=np.nan, strange=1.0))
    said = json.loads(json.dumps(to_json(report), allow_nan=False))
    assert said["from"] == "2023-01-01T00:00:00Z"
    kitchen = next(item for item in said["signals"] if item["signal"] == "room_kitchen_c")
    assert kitchen["scores"]["consistency"] is None
    assert kitchen["rows"]["no_value"] == DAYS * 96
    assert said["unmapped"][0].endswith("strange")
    assert said["ready"]["pv"] is True


class _Tags(HTMLParser):
    """Checks that tags close in the order they were opened, and collects what a page would load."""

    EMPTY = ("meta", "path", "line", "rect", "link", "img")

    def __init__(self):
        super().__init__()
        self.open, self.loaded = [], []

    def handle_starttag(self, tag, attrs):
        self.loaded += [
            value for name, value in attrs if name in ("src", "srcset") or (name == "href" and value[0] != "#")
        ]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.EMPTY:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(tmp_path):
    data = house().assign(room_kitchen_c=np.nan).drop(index=range(960, 1260))
    report = reported(tmp_path, data)
    write_page(report, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    parser = _Tags()
    parser.feed(text)
    assert (parser.open, parser.loaded) == ([], [])
    assert text.count("<svg") == 2 * len(report.signals) - 1  # nothing is plotted of a signal that nobody knows
    assert "Nothing is known of it." in text
    with pytest.raises(SetupError, match="cannot be written"):
        write_page(report, Path(tmp_path) / "no" / "report.html")


def test_what_a_store_calls_a_field_is_text_on_the_page(tmp_path):
    data = house()
    data["<script>alert(1)</script>"] = 1.0
    assert "<script>" not in page(reported(tmp_path, data))


def test_a_plot_breaks_where_nothing_is_known_and_the_calendar_says_so():
    day, none = (
        Day(low=-1.0, value=0.5, high=2.0, known_frac=1.0),
        Day(low=np.nan, value=np.nan, high=np.nan, known_frac=0.0),
    )
    drawn = plot([day, day, none, day])
    assert drawn.line.count("M") == 2
    assert drawn.zero_px == 64.0
    assert [cell.level for cell in cells([day, none])] == ["good", "none"]
    assert plot([none]) is None
    assert len(cells([day] * 1000)) <= 360
