import numpy as np
import pytest

from pipeline.architectures.dichotomies import OneVersusRest
from pipeline.architectures.hierarchical import Hierarchical
from pipeline.architectures.trees import learned
from pipeline.taxonomy import Node

PLACES = {"anger": (0, 0), "happy": (0, 2.5), "fear": (9, 0), "sad": (9, 2.5), "neutral": (-20, -20)}
LABELS = np.tile(np.repeat(list(PLACES), 12), 4)
SPEAKERS = np.repeat(list("abcd"), 60)
ASKED = {"one": ["anger", "neutral"], "two": ["fear", "happy", "sad"]}


@pytest.fixture(scope="module")
def views() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    centres = np.array([PLACES[label] for label in LABELS])
    return {"functionals": centres + rng.normal(0, 1.5, centres.shape)}


def test_classes_that_are_confused_part_last(views):
    tree = Node.read(learned(OneVersusRest(C=1.0), views, LABELS, SPEAKERS, 4))
    groups = {frozenset(node.classes) for node in tree.decisions}
    assert {frozenset({"anger", "happy"}), frozenset({"fear", "sad"})} <= groups
    assert len(tree.decisions) == 4
    assert tree.classes == tuple(sorted(PLACES))


def test_a_hierarchy_goes_down_the_tree_that_it_learned(views):
    model = Hierarchical(ASKED, OneVersusRest(C=1.0), tree_from=OneVersusRest(C=1.0))
    model.fit(views, LABELS, SPEAKERS)
    assert set(model.estimators_) == {node.name for node in Node.read(model.tree_).decisions}
    assert "anger+happy" in model.estimators_
    np.testing.assert_allclose(model.predict_proba(views).sum(axis=1), 1)
    assert (model.predict(views) == LABELS).mean() > 0.75
    given = Hierarchical(ASKED, OneVersusRest(C=1.0)).fit(views, LABELS, SPEAKERS)
    assert given.tree_ == ASKED
    assert set(given.estimators_) == {"emotion", "one", "two"}
