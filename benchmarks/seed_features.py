"""The original project's published table of features: its models, ours, and both ways of counting.

    python -m benchmarks.seed_features PATH/features.npz [--json FILE] > table.md

`features.npz` holds ``X``, shape (n_clips, 193), and ``y``, the four classes. Ten random splits, 75 % to
learn from and 25 % held out, as the original drew its one: seeds 0 to 9. The table names no speakers, so
the same voices are on both sides: these numbers say which classifier reads these features better, not how
well a stranger is understood.
"""

import argparse
import json
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from tqdm import tqdm

from benchmarks.stages import machine
from pipeline import tracking
from pipeline.architectures import Architecture, rows
from pipeline.architectures.hierarchical import Hierarchical
from pipeline.architectures.mlp import MLP
from pipeline.architectures.svm import SVM
from pipeline.stage import ROOT

SEEDS = range(10)
HELD_OUT = 0.25
TREE = yaml.safe_load((ROOT / "conf" / "taxonomy" / "four.yaml").read_text())["tree"]
ORIGINAL = MLP(
    scale="none",
    units=300,
    alpha=0.01,
    batch_size=256,
    learning_rate="adaptive",
    max_iter=500,
    random_state=0,
)
# Chosen on splits of other seeds (100 to 104), before seeds 0 to 9 were looked at.
OURS = SVM(scale="quantile", C=3, gamma=2.5, random_state=0)
MODELS = {
    "original, tree": Hierarchical(TREE, ORIGINAL),
    "original, flat": ORIGINAL,
    "ours, tree": Hierarchical(TREE, OURS),
    "ours, flat": OURS,
}
PAIRS = [
    ("ours, tree", "original, tree"),
    ("ours, tree", "original, flat"),
    ("ours, tree", "ours, flat"),
    ("original, tree", "original, flat"),
]
NOTE = (
    "Clips only: the table names no speakers, so **the same voices are on both sides of every split**. "
    "“Contaminated” is the published way of counting: accuracy over training and held-out clips together, "
    "which a model that knows its training clips by heart wins."
)


@dataclass(frozen=True)
class Score:
    """What one model got on one split."""

    model: str
    seed: int
    held_out: float
    contaminated: float
    seconds: float


def score(model: str, seed: int, X: dict[str, NDArray[Any]], y: NDArray[Any]) -> Score:
    """Fit one model on one split and count both ways."""
    started = time.perf_counter()
    learn, held_out = train_test_split(np.arange(len(y)), test_size=HELD_OUT, random_state=seed)
    estimator: Architecture = clone(MODELS[model])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the original's number of epochs stays
        estimator.fit(rows(X, learn), y[learn])
    right = estimator.predict(X) == y
    seconds = time.perf_counter() - started
    return Score(model, seed, float(right[held_out].mean()), float(right.mean()), seconds)


def difference(a: NDArray[np.float64], b: NDArray[np.float64], held_out: float) -> dict[str, float]:
    """Compare two models over the same random splits.

    Splits of the same clips overlap, so their differences vary less than those of fresh clips would; the
    variance is corrected for that (Nadeau & Bengio 2003, corrected resampled t-test).

    Parameters
    ----------
    a, b : ndarray, shape (n_splits,)
        Accuracies, split by split.
    held_out : float
        Share of the clips that each split holds out.

    Returns
    -------
    dict
        ``mean`` and ``sd`` of a - b, ``low`` and ``high`` of its 95 % interval, and ``p``, two-sided.
    """
    apart = a - b
    error = float(np.sqrt(apart.var(ddof=1) * (1 / len(apart) + held_out / (1 - held_out))))
    t = stats.t(len(apart) - 1)
    mean, reach = float(apart.mean()), float(t.ppf(0.975)) * error
    return {
        "mean": mean,
        "sd": float(apart.std(ddof=1)),
        "low": mean - reach,
        "high": mean + reach,
        "p": float(2 * t.sf(abs(mean) / error)) if error else float(mean == 0),
    }


def summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a row a model: mean and standard deviation over the splits, in percent."""
    by_model = scores.groupby("model", sort=False)
    percent = {
        f"{name} %": by_model[name].agg(lambda s: f"{100 * s.mean():.1f} ± {100 * s.std():.1f}")
        for name in ("held_out", "contaminated")
    }
    seconds = by_model.seconds.mean().round(0)
    return pd.DataFrame({**percent, "seconds a split": seconds}).reset_index()


def compare(scores: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the paired differences of held-out accuracy."""
    table = scores.pivot(index="seed", columns="model", values="held_out")
    return {f"{a} − {b}": difference(table[a].to_numpy(), table[b].to_numpy(), HELD_OUT) for a, b in PAIRS}


def page(scores: pd.DataFrame, differences: dict[str, dict[str, float]], about: str) -> str:
    """Return the tables as Markdown."""
    paired = pd.DataFrame(
        {
            "held-out accuracy": name,
            "points": f"{100 * d['mean']:+.1f} ± {100 * d['sd']:.1f}",
            "95 % interval": f"{100 * d['low']:+.1f} to {100 * d['high']:+.1f}",
            "p": f"{d['p']:.3f}" if d["p"] >= 0.001 else "< 0.001",
        }
        for name, d in differences.items()
    )
    return "\n\n".join(
        [
            about,
            NOTE,
            summary(scores).to_markdown(index=False, disable_numparse=True),
            "Mean ± standard deviation over the splits, paired split by split; interval and p corrected for "
            "the splits' overlap (Nadeau & Bengio 2003):",
            paired.to_markdown(index=False, disable_numparse=True),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("features", type=Path, help="features.npz with X and y")
    parser.add_argument("--json", type=Path, help="write every split's scores here too")
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1 for one per core")
    given = parser.parse_args()
    with np.load(given.features) as table:
        X, y = {"statistics": np.asarray(table["X"], dtype=np.float64)}, np.asarray(table["y"])
    tasks = [(model, seed) for seed in SEEDS for model in MODELS]
    made = Parallel(n_jobs=given.jobs, return_as="generator")(delayed(score)(*task, X, y) for task in tasks)
    scores = pd.DataFrame(tqdm(made, total=len(tasks), unit="fit"))
    differences = compare(scores)
    about = f"{len(y)} clips; {len(SEEDS)} random splits; {machine()}; commit {tracking.commit()}"
    print(page(scores, differences, about))
    if given.json:
        told = {"about": about, "scores": scores.to_dict("records"), "differences": differences}
        given.json.write_text(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
