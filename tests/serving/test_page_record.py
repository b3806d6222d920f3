"""Recording with the browser's fake microphone, which hears a hum of 400 Hz."""

import base64
from collections.abc import Callable
from urllib.parse import urlsplit

import librosa
import numpy as np
import pytest
from playwright.sync_api import Page, expect
from visits import SPOKEN, Visit, await_true

ALLOWED = {"permissions": ["microphone"]}
REFUSE = "() => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', %r); }; }"


def record(page: Page, seconds: int) -> None:
    page.locator("#record").click()
    expect(page.locator("#record-stop")).to_be_focused()
    expect(page.locator("#elapsed")).to_have_text(f"0:0{seconds}")


def test_what_is_recorded_is_what_the_service_hears(visit: Callable[..., Visit]) -> None:
    visited = visit(**ALLOWED)
    page = visited.page
    record(page, 2)
    assert int(page.locator("#level").get_attribute("aria-valuenow")) == pytest.approx(-6, abs=1)
    expect(page.locator("#left")).to_have_text("28 s left")
    page.keyboard.press("Enter")  # stop
    expect(page.locator("#record-send")).to_be_focused()
    expect(page.locator("#record-status")).to_contain_text("s recorded.")
    with page.expect_response("**/predict?*") as replied:
        page.keyboard.press("Enter")  # send
    expect(page.locator("#answer")).to_be_focused()
    expect(page.locator("#clip")).to_have_text("recording-1.wav")
    expect(page.locator("#record")).to_be_visible()
    answer = replied.value.json()
    assert 2 <= answer["seconds"] < 20
    waveform = np.array(answer["picture"]["waveform"])
    middle = waveform[len(waveform) // 4 : -len(waveform) // 4]
    assert np.median(middle[:, 1]) == pytest.approx(0.5, abs=0.02)  # no gain, no noise suppression
    told = answer["picture"]["spectrogram"]
    levels = np.frombuffer(base64.b64decode(told["levels"]), np.uint8).reshape(told["bands"], told["columns"])
    centres = librosa.mel_frequencies(n_mels=told["bands"] + 2, fmax=8_000)[1:-1]
    assert centres[levels.mean(axis=1).argmax()] == pytest.approx(SPOKEN, abs=40)
    assert visited.hosts == {"127.0.0.1"}
    assert visited.complaints == []


def test_a_recording_can_be_heard_and_discarded(visit: Callable[..., Visit]) -> None:
    visited = visit(**ALLOWED)
    page = visited.page
    record(page, 1)
    page.locator("#record-stop").click()
    page.locator("#listen").evaluate("it => it.play()")
    await_true(page, "listen.currentTime > 0.2 && listen.duration > 1")
    page.locator("#record-discard").click()
    expect(page.locator("#record")).to_be_focused()
    expect(page.locator("#record-status")).to_have_text("Discarded.")
    record(page, 0)
    page.locator("#record-abandon").click()
    expect(page.locator("#record")).to_be_focused()
    expect(page.locator("#answer")).to_be_hidden()
    assert visited.complaints == []


def test_a_recording_ends_at_its_limit(visit: Callable[..., Visit]) -> None:
    page = visit(**ALLOWED).page
    page.route(
        "**/page/recorder.js",
        lambda route: route.fulfill(
            body=route.fetch().text().replace("LIMIT = 30", "LIMIT = 2"), content_type="text/javascript"
        ),
    )
    page.reload()
    page.locator("#record").click()
    expect(page.locator("#record-status")).to_contain_text("2.0 s recorded.")
    expect(page.locator("#record-send")).to_be_focused()


def test_says_that_the_microphone_is_not_allowed(visit: Callable[..., Visit]) -> None:
    page = visit().page
    page.locator("#record").click()
    expect(page.locator("#record-trouble")).to_contain_text("The microphone is not allowed here.")
    expect(page.locator("#record-trouble")).to_contain_text("Allow it in the browser's settings")
    expect(page.locator("#record")).to_be_focused()


@pytest.mark.parametrize(
    ("error", "words"),
    [("NotFoundError", "No microphone was found."), ("NotReadableError", "The microphone cannot be used.")],
)
def test_says_what_is_wrong_with_the_microphone(visit: Callable[..., Visit], error: str, words: str) -> None:
    page = visit(**ALLOWED).page
    page.evaluate(REFUSE % error)
    page.locator("#record").click()
    expect(page.locator("#record-trouble")).to_contain_text(words)


def test_says_that_recording_needs_a_secure_address(visit: Callable[..., Visit], service: str) -> None:
    page = visit(f"http://elsewhere.test:{urlsplit(service).port}").page
    page.locator("#record").click()
    expect(page.locator("#record-trouble")).to_contain_text(
        "The microphone works only where this page came over https"
    )
    expect(page.locator("#record-trouble")).to_contain_text("choose a sound file instead", ignore_case=True)
