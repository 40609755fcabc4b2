"""The page at /docs, in a real browser: it shows every door, loads nothing from elsewhere, and its calls work."""

import json
from urllib.parse import urlsplit

import pytest

from replicator.web.openapi import describe
from replicator.web.openapi_doors import REPLICATE
from tests.service.browser import headless_chromium, quiet_page
from tests.service.conftest import REPLICA, SOURCE

DOORS = [
    (method, path) for path, item in describe(REPLICATE)["paths"].items() for method in item if path != "/docs/{asset}"
]


@pytest.fixture(scope="module")
def browser():
    with headless_chromium() as running:
        yield running


@pytest.fixture
def page(browser, service):
    """The page once it is drawn, with all it asked for. A complaint on its console fails the test."""
    with quiet_page(browser, viewport={"width": 1280, "height": 1600}) as page:
        yield opened(page, service.url)


def opened(page, url: str):
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(f"{url}/docs")
    page.wait_for_selector(".opblock")
    return page


def door(page, method: str, path: str):
    return page.locator(f".opblock-{method}", has=page.locator(f'[data-path="{path}"]'))


def test_every_door_is_shown(page):
    assert page.locator(".opblock").count() >= len(DOORS)
    for method, path in DOORS:
        assert door(page, method, path).count() == 1, (method, path)
    assert page.title() == "Replicator"
    assert page.locator(".errors-wrapper").count() == 0


def test_nothing_is_asked_of_another_host(page, service):
    for method, path in (("post", "/v1/replicate"), ("get", "/v1/object/{bucket}/{key}")):
        door(page, method, path).locator(".opblock-summary-control").click()
        door(page, method, path).locator(".responses-table").wait_for()
    page.wait_for_load_state("networkidle")
    hosts = {urlsplit(url).netloc for url in page.asked if not url.startswith("data:")}
    assert hosts == {urlsplit(service.url).netloc}
    assert any(url.endswith("/openapi.json") for url in page.asked)


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


def test_a_policy_keeps_the_page_from_reaching_elsewhere(browser, service):
    """The header is what the browser obeys; that it refuses is a complaint on the console."""
    page = opened(browser.new_page(), service.url)
    with page.expect_event("console", lambda line: "Content Security Policy" in line.text):
        page.evaluate("fetch('http://127.0.0.2:9/').catch(() => null)")
    script = "() => { const s = document.createElement('script'); s.text = 'window.ran = 1'; document.body.append(s) }"
    page.evaluate(script)
    assert page.evaluate("window.ran") is None
    page.close()
