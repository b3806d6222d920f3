import socket
from pathlib import Path

import numpy as np
import pytest
from clips import Keeper, spoken
from hydra.utils import instantiate

from pipeline.architectures.backend import keras
from pipeline.architectures.spectrograms import Preparation
from pipeline.architectures.training import Training
from pipeline.architectures.vgg import VGG

QUICK = Training(epochs=1, batch_size=16, frames=32, validation=0.2)
WIDE = Preparation(bands=32, frames=1)
X, Y, GROUPS = spoken(speakers=4, takes=3)


def small(**settings: object) -> VGG:
    given = {"filters": (4, 8), "dense": 8, "preparation": Preparation(bands=16, frames=1), "training": QUICK}
    return VGG(**{**given, "pretext": 1, "frozen": 1, "random_state": 0, **settings})


def kernels(model: keras.Model) -> list[np.ndarray]:
    return [layer.kernel.numpy() for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


def test_weights_from_a_file_are_where_it_starts(tmp_path: Path):
    path = tmp_path / "body.weights.h5"
    keras.utils.set_random_seed(77)
    other = small().see(16)
    other.save_weights(path)
    body = small(weights=str(path)).see(16)
    small(weights=str(path))._read(body)
    assert all(np.array_equal(a, b) for a, b in zip(kernels(other), kernels(body), strict=True))
    assert small(weights=str(path)).fit(X, Y, GROUPS).predict_proba(X).shape == (36, 3)


def test_transferred_weights_stay_in_the_first_phase_and_move_in_the_second(monkeypatch: pytest.MonkeyPatch):
    seen = []
    train = VGG.train

    def watched(self, model, *rest):
        before = kernels(model)
        history = train(self, model, *rest)
        moved = [not np.array_equal(a, b) for a, b in zip(before, kernels(model), strict=True)]
        seen.append((rest[0].classes, before, moved))
        return history

    monkeypatch.setattr(VGG, "train", watched)
    small(weights="pretext").fit(X, Y, GROUPS)
    (speakers, _, learned), (_, transferred, frozen), (_, kept, tuned) = seen
    assert speakers == 3  # one of four is held out, also from telling speakers apart
    assert all(learned)
    assert not any(frozen)
    assert all(tuned)
    assert all(np.array_equal(a, b) for a, b in zip(transferred, kept, strict=True))


def test_without_speakers_clips_are_told_apart():
    keeper = Keeper()
    small(weights="pretext").fit(X, Y, None, keeper)
    assert [name for name, _, _ in keeper.heard] == ["pretext", "frozen", ""]


@pytest.mark.parametrize("body", ["small", "vgg16"])
def test_a_wrong_file_of_weights_is_named(tmp_path: Path, body: str):
    wrong = tmp_path / "wrong.weights.h5"
    wrong.write_bytes(b"no weights")
    other = tmp_path / "other.weights.h5"
    small(filters=(3, 5)).see(16).save_weights(other)
    shorter = tmp_path / "shorter.weights.h5"
    small(filters=(4,)).see(32).save_weights(shorter)
    for path in (wrong, other, shorter, tmp_path / "none.weights.h5"):
        keeper = Keeper()
        with pytest.raises(ValueError, match=f"{path.name}.*pretext"):
            small(weights=str(path), body=body, preparation=WIDE).fit(X, Y, GROUPS, keeper)
        assert not keeper.heard


def test_imagenet_without_a_network_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def refuse(*_: object, **__: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))  # nothing kept
    keeper = Keeper()
    with pytest.raises(ValueError, match=r"imagenet could not be fetched.*weights: pretext"):
        small(body="vgg16", weights="imagenet", preparation=WIDE).fit(X, Y, GROUPS, keeper)
    with pytest.raises(ValueError, match="body: vgg16"):
        small(weights="imagenet").fit(X, Y, GROUPS, keeper)
    assert not keeper.heard


def test_vgg16_is_the_published_one_and_padding_does_not_reach_it(tmp_path: Path):
    published = keras.applications.VGG16(include_top=False, weights=None)
    path = tmp_path / "vgg16.weights.h5"
    published.save_weights(path)
    model = VGG(body="vgg16", weights=str(path))
    body = model.see(32)
    model._read(body)
    assert len(kernels(body)) == 13
    values = np.random.default_rng(0).normal(size=(1, 64, 32)).astype(np.float32)
    whole = np.ones((1, 64), np.float32)
    states, there = (np.asarray(x) for x in body([values, whole]))
    image = np.asarray(published(np.repeat(values[..., np.newaxis] * 60, 3, axis=-1)))
    rounding = 1e-5 * image.max()  # processors add up in different orders
    assert np.allclose(states, image.reshape(1, 2, 512), rtol=1e-4, atol=rounding)
    longer = np.pad(values, ((0, 0), (0, 64), (0, 0)))
    padded, present = (np.asarray(x) for x in body([longer, np.pad(whole, ((0, 0), (0, 64)))]))
    assert present.sum() == there.sum() == 2
    assert np.allclose(padded[:, :2], states, rtol=1e-4, atol=rounding)


def test_an_unknown_body_is_named():
    with pytest.raises(ValueError, match="body must be small or vgg16"):
        small(body="vgg19").fit(X, Y, GROUPS)


@pytest.mark.parametrize("name", ["pretext", "frozen"])
def test_a_number_of_epochs_that_is_none_is_named(name: str):
    with pytest.raises(ValueError, match=f"{name} must be a whole number"):
        small(**{name: 1.5}).fit(X, Y, GROUPS)


@pytest.mark.parametrize("choice", ["vgg", "vgg16"])
def test_what_conf_describes_can_be_made(configure, choice: str):
    model = instantiate(configure(f"architecture={choice}").architecture, _convert_="all")
    assert isinstance(model, VGG)
    assert model.random_state == 9
    model.training.check()
