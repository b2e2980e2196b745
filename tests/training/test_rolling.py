import dataclasses
import json

import numpy as np
import pytest
from click.testing import CliRunner

from core_kernels.records import Frame
from core_kernels.timegrid import TimeGrid
from training import cli
from training.backtest import Span, _on_table_slots, backtest, issue_days
from training.dataset import horizon
from training.errors import SetupError, TrainingError
from training.load_predictor import LoadPredictor
from training.predictor import PREDICTOR_FILE
from training.rolling import fitted, months, origins, within, without

pytestmark = pytest.mark.training
DAY_S = 86_400


def moved(series, days):
    """The same values, so many days earlier."""
    grid = series.frame.grid
    earlier = TimeGrid(start_s=grid.start_s - days * DAY_S, slot_s=grid.slot_s, count=grid.count)
    return dataclasses.replace(series, frame=Frame(grid=earlier, columns=series.frame.columns))


def test_each_fit_knows_what_came_before_its_own_days():
    days = [(day * DAY_S - 3600.0, horizon(day * DAY_S - 3600.0, 96)) for day in range(10, 21)]
    made = origins(days, 10.0 * DAY_S, 4)
    assert [until_s / DAY_S for until_s, _ in made] == [10, 14, 18]
    assert [len(own) for _, own in made] == [5, 4, 2]
    assert all(day[0] >= until_s for until_s, own in made[1:] for day in own)
    assert [day for _, own in made for day in own] == days
    assert origins(days, 10.0 * DAY_S, 0) == [(10.0 * DAY_S, days)]


def test_seasons_follow_the_hemisphere():
    assert months("winter", 49.0) == (12, 1, 2)
    assert months("winter", -33.0) == (6, 7, 8)
    assert {month for season in ("winter", "spring", "summer", "autumn") for month in months(season, -33.0)} == set(
        range(1, 13)
    )


def test_only_the_held_out_months_of_the_named_signals_go_missing(made):
    hidden = without(made.series, ("load_w",), (4,))
    grid, values = hidden.frame.grid, hidden.frame.column("load_w")
    local = (grid.starts_s() + made.series.offsets_s(grid)).astype("datetime64[s]")
    april = local.astype("datetime64[M]") == np.datetime64("2013-04")
    assert april.sum() == 30 * 96
    assert np.isnan(values[april]).all()
    assert np.array_equal(values[~april], made.series.frame.column("load_w")[~april])
    assert np.array_equal(hidden.frame.column("pv_w"), made.series.frame.column("pv_w"))
    days = issue_days(made.series, Span(made.series.frame.grid.start_s, made.series.frame.grid.end_s))
    assert len(within(made.series, days, (4,))) == 30
    with pytest.raises(TrainingError, match="no day .* lies in the season"):
        within(made.series, days, (11,))


def test_a_season_that_was_never_seen_is_judged_alone(made):
    series = moved(made.series, 40)  # from January 20 to March 30
    grid = series.frame.grid
    span = Span(grid.start_s + 55.0 * DAY_S, float(grid.end_s))
    both = [
        backtest("load", series, made.site, span._replace(holdout=holdout), made.recipe) for holdout in ("spring", "")
    ]
    held_out, seen = (result.summary for result in both)
    assert (held_out["holdout"], seen["holdout"]) == ("spring", None)
    assert held_out["scores"]["persistence"] == seen["scores"]["persistence"]
    assert held_out["fits"][0]["rows"] < seen["fits"][0]["rows"]
    assert held_out["scores"]["ours"]["pinball"] != seen["scores"]["ours"]["pinball"]


def test_rows_of_an_hourly_table_are_means_and_days_apart_leave_no_rows_between():
    days = [(at_s, horizon(at_s, 96)) for at_s in (20.0 * DAY_S, 30.0 * DAY_S)]
    quantiles = np.repeat(np.arange(192.0)[:, None], 3, axis=1)
    table = _on_table_slots(quantiles, days, Span(0.0, 1e9), 3600)
    assert list(table.columns) == ["time_utc", "p10", "p50", "p90"]
    assert len(table) == 48
    assert table["p50"].tolist() == [1.5 + 4.0 * hour for hour in range(48)]
    assert (table["time_utc"].iloc[24] - table["time_utc"].iloc[0]).days == 10


def test_a_run_that_was_stopped_goes_on_with_what_it_kept(made, tmp_path):
    start_s = made.series.frame.grid.start_s
    span = Span(start_s + 60.0 * DAY_S, start_s + 64.0 * DAY_S, refit_days=2)
    said = []
    first = backtest("load", made.series, made.site, span, made.recipe, said.append, tmp_path)
    assert sum("fitting on" in text for text in said) == 2
    newest = max(tmp_path.iterdir(), key=lambda folder: (folder / PREDICTOR_FILE).stat().st_mtime_ns)
    newest.rename(newest.with_name(f"{newest.name}.part"))  # stopped while it was written
    said.clear()
    again = backtest("load", made.series, made.site, span, made.recipe, said.append, tmp_path)
    assert sum("fitting on" in text for text in said) == 1
    assert sum("kept in" in text for text in said) == 1
    assert again.table.equals(first.table)
    assert [fit["until_s"] for fit in again.summary["fits"]] == [span.train_until_s, span.train_until_s + 2 * DAY_S]
    versions = {origin.predictor.metadata.version for origin in again.origins}
    assert len(versions) == 2


def test_what_cannot_be_kept_is_said(made, tmp_path):
    class Kept(LoadPredictor):
        def fit(self, series, until_s, stage):
            return None

        def save(self, folder):
            return None

    with pytest.raises(SetupError, match="cannot be written"):
        fitted(Kept(made.site, made.recipe), made.series, float(made.series.frame.grid.end_s), tmp_path, print)


def run(*arguments):
    return CliRunner().invoke(cli.group, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def priced(made, tmp_path_factory):
    """The made house with a battery and prices in its table."""
    import pandas as pd

    folder = tmp_path_factory.mktemp("priced")
    table = pd.read_parquet(made.folder / "table.parquet")
    table["price_import_eur_per_kwh"] = np.where(table["time_utc"].dt.hour < 12, 0.1, 0.5)
    table["price_export_eur_per_kwh"] = 0.05
    table.to_parquet(folder / "table.parquet", index=False)
    battery = "[battery]\ncapacity_wh = 5000\ncharge_w = 2500\ndischarge_w = 2500\n"
    (folder / "site.toml").write_text((made.folder / "site.toml").read_text() + battery)
    return folder


def test_decision_cost_is_what_each_way_of_forecasting_loses_in_the_closed_loop(priced):
    options = ["--site", priced / "site.toml", "--table", priced / "table.parquet", "--quick", "--decision",
               "--train-until", "2013-05-05T00:00:00", "--until", "2013-05-05T00:30:00"]  # fmt: skip
    result = run("backtest", "load", *options, "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    decision = summary["decision"]
    assert set(decision["lost_eur"]) == set(summary["scores"]) == {"ours", "persistence", "climatology_28d", "mean_7d"}
    assert all(-1e-6 <= lost_eur < 1.0 for lost_eur in decision["lost_eur"].values())
    assert decision["issued_every_s"] == 3600.0


def test_days_that_cannot_be_lived_are_said_in_the_words_of_replay(made, priced):
    options = ["--quick", "--decision", "--train-until", "2013-05-05T00:00:00", "--until", "2013-05-05T00:30:00"]
    bare = ["--site", made.folder / "site.toml", "--table", made.folder / "table.parquet"]
    result = run("backtest", "load", *bare, *options)
    assert isinstance(result.exception, TrainingError)
    assert "pems replay: " in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["thermal", "--refit-days", "3"], "--refit-days: for pv and load only"),
        (["load", "--decision", "--holdout", "winter"], "cannot be asked of a --holdout"),
    ],
)
def test_what_does_not_go_together_is_said(made, tmp_path, arguments, says):
    import pandas as pd

    table = pd.read_parquet(made.folder / "table.parquet")
    table["room_hall_c"] = 20.0
    table.to_parquet(tmp_path / "table.parquet", index=False)
    options = [
        "--site",
        made.folder / "site.toml",
        "--table",
        tmp_path / "table.parquet",
        "--train-until",
        "2013-05-05",
    ]
    result = run("backtest", *arguments, *options, "--until", "2013-05-06")
    assert isinstance(result.exception, SetupError)
    assert says in str(result.exception)
