"""Fuzzes the parsers: `python -m tests.fuzz --seconds N [--only NAME]`.

One JSON line for each harness: `harness`, `runs`, `crashes`, `seconds`, and for a crash the file with its `input` (under
.cache/fuzz) and its `error`. Exit code 1 where something crashed, 2 where atheris is missing. Each harness runs in a
process of its own, because a fuzzer ends its process; the seconds are shared out among them.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.harnesses import HARNESSES, Harness

ROOT = Path(__file__).parents[2]
FINDINGS = ROOT / ".cache" / "fuzz"
LEAST_SECONDS = 2
SLOWEST_INPUT = 10


def main(arguments: list[str]) -> int:
    """Fuzz them one after the other."""
    names = [harness.name for harness in HARNESSES]
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for all harnesses together")
    parser.add_argument("--only", choices=names, help="one harness")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("atheris") is None:
        print("atheris is missing; 'make fuzz' installs it, or: pip install atheris==3.0.0", file=sys.stderr)
        return 2
    chosen = [harness for harness in HARNESSES if options.only in (None, harness.name)]
    share = max(LEAST_SECONDS, options.seconds // len(chosen))
    crashes = 0
    for harness in chosen:
        result = fuzz(harness, seconds=share, seed=options.seed)
        crashes += result["crashes"]
        print(json.dumps(result), flush=True)
    return 1 if crashes else 0


def fuzz(harness: Harness, *, seconds: int, seed: int) -> dict:
    """One harness, in a process of its own."""
    FINDINGS.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as corpus:
        for number, data in enumerate(harness.seeds()):
            (Path(corpus) / f"seed-{number}").write_bytes(data)
        done = subprocess.run(
            [
                sys.executable, "-m", "tests.fuzz.child", harness.name, corpus, f"-max_total_time={seconds}",
                f"-timeout={SLOWEST_INPUT}", "-rss_limit_mb=2048", "-max_len=20000", "-print_final_stats=1",
                f"-artifact_prefix={FINDINGS / harness.name}-", f"-seed={seed}", "-len_control=0",
            ],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False,
        )  # fmt: skip
    said = done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")
    runs = re.search(r"stat::number_of_executed_units:\s+(\d+)", said)
    result: dict = {
        "harness": harness.name,
        "runs": int(runs[1]) if runs else 0,
        "crashes": int(done.returncode != 0),
        "seconds": round(time.monotonic() - started, 1),
    }
    if done.returncode != 0:
        written = re.search(r"Test unit written to (\S+)", said)
        error = re.search(r"=== Uncaught Python exception: ===\s+(.+)|.*(ERROR: libFuzzer.+)", said)
        result["input"] = written[1] if written else None
        result["error"] = (error[1] or error[2])[:300] if error else said[-300:]
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
