"""The tables of RESULTS.md: every taxonomy under every protocol on what is in data/.

    python -m benchmarks.results corpora=full [taxonomy=six] [protocol=folds] [architectures=[mlp]] > table.md

Runs `dvc repro` for each pair of taxonomy and protocol, or for those given, with params.yaml's other
choices or those given, so that what was computed before is taken from DVC's cache; params.yaml is as it was
afterwards.
"""

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import pandas as pd
import yaml
from tqdm import tqdm

from benchmarks.stages import machine
from pipeline.compare import readable
from pipeline.stage import ROOT

EVERY = {"taxonomy": ("six", "four"), "protocol": ("folds", "clips")}


def section(taxonomy: str, protocol: str) -> str:
    """Return what `compare` found, as Markdown."""
    compared = ROOT / "build" / "compare"
    table = pd.read_csv(compared / "comparison.csv")
    names = json.loads((compared / "metrics.json").read_text())  # those that `compare` did not leave out
    runs = [json.loads((ROOT / "build" / "train" / name / "run.json").read_text()) for name in names]
    seconds = ", ".join(f"{run['architecture']} {run['seconds']:.0f} s" for run in runs)
    shared = "; **speakers are shared between training and test**" if runs[0]["shares_speakers"] else ""
    told = [entry["sentence"] for entry in json.loads((compared / "differences.json").read_text())]
    return "\n\n".join(
        [
            f"### {taxonomy.capitalize()} classes, protocol `{protocol}`{shared}",
            readable(table, ["architecture", "part", "name"]).to_markdown(index=False, disable_numparse=True),
            *told,
            f"Training: {seconds}. Commit {runs[0]['commit']}, data {runs[0]['splits'][:16]}.",
        ]
    )


def main() -> None:
    """Run every pair of choices and print the tables."""
    params = ROOT / "params.yaml"
    before = params.read_text()
    given = {key: yaml.safe_load(value) for key, value in (word.split("=", 1) for word in sys.argv[1:])}
    taxonomies, protocols = ([given[key]] if key in given else every for key, every in EVERY.items())
    sections = []
    try:
        for taxonomy, protocol in tqdm(list(product(taxonomies, protocols)), unit="pair"):
            chosen = yaml.safe_load(before) | given | {"taxonomy": taxonomy, "protocol": protocol}
            params.write_text(yaml.safe_dump(chosen, sort_keys=False))
            dvc = Path(sys.executable).with_name("dvc")
            subprocess.run([dvc, "repro", "--pull"], cwd=ROOT, check=True, stdout=sys.stderr)
            sections.append(section(taxonomy, protocol))
    finally:
        params.write_text(before)
    print(f"{machine()}\n\n" + "\n\n".join(sections))


if __name__ == "__main__":
    main()
