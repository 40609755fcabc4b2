import io

import pytest
from rich.console import Console

from replicator.dev.screen import Screen

OUTCOME = {
    "result": "created",
    "reason": "destination_absent",
    "source": "hello.txt",
    "path": "whole",
    "checked": "CRC32",
    "bytes": 15,
    "lag_seconds": 1.25,
    "rule": "default",
}


def printed(*calls, width=200, terminal=False):
    output = io.StringIO()
    screen = Screen(Console(file=output, width=width, force_terminal=terminal, color_system=None, highlight=False))
    for fields, size in calls:
        screen.outcome(fields, size)
    return output.getvalue().splitlines()


def test_rows_are_aligned_under_one_head():
    head, first, second = printed((OUTCOME, 15), ({**OUTCOME, "source": "1 + 1 = 100 % 🦊"}, 5 * 1024**2))
    assert head.split() == ["source", "size", "result", "reason", "path", "checked", "bytes", "lag", "rule"]
    assert " ".join(first.split()) == "hello.txt 15 B created destination_absent whole CRC32 15 B 1.2 s default"
    assert first.index("created") == second.index("created") + 1  # the emoji is two cells wide
    assert "5.0 MiB" in second


def test_a_failure_says_what_was_wrong():
    fields = {"result": "failed", "reason": "event_malformed", "detail": "not JSON", "door": "/"}
    row = printed((fields, None))[1]
    assert row.startswith("/ ")
    assert "event_malformed" in row
    assert row.endswith("not JSON")


def test_what_is_handed_over_says_how_far_it_got():
    fields = {"result": "handed_over", "reason": "unfinished", "source": "k", "copied": 0, "size": 5 * 1024**2}
    assert printed((fields, 5 * 1024**2))[1].endswith("  0 B of 5.0 MiB")


def test_output_that_is_piped_is_never_cut():
    row = printed(({**OUTCOME, "source": "x" * 300}, 1), width=80)[1]
    assert "x" * 300 in row
    assert "destination_absent" in row


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_rows_fit_the_terminal(width):
    rows = printed(({**OUTCOME, "source": "x" * 300}, 1), width=width, terminal=True)
    assert len(rows) == 2
    assert all(len(row) <= width for row in rows)
    assert all(word in rows[1] for word in ("…", "created", "destination_absent"))


def test_a_key_cannot_control_the_terminal():
    row = printed(({**OUTCOME, "source": "a\x1b[31m\nb"}, 1))[1]
    assert "a\\x1b[31m\\nb" in row


def test_a_destination_in_another_bucket_is_named_by_that_bucket():
    row = printed(({**OUTCOME, "elsewhere": "gs://archive/a folder/hello.txt"}, 15))[1]
    assert row.endswith("  → gs://archive")
    assert "→" not in printed(({**OUTCOME, "destination": "gs://replica-bucket/hello.txt"}, 15))[1]
