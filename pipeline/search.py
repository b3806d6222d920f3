"""Search: try settings of an architecture and keep those whose answers to unheard speakers are best.

``python -m pipeline.search search=mlp`` tries what conf/search/mlp.yaml offers and judges each try by the
mean UAR on the validation speakers of every fold; the test clips are not looked at. Stopped, it goes on where
it was when it is run again; ``search.write=mlp_tuned`` writes the winner into conf/architecture.
"""

import json
import logging
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import yaml
from hydra.core.hydra_config import HydraConfig
from optuna.trial import FixedTrial, FrozenTrial, Trial, TrialState
from sklearn.exceptions import ConvergenceWarning
from tqdm import tqdm

from pipeline import evaluation, figures, learning, tracking, train
from pipeline.architectures import rows
from pipeline.config import Config, Instance, Search, given
from pipeline.features import views
from pipeline.space import choose, here, label, place, without
from pipeline.stage import ROOT, PipelineError, stage
from pipeline.study import ENDED, STRIDE, Watch, digest, draw, opened

log = logging.getLogger("search")


def settled(values: Mapping[str, Any], cfg: Config) -> Instance:
    """Return the architecture's settings with some of them replaced.

    Raises
    ------
    PipelineError
        Naming a key that they lack.
    """
    try:
        settings = place(cfg.architecture, values)
    except KeyError as error:
        known = [key for key in tracking.flat(cfg.architecture) if not key.endswith("_target_")]
        raise PipelineError(
            f"conf/search names {error}, which the architecture lacks: it has {', '.join(known)}"
        ) from None
    return given(settings, random_state=cfg.seed, tree=cfg.taxonomy.tree)


def judge(trial: Trial, settings: Instance, data: learning.Data, cfg: Config) -> float:
    """Learn each fold's training clips and return the mean UAR on the validation speakers.

    Raises
    ------
    TrialPruned
        Where the tries before did better by then.
    """
    estimator = train.make(settings, cfg.features.views)
    labels, speakers = data.clips.label.to_numpy(), data.clips.speaker.to_numpy()
    folds, heard = sorted(data.splits.fold.unique()), list[float]()
    for number, fold in enumerate(folds):
        learnt, asked = data.part(fold, "training"), data.part(fold, "validation")
        fitted = learning.learn(
            estimator,
            rows(data.X, learnt),
            labels[learnt],
            speakers[learnt],
            Watch(trial, number, list(heard)),
        )
        heard.append(evaluation.scores(labels[asked], fitted.predict(rows(data.X, asked)))["uar"])
        tracking.log_metrics({f"validation.fold.{fold}.uar": heard[-1]})
        trial.report(float(np.mean(heard)), (number + 1) * STRIDE - 1)
        if len(heard) < len(folds) and trial.should_prune():
            raise optuna.TrialPruned
    return float(np.mean(heard))


def attempt(study: optuna.Study, search: Search, data: learning.Data, cfg: Config) -> FrozenTrial:
    """Make one try, and tell Optuna and MLflow how it went."""
    # The seed moves on with the tries: one that went on where it was would else repeat the first.
    study.sampler = optuna.samplers.TPESampler(seed=cfg.seed + len(study.get_trials(deepcopy=False)))
    trial = study.ask()
    chosen = choose(trial, search.space)
    with tracking.nested(f"try {trial.number}", {"try": str(trial.number)}):
        tracking.log_params({key: label(value) for key, value in chosen.items()})
        try:
            uar = judge(trial, settled(chosen, cfg), data, cfg)
            tracking.log_metrics({"validation.uar": uar})
            ended: FrozenTrial = study.tell(trial, uar)
        except optuna.TrialPruned:
            ended = study.tell(trial, state=TrialState.PRUNED)
        except PipelineError as error:
            study.tell(trial, state=TrialState.FAIL)
            raise PipelineError(f"{error}; the search had chosen {chosen}") from None
        tracking.log_tags({"state": ended.state.name.lower()})
    return ended


def written(winner: FrozenTrial, facts: Mapping[str, str], cfg: Config) -> str:
    """Return the winner as the text of a file of conf/architecture."""
    settings = settled(choose(FixedTrial(winner.params), cfg.search.space if cfg.search else {}), cfg)
    own = without(settings, random_state=cfg.seed, tree=cfg.taxonomy.tree)
    return (
        f"# Found by `python -m pipeline.search search={facts['search']}`: try {winner.number}, the best of "
        f"{facts['tries']}.\n"
        f"# Study {facts['study']}: taxonomy {facts['taxonomy']}, protocol {facts['protocol']}, features "
        f"{facts['features']}, corpora {facts['corpora']}.\n"
        f"# Validation UAR {winner.value:.4f}; commit {facts['commit'] or 'unknown'}.\n"
        f"# What each key means: conf/architecture/{facts['from']}.yaml\n"
    ) + yaml.safe_dump(own, sort_keys=False, allow_unicode=True)


def checked(cfg: Config) -> tuple[Search, Path | None]:
    """Return the search, and the file that its winner goes to; refuse what would end in tears.

    Raises
    ------
    PipelineError
        Where no search is chosen, speakers are shared, the winner's file is there already, or the space
        does not fit the architecture.
    """
    if cfg.search is None:
        known = sorted(file.stem for file in (ROOT / "conf" / "search").glob("*.yaml"))
        raise PipelineError(f"say what to search: search={' | '.join(known)}")
    if cfg.protocol.shares_speakers:
        raise PipelineError(
            f"protocol={cfg.protocol.name} shares speakers between training and validation: choose settings "
            "with another, such as protocol=speakers"
        )
    target = ROOT / "conf" / "architecture" / f"{cfg.search.write}.yaml" if cfg.search.write else None
    if target and target.exists() and not cfg.search.overwrite:
        raise PipelineError(f"{target} is there already: choose another name, or search.overwrite=true")
    settled(dict.fromkeys(cfg.search.space), cfg)
    return cfg.search, target


def clips(cfg: Config) -> learning.Data:
    """Read what is to be learned and judged, and see that every fold has somebody to judge by.

    Raises
    ------
    PipelineError
        Where a stage before has not run, or a fold has no validation clips.
    """
    data = train.load(cfg.build, views(cfg.features), train.make(cfg.architecture, cfg.features.views).views)
    judging = data.splits[data.splits.part == "validation"]
    if missing := sorted(set(data.splits.fold) - set(judging.fold)):
        raise PipelineError(f"the folds {missing} have no validation clips to choose by: split otherwise")
    if set(judging.id) & set(data.splits.id[data.splits.part == "test"]):
        log.warning(
            "protocol=%s tests in one fold whom it validates in another: the winner's test scores flatter a "
            "little; protocol=speakers keeps test speakers out of the choice",
            cfg.protocol.name,
        )
    return data


def go_on(study: optuna.Study, search: Search, data: learning.Data, cfg: Config) -> int:
    """Try until there are as many tries as wanted; return how many there are."""
    if not study.trials and (now := here(cfg.architecture, search.space)):
        study.enqueue_trial(now)  # what is to be beaten
    ended = len(study.get_trials(states=ENDED))
    with tqdm(total=max(search.trials, ended), initial=ended, desc="search", unit="try") as bar:
        while bar.n < search.trials:
            attempt(study, search, data, cfg)
            bar.set_postfix(best=f"{study.best_value:.3f}")
            bar.update()
        return int(bar.n)


def main(cfg: Config) -> None:
    """Read build/split and build/features, write build/search, MLflow runs and, if told, the winner."""
    search, target = checked(cfg)
    data = clips(cfg)
    splits = json.loads((cfg.build / "split" / "summary.json").read_text())["digest"]
    name = f"{search.name}-{cfg.taxonomy.name}-{cfg.protocol.name}-{digest(cfg, search, splits)}"
    architecture = HydraConfig.get().runtime.choices["architecture"]
    choices = {group: getattr(cfg, group).name for group in ("taxonomy", "protocol", "features", "corpora")}
    facts = {"study": name, "search": search.name, "splits": splits, "commit": tracking.commit()}
    tracking.connect()
    with (
        opened(cfg.build / "search" / search.name, name) as study,
        tracking.run(cfg.experiment, f"search {search.name}", facts | choices, same="study"),
        warnings.catch_warnings(),
    ):
        for kind in (optuna.exceptions.ExperimentalWarning, ConvergenceWarning):
            warnings.simplefilter("ignore", kind)  # a poor try is part of a search
        tracking.log_params({"architecture": {"name": architecture, **cfg.architecture}, "seed": cfg.seed})
        tracking.log_params({f"space.{key}": str(dimension) for key, dimension in search.space.items()})
        tries = go_on(study, search, data, cfg)
        winner = study.best_trial
        tracking.log_metrics({"validation.uar": winner.value})
        tracking.log_tags({"best": str(winner.number), "tries": str(tries)})
        note = figures.caveat(cfg.corpora.name, cfg.protocol.shares_speakers)
        tracking.log_figures(draw(study, cfg.seed, note))
    log.info(
        "%s: try %d of %d, validation UAR %.3f, %s", name, winner.number, tries, winner.value, winner.params
    )
    if target:
        partial = target.with_suffix(".partial")
        partial.write_text(
            written(winner, facts | choices | {"tries": str(tries), "from": architecture}, cfg)
        )
        os.replace(partial, target)
        log.info("written to %s: python -m pipeline.train architecture=%s", target, target.stem)


app = stage(main)

if __name__ == "__main__":
    app()
