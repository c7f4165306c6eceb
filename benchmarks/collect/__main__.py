"""What collecting costs, all of it: recording at a line's full speed, a receiver of 200 devices, a dataset of 10,000.

python benchmarks/collect [--seconds 600] [--receiver-seconds 60] [--recordings 10000]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="of recording")
    parser.add_argument("--receiver-seconds", type=float, default=60, help="of pushing")
    parser.add_argument("--recordings", type=int, default=10_000, help="in the dataset")
    given = parser.parse_args()
    parts = (
        ("bench_collect.py", "--seconds", str(given.seconds)),
        ("bench_receiver.py", "--seconds", str(given.receiver_seconds)),
        ("bench_data.py", str(given.recordings)),
    )
    failed = 0
    for name, *options in parts:
        print(f"# {name} {' '.join(options)}", flush=True)
        failed += subprocess.run([sys.executable, FOLDER / name, *options], check=False).returncode != 0
        print(flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
