from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from pipeline.detector import DEMONSTRATION


@pytest.fixture(params=[1280, 390])
def page(request: pytest.FixtureRequest, browser: Browser, service: str) -> Page:
    opened = browser.new_page(viewport={"width": request.param, "height": 900})
    opened.hosts = set()
    opened.complaints = []
    opened.on("request", lambda sent: opened.hosts.add(urlsplit(sent.url).hostname))
    opened.on("console", lambda said: opened.complaints.append(said.text))
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.goto(service)
    yield opened
    opened.close()


def test_shows_the_answer(page: Page, clip: Path) -> None:
    page.set_input_files("#file", clip)
    expect(page.locator("#emotion")).to_contain_text("It sounds like")
    percents = [int(text.removesuffix(" %")) for text in page.locator("#bars .percent").all_inner_texts()]
    assert len(percents) == 6
    assert sum(percents) == 100
    widths = [box.evaluate("bar => bar.style.width") for box in page.locator("#bars .fill").all()]
    assert widths == [f"{percent}%" for percent in percents]
    chosen = page.locator("#bars .chosen .name").inner_text()
    assert page.locator("#path li").last.inner_text().startswith(chosen)
    expect(page.locator("#clip")).to_have_text(clip.name)
    expect(page.locator("#model")).to_contain_text("emotion-detector-six, version 1")
    expect(page.locator("#note")).to_have_text(DEMONSTRATION)
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert page.hosts == {"127.0.0.1"}
    assert page.complaints == []


def test_shows_an_error_in_words_and_then_an_answer(page: Page, clip: Path, tmp_path: Path) -> None:
    words = tmp_path / "words.wav"
    words.write_text("these are words")
    page.set_input_files("#file", words)
    expect(page.locator("#error-message")).to_have_text("This is not a sound file that can be read.")
    expect(page.locator("#error-hint")).to_have_text("Send WAV, FLAC, Ogg, MP3 or AIFF.")
    expect(page.locator("#answer")).to_be_hidden()
    page.set_input_files("#file", clip)
    expect(page.locator("#answer")).to_be_visible()
    expect(page.locator("#error")).to_be_hidden()
    assert not [said for said in page.complaints if "Content Security Policy" in said]


def test_takes_a_file_that_is_dropped(page: Page, clip: Path) -> None:
    page.evaluate(
        """bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "dropped.wav"));
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true }));
        }""",
        list(clip.read_bytes()),
    )
    expect(page.locator("#clip")).to_have_text("dropped.wav")


def test_says_that_the_service_is_gone(page: Page, clip: Path) -> None:
    page.route("**/predict", lambda route: route.abort())
    page.set_input_files("#file", clip)
    expect(page.locator("#error-message")).to_have_text("The service does not answer.")


def test_moves_the_focus_from_the_choice_to_the_answer(page: Page, clip: Path) -> None:
    page.keyboard.press("Tab")
    expect(page.locator("#file")).to_be_focused()
    page.set_input_files("#file", clip)
    expect(page.locator("#answer")).to_be_focused()
