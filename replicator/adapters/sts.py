"""Gets AWS keys for a Google identity, without any AWS key: `AssumeRoleWithWebIdentity`."""

from collections.abc import Callable
from typing import Any, TypeVar

import botocore.config
import botocore.session
import urllib3.exceptions
from botocore import UNSIGNED
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from replicator.adapters.aws_data import share_data
from replicator.adapters.s3_credentials import sign_with
from replicator.errors import Transient
from replicator.model import AwsKeys
from replicator.ports import KeyStore
from replicator.reasons import Reason

T = TypeVar("T")

SESSION_SECONDS = 3600
"""How long the keys are valid: the shortest maximum that a role can have
(https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html)."""

MAX_AGE = SESSION_SECONDS * 3 / 4
"""Seconds after which new keys are fetched. A quarter of an hour is left for an STS that is down."""

DEFAULT_REGION = "us-east-1"

SESSION_NAME = "replicator"
"""How CloudTrail names the caller."""


def connect(region: str | None) -> Any:
    """A client for one process, for the region's endpoint or what `AWS_ENDPOINT_URL_STS` names.

    The identity token authenticates the request; it is not signed, so no AWS credentials are looked for.
    """
    return _client(botocore.session.Session(), region, botocore.config.Config(signature_version=UNSIGNED))


def connect_signed(keys: KeyStore | None, region: str | None) -> Any:
    """A client whose requests are signed with `keys`, or with what the SDK finds by itself.

    Without any region, for which S3 has a default and STS has none, it is asked where S3 would be.
    """
    session = botocore.session.Session()
    region = region or session.get_config_variable("region") or DEFAULT_REGION
    if keys is not None:
        sign_with(session, keys)
    return _client(session, region, botocore.config.Config())


def caller(client: Any) -> str:
    """The ARN of whoever signs, which needs no permission. Raises `Transient(credentials_unavailable)`."""
    return _translated(lambda: str(client.get_caller_identity()["Arn"]), "the keys")


def _client(session: botocore.session.Session, region: str | None, config: botocore.config.Config) -> Any:
    limits = botocore.config.Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "max_attempts": 2})
    share_data(session)
    return session.create_client("sts", region_name=region, config=config.merge(limits))


def assume_role(client: Any, role_arn: str, token: Callable[[], str]) -> AwsKeys:
    """Temporary keys of the role. `token` gives a Google identity token.

    Raises `Transient(credentials_unavailable)`, also for a role that does not trust the identity: that is mended on
    AWS's side, without us.
    """
    web_identity_token = token()

    def keys() -> AwsKeys:
        found = client.assume_role_with_web_identity(
            RoleArn=role_arn,
            RoleSessionName=SESSION_NAME,
            WebIdentityToken=web_identity_token,
            DurationSeconds=SESSION_SECONDS,
        )["Credentials"]
        return AwsKeys(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])

    return _translated(keys, "the role")


def _translated(ask: Callable[[], T], whom: str) -> T:
    try:
        return ask()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, f"AWS STS refuses {whom}: {code}") from error
    except (BotoCoreError, urllib3.exceptions.HTTPError, OSError) as error:
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, f"AWS STS does not answer: {type(error).__name__}") from error
    except (
        ResponseParserError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ):  # the SDK trusts the answer, and any time in it
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, "the answer is none of AWS STS's") from None
