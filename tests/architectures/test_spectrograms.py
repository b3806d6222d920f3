import numpy as np
import pytest

from pipeline.architectures.spectrograms import Augmentation, Preparation, pad

RNG = np.random.default_rng(0)
CLIP = RNG.uniform(-60, 0, (41, 8)).astype(np.float16)


def test_neighbours_are_averaged():
    plain = Preparation(bands=4, frames=2, trim=None, normalise="none")(CLIP)
    assert plain.shape == (21, 4)
    decibels = CLIP.astype(np.float32)
    assert plain[3, 1] == pytest.approx(decibels[6:8, 2:4].mean() / 80 + 1, abs=1e-4)
    assert plain[20, 0] == pytest.approx(decibels[40, :2].mean() / 80 + 1, abs=1e-4)  # the odd one at the end


def test_silence_before_and_after_is_cut_off_but_not_within():
    quiet = np.full((5, 8), -80, np.float16)
    clip = np.concatenate([quiet, CLIP, quiet, CLIP, quiet])
    prepared = Preparation(bands=8, frames=1, trim=70, normalise="clip")(clip)
    assert len(prepared) == 2 * len(CLIP) + 5
    assert len(Preparation(bands=8, frames=1, trim=None)(clip)) == len(clip)


@pytest.mark.parametrize(("normalise", "axis"), [("clip", None), ("band", 0)])
def test_a_louder_recording_of_the_same_looks_the_same(normalise: str, axis: int | None):
    prepare = Preparation(bands=8, frames=1, trim=50, normalise=normalise)
    first = prepare(CLIP)
    assert np.abs(first.mean(axis=axis)).max() <= 1e-5
    assert first.std(axis=axis) == pytest.approx(1, abs=1e-3)
    assert np.allclose(first, prepare(CLIP.astype(np.float32) - 12), atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "named"), [({"bands": 3}, "bands"), ({"bands": 8, "normalise": "all"}, "normalise")]
)
def test_settings_that_do_not_fit_are_named(settings: dict, named: str):
    with pytest.raises(ValueError, match=named):
        Preparation(**settings)(CLIP)
    with pytest.raises(ValueError, match="shape"):
        Preparation()(CLIP[0])


def test_padding_is_zero_and_told():
    values, present = pad([np.ones((3, 2), np.float32), np.ones((5, 2), np.float32)], multiple=4)
    assert values.shape == (2, 8, 2)
    assert present.sum(axis=1).tolist() == [3, 5]
    assert np.array_equal(values.any(axis=2), present == 1)


def crops(frames: int, **settings: float):
    values, present = pad([np.arange(1, n + 1, dtype=np.float32)[:, np.newaxis] for n in (10, 40)])
    alter = Augmentation(**{"stretch": 0.0, **settings})
    return alter.crop(values, present, np.tile([0, 1], 50), frames, np.random.default_rng(1))


def test_a_crop_is_a_piece_of_the_clip_in_its_order():
    values, present = crops(16)
    assert present[::2].sum(axis=1).tolist() == [10] * 50  # shorter than the piece: there whole
    assert present[1::2].all()
    assert (np.diff(values[1::2, :, 0], axis=1) == 1).all()
    assert len(set(values[1::2, 0, 0])) > 10  # from many places
    assert not values[present == 0].any()


def test_a_stretch_changes_how_long_a_clip_takes():
    _, present = crops(32, stretch=0.3)
    lengths = present[::2].sum(axis=1)
    assert 7 <= lengths.min() <= 8
    assert 13 <= lengths.max() <= 15


def test_what_is_not_there_stays_zero_and_what_is_changes():
    values, present = pad([RNG.normal(size=(n, 8)).astype(np.float32) for n in (20, 30)])
    altered = Augmentation().alter(values, present, np.random.default_rng(2))
    assert altered.dtype == np.float32
    assert not altered[present == 0].any()
    assert not np.allclose(altered, values)
    nothing = Augmentation(pitch=0, noise=0, masks=0)
    assert np.array_equal(nothing.alter(values, present, np.random.default_rng(2)), values)


def test_stripes_are_as_wide_as_allowed():
    values, present = pad([np.ones((100, 50), np.float32)] * 200)
    only = Augmentation(pitch=0, noise=0, masks=1, mask_bands=0.2, mask_frames=0.1)
    altered = only.alter(values, present, np.random.default_rng(3))
    bands = (altered == 0).all(axis=1).sum(axis=1)
    frames = (altered == 0).all(axis=2).sum(axis=1)
    assert (bands.max(), frames.max()) == (10, 10)
    assert np.median(bands) > 2


def test_the_spectrum_moves_by_at_most_as_many_bands():
    values = np.zeros((100, 4, 21), np.float32)
    values[:, :, 10] = 1
    moved = Augmentation(pitch=3, noise=0, masks=0).alter(values, np.ones((100, 4)), np.random.default_rng(4))
    places = (moved[:, 0] * np.arange(21)).sum(axis=1)
    assert moved[:, 0].sum(axis=1) == pytest.approx(1)
    assert 7 <= places.min() < 8
    assert 12 < places.max() <= 13


def test_mixing_mixes_clips_and_targets_alike():
    values = np.repeat(np.arange(4, dtype=np.float32), 6).reshape(4, 3, 2)
    present = (np.arange(3) < np.array([[1], [2], [3], [3]])).astype(np.float32)
    mixed, there, targets = Augmentation(mixup=1.0).mix(
        values, present, np.eye(4, dtype=np.float32), np.random.default_rng(5)
    )
    assert targets.sum(axis=1) == pytest.approx(1)
    assert (targets.max(axis=1) < 1).any()
    assert np.allclose(mixed[:, 0, 0], targets @ np.arange(4))
    assert (there >= present).all()
    same = Augmentation(mixup=0).mix(values, present, np.eye(4), np.random.default_rng(5))
    assert same[0] is values
