"""An outcome as the page shows it: what the service said, and its reason in a sentence."""

import time
from collections.abc import Mapping
from typing import Any

from replicator.reasons import Reason

SHOWN = (
    *("result", "reason", "rule", "source", "destination", "elsewhere", "bytes", "path", "attempts"),
    *("copied", "size"),
)
SECONDS = ("lag_seconds", "duration_seconds")


def shown(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Any of the fields may be absent; others that the line may have are not for the page.

    `elsewhere` is a destination in another bucket than the page's, which the page names.
    """
    present = {name: fields[name] for name in (*SHOWN, *SECONDS) if fields.get(name) is not None}
    return {**present, "explanation": _explanation(fields.get("reason")), "at": time.time()}


def _explanation(reason: object) -> str:
    return next((known.explanation for known in Reason if known == reason), "")
