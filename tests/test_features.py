from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from pipeline import features, store, table, train
from pipeline.acoustics.statistics import Statistics
from pipeline.audio import RATE, decode
from pipeline.stage import CACHE_VARIABLE, PipelineError


def small(small_build: Path, folder: Path, clips: int) -> Path:
    """Copy the first few clips of a build, so that their files may be harmed."""
    splits = table.read(small_build / "split" / "splits.parquet")
    chosen = pd.concat([part.head(clips) for _, part in splits.groupby("part")])
    rows = table.read(small_build / "merge" / "utterances.parquet")
    rows = rows[rows.id.isin(chosen.id)]
    copies = table.read(small_build / "augment" / "copies.parquet")
    copies = copies[copies.source.isin(chosen.id)]
    for stage, name, what in (
        ("merge", "utterances", rows),
        ("split", "splits", chosen),
        ("augment", "copies", copies),
    ):
        (folder / stage).mkdir(parents=True)
        what.reset_index(drop=True).to_parquet(folder / stage / f"{name}.parquet")
        for path in what.get("path", []):
            (folder / stage / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / stage / path).write_bytes((small_build / stage / path).read_bytes())
    return folder


def test_every_clip_and_copy_has_every_view(small_build: Path, configure):
    rows = table.read(small_build / "merge" / "utterances.parquet")
    copies = table.read(small_build / "augment" / "copies.parquet")
    for name in configure().features.views:
        ids = table.read(small_build / "features" / f"{name}.parquet").id
        assert sorted(ids) == sorted([*rows.id, *copies.id])
    assert len(table.read(small_build / "features" / "quarantine.parquet")) == 0


def test_the_stored_views_are_those_of_the_clips(small_build: Path, configure):
    views = features.views(configure().features)
    rows = table.read(small_build / "merge" / "utterances.parquet").sample(4, random_state=0)
    copies = table.read(small_build / "augment" / "copies.parquet").sample(2, random_state=0)
    paths = [small_build / "merge" / p for p in rows.path] + [
        small_build / "augment" / p for p in copies.path
    ]
    ids = [*rows.id, *copies.id]
    numbers = store.read(small_build / "features", "statistics", views["statistics"], ids)
    frames = store.read(small_build / "features", "logmel", views["logmel"], ids)
    for path, row, run in zip(paths, numbers, frames, strict=True):
        sound = decode(path).samples
        # A worker adds up in another order than a process with all cores.
        assert np.allclose(row, views["statistics"](sound), rtol=1e-5, atol=1e-5)
        assert np.allclose(run, views["logmel"](sound), rtol=2**-10, atol=1e-3)


def test_a_clip_that_fails_is_named_and_the_rest_goes_on(
    small_build: Path, tmp_path: Path, configure, caplog: pytest.LogCaptureFixture
):
    build = small(small_build, tmp_path, 3)
    rows = table.read(build / "merge" / "utterances.parquet")
    copies = table.read(build / "augment" / "copies.parquet")
    source, other = copies.source.iloc[0], copies.source.iloc[1]
    path = rows.set_index("id").path
    (build / "merge" / path[source]).write_bytes(b"cut off")
    copy = copies[copies.source == other].iloc[0]
    sf.write(build / "augment" / copy.path, np.zeros(RATE, np.float32), RATE)
    features.main(configure(f"build={build}", "jobs=2"))
    quarantine = table.read(build / "features" / "quarantine.parquet")
    assert {Path(p).stem for p in quarantine.path} == {source, copy.id}
    assert set(quarantine.corpus) == {"ravdess"}
    assert any("silent" in detail for detail in quarantine.detail)
    assert source in caplog.text
    assert copy.id in caplog.text
    left = set(rows.id) | set(copies.id)
    for name in ("statistics", "logmel"):
        assert set(table.read(build / "features" / f"{name}.parquet").id) == left - {source, copy.id}
    # What has no features is in no part, and neither is the copy of a clip without.
    data = train.load(build, features.views(configure().features), ("statistics",))
    without = {source, copy.id, *copies.id[copies.source == source]}
    assert set(data.clips.id) == left - without
    assert len(data.X["statistics"]) == len(data.clips)


def test_a_sound_of_the_shortest_kind_has_all_views(configure):
    views = features.views(configure().features)
    click = np.zeros(RATE // 10, np.float32)
    click[800] = 0.5
    for sound in (click, np.random.default_rng(0).normal(0, 0.1, RATE // 10).astype(np.float32)):
        for view in views.values():
            assert np.isfinite(view(sound)).all()


def test_views_that_are_not_finite_are_named(tmp_path: Path, voice):
    class Broken(Statistics):
        def __call__(self, sound: np.ndarray) -> np.ndarray:
            return super().__call__(sound) * np.float32(np.nan)

    sf.write(tmp_path / "clip.wav", voice(200.0, 1), RATE)
    said = features.Extract({"good": Statistics(), "bad": Broken()})((tmp_path / "clip.wav", ("good", "bad")))
    assert said == "the views bad hold numbers that are not finite"


def test_no_clip_at_all_is_an_error(small_build: Path, tmp_path: Path, configure):
    build = small(small_build, tmp_path, 1)
    for path in build.rglob("*.flac"):
        path.write_bytes(b"")
    with pytest.raises(PipelineError, match=r"no view of any of 4 clips could be computed.*empty"):
        features.main(configure(f"build={build}", "jobs=1"))
    assert not (build / "features").exists()
    assert not list(build.glob(".features*"))


def test_a_stage_that_has_not_run_is_named(small_build: Path, tmp_path: Path, configure):
    (tmp_path / "merge").symlink_to(small_build / "merge")
    with pytest.raises(PipelineError, match="run the stage 'augment' first"):
        features.main(configure(f"build={tmp_path}"))


def test_only_what_is_new_is_computed(
    small_build: Path,
    tmp_path: Path,
    configure,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    few, more = small(small_build, tmp_path / "few", 2), small(small_build, tmp_path / "more", 3)
    decoded: list[Path] = []
    monkeypatch.setattr(features, "decode", lambda path: decoded.append(path) or decode(path))

    def run(build: Path, *overrides: str) -> dict[str, pd.DataFrame]:
        decoded.clear()
        features.main(configure(f"build={build}", "jobs=1", *overrides))
        return {path.name: pd.read_parquet(path) for path in (build / "features").glob("*.parquet")}

    first = run(few)
    clips = len(first["statistics.parquet"])
    assert len(decoded) == clips
    again = run(few)
    assert not decoded
    for name, rows in first.items():
        pd.testing.assert_frame_equal(again[name], rows)
    widened = run(more)
    assert len(decoded) == len(widened["statistics.parquet"]) - clips > 0
    known = widened["statistics.parquet"].set_index("id")
    pd.testing.assert_frame_equal(
        known.loc[first["statistics.parquet"].id], first["statistics.parquet"].set_index("id")
    )
    with monkeypatch.context() as patch:
        patch.delattr("pipeline.acoustics.logmel.LogMel.__call__")
        changed = run(few, "features.views.statistics.n_mfcc=20")
    assert len(decoded) == clips
    assert len(changed["statistics.parquet"].columns) == len(known.columns) + 1 - 20
