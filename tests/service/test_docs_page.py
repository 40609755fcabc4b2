"""The page at /docs, in a real browser: it shows every door, loads nothing from elsewhere, and its calls work."""

import json
from urllib.parse import urlsplit

import pytest

from replicator.web.openapi import describe
from replicator.web.openapi_doors import REPLICATE
from tests.service.browser import browser
from tests.service.conftest import REPLICA, SOURCE

__all__ = ["browser"]

DOORS = [
    (method, path) for path, item in describe(REPLICATE)["paths"].items() for method in item if path != "/docs/{asset}"
]


@pytest.fixture
def page(browser, service):
    """The page once it is drawn; what it asked for and complained of is kept beside it."""
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    page.asked, page.complaints = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda line: page.complaints.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(f"{service.url}/docs")
    page.wait_for_selector(".opblock")
    yield page
    page.close()


def door(page, method: str, path: str):
    return page.locator(f".opblock-{method}", has=page.locator(f'[data-path="{path}"]'))


def test_every_door_is_shown(page):
    assert page.locator(".opblock").count() >= len(DOORS)
    for method, path in DOORS:
        assert door(page, method, path).count() == 1, (method, path)
    assert page.title() == "Replicator"
    assert page.locator(".errors-wrapper").count() == 0


def test_nothing_is_asked_of_another_host_and_nothing_is_complained_of(page, service):
    for method, path in (("post", "/v1/replicate"), ("get", "/v1/object/{bucket}/{key}")):
        door(page, method, path).locator(".opblock-summary-control").click()
        door(page, method, path).locator(".responses-table").wait_for()
    page.wait_for_load_state("networkidle")
    hosts = {urlsplit(url).netloc for url in page.asked if not url.startswith("data:")}
    assert hosts == {urlsplit(service.url).netloc}
    assert any(url.endswith("/openapi.json") for url in page.asked)
    assert page.complaints == []


def test_a_dry_run_can_be_tried_out(page, service):
    service.put("hello.txt", b"hello")
    block = door(page, "post", "/v1/replicate")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    example = json.loads(block.locator("textarea").input_value())
    assert example == {"bucket": SOURCE, "key": "hello.txt", "dry_run": True}
    with page.expect_response(lambda response: response.request.method == "POST") as answered:
        block.get_by_role("button", name="Execute").click()
    assert answered.value.url == f"{service.url}/v1/replicate"
    assert answered.value.status == 200
    shown = block.locator(".live-responses-table .response-col_status").last
    shown.wait_for()
    assert "200" in shown.inner_text()
    answer = answered.value.json()
    assert (answer["result"], answer["dry_run"], answer["destination"]) == (
        "created",
        True,
        f"gs://{REPLICA}/hello.txt",
    )
    assert service.writes() == 0
    assert page.complaints == []


def test_a_policy_keeps_the_page_from_reaching_elsewhere(page):
    """The header is what the browser obeys."""
    with page.expect_event("console", lambda line: "Content Security Policy" in line.text):
        page.evaluate("fetch('http://127.0.0.2:9/').catch(() => null)")
    page.evaluate(
        "() => { const s = document.createElement('script'); s.text = 'window.ran = 1'; document.body.append(s) }"
    )
    assert page.evaluate("window.ran") is None
