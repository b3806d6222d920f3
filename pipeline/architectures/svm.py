"""A support vector machine over the numbers of a clip, with calibrated probabilities."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.svm import SVC
from sklearn.utils.validation import check_is_fitted

from pipeline.architectures import SILENT, Architecture, Monitor, select
from pipeline.architectures.scaling import scaled


class SVM(Architecture):
    """A support vector machine (Cortes & Vapnik 1995), its margins turned into probabilities.

    The margins of clips that the machine has not learned from, those of held-out speakers, teach a
    logistic regression what a margin is worth (Platt 1999; one regression over the margins of all pairs of
    classes where there are more than two).

    Parameters
    ----------
    view : str or sequence of str
        What it reads, of several views all numbers: arrays of shape (n_clips, n_numbers).
    scale : str
        ``"standard"``, ``"quantile"`` or ``"none"``: see `pipeline.architectures.scaling`.
    kernel : str
        ``"rbf"`` or ``"linear"``.
    C : float
        What an error costs; above 0.
    gamma : float
        Narrowness of the ``rbf`` kernel, as a multiple of 1 / n_numbers; above 0.
    class_weight : str or None
        ``"balanced"`` lets rare classes count as much as common ones.
    folds : int
        Parts of the training speakers, for the calibration; fewer where there are fewer speakers.
    random_state : int or None
        Seed of the parts.

    Attributes
    ----------
    classes_ : ndarray of str
    """

    def __init__(
        self,
        view: str | Sequence[str] = "statistics",
        scale: str = "standard",
        kernel: str = "rbf",
        C: float = 1.0,
        gamma: float = 1.0,
        class_weight: str | None = None,
        folds: int = 4,
        random_state: int | None = None,
    ) -> None:
        self.view = view
        self.scale = scale
        self.kernel = kernel
        self.C = C
        self.gamma = gamma
        self.class_weight = class_weight
        self.folds = folds
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike, groups: ArrayLike | None = None, monitor: Monitor = SILENT) -> Self:
        """Learn from clips: see `Architecture.fit`."""
        if self.folds < 2:
            raise ValueError(f"folds must be a whole number above 1, not {self.folds!r}")
        table, labels = select(X, self.view), np.asarray(y)
        speakers = np.arange(len(labels)) if groups is None else np.asarray(groups)
        if len(np.unique(speakers)) == 1:
            speakers = np.arange(len(labels))  # nobody else to hold out
        machine = SVC(
            kernel=self.kernel,
            C=self.C,
            gamma=self.gamma / table.shape[1],
            class_weight=self.class_weight,
            decision_function_shape="ovo",
            cache_size=500,
        )
        self.machine_ = scaled(machine, self.scale).fit(table, labels)
        folds = min(self.folds, len(np.unique(speakers)))
        parts = StratifiedGroupKFold(folds, shuffle=True, random_state=self.random_state)
        margins = cross_val_predict(
            self.machine_, table, labels, groups=speakers, cv=parts, method="decision_function"
        )
        self.calibration_ = LogisticRegression().fit(margins.reshape(len(labels), -1), labels)
        self.classes_ = self.machine_.classes_
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities, shape (n_clips, n_classes), rows summing to 1."""
        check_is_fitted(self)
        margins = self.machine_.decision_function(select(X, self.view))
        return np.asarray(self.calibration_.predict_proba(margins.reshape(len(margins), -1)))
