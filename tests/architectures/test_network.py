"""What holds for every network."""

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import skops.io
from clips import BANDS, CLASSES, Keeper, StopError, clip, spoken
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score

from pipeline.architectures import rows
from pipeline.architectures.lstm import LSTM
from pipeline.architectures.network import Network
from pipeline.architectures.spectrograms import Augmentation, Preparation
from pipeline.architectures.training import Training, divide
from pipeline.architectures.vgg import VGG
from pipeline.detector import TRUSTED

QUICK = Training(epochs=3, batch_size=16, frames=32, validation=0.2)
PREPARED = Preparation(bands=16, frames=1)
PLAIN = Augmentation(masks=0, mixup=0)
X, Y, GROUPS = spoken()


def lstm(**settings: object) -> LSTM:
    small = {"convolutions": (4, 8), "units": 8, "dense": 8, "preparation": PREPARED, "training": QUICK}
    return LSTM(**{**small, "random_state": 0, **settings})


def vgg(**settings: object) -> VGG:
    small = {"filters": (4, 8, 8), "dense": 8, "preparation": PREPARED, "training": QUICK}
    return VGG(**{**small, "pretext": 2, "frozen": 2, "random_state": 0, **settings})


def transferred(**settings: object) -> VGG:
    return vgg(weights="pretext", **settings)


KINDS = pytest.mark.parametrize("make", [lstm, vgg, transferred])


@pytest.fixture(scope="module")
def told() -> dict[str, Keeper]:
    return {make.__name__: Keeper() for make in (lstm, vgg, transferred)}


@pytest.fixture(scope="module")
def fitted(told) -> dict[str, Network]:
    return {make.__name__: make().fit(X, Y, GROUPS, told[make.__name__]) for make in (lstm, vgg, transferred)}


@pytest.mark.parametrize("make", [lstm, vgg])
def test_it_recognises_speakers_whom_it_has_not_heard(make):
    known = np.isin(GROUPS, ["s0", "s2", "s3", "s5"])
    training = replace(QUICK, epochs=25, patience=25, learning_rate=5e-3, smoothing=0)
    model = make(training=training, augmentation=PLAIN)
    model.fit(rows(X, np.flatnonzero(known)), Y[known], GROUPS[known])
    answers = model.predict(rows(X, np.flatnonzero(~known)))
    assert balanced_accuracy_score(Y[~known], answers) > 0.6  # 36 clips: by chance in one of 3,000 trials


@KINDS
def test_a_clip_s_answer_does_not_depend_on_those_beside_it(make, fitted):
    model, rng = fitted[make.__name__], np.random.default_rng(1)
    clips = [clip(i % 3, 2, frames, rng) for i, frames in enumerate((19, 33, 64, 200, 1250))]  # 0.3 s to 20 s
    together = model.predict_proba({"logmel": clips})
    assert together.shape == (5, 3)
    assert together.sum(axis=1) == pytest.approx(1, abs=1e-12)
    alone = np.concatenate([model.predict_proba({"logmel": [one]}) for one in clips])
    assert np.abs(together - alone).max() <= 1e-5
    assert np.ptp(together, axis=0).max() > 1e-4  # it looks at them at all


@KINDS
def test_the_seed_repeats_a_training(make, fitted):
    again = make().fit(X, Y, GROUPS)
    assert np.array_equal(again.predict_proba(X), fitted[make.__name__].predict_proba(X))
    assert again.history_ == fitted[make.__name__].history_


def test_another_seed_gives_another_network(fitted):
    assert not np.allclose(
        vgg(random_state=1).fit(X, Y, GROUPS).predict_proba(X), fitted["vgg"].predict_proba(X)
    )


@pytest.mark.parametrize(
    ("make", "stop"),
    [(lstm, ("", 2)), (transferred, ("pretext", 1)), (transferred, ("", 1))],
)
def test_a_stopped_training_goes_on_as_if_it_had_not_been(make, stop: tuple[str, int], fitted):
    keeper = Keeper(stop)
    with pytest.raises(StopError):
        make().fit(X, Y, GROUPS, keeper)
    before = list(keeper.heard)
    keeper.stop = None
    resumed = make().fit(X, Y, GROUPS, keeper)
    whole = fitted[make.__name__]
    assert np.array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    assert resumed.history_ == whole.history_
    assert keeper.heard[len(before)][:2] == stop
    assert len({(name, number) for name, number, _ in keeper.heard}) == len(keeper.heard)  # none twice
    assert {array.dtype.kind for state in keeper.kept.values() for array in state.values()} <= set("fiu")


@KINDS
def test_each_epoch_is_told(make, fitted, told):
    model, keeper = fitted[make.__name__], told[make.__name__]
    assert set(model.history_) == {"loss", "validation_loss", "validation_uar"}
    last = [(number, values) for name, number, values in keeper.heard if name == ""]
    assert [number for number, _ in last] == [0, 1, 2]
    for name, values in model.history_.items():
        assert values == [epoch[name] for _, epoch in last]
    parts = {"pretext": 2, "frozen": 2} if make is transferred else {}
    heard = [name for name, _, _ in keeper.heard if name]
    assert {name: heard.count(name) for name in set(heard)} == parts


@KINDS
def test_what_is_kept_is_settings_and_arrays(make, fitted):
    model = fitted[make.__name__]
    wanted = model.predict_proba(X)
    for copy in (
        pickle.loads(pickle.dumps(model)),
        skops.io.loads(skops.io.dumps(model), trusted=TRUSTED),
    ):
        assert not hasattr(copy, "_run")
        assert np.array_equal(copy.predict_proba(X), wanted)
    assert all(type(weights) is np.ndarray for weights in model.weights_)


def test_a_clone_is_unfitted_and_alike(fitted):
    model = fitted["lstm"]
    copy = clone(model)
    assert not hasattr(copy, "weights_")
    assert copy.get_params() == model.get_params()


def test_it_stops_where_the_held_out_speakers_gain_no_more_and_keeps_the_best():
    training = replace(QUICK, epochs=40, patience=2, learning_rate=0.05)
    model = vgg(training=training).fit(X, Y, GROUPS)
    losses = model.history_["validation_loss"]
    assert len(losses) < 40
    assert int(np.argmin(losses)) == len(losses) - 3
    known, held = divide(np.unique(Y, return_inverse=True)[1], GROUPS, 0.2, 0)
    chances = model.predict_proba(rows(X, held))
    right = chances[np.arange(len(held)), np.searchsorted(CLASSES, Y[held])]
    assert -np.log(right).mean() == pytest.approx(min(losses), abs=1e-4)
    assert len(known) + len(held) == len(Y)


def test_without_validation_it_learns_from_all_to_the_last_epoch():
    model = vgg(training=replace(QUICK, validation=0, patience=1)).fit(X, Y, ["one"] * len(Y))
    assert {name: len(values) for name, values in model.history_.items()} == {"loss": 3}


def test_one_speaker_alone_cannot_be_held_out():
    with pytest.raises(ValueError, match="validation: 0"):
        lstm().fit(X, Y, ["one"] * len(Y))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"training": replace(QUICK, epochs=0)}, "epochs"),
        ({"training": replace(QUICK, batch_size=1.5)}, "batch_size"),
        ({"training": replace(QUICK, learning_rate=0)}, "learning_rate"),
        ({"training": replace(QUICK, validation=1)}, "validation"),
        ({"training": replace(QUICK, schedule="linear")}, "schedule"),
        ({"preparation": Preparation(bands=5)}, f"{BANDS}"),
        ({"pooling": "first"}, "pooling"),
        ({"view": "cepstrum"}, "cepstrum"),
    ],
)
def test_a_setting_that_means_nothing_is_named(settings: dict, named: str):
    with pytest.raises(ValueError, match=named):
        lstm(**settings).fit(X, Y, GROUPS)


def test_tensorflow_is_loaded_where_a_network_is_and_nowhere_else():
    modules = (
        "pipeline.architectures.mlp, pipeline.architectures.hierarchical, pipeline.detector, serving.app"
    )
    code = f"import sys, {modules}; print({{'tensorflow', 'keras'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
