"""How files come to the page, and what it says where there is no answer."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect
from visits import Visit

DROP = """files => {
    const transfer = new DataTransfer();
    for (const [name, bytes] of files) transfer.items.add(new File([new Uint8Array(bytes)], name));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true }));
}"""
RIGHT_TO_LEFT = "שמחה (1).wav"
PREDICT = "**/predict?*"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "words.wav"
    path.write_text("these are words")
    return path


def held(page: Page) -> list[Route]:
    """Keep back what the page sends from now on, until the tests let it go."""
    kept: list[Route] = []
    page.route(PREDICT, lambda route: kept.append(route))  # noqa: PLW0108  # Playwright marks what it is given
    return kept


def test_shows_an_error_in_words_and_then_an_answer(
    visit: Callable[..., Visit], clip: Path, words: Path
) -> None:
    visited = visit()
    page = visited.page
    page.set_input_files("#file", words)
    expect(page.locator("#error-message")).to_have_text("This is not a sound file that can be read.")
    expect(page.locator("#error-hint")).to_contain_text("Send WAV, FLAC, Ogg")
    expect(page.locator("#error-clip")).to_have_text("words.wav")
    expect(page.locator("#again")).to_be_hidden()  # it would not help
    expect(page.locator("#answer")).to_be_hidden()
    page.set_input_files("#file", clip)
    expect(page.locator("#answer")).to_be_visible()
    expect(page.locator("#error")).to_be_hidden()
    assert not [said for said in visited.complaints if "Content Security Policy" in said]


def test_takes_several_files_that_are_dropped(visit: Callable[..., Visit], clip: Path, words: Path) -> None:
    page = visit(width=390).page
    sound = list(clip.read_bytes())
    page.evaluate(
        DROP, [["first.wav", sound], ["words.wav", list(words.read_bytes())], [RIGHT_TO_LEFT, sound]]
    )
    expect(page.locator("#status")).to_have_text("All 3 are done, 1 of them without an answer.")
    rows = page.locator("#clips button")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("%")
    expect(rows.nth(1)).to_contain_text("This is not a sound file")
    expect(rows.nth(0)).to_have_attribute("aria-current", "true")
    expect(page.locator("#clip")).to_have_text("first.wav")
    rows.nth(1).press("Enter")
    expect(page.locator("#error-clip")).to_have_text("words.wav")
    expect(page.locator("#answer")).to_be_hidden()
    rows.nth(2).click()
    expect(page.locator("#clip")).to_have_text(RIGHT_TO_LEFT)
    assert page.locator("#clip").evaluate("it => it.matches(':dir(rtl)')")
    assert page.locator("#seconds").evaluate("it => it.matches(':dir(ltr)')")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#clear").click()
    expect(page.locator("#list")).to_be_hidden()
    expect(page.locator("#answer")).to_be_hidden()
    expect(page.locator("#file")).to_be_focused()


def test_says_what_it_waits_for_and_that_it_still_waits(visit: Callable[..., Visit], clip: Path) -> None:
    page = visit().page
    page.clock.install()
    kept = held(page)
    page.set_input_files("#file", clip)
    expect(page.locator("#status")).to_have_text(f"Listening to {clip.name} …")
    expect(page.locator("#progress")).to_be_visible()
    page.clock.fast_forward(5_000)
    expect(page.locator("#status")).to_contain_text(f"Still listening to {clip.name}: 5 seconds so far.")
    kept.pop().continue_()
    expect(page.locator("#answer")).to_be_focused()
    expect(page.locator("#status")).to_have_text("")
    expect(page.locator("#waiting")).to_be_hidden()


def test_waiting_can_be_cancelled_and_tried_again(visit: Callable[..., Visit], clip: Path) -> None:
    page = visit().page
    held(page)
    page.set_input_files("#file", [clip, clip])
    expect(page.locator("#status")).to_contain_text("(1 of 2)")
    page.locator("#cancel").click()
    expect(page.locator("#error-message")).to_have_text("This was cancelled.")
    expect(page.locator("#clips button").nth(1)).to_contain_text("This was cancelled.")
    expect(page.locator("#again")).to_be_focused()
    page.unroute(PREDICT)
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_be_focused()
    expect(page.locator("#clips button").nth(1)).to_contain_text("This was cancelled.")


def test_says_that_the_service_is_gone_until_it_is_back(visit: Callable[..., Visit], clip: Path) -> None:
    page = visit().page
    expect(page.locator("#model")).to_contain_text("version")
    page.context.set_offline(True)
    page.set_input_files("#file", clip)
    expect(page.locator("#error-message")).to_have_text("The service does not answer.")
    expect(page.locator("#error-hint")).to_have_text("See whether it runs, and try again.")
    page.context.set_offline(False)
    page.locator("#again").click()
    expect(page.locator("#answer")).to_be_visible()


def test_waits_for_its_turn_where_the_service_is_busy(visit: Callable[..., Visit], clip: Path) -> None:
    page = visit().page
    busy = {"error": {"code": "busy", "message": "the service has all it can do", "hint": "try again"}}
    refusal = {"status": 429, "headers": {"Retry-After": "1"}, "json": busy}
    page.route(PREDICT, lambda route: route.fulfill(**refusal), times=1)
    page.set_input_files("#file", clip)
    expect(page.locator("#answer")).to_be_visible()


def test_a_file_that_is_gone_is_not_the_services_fault(
    visit: Callable[..., Visit], clip: Path, tmp_path: Path
) -> None:
    page = visit().page
    gone = tmp_path / "gone.wav"
    gone.write_bytes(clip.read_bytes())
    kept = held(page)
    browser = page.context.new_cdp_session(page)  # Playwright itself would read the files beforehand
    document = browser.send("DOM.getDocument")["root"]["nodeId"]
    node = browser.send("DOM.querySelector", {"nodeId": document, "selector": "#file"})["nodeId"]
    browser.send("DOM.setFileInputFiles", {"files": [str(clip), str(gone)], "nodeId": node})
    expect(page.locator("#status")).to_contain_text("(1 of 2)")
    gone.unlink()
    kept.pop().continue_()
    expect(page.locator("#clips button").nth(1)).to_contain_text("This cannot be read.")


def test_asks_for_the_token_of_a_service_that_wants_one(visit: Callable[..., Visit], clip: Path) -> None:
    page = visit().page
    locked = {"error": {"code": "token", "message": "this service wants a token", "hint": "send it"}}
    sent = []

    def guard(route: Route) -> None:
        sent.append(route.request.headers.get("authorization"))
        route.continue_() if sent[-1] == "Bearer secret" else route.fulfill(status=401, json=locked)

    page.route(PREDICT, guard)
    page.set_input_files("#file", clip)
    page.get_by_label("Access token").fill("secret")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_be_visible()
    assert sent == [None, "Bearer secret"]


def test_the_keyboard_reaches_what_takes_a_sound_and_then_the_answer(
    visit: Callable[..., Visit], clip: Path
) -> None:
    page = visit().page
    page.keyboard.press("Tab")
    expect(page.locator("#record")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#file")).to_be_focused()
    page.set_input_files("#file", clip)
    expect(page.locator("#answer")).to_be_focused()
