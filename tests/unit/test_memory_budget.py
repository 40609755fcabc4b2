"""The memory that copies get by themselves: by the container's limit, of either kind."""

import pytest

from replicator.bootstrap.memory import default_budget

MIB = 1024**2
LEAST = 32 * MIB


@pytest.fixture
def machine(tmp_path):
    """A file system that says how much memory there is."""

    def write(**files):
        names = {
            "v2": "sys/fs/cgroup/memory.max",
            "v1": "sys/fs/cgroup/memory/memory.limit_in_bytes",
            "meminfo": "proc/meminfo",
        }
        for name, text in files.items():
            path = tmp_path / names[name]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return default_budget(LEAST, tmp_path)

    return write


@pytest.mark.parametrize("generation", ["v1", "v2"])
@pytest.mark.parametrize(("limit", "budget"), [(512, 192), (1024, 448), (4096, 1024), (256, 64), (128, 32), (1, 32)])
def test_copies_get_half_of_what_the_container_has_beyond_128_mib(machine, generation, limit, budget):
    assert machine(**{generation: f"{limit * MIB}\n"}) == budget * MIB


def test_without_a_limit_the_machine_s_memory_counts(machine):
    assert machine(v2="max\n", v1="9223372036854771712\n", meminfo="MemTotal: 524288 kB\nMemFree: 1 kB\n") == 192 * MIB


def test_the_smallest_limit_counts(machine):
    assert machine(v2=f"{1024 * MIB}", meminfo=f"MemTotal: {512 * 1024} kB\n") == 192 * MIB


def test_where_nothing_is_known_it_is_the_least(machine):
    assert machine() == machine(v2="", meminfo="nothing of use\n") == LEAST


def test_on_this_machine_there_is_an_answer():
    assert default_budget(LEAST) >= LEAST
