"""Reads a bucket, as `gcloud storage buckets describe --raw --format json` prints it, and prints the lifecycle rules it
should have: its own, and those of lifecycle.json. Prints nothing if it has these already.

`gcloud storage buckets update --lifecycle-file` replaces all rules, and clears them if the file is empty.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

OURS = Path(__file__).parent / "lifecycle.json"


def merged(bucket: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any] | None:
    """The bucket's rules and ours, which take the place of older ones for the same prefixes. `None`: as it is."""
    present = bucket.get("lifecycle", {}).get("rule", [])
    prefixes = [rule["condition"]["matchesPrefix"] for rule in ours["rule"]]
    others = [rule for rule in present if rule.get("condition", {}).get("matchesPrefix") not in prefixes]
    wanted = [*others, *ours["rule"]]
    in_place = len(wanted) == len(present) and all(rule in present for rule in ours["rule"])
    return None if in_place else {"rule": wanted}


if __name__ == "__main__":
    rules = merged(json.load(sys.stdin), json.loads(OURS.read_text(encoding="utf-8")))
    if rules is not None:
        json.dump(rules, sys.stdout)
