"""The choice of a path: each thing that decides it, alone and at its borders."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.model import BucketFacts, Checksum, CompositeChecksum
from replicator.rules import Parts
from replicator.transfer.plan import MANY_PARTS, MIB, STREAM_RATE, USUAL, Circumstances, Plan, choose, parts_at_once

GIB = 1024 * MIB
TIB = 1024 * GIB
CRC = Checksum("CRC64NVME", b"12345678")
USUALLY = Circumstances(USUAL, Parts.AUTO, None, BucketFacts("STANDARD"), 256 * MIB, 480)
TOO_LARGE_FOR_A_STREAM = int(STREAM_RATE * USUALLY.patience) + 1


def chosen(size, checksum=CRC, **circumstances) -> Plan:
    return choose(size, checksum, replace(USUALLY, **circumstances))


@pytest.mark.parametrize(
    ("size", "path"),
    [
        (0, "whole"),
        (8 * MIB, "whole"),
        (8 * MIB + 1, "stream"),
        (64 * MIB - 1, "stream"),
        (64 * MIB, "parts"),
        (5 * TIB, "parts"),
    ],
)
def test_the_size_decides_where_nothing_else_does(size, path):
    assert (chosen(size).path, chosen(size).reason, chosen(size).check) == (path, "size", CRC)


@pytest.mark.parametrize(
    ("circumstances", "reason"),
    [
        ({"parts": Parts.NEVER}, "rule"),
        ({"bucket": None}, "bucket_unknown"),
        ({"storage_class": "NEARLINE"}, "storage_class"),
        ({"bucket": BucketFacts("COLDLINE")}, "storage_class"),
        ({"bucket": BucketFacts("STANDARD", retains=True)}, "retention"),
    ],
)
@pytest.mark.parametrize("size", [64 * MIB, 5 * TIB])
def test_what_forbids_temporary_objects_forbids_parts_whatever_the_size(size, circumstances, reason):
    plan = chosen(size, **circumstances)
    assert (plan.path, plan.reason) == ("stream", reason)


def test_a_rule_that_asks_for_standard_gets_parts_in_a_bucket_of_another_default_class():
    assert chosen(GIB, storage_class="STANDARD", bucket=BucketFacts("NEARLINE")).path == "parts"


def test_a_bucket_with_versions_gets_parts_only_where_a_stream_could_not_be_finished():
    versioned = BucketFacts("STANDARD", versioning=True)
    assert chosen(TOO_LARGE_FOR_A_STREAM - 1, bucket=versioned).reason == "versioning"
    assert chosen(TOO_LARGE_FOR_A_STREAM, bucket=versioned).path == "parts"


@pytest.mark.parametrize("algorithm", ["MD5", "SHA1", "SHA256"])
def test_a_checksum_that_has_to_be_computed_in_order_is_worth_a_stream_if_that_can_be_finished(algorithm):
    checksum = Checksum(algorithm, b"1" * 16)
    plan = chosen(TOO_LARGE_FOR_A_STREAM - 1, checksum)
    assert (plan.path, plan.reason, plan.checked) == ("stream", "checksum", algorithm)
    plan = chosen(TOO_LARGE_FOR_A_STREAM, checksum)
    assert (plan.path, plan.reason, plan.checked) == ("parts", "size", "none")


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_checksums_that_can_be_combined_are_checked_in_parts(algorithm):
    plan = chosen(GIB, Checksum(algorithm, b"1234"))
    assert (plan.path, plan.checked) == ("parts", algorithm)


@pytest.mark.parametrize(
    ("their_part", "our_part"),
    [(5 * MIB, 5 * MIB), (3 * MIB, 6 * MIB), (8 * MIB, 8 * MIB), (17 * MIB, 17 * MIB), (64 * MIB, 64 * MIB)],
)
def test_our_parts_consist_of_whole_parts_of_theirs_where_their_checksums_need_it(their_part, our_part):
    plan = chosen(GIB, CompositeChecksum("MD5", b"1" * 16, their_part))
    assert (plan.path, plan.part_size, plan.checked) == ("parts", our_part, "MD5-COMPOSITE")


def test_parts_of_theirs_that_are_larger_than_ours_may_be_are_checked_by_a_stream():
    plan = chosen(GIB, CompositeChecksum("SHA256", b"1" * 32, 65 * MIB))
    assert (plan.path, plan.reason, plan.checked) == ("stream", "checksum", "SHA256-COMPOSITE")


@pytest.mark.parametrize(
    ("size", "part_size"),
    [
        (GIB, 8 * MIB),
        (MANY_PARTS * 8 * MIB, 8 * MIB),
        (MANY_PARTS * 8 * MIB + 1, 16 * MIB),
        (TIB, 32 * MIB),
        (5 * TIB, 32 * MIB),
    ],
)
def test_very_large_objects_get_larger_parts(size, part_size):
    assert chosen(size).part_size == part_size


def test_a_small_budget_gets_smaller_parts():
    assert chosen(GIB, budget=128 * MIB).part_size == 8 * MIB
    assert chosen(GIB, budget=64 * MIB).part_size == 4 * MIB
    assert chosen(GIB, budget=32 * MIB).part_size == 2 * MIB
    assert chosen(5 * TIB, budget=64 * MIB).part_size == 16 * MIB


@given(
    st.integers(8 * MIB + 1, 5 * TIB),
    st.none() | st.just(CRC) | st.builds(CompositeChecksum, st.just("MD5"), st.just(b""), st.integers(1, GIB)),
    st.integers(32 * MIB, GIB),
)
def test_four_parts_always_fit_into_the_budget_and_six_digits_number_them(size, checksum, budget):
    plan = chosen(size, checksum, budget=budget)
    if plan.path == "parts":
        assert 0 < plan.part_size <= budget // 4
        assert isinstance(checksum, CompositeChecksum) or plan.part_size <= 32 * MIB
        assert isinstance(checksum, CompositeChecksum) or -(-size // plan.part_size) < 1_000_000


def test_there_are_threads_for_all_parts_that_the_budget_holds_up_to_64():
    assert [parts_at_once(budget * MIB) for budget in (32, 128, 256, 8192)] == [16, 16, 32, 64]
