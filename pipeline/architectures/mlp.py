"""A multilayer perceptron over the numbers of a clip."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.neural_network import MLPClassifier
from sklearn.utils.validation import check_is_fitted

from pipeline.architectures import SILENT, Architecture, Monitor, select
from pipeline.architectures.scaling import scaled


class MLP(Architecture):
    """One hidden layer, trained by Adam, as in the original project.

    Parameters
    ----------
    view : str or sequence of str
        What it reads, of several views all numbers: arrays of shape (n_clips, n_numbers).
    scale : str
        ``"standard"``, ``"quantile"`` or ``"none"``: see `pipeline.architectures.scaling`. The original did
        not scale.
    units : int
        Width of the hidden layer.
    alpha : float
        L2 penalty.
    batch_size : int
        Clips per step; fewer where there are fewer.
    learning_rate : str
        Kept from the original; scikit-learn lets it matter for plain gradient descent only.
    max_iter : int
        Epochs at most.
    random_state : int or None
        Seed of weights and order.

    Attributes
    ----------
    classes_ : ndarray of str
    history_ : dict of str to list of float
        ``loss`` after each epoch.
    """

    def __init__(
        self,
        view: str | Sequence[str] = "statistics",
        scale: str = "standard",
        units: int = 300,
        alpha: float = 0.01,
        batch_size: int = 256,
        learning_rate: str = "adaptive",
        max_iter: int = 500,
        random_state: int | None = None,
    ) -> None:
        self.view = view
        self.scale = scale
        self.units = units
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike, groups: ArrayLike | None = None, monitor: Monitor = SILENT) -> Self:
        """Learn from clips: see `Architecture.fit`. It holds none of them out."""
        for name in ("units", "batch_size"):  # scikit-learn looks at these too late to name them
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < 1:
                raise ValueError(f"{name} must be a whole number above 0, not {value!r}")
        table = select(X, self.view)
        network = MLPClassifier(
            hidden_layer_sizes=(self.units,),
            alpha=self.alpha,
            batch_size=min(self.batch_size, len(table)),
            learning_rate=self.learning_rate,
            max_iter=self.max_iter,
            random_state=self.random_state,
        )
        self.model_ = scaled(network, self.scale)
        self.model_.fit(table, np.asarray(y))
        self.classes_ = self.model_.classes_
        self.history_ = {"loss": [float(loss) for loss in network.loss_curve_]}
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities, shape (n_clips, n_classes), rows summing to 1."""
        check_is_fitted(self)
        # In double precision, so that a clip's answer does not depend on how many are beside it.
        return np.asarray(self.model_.predict_proba(np.asarray(select(X, self.view), dtype=np.float64)))
