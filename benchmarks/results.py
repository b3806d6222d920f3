"""The tables of RESULTS.md: every taxonomy under every protocol on what is in data/.

    python -m benchmarks.results corpora=full [taxonomy=six] [protocol=folds] [architectures=[mlp]] > table.md

Runs `dvc repro` for each pair of taxonomy and protocol, or for those given, with params.yaml's other choices
or those given; architectures are trained side by side, one a core. What was computed before is taken from
DVC's cache. params.yaml is as it was afterwards. Where opensmile is installed, its views are compared too.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import product
from multiprocessing.pool import ThreadPool
from typing import Any

import pandas as pd
import yaml
from tqdm import tqdm

from benchmarks.stages import machine
from pipeline.compare import readable
from pipeline.stage import ROOT

TAXONOMIES = ("six", "four")
PROTOCOLS = ("clips", "emobox", "tess_speakers", "corpora", "folds")
# A quarter of an hour or more each: under `folds` alone.
SLOW = ("lstm", "vgg", "lstm_original", "hierarchical_best")
OTHERS = (
    *("nested_dichotomies", "hierarchical_original", "hierarchical_learned", "mlp"),
    *("mlp_original", "hierarchical", "one_versus_rest"),
)
OPENSMILE = ("opensmile_compare", "opensmile_egemaps")  # under `folds` alone
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")


def dvc(*arguments: str, **variables: str) -> None:
    """Run DVC, what it says beside the tables."""
    command = [sys.executable, "-m", "dvc", *arguments]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr, env=os.environ | variables)


@contextmanager
def choosing(**choices: Any) -> Iterator[None]:
    """Let params.yaml hold other choices for a while."""
    params = ROOT / "params.yaml"
    before = params.read_text()
    try:
        params.write_text(yaml.safe_dump(yaml.safe_load(before) | choices, sort_keys=False))
        yield
    finally:
        params.write_text(before)


def plan(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the choices of each run of the pipeline, those given first of all."""
    for taxonomy, protocol in product(TAXONOMIES, PROTOCOLS):
        slow = SLOW if protocol == "folds" else ()
        yield {"taxonomy": taxonomy, "protocol": protocol, "architectures": [*slow, *OTHERS], **given}
    if "architectures" not in given and "features" not in given and find_spec("opensmile"):
        for taxonomy in TAXONOMIES:
            choices = {"taxonomy": taxonomy, "protocol": "folds", **given}
            yield choices | {"features": "opensmile", "architectures": [*OPENSMILE]}


def run(architectures: list[str]) -> dict[str, Any]:
    """Run the pipeline up to `compare`; return the ``run.json`` of each architecture compared."""
    dvc("repro", "--pull", "features")
    with ThreadPool(os.cpu_count()) as pool:
        trainings = [("repro", "--single-item", f"train@{name}") for name in architectures]
        pool.starmap(lambda *arguments: dvc(*arguments, **ONE_THREAD), trainings, chunksize=1)
    dvc("repro", "--pull", "compare")
    names = json.loads((ROOT / "build" / "compare" / "metrics.json").read_text())
    return {name: json.loads((ROOT / "build" / "train" / name / "run.json").read_text()) for name in names}


def section(title: str, runs: dict[str, Any]) -> str:
    """Return what `compare` found, as Markdown."""
    compared = ROOT / "build" / "compare"
    about = next(iter(runs.values()))
    table = readable(pd.read_csv(compared / "comparison.csv"), ["architecture", "part", "name"])
    shared = "; **speakers are shared between training and test**" if about["shares_speakers"] else ""
    told = [entry["sentence"] for entry in json.loads((compared / "differences.json").read_text())]
    seconds = ", ".join(f"{name} {run['seconds']:.0f} s" for name, run in runs.items())
    return "\n\n".join(
        [
            f"### {title}{shared}",
            *(f"- {sentence}" for sentence in told),
            "<details><summary>By corpus and sex</summary>",
            table.to_markdown(index=False, disable_numparse=True),
            "</details>",
            f"Training: {seconds}. Commit {about['commit']}, data {about['splits'][:16]}.",
        ]
    )


def tested() -> pd.Series:
    """Return the UAR and its interval of each architecture on all test clips."""
    table = pd.read_csv(ROOT / "build" / "compare" / "comparison.csv")
    table = table[(table["part"] == "test") & (table["name"] == "all")]
    return readable(table, ["architecture"]).set_index("architecture")["uar"]


def overview(scores: dict[tuple[str, str], list[pd.Series]]) -> Iterator[str]:
    """Yield a table for each taxonomy: the test scores of each architecture under each protocol."""
    for taxonomy in dict.fromkeys(taxonomy for taxonomy, _ in scores):
        columns = {protocol: pd.concat(found) for (of, protocol), found in scores.items() if of == taxonomy}
        table = pd.DataFrame(columns).fillna("–").rename_axis(f"{taxonomy} classes")
        yield table.to_markdown(disable_numparse=True)


def main() -> None:
    """Run every pair of choices and print the tables, those of all test scores first."""
    started = time.perf_counter()
    given = {key: yaml.safe_load(value) for key, value in (word.split("=", 1) for word in sys.argv[1:])}
    plans = {json.dumps(choices): choices for choices in plan(given)}  # what is given makes some alike
    scores: dict[tuple[str, str], list[pd.Series]] = {}
    sections = []
    for choices in tqdm(list(plans.values()), unit="pair"):
        taxonomy, protocol = choices["taxonomy"], choices["protocol"]
        with choosing(**choices):
            runs = run(choices["architectures"])
        scores.setdefault((taxonomy, protocol), []).append(tested())
        sections.append(section(f"{taxonomy.capitalize()} classes, protocol `{protocol}`", runs))
    print(f"{machine()}; {(time.perf_counter() - started) / 60:.0f} minutes in all")
    print("", *overview(scores), *sections, sep="\n\n")


if __name__ == "__main__":
    main()
