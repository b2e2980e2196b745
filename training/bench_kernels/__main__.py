"""``python -m training.bench_kernels [physics] [quality] [storage] [--json]``; exit 1 when a target is missed."""

from __future__ import annotations

import argparse
import json
import sys

from training import bench_kernels


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and say whether every target was met (0) or not (1)."""
    parser = argparse.ArgumentParser(prog="python -m training.bench_kernels", description=bench_kernels.__doc__)
    parser.add_argument("groups", nargs="*", metavar="group", help=" ".join(bench_kernels.GROUPS))
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    options = parser.parse_args(arguments)
    unknown = [group for group in options.groups if group not in bench_kernels.GROUPS]
    if unknown:
        parser.error(f"unknown group {unknown[0]}; choose from {', '.join(bench_kernels.GROUPS)}")
    report = bench_kernels.run(tuple(options.groups) or bench_kernels.GROUPS)
    if options.json:
        print(json.dumps(report))
    else:
        print(report["machine"])
        for row in report["rows"]:
            mark = "ok    " if row["ok"] else "MISSED"
            beside = f"{row['reference']} {row['reference_value']:.4g} {row['unit']}, ratio {row['ratio']:.3g}"
            print(f"{mark}  {row['name']}: {row['value']:.4g} {row['unit']}; {beside}; error {row['error']:.2g}")
    return 0 if all(row["ok"] for row in report["rows"]) else 1


if __name__ == "__main__":
    sys.exit(main())
