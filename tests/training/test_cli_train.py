import json
import stat

import click
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from core_kernels.timegrid import TimeGrid
from edge.config import load_site
from edge.errors import BundleError
from edge.forecast.bundle import read_bundle
from edge.forecast.runtime import Forecaster
from training import cli
from training.bundle_file import write_zip
from training.cli.options import inputs
from training.dataset import cut
from training.errors import SetupError, TrainingError
from training.fit import save
from training.package import Release, build, sign_file, signed
from training.progress import Stages
from training.sign import load_key, make_key, public_path
from training.site import load_site as load_training_site

pytestmark = pytest.mark.training

RELEASE = Release(version="1-a", seq=3, created="2026-11-22T00:00:00Z")


def run(*arguments):
    result = CliRunner().invoke(cli.group, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "bundle.key"
    make_key(path)
    return path


def test_fit_export_sign_and_the_box_forecasts(made, key, tmp_path):
    save(made.trained, tmp_path / "model")
    out = tmp_path / "bundle.zip"
    said = run("export", "--model", tmp_path / "model", "--out", out, "--version", "1-a", "--seq", 3).output
    assert "not signed" in said
    with pytest.raises(BundleError, match="manifest.sig is missing"):
        read_bundle(out, public_path(key))
    assert "signed" in run("sign", "bundle", out, "--key", key).output
    site = load_site(made.folder / "site.toml")
    forecaster = Forecaster.load(out, public_path(key), site)
    assert forecaster.parity_ratio < 1e-5
    grid = made.series.frame.grid
    history = cut(made.series.frame, grid.count - 30 * 96, grid.count)
    target = TimeGrid(start_s=grid.end_s, slot_s=900, count=192)
    found = forecaster.forecast(grid.end_s + 3.0, target, history, None)
    assert {forecast.source for forecast in found.values()} == {"bundle 1-a"}
    model, rows = made.trained.models[1], made.trained.rows["load_w"]
    expected = model.quantiles_w(rows.values, rows.scale_w)[:192]
    assert found["load_w"].p50 == pytest.approx(expected[:, 1], rel=1e-4, abs=0.01)
    rows = made.trained.rows["pv_w"]
    expected = made.trained.models[0].quantiles_w(rows.values, rows.scale_w)[:192]
    assert found["pv_w"].p90 == pytest.approx(expected[:, 2], rel=1e-3, abs=0.5)


def test_the_same_members_give_the_same_bytes_and_an_edit_breaks_the_signature(made, key, tmp_path):
    members, parities = build(made.trained, RELEASE)
    assert set(parities) == {"pv_w", "load_w"}
    write_zip(signed(members, load_key(key)), tmp_path / "a.zip")
    write_zip(signed(members, load_key(key)), tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    edited = {**signed(members, load_key(key)), "pv.onnx": b"other"}
    write_zip(edited, tmp_path / "c.zip")
    with pytest.raises(BundleError, match="pv.onnx is not what the manifest says"):
        read_bundle(tmp_path / "c.zip", public_path(key))
    with pytest.raises(SetupError, match="cannot be written"):
        write_zip(members, tmp_path / "a.zip" / "d.zip")


def test_make_bundle_does_all_of_it(made, tmp_path):
    out, key = tmp_path / "bundle.zip", tmp_path / "keys" / "bundle.key"
    result = run(
        "make-bundle", "--site", made.folder / "site.toml", "--table", made.folder / "table.parquet",
        "--until", "2013-04-15", "--key", key, "--out", out, "--quick",
    )  # fmt: skip
    assert "signed" in result.output
    assert "tilt" in result.output
    bundle = read_bundle(out, public_path(key))
    assert bundle.manifest.document["training"]["to_s"] == 1_365_984_000
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_fit_writes_a_model_folder(made, tmp_path):
    run("fit", "--site", made.folder / "site.toml", "--table", made.folder / "table.parquet", "--until", "2013-04-01",
        "--out", tmp_path / "model", "--quick")  # fmt: skip
    assert (tmp_path / "model" / "model.json").exists()


@pytest.mark.parametrize("kind", ["pv", "load"])
def test_backtest_scores_every_slot_beside_the_references(made, tmp_path, kind):
    import pandas as pd

    out = tmp_path / "pred.parquet"
    options = ["--site", made.folder / "site.toml", "--table", made.folder / "table.parquet", "--quick",
               "--train-until", "2013-04-25", "--until", "2013-05-05", "--out", out]  # fmt: skip
    text = run("backtest", kind, *options, "--json").output
    summary = json.loads(text[text.index("{") :])
    found = pd.read_parquet(out)
    assert list(found.columns) == ["time_utc", "p10", "p50", "p90"]
    assert len(found) == 10 * 96
    assert found["time_utc"].iloc[0] == pd.Timestamp("2013-04-25", tz="UTC")
    references = {"persistence", "climatology_28d"} | ({"physics", "latest"} if kind == "pv" else {"mean_7d"})
    assert set(summary["scores"]) == {"ours", *references}
    assert set(summary["skill"]) == references
    ours, persistence = summary["scores"]["ours"], summary["scores"]["persistence"]
    assert ours["pinball"] < persistence["pinball"]
    assert np.isfinite(ours["rmse"])
    assert "ours" in run("backtest", kind, *options).output


def test_a_quarter_hour_ahead_is_scored_slot_by_slot(made):
    options = ["--site", made.folder / "site.toml", "--table", made.folder / "table.parquet", "--quick",
               "--train-until", "2013-05-07", "--until", "2013-05-08", "--ahead-min"]  # fmt: skip
    summary = json.loads(run("backtest", "pv", *options, "15", "--weather", "none", "--json").output.splitlines()[-1])
    ours, yesterday = summary["scores"]["ours"], summary["scores"]["persistence"]
    assert ours["rows"] == 96
    assert ours["pinball"] < yesterday["pinball"]
    assert summary["horizon"].startswith("15 min ahead")
    with pytest.raises(SetupError, match="multiple of 15"):
        run("backtest", "pv", *options, "20")


def test_a_backtest_without_test_days_says_so(made):
    with pytest.raises(TrainingError, match="no rows between"):
        run("backtest", "load", "--site", made.folder / "site.toml", "--table", made.folder / "table.parquet",
            "--train-until", "2013-06-25", "--until", "2013-07-05")  # fmt: skip


def test_predictions_that_cannot_be_written_are_an_error(made, tmp_path):
    with pytest.raises(SetupError, match="cannot be written"):
        run("backtest", "load", "--site", made.folder / "site.toml", "--table", made.folder / "table.parquet",
            "--quick", "--train-until", "2013-04-25", "--until", "2013-04-26",
            "--out", tmp_path / "no" / "pred.parquet")  # fmt: skip


def test_hourly_tables_get_hourly_predictions(made, tmp_path):
    import pandas as pd

    table = pd.read_parquet(made.folder / "table.parquet").resample("1h", on="time_utc").mean().reset_index()
    table.to_csv(tmp_path / "hours.csv", index=False)
    run("backtest", "load", "--site", made.folder / "site.toml", "--table", tmp_path / "hours.csv", "--quick",
        "--train-until", "2013-04-25", "--until", "2013-04-27", "--out", tmp_path / "pred.parquet")  # fmt: skip
    assert len(pd.read_parquet(tmp_path / "pred.parquet")) == 48


def test_keys_are_private_never_overwritten_and_checked(tmp_path, key):
    assert "public" in run("sign", "keygen", tmp_path / "new.key").output
    with pytest.raises(SetupError, match="cannot be written"):
        make_key(tmp_path / "new.key")
    with pytest.raises(SetupError, match="cannot be read"):
        load_key(tmp_path / "none.key")
    (tmp_path / "text.key").write_text("no key")
    with pytest.raises(SetupError, match="is not a private key"):
        load_key(tmp_path / "text.key")
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    other = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "other.key").write_bytes(other)
    with pytest.raises(SetupError, match="is not an ed25519 key"):
        load_key(tmp_path / "other.key")


def test_only_bundles_are_signed(tmp_path, key):
    with pytest.raises(SetupError, match="cannot be read"):
        sign_file(tmp_path / "none.zip", load_key(key))
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(SetupError, match="is not a bundle"):
        sign_file(tmp_path / "text.zip", load_key(key))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["fit", "--site", "none.toml", "--table", "none.csv", "--out", "x"], 78, "none.toml: cannot be read"),
        (["sign", "bundle", "none.zip", "--key", "none.key"], 78, "none.key: cannot be read"),
        (["fit"], 2, "Missing option"),
    ],
)
def test_errors_are_lines_with_an_exit_code(capsys, monkeypatch, tmp_path, arguments, code, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == code
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


def test_a_metered_car_is_no_part_of_the_load_that_is_learned(made, tmp_path):
    site, table = (tmp_path / name for name in ("site.toml", "table.parquet"))
    car = '[[ev]]\nname = "car"\nenergy_wh = 9000\ncharge_w = 11000\n'
    others = '[[zone]]\nname = "bath"\nby = "heatpump"\n[heatpump]\nheating_w = 8000\n[hotwater]\nby = "relay"\n'
    site.write_text((made.folder / "site.toml").read_text() + car + others)
    data = pd.read_parquet(made.folder / "table.parquet")
    evening = data["time_utc"].dt.hour == 19
    data["ev_car_w"] = np.where(evening, 7000.0, 0.0)
    data["heat_bath_w"] = 5000.0  # from the heat pump: no current of its own
    data["load_w"] += data["ev_car_w"]
    data.to_parquet(table, index=False)
    series, found = inputs(site, table)
    assert found.consumers == ("ev_car_w", "heatpump_w", "hotwater_w")
    np.testing.assert_allclose(series.frame.column("load_w"), made.series.frame.column("load_w"), atol=1e-9)


@pytest.mark.parametrize("text", ["ev = 3", "[[ev]]\nenergy_wh = 1", "ev = [1]", "heatpump = [[1]]"])
def test_what_the_box_would_refuse_of_a_consumer_is_none_to_training(made, text):
    path = made.folder / "odd.toml"
    path.write_text(text + "\n" + (made.folder / "site.toml").read_text())
    assert load_training_site(path).consumers == ()


def test_a_table_without_power_is_refused(made, tmp_path):
    (tmp_path / "table.csv").write_text("time_utc,temp_air_c\n2024-01-01,1\n2024-01-02,2\n")
    with pytest.raises(SetupError, match="has neither pv_w nor load_w"):
        run("fit", "--site", made.folder / "site.toml", "--table", tmp_path / "table.csv", "--out", tmp_path / "m")


def test_demo_data_can_be_asked_for(tmp_path):
    said = run("demo-data", "--out", tmp_path, "--from", "2013-06-10", "--days", 1).output
    assert "1 days from 2013-06-10T06:00:00Z" in said
    assert (tmp_path / "site.toml").exists()


def test_a_terminal_gets_a_bar(monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    stages = Stages(2)
    stages("one")
    stages.close()


def test_every_command_is_listed_imports_and_says_what_it_does():
    context = click.Context(cli.group)
    names = cli.group.list_commands(context)
    assert cli.group.get_command(context, "no-such") is None
    assert [name for name in names if not cli.group.get_command(context, name).get_short_help_str()] == []
    told = run("--help").output
    assert [name for name in names if name not in told] == []
