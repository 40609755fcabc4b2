"""CPU time and memory of processes, their descendants included."""

import subprocess
import sys

import pytest

from tests.bench.usage import cpu_seconds, memory, peak_memory, tree

MIB = 1024**2

BURN = "import time\nwhile time.process_time() < 0.6: pass\n"
HOLD = f"held = bytearray({64 * MIB})\ndel held\nprint(1, flush=True)\ninput()\n"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN!r}])
child = subprocess.Popen([sys.executable, "-c", {BURN + HOLD!r}], stdin=subprocess.PIPE)
sys.stdin.read()
child.communicate(b"end")
"""


@pytest.fixture(scope="module")
def parent():
    """A process that does nothing itself. One child has worked and ended, the other has worked and waits."""
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"1\n"
    yield process.pid
    process.communicate(timeout=30)


def test_the_work_of_children_counts_also_of_those_that_ended(parent):
    assert cpu_seconds(parent) >= 1.15


def test_the_peak_is_that_of_the_largest_process_and_is_remembered(parent):
    assert peak_memory(parent).largest >= 64 * MIB
    assert peak_memory(parent).together > peak_memory(parent).largest
    assert memory(parent).largest < peak_memory(parent).largest


def test_a_process_that_is_gone_uses_nothing(parent):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    assert cpu_seconds(int(gone.stdout)) == 0
    assert peak_memory(int(gone.stdout)).largest == 0
    assert len(list(tree(parent))) == 2
