import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from pipeline.architectures import SILENT, Architecture, Monitor, rows
from pipeline.architectures.ensemble import FLOOR, Ensemble
from pipeline.architectures.hierarchical import Hierarchical
from pipeline.architectures.mlp import MLP

RNG = np.random.default_rng(0)
LABELS = np.repeat(["anger", "happy", "neutral", "sad"], 20)
TREE = {"aroused": ["happy", "anger"], "subdued": ["sad", "neutral"]}


def noisy() -> np.ndarray:
    centres = np.repeat(RNG.normal(0, 1, (4, 10)), 20, axis=0)
    return (centres + RNG.normal(0, 1.5, centres.shape)).astype(np.float32)


X = {"statistics": noisy(), "other": noisy()}


def member(view: str = "statistics", seed: int = 1) -> MLP:
    return MLP(view, units=16, batch_size=20, max_iter=150, random_state=seed)


class Sure(Architecture):
    """Gives every clip the probabilities that it was made with, and remembers what it was told in fit."""

    def __init__(self, chances: tuple[float, ...], view: str = "statistics") -> None:
        self.chances = chances
        self.view = view

    def fit(self, X, y, groups=None, monitor=SILENT):
        self.classes_ = np.unique(y)
        self.told_ = (groups, monitor)
        return self

    def predict_proba(self, X):
        return np.tile(self.chances, (len(X[self.view]), 1))


def test_it_averages_logarithms():
    model = Ensemble([Sure((0.8, 0.2)), Sure((0.5, 0.5))]).fit(X, LABELS[:40])
    first = model.predict_proba(X)[0]
    odds = np.sqrt(0.8 / 0.2)
    assert first == pytest.approx([odds / (1 + odds), 1 / (1 + odds)], abs=1e-12)


def test_weights_count_by_their_proportions():
    members = [Sure((0.9, 0.1)), Sure((0.2, 0.8))]
    chances = {
        weights: Ensemble(members, list(weights)).fit(X, LABELS[:40]).predict_proba(X)[0]
        for weights in [(1, 1), (3, 1), (0.75, 0.25), (1, 0)]
    }
    assert chances[3, 1] == pytest.approx(chances[0.75, 0.25], abs=1e-12)
    assert chances[1, 0] == pytest.approx([0.9, 0.1], abs=1e-12)
    odds = (9**3 * 0.25) ** 0.25
    assert chances[3, 1] == pytest.approx([odds / (1 + odds), 1 / (1 + odds)], abs=1e-12)
    assert np.array_equal(chances[1, 1], Ensemble(members).fit(X, LABELS[:40]).predict_proba(X)[0])


def test_a_member_s_0_is_no_veto():
    chances = Ensemble([Sure((1.0, 0.0)), Sure((0.5, 0.5))]).fit(X, LABELS[:40]).predict_proba(X)[0]
    assert np.isfinite(chances).all()
    assert chances[1] == pytest.approx(np.sqrt(FLOOR), rel=0.01)


def test_members_on_their_own_views_do_better_together():
    half = np.arange(len(LABELS)) % 2 == 0
    learn, held_out = np.flatnonzero(half), np.flatnonzero(~half)
    alone = [member("statistics"), member("other")]
    together = Ensemble(alone).fit(rows(X, learn), LABELS[learn])
    assert together.views == ("other", "statistics")
    right = [
        (clone(one).fit(rows(X, learn), LABELS[learn]).predict(rows(X, held_out)) == LABELS[held_out]).mean()
        for one in alone
    ]
    assert (together.predict(rows(X, held_out)) == LABELS[held_out]).mean() > max(right)


def test_probabilities_are_sound_whatever_the_company():
    model = Ensemble([member(), member("other")], [2, 1]).fit(X, LABELS)
    strange = {view: RNG.normal(0, 100, table.shape) for view, table in X.items()}
    for table in (X, strange):
        chances = model.predict_proba(table)
        assert chances.shape == (80, 4)
        assert (chances >= 0).all()
        assert np.abs(chances.sum(axis=1) - 1).max() <= 1e-12
        alone = model.predict_proba(rows(table, np.array([7])))[0]
        assert np.abs(alone - chances[7]).max() <= 1e-12
    assert model.classes_.tolist() == ["anger", "happy", "neutral", "sad"]


def test_every_member_hears_the_speakers_and_has_a_monitor_of_its_own():
    class Named(Monitor):
        def __init__(self, name: str) -> None:
            self.name = name

        def within(self, name: str) -> "Named":
            return Named(f"{self.name}/{name}")

    speakers = np.repeat(["a", "b", "c", "d"], 20)
    model = Ensemble([Sure((1.0,)), Sure((1.0,), "other")]).fit(X, ["sad"] * 80, speakers, Named("run"))
    assert [one.told_[1].name for one in model.members_] == ["run/member_0", "run/member_1"]
    assert all(np.array_equal(one.told_[0], speakers) for one in model.members_)


def test_it_stands_at_the_nodes_of_a_tree_and_trees_stand_in_it():
    inside = Hierarchical(TREE, Ensemble([member(), member("other")])).fit(X, LABELS)
    around = Ensemble([Hierarchical(TREE, member()), member("other")]).fit(X, LABELS)
    for model in (inside, around):
        assert model.views == ("other", "statistics")
        assert (model.predict(X) == LABELS).mean() > 0.9


def test_seeds_repeat():
    first, again = (Ensemble([member(), member("other")]).fit(X, LABELS).predict_proba(X) for _ in range(2))
    assert np.array_equal(first, again)


def test_a_clone_is_unfitted_and_alike():
    given = [member(seed=3), member("other")]
    model = Ensemble(given, [1, 2]).fit(X, LABELS)
    copy = clone(model)
    assert copy.weights == [1, 2]
    assert [one.random_state for one in copy.members] == [3, 1]
    assert copy.members[0] is not given[0]
    assert not hasattr(given[0], "model_")
    with pytest.raises(NotFittedError):
        copy.predict_proba(X)


@pytest.mark.parametrize(
    ("members", "weights", "said"),
    [
        ([], None, "an ensemble needs at least one member"),
        ([Sure((1.0,))], [1, 2], "weights has 2 numbers for 1 members"),
        ([Sure((1.0,))], [0], "weights must be 0 or more, and one of them above 0"),
        ([Sure((1.0,)), Sure((1.0,))], [2, -1], "weights must be 0 or more"),
        ([Sure((1.0,))], [float("nan")], "weights must be 0 or more"),
    ],
)
def test_what_cannot_be_pooled_is_named(members: list[Sure], weights: list[float] | None, said: str):
    with pytest.raises(ValueError, match=said):
        Ensemble(members, weights).fit(X, LABELS)
