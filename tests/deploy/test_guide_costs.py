"""The costs in docs/deploy.md are what their arithmetic gives, from the prices it names and from what was measured."""

import math
import re
from decimal import ROUND_HALF_UP, Decimal

import pytest

from tests.deploy.guide import ROOT, TEXT, marked

TABLES = ("costs of a million objects", "costs of a TiB")
EXACT = {"1,000,000", "1,048,576", "1,073,741,824", "1,099,511,627,776", "1,024", "1,000", "7", "30"}
"""Counts, powers and days: what is neither a price nor a measure."""
TIMES = "\u00d7"


def rows(name: str) -> list[list[str]]:
    """A table's rows, without its head."""
    lines = [line.removeprefix("|").removesuffix("|").split("|") for line in marked(name).splitlines()]
    return [[cell.strip("* ") for cell in line] for line in lines[2:]]


def numbers(text: str) -> list[str]:
    return re.findall(r"\d[\d,.]*\d|\d", text)


def value(arithmetic: str) -> Decimal:
    python = arithmetic.replace(TIMES, "*").replace(",", "")
    assert re.fullmatch(r"[\d.+*/() ]+", python), arithmetic
    return eval(re.sub(r"[\d.]+", r"Decimal('\g<0>')", python))  # noqa: S307  numbers and operators


def cents(dollars: Decimal) -> str:
    return str(dollars.quantize(Decimal("0.01"), ROUND_HALF_UP))


@pytest.mark.parametrize("name", TABLES)
def test_each_row_and_the_sum_are_computed(name):
    *items, total = rows(name)
    assert len(items) >= 4
    for what, arithmetic, dollars in items:
        assert cents(value(arithmetic)) == dollars, what
    assert total[1:] == ["", cents(sum((value(row[1]) for row in items), Decimal()))]


def test_what_is_fixed_is_computed():
    ((arithmetic, dollars),) = re.findall(rf"((?:[\d.]+ [{TIMES}+] )+[\d.]+) = ([\d.]+)", TEXT)
    assert cents(value(arithmetic)) == dollars


@pytest.mark.parametrize("name", TABLES)
def test_every_factor_is_a_price_that_is_listed_or_said_in_the_row(name):
    prices = {number for row in rows("prices") for number in numbers(row[1])}
    for what, arithmetic, _ in rows(name)[:-1]:
        for number in numbers(arithmetic):
            assert number in prices | EXACT | set(numbers(what)), (what, number)


def test_every_price_is_used():
    used = {number for name in TABLES for row in rows(name)[:-1] for number in numbers(row[1])}
    listed = {number for row in rows("prices") for number in numbers(row[1])}
    assert listed - used == set()


def requests_of(outcome: str) -> tuple[int, int]:
    """How many requests docs/requests.md counts for an outcome, at S3 and as Class A operations."""
    document = (ROOT / "docs" / "requests.md").read_text("utf-8")
    s3, storage = re.search(rf"^\| {re.escape(outcome)} \| (.*?) \| (.*?) \|$", document, re.MULTILINE).groups()
    class_a = [one for one in storage.split(", ") if re.search(r"insert|compose|list|begin|patch", one)]
    return count(s3.split(", ")), count(class_a)


def count(requests: list[str]) -> int:
    return sum(int(one.partition(f" {TIMES} ")[0]) if TIMES in one else 1 for one in requests)


def said(name: str, about: str) -> list[str]:
    """The numbers that one row says of what it is about."""
    (row,) = (row for row in rows(name) if row[0].startswith(about))
    return numbers(row[0])


def test_a_small_objects_requests_are_those_that_were_counted():
    s3, class_a = requests_of("created, up to 64 KiB")
    assert said(TABLES[0], "S3:") == ["3", str(s3)]
    assert said(TABLES[0], "Cloud Storage:") == [str(class_a)]


def test_a_large_objects_requests_follow_those_that_were_counted():
    parts = 1024 // 8
    ten_s3, ten_class_a = requests_of("created, 10 parts")
    s3 = ten_s3 - 10 + parts
    composed = 4 + 1  # of 32 parts each, and then those
    assert parts == 4 * 32
    class_a = ten_class_a - 10 - 1 + parts + composed
    assert said(TABLES[1], "S3:") == ["3", str(s3)]
    assert said(TABLES[1], "Cloud Storage:") == [str(class_a)]


def benchmarked(heading: str, column: int) -> float:
    """What docs/benchmarks.md has of the service over HTTP."""
    document = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    rest = document.partition(f"\n## {heading}")[2].partition("\n## ")[0]
    row = next(line for line in rest.splitlines() if line.startswith("| replicator: over HTTP |"))
    return float(row.strip("| ").split(" | ")[column].split()[0])


def test_busy_times_are_those_that_were_measured_rounded_up_as_cloud_run_does():
    small = benchmarked("One new object of 16 KiB, 50 ms", 4) / 1000
    assert float(said(TABLES[0], "`replicator`:")[0]) == math.ceil(small * 10) / 10
    reliability = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    ingest = float(re.search(r"^\| Pub/Sub takes no time \| \d+ \| ([\d.]+) \|", reliability, re.MULTILINE)[1])
    assert float(said(TABLES[0], "`replicator-ingest`:")[0]) == math.ceil(ingest * 10) / 10
    large = benchmarked("One object of 1 GiB, 50 ms", 1)
    assert float(said(TABLES[1], "`replicator`:")[0]) == pytest.approx(large, rel=0.3)
    assert f"in {said(TABLES[1], '`replicator`:')[0]} s." in TEXT
