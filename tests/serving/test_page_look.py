"""That the page can be read: contrast in both schemes, no scrolling sideways, a name for each part."""

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile as sf
from champion import tone
from playwright.sync_api import Page, expect
from visits import Visit, await_true

from pipeline.audio import RATE

# Every text that can be seen, with its contrast to what lies behind it (WCAG 2.2, 1.4.3).
CONTRASTS = """() => {
    const parsed = colour => colour.match(/[0-9.]+/g).map(Number);
    const luminance = colour => {
        const [r, g, b] = colour.map(value => value / 255)
            .map(value => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = node => {
        for (let at = node; at; at = at.parentElement) {
            const [r, g, b, alpha = 1] = parsed(getComputedStyle(at).backgroundColor);
            if (alpha === 1) return [r, g, b];
        }
        return [255, 255, 255];
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) {
        const holder = texts.currentNode.parentElement;
        if (!texts.data && !texts.currentNode.data.trim() || !holder.checkVisibility()) continue;
        const [a, b] = [parsed(getComputedStyle(holder).color).slice(0, 3), behind(holder)].map(luminance);
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        found.push([texts.currentNode.data.trim(), ratio]);
    }
    return found;
}"""
UNNAMED = """() => [...document.querySelectorAll("button, input, audio, canvas, a, [role=meter]")]
    .filter(it => !(it.labels?.length || it.ariaLabel || it.textContent.trim() || it.hidden))
    .map(it => it.outerHTML)"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("clips")
    long_name = folder / f"{'a-very-long-name-without-a-space' * 4}.wav"
    sf.write(long_name, 0.003 * tone(400, seed=1, seconds=6), RATE)  # long and quiet: a timeline and warnings
    (folder / "words.wav").write_text("these are words")
    return [long_name, folder / "words.wav"]


def readable(page: Page) -> int:
    """How many texts are seen; each has enough contrast."""
    contrasts = page.evaluate(CONTRASTS)
    assert [(text, ratio) for text, ratio in contrasts if ratio < 4.5] == []
    return len(contrasts)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_can_be_read(visit: Callable[..., Visit], files: list[Path], scheme: str) -> None:
    page = visit(width=390, color_scheme=scheme, permissions=["microphone"]).page
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(18, 21, 27)") == (scheme == "dark")
    page.set_input_files("#file", files)
    expect(page.locator("#status")).to_contain_text("All 2 are done")
    expect(page.locator("#timeline")).to_be_visible()
    expect(page.locator("#warnings")).to_be_visible()
    page.locator("#record").click()
    expect(page.locator("#record-stop")).to_be_visible()
    assert readable(page) > 60
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#clips button").nth(1).click()
    expect(page.locator("#error")).to_be_visible()
    assert readable(page) > 20
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_picture_follows_the_scheme_and_the_width(visit: Callable[..., Visit], clip: Path) -> None:
    page = visit(color_scheme="light").page
    page.set_input_files("#file", clip)
    expect(page.locator("#picture")).to_be_visible()
    middle = (
        "String(waveform.getContext('2d').getImageData(waveform.width / 2, waveform.height / 2, 1, 1).data)"
    )
    await_true(page, f"{middle} === '59,91,219,255'")
    page.emulate_media(color_scheme="dark")
    await_true(page, f"{middle} === '145,167,255,255'")
    before = page.evaluate("waveform.width")
    page.set_viewport_size({"width": 390, "height": 900})
    await_true(page, f"waveform.width < {before} && waveform.width === waveform.clientWidth")
