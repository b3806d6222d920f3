"""Search: try settings of an architecture and keep those whose answers to unheard speakers are best.

``python -m pipeline.search search=mlp`` tries what conf/search/mlp.yaml offers and judges each try by the
mean UAR on the validation speakers of every fold; the test clips are not looked at. Stopped, it goes on where
it was when it is run again; ``search.write=mlp_tuned`` writes the winner into conf/architecture.
"""

import hashlib
import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import optuna
import yaml
from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from matplotlib.figure import Figure
from optuna.trial import FixedTrial, FrozenTrial, Trial, TrialState
from optuna.visualization import matplotlib as drawn
from sklearn.exceptions import ConvergenceWarning
from sqlalchemy.exc import SQLAlchemyError
from tqdm import tqdm

from pipeline import evaluation, figures, tracking, train
from pipeline.architectures import SILENT, Monitor, rows
from pipeline.config import Config, Instance, Search, given
from pipeline.features import views
from pipeline.space import choose, here, label, place, without
from pipeline.stage import ROOT, PipelineError, stage

log = logging.getLogger("search")
optuna.logging.set_verbosity(optuna.logging.WARNING)  # the bar tells how it goes

STRIDE = 10_000  # steps of a fold, as Optuna counts them: epochs, and the last one when it is judged
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class Watch(Monitor):
    """Ends a try that does no better than the others did at the same epoch.

    Parameters
    ----------
    trial : Trial
    fold : int
        From 0.
    before : sequence of float
        Validation UAR of the folds before.
    """

    def __init__(self, trial: Trial, fold: int, before: list[float]) -> None:
        self.trial, self.fold, self.before = trial, fold, before

    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        """Hear the UAR on the speakers that a network itself held out; one that tells none is let be."""
        if "validation_uar" in values:
            mean = float(np.mean([*self.before, values["validation_uar"]]))
            self.trial.report(mean, self.fold * STRIDE + number)
            if self.trial.should_prune():
                raise optuna.TrialPruned

    def within(self, name: str) -> Monitor:
        """Let the parts be: what one node or member can do says little about the whole."""
        return SILENT


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


def judge(trial: Trial, settings: Instance, data: train.Data, cfg: Config) -> float:
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
        fitted = train.learn(
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


def attempt(study: optuna.Study, search: Search, data: train.Data, cfg: Config) -> FrozenTrial:
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


def digest(cfg: Config, search: Search, splits: str) -> str:
    """Return what tells studies apart: two go on with each other only where their scores compare."""
    facts = {
        "space": {key: dimension.model_dump() for key, dimension in search.space.items()},
        "architecture": cfg.architecture,
        "taxonomy": cfg.taxonomy.tree,
        "features": cfg.features.model_dump(),
        "augmentation": cfg.augmentation.model_dump(),
        "corpora": cfg.corpora.name,
        "splits": splits,
    }
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]


@contextmanager
def opened(folder: Path, name: str) -> Iterator[optuna.Study]:
    """Open a study of `folder`, alone; tries that a kill cut short are put first in line again.

    Raises
    ------
    PipelineError
        Where another search holds it, or its file is not one of Optuna's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "study.db"
    try:
        with FileLock(folder / "study.lock", timeout=0):
            try:
                study = optuna.create_study(
                    storage=f"sqlite:///{file}",
                    study_name=name,
                    direction="maximize",
                    load_if_exists=True,
                    pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=5, n_min_trials=3),
                )
                for cut in study.get_trials(states=[TrialState.RUNNING]):
                    study.tell(cut.number, state=TrialState.FAIL)
                    study.enqueue_trial(cut.params)
            except (SQLAlchemyError, optuna.exceptions.OptunaError) as error:
                reason = str(error.__cause__ or error).splitlines()[0]
                raise PipelineError(
                    f"{file} cannot be used ({reason}): remove it to begin the search anew"
                ) from None
            yield study
    except Timeout:
        raise PipelineError(f"another search holds {file}: wait for it, or stop it") from None


def draw(study: optuna.Study, seed: int, note: str) -> dict[str, Figure]:
    """Draw how the search went and, from two finished tries on, which settings matter."""
    made = {"history": drawn.plot_optimization_history(study, target_name="validation UAR")}
    if len({trial.value for trial in study.get_trials(states=[TrialState.COMPLETE])}) > 1:
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
        made["importance"] = drawn.plot_param_importances(study, evaluator, target_name="validation UAR")
    for axes in made.values():
        axes.figure.text(0.01, 0.01, note, fontsize=8)
        plt.close(axes.figure)  # pyplot keeps what Optuna draws
    return {name: axes.figure for name, axes in made.items()}


def written(settings: Instance, winner: FrozenTrial, facts: Mapping[str, Any], cfg: Config) -> str:
    """Return the winner as the text of a file of conf/architecture."""
    head = (
        f"Found by python -m pipeline.search search={facts['search']}: try {winner.number}, the best of "
        f"{facts['tries']},\nof the study {facts['study']} (taxonomy {cfg.taxonomy.name}, "
        f"protocol {cfg.protocol.name}, corpora {cfg.corpora.name}).\n"
        f"Validation UAR {winner.value:.4f}; commit {facts['commit'] or 'unknown'}.\n"
        f"What each key means: conf/architecture/{facts['architecture']}.yaml"
    )
    notes = "".join(f"# {line}\n" for line in head.splitlines())
    own = without(settings, random_state=cfg.seed, tree=cfg.taxonomy.tree)
    return notes + yaml.safe_dump(own, sort_keys=False, allow_unicode=True)


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


def main(cfg: Config) -> None:
    """Read build/split and build/features, write build/search, MLflow runs and, if told, the winner."""
    search, target = checked(cfg)
    data = train.load(cfg.build, views(cfg.features), train.make(cfg.architecture, cfg.features.views).views)
    by_part = data.splits.groupby("part").id.agg(set)
    if missing := set(data.splits.fold) - set(data.splits.fold[data.splits.part == "validation"]):
        raise PipelineError(f"the folds {sorted(missing)} have no validation clips to choose by")
    if by_part["validation"] & by_part.get("test", set()):
        log.warning(
            "the folds of protocol=%s test in one what they validate in another: with the winner, their test "
            "scores flatter a little; protocol=speakers keeps test speakers out of the choice",
            cfg.protocol.name,
        )
    splits = json.loads((cfg.build / "split" / "summary.json").read_text())["digest"]
    name = f"{search.name}-{cfg.taxonomy.name}-{cfg.protocol.name}-{digest(cfg, search, splits)}"
    choices = {group: getattr(cfg, group).name for group in ("taxonomy", "protocol", "features", "corpora")}
    facts = {
        "study": name,
        "search": search.name,
        "architecture": HydraConfig.get().runtime.choices["architecture"],
        "splits": splits,
        "commit": tracking.commit(),
    }
    tracking.connect()
    tags = {key: str(value) for key, value in (facts | choices).items() if key != "architecture"}
    with (
        opened(cfg.build / "search" / search.name, name) as study,
        tracking.run(cfg.experiment, f"search {search.name}", tags, same="study"),
        warnings.catch_warnings(),
    ):
        for kind in (optuna.exceptions.ExperimentalWarning, ConvergenceWarning):
            warnings.simplefilter("ignore", kind)  # a poor try is part of a search
        tracking.log_params({"architecture": cfg.architecture, "seed": cfg.seed} | choices)
        tracking.log_params({f"space.{key}": str(d) for key, d in search.space.items()})
        if not study.trials and (now := here(cfg.architecture, search.space)):
            study.enqueue_trial(now)  # what is to be beaten
        ended = len(study.get_trials(states=ENDED))
        with tqdm(total=max(search.trials, ended), initial=ended, desc="search", unit="try") as bar:
            while bar.n < search.trials:
                attempt(study, search, data, cfg)
                bar.set_postfix(best=f"{study.best_value:.3f}")
                bar.update()
        winner = study.best_trial
        tracking.log_metrics({"validation.uar": winner.value})
        tracking.log_tags({"best": str(winner.number), "tries": str(bar.n)})
        note = figures.caveat(cfg.corpora.name, cfg.protocol.shares_speakers)
        tracking.log_figures(draw(study, cfg.seed, note))
    log.info(
        "%s: try %d of %d, validation UAR %.3f, %s", name, winner.number, bar.n, winner.value, winner.params
    )
    if target:
        settings = settled(choose(FixedTrial(winner.params), search.space), cfg)
        partial = target.with_suffix(".partial")
        partial.write_text(written(settings, winner, facts | {"tries": bar.n}, cfg))
        os.replace(partial, target)
        log.info("written to %s: python -m pipeline.train architecture=%s", target, target.stem)


app = stage(main)

if __name__ == "__main__":
    app()
