"""Promote: register the best hierarchical detector and its card; champion if it beats the one that is.

``python -m pipeline.promote version=3`` makes a version champion by hand, and bundles it: the way back.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

from pipeline import card, compare, evaluation, table, tracking, train
from pipeline.config import Config
from pipeline.stage import PipelineError, output, stage

log = logging.getLogger("promote")

WITHDRAWN = "withdrawn"  # tag of a version that was replaced by hand


@dataclass(frozen=True)
class Decision:
    """Whether the candidate becomes the champion, and why."""

    promoted: bool
    reason: str


def standing(facts: Mapping[str, Any]) -> tuple[bool, bool]:
    """Rank what a model's numbers are worth: real voices before synthetic, unseen speakers before shared."""
    return facts["trained_on"] != "sample", str(facts["shares_speakers"]) != "True"


def decide(
    candidate: Mapping[str, Any],
    champion: Mapping[str, Any] | None,
    ours: pd.DataFrame,
    theirs: pd.DataFrame | None,
    seed: int,
) -> Decision:
    """Decide whether a candidate replaces the champion.

    Parameters
    ----------
    candidate, champion : mapping
        ``trained_on`` and ``shares_speakers`` of each; None where there is no champion.
    ours, theirs : DataFrame
        The predictions tables of each (see `pipeline.evaluation`): the comparison stands on test clips that
        neither has learned from.
    seed : int
        Of the bootstrap.
    """
    if champion is None or theirs is None:
        return Decision(True, "there was no champion")
    if standing(candidate) != standing(champion):
        words = " and ".join(
            [
                "is trained on real recordings"
                if standing(champion)[0]
                else "is a demonstration of synthetic voices",
                "is tested on unseen speakers"
                if standing(champion)[1]
                else "shares speakers between training and test",
            ]
        )
        better = standing(candidate) > standing(champion)
        return Decision(
            better, f"the champion {words}: this one {'counts for more' if better else 'does not replace it'}"
        )
    try:
        gap = evaluation.difference(ours, theirs, seed)
    except ValueError as error:
        return Decision(False, f"it cannot be compared with the champion: {error}")
    interval = "" if gap["low"] is None else f" (95 % {gap['low']:+.3f} to {gap['high']:+.3f})"
    return Decision(
        gap["difference"] > 0,
        f"UAR {gap['uar_a']:.3f} against the champion's {gap['uar_b']:.3f} on the same {gap['clips']} "
        f"test clips of {gap['speakers']} speakers: {gap['difference']:+.3f}{interval}",
    )


def best(build: Path) -> dict[str, Any]:
    """Return the facts of the hierarchical run with the best validation UAR.

    Raises
    ------
    PipelineError
        Where no hierarchical architecture was trained, or `compare` has not run.
    """
    metrics = build / "compare" / "metrics.json"
    if not metrics.exists():
        raise PipelineError(f"{metrics} is not there: run the stage 'compare' first (dvc repro does)")
    compared = json.loads(metrics.read_text())
    runs = {name: json.loads((build / "train" / name / "run.json").read_text()) for name in compared}
    trees = [name for name, facts in runs.items() if facts["kind"] == "hierarchical"]
    if not trees:
        raise PipelineError(
            f"no hierarchical architecture among {sorted(runs)}: add one to `architectures` in params.yaml"
        )
    return dict(runs[max(trees, key=lambda name: compared[name]["validation_uar"])])


def describe(version: ModelVersion, facts: Mapping[str, Any], decision: Decision) -> dict[str, Any]:
    """Return what the later stages and people want to know of the champion and the decision."""
    return {
        "name": version.name,
        "version": str(version.version),
        "run_id": version.run_id,
        "trained_on": version.tags["trained_on"],
        "candidate": {"run_id": facts["run_id"], "architecture": facts["architecture"]},
        "promoted": decision.promoted,
        "reason": decision.reason,
    }


def write(cfg: Config, champion: ModelVersion, facts: Mapping[str, Any], decision: Decision) -> None:
    """Write build/promote: who is the champion and why, and its card."""
    with output(cfg.build / "promote") as folder:
        (folder / "champion.json").write_text(json.dumps(describe(champion, facts, decision), indent=2))
        if (text := tracking.card(champion)) is not None:
            (folder / "card.md").write_text(text, encoding="utf-8")


def carded(cfg: Config, architecture: str, version: ModelVersion, run: Run) -> str:
    """Return the model card of a version, from what the stages left of it.

    Raises
    ------
    PipelineError
        Where they have left it under other choices than the present ones.
    """
    made = compare.read(cfg).get(architecture)
    if made is None:
        raise PipelineError(
            f"{architecture} was not trained under the present choices: promote under those under which it "
            "was, or run the stages again (dvc repro does)"
        )
    rows = pd.read_csv(cfg.build / "compare" / "comparison.csv")
    found = json.loads((cfg.build / "compare" / "differences.json").read_text())
    subject = card.Subject(
        name=version.name,
        version=str(version.version),
        date=datetime.fromtimestamp(run.info.start_time / 1000, UTC).date().isoformat(),
        facts=made.about,
        report=made.report,
        predictions=made.predictions,
        learned=train.load(cfg.build, {}, ()).learned(cfg.protocol.refit),
        tree=cfg.taxonomy.tree,
        protocol=cfg.protocol,
        differences=[pair for pair in found if pair["hierarchical"] == architecture],
        listeners=rows[rows["kind"] == "people"].to_dict("records"),
    )
    return card.write(subject, cfg.seed)


def reinstate(cfg: Config, number: str) -> None:
    """Make a registered version the champion, whatever the numbers say, and bundle it.

    The champion that it replaces is withdrawn: the stage does not promote it again by itself.

    Raises
    ------
    PipelineError
        Where there is no such version.
    """
    from pipeline import bundle  # noqa: PLC0415  # BentoML takes seconds, and the stage itself needs it not

    version = tracking.registered(cfg.experiment, number)
    before = tracking.champion(cfg.experiment)
    reason = f"by hand: version={number}"
    if before is not None and before.version != version.version:
        tracking.tag(before, {WITHDRAWN: "True"})
    tracking.tag(version, {WITHDRAWN: "False", "promoted": "True", "reason": reason})
    tracking.promote(version)
    run = tracking.find(version.run_id)
    facts = {"run_id": version.run_id, "architecture": run.data.tags.get("architecture")}
    write(cfg, version, facts, Decision(True, reason))
    log.info("%s version %s is the champion: %s", version.name, version.version, reason)
    bundle.main(cfg)
    log.info("a service that follows the bundle or the registry takes it over within seconds")


def main(cfg: Config) -> None:
    """Read build/compare and build/train, write build/promote, the registry's versions and alias."""
    tracking.connect()
    if cfg.version is not None:
        reinstate(cfg, str(cfg.version))
        return
    facts = best(cfg.build)
    run = tracking.find(facts["run_id"])
    numbers = {
        k: f"{run.data.metrics[k]:.4f}"
        for k in ("validation.uar", "test.uar", "test.accuracy", "test.macro_f1")
    }
    settings = {f"param.{key}": value for key, value in run.data.params.items()}
    told = {
        key: str(facts[key])
        for key in ("commit", "splits", "trained_on", "protocol", "shares_speakers", "taxonomy")
    }
    version = tracking.register(cfg.experiment, facts["run_id"], facts["detector"], settings | numbers | told)
    tracking.attach_card(version, carded(cfg, facts["architecture"], version, run))
    champion = tracking.champion(cfg.experiment)
    if champion is not None and champion.run_id == facts["run_id"]:
        decision = Decision(True, champion.tags.get("reason", "it is the champion already"))
    elif champion is not None and version.tags.get(WITHDRAWN) == "True":
        decision = Decision(False, f"it was withdrawn by hand: version={version.version} brings it back")
    else:
        ours = table.read(cfg.build / "train" / facts["architecture"] / "predictions.parquet")
        theirs = None if champion is None else tracking.predictions(champion.run_id)
        decision = decide(facts, champion.tags if champion else None, ours, theirs, cfg.seed)
        tracking.tag(version, {"promoted": str(decision.promoted), "reason": decision.reason})
        if decision.promoted:
            tracking.promote(version)
            champion = version
    assert champion is not None
    log.info(
        "%s version %s %s: %s",
        version.name,
        version.version,
        "is the champion" if decision.promoted else "stays without the alias",
        decision.reason,
    )
    write(cfg, champion, facts, decision)


app = stage(main)

if __name__ == "__main__":
    app()
