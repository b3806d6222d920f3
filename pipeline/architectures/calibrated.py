"""An architecture whose probabilities are as sure as they are right."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from pipeline.architectures import SILENT, Architecture, Monitor

RANGE = (-3.0, 3.0)  # of the temperature's natural logarithm: a twentieth to twenty
FLOOR = 1e-9


class Calibrated(Architecture):
    """A fitted architecture, its probabilities sharpened or softened by one temperature.

    The temperature changes how sure an answer is, never which answer is given: Guo et al. 2017, "On
    calibration of modern neural networks".

    Parameters
    ----------
    estimator : fitted estimator
    temperature : float
        Above 1 softens, below 1 sharpens: see `temperature`.
    """

    def __init__(self, estimator: Any, temperature: float = 1.0) -> None:
        self.estimator = estimator
        self.temperature = temperature

    @property
    def views(self) -> tuple[str, ...]:
        """The views that the architecture reads."""
        return tuple(self.estimator.views)

    @property
    def classes_(self) -> NDArray[np.str_]:
        """The classes of the architecture."""
        return np.asarray(self.estimator.classes_)

    def fit(self, X: Any, y: ArrayLike, groups: ArrayLike | None = None, monitor: Monitor = SILENT) -> Self:
        """Let the architecture learn anew; the temperature stays."""
        self.estimator.fit(X, y, groups, monitor)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities, shape (n_clips, n_classes), rows summing to 1."""
        return tempered(self.estimator.predict_proba(X), self.temperature)


def tempered(chances: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return probabilities, shape (n, n_classes), raised to 1 / temperature and brought to sum to 1."""
    logits = np.log(np.maximum(np.asarray(chances, dtype=np.float64), FLOOR)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def temperature(chances: NDArray[np.float64], truth: ArrayLike, classes: ArrayLike) -> float:
    """Return the temperature under which what happened is most probable.

    Parameters
    ----------
    chances : ndarray, shape (n, n_classes)
        Of clips, preferably speakers, that the model has not learned from.
    truth : array of str, shape (n,)
    classes : array of str, shape (n_classes,)
        In the order of the columns.
    """
    columns = np.argmax(np.asarray(truth)[:, None] == np.asarray(classes), axis=1)

    def surprise(log_temperature: float) -> float:
        told = tempered(chances, float(np.exp(log_temperature)))[np.arange(len(columns)), columns]
        return float(-np.log(np.maximum(told, FLOOR)).mean())

    return float(np.exp(minimize_scalar(surprise, bounds=RANGE, method="bounded").x))
