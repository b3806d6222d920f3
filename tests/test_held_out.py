"""What is held out stays unheard: no speaker, no copy and no number of a test clip reaches a fit.

Clips are made up of four corpora, the division and the training are the real ones.
"""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier

from pipeline import learning, split, train
from pipeline.architectures import SILENT
from pipeline.config import Config
from pipeline.corpora import cremad
from pipeline.stage import ROOT
from pipeline.taxonomy import EMOTIONS

PROTOCOLS = sorted(file.stem for file in (ROOT / "conf" / "protocol").glob("*.yaml"))
DISJOINT = [name for name in PROTOCOLS if name != "clips"]
SPEAKERS = {
    "ravdess": [f"{number:02}" for number in range(1, 25)],
    "savee": ["DC", "JE", "JK", "KL"],
    "tess": ["OAF", "YAF"],
    "cremad": [str(number) for number in sorted(cremad.ACTORS)[:12]],
}
NUMBERS = 8
COPIES = 2  # rows of a clip: itself and an altered copy


class Nearest(ClassifierMixin, BaseEstimator):
    """Answers as the nearest clip that it knows, and notes which rows it was fitted with."""

    views = ("numbers", "row")
    heard: list[list[int]] = []

    def fit(self, X, y, groups=None, monitor=SILENT):
        Nearest.heard.append([int(row) for row in X["row"][:, 0]])
        self.model_ = KNeighborsClassifier(1).fit(X["numbers"], y)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X["numbers"])

    def predict(self, X):
        return self.model_.predict(X["numbers"])


@pytest.fixture(scope="module")
def clips() -> pd.DataFrame:
    """Four clips of each speaker and emotion, each with its copy."""
    rows = [
        {
            "id": f"{corpus}-{name}-{label}-{take}{'~1' * copy}",
            "source": f"{corpus}-{name}-{label}-{take}",
            "corpus": corpus,
            "speaker": f"{corpus}-{name}",
            "sex": {"savee": "male", "tess": "female"}.get(corpus, ["male", "female"][index % 2]),
            "label": label,
            "sha256": f"{corpus}{name}{label}{take}".ljust(64, "0"),
        }
        for corpus, names in SPEAKERS.items()
        for (index, name), label, take in product(enumerate(names), EMOTIONS, range(4))
        for copy in range(COPIES)
    ]
    return pd.DataFrame(rows)


def divided(clips: pd.DataFrame, cfg: Config) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the clips that the protocol uses, and their splits."""
    originals = clips[clips.id == clips.source]
    splits = split.splits(originals, cfg.protocol, cfg.seed)
    split.check(splits, originals, cfg.protocol, EMOTIONS)
    return clips[clips.source.isin(splits.id)].reset_index(drop=True), splits


def trained(clips: pd.DataFrame, splits: pd.DataFrame, numbers: np.ndarray, cfg: Config) -> learning.Trained:
    X = {"numbers": numbers, "row": np.arange(len(clips))[:, np.newaxis]}
    return learning.fit(
        Nearest(), learning.Data(clips, splits, X), EMOTIONS, cfg.seed, refit=cfg.protocol.refit
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_fold_is_fitted_without_what_it_holds_out(clips, configure, protocol: str):
    """Without ``refit`` the model that is tested learned from training clips, with it from validation too."""
    told, shipped = {}, configure(f"protocol={protocol}").protocol.refit
    for refit in (False, shipped):
        cfg = configure(f"protocol={protocol}", f"protocol.refit={refit}")
        own, splits = divided(clips, cfg)
        Nearest.heard.clear()
        numbers = np.random.default_rng(1).normal(size=(len(own), NUMBERS))
        told[refit] = trained(own, splits, numbers, cfg)
        fits = iter(Nearest.heard)
        for fold in sorted(splits.fold.unique()):
            part = own.source.map(splits[splits.fold == fold].set_index("id").part)
            training, tested = own[part == "training"], own[part == "test"]
            validated = own[(part == "validation") & (own.id == own.source)]
            assert (training.id != training.source).sum() == len(training) / COPIES
            judged = own.iloc[next(fits)]
            assert sorted(judged.id) == sorted(training.id)
            assert bool(set(judged.speaker) & set(validated.speaker)) == (protocol == "clips")
            final = own.iloc[next(fits)] if refit else judged
            assert sorted(final.id) == sorted([*training.id, *(validated.id if refit else [])])
            assert not set(final.source) & set(tested.source)
            assert bool(set(final.speaker) & set(tested.speaker)) == (protocol == "clips")
        scored = told[refit].predictions
        assert not scored.id.str.contains("~").any()
        assert sorted(scored.id[scored.part == "test"]) == sorted(splits.id[splits.part == "test"])
    for once, again in zip(told[False].folds, told[shipped].folds, strict=True):
        assert once.temperature == again.temperature  # found by those who had not learned from validation
    pd.testing.assert_frame_equal(
        *(told[r].predictions.query("part == 'validation'") for r in (False, shipped))
    )


SHIPPED = {
    "mlp": ("architecture.view=statistics", "architecture.max_iter=5", "architecture.units=8"),
    "svm": (),
    "nested_dichotomies": ("architecture.view=statistics",),
    "one_versus_rest": ("architecture.view=statistics",),
    "hierarchical": ("architecture.estimator.view=statistics",),
    "hierarchical_original": ("architecture.estimator.max_iter=5", "architecture.estimator.units=8"),
}
LEARNERS = [*product(["mlp"], DISJOINT), *product([*SHIPPED][1:], ["speakers"])]


@pytest.mark.parametrize(("architecture", "protocol"), LEARNERS)
def test_nothing_that_is_learned_depends_on_test_clips(clips, configure, architecture: str, protocol: str):
    """Scalers, selections and calibrations included: absurd test clips leave every answer as it was."""
    cfg = configure(f"protocol={protocol}", f"architecture={architecture}", *SHIPPED[architecture])
    clips, splits = divided(clips[clips.source.str.endswith(("-0", "-1"))], cfg)
    splits = splits[splits.fold == 0]
    estimator = train.make(cfg.architecture, {"statistics": None})
    tested = clips.speaker.isin(clips.speaker[clips.id.isin(splits.id[splits.part == "test"])]).to_numpy()
    numbers = np.random.default_rng(2).normal(size=(len(clips), NUMBERS)).astype(np.float32)
    numbers[np.arange(len(clips)), pd.factorize(clips.label)[0]] += 2

    def answers(absurd: np.ndarray) -> np.ndarray:
        X = {"statistics": np.where(absurd[:, np.newaxis], 1e4 * numbers**2, numbers)}
        told = learning.fit(
            estimator, learning.Data(clips, splits, X), EMOTIONS, cfg.seed, refit=cfg.protocol.refit
        )
        return told.estimator.predict_proba({"statistics": numbers})

    as_it_was = answers(np.zeros(len(clips), dtype=bool))
    np.testing.assert_array_equal(answers(tested), as_it_was)
    heard = clips.source.isin(splits.id[splits.part == "training"]).to_numpy()
    assert np.abs(answers(heard) - as_it_was).max() > 0.01


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_labels_that_mean_nothing_give_chance_to_strangers(clips, configure, protocol: str):
    """Each speaker says each emotion in a way of their own, which tells nothing of the next speaker.

    Where speakers are shared between training and test, the same clips are told apart: a leak would show.
    """
    cfg = configure(f"protocol={protocol}", "protocol.refit=false")
    clips, splits = divided(clips, cfg)
    rng = np.random.default_rng(3)
    uars, inside = [], []
    for _ in range(10):
        ways = {key: rng.normal(size=NUMBERS) for key in clips.groupby(["speaker", "label"]).groups}
        own = np.array([ways[key] for key in zip(clips.speaker, clips.label, strict=True)])
        test = trained(clips, splits, own + 0.01 * rng.normal(size=own.shape), cfg).report["test"]
        uars.append(test["uar"])
        inside.append(test["uar_low"] <= 1 / 6 <= test["uar_high"])
    if protocol == "clips":
        assert min(uars) > 0.9
    else:
        assert abs(np.mean(uars) - 1 / 6) < 4 * np.std(uars, ddof=1) / np.sqrt(len(uars))
        if test["speakers"] > 8:  # intervals of few speakers are too narrow
            assert sum(inside) >= 7
