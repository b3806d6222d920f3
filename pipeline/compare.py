"""Put the trained architectures side by side: tables, figures, and who is better than whom.

Reads ``build/train/<architecture>/{run.json, metrics.json, predictions.parquet}``, writes ``build/compare``.
Only runs of the present choices are compared: same taxonomy, protocol, corpora and split.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import bootstrap, evaluation, figures
from pipeline import table as tables
from pipeline.config import Config
from pipeline.corpora import CORPORA
from pipeline.stage import PipelineError, output, stage
from pipeline.taxonomy import EMOTIONS, Node

log = logging.getLogger("pipeline")
LISTENERS = "human listeners (voice only)"
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Run:
    """What the train stage left of one architecture.

    Attributes
    ----------
    about : dict
        ``run.json``: what was trained on what.
    report : dict
        ``metrics.json``, see `pipeline.evaluation.report`.
    predictions : DataFrame
        See `pipeline.evaluation`.
    """

    about: dict[str, Any]
    report: dict[str, Any]
    predictions: pd.DataFrame


def main(cfg: Config) -> None:
    """Compare the architectures that were trained under the present choices."""
    runs = read(cfg)
    tree = Node.read(cfg.taxonomy.tree)
    reports = {name: run.report for name, run in runs.items()}
    table = pd.DataFrame(row for name, run in runs.items() for row in rows(name, run, tree))
    heard = tables.read(cfg.build / "merge" / "listeners.parquet")
    table = pd.concat([table, listeners(heard, runs, cfg.seed)], ignore_index=True)
    about = f"{cfg.taxonomy.name} classes, protocol {cfg.protocol.name}, corpora {cfg.corpora.name}"
    note = figures.caveat(cfg.corpora.name, cfg.protocol.shares_speakers)
    found = differences(runs, cfg.seed, note)
    chance = 1 / len(tree.classes)
    with output(cfg.build / "compare") as folder:
        table.to_csv(folder / "comparison.csv", index=False)
        (folder / "comparison.md").write_text(page(table, found, about, note), encoding="utf-8")
        small = {name: summary(report) for name, report in reports.items()}
        (folder / "metrics.json").write_text(json.dumps(small, indent=2) + "\n")
        (folder / "differences.json").write_text(json.dumps(found, indent=2) + "\n")
        matrices = {name: evaluation.confusions(run.predictions, tree.classes) for name, run in runs.items()}
        grouped = pd.concat({name: pd.concat(by_group) for name, by_group in matrices.items()})
        grouped.rename_axis(["architecture", "group", "truth"]).to_csv(folder / "confusions.csv")
        (folder / "confusion").mkdir()
        for name, run in runs.items():  # as `dvc plots` reads it, a file an architecture
            test = run.predictions[run.predictions["part"] == "test"]
            test[["label", "predicted"]].to_csv(folder / "confusion" / f"{name}.csv", index=False)
        (folder / "figures").mkdir()
        drawn = {
            "comparison": figures.architectures(reports, chance, f"Architectures compared: {about}", note),
            "corpora": figures.groups(reports, "corpus", chance, f"Test UAR by corpus: {about}", note),
        }
        for name, figure in drawn.items():
            figures.save(figure, folder / "figures" / f"{name}.png")
    for entry in found:
        log.info(entry["sentence"])


def read(cfg: Config) -> dict[str, Run]:
    """Read the runs that the present choices speak of, by architecture; name those left out.

    Raises
    ------
    PipelineError
        Where there is no split, no such run, or a file that cannot be read.
    """
    split = cfg.build / "split" / "summary.json"
    if not split.exists():
        raise PipelineError(f"there is no {split}: run the split stage (python -m pipeline.split) first")
    wanted = {
        "taxonomy": cfg.taxonomy.name,
        "protocol": cfg.protocol.name,
        "trained_on": cfg.corpora.name,
        "splits": _load(split)["digest"],
    }
    runs = {}
    for path in (cfg.build / "train" / name / "run.json" for name in cfg.architectures):
        if not path.exists():
            log.warning("%s is left out: it has not been trained", path.parent.name)
            continue
        about = _load(path)
        if other := [key for key, value in wanted.items() if about.get(key) != value]:
            told = ", ".join(f"{key} {about.get(key)} (now {wanted[key]})" for key in other)
            log.warning("%s is left out: it was trained under other choices: %s", path.parent.name, told)
            continue
        report = _load(path.with_name("metrics.json"))
        runs[path.parent.name] = Run(about, report, _predictions(path.with_name("predictions.parquet")))
    if not runs:
        raise PipelineError(
            f"{cfg.build / 'train'} holds no run of {', '.join(f'{k} {v}' for k, v in wanted.items())}: "
            "train an architecture under these choices first (python -m pipeline.train architecture=mlp)"
        )
    return runs


def rows(architecture: str, run: Run, tree: Node) -> Iterator[dict[str, Any]]:
    """Yield the comparison's rows of one run: validation, test, and the test's corpora, sexes and folds."""
    head = {"architecture": architecture, "kind": run.about["kind"], "view": run.about["view"]}
    for part in ("validation", "test"):
        whole = {key: value for key, value in run.report[part].items() if not isinstance(value, dict)}
        clips = run.predictions[run.predictions["part"] == part]
        near = evaluation.hierarchical(clips["label"], clips["predicted"], tree)
        yield {**head, "part": part, "group": "all", "name": "all", **whole, **near}
    for group in evaluation.GROUPS:
        for name, scored in run.report["test"][group].items():
            yield {**head, "part": "test", "group": group, "name": name, **scored}


def listeners(heard: pd.DataFrame, runs: dict[str, Run], seed: int) -> pd.DataFrame:
    """Return the comparison's rows of human listeners, by what they heard in the very clips that were tested.

    They chose among six emotions, whatever the classes of the runs are.

    Parameters
    ----------
    heard : DataFrame
        `pipeline.table.Listeners`.
    runs : dict
        All of one split.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        A row for each corpus whose listeners are known; empty where there are none.
    """
    predictions = next(iter(runs.values())).predictions
    tested = predictions.loc[predictions["part"] == "test", ["id", "corpus", "speaker", "label"]]
    for corpus in sorted(set(tested["corpus"]) - set(tested["corpus"][tested["id"].isin(heard["id"])])):
        if known := CORPORA[corpus].listeners:
            log.info("no row of %s's human listeners: %s is not in data/", corpus, known.file)
    found = []
    for corpus, clips in tested.merge(heard.rename(columns={"label": "predicted"}), on="id").groupby(
        "corpus"
    ):
        counted = bootstrap.counts(clips, EMOTIONS, clips["share"])
        found.append(
            {"architecture": LISTENERS, "kind": "people", "part": "test", "group": "corpus", "name": corpus}
            | bootstrap.scored(counted, seed)
            | {"clips": clips["id"].nunique(), "speakers": len(counted), "classes": clips["label"].nunique()}
        )
    return pd.DataFrame(found)


def summary(report: dict[str, Any]) -> dict[str, float | None]:
    """Return the few numbers that ``dvc metrics show`` prints."""
    test = ("uar", "uar_low", "uar_high", "accuracy", "macro_f1")
    return {"validation_uar": report["validation"]["uar"]} | {f"test_{k}": report["test"][k] for k in test}


def differences(runs: dict[str, Run], seed: int, note: str = "") -> list[dict[str, Any]]:
    """Compare every hierarchical run with every flat one that reads the same views.

    Returns
    -------
    list of dict
        ``hierarchical, flat, view``, the result of `pipeline.evaluation.difference`, and a ``sentence``
        that carries the `note`.

    Raises
    ------
    PipelineError
        Where two runs of one split have no test clip in common.
    """
    found = []
    for name, run in runs.items():
        for flat, other in runs.items():
            kinds = (run.about["kind"], other.about["kind"])
            read, other_read = (set(about["view"].split("+")) for about in (run.about, other.about))
            if kinds != ("hierarchical", "flat") or read != other_read:
                continue
            try:
                result = evaluation.difference(run.predictions, other.predictions, seed)
            except ValueError as error:
                raise PipelineError(f"{name} against {flat}: {error}; train both again") from None
            pair = {"hierarchical": name, "flat": flat, "view": run.about["view"]}
            told = sentence(name, flat, result) + (f" Note: {note}." if note else "")
            found.append({**pair, **result, "sentence": told})
    return found


def sentence(a: str, b: str, result: dict[str, Any]) -> str:
    """Say which of two architectures is better, or that it cannot be told."""
    numbers = (
        f"UAR {result['uar_a']:.3f} against {result['uar_b']:.3f} on {result['clips']} clips of "
        f"{result['speakers']} speakers"
    )
    if result["p"] is None:
        return f"Whether {a} is better than {b} cannot be told from one speaker: {numbers}."
    numbers += (
        f", difference {result['difference']:+.3f} (95 % {result['low']:+.3f} to {result['high']:+.3f}, "
        f"p = {result['p']:.2g})"
    )
    if result["p"] < SIGNIFICANT:
        return f"{a} is {'better' if result['difference'] > 0 else 'worse'} than {b}: {numbers}."
    return f"Whether {a} is better than {b} cannot be told: {numbers}."


def readable(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return the comparison's columns `names` and its scores, in words that fit a Markdown table.

    Folds are left to the file: their scores are of few speakers each.
    """
    table = table[table["group"] != "fold"]
    shown = table[names].fillna("–").copy()
    for score in evaluation.SCORES:
        shown[score] = [
            f"{value:.3f}" if pd.isna(low) else f"{value:.3f} ({low:.3f}–{high:.3f})"
            for value, low, high in zip(
                table[score], table[f"{score}_low"], table[f"{score}_high"], strict=True
            )
        ]
    for score in ("h_f1", "ece"):
        shown[score] = ["–" if pd.isna(value) else f"{value:.3f}" for value in table[score]]
    shown[["clips", "speakers"]] = table[["clips", "speakers"]]
    return shown


def page(table: pd.DataFrame, found: list[dict[str, Any]], about: str, note: str) -> str:
    """Return the comparison as Markdown for people; parameters as `main` makes them."""
    shown = readable(table, ["architecture", "kind", "view", "part", "name"])
    told = [entry["sentence"] for entry in found] or [
        "No hierarchical and flat architecture read the same view."
    ]
    return "\n".join(
        [
            f"# Architectures compared: {about}\n",
            *([f"**Note: {note}.**\n"] if note else []),
            "UAR: unweighted average recall. In brackets: 95 % bootstrap interval over speakers; none where "
            "there is one speaker only, and too narrow where there are but a few (TESS has two). h_f1: F1 by "
            "which an error near the truth in the tree counts less. ece: expected calibration error. p: of "
            "exchanging the two models' answers speaker by speaker. Human listeners heard the voice alone "
            "and chose among six emotions; their answer is the vote of about ten.\n",
            shown.to_markdown(index=False, disable_numparse=True) + "\n",
            "## Hierarchical against flat\n",
            *(f"- {line}" for line in told),
            "",
        ]
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise PipelineError(f"{path} cannot be read ({error}): run the stage that writes it again") from None
    return loaded


def _predictions(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise PipelineError(f"{path} cannot be read ({error}): train again") from None


app = stage(main)
if __name__ == "__main__":
    app()
