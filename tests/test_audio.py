import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from benchmarks.formats import CONTAINERS, contained, encoded, every
from pipeline import audio
from pipeline.audio import RATE, AudioError, decode, write

PEAK = 0.5
HUM = (PEAK * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)


def sine(frequency: float, rate: int, seconds: float = 2.0) -> np.ndarray:
    return (PEAK * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def loudest(samples: np.ndarray) -> tuple[float, float]:
    """Return frequency (Hz) and amplitude of the strongest tone in the second in the middle."""
    start = len(samples) // 2 - RATE // 2
    spectrum = np.abs(np.fft.rfft(samples[start : start + RATE] * np.hanning(RATE)))
    return float(spectrum.argmax()), float(spectrum.max() / (np.hanning(RATE).sum() / 2))


@pytest.mark.parametrize(
    ("container", "subtype", "step"),
    [
        ("WAV", "PCM_U8", 2**-7),
        ("WAV", "PCM_16", 2**-15),
        ("WAV", "PCM_24", 2**-23),
        ("WAV", "PCM_32", 2**-24),
        ("WAV", "FLOAT", 0),
        ("WAVEX", "PCM_24", 2**-23),
        ("WAV", "ULAW", 2**-6),
        ("WAV", "ALAW", 2**-5),
        ("FLAC", "PCM_16", 2**-15),
        ("FLAC", "PCM_24", 2**-23),
        ("AIFF", "PCM_16", 2**-15),
    ],
)
def test_lossless_sound_comes_back_within_a_step(container: str, subtype: str, step: float):
    sound = decode(encoded(HUM, container, subtype))
    assert sound.samples.dtype == np.float32
    assert sound.samples.shape == HUM.shape
    assert np.abs(sound.samples - HUM).max() <= step
    assert (sound.channels, sound.native_rate, sound.duration) == (1, RATE, 1.0)


@pytest.mark.parametrize(
    ("container", "subtype"), [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]
)
def test_lossy_sound_keeps_its_tone(container: str, subtype: str):
    frequency, level = loudest(decode(encoded(sine(440, RATE), container, subtype)).samples)
    assert frequency == 440
    assert level == pytest.approx(PEAK, rel=0.03)


@pytest.mark.parametrize("name", ["clip.wav", "clip.mp3", "clip", "clip.txt"])
def test_the_content_counts_and_not_the_name(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(encoded(HUM, "AIFF", "PCM_16"))
    assert np.abs(decode(tmp_path / name).samples - HUM).max() <= 2**-15


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_a_file_and_its_bytes_are_the_same_sound(tmp_path: Path, rate: int):
    data = encoded(sine(300, rate), "WAV", "PCM_16", rate)
    (tmp_path / "clip.wav").write_bytes(data)
    of_file, of_bytes = decode(tmp_path / "clip.wav"), decode(data)
    assert np.array_equal(of_file.samples, of_bytes.samples)
    assert np.array_equal(of_file.native, of_bytes.native)


def test_sixteen_kilohertz_is_left_untouched():
    noise = np.random.default_rng(0).uniform(-1, 1, RATE).astype(np.float32)
    assert np.array_equal(decode(encoded(noise, "WAV", "FLOAT")).samples, noise)


def test_stereo_is_the_mean_of_its_channels():
    left, right = sine(300, RATE), sine(500, RATE)
    sound = decode(encoded(np.column_stack([left, right]), "WAV", "FLOAT"))
    assert sound.channels == 2
    assert sound.native.shape == (len(left), 2)
    assert np.allclose(sound.samples, (left + right) / 2, atol=1e-7)


@pytest.mark.parametrize("rate", [8_000, 22_050, 24_414, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("frequency", [200, 1_000, 3_000])
def test_resampling_keeps_frequency_and_level(rate: int, frequency: int):
    sound = decode(encoded(sine(frequency, rate), "WAV", "FLOAT", rate))
    assert len(sound.samples) == pytest.approx(2 * RATE, abs=1)
    assert (sound.native_rate, sound.duration) == (rate, 2.0)
    heard, level = loudest(sound.samples)
    assert heard == frequency
    assert level == pytest.approx(PEAK, rel=1e-3)


@pytest.mark.parametrize("frequency", [9_000, 12_000, 20_000])
def test_what_16_khz_cannot_hold_is_not_folded_back(frequency: int):
    mixed = sine(frequency, 48_000) + 0.01 * sine(300, 48_000)
    samples = decode(encoded(mixed, "WAV", "FLOAT", 48_000)).samples
    assert loudest(samples)[0] == 300
    assert np.abs(samples[RATE // 2 : -RATE // 2]).max() < 0.01


def test_samples_stay_within_full_scale():
    loud = np.sign(sine(300, 48_000)).astype(np.float32)  # resampling a square overshoots
    assert np.abs(decode(encoded(loud, "WAV", "PCM_16", 48_000)).samples).max() <= 1
    assert np.abs(decode(encoded(4 * HUM, "WAV", "FLOAT")).samples).max() == 1


@pytest.mark.parametrize("name", CONTAINERS)
def test_phones_and_browsers_formats_keep_their_tone(name: str):
    sound = decode(contained(sine(440, RATE), *CONTAINERS[name]))
    frequency, level = loudest(sound.samples)
    assert frequency == 440
    assert level == pytest.approx(PEAK, rel=0.03)
    assert sound.channels == 1
    assert sound.duration == pytest.approx(2, abs=0.13)  # AAC without an index keeps its padding


def test_a_lossless_container_holds_the_same_samples():
    samples = decode(encoded(HUM, "WAV", "PCM_16")).samples
    assert np.array_equal(decode(contained(samples, "ipod", "alac", {})).samples, samples)


def of_unknown_length(samples: np.ndarray, rate: int = RATE) -> bytes:
    """Encode FLAC as streams have it: nothing in the place of the number of samples."""
    data = bytearray(encoded(samples, "FLAC", "PCM_16", rate))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return bytes(data)


def test_a_stream_that_does_not_say_its_length_is_read():
    whole = decode(encoded(HUM, "FLAC", "PCM_16")).samples
    assert np.array_equal(decode(of_unknown_length(HUM)).samples, whole)


def promising(size: int) -> bytes:
    """Let a WAV header say that so many bytes of sound follow."""
    data = bytearray(encoded(HUM, "WAV", "PCM_16"))
    data[4:8], data[40:44] = struct.pack("<I", min(size + 36, 2**32 - 1)), struct.pack("<I", size)
    return bytes(data)


def with_nan() -> np.ndarray:
    broken = HUM.copy()
    broken[100] = np.nan
    return broken


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"not a sound at all", "unreadable"),
        (b"these are words" * 999, "unreadable"),
        (encoded(HUM, "AIFF", "PCM_16")[:30], "unreadable"),
        (encoded(HUM, "FLAC", "PCM_16")[:30], "unreadable"),
        (contained(HUM, "webm", "libopus", {})[:30], "unreadable"),
        (contained(HUM, "ipod", "aac", {})[:1000], "unreadable"),
        (promising(2**32 - 1), "header"),
        (promising(2**32 - 36), "header"),
        (promising(audio.MAX_BYTES + 2), "header"),
        (encoded(HUM, "WAV", "PCM_16")[:30], "unreadable"),
        (encoded(with_nan(), "WAV", "FLOAT"), "unreadable"),
        (encoded(np.full(RATE, np.inf, np.float32), "WAV", "FLOAT"), "unreadable"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "pointer"),
        (encoded(np.zeros(RATE, np.float32), "WAV", "PCM_16"), "silent"),
        (encoded(HUM * np.float32(0.0006), "WAV", "FLOAT"), "silent"),
        (encoded(np.empty(0, np.float32), "WAV", "PCM_16"), "short"),
        (encoded(HUM[:1], "WAV", "PCM_16"), "short"),
        (encoded(HUM[:1_599], "WAV", "PCM_16"), "short"),
        (contained(HUM[:1_000], "webm", "libopus", {}), "short"),
        (encoded(np.column_stack([HUM, -HUM]), "WAV", "PCM_16"), "silent"),
        (encoded(sine(15_000, 48_000), "WAV", "PCM_16", 48_000)[:44] + bytes(96_000), "silent"),
        (contained(np.zeros(RATE, np.float32), "webm", "libopus", {}), "silent"),
        (encoded(HUM, "WAV", "PCM_16", 1), "rate"),
        (encoded(HUM, "WAV", "PCM_16", 768_000), "rate"),
        (encoded(HUM, "WAV", "PCM_16", 3_999), "rate"),
        (encoded(HUM, "WAV", "PCM_16", 192_001), "rate"),
        (encoded(np.tile(HUM[:, np.newaxis], 9), "WAV", "PCM_16"), "channels"),
        (encoded(np.tile(HUM[:, np.newaxis], 16), "WAV", "PCM_16"), "channels"),
        (encoded(np.tile(HUM[:4_000], 601), "FLAC", "PCM_16", 4_000), "long"),
        (encoded(np.tile(HUM[:4_000], 7_200), "FLAC", "PCM_16", 4_000), "long"),
        (of_unknown_length(np.tile(HUM[:4_000], 601), 4_000), "long"),
        (contained(np.zeros(601 * 8_000, np.float32), "ipod", "aac", {}, 8_000), "long"),
        (encoded(np.full((RATE, 8), 3e38, np.float32), "WAV", "FLOAT"), "unreadable"),
        (encoded(np.full(48_000, 3e38, np.float32), "WAV", "FLOAT", 48_000), "unreadable"),
    ],
)
def test_what_cannot_be_used_says_why(data: bytes, code: str):
    with pytest.raises(AudioError) as refused:
        decode(data)
    assert refused.value.code == code
    assert refused.value.message in str(refused.value)
    assert refused.value.hint in str(refused.value)
    assert refused.value.hint
    assert refused.value.__cause__ is None or code == "unreadable"


def test_what_cannot_be_read_learns_what_can():
    with pytest.raises(AudioError, match="WAV, FLAC, Ogg, MP3, AIFF, M4A or WebM"):
        decode(b"not a sound at all")


def claiming(frames: int) -> bytes:
    """Let a FLAC header say that so many frames follow."""
    data = bytearray(encoded(HUM, "FLAC", "PCM_16"))
    data[22:26] = struct.pack(">I", frames)
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        of_unknown_length(np.tile(HUM[:4_000], 1_200), 4_000),
        contained(np.zeros(1_200 * 8_000, np.float32), "webm", "libopus", {}, 8_000),
        claiming(2**32 - 1),
    ],
    ids=["flac", "webm", "claim"],
)
def test_what_expands_without_end_takes_no_memory(data: bytes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(audio, "MAX_SECONDS", 10.0)
    tracemalloc.start()
    try:
        with pytest.raises(AudioError) as refused:
            decode(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.code == "long"
    assert peak < 4 * 10 * 48_000 * 2 + len(data)


@pytest.mark.parametrize("name", ["webm-opus", "webm-live", "m4a-fragmented", "aac", "mp3"])
def test_a_compressed_recording_that_is_cut_gives_what_there_is(name: str):
    whole = every(np.tile(HUM, 4))[name]
    sound = decode(whole[: len(whole) // 2])
    assert 0.5 < sound.duration < 3.5
    assert loudest(sound.samples)[0] == 440


def test_damaged_headers_print_nothing(capfd: pytest.CaptureFixture[str]):
    data = bytearray(encoded(HUM, "AIFF", "PCM_16"))
    data[46:50] = struct.pack(">i", -100)  # the offset of the samples
    for place in range(12, 54):
        for value in (0x00, 0x7F, 0x80, 0xFF):
            changed = bytes(data[:place]) + bytes([value]) + bytes(data[place + 1 :])
            try:
                decode(changed)
            except AudioError:
                continue
    assert "Traceback" not in capfd.readouterr().err


def test_just_enough_is_enough():
    assert len(decode(encoded(HUM[:1_600], "WAV", "PCM_16")).samples) == 1_600
    assert decode(encoded(HUM * np.float32(0.00064), "WAV", "FLOAT")).samples.max() > 0
    assert decode(encoded(np.tile(HUM[:, np.newaxis], 8), "WAV", "PCM_16")).channels == 8
    assert decode(encoded(np.tile(HUM[:4_000], 600), "FLAC", "PCM_16", 4_000)).duration == 600


def test_too_many_bytes_are_refused_unread(tmp_path: Path):
    path = tmp_path / "huge.wav"
    with path.open("wb") as file:
        file.truncate(audio.MAX_BYTES + 1)  # takes no room on the disk
    with pytest.raises(AudioError) as refused:
        decode(path)
    assert refused.value.code == "large"
    with pytest.raises(AudioError) as refused:
        decode(bytes(audio.MAX_BYTES + 1))
    assert refused.value.code == "large"


def test_a_cut_recording_gives_what_there_is():
    whole = encoded(HUM, "WAV", "PCM_16")
    assert np.array_equal(decode(whole[: 44 + 2 * 8_000]).samples, decode(whole).samples[:8_000])


def test_a_missing_file_is_no_audio_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "nowhere.wav")


def test_what_is_written_is_decoded_within_a_step(tmp_path: Path):
    noise = np.random.default_rng(1).uniform(-1, 1, RATE).astype(np.float32)
    write(noise, tmp_path / "clips" / "noise.flac")
    assert sf.info(tmp_path / "clips" / "noise.flac").subtype == "PCM_24"
    assert np.abs(decode(tmp_path / "clips" / "noise.flac").samples - noise).max() <= 2**-23
