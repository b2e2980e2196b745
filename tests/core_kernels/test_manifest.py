import copy
import json

import pytest

from core_kernels.manifest import MAX_MANIFEST_BYTES, canonical_bytes, parse, signed_bytes

DOCUMENT = {
    "schema": 1,
    "name": "home",
    "version": "2026.11.22-1",
    "seq": 41,
    "created": "2026-11-22T00:00:00Z",
    "site": "*",
    "min_device": "0.1.0",
    "runtime": {},
    "feature_code_sha256": "a" * 64,
    "plant": {
        "location": {"latitude_deg": 49.2, "longitude_deg": 16.6, "altitude_m": 230},
        "arrays": [
            {
                "tilt_deg": 35,
                "azimuth_deg": 180,
                "dc_w": 5000,
                "inverter_w": 5000,
                "gamma_per_k": -0.004,
                "loss_frac": 0.14,
            }
        ],
        "linke": [3.0] * 12,
    },
    "models": [
        {
            "signal": signal,
            "file": file,
            "features": ["horizon_h"],
            "cap_w": 5000,
            "offsets_ratio": [-0.1, 0.0, 0.1],
            "quantiles": [0.1, 0.5, 0.9],
        }
        for signal, file in (("pv_w", "pv.onnx"), ("load_w", "load.onnx"))
    ],
    "training": {},
    "metrics": {},
    "calibration": {},
    "parity": {"file": "golden.npz", "rows": 64, "rtol": 1e-5},
    "files": {name: {"sha256": "b" * 64, "size": 7} for name in ("pv.onnx", "load.onnx", "golden.npz")},
}


def changed(path, value):
    document = copy.deepcopy(DOCUMENT)
    place = document
    for key in path[:-1]:
        place = place[key]
    if value is KeyError:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return canonical_bytes(document)


def test_a_manifest_comes_back_as_it_was_written():
    manifest = parse(canonical_bytes(DOCUMENT))
    assert manifest.seq == 41
    assert manifest.plant.arrays[0].dc_w == 5000.0
    assert manifest.model("load_w").file == "load.onnx"
    assert manifest.files["golden.npz"].size == 7


def test_the_canonical_form_does_not_depend_on_the_order_of_keys():
    shuffled = dict(reversed(list(DOCUMENT.items())))
    assert canonical_bytes(shuffled) == canonical_bytes(DOCUMENT)
    assert signed_bytes(b"x") == b"pems-bundle-v1\0x"


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("schema",), 2, "schema 2 is not 1"),
        (("extra",), 1, "keys differ: extra"),
        (("seq",), KeyError, "keys differ: seq"),
        (("seq",), -1, "seq must be a whole number"),
        (("seq",), True, "seq must be a whole number"),
        (("version",), "../1", "version is not valid"),
        (("site",), "", "site is not valid"),
        (("feature_code_sha256",), "zz", "feature_code_sha256 is not valid"),
        (("files", "../pv.onnx"), {"sha256": "b" * 64, "size": 1}, "not allowed"),
        (("files", "pv.onnx", "size"), 10**9, "the most is"),
        (("files", "pv.onnx", "mode"), 1, "must have the keys"),
        (("files",), {}, "files must list"),
        (("parity", "file"), "other.npz", "parity.file"),
        (("parity", "rtol"), 0.5, "rtol must be 0..0.01"),
        (("parity", "rtol"), "1", "rtol must be a number"),
        (("plant", "linke"), [3.0], "12 numbers"),
        (("plant", "horizon_deg"), [0.0, 5.0], "the first as the last"),
        (("plant", "horizon_deg"), [0.0], "plant.horizon_deg must be 2"),
        (("plant", "horizon_deg"), [91.0, 91.0], "plant.horizon_deg must be 0"),
        (("plant", "horizon_deg"), 3, "plant.horizon_deg must be 2"),
        (("plant",), [], "plant must have the keys"),
        (("plant", "arrays"), [], "plant.arrays must be a list"),
        (("plant", "arrays", 0, "dc_w"), 0, "dc_w must be 1..1e"),
        (("plant", "arrays", 0, "colour"), 0, "plant.arrays must have the keys"),
        (("models",), DOCUMENT["models"][:1], "one each of pv_w, load_w"),
        (("models", 0, "file"), "none.onnx", "not in files"),
        (("models", 0, "features"), [], "different names"),
        (("models", 0, "features"), ["a", "a"], "different names"),
        (("models", 0, "quantiles"), [0.1, 0.9], "must yield the quantiles"),
        (("models", 0, "colour"), 1, "models must have the keys"),
    ],
)
def test_a_wrong_field_is_refused_by_name(path, value, says):
    with pytest.raises(ValueError, match=says):
        parse(changed(path, value))


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"{", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b" " * (MAX_MANIFEST_BYTES + 1), "the most is"),
        (json.dumps(DOCUMENT, indent=1).encode(), "canonical form"),
        (b"[]", "canonical form"),
        (b'{"a":NaN}', "not JSON compliant"),
    ],
)
def test_bytes_that_are_no_manifest_are_refused(raw, says):
    with pytest.raises(ValueError, match=says):
        parse(raw)


def test_holidays_are_days_since_1970():
    assert parse(changed(["holidays"], ["1970-01-02", "2026-12-25"])).holidays == (1, 20_812)
    assert parse(canonical_bytes(DOCUMENT)).holidays == ()


@pytest.mark.parametrize(
    "dates", ["2026-12-25", [20_812], ["25.12.2026"], ["2026-12-25"] * 2, ["2026-12-26", "2026-12-25"], [""] * 2001]
)
def test_holidays_that_are_no_dates_in_order_are_refused(dates):
    with pytest.raises(ValueError, match="holidays"):
        parse(changed(["holidays"], dates))


def test_a_plant_may_have_a_horizon():
    assert parse(changed(["plant", "horizon_deg"], [0.0, 12.5, 0.0])).plant.horizon_deg == (0.0, 12.5, 0.0)
