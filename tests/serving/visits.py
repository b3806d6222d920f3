"""What the tests of the page know of a visit to it."""

import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Page

SPOKEN = 400  # Hz: what the browser's fake microphone hears


@dataclass
class Visit:
    """A page in the browser, the hosts that it asked, and what it complained about."""

    page: Page
    hosts: set[str | None] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        # A sound that the page has in hand has an address too, blob:http://…
        self.page.on("request", lambda sent: self.hosts.add(host(sent.url.removeprefix("blob:"))))
        self.page.on("console", lambda said: self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))


def host(address: str) -> str | None:
    """The host of an address."""
    return urlsplit(address).hostname


def await_true(page: Page, expression: str) -> None:
    """Wait until an expression holds. Playwright's own way is forbidden by the content security policy."""
    deadline = time.monotonic() + 60
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"never came true: {expression}"
        page.wait_for_timeout(50)
