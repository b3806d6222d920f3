"""The service does what /docs.json says of it, and /docs shows that."""

from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from playwright.sync_api import Browser, expect
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

OPERATIONS = {
    "/predict": "POST",
    "/predict/batch": "POST",
    "/model": "GET",
    "/model/card": "GET",
    "/metrics": "GET",
    "/healthz": "GET",
    "/readyz": "GET",
}
ANY = list(HealthCheck)


@pytest.fixture(scope="session")
def described(service: str) -> Any:
    return schemathesis.openapi.from_url(f"{service}/docs.json")


@pytest.mark.parametrize(("path", "method"), sorted(OPERATIONS.items()))
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_answers_as_it_is_described(described: Any, path: str, method: str, mode: GenerationMode) -> None:
    """Requests that fit the description, and such as do not."""

    @settings(max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=ANY)
    @given(case=described[path][method].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        # No schema says which bytes are a sound: what is drawn from one may be refused, and the reverse.
        case.call_and_validate(
            excluded_checks=[positive_data_acceptance, negative_data_rejection], timeout=120
        )

    try:
        ask()
    except Unsatisfiable:
        taken = (mode, method) == (GenerationMode.NEGATIVE, "GET")
        assert taken, "only what takes nothing cannot be given anything wrong"


def test_describes_every_address(service: str) -> None:
    told = requests.get(f"{service}/docs.json", timeout=60).json()
    assert told["openapi"].startswith("3.1")
    methods_of = {path: [method.upper() for method in methods] for path, methods in told["paths"].items()}
    assert methods_of == {path: [method] for path, method in OPERATIONS.items()}
    for path, methods in told["paths"].items():
        for method in methods:
            reply = requests.request(method, service + path, timeout=60)
            assert str(reply.status_code) in methods[method]["responses"], path


def test_an_answer_has_the_described_shape(service: str, clip: Any, described: Any) -> None:
    query = {"timeline": "1", "picture": "1"}
    files = {"audio": clip.read_bytes()}
    reply = requests.post(f"{service}/predict", params=query, files=files, timeout=60)
    described["/predict"]["POST"].validate_response(reply)
    batch = requests.post(f"{service}/predict/batch", files=[("audio", b"words"), *files.items()], timeout=60)
    described["/predict/batch"]["POST"].validate_response(batch)


def test_shows_the_description_to_people(service: str, browser: Browser) -> None:
    page = browser.new_page()
    hosts, complaints = set(), []
    page.on("request", lambda sent: hosts.add(sent.url.split("/")[2]))
    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{service}/docs")
    expect(page.locator("#operations h2")).to_have_count(len(OPERATIONS))
    expect(page.locator("#operations")).to_contain_text("curl -F audio=@clip.wav")
    expect(page.locator("#shape-Answer")).to_contain_text("probabilities")
    page.goto(f"{service}/model/card")
    expect(page.locator("h1")).to_have_text("A card")
    assert hosts == {service.split("/")[2]}
    assert complaints == []
    page.close()
