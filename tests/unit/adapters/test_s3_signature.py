"""Our signatures are those that the SDK's own implementation makes."""

from urllib.parse import quote

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.compat import get_current_datetime
from botocore.credentials import Credentials

from replicator.adapters import s3_signature
from replicator.adapters.s3_signature import signed_headers

CREDENTIALS = [Credentials("KEYID", "secret/+="), Credentials("OTHER", "s", "a token//+==")]
PATHS = ["/bucket/key", "/key", "/bucket/a//b/./../c", "/" + quote("ü + % ~ 🚀*'()!?#&=;", safe="/")]
HEADERS = [
    {},
    {"x-amz-checksum-mode": "ENABLED"},
    {"range": "bytes=0-99", "if-match": '"5d41402abc4b2a76b9719d911017c592-3"', "x-amz-request-payer": "requester"},
]


@pytest.mark.parametrize("credentials", CREDENTIALS)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("query", ["", "versionId=3%2FL4kqt.rmSpXd3dIbrHY%2BMTRCxf3vjVBH40Nr8X"])
@pytest.mark.parametrize("headers", HEADERS)
def test_a_signature_is_the_sdk_s(monkeypatch, credentials, path, query, headers):
    now = get_current_datetime()

    class Clock:
        @staticmethod
        def now(zone):
            return now.replace(tzinfo=zone)

    monkeypatch.setattr(s3_signature, "datetime", Clock)
    monkeypatch.setattr(auth, "get_current_datetime", lambda: now)
    url = f"https://host.example:8443{path}" + (f"?{query}" if query else "")
    request = AWSRequest("GET", url, headers)
    auth.S3SigV4Auth(credentials, "s3", "eu-west-1").add_auth(request)

    ours = signed_headers(
        "GET",
        path,
        query,
        {"host": "host.example:8443", **headers},
        credentials.get_frozen_credentials(),
        "eu-west-1",
        "s3",
    )
    theirs = {name.lower(): value for name, value in request.headers.items()}
    assert ours == {"host": "host.example:8443", **theirs}


def test_another_day_is_signed_with_another_key():
    assert s3_signature._key("secret", "20260101", "r", "s3") != s3_signature._key("secret", "20260102", "r", "s3")
