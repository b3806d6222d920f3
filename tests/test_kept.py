import linecache
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pipeline.acoustics.convolutions import Convolutions
from pipeline.acoustics.logmel import LogMel
from pipeline.acoustics.statistics import Statistics
from pipeline.kept import SHARD, Kept, definition, imported, sources

RNG = np.random.default_rng(0)


def keep(folder: Path, view: object, clips: dict[str, np.ndarray]) -> None:
    with Kept(folder, view) as kept:
        for clip, values in clips.items():
            kept.add(clip, values)


@pytest.mark.parametrize("shape", [(193,), (7, 16), (1, 16), (0, 16)])
def test_what_was_kept_comes_back_as_the_store_would_have_it(tmp_path: Path, shape: tuple[int, ...]):
    clips = {f"{i:064x}": RNG.normal(size=shape).astype(np.float32) for i in range(SHARD + 3)}
    keep(tmp_path, Statistics(), clips)
    kept = Kept(tmp_path, Statistics())
    assert len(list(kept.folder.iterdir())) == 2  # a full file and the rest
    for clip, values in clips.items():
        assert clip in kept
        np.testing.assert_array_equal(kept[clip], values.astype(kept[clip].dtype))
        assert kept[clip].dtype == (np.float32 if values.ndim == 1 else np.float16)
    assert "another" not in kept


def test_more_is_added_to_what_is_there(tmp_path: Path):
    keep(tmp_path, Statistics(), {"a": np.zeros(3, np.float32)})
    keep(tmp_path, Statistics(), {"b": np.ones(3, np.float32)})
    kept = Kept(tmp_path, Statistics())
    assert kept["a"].tolist() == [0, 0, 0]
    assert kept["b"].tolist() == [1, 1, 1]


def test_another_definition_finds_nothing_of_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    keep(tmp_path, LogMel(), {"a": np.zeros((2, 3), np.float32)})
    assert "a" in Kept(tmp_path, LogMel())
    assert "a" not in Kept(tmp_path, LogMel(n_mels=64))
    monkeypatch.setattr("pipeline.kept.version", lambda name: "0.0")
    assert "a" not in Kept(tmp_path, LogMel())


def test_a_view_is_defined_by_the_code_that_it_stands_on_and_by_no_other():
    code, libraries = sources(Convolutions.__module__)
    ours = {f"pipeline.acoustics.{name}" for name in ("convolutions", "analysis", "descriptors", "pitch")}
    assert ours | {"pipeline.audio"} <= set(code)
    assert "pipeline.acoustics.tonnetz" not in code
    assert {"numpy", "scipy", "librosa", "soxr"} <= set(libraries)
    assert "pipeline.acoustics.tonnetz" in sources(Statistics.__module__)[0]
    assert len({definition(view) for view in (Convolutions(), Convolutions(3), Statistics(), LogMel())}) == 4


def test_imports_are_found_wherever_they_stand():
    code = "import a.b as c\nfrom d import e\ndef f():\n    from g.h import i\nfrom . import j\n"
    assert imported(code) == {"a.b", "d", "d.e", "g.h", "g.h.i"}


def test_a_changed_line_of_code_is_another_definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    @dataclass(frozen=True)
    class Own:
        """A view of the test's own."""

    Own.__module__ = "own"
    monkeypatch.syspath_prepend(str(tmp_path))
    found = set()
    for line in ("SIZE = 1", "SIZE = 2", "SIZE = 1"):
        (tmp_path / "own.py").write_text(line)
        sys.modules.pop("own", None)
        __import__("own")
        linecache.clearcache()
        found.add(definition(Own()))
    sys.modules.pop("own")
    assert len(found) == 2


def test_a_torn_file_counts_for_nothing(tmp_path: Path):
    keep(tmp_path, Statistics(), {"a": np.zeros(3, np.float32)})
    (shard,) = Kept(tmp_path, Statistics()).folder.iterdir()
    shard.write_bytes(shard.read_bytes()[:50])
    assert "a" not in Kept(tmp_path, Statistics())
    assert not shard.exists()


def test_what_was_computed_before_the_end_is_kept(tmp_path: Path):
    with suppress(KeyboardInterrupt), Kept(tmp_path, Statistics()) as kept:
        kept.add("a", np.zeros(3, np.float32))
        raise KeyboardInterrupt
    assert "a" in Kept(tmp_path, Statistics())
