"""A recurrent network over log-mel spectrograms."""

from typing import Any, Literal

from pipeline.architectures.backend import keras
from pipeline.architectures.layers import attend, convolution, inputs
from pipeline.architectures.network import AUGMENTATION, PREPARATION, TRAINING, Network
from pipeline.architectures.spectrograms import Augmentation, Preparation
from pipeline.architectures.training import Training

layers, ops = keras.layers, keras.ops


class LSTM(Network):
    """Long short-term memory, after convolutions where they are wanted.

    Parameters
    ----------
    view, preparation, augmentation, training, random_state
        See `Network`.
    convolutions : sequence of int
        Filters of each convolution before it, each of which halves bands and, up to the second, frames.
    units : int
        Of the memory, in each direction.
    bidirectional : bool
        Whether it also reads backwards.
    pooling : {"last", "attention"}
        What becomes of its states: the last one is taken, or mean and spread weighted by attention.
    dense : int
        Width of the layer before the answer.
    dropout : float

    References
    ----------
    Hochreiter & Schmidhuber 1997; Okabe et al. 2018 (attentive statistics).
    """

    def __init__(
        self,
        view: str = "logmel",
        convolutions: tuple[int, ...] = (16, 32, 64),
        units: int = 64,
        bidirectional: bool = True,
        pooling: Literal["last", "attention"] = "attention",
        dense: int = 64,
        dropout: float = 0.3,
        preparation: Preparation = PREPARATION,
        augmentation: Augmentation = AUGMENTATION,
        training: Training = TRAINING,
        random_state: int | None = None,
    ) -> None:
        self.view = view
        self.convolutions = convolutions
        self.units = units
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.dense = dense
        self.dropout = dropout
        self.preparation = preparation
        self.augmentation = augmentation
        self.training = training
        self.random_state = random_state

    def build(self, bands: int, classes: int) -> keras.Model:
        """Return the network: see `Network.build`."""
        if self.pooling not in ("last", "attention"):
            raise ValueError(f"pooling must be last or attention, not {self.pooling!r}")
        frames, present = inputs(bands)
        x: Any = frames
        there: Any = present
        if len(self.convolutions):
            x = x[..., None]
            for i, filters in enumerate(self.convolutions):
                x, there = convolution(x, there, filters, (2 if i < 2 else 1, 2))
            x = layers.Reshape((-1, x.shape[2] * x.shape[3]))(x)
            x = layers.Dropout(self.dropout)(x)
        attentive = self.pooling == "attention"
        memory = layers.LSTM(self.units, return_sequences=attentive)
        memory = layers.Bidirectional(memory) if self.bidirectional else memory
        x = memory(x, mask=ops.cast(there, "bool"))
        x = attend(x, there) if attentive else x
        x = layers.Dropout(self.dropout)(x)
        x = layers.Dense(self.dense, activation="relu")(x)
        return keras.Model([frames, present], layers.Dense(classes)(x))
