"""Linear support vector machines, each between two sets of classes, and two ways to make one answer of them.

`OneVersusRest` is flat; `NestedDichotomies` goes down all balanced trees at once. Both stand on the same
machines, so that what the hierarchy is worth can be measured.
"""

from collections.abc import Sequence
from functools import cache
from itertools import combinations
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.validation import check_is_fitted
from tqdm import tqdm

from pipeline.architectures import SILENT, Architecture, Monitor, select

Classes = tuple[str, ...]
Dichotomy = tuple[Classes, Classes]
Floats = NDArray[np.float64]


class Dichotomies(Architecture):
    """Binary machines over the same views, sharing what can be shared.

    Numbers are standardised and cut at `limit` deviations. Directions in which the training speakers'
    averages differ from each other tell who speaks rather than how: they are shrunk before the machines
    learn, and nothing need be known of the speaker of a new clip. A machine's margins on speakers that it
    has not learned from teach a sigmoid what a margin is worth.

    Parameters
    ----------
    view : str or sequence of str
        What it reads, of several views all numbers: arrays of shape (n_clips, n_numbers).
    C : float
        What an error costs; above 0.
    limit : float
        Standard deviations beyond which a number counts no more; above 0.
    shrinkage : float
        How strongly directions that tell speakers apart are shrunk, 0 or more: a direction with the average
        variance among speakers is divided by the root of 1 + `shrinkage`.
    folds : int
        Parts of the training speakers for the sigmoids; fewer where there are fewer speakers.

    Attributes
    ----------
    classes_ : ndarray of str
    dichotomies_ : list of pair of tuple of str
    weights_ : ndarray, shape (n_dichotomies, n_numbers)
        Of the standardised numbers.
    sigmoids_ : ndarray, shape (n_dichotomies, 2)
        Slope and offset, of the machine's margin, its intercept included.

    References
    ----------
    Hatch, Kajarekar & Stolcke 2006 and Solomonoff, Campbell & Boardman 2005 (directions of nuisance in
    support vector machines for speech); Platt 1999 (sigmoids).
    """

    def __init__(
        self,
        view: str | Sequence[str] = "functionals",
        C: float = 0.003,
        limit: float = 5.0,
        shrinkage: float = 16.0,
        folds: int = 5,
    ) -> None:
        self.view = view
        self.C = C
        self.limit = limit
        self.shrinkage = shrinkage
        self.folds = folds

    def problems(self, classes: Classes) -> list[Dichotomy]:
        """Return the pairs of sets of classes that machines are to tell apart."""
        raise NotImplementedError

    def combine(self, chances: dict[Dichotomy, Floats]) -> Floats:
        """Return class probabilities, shape (n_clips, n_classes), from those of each first set."""
        raise NotImplementedError

    def fit(self, X: Any, y: ArrayLike, groups: ArrayLike | None = None, monitor: Monitor = SILENT) -> Self:
        """Learn from clips: see `Architecture.fit`. Without `groups` no direction is shrunk."""
        for name, least in (("C", 0), ("limit", 0), ("folds", 1)):
            if not getattr(self, name) > least:
                raise ValueError(f"{name} must be above {least}, not {getattr(self, name)!r}")
        if self.shrinkage < 0:
            raise ValueError(f"shrinkage must be 0 or more, not {self.shrinkage!r}")
        labels = np.asarray(y)
        self.classes_ = np.unique(labels)
        if len(self.classes_) < 2:
            raise ValueError(f"all clips are of one class, {self.classes_[0]}: two are needed")
        self.scaler_ = StandardScaler().fit(np.asarray(select(X, self.view), dtype=np.float64))
        table = self._standard(X)
        speakers = np.arange(len(labels)) if groups is None else np.asarray(groups)
        directions = None if groups is None else self._speaker_directions(table, labels, speakers)
        if directions is not None:
            table = table - (table @ directions.T) @ directions
        self.dichotomies_ = self.problems(tuple(self.classes_.tolist()))
        kernel = table @ table.T  # once for all machines: most of the arithmetic
        learned = [
            self._learn(table, kernel, labels, speakers, dichotomy)
            for dichotomy in tqdm(self.dichotomies_, desc="dichotomies", leave=False)
        ]
        weights = np.array([weights for weights, _ in learned])
        if directions is not None:  # so that new clips need not be shrunk
            weights = weights - (weights @ directions.T) @ directions
        self.weights_ = weights.astype(np.float32)
        self.sigmoids_ = np.array([sigmoid for _, sigmoid in learned])
        return self

    def _standard(self, X: Any) -> Floats:
        numbers = np.asarray(select(X, self.view), dtype=np.float64)
        # What the scaler does, without its checks: for one clip they take longer than all machines.
        standard = (numbers - self.scaler_.mean_) / self.scaler_.scale_
        return np.asarray(np.clip(standard, -self.limit, self.limit))

    def _speaker_directions(
        self, table: Floats, labels: NDArray[Any], speakers: NDArray[Any]
    ) -> Floats | None:
        """Return directions v, shape (n, n_numbers), such that x − Σ (v·x) v is x shrunk; None for nothing.

        A speaker's average is taken of what is left of the clips when their class's average is taken away.
        """
        left = table.copy()
        for label in self.classes_:
            left[labels == label] -= left[labels == label].mean(axis=0)
        averages = np.array([left[speakers == speaker].mean(axis=0) for speaker in np.unique(speakers)])
        _, deviation, directions = np.linalg.svd(averages - averages.mean(axis=0), full_matrices=False)
        variance = deviation**2
        if not variance.mean() > 1e-12:
            return None
        kept = 1 / np.sqrt(1 + self.shrinkage * variance / variance.mean())
        return np.asarray(directions * np.sqrt(1 - kept)[:, None])

    def _learn(
        self,
        table: Floats,
        kernel: Floats,
        labels: NDArray[Any],
        speakers: NDArray[Any],
        dichotomy: Dichotomy,
    ) -> tuple[Floats, Floats]:
        """Return the weights and the sigmoid of one machine."""
        first, second = dichotomy
        clips = np.flatnonzero(np.isin(labels, first + second))
        is_first = np.isin(labels[clips], first)
        margins, heard = np.zeros(len(clips)), np.zeros(len(clips), dtype=bool)
        folds = min(self.folds, len(np.unique(speakers[clips])))
        for inside, outside in GroupKFold(folds).split(clips, groups=speakers[clips]) if folds > 1 else ():
            if len(set(is_first[inside])) < 2:
                continue  # those left speak one of the two only
            strengths, intercept = self._machine(kernel, clips[inside], is_first[inside])
            margins[outside] = kernel[np.ix_(clips[outside], clips[inside])] @ strengths + intercept
            heard[outside] = True
        slope, offset = 1.0, 0.0
        if len(set(is_first[heard])) == 2:
            # C: hardly any penalty, there are two numbers to find.
            sigmoid = LogisticRegression(C=100).fit(margins[heard, None], is_first[heard])
            slope, offset = float(sigmoid.coef_[0, 0]), float(sigmoid.intercept_[0])
        strengths, intercept = self._machine(kernel, clips, is_first)
        return strengths @ table[clips], np.array([slope, offset + slope * intercept])

    def _machine(
        self, kernel: Floats, clips: NDArray[np.intp], is_first: NDArray[np.bool_]
    ) -> tuple[Floats, float]:
        """Return how strongly each clip counts, and the intercept."""
        machine = SVC(kernel="precomputed", C=self.C, class_weight="balanced", cache_size=500)
        machine.fit(kernel[np.ix_(clips, clips)], is_first)
        strengths = np.zeros(len(clips))
        strengths[machine.support_] = machine.dual_coef_[0]
        return strengths, float(machine.intercept_[0])

    def predict_proba(self, X: Any) -> Floats:
        """Return class probabilities, shape (n_clips, n_classes), rows summing to 1."""
        check_is_fitted(self)
        margins = self._standard(X) @ self.weights_.T.astype(np.float64)
        chances = expit(margins * self.sigmoids_[:, 0] + self.sigmoids_[:, 1])
        return self.combine(dict(zip(self.dichotomies_, chances.T, strict=True)))


class OneVersusRest(Dichotomies):
    """Each class against all others; their probabilities are brought to sum to 1."""

    def problems(self, classes: Classes) -> list[Dichotomy]:
        """Return each class and the others; one pair where there are but two classes."""
        if len(classes) == 2:
            return [(classes[:1], classes[1:])]
        return [((label,), tuple(other for other in classes if other != label)) for label in classes]

    def combine(self, chances: dict[Dichotomy, Floats]) -> Floats:
        """Return class probabilities, shape (n_clips, n_classes)."""
        told = np.column_stack(list(chances.values()))
        told = np.column_stack([told, 1 - told]) if told.shape[1] == 1 else told + 1e-9
        return np.asarray(told / told.sum(axis=1, keepdims=True))


class NestedDichotomies(Dichotomies):
    """The average over all trees that halve the classes at every node, each a product down its branches.

    A random tree of this kind would depend on its seed; the average over all of them is found exactly, as
    trees share their nodes: 85 machines for six classes, 9 for four.

    References
    ----------
    Frank & Kramer 2004 (ensembles of nested dichotomies); Dong, Frank & Kramer 2005 (balanced ones).
    """

    hierarchical = True

    def problems(self, classes: Classes) -> list[Dichotomy]:
        """Return every node of every tree, once."""
        found: dict[Dichotomy, None] = {}
        for halves in halvings(classes):
            found[halves] = None
            for half in halves:
                found |= dict.fromkeys(self.problems(half))
        return list(found)

    def combine(self, chances: dict[Dichotomy, Floats]) -> Floats:
        """Return class probabilities, shape (n_clips, n_classes)."""
        classes = tuple(self.classes_.tolist())
        n = len(next(iter(chances.values())))

        @cache
        def below(some: Classes) -> Floats:
            """Probabilities of all classes where only `some` can be."""
            if len(some) == 1:
                return np.tile(np.equal(classes, some[0]).astype(float), (n, 1))
            told, ways = np.zeros((n, len(classes))), halvings(some)
            for first, second in ways:
                p = chances[first, second][:, None]
                told += p * below(first) + (1 - p) * below(second)
            return told / len(ways)

        return below(classes)


@cache
def halvings(classes: Classes) -> tuple[Dichotomy, ...]:
    """Return all ways to divide classes into two sets as equal as can be; none where there is one class."""
    if len(classes) < 2:
        return ()
    found: dict[Dichotomy, None] = {}
    for first in combinations(classes, len(classes) // 2):
        second = tuple(label for label in classes if label not in first)
        halves = (first, second) if first[0] == classes[0] or len(first) < len(second) else (second, first)
        found[halves] = None
    return tuple(found)
