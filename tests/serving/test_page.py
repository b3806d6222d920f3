"""What the page shows of an answer."""

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import requests
import soundfile as sf
from champion import METRICS, tone
from matplotlib.image import imread
from playwright.sync_api import Page, expect
from visits import Visit, await_true

from pipeline.audio import RATE
from pipeline.detector import DEMONSTRATION


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine seconds: anger's tone, then fear's, then sadness's, of the detector that the tests train."""
    path = tmp_path_factory.mktemp("clips") / "changing.wav"
    sf.write(path, np.concatenate([tone(pitch, seed=pitch, seconds=3) for pitch in (200, 600, 1200)]), RATE)
    return path


def ask(service: str, clip: Path, query: str = "") -> dict:
    return requests.post(f"{service}/predict{query}", files={"audio": clip.read_bytes()}, timeout=60).json()


def pixels(page: Page, canvas: str) -> np.ndarray:
    """The colours of a canvas, shape (height, width, 4), from 0 to 1."""
    address = page.locator(canvas).evaluate("canvas => canvas.toDataURL()")
    return imread(io.BytesIO(base64.b64decode(address.partition(",")[2])))


@pytest.mark.parametrize("width", [1280, 390])
def test_shows_the_answer(visit: Callable[..., Visit], clip: Path, service: str, width: int) -> None:
    visited = visit(width=width)
    page = visited.page
    page.set_input_files("#file", clip)
    expect(page.locator("#answer")).to_be_visible()
    answer = ask(service, clip)
    percents = [int(text.removesuffix(" %")) for text in page.locator("#bars .percent").all_inner_texts()]
    assert len(percents) == 6
    assert sum(percents) == 100
    assert percents[0] == pytest.approx(100 * answer["probabilities"][answer["emotion"]], abs=1)
    widths = [fill.evaluate("fill => fill.style.width") for fill in page.locator("#bars .fill").all()]
    assert widths == [f"{percent}%" for percent in percents]
    chosen = page.locator("#bars .chosen .name").inner_text()
    expect(page.locator("#emotion")).to_contain_text("It sounds like")
    expect(page.locator("#emotion")).to_contain_text(chosen)
    expect(page.locator("#certainty")).to_contain_text(f"{percents[0]}\u00a0% likely")
    assert page.locator("#sign svg").get_attribute("data-emotion") == answer["emotion"]
    expect(page.locator("#clip")).to_have_text(clip.name)
    expect(page.locator("#seconds")).to_have_text("· 3.0 s")
    expect(page.locator("#heard audio")).to_be_visible()
    expect(page.locator("#timeline")).to_be_hidden()  # three seconds have one emotion
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert visited.hosts == {"127.0.0.1"}
    assert visited.complaints == []


def test_shows_the_way_down_the_tree(visit: Callable[..., Visit], clip: Path, service: str) -> None:
    page = visit().page
    page.set_input_files("#file", clip)
    path = ask(service, clip)["path"]
    taken = page.locator("#tree .taken > .node")
    expect(taken).to_have_count(len(path))
    percents = [int(text.removesuffix(" %")) for text in taken.locator(".percent").all_inner_texts()]
    assert percents == [pytest.approx(100 * step["probability"], abs=2) for step in path]
    for group in page.locator("#tree, #tree ul").all():  # branches sum to what is above them
        above = group.locator("xpath=preceding-sibling::span/span[@class='percent']")
        branches = group.locator("> li > .node > .percent").all_inner_texts()
        whole = above.inner_text() if above.count() else "100 %"
        assert sum(int(text.removesuffix(" %")) for text in branches) == int(whole.removesuffix(" %"))
    assert page.locator("#tree svg").count() == 6
    expect(taken.last).to_contain_text("the answer")


def test_says_plainly_that_it_is_not_sure_and_what_spoils_the_sound(
    visit: Callable[..., Visit], clip: Path, service: str
) -> None:
    answer = ask(service, clip, "?picture=1")
    warning = {"code": "quiet", "message": "it is very quiet", "hint": "come closer"}
    page = visit().page
    page.route(
        "**/predict?*", lambda route: route.fulfill(json=answer | {"unsure": True, "warnings": [warning]})
    )
    page.set_input_files("#file", clip)
    expect(page.locator("#emotion")).to_contain_text("It is not sure. Most likely: ")
    expect(page.locator("#warnings li")).to_have_text("It is very quiet. Come closer.")


def test_draws_what_was_heard(visit: Callable[..., Visit], tmp_path: Path) -> None:
    sound = np.concatenate([0.01 * tone(300, seed=1), tone(300, seed=2)])
    sf.write(tmp_path / "rising.wav", sound, RATE)
    page = visit().page
    page.set_input_files("#file", tmp_path / "rising.wav")
    expect(page.locator("#waveform")).to_have_attribute(
        "aria-label", re.compile("^Waveform of 2.0 s, loudest at 1.")
    )
    painted = (pixels(page, "#waveform")[:, :, 3] > 0).sum(axis=0)  # in each column
    half = len(painted) // 2
    assert painted[half + 5 :].mean() > 10 * painted[: half - 5].mean()
    shades = pixels(page, "#spectrogram")[:, :, :3]
    silence = shades[0, -1]
    loudest = np.abs(shades - silence).sum(axis=2)[:, half + 5 : -5].mean(axis=1).argmax()
    assert loudest > 0.7 * len(shades)  # 300 Hz lie near the bottom
    marks = page.locator("#axis .mark").all_inner_texts()
    assert marks[:3] == ["0.0", "0.5", "1.0"]
    expect(page.locator("#highest")).to_contain_text("kHz")


def test_the_timeline_says_where_what_is_heard_and_plays_from_there(
    visit: Callable[..., Visit], changing: Path
) -> None:
    visited = visit()
    page = visited.page
    page.set_input_files("#file", changing)
    timeline = page.locator("#timeline")
    expect(page.locator("#course")).to_contain_text("First anger until")
    expect(page.locator("#course")).to_contain_text("fear until")
    expect(page.locator("#course")).to_contain_text("then sadness.")
    expect(page.locator("#moment")).to_contain_text("0:00 to 0:03: anger")
    width = timeline.bounding_box()["width"]
    timeline.click(position={"x": width * 0.95, "y": 20})
    await_true(page, "!sound.paused && sound.currentTime >= 0.94 * 9")
    expect(page.locator("#moment")).to_contain_text("0:06 to 0:09: sadness")
    assert float(page.locator("#cursor").evaluate("cursor => parseFloat(cursor.style.left)")) >= 94
    page.locator("#waveform").click(position={"x": width * 0.5, "y": 20})
    await_true(page, "4.4 < sound.currentTime && sound.currentTime < 6")
    assert visited.complaints == []


def test_the_timeline_works_by_keyboard(visit: Callable[..., Visit], changing: Path) -> None:
    page = visit().page
    page.set_input_files("#file", changing)
    timeline = page.locator("#timeline")
    expect(page.locator("#answer")).to_be_focused()
    for _ in range(12):  # past the player's own controls
        page.keyboard.press("Tab")
        if timeline.evaluate("it => it === document.activeElement"):
            break
    expect(timeline).to_be_focused()
    last = int(timeline.get_attribute("aria-valuemax"))
    for place in range(1, last + 1):
        page.keyboard.press("ArrowRight")
        expect(timeline).to_have_attribute("aria-valuenow", str(place))
        await_true(page, "!sound.seeking")
        expect(timeline).to_have_attribute("aria-valuenow", str(place))
    assert timeline.get_attribute("aria-valuetext").startswith("0:06 to 0:09: sadness, ")
    page.keyboard.press("Home")
    expect(timeline).to_have_attribute("aria-valuenow", "0")
    assert page.evaluate("sound.paused")
    page.keyboard.press("Enter")
    await_true(page, "!sound.paused && sound.currentTime > 0")


def test_says_which_model_answers(visit: Callable[..., Visit], service: str) -> None:
    told = requests.get(f"{service}/model", timeout=60).json()
    page = visit().page
    expect(page.locator("#model")).to_contain_text("emotion-detector-six, version 1, of ")
    expect(page.locator("#note")).to_have_text(DEMONSTRATION)
    expect(page.locator("#accuracy")).to_contain_text("synthetic voices")
    expect(page.locator("#about")).to_contain_text("Not for judging people")
    expect(page.locator("#about")).to_contain_text("Recordings are not kept")
    page.route("**/model", lambda route: route.fulfill(json=told | {"trained_on": "full", "note": None}))
    page.reload()
    expect(page.locator("#accuracy")).to_contain_text(f"in {METRICS['test.uar']:.0%}".replace("%", "\u00a0%"))
    expect(page.locator("#accuracy")).to_contain_text("whom it had never heard")
    expect(page.locator("#accuracy")).to_contain_text("Guessing would reach 17\u00a0%")
    expect(page.locator("#note")).to_be_hidden()
    with page.context.expect_page() as opened:
        page.locator("#card").click()
    expect(opened.value.get_by_role("heading", name="A card")).to_be_visible()
