"""What the networks share: from spectrograms to a trained network, and from its kept weights to answers."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.utils.validation import check_is_fitted

from pipeline.architectures import SILENT, Architecture, Monitor, select
from pipeline.architectures.backend import keras, tf
from pipeline.architectures.spectrograms import Augmentation, Frames, Preparation, pad
from pipeline.architectures.training import STEP, Clips, Training, divide, train

PREPARATION, AUGMENTATION, TRAINING = Preparation(), Augmentation(), Training()


class Network(Architecture):
    """A network over log-mel spectrograms; its kinds say how it is built.

    Parameters
    ----------
    view : str
        The view that it reads: arrays of shape (frames, bands), in decibels.
    preparation : Preparation
    augmentation : Augmentation
    training : Training
    random_state : int or None
        Seed of weights, order and augmentation.

    Attributes
    ----------
    classes_ : ndarray of str
    weights_ : list of ndarray
        Of the network, in Keras's order.
    history_ : dict of str to list of float
        After each epoch: ``loss`` (of altered clips), and of the held-out speakers ``validation_loss`` and
        ``validation_uar``.
    """

    preparation: Preparation
    augmentation: Augmentation
    training: Training
    random_state: int | None

    def build(self, bands: int, classes: int) -> keras.Model:
        """Return the network: from ``(frames, present)`` to the classes' logits."""
        raise NotImplementedError

    def learn(
        self, clips: Clips, held: Clips | None, speakers: NDArray[Any], monitor: Monitor
    ) -> keras.Model:
        """Build the network and train it; `speakers` tells whose voice each clip to learn from is."""
        model = self.build(clips.values.shape[2], clips.classes)
        self.history_ = self.train(model, clips, held, self.training, monitor)
        return model

    def train(
        self, model: keras.Model, clips: Clips, held: Clips | None, training: Training, monitor: Monitor
    ) -> dict[str, list[float]]:
        """Train a network with the estimator's augmentation and seed: see `training.train`."""
        return train(model, clips, held, training, self.augmentation, self.seed, monitor)

    def fit(self, X: Any, y: ArrayLike, groups: ArrayLike | None = None, monitor: Monitor = SILENT) -> Self:
        """Learn from clips: see `Architecture.fit`."""
        self.training.check()
        prepared = [self.preparation(clip) for clip in select(X, self.view)]
        self.classes_, codes = np.unique(np.asarray(y), return_inverse=True)
        speakers = np.arange(len(codes)) if groups is None else np.asarray(groups)
        clips = Clips(*pad(prepared, STEP), codes, len(self.classes_))
        inner, held = divide(codes, speakers, self.training.validation, self.seed)
        keras.utils.set_random_seed(self.seed)
        model = self.learn(
            clips.rows(inner), clips.rows(held) if len(held) else None, speakers[inner], monitor
        )
        self.bands_ = clips.values.shape[2]
        self.weights_ = model.get_weights()
        return self

    @property
    def seed(self) -> int:
        """The seed in use."""
        return 0 if self.random_state is None else self.random_state

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities, shape (n_clips, n_classes), rows summing to 1."""
        check_is_fitted(self, "weights_")
        prepared = [self.preparation(clip) for clip in select(X, self.view)]
        logits = np.zeros((len(prepared), len(self.classes_)))
        order = np.argsort([len(clip) for clip in prepared], kind="stable")
        for chosen in np.array_split(order, -(-len(order) // 32)):  # clips of like length together
            values, present = pad([prepared[i] for i in chosen], STEP)
            logits[chosen] = self._forward(values, present)
        return np.asarray(softmax(logits, axis=1))

    def _forward(self, values: Frames, present: Frames) -> NDArray[np.float32]:
        """Run the network, built anew from its weights where this process has not done so yet."""
        if not hasattr(self, "_run"):
            model = self.build(self.bands_, len(self.classes_))
            model.set_weights(self.weights_)
            # One graph for clips of any length: Keras's own predict takes 30 times as long for one clip.
            shapes = [tf.TensorSpec([None, None, self.bands_]), tf.TensorSpec([None, None])]
            self._run = tf.function(lambda *x: model(x, training=False), input_signature=shapes)
        return np.asarray(self._run(values, present))

    def __getstate__(self) -> dict[str, Any]:
        """Return what is kept: settings and arrays, no Keras objects."""
        return {key: value for key, value in super().__getstate__().items() if key != "_run"}
