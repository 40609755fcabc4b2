"""The checks' names, what the document says of them, and how an examination ends."""

import re
import signal
import threading
from concurrent.futures import Future, wait
from contextlib import nullcontext
from pathlib import Path

import pytest

from replicator.doctor import Check, Examination, Status, examination, examine, worst
from replicator.doctor.finding import failed, ok, warning
from replicator.doctor.regions import continent, far_apart, is_region
from replicator.errors import Transient
from replicator.reasons import Reason

DOCUMENT = (Path(__file__).parents[3] / "docs/doctor.md").read_text("utf-8")

PUBLISHED = {
    "google_identity",
    "aws_identity",
    "source_listable",
    "source_readable",
    "source_decryptable",
    "source_versions",
    "source_tags",
    "source_parts",
    "source_events",
    "source_region",
    "source_payer",
    "destination_permissions",
    "destination_settings",
    "destination_retention",
    "destination_soft_delete",
    "destination_versioning",
    "destination_storage_class",
    "destination_location",
    "destination_leftovers",
    "destination_access",
    "keys_readable",
    "keys_sound",
    "keys_age",
    "keys_rotation",
    "subscription",
    "subscription_topic",
    "hand_over",
    "push_endpoint",
    "push_identity",
    "ack_deadline",
    "retry_policy",
    "expiration",
    "dead_letter_policy",
    "dead_letter_grants",
    "dead_letters_kept",
    "clock",
    "canary_written",
    "canary_replicated",
    "canary_deleted",
    "canary_removed",
}


def test_no_published_check_is_gone():
    assert {str(check) for check in Check} >= PUBLISHED


@pytest.mark.parametrize("check", Check)
def test_a_check_is_a_plain_word_named_like_its_member_and_asks_one_question(check):
    assert re.fullmatch("[a-z]+(_[a-z]+)*", check)
    assert check.name == check.value.upper()
    assert re.fullmatch(r"[A-Z][^?]+\?", check.question)


def test_the_document_lists_every_check_in_order_with_its_question():
    table = re.search(r"<!-- checks -->\n(.*)\n<!-- /checks -->", DOCUMENT, re.DOTALL)[1]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]
    assert [row[:2] for row in rows] == [[f"`{check}`", check.question] for check in Check]
    assert all(len(row) == 4 and all(row) for row in rows)


def test_the_worst_finding_decides():
    found = [make(Check.CLOCK, "S3", "x") for make in (ok, warning, failed)]
    assert worst([]) is worst(found[:1]) is Status.OK
    assert worst(found[:2]) is Status.WARNING
    assert worst(found) is Status.FAILED


# --- Examinations -----------------------------------------------------------------------------------------------------


def raises(error):
    def carry_out():
        raise error

    return carry_out


def test_what_goes_wrong_is_a_warning_and_the_others_go_on():
    secret = "the text of an error may hold anything"
    found = examine(
        [
            Examination(Check.SOURCE_READABLE, "a", raises(Transient(Reason.SOURCE_UNAVAILABLE, "status 503"))),
            Examination(Check.KEYS_READABLE, "b", raises(KeyError(secret))),
            Examination(Check.CLOCK, "c", lambda: [ok(Check.CLOCK, "c", "x")]),
        ],
        30,
    )
    assert [(one.check, one.subject, one.status) for one in found] == [
        (Check.SOURCE_READABLE, "a", "warning"),
        (Check.KEYS_READABLE, "b", "warning"),
        (Check.CLOCK, "c", "ok"),
    ]
    assert "status 503" in found[0].detail
    assert "KeyError" in found[1].detail
    assert secret not in found[1].detail


def test_what_was_found_before_something_went_wrong_is_kept():
    def carry_out():
        yield ok(Check.CANARY_WRITTEN, "a", "x")
        raise Transient(Reason.DESTINATION_UNAVAILABLE)

    found = examine([Examination(Check.CANARY_REPLICATED, "a", carry_out)], 30)
    assert [(one.check, one.status) for one in found] == [
        (Check.CANARY_WRITTEN, "ok"),
        (Check.CANARY_REPLICATED, "warning"),
    ]


def time_runs_after(monkeypatch, begun):
    """However late threads start: the time of an examination begins when `begun` returns."""
    in_time = examination._wait

    def wait_for(all_found, seconds):
        begun(all_found)
        in_time(all_found, seconds)

    monkeypatch.setattr(examination, "_wait", wait_for)


def test_what_hangs_is_a_warning_after_its_time(monkeypatch):
    ended = threading.Event()
    time_runs_after(monkeypatch, lambda all_found: wait(all_found[1:], 30))
    try:
        hanging = Examination(Check.CLOCK, "a", lambda: ended.wait() and [])
        quick = Examination(Check.CLOCK, "b", lambda: [ok(Check.CLOCK, "b", "x")])
        found = examine([hanging, quick], 0.2)
    finally:
        ended.set()
    assert [(one.subject, one.status) for one in found] == [("a", "warning"), ("b", "ok")]
    assert "longer than 0.2 s" in found[0].detail


@pytest.mark.parametrize("interrupted", [False, True])
def test_what_has_something_to_clean_up_is_told_to_end_and_waited_for(interrupted, monkeypatch):
    """Cleaning up takes longer than it takes to notice a signal."""
    begun, ended, cleaned = threading.Event(), threading.Event(), []
    time_runs_after(monkeypatch, lambda all_found: begun.wait(30))

    def carry_out():
        begun.set()
        if interrupted:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        assert ended.wait(30)
        wait([Future()], 0.2)
        cleaned.append(True)
        return [ok(Check.CANARY_WRITTEN, "a", "x")]

    with pytest.raises(KeyboardInterrupt) if interrupted else nullcontext():
        examine([Examination(Check.CANARY_WRITTEN, "a", carry_out)], 60 if interrupted else 0.1, ended)
    assert cleaned == [True]


def test_an_examination_may_find_nothing_to_say():
    assert examine([Examination(Check.CLOCK, "a", lambda: [])], 60) == []


def test_examinations_are_carried_out_side_by_side_and_told_in_order():
    together = threading.Barrier(4, timeout=30)

    def carry_out(number):
        together.wait()
        return [ok(Check.CLOCK, str(number), "x")]

    examinations = [Examination(Check.CLOCK, str(n), lambda n=n: carry_out(n)) for n in range(4)]
    assert [one.subject for one in examine(examinations, 60)] == ["0", "1", "2", "3"]


# --- Places -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("aws", "google"),
    [
        ("us-east-1", "us-central1"),
        ("ca-central-1", "northamerica-northeast1"),
        ("eu-west-1", "europe-west1"),
        ("eu-north-1", "EU"),
        ("ap-southeast-2", "australia-southeast1"),
        ("us-west-2", "NAM4"),
        ("sa-east-1", "southamerica-east1"),
        ("af-south-1", "africa-south1"),
        ("me-south-1", "me-west1"),
        ("eu-central-1", "EUR4"),
        ("ap-south-1", "IN"),
        ("ap-northeast-1", "ASIA1"),
        ("mx-central-1", "NAM4"),
        ("mx-central-1", "northamerica-south1"),
        ("il-central-1", "me-west1"),
    ],
)
def test_both_clouds_names_of_one_continent_are_near(aws, google):
    assert continent(aws) == continent(google) is not None
    assert not far_apart(aws, google)


def test_only_what_is_known_to_be_far_is_far():
    assert far_apart("eu-west-1", "US")
    assert far_apart("us-east-1", "southamerica-east1")
    assert not far_apart("moon-1", "US")
    assert not far_apart(None, "US")


def test_a_region_is_told_from_several():
    assert is_region("EUROPE-WEST1")
    assert not any(map(is_region, ("EU", "EUR4", "US", "NAM4", "ASIA1")))
