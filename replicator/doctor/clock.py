"""Judges this machine's clock, by which requests are signed and tokens made."""

from replicator.doctor.facts import Unread
from replicator.doctor.finding import Check, Finding, failed, ok, unread, warning

TOO_FAR = 300
"""Seconds: Google's tokens are refused a few minutes off, and S3's signatures at fifteen
(https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, `RequestTimeTooSkewed`)."""
NOTICEABLE = 30


def judge_clock(subject: str, skew: float | Unread) -> Finding:
    """`skew` is by how many seconds the server's clock is ahead of ours."""
    if isinstance(skew, Unread):
        return unread(Check.CLOCK, subject, skew)
    apart = f"This machine's clock is {abs(skew):.0f} s {'behind' if skew > 0 else 'ahead'}"
    if abs(skew) >= TOO_FAR:
        return failed(Check.CLOCK, subject, f"{apart}: signatures and tokens are refused.", MEND)
    if abs(skew) >= NOTICEABLE:
        return warning(Check.CLOCK, subject, f"{apart}: lags are measured wrongly.", MEND)
    return ok(Check.CLOCK, subject, "The clocks agree.")


MEND = "sudo timedatectl set-ntp true"
