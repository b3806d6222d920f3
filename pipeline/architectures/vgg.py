"""A VGG over log-mel spectrograms taken as images, with its body's weights transferred from elsewhere."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.architectures import Monitor
from pipeline.architectures.backend import keras
from pipeline.architectures.layers import attend, convolution, cover, inputs, thin
from pipeline.architectures.network import AUGMENTATION, PREPARATION, TRAINING, Network
from pipeline.architectures.spectrograms import Augmentation, Preparation
from pipeline.architectures.training import Clips, Training

layers, ops = keras.layers, keras.ops

PIXELS = 60.0  # spread of the pixels of photographs, which weights learned from them expect


class VGG(Network):
    """Blocks of 3 × 3 convolutions, each followed by pooling; then attention over time.

    Parameters
    ----------
    view, preparation, augmentation, training, random_state
        See `Network`.
    body : {"small", "vgg16"}
        Blocks of one convolution each, or the sixteen-layer network as it was published.
    filters : sequence of int
        Of each block of the small body. Each halves bands and, up to the third, frames.
    weights : {"none", "pretext", "imagenet"} or path
        Where the body's weights come from before it learns emotions: nowhere; from telling the speakers of
        the same training clips apart (without ``groups``: the clips); from ImageNet (vgg16, downloaded by
        Keras); or from a file ``.weights.h5`` that Keras wrote of such a body.
    pretext : int
        Epochs of telling speakers apart.
    frozen : int
        Epochs of the first phase, in which transferred weights stay as they are and only what is new learns.
    tuning : float
        The learning rate of the second phase, as a share of the first's.
    dense : int
        Width of the layer before the answer.
    dropout : float

    References
    ----------
    Simonyan & Zisserman 2015 (VGG); Okabe et al. 2018 (attentive statistics).
    """

    def __init__(
        self,
        view: str = "logmel",
        body: Literal["small", "vgg16"] = "small",
        filters: Sequence[int] = (16, 32, 64, 96),
        weights: str = "none",
        pretext: int = 15,
        frozen: int = 5,
        tuning: float = 0.5,
        dense: int = 64,
        dropout: float = 0.3,
        preparation: Preparation = PREPARATION,
        augmentation: Augmentation = AUGMENTATION,
        training: Training = TRAINING,
        random_state: int | None = None,
    ) -> None:
        self.view = view
        self.body = body
        self.filters = filters
        self.weights = weights
        self.pretext = pretext
        self.frozen = frozen
        self.tuning = tuning
        self.dense = dense
        self.dropout = dropout
        self.preparation = preparation
        self.augmentation = augmentation
        self.training = training
        self.random_state = random_state

    def build(self, bands: int, classes: int) -> keras.Model:
        """Return the network: see `Network.build`."""
        return self.answer(self.see(bands), classes)

    def see(self, bands: int) -> keras.Model:
        """Return the body: from ``(frames, present)`` to states of shape (n, fewer frames, channels)."""
        frames, present = inputs(bands)
        if self.body == "small":
            x, there = frames[..., None], present
            for i, filters in enumerate(self.filters):
                x, there = convolution(x, there, filters, (2 if i < 3 else 1, 2))
        elif self.body == "vgg16":
            x, there = self._published(frames, present)
        else:
            raise ValueError(f"body must be small or vgg16, not {self.body!r}")
        x = layers.Reshape((-1, x.shape[2] * x.shape[3]))(x)
        return keras.Model([frames, present], [x, there], name="body")

    def _published(self, frames: Any, present: Any) -> tuple[Any, Any]:
        """Return VGG16's last image, covered after each layer so that padding does not leak in."""
        network = keras.applications.VGG16(include_top=False, weights=None)
        scale = 1.0 if self.weights in ("none", "pretext") else PIXELS
        x = ops.repeat(frames[..., None] * scale, 3, axis=-1)
        for layer in network.layers[1:]:
            x = layer(x)
            if isinstance(layer, layers.MaxPooling2D):
                present = thin(present, 2)
            x = cover(x, present)
        return x, present

    def answer(self, body: keras.Model, classes: int) -> keras.Model:
        """Put attention over time and an answer on a body."""
        states, present = body.output
        x = layers.Dropout(self.dropout)(states)
        x = layers.Dropout(self.dropout)(attend(x, present))
        x = layers.Dense(self.dense, activation="relu")(x)
        return keras.Model(body.input, layers.Dense(classes)(x))

    def learn(
        self, clips: Clips, held: Clips | None, speakers: NDArray[Any], monitor: Monitor
    ) -> keras.Model:
        """Transfer the body's weights, train what is new above it, then all: see `Network.learn`."""
        for name in ("pretext", "frozen"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 0:
                raise ValueError(f"{name} must be a whole number of epochs, not {value!r}")
        body = self.see(clips.values.shape[2])
        if self.weights == "none":
            model = self.answer(body, clips.classes)
            self.history_ = self.train(model, clips, held, self.training, monitor)
            return model
        if self.weights == "pretext":
            told, codes = np.unique(speakers, return_inverse=True)
            another = replace(clips, codes=codes, classes=len(told))
            short = replace(self.training, epochs=self.pretext)
            self.train(self.answer(body, len(told)), another, None, short, monitor.within("pretext"))
        else:
            self._read(body)
        model = self.answer(body, clips.classes)
        body.trainable = False
        first = replace(self.training, epochs=self.frozen, schedule="constant")
        if self.frozen:
            self.train(model, clips, held, first, monitor.within("frozen"))
        body.trainable = True
        second = replace(self.training, learning_rate=self.training.learning_rate * self.tuning)
        self.history_ = self.train(model, clips, held, second, monitor)
        return model

    def _read(self, body: keras.Model) -> None:
        """Read the weights of another learning into a body.

        Raises
        ------
        ValueError
            Where there are none, or none of such a body.
        """
        instead = "set weights: pretext, weights: none or the path of a .weights.h5 file"
        if self.body == "small" and self.weights == "imagenet":
            raise ValueError(f"ImageNet's weights are those of body: vgg16, not of a small one: {instead}")
        if self.weights != "imagenet" and not Path(self.weights).is_file():
            raise ValueError(f"there is no file {self.weights} with weights: {instead}")
        try:
            # Keras only warns of layers that the file lacks.
            with warnings.catch_warnings(action="error", category=UserWarning):
                if self.body == "small":
                    body.load_weights(self.weights)
                    return
                fetched = "imagenet" if self.weights == "imagenet" else None
                network = keras.applications.VGG16(include_top=False, weights=fetched)
                if not fetched:
                    network.load_weights(self.weights)
        except Exception as error:  # Keras raises what its many readers raise, and bare Exception offline
            reason = str(error).strip().splitlines()[0]
            what = (
                "could not be fetched" if self.weights == "imagenet" else f"are not such a {self.body} body's"
            )
            raise ValueError(f"the weights {self.weights} {what} ({reason}): {instead}") from None
        for layer in network.layers[1:]:
            body.get_layer(layer.name).set_weights(layer.get_weights())
