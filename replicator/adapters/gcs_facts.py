"""What Cloud Storage says of a bucket, kept for some minutes: it is asked for with every large object.

https://cloud.google.com/storage/docs/json_api/v1/buckets#resource
"""

import json
import time
from collections.abc import Callable
from threading import Lock
from typing import Any

from replicator.errors import Transient
from replicator.model import BucketFacts
from replicator.reasons import Reason

FRESH_SECONDS = 300
FIELDS = "autoclass/enabled,defaultEventBasedHold,retentionPolicy/retentionPeriod,storageClass,versioning/enabled"
"""All that `bucket_facts` looks at."""


class KeptFacts:
    """The facts of each bucket, read with `read` where they are not known or no longer fresh.

    What `read` raises is not kept. Threads that ask at once may each read.
    """

    def __init__(self, read: Callable[[str], BucketFacts | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._kept: dict[str, tuple[float, BucketFacts | None]] = {}
        self._lock = Lock()

    def of(self, bucket: str) -> BucketFacts | None:
        with self._lock:
            read_at, facts = self._kept.get(bucket, (None, None))
        if read_at is not None and self._clock() - read_at < FRESH_SECONDS:
            return facts
        asked_at = self._clock()
        facts = self._read(bucket)
        with self._lock:
            self._kept[bucket] = asked_at, facts
        return facts


def bucket_facts(answer: bytes) -> BucketFacts:
    """The facts in a bucket resource. Raises `Transient` where it is none."""
    try:
        return _bucket_facts(json.loads(answer))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise Transient(Reason.DESTINATION_UNAVAILABLE, "the answer is no bucket resource") from None


def _bucket_facts(resource: Any) -> BucketFacts:
    # Under Autoclass every object begins as Standard, whatever class it is written with
    # (https://cloud.google.com/storage/docs/autoclass).
    autoclass = resource.get("autoclass", {}).get("enabled", False)
    return BucketFacts(
        storage_class="STANDARD" if autoclass else resource["storageClass"],
        versioning=resource.get("versioning", {}).get("enabled", False),
        retains="retentionPolicy" in resource or resource.get("defaultEventBasedHold", False),
    )
