"""What the process says to scripts: success is said only of a replica that may be relied on."""

import re
from pathlib import Path

import pytest

from replicator.cli.command import EXIT_CODES
from replicator.cli.exit_codes import ExitCode, of_error, of_result, of_results
from replicator.errors import Permanent, Transient, Unfinished
from replicator.model import Failure, Outcome, Result, SourceKey
from replicator.reasons import Reason

ROOT = Path(__file__).parents[3]
KEY = SourceKey("source", "k")


def outcome(result: Result, reason: Reason) -> Outcome:
    return Outcome(result, reason, KEY)


CREATED = outcome(Result.CREATED, Reason.DESTINATION_ABSENT)
IGNORED = outcome(Result.IGNORED, Reason.FILTERED_BY_SIZE)
ABSENT = outcome(Result.UNCHANGED, Reason.SOURCE_NOT_FOUND)
REFUSED = Failure(Permanent(Reason.SOURCE_ARCHIVED), KEY)
TRANSIENT = Failure(Transient(Reason.SOURCE_UNAVAILABLE), KEY)
UNFINISHED = Failure(Unfinished(5, 10), KEY)
UNEXPECTED = Failure(Transient(Reason.UNEXPECTED), KEY)


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (CREATED, 0),
        (outcome(Result.UPDATED, Reason.SOURCE_CHANGED), 0),
        (outcome(Result.METADATA_UPDATED, Reason.ADOPTED), 0),
        (outcome(Result.UNCHANGED, Reason.IN_SYNC), 0),
        (outcome(Result.DELETED, Reason.SOURCE_DELETED), 0),
        (outcome(Result.KEPT, Reason.FOREIGN_KEPT), 1),
        (IGNORED, 1),
        (REFUSED, 1),
        (ABSENT, 4),
        (outcome(Result.KEPT, Reason.DELETES_IGNORED), 4),
        (outcome(Result.KEPT, Reason.SOURCE_NOT_FOUND), 4),
        (TRANSIENT, 75),
        (UNFINISHED, 75),
        (UNEXPECTED, 70),
    ],
)
def test_one_destination(result, code):
    assert of_result(result) == code


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([CREATED, CREATED], 0),
        ([CREATED, REFUSED], 1),
        ([REFUSED, TRANSIENT, CREATED], 75),
        ([TRANSIENT, UNEXPECTED], 70),
        ([ABSENT, REFUSED], 1),
        ([CREATED, IGNORED], 0),
        ([IGNORED, IGNORED], 1),
    ],
)
def test_several_destinations_are_as_the_worst_and_a_filtered_one_does_not_count(results, code):
    assert of_results(results) == of_results(results[::-1]) == code


@pytest.mark.parametrize("reason", Reason)
def test_each_error_has_a_code_that_is_not_success(reason):
    assert of_error(Permanent(reason)) in (ExitCode.REFUSED, ExitCode.OUT_OF_SYNC, ExitCode.UNEXPECTED)
    assert of_error(Transient(reason)) in (ExitCode.TRY_AGAIN, ExitCode.OUT_OF_SYNC, ExitCode.UNEXPECTED)


def test_document_and_help_list_every_code():
    document = (ROOT / "docs/cli.md").read_text()
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", document, re.MULTILINE)] == list(ExitCode)
    assert [int(code) for code in re.findall(r"^ +(\d+) ", EXIT_CODES, re.MULTILINE)] == list(ExitCode)
