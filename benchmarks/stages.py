"""Seconds and memory of every stage, each run alone in a folder of its own.

    python -m benchmarks.stages [corpora=full taxonomy=four …] [--json FILE]

The choices are those of params.yaml unless overridden. A row a stage: wall seconds, the same per 1,000
clips of the utterance table, and the most memory that its processes held together (resident, sampled).
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import psutil
from tqdm import tqdm

from pipeline import tracking
from pipeline.corpora import CORPORA
from pipeline.stage import ROOT, choices

SAMPLING = 0.05  # seconds between two looks at the memory


@dataclass(frozen=True)
class Measured:
    """What one run of a stage took."""

    stage: str
    seconds: float
    peak_mb: float


def commands(overrides: list[str]) -> list[tuple[str, list[str]]]:
    """List the stages and the overrides of each, in the order of the pipeline."""
    chosen = dict(choice.split("=", 1) for choice in choices() + overrides)
    architectures = chosen["architectures"].strip("[]").split(",")
    return [
        *((f"download@{corpus}", [f"corpus={corpus}"]) for corpus in CORPORA),
        *((stage, []) for stage in ("merge", "split", "augment", "features")),
        *((f"train@{name}", [f"architecture={name}"]) for name in architectures),
        *((stage, []) for stage in ("compare", "promote", "bundle")),
    ]


def memory(process: psutil.Process) -> int:
    """Return the bytes that a process and its children hold now."""
    total = 0
    for member in (process, *process.children(recursive=True)):
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def measure(stage: str, overrides: list[str], folder: Path) -> Measured:
    """Run one stage in `folder` and watch it.

    Raises
    ------
    SystemExit
        Where it fails, with what it said.
    """
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "BENTOML_HOME": str(folder / "bentoml"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
    }
    command = [sys.executable, "-m", f"pipeline.{stage.partition('@')[0]}", *overrides]
    started, peak = time.perf_counter(), 0
    with (folder / "said").open("w+") as said:
        process = psutil.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
        while process.poll() is None:
            try:
                peak = max(peak, memory(process))
            except psutil.NoSuchProcess:
                break
            time.sleep(SAMPLING)
        seconds = time.perf_counter() - started
        if process.wait():
            said.seek(0)
            sys.exit(f"{stage} failed:\n{said.read()[-2000:]}")
    return Measured(stage, seconds, peak / 2**20)


def machine() -> str:
    """Describe the machine in one line."""
    size = f"{psutil.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GB"
    return f"{size}, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("overrides", nargs="*", help="Hydra overrides, e.g. corpora=full")
    parser.add_argument("--json", type=Path, help="write the table here too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "data").symlink_to(ROOT / "data")
        stages = tqdm(commands(given.overrides), unit="stage")
        rows = [measure(stage, [*given.overrides, *own], folder) for stage, own in stages]
        clips = len(pd.read_parquet(folder / "build" / "merge" / "utterances.parquet"))
    table = pd.DataFrame(map(asdict, rows))
    table.insert(2, "per_1000_clips", table.seconds / clips * 1000)
    table.loc[len(table)] = ["all", table.seconds.sum(), table.per_1000_clips.sum(), table.peak_mb.max()]
    head = {"clips": clips, "machine": machine(), "commit": tracking.commit()}
    print(f"{clips} clips; {head['machine']}; commit {head['commit']}\n")
    print(table.round(1).to_markdown(index=False))
    if given.json:
        given.json.write_text(json.dumps(head | {"stages": table.round(3).to_dict("records")}, indent=2))


if __name__ == "__main__":
    main()
