"""What the AWS SDK raises, to our errors. None of its exceptions leaves the S3 adapter."""

import re
from collections.abc import Callable
from typing import NoReturn, TypeVar

import urllib3.exceptions
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError

from replicator.adapters.s3_object import UNREADABLE, not_s3
from replicator.errors import Permanent, SourceMoved, Transient
from replicator.reasons import Reason

T = TypeVar("T")

KMS_TRANSIENT = frozenset(
    {"DependencyTimeoutException", "KeyUnavailableException", "KMSInternalException", "ThrottlingException"}
)
"""KMS's errors that pass; those of a key that is disabled, to be deleted, unknown or forbidden do not
(https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors)."""

KMS_DENIED = re.compile("is not authorized to perform: kms:|The ciphertext refers to a customer master key ")
"""S3's AccessDenied says in its text alone whether it is about the KMS key."""

CREDENTIAL_ERRORS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
)
UNCLEAR = frozenset({400, 403, 404})
"""Statuses that a HEAD's answer, which has no body, does not explain. A GET's does."""

MOVED_STATUSES = frozenset({404, 412, 416})


def connected(connect: Callable[[], T]) -> T:
    """Makes a client. Raises `Transient(credentials_unavailable)` where the SDK does not take what the environment and
    its files say: a profile that is not there, a region that is none."""
    try:
        return connect()
    except (BotoCoreError, ValueError) as error:
        said = f"the AWS SDK does not take its configuration: {type(error).__name__}"
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, said) from error


def asked(request: Callable[[], T]) -> T:
    """Makes a request and translates all errors."""
    try:
        return translated(request)
    except ClientError as error:
        raise_translated(error)


def translated(request: Callable[[], T]) -> T:
    """Makes a request and translates all errors but those that S3 itself answered."""
    try:
        return request()
    except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as error:
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, "the AWS SDK finds no usable credentials") from error
    except (BotoCoreError, urllib3.exceptions.HTTPError, OSError) as error:
        raise Transient(Reason.SOURCE_UNAVAILABLE, type(error).__name__) from error
    except (ResponseParserError, RuntimeError, *UNREADABLE) as error:  # the SDK trusts the answer, and any time in it
        raise not_s3() from error


def raise_translated(error: ClientError) -> NoReturn:
    """Raises our error for S3's answer."""
    code, status = code_of(error), status_of(error)
    if code == "NoSuchBucket":
        raise Permanent(Reason.SOURCE_BUCKET_NOT_FOUND) from error
    if code == "InvalidObjectState":
        raise Permanent(Reason.SOURCE_ARCHIVED) from error
    if code in CREDENTIAL_ERRORS:
        raise Transient(Reason.SOURCE_CREDENTIALS_REJECTED, code) from error
    if code.startswith("KMS."):
        if code.removeprefix("KMS.") in KMS_TRANSIENT:
            raise Transient(Reason.SOURCE_UNAVAILABLE, code) from error
        raise Permanent(Reason.SOURCE_KMS_DENIED, code) from error
    # S3 answers a skewed clock with a 403.
    if status == 429 or status >= 500 or code in ("SlowDown", "RequestTimeout", "RequestTimeTooSkewed"):
        raise Transient(Reason.SOURCE_UNAVAILABLE, f"status {status}") from error
    if code == "AccessDenied" and KMS_DENIED.search(str(error.response["Error"].get("Message", ""))):
        raise Permanent(Reason.SOURCE_KMS_DENIED, code) from error
    if status in (401, 403):
        raise Permanent(Reason.SOURCE_ACCESS_DENIED, f"status {status}") from error
    raise Permanent(Reason.SOURCE_REFUSED, f"status {status}") from error


def raise_translated_of_pinned(error: ClientError) -> NoReturn:
    """The same for a request that is pinned to a state: `SourceMoved` where S3 no longer has that."""
    if status_of(error) in MOVED_STATUSES and code_of(error) != "NoSuchBucket":
        raise SourceMoved from error
    raise_translated(error)


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
