"""The real service asked about one clip in every format, and about sounds that cannot be used."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from champion import Home
from scipy.signal import correlate
from test_service import assert_refused, post

from benchmarks.formats import CONTAINERS, LOSSLESS, LOSSY, contained, encoded, every
from pipeline.audio import RATE, decode
from pipeline.detector import Detector

EXACT = (*LOSSLESS, "m4a-alac")
NAMES = ("clip.wav", "clip.mp3", "voice.txt", "PTT-20240101-WA0001", "photo.jpeg", "a.m3u8")
APART = 0.1  # what lossy coding may change of the sound, relative to its level
HUM = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)
WAV = encoded(HUM, "WAV", "PCM_16")


@pytest.fixture(scope="module")
def files(clip: Path) -> dict[str, bytes]:
    return every(decode(clip).samples)


@pytest.fixture(scope="module")
def plain(service: str, clip: Path) -> dict[str, Any]:
    answer: dict[str, Any] = post(service, files={"audio": clip.read_bytes()}).json()
    return answer


@pytest.fixture(scope="module")
def detector(home: Home, service: str) -> Detector:
    (saved,) = (home.folder / "bentoml" / "models").rglob("detector.skops")
    return Detector.load(saved.parent)


@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY, *CONTAINERS])
def test_answers_whatever_the_format_and_the_name(
    service: str, files: dict[str, bytes], plain: dict[str, Any], detector: Detector, name: str
) -> None:
    expected = detector.detect(decode(files[name]).samples)
    for called in NAMES:
        reply = post(service, files={"audio": (called, files[name])})
        assert reply.status_code == 200, reply.text
        answer = reply.json()
        assert answer["file"] == called
        assert answer["emotion"] == expected.emotion
        assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-9)
        if name in EXACT:
            assert answer["probabilities"] == pytest.approx(plain["probabilities"], abs=1e-3)


@pytest.mark.parametrize("name", [*LOSSY, *CONTAINERS])
def test_lossy_formats_ask_about_nearly_the_same_sound(
    files: dict[str, bytes], clip: Path, name: str
) -> None:
    """Not the same answer: what these tests' detector knows are tones in noise, which coding takes away."""
    whole, sound = decode(clip).samples, decode(files[name]).samples
    agreement = correlate(sound, whole)
    late = int(agreement.argmax()) - (len(whole) - 1)  # AAC without an index keeps its padding
    assert 0 <= late <= 2_200
    middle = slice(2_000, len(whole) - 2_200)
    apart = sound[middle.start + late : middle.stop + late] - whole[middle]
    assert np.sqrt(np.mean(apart**2)) <= APART * np.sqrt(np.mean(whole**2))


def test_takes_a_containers_bytes_as_the_body(service: str, files: dict[str, bytes]) -> None:
    for name, kind in (("m4a-aac", "audio/mp4"), ("webm-live", "audio/webm"), ("ogg-opus", "audio/ogg")):
        reply = post(service, data=files[name], headers={"Content-Type": kind})
        assert reply.status_code == 200, reply.text


def promising(size: int) -> bytes:
    """Let a WAV header say that so many bytes of sound follow."""
    return WAV[:4] + struct.pack("<I", size) + WAV[8:40] + struct.pack("<I", size) + WAV[44:]


def broken(value: float) -> bytes:
    samples = HUM.copy()
    samples[100] = value
    return encoded(samples, "WAV", "FLOAT")


BAD = {
    "empty": (lambda: b"", 422, "empty"),
    "text": (lambda: b"these are words" * 99, 415, "unreadable"),
    "web page": (lambda: b"<!doctype html><title>Not found</title>" * 20, 415, "unreadable"),
    "playlist": (lambda: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", 415, "unreadable"),
    "truncated header": (lambda: WAV[:30], 415, "unreadable"),
    "truncated container": (lambda: contained(HUM, "ipod", "aac", {})[:2_000], 415, "unreadable"),
    "promises 4 GB": (lambda: promising(2**32 - 1), 422, "header"),
    "promises 4 GB, holds nothing": (lambda: promising(2**32 - 1)[:44], 422, "header"),
    "zero samples": (lambda: WAV[:40] + bytes(4), 422, "short"),
    "one sample": (lambda: encoded(HUM[1:2], "WAV", "PCM_16"), 422, "short"),
    "not a number": (lambda: broken(np.nan), 415, "unreadable"),
    "infinite": (lambda: broken(-np.inf), 415, "unreadable"),
    "all silence": (lambda: encoded(0 * HUM, "FLAC", "PCM_16"), 422, "silent"),
    "silent voice note": (lambda: contained(0 * HUM, "webm", "libopus", {"live": "1"}), 422, "silent"),
    "channels that cancel": (lambda: encoded(np.column_stack([HUM, -HUM]), "WAV", "PCM_16"), 422, "silent"),
    "two hours": (lambda: encoded(np.tile(HUM[:4_000], 7_200), "FLAC", "PCM_16", 4_000), 422, "long"),
    "1 Hz": (lambda: encoded(HUM, "WAV", "PCM_16", 1), 422, "rate"),
    "768 kHz": (lambda: encoded(HUM, "WAV", "PCM_16", 768_000), 422, "rate"),
    "16 channels": (lambda: encoded(np.tile(HUM[:, None], 16), "WAV", "PCM_16"), 422, "channels"),
    "expands": (lambda: contained(np.zeros(640 * 8_000, np.float32), "ipod", "aac", {}, 8_000), 422, "long"),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses_what_cannot_be_used_and_goes_on(
    service: str, clip: Path, plain: dict[str, Any], name: str
) -> None:
    make, status, code = BAD[name]
    data = make()
    assert_refused(post(service, files={"audio": ("clip.wav", data)}), status, code)
    assert_refused(post(service, data=data, headers={"Content-Type": "audio/wav"}), status, code)
    assert post(service, files={"audio": clip.read_bytes()}).json()["probabilities"] == plain["probabilities"]
