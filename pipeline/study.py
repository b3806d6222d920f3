"""The study of a search, kept by Optuna: opened, told how tries go, and drawn."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import optuna
from filelock import FileLock, Timeout
from matplotlib.figure import Figure
from optuna.trial import Trial, TrialState
from optuna.visualization import matplotlib as drawn
from sqlalchemy.exc import SQLAlchemyError

from pipeline.architectures import SILENT, Monitor
from pipeline.config import Config, Search
from pipeline.stage import PipelineError

optuna.logging.set_verbosity(optuna.logging.WARNING)  # the bar tells how it goes

STRIDE = 10_000  # steps of a fold, as Optuna counts them: epochs, and the last one when it is judged
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


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


def draw(study: optuna.Study, seed: int, note: str) -> dict[str, Figure]:
    """Draw how the search went and, from two finished tries on, which settings matter."""
    with plt.style.context("default"):  # Optuna changes pyplot's style for everybody, and leaves it so
        made = {"history": drawn.plot_optimization_history(study, target_name="validation UAR")}
        if len({trial.value for trial in study.get_trials(states=[TrialState.COMPLETE])}) > 1:
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
            made["importance"] = drawn.plot_param_importances(study, evaluator, target_name="validation UAR")
    for axes in made.values():
        axes.figure.set_layout_engine("constrained")
        axes.figure.supxlabel(note, fontsize=8)
        plt.close(axes.figure)  # pyplot keeps what it draws
    return {name: axes.figure for name, axes in made.items()}
