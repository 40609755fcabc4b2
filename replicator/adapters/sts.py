"""Gets AWS keys for a Google identity, without any AWS key: `AssumeRoleWithWebIdentity`."""

from collections.abc import Callable
from typing import Any

import botocore.config
import botocore.session
import urllib3.exceptions
from botocore import UNSIGNED
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from replicator.adapters.aws_data import share_data
from replicator.errors import Transient
from replicator.model import AwsKeys
from replicator.reasons import Reason

SESSION_SECONDS = 3600
"""How long the keys are valid: the shortest maximum that a role can have
(https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html)."""

MAX_AGE = SESSION_SECONDS * 3 / 4
"""Seconds after which new keys are fetched. A quarter of an hour is left for an STS that is down."""

SESSION_NAME = "replicator"
"""How CloudTrail names the caller."""


def connect(region: str | None) -> Any:
    """A client for one process, for the region's endpoint or what `AWS_ENDPOINT_URL_STS` names.

    The identity token authenticates the request; it is not signed, so no AWS credentials are looked for.
    """
    config = botocore.config.Config(
        signature_version=UNSIGNED,
        connect_timeout=5,
        read_timeout=10,
        retries={"mode": "standard", "max_attempts": 2},
    )
    session = botocore.session.Session()
    share_data(session)
    return session.create_client("sts", region_name=region, config=config)


def assume_role(client: Any, role_arn: str, token: Callable[[], str]) -> AwsKeys:
    """Temporary keys of the role. `token` gives a Google identity token.

    Raises `Transient(credentials_unavailable)`, also for a role that does not trust the identity: that is mended on
    AWS's side, without us.
    """
    web_identity_token = token()
    try:
        keys = client.assume_role_with_web_identity(
            RoleArn=role_arn,
            RoleSessionName=SESSION_NAME,
            WebIdentityToken=web_identity_token,
            DurationSeconds=SESSION_SECONDS,
        )["Credentials"]
        return AwsKeys(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, f"AWS STS refuses the role: {code}") from error
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
