"""The document and the plots are made from the results alone."""

from xml.etree import ElementTree

import pytest

from tests.bench import report
from tests.bench import results as kept
from tests.bench.figures import group, results, sample
from tests.bench.network import DISTANT, LOOPBACK
from tests.bench.results import Results
from tests.bench.ways.known import known_ways

TITLES = {way.name: way.title for way in known_ways().values()}
LARGE = group(
    "one-1gib",
    LOOPBACK,
    {"gcloud": "gcloud is not installed"},
    ours=[sample(1, 0.5), sample(2, 0.6), sample(1.5, 0.7)],
    rclone=[sample(2, 1), sample(4, 1.2), sample(3, 1.4)],
)


def test_the_tables_say_what_was_measured():
    document = report.document(results(LARGE), TITLES)
    assert "| replicator: the engine | 1.50 (1.00 to 2.00) | 683 | 0.60 | 100 | 2 | 0.50 |" in document
    assert "| rclone | 3.00 (2.00 to 4.00) | 341 | 1.20 | 100 | 1 | 1 |" in document
    assert "| gcloud storage cp | gcloud is not installed |" in document
    assert "## The work one-1gib, loopback" in document
    assert "- CPU: a fast one, 2 cores" in document
    assert "| 1.50 | 0.80 | 90 (150) |" in document
    assert "| a byte there and one back | 50.5 ms |" in document


def test_goals_are_judged_or_said_not_to_be_measured():
    lines = report.document(results(LARGE), TITLES).splitlines()
    reached = "at least rclone's speed | replicator: the engine | 2 times | reached |"
    assert any(line.endswith(reached) for line in lines)
    assert any("at least 5 times rclone's speed" in line and "not measured |  |" in line for line in lines)
    slow = results(group("one-1gib", LOOPBACK, ours=[sample(3)], rclone=[sample(2)]))
    assert "| 0.67 times | **not reached** |" in report.document(slow, TITLES)


def test_one_small_object_is_told_in_round_trips():
    small = group("one-small", DISTANT, ours=[sample(0.2, round_trips=4)])
    small = kept.Group(**{**{name: getattr(small, name) for name in small.__slots__}, "bytes": 16384})
    assert "| replicator: the engine | 4 | 4 | 4 | 200 | 4.0 |" in report.document(results(small), TITLES)


def test_plots_are_drawings_with_a_bar_for_each_way(tmp_path):
    report.write(results(LARGE), tmp_path, TITLES)
    written = (tmp_path / "benchmarks/one-1gib-loopback.svg").read_text()
    drawing = ElementTree.fromstring(written)  # noqa: S314  our own
    bars = drawing.findall("{http://www.w3.org/2000/svg}rect")
    assert len(bars) == 2
    short, long = (float(bar.get("width")) for bar in bars)
    assert long == pytest.approx(2 * short, abs=0.2)
    shown = "![The work one-1gib, loopback](benchmarks/one-1gib-loopback.svg)"
    assert shown in (tmp_path / report.DOCUMENT).read_text()


def test_results_come_back_from_their_file(tmp_path):
    measured = results(LARGE, group("one-small", DISTANT, ours=[sample(0.2, round_trips=4)]))
    report.write(measured, tmp_path, TITLES)
    assert kept.read(tmp_path / report.RESULTS) == measured
    assert kept.read(tmp_path / "nothing.json") == Results()


def test_a_later_run_replaces_what_it_measured_and_keeps_the_rest():
    other = group("mixed", LOOPBACK, ours=[sample(5)])
    again = group("one-1gib", LOOPBACK, ours=[sample(7)])
    updated = results(LARGE, other).updated(Results({"CPU": "another"}, (again,)))
    assert updated.groups == (again, other)
    assert updated.facts == {"CPU": "another"}
    assert updated.starts
    assert updated.links


def test_notes_by_people_are_quoted(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / report.NOTES).write_text("## Where the time goes\n\nIn the kernel.\n")
    report.write(results(LARGE), tmp_path, TITLES)
    assert "\n\n## Where the time goes\n\nIn the kernel.\n\n" in (tmp_path / "benchmarks.md").read_text()
