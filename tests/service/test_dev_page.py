"""The page at `/dev`, as a person uses it: in a browser, on the whole local stack."""

import json
import re

import pytest
import requests
from playwright.sync_api import expect

from replicator.dev.rules import DESTINATION_BUCKET, SOURCE_BUCKET, read_rules
from replicator.dev.stack import Stack
from replicator.reasons import Reason
from tests.service.browser import headless_chromium, quiet_page

PATIENCE_MS = 40_000
HOSTILE = "<img src=x onerror=alert(1)>"

RULES = f"""
rules:
  - id: default
    source: {{bucket: {SOURCE_BUCKET}}}
    destination: {{bucket: {DESTINATION_BUCKET}}}
    deletes: propagate
  - id: archive
    source: {{bucket: {SOURCE_BUCKET}, prefix: two/}}
    destination: {{bucket: archive}}
"""

DROP = """([panel, name, text]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([text], name, { type: "text/plain" }));
    for (const kind of ["dragover", "drop"])
        panel.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def browser():
    with headless_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def stack(browser, tmp_path_factory):
    rules = tmp_path_factory.mktemp("rules") / "rules.yaml"
    rules.write_text(RULES)
    with Stack(tmp_path_factory.mktemp("local"), rules=read_rules(rules)) as stack:
        yield stack


@pytest.fixture
def page(browser, stack):
    with quiet_page(browser) as page:
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page.goto(stack.page_url)
        expect(page.locator("#connection")).to_have_text("live")
        yield page


def upload(page, name, body=b"Hello"):
    page.locator("#files").set_input_files({"name": name, "mimeType": "text/plain", "buffer": body})


def source(page, key):
    return page.locator("#source-rows tr").filter(has=page.get_by_text(key, exact=True))


def replica(page, name):
    return page.locator("#replica-rows tr").filter(has=page.get_by_text(name, exact=True))


def outcomes(page, key, result):
    """The lines about one object with that result, the newest first."""
    lines = page.locator("#outcomes li").filter(has=page.get_by_text(key, exact=True))
    return lines.filter(has=page.locator(".badge").get_by_text(result, exact=True))


def remove(page, key):
    page.get_by_role("button", name=f"Delete {key}", exact=True).click()


def test_a_file_that_is_uploaded_appears_on_both_sides_with_its_outcome(page, stack):
    upload(page, "uploaded.txt", b"Hello from the page")
    expect(source(page, "uploaded.txt").locator(".size")).to_have_text("19 B")
    expect(replica(page, "uploaded.txt").locator(".badge")).to_have_text("in sync")
    expect(replica(page, "uploaded.txt").locator(".generation")).to_have_text(re.compile(r"\d{10,}"))
    outcome = outcomes(page, "uploaded.txt", "created").first
    expect(outcome).to_contain_text(Reason.DESTINATION_ABSENT.explanation)
    expect(outcome).to_contain_text("destination_absent")
    expect(outcome).to_contain_text("rule default")
    expect(outcome).to_contain_text(re.compile(r"path whole.*bytes 19 B.*attempts 1.*took.*lag \d", re.DOTALL))
    replicated = stack.storage.bucket(DESTINATION_BUCKET).blob("uploaded.txt")
    assert replicated.download_as_bytes() == b"Hello from the page"


def test_a_dry_run_is_no_outcome(page, stack):
    direct = {"bucket": SOURCE_BUCKET, "key": "dry.txt", "dry_run": True}
    assert requests.post(f"{stack.replicate_url}/v1/replicate", json=direct, timeout=30).json()["dry_run"]
    upload(page, "wet.txt")
    expect(outcomes(page, "wet.txt", "created")).to_have_count(1)
    expect(page.locator("#outcomes li").filter(has=page.get_by_text("dry.txt", exact=True))).to_have_count(0)


def test_a_file_that_is_dropped_is_uploaded(page):
    panel = page.locator("#source").element_handle()
    page.evaluate(DROP, [panel, "dropped.txt", "dropped"])
    expect(replica(page, "dropped.txt").locator(".badge")).to_have_text("in sync")
    expect(page.locator("#upload-status")).to_have_text("Uploaded 1 file.")


def test_a_file_that_is_dropped_elsewhere_is_left_alone(page):
    page.evaluate(DROP, [page.locator("h1").element_handle(), "elsewhere.txt", "dropped"])
    page.evaluate(DROP, [page.locator("#source").element_handle(), "here.txt", "dropped"])
    expect(replica(page, "here.txt")).to_be_visible()
    expect(source(page, "elsewhere.txt")).to_have_count(0)


def test_deleting_the_source_deletes_the_replica_and_the_keyboard_goes_on_from_there(page):
    upload(page, "deleted-1.txt")
    upload(page, "deleted-2.txt")
    expect(replica(page, "deleted-1.txt")).to_be_visible()
    expect(replica(page, "deleted-2.txt")).to_be_visible()
    page.get_by_role("button", name="Delete deleted-1.txt").focus()
    page.keyboard.press("Enter")
    expect(source(page, "deleted-1.txt")).to_have_count(0)
    expect(replica(page, "deleted-1.txt")).to_have_count(0)
    expect(outcomes(page, "deleted-1.txt", "deleted")).to_have_count(1)
    expect(page.locator("button:focus")).to_have_count(1)
    expect(replica(page, "deleted-2.txt")).to_be_visible()


def test_what_others_write_appears_too_and_a_foreign_object_is_told_from_a_replica(page, stack):
    stack.storage.bucket(DESTINATION_BUCKET).blob("by-somebody-else.txt").upload_from_string(b"?")
    stack.s3.put_object(Bucket=SOURCE_BUCKET, Key="folder/by-a-script.bin", Body=bytes(9 * 1024**2))
    expect(outcomes(page, "folder/by-a-script.bin", "created")).to_contain_text("path stream")
    expect(replica(page, "folder/by-a-script.bin").locator(".badge")).to_have_text("in sync")
    expect(replica(page, "by-somebody-else.txt").locator(".badge")).to_have_text("no receipt")


def test_a_destination_in_a_bucket_that_the_page_does_not_show_is_named(page):
    upload(page, "two/destinations.txt")
    expect(outcomes(page, "two/destinations.txt", "created")).to_have_count(2)
    for rule, elsewhere in ("archive", ["→ gs://archive/two/destinations.txt"]), ("default", []):
        outcome = outcomes(page, "two/destinations.txt", "created").filter(has_text=f"rule {rule}")
        expect(outcome.locator(".elsewhere")).to_have_text(elsewhere)


def test_a_hostile_key_is_shown_as_text(page):
    upload(page, HOSTILE)
    expect(source(page, HOSTILE)).to_be_visible()
    expect(replica(page, HOSTILE).locator(".badge")).to_have_text("in sync")
    expect(outcomes(page, HOSTILE, "created").locator(".object")).to_have_text(HOSTILE)
    assert page.locator("main img").count() == 0
    remove(page, HOSTILE)
    expect(outcomes(page, HOSTILE, "deleted")).to_have_count(1)
    expect(page.locator("#upload-status")).to_have_text(f"Deleted {HOSTILE}.")


def test_a_fault_is_seen_to_fail_and_without_it_everything_agrees(page):
    page.get_by_role("radio", name="Down").check(force=True)
    expect(page.locator("#fault-explanation")).to_contain_text("Every write is answered with 503.")
    upload(page, "delayed.txt")
    expect(page.locator("#fault-struck")).to_have_text(re.compile(r"Hit [1-9]\d* request"))
    failed = outcomes(page, "delayed.txt", "failed").first
    expect(failed).to_contain_text("destination_unavailable")
    expect(failed).to_contain_text("Cloud Storage did not answer, or asked to be called later.")
    expect(page.locator("#replica-rows tr.gap")).to_contain_text("not there yet")
    expect(page.locator("#under-way")).to_have_text("1")
    page.get_by_role("radio", name="Off").check(force=True)
    expect(outcomes(page, "delayed.txt", "created")).to_contain_text(re.compile(r"Got through after \d failures?\."))
    expect(replica(page, "delayed.txt").locator(".badge")).to_have_text("in sync")
    expect(page.locator("#under-way")).to_have_text("0")
    expect(page.locator("#dead-letters")).to_have_text("0")


def test_a_lost_answer_changes_nothing_in_the_end(page):
    page.get_by_role("radio", name="Garbled answers").check(force=True)
    expect(page.locator("#switch")).to_have_class(re.compile(r"\bon\b"))
    upload(page, "garbled.txt")
    expect(outcomes(page, "garbled.txt", "unchanged")).to_contain_text("attempts 2")
    page.get_by_role("radio", name="Off").check(force=True)
    expect(page.locator("#switch")).not_to_have_class(re.compile(r"\bon\b"))
    expect(replica(page, "garbled.txt").locator(".badge")).to_have_text("in sync")


def test_a_page_that_is_opened_late_shows_what_happened_before(page):
    upload(page, "before.txt")
    expect(outcomes(page, "before.txt", "created")).to_have_count(1)
    page.reload()
    expect(outcomes(page, "before.txt", "created")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1400])
def test_the_page_fits_its_window_in_both_colour_schemes(page, stack, width, scheme):
    stack.s3.put_object(Bucket=SOURCE_BUCKET, Key="long/" + "x" * 300, Body=b"")
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    expect(replica(page, "long/" + "x" * 300).locator(".badge")).to_have_text("in sync")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for last in (
        replica(page, "long/" + "x" * 300).locator(".badge"),
        source(page, "long/" + "x" * 300).locator("button"),
    ):
        box = last.bounding_box()
        assert box["x"] + box["width"] <= width, "a long key pushes the last column out"
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background))) < 200) is (scheme == "dark")


def test_a_page_elsewhere_in_the_same_browser_cannot_write(browser, stack):
    """A browser sends a form anywhere without asking, so that it is for the server to refuse it."""
    form = f"""<form method=post enctype=text/plain action="{stack.page_url}/api/fault">
        <input name='{{"position": "down", "' value='": 0}}'></form>"""
    stack.s3.put_object(Bucket=SOURCE_BUCKET, Key="evil.html", Body=form, ContentType="text/html")
    with browser.new_context() as context:
        foreign = context.new_page()
        foreign.goto(f"{stack.s3_url}/{SOURCE_BUCKET}/evil.html")
        with foreign.expect_response(f"{stack.page_url}/api/fault") as answered:
            foreign.evaluate("document.forms[0].submit()")
        assert json.loads(answered.value.request.post_data)["position"] == "down"
        assert answered.value.status == 403
    with quiet_page(browser) as page:
        page.goto(stack.page_url)
        expect(page.get_by_role("radio", name="Off")).to_be_checked()


def test_a_dead_letter_is_counted_and_can_be_delivered_again(page, stack):
    expect(page.get_by_role("button", name="Deliver again")).to_be_hidden()
    stack.s3.put_object(Bucket=SOURCE_BUCKET, Key=".well-known/acme-challenge/unnameable", Body=b"")
    expect(page.locator("#dead-letters")).to_have_text("1")
    expect(outcomes(page, ".well-known/acme-challenge/unnameable", "failed").first).to_contain_text(
        "Failed 5 times in a row. Cloud Storage cannot hold an object of this name."
    )
    page.get_by_role("button", name="Deliver again").click()
    expect(page.locator("#upload-status")).to_have_text("Delivering 1 dead letter again.")
    expect(outcomes(page, ".well-known/acme-challenge/unnameable", "failed").first).to_contain_text("Failed 6 times")
