"""Reason codes are a public contract: they may be added to, and never renamed."""

import json
import re

import pytest

from replicator.errors import Permanent, Transient
from replicator.reasons import Reason

PUBLISHED = {
    "destination_absent",
    "source_changed",
    "foreign_overwritten",
    "metadata_changed",
    "adopted",
    "in_sync",
    "source_deleted",
    "deletes_ignored",
    "foreign_kept",
    "bucket_not_in_rules",
    "event_type_ignored",
    "test_event",
    "request_malformed",
    "event_malformed",
    "body_too_large",
    "route_unknown",
    "method_not_allowed",
    "ingest_secret_wrong",
    "source_not_found",
    "source_bucket_not_found",
    "source_access_denied",
    "source_archived",
    "source_too_large",
    "source_refused",
    "destination_name_invalid",
    "destination_conflict",
    "destination_bucket_not_found",
    "destination_access_denied",
    "destination_refused",
    "source_unavailable",
    "source_truncated",
    "source_credentials_rejected",
    "destination_unavailable",
    "checksum_mismatch",
    "credentials_unavailable",
    "contention",
    "out_of_time",
    "publish_failed",
    "unexpected",
}


def test_no_published_code_is_gone():
    assert {str(reason) for reason in Reason} >= PUBLISHED


@pytest.mark.parametrize("reason", Reason)
def test_a_code_is_a_plain_word_and_named_like_its_member(reason):
    assert re.fullmatch("[a-z]+(_[a-z0-9]+)*", reason)
    assert reason.name == reason.value.upper()


@pytest.mark.parametrize("reason", Reason)
def test_an_explanation_is_one_sentence(reason):
    assert re.fullmatch(r"[A-Z].+[^.]\.", reason.explanation)
    assert "\n" not in reason.explanation


def test_no_two_reasons_are_explained_alike():
    assert len({reason.explanation for reason in Reason}) == len(Reason)


def test_a_code_is_found_by_its_text_and_written_as_it():
    assert Reason("in_sync") is Reason.IN_SYNC
    assert (f"{Reason.IN_SYNC}", json.dumps(Reason.IN_SYNC)) == ("in_sync", '"in_sync"')


@pytest.mark.parametrize("kind", [Permanent, Transient])
def test_an_error_is_its_code_and_what_there_is_to_add(kind):
    assert str(kind(Reason.CONTENTION)) == "contention"
    error = kind(Reason.SOURCE_TOO_LARGE, "6 of 5")
    assert (str(error), error.reason, error.detail) == ("source_too_large: 6 of 5", Reason.SOURCE_TOO_LARGE, "6 of 5")
