"""AWS Signature Version 4 for requests without a body
(https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html)."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from botocore.credentials import ReadOnlyCredentials

NO_BODY = hashlib.sha256().hexdigest()


def signed_headers(
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    credentials: ReadOnlyCredentials,
    region: str,
    service: str,
) -> dict[str, str]:
    """`headers`, among them `host`, and all by their names in lower case, with those that authorise the request.

    `path` and `query` are escaped as they are sent, and the query's parameters sorted.
    """
    time = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    day = time[:8]
    signed = {**headers, "x-amz-content-sha256": NO_BODY, "x-amz-date": time}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    names = sorted(signed)
    lines = "".join(f"{name}:{signed[name]}\n" for name in names)
    request = f"{method}\n{path}\n{query}\n{lines}\n{';'.join(names)}\n{NO_BODY}"
    scope = f"{day}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.digest(_key(credentials.secret_key, day, region, service), text.encode(), "sha256").hex()
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return signed


@lru_cache(maxsize=64)
def _key(secret: str, *scope: str) -> bytes:
    """The same for a day, a region and a service."""
    key = f"AWS4{secret}".encode()
    for part in (*scope, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
