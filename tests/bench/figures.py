"""Made-up results, for the tests of what is made from results."""

from collections.abc import Sequence

from tests.bench.results import Group, LinkRates, Results, Sample, Start

MIB = 1024**2


def sample(seconds: float, cpu_seconds: float = 0.5, peak_mib: int = 100, round_trips: int | None = None) -> Sample:
    return Sample(seconds, cpu_seconds, peak_mib * MIB, peak_mib * MIB, round_trips, round_trips, round_trips)


def group(work: str, network: str, without: dict[str, str] | None = None, **samples: Sequence[Sample]) -> Group:
    """The ways' names have underscores for hyphens."""
    taken = {way.replace("_", "-"): tuple(items) for way, items in samples.items()}
    return Group(work, f"the work {work}", network, 1, 1024 * MIB, 1, "2024-02-29", taken, without or {})


def results(*groups: Group) -> Results:
    links = LinkRates(0.0505, 78.0, 77.0, 800.0, 0.7)
    return Results({"CPU": "a fast one, 2 cores"}, groups, (Start(1.5, 0.8, 90 * MIB, 150 * MIB),), (links,))
