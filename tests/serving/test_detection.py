import base64

import numpy as np
import pytest
from champion import detector, tone

from pipeline.audio import RATE
from pipeline.detector import Detector
from serving import picture
from serving.detection import timeline, windows
from serving.settings import Settings, load


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load()


@pytest.fixture(scope="module")
def trained() -> Detector:
    return detector()


def seconds(spans: list[tuple[int, int]]) -> list[tuple[float, float]]:
    return [(start / RATE, end / RATE) for start, end in spans]


@pytest.mark.parametrize(
    ("long", "expected"),
    [
        (0.1, [(0, 0.1)]),
        (4, [(0, 4)]),
        (5, [(0, 3), (1, 4), (2, 5)]),
        (5.5, [(0, 3), (0.8333, 3.8333), (1.6667, 4.6667), (2.5, 5.5)]),
    ],
)
def test_windows_cover_the_sound(
    settings: Settings, long: float, expected: list[tuple[float, float]]
) -> None:
    found = seconds(windows(round(long * RATE), settings))
    assert [span for pair in found for span in pair] == pytest.approx(
        [span for pair in expected for span in pair], abs=1e-3
    )


def test_long_sounds_have_no_more_windows(settings: Settings) -> None:
    found = windows(600 * RATE, settings)
    assert len(found) == settings.max_windows
    assert (found[0][0], found[-1][1]) == (0, 600 * RATE)
    assert windows(600 * RATE, settings.model_copy(update={"max_windows": 1})) == [(597 * RATE, 600 * RATE)]


def test_the_timeline_says_what_each_window_says_alone(settings: Settings, trained: Detector) -> None:
    parts = [tone(400.0, 1, 3), np.zeros(4 * RATE, np.float32), tone(1200.0, 2, 3)]
    sound = np.concatenate(parts)
    found = timeline(sound, trained, settings)
    assert [window.start for window in found] == [0, 1, 2, 5, 6, 7]  # between 3 and 7 there is silence
    for window in found:
        alone = trained.detect(sound[round(window.start * RATE) : round(window.end * RATE)])
        assert window.emotion == alone.emotion
        assert window.probabilities == pytest.approx(alone.probabilities, abs=1e-6)
        assert window.unsure == alone.unsure


@pytest.mark.parametrize("long", [0.1, 3, 125])
def test_the_picture_shows_what_is_loud_where_it_is(long: float) -> None:
    sound = np.zeros(round(long * RATE), np.float32)
    middle = slice(len(sound) // 2, len(sound) // 2 + 800)
    sound[middle] = np.sin(2 * np.pi * 1000 * np.arange(800) / RATE) * 0.5
    drawn = picture.draw(sound)
    assert drawn.seconds == pytest.approx(long)
    lows, highs = np.array(drawn.waveform).T
    assert len(drawn.waveform) == min(len(sound), 1000)
    assert lows.min() == pytest.approx(-0.5, abs=0.01)
    assert highs.max() == pytest.approx(0.5, abs=0.01)
    assert abs(int(highs.argmax()) / len(highs) - 0.5) < 0.3 / long
    shown = drawn.spectrogram
    levels = np.frombuffer(base64.b64decode(shown.levels), np.uint8).reshape(shown.bands, shown.columns)
    assert (shown.bands, shown.columns <= 1000) == (64, True)
    band, column = np.unravel_index(levels.argmax(), levels.shape)
    assert levels.max() == 255
    centres = np.linspace(*(1127 * np.log1p(hertz / 700) for hertz in (shown.lowest, shown.highest)), 64)
    assert 700 * np.expm1(centres[band] / 1127) == pytest.approx(1000, rel=0.2)
    assert abs(column / shown.columns - 0.5) < 0.3 / long
    if long > 1:
        assert levels[:, 0].max() == 0  # silence
