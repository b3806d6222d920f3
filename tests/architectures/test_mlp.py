import numpy as np
import pytest
import yaml
from sklearn.base import clone
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from pipeline.architectures.mlp import MLP
from pipeline.stage import ROOT

RNG = np.random.default_rng(0)
LABELS = np.array(["anger", "happy", "sad"] * 20)
TABLE = RNG.normal(0, 1, (60, 10)).astype(np.float32) + 3 * (np.arange(60) % 3)[:, np.newaxis] * np.eye(10)[0]
TABLE = (TABLE * np.linspace(1, 50, 10) + 7).astype(np.float32)
X = {"statistics": TABLE, "other": TABLE[::-1]}


def small(**settings: object) -> MLP:
    return MLP(**{"units": 16, "batch_size": 10, "max_iter": 60, "random_state": 0} | settings)


def test_the_hyperparameters_are_the_original_s():
    settings = yaml.safe_load((ROOT / "conf" / "architecture" / "mlp_original.yaml").read_text())
    wanted = {"units": 300, "alpha": 0.01, "batch_size": 256, "learning_rate": "adaptive", "max_iter": 500}
    assert wanted.items() <= settings.items()
    assert wanted.items() <= MLP().get_params().items()
    model = (
        small(units=300, batch_size=256, max_iter=2)
        .fit({"statistics": np.tile(TABLE, (6, 1))}, np.tile(LABELS, 6))
        .model_[-1]
    )
    given = model.get_params()
    assert given["hidden_layer_sizes"] == (300,)
    assert (given["alpha"], given["batch_size"], given["learning_rate"]) == (0.01, 256, "adaptive")
    assert (given["solver"], given["activation"]) == ("adam", "relu")


def test_unscaled_it_is_scikit_learn_s_own():
    ours = small(scale="none").fit(X, LABELS)
    theirs = MLPClassifier(
        (16,), alpha=0.01, batch_size=10, learning_rate="adaptive", max_iter=60, random_state=0
    )
    expected = theirs.fit(TABLE, LABELS).predict_proba(TABLE)
    assert np.allclose(ours.predict_proba(X), expected, atol=1e-6)


def test_the_scaler_learns_from_the_training_rows_alone():
    rows = np.arange(30)
    model = small().fit({"statistics": TABLE[rows]}, LABELS[rows])
    scaler = model.model_[0]
    assert isinstance(scaler, StandardScaler)
    assert np.allclose(scaler.mean_, TABLE[rows].mean(axis=0), rtol=1e-5)
    assert not np.allclose(scaler.mean_, TABLE.mean(axis=0), rtol=1e-5)
    before = scaler.mean_.copy()
    model.predict_proba({"statistics": TABLE[30:] + 100})
    assert np.array_equal(scaler.mean_, before)


def test_probabilities_are_a_row_a_clip_and_sum_to_1():
    model = small().fit(X, LABELS)
    chances = model.predict_proba(X)
    assert model.classes_.tolist() == ["anger", "happy", "sad"]
    assert chances.shape == (60, 3)
    assert chances.dtype == np.float64
    assert np.abs(chances.sum(axis=1) - 1).max() <= 1e-12
    assert (chances >= 0).all()
    assert np.array_equal(model.predict(X), model.classes_[chances.argmax(axis=1)])
    assert (model.predict(X) == LABELS).mean() > 0.9


def test_it_reads_the_view_that_it_names():
    assert small(view="other").views == ("other",)
    swapped = small(view="other").fit(X, LABELS)
    straight = small().fit({"statistics": X["other"]}, LABELS)
    assert np.array_equal(swapped.predict_proba(X), straight.predict_proba({"statistics": X["other"]}))
    assert np.array_equal(straight.predict_proba(X["other"]), swapped.predict_proba(X))  # an array as it is
    with pytest.raises(ValueError, match=r"'logmel' is not among \['other', 'statistics'\]"):
        small(view="logmel").fit(X, LABELS)


def test_seeds_repeat_and_differ():
    first, again, other = (small(random_state=seed).fit(X, LABELS).predict_proba(X) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_loss_is_told_for_each_epoch():
    history = small(max_iter=7).fit(X, LABELS).history_
    assert list(history) == ["loss"]
    assert len(history["loss"]) == 7
    assert history["loss"][-1] < history["loss"][0]


def test_a_clone_is_unfitted_and_alike():
    model = small(alpha=0.5).fit(X, LABELS)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "model_")
    assert MLP().set_params(units=5).units == 5


@pytest.mark.parametrize("name", ["units", "batch_size"])
@pytest.mark.parametrize("value", ["many", 0, 1.5])
def test_a_size_that_is_none_is_named(name: str, value: object):
    with pytest.raises(ValueError, match=f"{name} must be a whole number above 0, not {value!r}"):
        small(**{name: value}).fit(X, LABELS)
