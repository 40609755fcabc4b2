"""Puts a canary into a source bucket and takes it away again, with other credentials than the service's, which may not
write."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import botocore.config
import botocore.session

from replicator.adapters.s3_errors import asked, connected
from replicator.model import SourceKey


class CanaryWriter:
    """With the AWS SDK's own credentials, or those of one of its profiles.

    Raises `Transient(credentials_unavailable)` where there is no such profile.
    """

    def __init__(self, profile: str | None, region: str | None) -> None:
        config = botocore.config.Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard"})
        session = botocore.session.Session(profile=profile)
        self._client: Any = connected(lambda: session.create_client("s3", region_name=region, config=config))

    def put(self, key: SourceKey, data: bytes, tags: Mapping[str, str]) -> str | None:
        """The version that came to be, where the bucket keeps any."""
        tagging = {"Tagging": urlencode(tags)} if tags else {}
        answer: Any = asked(lambda: self._client.put_object(Bucket=key.bucket, Key=key.key, Body=data, **tagging))
        return _version(answer)

    def delete(self, key: SourceKey, version: str | None = None) -> str | None:
        """Deletes the object, or one of its versions for good. Returns the delete marker's version, if there is one."""
        which = {"VersionId": version} if version else {}
        answer: Any = asked(lambda: self._client.delete_object(Bucket=key.bucket, Key=key.key, **which))
        return None if version else _version(answer)


def _version(answer: Mapping[str, Any]) -> str | None:
    found = answer.get("VersionId")
    return None if found is None else str(found)
