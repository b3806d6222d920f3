from dataclasses import replace

import numpy as np
import pytest
from clips import spoken

from pipeline.architectures import rows
from pipeline.architectures.spectrograms import Augmentation, Preparation, pad
from pipeline.architectures.training import Clips, Training, batches, divide

X, Y, GROUPS = spoken()
QUICK = Training(batch_size=16, frames=32)


def test_no_speaker_is_on_both_sides_and_every_class_is():
    codes, rng = np.unique(Y, return_inverse=True)[1], np.random.default_rng(0)
    speakers = np.concatenate([GROUPS, ["much"] * 200])
    codes = np.concatenate([codes, rng.integers(0, 3, 200)])
    for seed in range(5):
        learned, held = divide(codes, speakers, 0.2, seed)
        assert not set(speakers[learned]) & set(speakers[held])
        assert sorted([*learned, *held]) == list(range(len(codes)))
        assert set(codes[learned]) == set(codes[held]) == {0, 1, 2}
        assert 0.05 < len(held) / len(codes) < 0.4  # the one with the most clips stays with the learned
    alone = divide(codes, np.arange(len(codes)), 0.2, 0)[1]
    assert np.bincount(codes[alone]) == pytest.approx(0.2 * np.bincount(codes), abs=8)


def test_rare_classes_count_as_much_as_common_ones():
    rare = np.flatnonzero((Y != "sad") | (np.arange(len(Y)) % 6 == 0))
    values, present = pad([Preparation(bands=16, frames=1)(one) for one in rows(X, rare)["logmel"]], 32)
    clips = Clips(values, present, np.unique(Y[rare], return_inverse=True)[1], 3)
    for on in (True, False):
        steps = list(
            batches(
                clips,
                replace(QUICK, class_weights=on),
                Augmentation(masks=0, mixup=0),
                np.random.default_rng(0),
            )
        )
        shares = sum((targets * weights[:, np.newaxis]).sum(axis=0) for *_, targets, weights in steps)
        assert (np.ptp(shares) < 0.1 * shares.max()) == on
    assert sum(len(weights) for *_, weights in steps) == len(rare)


def test_learning_rates():
    cosine = Training(epochs=10, learning_rate=1.0)
    rates = [cosine.rate(epoch, []) for epoch in range(10)]
    assert int(np.argmax(rates)) == 2
    assert rates[-1] < 0.05
    plateau = replace(cosine, schedule="plateau", patience=6)
    assert [plateau.rate(0, [3.0, 2.0, 2.5][:n]) for n in range(4)] == [1, 1, 1, 1]
    assert plateau.rate(5, [3.0, 2.0, 2.5, 2.5]) == 0.5
    assert replace(cosine, schedule="constant").rate(9, [1.0] * 9) == 1.0
