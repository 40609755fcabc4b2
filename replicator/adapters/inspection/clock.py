"""Reads other people's clocks, off the `Date` that every HTTP answer has (RFC 9110, 6.6.1)."""

import time
from email.utils import parsedate_to_datetime

import requests

from replicator.doctor.facts import Unread

TIMEOUT = 5


def skew(url: str) -> float | Unread:
    """By how many seconds the server's clock is ahead of ours: to about a second, which is how exact a `Date` is."""
    asked = time.time()
    try:
        answer = requests.head(url, timeout=TIMEOUT, allow_redirects=False)
        server = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (requests.RequestException, KeyError, ValueError) as error:
        return Unread(f"there is no answer with a date: {type(error).__name__}")
    answered = time.time()
    if asked - 1 <= server <= answered:  # within the second that a `Date` leaves out
        return 0.0
    return server - (asked + answered) / 2
