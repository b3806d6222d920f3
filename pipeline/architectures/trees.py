"""A tree learned from confusions: classes that are often taken for each other part last."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import ClusterNode, linkage, to_tree
from scipy.spatial.distance import squareform
from sklearn.base import clone
from sklearn.metrics import confusion_matrix

from pipeline.architectures import rows
from pipeline.architectures.speakers import parts


def learned(
    estimator: Any, X: Any, labels: NDArray[Any], speakers: NDArray[Any] | None, folds: int
) -> dict[str, Any]:
    """Return the binary tree that a flat estimator's confusions on held-out speakers suggest.

    Average linkage over how often two classes are taken for each other, as in Godbole 2002 and Bengio,
    Weston & Grangier 2010 ("Label embedding trees").

    Parameters
    ----------
    estimator : estimator
        A flat one; it is left as it is.
    X : mapping of views
    labels, speakers : array of str, shape (n_clips,)
    folds : int
        Parts of the speakers.

    Returns
    -------
    dict
        In the notation of conf/taxonomy; groups are named by their classes: ``"fear+sad"``.
    """
    truth, answers = [], []
    for inside, outside in parts(labels, speakers, folds):
        known = None if speakers is None else speakers[inside]
        fitted = clone(estimator).fit(rows(X, inside), labels[inside], known)
        truth.append(labels[outside])
        answers.append(fitted.predict(rows(X, outside)))
    classes = np.unique(labels)
    confused = confusion_matrix(
        np.concatenate(truth), np.concatenate(answers), labels=classes, normalize="true"
    )
    apart = 1 - (confused + confused.T) / 2
    np.fill_diagonal(apart, 0)
    tree: dict[str, Any] = _notation(to_tree(linkage(squareform(apart), "average")), classes)
    return tree


def _notation(node: ClusterNode, classes: NDArray[Any]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for child in (node.get_left(), node.get_right()):
        below = sorted(str(classes[i]) for i in child.pre_order())
        written["+".join(below)] = None if child.is_leaf() else _notation(child, classes)
    return written
