from pathlib import Path

import numpy as np
import pytest

from pipeline import store, table
from pipeline.acoustics.logmel import LogMel
from pipeline.acoustics.statistics import Statistics
from pipeline.store import Writer

NUMBERS, FRAMES = Statistics(), LogMel(n_mels=16)
RNG = np.random.default_rng(0)


def write(folder: Path, name: str, view: object, clips: dict[str, np.ndarray]) -> None:
    with Writer(folder, name, view) as writer:
        for clip, values in clips.items():
            writer.add(clip, values)


@pytest.fixture
def numbers(tmp_path: Path) -> dict[str, np.ndarray]:
    clips = {f"clip-{i}": RNG.normal(size=193).astype(np.float32) for i in range(5)}
    write(tmp_path, "statistics", NUMBERS, clips)
    return clips


@pytest.fixture
def frames(tmp_path: Path) -> dict[str, np.ndarray]:
    clips = {f"clip-{i}": RNG.uniform(-80, 0, size=(3 + 4 * i, 16)).astype(np.float32) for i in range(5)}
    write(tmp_path, "logmel", FRAMES, clips)
    return clips


def test_numbers_come_back_as_they_were(tmp_path: Path, numbers: dict[str, np.ndarray]):
    read = store.read(tmp_path, "statistics", NUMBERS, numbers)
    assert read.dtype == np.float32
    assert np.array_equal(read, np.stack(list(numbers.values())))
    assert [p.name for p in tmp_path.iterdir()] == ["statistics.parquet"]


def test_frames_come_back_within_half_precision(tmp_path: Path, frames: dict[str, np.ndarray]):
    read = store.read(tmp_path, "logmel", FRAMES, frames)
    assert [clip.shape for clip in read] == [clip.shape for clip in frames.values()]
    for clip, original in zip(read, frames.values(), strict=True):
        assert np.abs(clip.astype(np.float32) - original).max() <= 80 * 2**-11
        assert np.array_equal(clip, original.astype(np.float16))


@pytest.mark.parametrize("order", [["clip-3"], ["clip-4", "clip-0", "clip-2"], ["clip-1", "clip-1"]])
def test_clips_come_in_the_order_asked_for(tmp_path: Path, numbers, frames, order: list[str]):
    rows = store.read(tmp_path, "statistics", NUMBERS, order)
    runs = store.read(tmp_path, "logmel", FRAMES, order)
    assert len(rows) == len(runs) == len(order)
    for clip, row, run in zip(order, rows, runs, strict=True):
        assert np.array_equal(row, numbers[clip])
        assert np.array_equal(run, frames[clip].astype(np.float16))


def test_a_clip_that_is_not_there_is_named(tmp_path: Path, numbers):
    with pytest.raises(KeyError, match="clip-9"):
        store.read(tmp_path, "statistics", NUMBERS, ["clip-1", "clip-9"])


def test_the_columns_are_the_view_s_names(tmp_path: Path, numbers):
    assert tuple(table.read(tmp_path / "statistics.parquet").columns) == ("id", *NUMBERS.names)


def test_frames_are_not_held_in_memory(tmp_path: Path, frames):
    for clip in store.read(tmp_path, "logmel", FRAMES, frames):
        assert isinstance(clip, np.memmap)
        assert not clip.flags.writeable
