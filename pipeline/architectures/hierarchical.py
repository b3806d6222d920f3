"""A tree of classifiers: one decision at each node of a taxonomy."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from pipeline.architectures import SILENT, Architecture, Monitor, rows
from pipeline.architectures.trees import learned
from pipeline.taxonomy import Node


class Hierarchical(Architecture):
    """A local classifier per parent node (Silla & Freitas 2011), with probabilities.

    Each inner node of the tree learns, from the clips of the classes below it, which branch they take. A
    class's probability is the product of its branches' along the way down, so they sum to 1 over the
    classes, and a clip's do not depend on the clips beside it.

    Parameters
    ----------
    tree : mapping
        The taxonomy's tree, in the notation of conf/taxonomy.
    estimator : estimator
        What learns at each node.
    nodes : mapping of str to estimator, optional
        What learns at the named nodes instead.
    tree_from : estimator, optional
        A flat one, whose confusions on held-out training speakers make the tree instead: see
        `pipeline.architectures.trees`.
    folds : int
        Parts of the training speakers, for that.

    Attributes
    ----------
    classes_ : ndarray of str
    tree_ : mapping
        The tree that was learned or given.
    estimators_ : dict of str to fitted estimator
        By node, from the root down.
    """

    hierarchical = True

    def __init__(
        self,
        tree: Mapping[str, Any],
        estimator: Any,
        nodes: Mapping[str, Any] | None = None,
        tree_from: Any = None,
        folds: int = 4,
    ) -> None:
        self.tree = tree
        self.estimator = estimator
        self.nodes = nodes
        self.tree_from = tree_from
        self.folds = folds

    @property
    def views(self) -> tuple[str, ...]:
        """The views that its estimators read; once fitted, those that were chosen."""
        if hasattr(self, "estimators_"):
            chosen = list(self.estimators_.values())
        else:
            chosen = [self.estimator, *(self.nodes or {}).values()]
            chosen += [] if self.tree_from is None else [self.tree_from]
        return tuple(sorted({view for estimator in chosen for view in estimator.views}))

    def fit(self, X: Any, y: ArrayLike, groups: ArrayLike | None = None, monitor: Monitor = SILENT) -> Self:
        """Learn every decision of the tree: see `Architecture.fit`.

        Raises
        ------
        ValueError
            Where `nodes` names a node that the tree lacks, or the clips' classes are not the tree's.
        """
        labels, nodes = np.asarray(y), dict(self.nodes or {})
        everyone = None if groups is None else np.asarray(groups)
        self.tree_ = self.tree
        if self.tree_from is not None:
            self.tree_ = learned(self.tree_from, X, labels, everyone, self.folds)
        root = Node.read(self.tree_)
        if unknown := set(nodes) - {node.name for node in root.decisions}:
            known = [node.name for node in root.decisions]
            raise ValueError(f"no decision of the tree is called {sorted(unknown)}: it has {known}")
        if set(labels) != set(root.classes):
            raise ValueError(f"the clips are of {sorted(set(labels))}, the tree of {list(root.classes)}")
        self.estimators_ = {}
        for node in root.decisions:
            below = np.flatnonzero(np.isin(labels, node.classes))
            branch = {label: child.name for child in node.children for label in child.classes}
            targets = np.array([branch[label] for label in labels[below]])
            estimator = clone(nodes.get(node.name, self.estimator))
            speakers = None if everyone is None else everyone[below]
            told = monitor.within(node.name)
            self.estimators_[node.name] = estimator.fit(rows(X, below), targets, speakers, told)
        self.classes_ = np.array(root.classes)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities, shape (n_clips, n_classes), rows summing to 1."""
        check_is_fitted(self)
        chances: dict[str, Any] = {"emotion": 1.0}
        for node in Node.read(self.tree_).decisions:
            estimator = self.estimators_[node.name]
            branches = estimator.predict_proba(X)
            for branch, p in zip(estimator.classes_, branches.T, strict=True):
                chances[branch] = chances[node.name] * p
        return np.column_stack([chances[label] for label in self.classes_])
