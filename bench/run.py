# SPDX-License-Identifier: Apache-2.0
"""The benchmarks: each figure beside a baseline of the same run, as a table and as JSON.

    ./dev bench [NAME...] [--quick] [--json FILE]

Names are those of SUITES in measure.py, past.py and transfer.py. Everything runs in a sandbox of its own (tests/lib/sandbox.sh).
"""
import argparse
import json
import os
import platform
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.join(os.path.dirname(HERE), "tests")
sys.path[:0] = [HERE, TESTS]


def enter_sandbox():
    if "DOL_TEST_BASE" in os.environ:
        return
    os.execvp("unshare", [
        "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
        "--mount-proc", "/bin/bash", os.path.join(TESTS, "lib", "sandbox.sh"),
        sys.executable, os.path.abspath(__file__), *sys.argv[1:]])


class Report:
    """Rows of what was measured."""

    def __init__(self):
        self.rows = []

    def add(self, what, value, unit, baseline=None, baseline_name="", target=None, reached=None):
        """`target`: the aim as text; `reached`: whether it was."""
        ratio = value / baseline if baseline else None
        self.rows.append({"what": what, "value": round(value, 3), "unit": unit,
                          "baseline": round(baseline, 3) if baseline else None,
                          "baseline_name": baseline_name,
                          "ratio": round(ratio, 3) if ratio else None,
                          "target": target, "reached": reached})
        self.show(self.rows[-1])

    @staticmethod
    def show(row):
        ratio = f"{row['ratio']:>7.2f}x" if row["ratio"] else " " * 8
        base = f"{row['baseline']:>10g} {row['baseline_name']}" if row["baseline"] else ""
        mark = {True: "ok   ", False: "SHORT", None: "     "}[row["reached"]]
        print(f"{row['what']:<52}{row['value']:>10g} {row['unit']:<6}{ratio} {mark} "
              f"{row['target'] or '':<12} {base}", flush=True)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory = int(file.readline().split()[1]) // 1024
    return {"kernel": platform.release(), "cpu": models[0] if models else "", "cpus": len(models),
            "memory_mib": memory, "load_at_start": os.getloadavg()[0],
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def main():
    enter_sandbox()
    import measure
    import past
    import transfer
    suites = {**measure.SUITES, **past.SUITES, **transfer.SUITES}
    parser = argparse.ArgumentParser(description="Benchmarks of Dolium.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=" ".join(suites))
    parser.add_argument("--quick", action="store_true", help="fewer rounds, less certain figures")
    parser.add_argument("--json", default="bench/results/latest.json", metavar="FILE")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(suites)
    if unknown:
        parser.error(f"unknown: {' '.join(sorted(unknown))} (known: {' '.join(suites)})")
    report = Report()
    about = machine()
    print(f"{about['cpus']} x {about['cpu']}, {about['memory_mib']} MiB, Linux {about['kernel']}, "
          f"load {about['load_at_start']}")
    for name in arguments.names or suites:
        suites[name](report, arguments.quick)
    os.makedirs(os.path.dirname(os.path.abspath(arguments.json)), exist_ok=True)
    with open(arguments.json, "w", encoding="utf-8") as file:
        json.dump({"machine": about, "rows": report.rows}, file, indent=1)
    short = [row["what"] for row in report.rows if row["reached"] is False]
    print(f"\nwritten to {arguments.json}; short of its target: {', '.join(short) or 'nothing'}")


if __name__ == "__main__":
    main()
