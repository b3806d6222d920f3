import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from champion import CARD, NAME, Home, detector
from playwright.sync_api import Browser, expect

from pipeline import release
from pipeline.audio import decode
from pipeline.detector import ABOUT, DEMONSTRATION, Detector

MODEL = {
    "name": NAME,
    "version": "release-2026-11-23",
    "trained_on": "full",
    "licence": release.LICENCE,
    "note": release.NOTE,
    "corpora": ["ravdess"],
}
TOLD = {key: MODEL[key] for key in ABOUT}
SERVICE = "serving.service:EmotionDetector"


@pytest.fixture(scope="module")
def given() -> Detector:
    return detector("full")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, given: Detector) -> Home:
    """A home with a release, nothing in the registry and nothing in the BentoML store."""
    clone = Home(tmp_path_factory.mktemp("clone"))
    release.write(given, MODEL, CARD, clone.folder / "release")
    return clone


@pytest.fixture(scope="module")
def address(clone: Home, serve: Callable[..., Any]) -> Iterator[str]:
    with serve(SERVICE, clone.folder, clone.environment) as address:
        yield address


def ask(address: str, clip: Path) -> dict[str, Any]:
    reply = requests.post(f"{address}/predict", files={"audio": clip.read_bytes()}, timeout=60)
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def test_the_release_serves_where_nothing_was_trained(address: str, clip: Path, given: Detector) -> None:
    answer, expected = ask(address, clip), given.detect(decode(clip).samples)
    assert answer["emotion"] == expected.emotion
    assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-9)
    assert answer["model"] == TOLD
    assert requests.get(f"{address}/model", timeout=60).json().items() >= TOLD.items()
    assert requests.get(f"{address}/model/card", timeout=60).text == CARD


def test_the_page_says_that_it_is_a_release(address: str, clip: Path, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(address)
    expect(page.locator("#note")).to_contain_text("for research only")
    expect(page.locator("#note")).to_contain_text("CC BY-NC-SA 4.0")
    page.set_input_files("#file", clip)
    expect(page.locator("#model")).to_contain_text("emotion-detector-six, version release-2026-11-23")
    page.close()


@pytest.mark.parametrize("chosen", [None, "release"])
def test_a_champion_takes_its_place_unless_the_release_is_asked_for(
    clone: Home,
    home: Home,
    serve: Callable[..., Any],
    clip: Path,
    tmp_path: Path,
    chosen: str | None,
) -> None:
    for place, name in ((clone, "release"), (home, "build"), (home, "bentoml")):
        shutil.copytree(place.folder / name, tmp_path / name)
    variables = Home(tmp_path).environment | ({"EMOTION_DETECTOR_MODEL": chosen} if chosen else {})
    with serve(SERVICE, tmp_path, variables) as address:
        model = ask(address, clip)["model"]
    champion = {"name": NAME, "version": "1", "trained_on": "sample", "note": DEMONSTRATION}
    assert model == (TOLD if chosen else champion)
