"""How every network learns: by steps of altered clips, until held-out speakers are recognised no better."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupShuffleSplit
from sklearn.utils.class_weight import compute_sample_weight

from pipeline.architectures import Monitor
from pipeline.architectures.backend import keras
from pipeline.architectures.spectrograms import Augmentation, Frames

STEP = 32  # clips are padded to a multiple of as many frames: every pooling divides it
DRAWS = 100  # divisions of the speakers to choose from


@dataclass(frozen=True)
class Training:
    """How a network learns.

    Parameters
    ----------
    epochs : int
        At most.
    batch_size : int
        Clips per step.
    learning_rate, weight_decay : float
        Of AdamW, the first at its height.
    schedule : {"cosine", "plateau", "constant"}
        The learning rate falls to nothing by the last epoch, or to half wherever the validation loss has
        not fallen for a third of `patience`, or stays.
    smoothing : float
        Of the labels: as much of the probability is spread over all classes.
    class_weights : bool
        Whether the clips of a rare class count more, so that all classes count the same.
    validation : float
        Share of the speakers held out, to tell when to stop; 0 learns from all of them, to the last epoch.
    patience : int
        Epochs without a lower validation loss after which to stop; the best weights are kept.
    frames : int
        Longest piece of a clip to learn from at a step, after `Preparation`; the whole clip is judged.

    References
    ----------
    Loshchilov & Hutter 2019 (AdamW), 2017 (cosine); Szegedy et al. 2016 (smoothing).
    """

    epochs: int = 50
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    smoothing: float = 0.1
    class_weights: bool = True
    validation: float = 0.15
    patience: int = 15
    frames: int = 96

    def check(self) -> None:
        """Refuse values that mean nothing.

        Raises
        ------
        ValueError
            Naming the first of them.
        """
        for name in ("epochs", "batch_size", "patience", "frames"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number above 0, not {value!r}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be above 0, not {self.learning_rate!r}")
        if not 0 <= self.validation < 1:
            raise ValueError(f"validation must be a share from 0 to below 1, not {self.validation!r}")
        if self.schedule not in ("cosine", "plateau", "constant"):
            raise ValueError(f"schedule must be cosine, plateau or constant, not {self.schedule!r}")

    def rate(self, epoch: int, losses: list[float]) -> float:
        """Return the learning rate of an epoch, given the validation losses so far."""
        if self.schedule == "cosine":
            warm = min(1.0, (epoch + 1) / 3)
            return float(self.learning_rate * warm * 0.5 * (1 + np.cos(np.pi * epoch / self.epochs)))
        if self.schedule == "constant":
            return self.learning_rate
        lowest, waited, rate = np.inf, 0, self.learning_rate
        for loss in losses:
            lowest, waited = (loss, 0) if loss < lowest else (lowest, waited + 1)
            if waited >= max(1, self.patience // 3):
                rate, waited = rate / 2, 0
        return rate


@dataclass(frozen=True)
class Clips:
    """Prepared clips and what is to be learned of them, row by row alike.

    Attributes
    ----------
    values : array of shape (n_clips, frames, bands)
    present : array of shape (n_clips, frames)
    codes : array of int, shape (n_clips,)
        The class of each.
    classes : int
    """

    values: Frames
    present: Frames
    codes: NDArray[np.intp]
    classes: int

    def rows(self, chosen: NDArray[np.intp]) -> "Clips":
        """Return some of them."""
        return Clips(self.values[chosen], self.present[chosen], self.codes[chosen], self.classes)


@dataclass
class State:
    """How far the training of a network has come."""

    model: keras.Model
    epoch: int = 0
    history: dict[str, list[float]] = field(default_factory=dict)
    best: list[NDArray[Any]] = field(default_factory=list)

    @property
    def variables(self) -> list[Any]:
        """All that changes: weights, the seeds of dropout, the optimizer's slots."""
        return [*self.model.variables, *self.model.optimizer.variables]

    @property
    def waited(self) -> int:
        """Epochs since the lowest validation loss."""
        losses = self.history.get("validation_loss", [0.0] * self.epoch)
        return 0 if not losses else len(losses) - 1 - int(np.argmin(losses))

    def over(self, training: Training) -> bool:
        """Tell whether there is nothing left to learn."""
        stopped = "validation_loss" in self.history and self.waited >= training.patience
        return stopped or self.epoch >= training.epochs

    def close(self, values: Mapping[str, float]) -> None:
        """Note what an epoch gave."""
        self.epoch += 1
        for name, value in values.items():
            self.history.setdefault(name, []).append(value)
        if not self.waited:
            self.best = self.model.get_weights()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the state as arrays."""
        return {
            **{f"variable_{i}": np.asarray(variable) for i, variable in enumerate(self.variables)},
            **{f"best_{i}": weights for i, weights in enumerate(self.best)},
            **{f"history_{name}": np.array(values) for name, values in self.history.items()},
        }

    def restore(self, kept: Mapping[str, NDArray[Any]]) -> None:
        """Take up a state that `arrays` gave."""
        for i, variable in enumerate(self.variables):
            variable.assign(kept[f"variable_{i}"])
        self.best = [kept[f"best_{i}"] for i in range(len(self.model.get_weights()))]
        prefix = "history_"
        self.history = {
            name.removeprefix(prefix): values.tolist()
            for name, values in kept.items()
            if name.startswith(prefix)
        }
        self.epoch = len(self.history["loss"])


def train(
    model: keras.Model,
    clips: Clips,
    held: Clips | None,
    training: Training,
    augmentation: Augmentation,
    seed: int,
    monitor: Monitor,
) -> dict[str, list[float]]:
    """Train a network by steps, or go on with what `monitor` kept; leave the best weights in it.

    Parameters
    ----------
    model : keras.Model
        From ``(frames, present)`` to logits.
    clips : Clips
        To learn from.
    held : Clips or None
        Of other speakers, to tell when to stop.
    training : Training
    augmentation : Augmentation
    seed : int
        Of order and augmentation.
    monitor : Monitor

    Returns
    -------
    dict of str to list of float
        After each epoch: ``loss``, and with `held` ``validation_loss`` and ``validation_uar``.
    """
    optimizer = keras.optimizers.AdamW(training.learning_rate, weight_decay=training.weight_decay)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=training.smoothing)
    model.compile(optimizer, loss, jit_compile=False)
    optimizer.build(model.trainable_variables)
    state = State(model)
    if kept := monitor.saved():
        state.restore(kept)
    while not state.over(training):
        epoch = state.epoch
        optimizer.learning_rate = training.rate(epoch, state.history.get("validation_loss", []))
        rng = np.random.default_rng([seed, epoch])  # each epoch's own: there is no state of it to keep
        model.reset_metrics()
        told: Any = 0.0
        for *batch, targets, weights in batches(clips, training, augmentation, rng):
            told = model.train_on_batch(batch, targets, sample_weight=weights)
        values = {"loss": float(told)} | (judge(model, held) if held else {})
        state.close(values)
        monitor.epoch(epoch, values)
        monitor.save(state.arrays())
    if held:
        model.set_weights(state.best)
    return state.history


def batches(
    clips: Clips, training: Training, augmentation: Augmentation, rng: np.random.Generator
) -> Iterator[tuple[Frames, Frames, Frames, Frames]]:
    """Yield the steps of an epoch: altered clips, which frames are there, targets, weights."""
    order = rng.permutation(len(clips.codes))
    weights = compute_sample_weight("balanced" if training.class_weights else None, clips.codes)
    frames = -(-min(training.frames, clips.values.shape[1]) // STEP) * STEP
    for chosen in np.array_split(order, max(1, round(len(order) / training.batch_size))):
        values, present = augmentation.crop(clips.values, clips.present, chosen, frames, rng)
        values = augmentation.alter(values, present, rng)
        targets = np.eye(clips.classes, dtype=np.float32)[clips.codes[chosen]]
        targets *= weights[chosen, np.newaxis].astype(np.float32)  # a mixture weighs what its clips do
        values, present, targets = augmentation.mix(values, present, targets, rng)
        weight = targets.sum(axis=1)
        yield values, present, targets / weight[:, np.newaxis], weight


def divide(
    codes: NDArray[np.intp], speakers: NDArray[Any], share: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Hold out the clips of a share of the speakers.

    Of many draws the one is taken in which each class comes nearest to its share, as one speaker may have
    many more clips than another.

    Returns
    -------
    learned, held : arrays of int
        Rows. No speaker is in both; `held` is empty for a share of 0.

    Raises
    ------
    ValueError
        Where there are too few speakers to hold any out.
    """
    if not share:
        return np.arange(len(codes)), np.arange(0)
    if len(set(speakers)) < 2:
        raise ValueError("validation holds speakers out, and there is one alone: set validation: 0")
    wanted = np.bincount(codes) * share
    draws = GroupShuffleSplit(DRAWS, test_size=share, random_state=seed).split(codes, codes, speakers)

    def misfit(draw: tuple[NDArray[np.intp], NDArray[np.intp]]) -> float:
        learned, held = (np.bincount(codes[part], minlength=len(wanted)) for part in draw)
        return float(np.abs(held - wanted).sum() + len(codes) * (learned == 0).sum())

    learned, held = min(draws, key=misfit)
    return learned, held


def judge(model: keras.Model, clips: Clips) -> dict[str, float]:
    """Return the loss and UAR of held-out clips, each class counting the same."""
    size = 64
    logits = np.concatenate(
        [
            model.predict_on_batch([clips.values[i : i + size], clips.present[i : i + size]])
            for i in range(0, len(clips.codes), size)
        ]
    )
    chances = softmax(logits.astype(np.float64), axis=1)[np.arange(len(logits)), clips.codes]
    losses = -np.log(np.maximum(chances, 1e-12))
    loss = np.average(losses, weights=compute_sample_weight("balanced", clips.codes))
    uar = balanced_accuracy_score(clips.codes, logits.argmax(axis=1))
    return {"validation_loss": float(loss), "validation_uar": float(uar)}
