import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra.utils import instantiate

from pipeline import augment, split, table
from pipeline.audio import RATE, decode
from pipeline.train import Data


@pytest.fixture(scope="module")
def transforms(configure) -> list:
    return [instantiate(transform) for transform in configure("augmentation=double").augmentation.transforms]


def few(small_build: Path, folder: Path, clips: int, reverse: bool = False) -> Path:
    """Lay out a build in which the first few training clips are the whole training part."""
    (folder / "merge").symlink_to(small_build / "merge")
    (folder / "split").mkdir()
    splits = table.read(small_build / "split" / "splits.parquet").sort_values("id")
    chosen = pd.concat([part.head(clips) for _, part in splits.groupby("part")])
    if reverse:
        chosen = chosen[::-1]
    table.write(chosen.reset_index(drop=True), table.Splits, folder / "split" / "splits.parquet")
    return folder


def digests(build: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in build.glob("augment/clips/*/*.flac")}


def test_only_training_clips_have_copies(small_build: Path):
    splits = table.read(small_build / "split" / "splits.parquet")
    copies = table.read(small_build / "augment" / "copies.parquet")
    assert sorted(copies.source) == sorted(splits.id[splits.part == "training"])
    assert not set(copies.id) & set(splits.id)
    for copy in copies.itertuples():
        assert (small_build / "augment" / copy.path).is_file()
    assert len(list(small_build.glob("augment/clips/*/*"))) == len(copies)


def test_a_copy_is_another_sound_of_about_the_same_length(small_build: Path):
    copies = table.read(small_build / "augment" / "copies.parquet")
    paths = table.read(small_build / "merge" / "utterances.parquet").set_index("id").path
    for copy in copies.itertuples():
        source = decode(small_build / "merge" / paths[copy.source]).samples
        sound = decode(small_build / "augment" / copy.path).samples
        stretched = json.loads(copy.transforms).get("TimeStretch", {}).get("rate", 1.0)
        assert len(sound) == pytest.approx(len(source) / stretched, abs=1)
        assert np.abs(sound).max() <= 1
        assert not (len(sound) == len(source) and np.allclose(sound, source, atol=1e-4))


def test_what_was_done_is_in_the_table(small_build: Path):
    kinds = {
        "AddGaussianSNR": ("noise_std", 1e-4, 0.2),
        "TimeStretch": ("rate", 0.85, 1.15),
        "PitchShift": ("num_semitones", -2.0, 2.0),
        "Shift": ("shift_amount", -0.2, 0.2),
    }
    seen = set()
    for done in map(json.loads, table.read(small_build / "augment" / "copies.parquet").transforms):
        assert 1 <= len(done) <= 4
        for name, drawn in done.items():
            key, low, high = kinds[name]
            assert low <= drawn[key] <= high
            seen.add(name)
    assert seen == set(kinds)


def test_neither_workers_nor_order_nor_company_matter(small_build: Path, tmp_path: Path, configure):
    made = []
    for name, jobs, reverse, clips in [
        ("a", 1, False, 4),
        ("b", 2, False, 4),
        ("c", 1, True, 4),
        ("d", 2, True, 2),
    ]:
        (tmp_path / name).mkdir()
        build = few(small_build, tmp_path / name, clips, reverse)
        augment.main(configure(f"build={build}", f"jobs={jobs}", "augmentation=double"))
        made.append(digests(build))
    assert len(made[0]) == 4
    assert made[0] == made[1] == made[2]
    assert made[3].items() < made[0].items()


def test_the_seed_and_the_copy_change_the_sound(small_build: Path, tmp_path: Path, configure):
    build = few(small_build, tmp_path, 2)
    augment.main(configure(f"build={build}", "jobs=1", "augmentation=double", "augmentation.copies=3"))
    first = digests(build)
    assert len(set(first.values())) == len(first) == 6
    augment.main(
        configure(f"build={build}", "jobs=1", "augmentation=double", "augmentation.copies=3", "seed=10")
    )
    second = digests(build)
    assert first.keys() == second.keys()
    assert not set(first.values()) & set(second.values())


def test_none_makes_none(small_build: Path, tmp_path: Path, configure):
    build = few(small_build, tmp_path, 2)
    augment.main(configure(f"build={build}", "augmentation=none"))
    copies = table.read(build / "augment" / "copies.parquet")
    assert len(copies) == 0
    assert list(copies) == ["id", "source", "transforms", "path"]


def test_the_original_is_left_as_it_was(transforms, voice):
    sound = voice(200.0, 1)
    before = sound.copy()
    for seed in range(8):
        other, done = augment.altered(sound, transforms, seed)
        assert np.array_equal(sound, before)
        assert other.dtype == np.float32
        assert np.abs(other).max() <= 1
        again, same = augment.altered(sound, transforms, seed)
        assert np.array_equal(again, other)
        assert same == done


def test_noise_is_as_loud_as_the_table_says(configure, voice):
    sound = voice(200.0, 1, seconds=2.0)
    noise = instantiate(configure("augmentation=double").augmentation.transforms[0])
    other, done = augment.altered(sound, [noise], 5)
    heard = np.std(other - sound)
    assert heard == pytest.approx(done["AddGaussianSNR"]["noise_std"], rel=0.02)
    assert 10 <= 20 * np.log10(np.std(sound) / heard) <= 35
    assert len(sound) == 2 * RATE


def test_a_copy_learns_only_where_its_source_does(small_build: Path, tmp_path: Path, configure):
    """Under folds every clip is trained on in some fold, and tested, without its copies, in another."""

    (tmp_path / "merge").symlink_to(small_build / "merge")
    split.main(configure(f"build={tmp_path}", "protocol=folds"))
    splits = table.read(tmp_path / "split" / "splits.parquet")
    clips = table.read(tmp_path / "merge" / "utterances.parquet").assign(source=lambda rows: rows.id)
    copies = clips.assign(id=clips.id + "~1")
    data = Data(pd.concat([clips, copies], ignore_index=True), splits, {})
    assert splits.fold.nunique() == 4
    for fold in splits.fold.unique():
        held = {
            part: set(splits.id[(splits.fold == fold) & (splits.part == part)])
            for part in splits.part.unique()
        }
        ids = {part: list(data.clips.id.iloc[data.part(fold, part)]) for part in held}
        assert set(ids["training"]) == held["training"] | {f"{clip}~1" for clip in held["training"]}
        for part in ("validation", "test"):
            assert sorted(ids[part]) == sorted(held[part])
        sources = {part: {clip.split("~")[0] for clip in chosen} for part, chosen in ids.items()}
        assert not sources["training"] & (sources["test"] | sources["validation"])
