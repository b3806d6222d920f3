"""The whole answer in one object: sound in, probabilities out. What is registered, promoted and served."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from zipfile import ZIP_DEFLATED

import numpy as np
import pandas as pd
import skops.io
from numpy.typing import NDArray

from pipeline.acoustics import View
from pipeline.acoustics.warmup import warm_up
from pipeline.audio import Samples
from pipeline.taxonomy import Node

RELEASE = Path("release")  # as `pipeline.release` leaves it, in the repository
ABOUT = ("name", "version", "trained_on", "licence", "note")  # what is said of a model beside its answers
DEMONSTRATION = "A demonstration model of synthetic voices: its answers mean nothing for real ones."


@dataclass(frozen=True)
class Step:
    """One step down the tree: the branch taken and the probability of having come this far."""

    node: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """What a detector says of one sound.

    Attributes
    ----------
    emotion : str
        The most probable class.
    probabilities : dict of str to float
        One per class; they sum to 1.
    unsure : bool
        Whether the emotion is less probable than the detector's threshold.
    path : tuple of Step
        From the first branch of the tree to the emotion; the last probability is the emotion's own.
    """

    emotion: str
    probabilities: dict[str, float]
    unsure: bool
    path: tuple[Step, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as JSON-ready values."""
        steps = [{"node": step.node, "probability": step.probability} for step in self.path]
        told = {"emotion": self.emotion, "probabilities": self.probabilities, "unsure": self.unsure}
        return told | {"path": steps}


class Detector:
    """A fitted architecture with everything it needs to answer about a sound.

    Parameters
    ----------
    estimator : fitted estimator
        With ``classes_``, ``predict_proba`` and ``views`` (the names of the views that it reads).
    views : mapping of str to View
        How each view is computed.
    tree : mapping
        The taxonomy's tree, in the notation of conf/taxonomy.
    trained_on : str
        ``"sample"`` (synthetic voices) or ``"full"`` (real recordings).
    unsure : float
        An answer whose emotion is less probable than this says that it is unsure.
    """

    def __init__(
        self,
        estimator: Any,
        views: Mapping[str, View],
        tree: Mapping[str, Any],
        trained_on: str,
        unsure: float = 0.0,
    ) -> None:
        self.estimator = estimator
        self.views = {name: views[name] for name in sorted(estimator.views)}
        self.tree = tree
        self.trained_on = trained_on
        self.unsure = unsure

    @property
    def classes(self) -> tuple[str, ...]:
        """The emotions, in the order of the probabilities."""
        return tuple(str(c) for c in self.estimator.classes_)

    def probabilities(self, sounds: Sequence[Samples]) -> NDArray[np.float64]:
        """Return class probabilities, shape (len(sounds), len(classes)), of mono 16 kHz sounds."""
        table = {name: view.stack([view(sound) for sound in sounds]) for name, view in self.views.items()}
        return np.asarray(self.estimator.predict_proba(table), dtype=np.float64)

    def detect(self, sound: Samples) -> Answer:
        """Answer about one mono 16 kHz sound, shape (n,), within [-1, 1]."""
        row = self.probabilities([sound])[0]
        chances = {name: float(p) for name, p in zip(self.classes, row, strict=True)}
        emotion = max(chances, key=chances.__getitem__)
        steps = Node.read(self.tree).path(emotion)
        path = tuple(Step(node.name, sum(chances[c] for c in node.classes)) for node in steps)
        return Answer(emotion, chances, chances[emotion] < self.unsure, path)

    def warm_up(self) -> None:
        """Do once what the first answer would otherwise wait for (`pipeline.acoustics.warmup`)."""
        warm_up(self.views.values())

    def save(self, folder: Path) -> None:
        """Write the detector as ``detector.skops``: data only, no code."""
        folder.mkdir(parents=True, exist_ok=True)
        skops.io.dump(self, folder / "detector.skops", compression=ZIP_DEFLATED)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved detector; types outside a closed list are refused.

        Raises
        ------
        skops.io.exceptions.UntrustedTypesFoundException
            Where the file asks for anything but this project's own classes and scikit-learn's.
        """
        loaded = skops.io.load(folder / "detector.skops", trusted=TRUSTED)
        assert isinstance(loaded, cls)
        return loaded


def about(name: str, version: str, trained_on: str) -> dict[str, str]:
    """Say which model answers; a demonstration model says that it is one."""
    note = {"note": DEMONSTRATION} if trained_on == "sample" else {}
    return {"name": name, "version": version, "trained_on": trained_on, **note}


TRUSTED = [
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "pipeline.detector.Detector",
    "pipeline.acoustics.statistics.Statistics",
    "pipeline.acoustics.functionals.Functionals",
    "pipeline.acoustics.convolutions.Convolutions",
    "pipeline.acoustics.logmel.LogMel",
    "pipeline.architectures.best.Best",
    "pipeline.architectures.calibrated.Calibrated",
    "pipeline.architectures.dichotomies.NestedDichotomies",
    "pipeline.architectures.dichotomies.OneVersusRest",
    "pipeline.architectures.mlp.MLP",
    "pipeline.architectures.hierarchical.Hierarchical",
    "pipeline.architectures.lstm.LSTM",
    "pipeline.architectures.vgg.VGG",
    "pipeline.architectures.training.Training",
    "pipeline.architectures.spectrograms.Preparation",
    "pipeline.architectures.spectrograms.Augmentation",
    "pipeline.architectures.ensemble.Ensemble",
    "pipeline.architectures.svm.SVM",
]


class Served:
    """The detector as MLflow's pyfunc flavour sees it."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector

    def predict(self, sounds: NDArray[np.float32], params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return a row of class probabilities for each row of `sounds`, shape (n, samples), 16 kHz."""
        return pd.DataFrame(
            self.detector.probabilities(list(np.asarray(sounds, dtype=np.float32))),
            columns=list(self.detector.classes),
        )

    def get_raw_model(self) -> Detector:
        """Return the detector itself."""
        return self.detector


def _load_pyfunc(path: str) -> Served:
    """Open a registered detector: the name that MLflow looks for in a loader module."""
    return Served(Detector.load(Path(path)))
