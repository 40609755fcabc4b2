"""What is tried in a source bucket."""

from types import SimpleNamespace
from typing import Any

import pytest

from replicator.adapters.inspection.s3 import look_at


class Client:
    """Answers as S3 does for one object of this version; what is asked for by its version is kept."""

    def __init__(self, version: str | None) -> None:
        self.headers = {} if version is None else {"x-amz-version-id": version}
        self.by_version: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def ask(VersionId: str | None = None, **_: object) -> dict[str, Any]:
            if VersionId is not None:
                self.by_version.append(VersionId)
            return {
                "ResponseMetadata": {"HTTPHeaders": self.headers},
                "Contents": [{"Key": "k", "Size": 1}],
                "VersionId": self.headers.get("x-amz-version-id"),
                "Body": SimpleNamespace(close=lambda: None),
                "ServerSideEncryptionConfiguration": {"Rules": []},
            }

        return ask


@pytest.mark.parametrize(
    ("version", "known", "asked"), [("v1", "v1", {"v1"}), ("null", None, set()), (None, None, set())]
)
def test_an_object_is_read_by_its_version_as_the_service_does_and_null_is_none(version, known, asked):
    client = Client(version)
    tried = look_at(client, "source", [""]).tried
    assert (tried.version_id, tried.read) == (known, None)
    assert set(client.by_version) == asked
