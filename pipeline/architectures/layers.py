"""Layers that both kinds of network are built of, and that padding does not reach."""

from typing import Any

from pipeline.architectures.backend import keras

layers, ops = keras.layers, keras.ops

Tensor = Any  # Keras's symbolic one; it comes untyped


def cover(x: Tensor, present: Tensor) -> Tensor:
    """Set what lies beyond the end of a clip to zero; `x` of shape (n, frames, …)."""
    for _ in range(len(x.shape) - 2):
        present = ops.expand_dims(present, -1)
    return x * present


def thin(present: Tensor, pool: int) -> Tensor:
    """Return which frames are left after pooling by `pool`: those with a frame of the clip in them."""
    return present[:, ::pool]


def convolution(x: Tensor, present: Tensor, filters: int, pool: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Convolve 3 × 3, normalise, rectify and pool an image of shape (n, frames, bands, channels)."""
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    x = cover(layers.ReLU()(x), present)
    if pool != (1, 1):
        x, present = layers.MaxPooling2D(pool)(x), thin(present, pool[0])
    return x, present


def attend(x: Tensor, present: Tensor, units: int = 64) -> Tensor:
    """Return mean and spread over time, weighted by attention: attentive statistics (Okabe et al. 2018).

    From shape (n, frames, channels) to (n, 2 × channels).
    """
    scores = layers.Dense(1, use_bias=False)(layers.Dense(units, activation="tanh")(x))[:, :, 0]
    weights = ops.softmax(ops.where(present > 0, scores, -1e9), axis=1)[:, :, None]
    mean = ops.sum(weights * x, axis=1)
    variance = ops.sum(weights * ops.square(x), axis=1) - ops.square(mean)
    return layers.Concatenate()([mean, ops.sqrt(ops.maximum(variance, 1e-4))])


def inputs(bands: int) -> tuple[Tensor, Tensor]:
    """Return the two inputs of a network: frames, and which of them are there."""
    return keras.Input((None, bands), name="frames"), keras.Input((None,), name="present")
