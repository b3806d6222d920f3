"""Damaged files of every format, through `decode` and at the real service."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from champion import Home
from test_service import post

from benchmarks.formats import CONTAINERS, LOSSLESS, LOSSY, every
from benchmarks.fuzz import faults, replies, voice
from benchmarks.mutations import mutated
from benchmarks.service import Watch
from pipeline.audio import MAX_SECONDS, MIN_SECONDS, RATE, AudioError, decode

SEED = 9
FORMATS = sorted([*LOSSLESS, *LOSSY, *CONTAINERS])
EACH = 20  # of every format
MEMORY = {"start": 100.0, "tenth": 110.0, "end": 120.0}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return every(voice())


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_sounds_or_refused(
    files: dict[str, bytes], name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert decode(files[name]).duration == pytest.approx(2, abs=0.13)
    for turn in range(EACH):
        number = turn * len(files) + FORMATS.index(name)
        made_from, data = mutated(files, SEED, number)
        assert made_from == name
        try:
            sound = decode(data)
        except AudioError:
            continue
        assert sound.samples.dtype == np.float32
        assert sound.samples.ndim == 1
        assert np.abs(sound.samples).max() <= 1
        assert MIN_SECONDS * RATE - 1 <= len(sound.samples) <= MAX_SECONDS * RATE + 1
    assert "Traceback" not in capfd.readouterr().err


def test_the_service_answers_or_refuses_and_goes_on(
    service: str, files: dict[str, bytes], clip: Path, home: Home
) -> None:
    log = home.folder / "service.log"
    watch, before = Watch(service), post(service, files={"audio": clip.read_bytes()}).json()
    quiet = log.read_text().count("Traceback")
    held = watch.look()
    got = list(replies(service, files, SEED, range(1_000, 1_000 + 3 * len(files))))
    table = pd.DataFrame(map(asdict, got))
    assert faults(table, {"tenth": held, "end": 0.0}, watch.restarts) == []
    assert set(table.format) == set(files)
    assert (table.status == 200).any()
    assert set(table.status) <= {200, 413, 415, 422}
    assert (table.code[table.status == 200] == "").all()
    assert (table.code[table.status != 200] != "").all()
    assert post(service, files={"audio": clip.read_bytes()}).json() == before
    watch.look()
    assert watch.restarts == 0
    assert log.read_text().count("Traceback") == quiet


def row(status: int, number: int = 7) -> dict[str, object]:
    return {"format": "mp3", "number": number, "status": status, "code": "", "seconds": 0.1}


@pytest.mark.parametrize(
    ("statuses", "memory", "restarts", "words"),
    [
        ([200, 422, 413, 429], MEMORY, 0, []),
        ([200, 500], MEMORY, 0, ["number 1, mp3: status 500"]),
        ([504, 0], MEMORY, 0, ["number 0, mp3: status 504", "number 1, mp3: status 0"]),
        ([200], MEMORY, 2, ["2 processes"]),
        ([200], MEMORY | {"end": 122.0}, 0, ["110 MB"]),
    ],
)
def test_what_must_not_be_is_said(
    statuses: list[int], memory: dict[str, float], restarts: int, words: list[str]
) -> None:
    table = pd.DataFrame([row(status, number) for number, status in enumerate(statuses)])
    found = faults(table, memory, restarts)
    assert len(found) == len(words)
    assert all(word in fault for word, fault in zip(words, found, strict=True))
