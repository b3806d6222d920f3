import numpy as np
import pytest
import yaml
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from pipeline.architectures import SILENT, rows
from pipeline.architectures.hierarchical import Hierarchical
from pipeline.architectures.mlp import MLP
from pipeline.stage import ROOT

TREES = {
    name: yaml.safe_load((ROOT / "conf" / "taxonomy" / f"{name}.yaml").read_text())["tree"]
    for name in ("four", "six")
}
CLASSES = {
    "four": ["anger", "happy", "neutral", "sad"],
    "six": ["anger", "disgust", "fear", "happy", "neutral", "sad"],
}
RNG = np.random.default_rng(0)


class Logistic(ClassifierMixin, BaseEstimator):
    """Another estimator for a node, as somebody may bring it: it reads another view, and has no history."""

    views = ("other",)

    def __init__(self, C: float = 1.0) -> None:
        self.C = C

    def fit(self, X, y, groups=None, monitor=SILENT):
        self.model_ = LogisticRegression(C=self.C).fit(X["other"], y)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X["other"])


def clips(name: str, each: int = 20) -> tuple[dict[str, np.ndarray], np.ndarray]:
    labels = np.repeat(CLASSES[name], each)
    centres = RNG.normal(0, 2, (len(CLASSES[name]), 12))
    table = (np.repeat(centres, each, axis=0) + RNG.normal(0, 1, (len(labels), 12))).astype(np.float32)
    return {"statistics": table, "other": table[:, ::2].copy()}, labels


def tree_of(name: str, **settings: object) -> Hierarchical:
    return Hierarchical(TREES[name], MLP(units=12, batch_size=8, max_iter=60, random_state=3), **settings)


@pytest.fixture(scope="module", params=["four", "six"])
def fitted(request: pytest.FixtureRequest) -> tuple[str, Hierarchical, dict[str, np.ndarray], np.ndarray]:
    X, y = clips(request.param)
    return request.param, tree_of(request.param).fit(X, y), X, y


def test_probabilities_sum_to_1(fitted):
    name, model, X, _ = fitted
    strange = {view: RNG.normal(0, 100, table.shape).astype(np.float32) for view, table in X.items()}
    for table in (X, strange):
        chances = model.predict_proba(table)
        assert chances.shape == (len(X["statistics"]), len(CLASSES[name]))
        assert np.abs(chances.sum(axis=1) - 1).max() <= 1e-12
        assert (chances >= 0).all()
    assert model.classes_.tolist() == CLASSES[name]


def test_a_class_is_the_product_of_the_decisions_on_its_way(fitted):
    """Fit each decision by hand, from the tree as it is drawn, and multiply."""
    name, model, X, y = fitted
    groups = {
        "four": {"aroused": ["happy", "anger"], "subdued": ["sad", "neutral"]},
        "six": {"aroused": ["happy", "anger"], "subdued": ["neutral", "sad", "fear", "disgust"]},
    }[name]
    node = MLP(units=12, batch_size=8, max_iter=60, random_state=3)

    def decision(members: dict[str, list[str]]) -> dict[str, np.ndarray]:
        chosen = np.flatnonzero(np.isin(y, [label for labels in members.values() for label in labels]))
        branch = [next(b for b, labels in members.items() if label in labels) for label in y[chosen]]
        made = clone(node).fit({"statistics": X["statistics"][chosen]}, branch)
        return dict(zip(made.classes_, made.predict_proba(X).T, strict=True))

    top = decision(groups)
    aroused = decision({"happy": ["happy"], "anger": ["anger"]})
    expected = {label: top["aroused"] * aroused[label] for label in ("happy", "anger")}
    if name == "four":
        subdued = decision({"sad": ["sad"], "neutral": ["neutral"]})
        expected |= {label: top["subdued"] * subdued[label] for label in ("sad", "neutral")}
    else:
        distressed = ["sad", "fear", "disgust"]
        subdued = decision({"neutral": ["neutral"], "distressed": distressed})
        last = decision({label: [label] for label in distressed})
        expected["neutral"] = top["subdued"] * subdued["neutral"]
        expected |= {label: top["subdued"] * subdued["distressed"] * last[label] for label in distressed}
    wanted = np.column_stack([expected[label] for label in CLASSES[name]])
    assert np.abs(model.predict_proba(X) - wanted).max() <= 1e-12


def test_a_clip_s_answer_does_not_depend_on_its_company(fitted):
    _, model, X, _ = fitted
    together = model.predict_proba(X)
    for i in (0, 7, len(together) - 1):
        alone = model.predict_proba(rows(X, np.array([i])))[0]
        assert np.abs(alone - together[i]).max() <= 1e-12
    order = RNG.permutation(len(together))
    assert np.abs(model.predict_proba(rows(X, order)) - together[order]).max() <= 1e-12


def test_predict_is_the_most_probable_class_and_learns(fitted):
    name, model, X, y = fitted
    answers = model.predict(X)
    assert np.array_equal(answers, np.array(CLASSES[name])[model.predict_proba(X).argmax(axis=1)])
    assert (answers == y).mean() > 0.9


def test_an_upper_leaf_can_win():
    X, y = clips("six")
    model = tree_of("six").fit(X, y)
    neutral = model.predict_proba(X)[y == "neutral", CLASSES["six"].index("neutral")]
    assert neutral.mean() > 0.8


@pytest.mark.parametrize("node", ["emotion", "aroused", "subdued", "distressed"])
def test_any_estimator_at_any_node(node: str):
    X, y = clips("six")
    model = tree_of("six", nodes={node: Logistic(C=0.5)})
    assert model.views == ("other", "statistics")
    model.fit(X, y)
    kinds = {name: type(estimator) for name, estimator in model.estimators_.items()}
    assert kinds == dict.fromkeys(("emotion", "aroused", "subdued", "distressed"), MLP) | {node: Logistic}
    assert model.estimators_[node].C == 0.5
    assert np.abs(model.predict_proba(X).sum(axis=1) - 1).max() <= 1e-6
    assert (model.predict(X) == y).mean() > 0.9


def test_it_reads_the_views_of_its_estimators_alone():
    assert tree_of("six").views == ("statistics",)
    assert Hierarchical(TREES["six"], Logistic()).views == ("other",)


@pytest.mark.parametrize("node", ["arousd", "happy", "neutral"])
def test_a_node_that_decides_nothing_is_refused(node: str):
    X, y = clips("six")
    with pytest.raises(ValueError, match=rf"no decision of the tree is called \['{node}'\].*aroused"):
        tree_of("six", nodes={node: Logistic()}).fit(X, y)


def test_clips_of_other_classes_are_refused():
    X, y = clips("six")
    for labels in (np.where(y == "fear", "sad", y), np.where(y == "fear", "calm", y)):
        with pytest.raises(ValueError, match=r"the clips are of .* the tree of"):
            tree_of("six").fit(X, labels)


def test_clone_and_parameters():
    model = tree_of("six", nodes={"aroused": Logistic(C=0.5)})
    copy = clone(model)
    assert copy is not model
    assert copy.estimator is not model.estimator
    assert copy.tree == model.tree
    assert model.get_params()["estimator__units"] == 12
    assert copy.set_params(estimator__units=5).estimator.units == 5
    assert model.estimator.units == 12
    with pytest.raises(NotFittedError):
        model.predict_proba(clips("six")[0])


def test_fitting_leaves_what_it_was_given_alone():
    X, y = clips("six")
    other = Logistic()
    model = tree_of("six", nodes={"aroused": other}).fit(X, y)
    assert not hasattr(model.estimator, "model_")
    assert not hasattr(other, "model_")


def test_seeds_repeat():
    X, y = clips("six")
    first, again = (tree_of("six").fit(X, y).predict_proba(X) for _ in range(2))
    assert np.array_equal(first, again)
    other = clone(tree_of("six")).set_params(estimator__random_state=4).fit(X, y).predict_proba(X)
    assert not np.allclose(first, other)


def test_rows_keep_the_form():
    X = {"table": np.arange(6).reshape(3, 2), "runs": [np.zeros(1), np.ones(2), np.full(3, 2)]}
    picked = rows(X, np.array([2, 0]))
    assert picked["table"].tolist() == [[4, 5], [0, 1]]
    assert [run.tolist() for run in picked["runs"]] == [[2, 2, 2], [0]]
