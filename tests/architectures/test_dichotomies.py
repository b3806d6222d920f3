import itertools

import numpy as np
import pytest
import skops.io

from pipeline.architectures.dichotomies import NestedDichotomies, OneVersusRest, halvings
from pipeline.detector import TRUSTED

SIX = ("anger", "disgust", "fear", "happy", "neutral", "sad")


def clips(classes: tuple[str, ...] = SIX, numbers: int = 30, apart: float = 0.0):
    """Four speakers of ten clips a class, their voices `apart` from each other along one direction."""
    rng = np.random.default_rng(0)
    y = np.tile(np.repeat(classes, 10), 4)
    groups = np.repeat(["a", "b", "c", "d"], 10 * len(classes))
    centres = dict(zip(classes, rng.normal(size=(len(classes), numbers)), strict=True))
    voices = dict(zip("abcd", np.outer([-1, 0, 1, 2], apart * rng.normal(size=numbers)), strict=True))
    X = np.array([centres[label] + voices[who] for label, who in zip(y, groups, strict=True)])
    return {"functionals": X + rng.normal(0, 1.5, X.shape)}, y, groups


@pytest.mark.parametrize(
    ("classes", "expected"),
    [(("a",), 0), (("a", "b"), 1), (("a", "b", "c"), 3), (("a", "b", "c", "d"), 3), (SIX, 10)],
)
def test_halvings_are_all_different_and_cover_all(classes: tuple[str, ...], expected: int):
    found = halvings(classes)
    assert len(found) == len({frozenset(pair) for pair in found}) == expected
    for first, second in found:
        assert sorted(first + second) == list(classes)
        assert abs(len(first) - len(second)) <= 1


@pytest.mark.parametrize(("classes", "machines"), [(SIX, 85), (SIX[:4], 9), (SIX[:2], 1)])
def test_each_machine_is_there_once(classes: tuple[str, ...], machines: int):
    problems = NestedDichotomies().problems(classes)
    assert len(problems) == len({frozenset(pair) for pair in problems}) == machines


def test_it_is_the_average_over_all_trees():
    """Every tree is walked by hand, each halving equally likely at every node."""
    X, y, groups = clips()
    model = NestedDichotomies().fit(X, y, groups)
    chances = dict(
        zip(
            model.dichotomies_,
            1
            / (
                1
                + np.exp(
                    -(
                        model._standard(X) @ model.weights_.T.astype(float) * model.sigmoids_[:, 0]
                        + model.sigmoids_[:, 1]
                    )
                )
            ).T,
            strict=True,
        )
    )

    def trees(some):
        """Yield (probability of the tree, {class: [(dichotomy, whether its first side)]})."""
        ways = halvings(some)
        if not ways:
            yield 1.0, {some[0]: []}
            return
        for pair in ways:
            for (p, left), (q, right) in itertools.product(trees(pair[0]), trees(pair[1])):
                paths = {label: [(pair, True), *path] for label, path in left.items()}
                paths |= {label: [(pair, False), *path] for label, path in right.items()}
                yield p * q / len(ways), paths

    expected, total = np.zeros((len(y), 6)), 0.0
    for share, paths in trees(SIX):
        total += share
        for column, label in enumerate(SIX):
            way = [chances[pair] if first else 1 - chances[pair] for pair, first in paths[label]]
            expected[:, column] += share * np.prod(way, axis=0)
    assert total == pytest.approx(1)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-9)


@pytest.mark.parametrize("kind", [NestedDichotomies, OneVersusRest])
@pytest.mark.parametrize("classes", [SIX, SIX[:4], SIX[:3], SIX[:2]])
def test_it_learns_and_its_probabilities_sum_to_1(kind: type, classes: tuple[str, ...]):
    X, y, groups = clips(classes)
    heard = groups != "d"
    model = kind().fit({"functionals": X["functionals"][heard]}, y[heard], groups[heard])
    new = {"functionals": X["functionals"][~heard]}
    np.testing.assert_allclose(model.predict_proba(new).sum(axis=1), 1)
    assert (model.predict(new) == y[~heard]).mean() > 0.8
    strange = {"functionals": 1e6 * np.random.default_rng(1).normal(size=(5, 30))}
    assert np.isfinite(model.predict_proba(strange)).all()


@pytest.mark.parametrize("kind", [NestedDichotomies, OneVersusRest])
def test_shrinking_keeps_a_voice_from_standing_for_an_emotion(kind: type):
    """Speaker a is angry, disgusted or afraid more often than c; d, unheard, sounds like c and more so."""
    X, y, groups = clips(apart=3.0)
    often = np.isin(y, SIX[:3]) == (groups == "a")
    heard = (groups != "d") & ((groups == "b") | often | (np.arange(len(y)) % 5 == 0))
    known, new = ({"functionals": X["functionals"][part]} for part in (heard, groups == "d"))

    def right(shrinkage: float) -> float:
        model = kind(shrinkage=shrinkage).fit(known, y[heard], groups[heard])
        return float((model.predict(new) == y[groups == "d"]).mean())

    assert right(100.0) > right(0.0) + 0.1


def test_a_new_clip_s_answer_does_not_depend_on_those_beside_it():
    X, y, groups = clips()
    model = NestedDichotomies().fit(X, y, groups)
    together = model.predict_proba(X)[:7]
    alone = [model.predict_proba({"functionals": X["functionals"][i : i + 1]})[0] for i in range(7)]
    np.testing.assert_allclose(together, alone, atol=1e-9)


@pytest.mark.parametrize("groups", [None, np.repeat("one", 240)])
def test_speakers_may_be_unknown_or_one(groups):
    X, y, _ = clips()
    model = OneVersusRest().fit(X, y, groups)
    assert (model.predict(X) == y).mean() > 0.9


@pytest.mark.parametrize("kind", [NestedDichotomies, OneVersusRest])
def test_it_is_stored_without_code(kind: type):
    X, y, groups = clips(SIX[:4])
    model = kind().fit(X, y, groups)
    again = skops.io.loads(skops.io.dumps(model), trusted=TRUSTED)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"C": 0}, "C must be"),
        ({"limit": -1}, "limit"),
        ({"folds": 1}, "folds"),
        ({"shrinkage": -1}, "shrinkage"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict[str, float], message: str):
    X, y, groups = clips(SIX[:2])
    with pytest.raises(ValueError, match=message):
        NestedDichotomies(**settings).fit(X, y, groups)


def test_one_class_is_not_enough():
    with pytest.raises(ValueError, match="two are needed"):
        OneVersusRest().fit({"functionals": np.zeros((3, 2))}, ["sad"] * 3)


def test_several_views_are_read_side_by_side():
    X, y, groups = clips(SIX[:3])
    halves = {"first": X["functionals"][:, :10], "second": X["functionals"][:, 10:]}
    model = OneVersusRest(view=["first", "second"]).fit(halves, y, groups)
    whole = OneVersusRest().fit(X, y, groups)
    assert model.views == ("first", "second")
    np.testing.assert_allclose(model.predict_proba(halves), whole.predict_proba(X), atol=1e-6)
