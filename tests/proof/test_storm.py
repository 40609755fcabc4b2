"""The storm: two services, killed again and again, between two unsteady sides, under events in any order.

At its end every destination object equals its source, and the dead letters are exactly the poison.
"""

import random
from statistics import mean

import pytest

from tests.deploy.pubsub_emulator import Emulator, NotInstalled, find_emulator
from tests.proof.storm.blowing import Aftermath, Weather, blow
from tests.proof.storm.traffic import make_traffic

SHORT = Weather(window=30, under_way=40, max_attempts=15, patience=60)
LONG = Weather(patience=900)


def emulator_or_why_not() -> tuple[Emulator | None, str]:
    try:
        return find_emulator(), ""
    except NotInstalled as missing:
        return None, f", for there is {missing}"


@pytest.mark.timeout(1200)
def test_after_a_storm_every_object_equals_its_source_and_only_poison_is_dead(proof):
    seed = random.randrange(2**32)
    if proof.long:
        emulator, why_not = emulator_or_why_not()
        traffic, weather = make_traffic(seed, objects=10_000, streamed=5, in_parts=2, poison=54), LONG
    else:
        emulator, why_not = None, ", as always in the short form"
        traffic, weather = make_traffic(seed, objects=200, streamed=2, in_parts=0, poison=9), SHORT
    left = blow(traffic, weather, emulator)
    proof.report("storm", described(left, seed, "" if emulator else why_not))
    assert left.wrong == []
    assert left.kills.total() > 1
    assert left.source_faults.total() + left.storage_faults > 3


def described(left: Aftermath, seed: int, why: str) -> str:
    faults = ", ".join(f"{name} {count}" for name, count in sorted(left.source_faults.items()))
    rows = {
        "Pub/Sub": left.pubsub + why,
        "objects, writes to the source": f"{left.objects:,}, {left.writes:,}",
        "messages, of which poison": f"{left.messages:,}, {left.poison}",
        "seconds, messages a second": f"{left.seconds:.0f}, {left.messages / left.seconds:.0f}",
        "deliveries of a message that is no poison": f"{mean(left.deliveries):.2f}, {max(left.deliveries)} at most",
        **{
            f"bytes read from S3 ÷ bytes at the end, `{folder}`": f"{read:,} ÷ {there:,} = {read / there:.2f}"
            for folder, (read, there) in left.copied_bytes.items()
        },
        "killed": ", ".join(f"{count} {what}s" for what, count in sorted(left.kills.items())),
        "deliveries that a kill cut off": f"{left.statuses[502]:,}",
        "faults": f"{faults}, Cloud Storage: {left.storage_faults}",
        "temporary objects of the killed": str(left.temporaries),
        "differences, wrong dead letters": str(len(left.wrong)),
        "seed": str(seed),
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])
