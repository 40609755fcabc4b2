"""Clients for servers on loopback, which no proxy of the environment may get in the way of."""

from typing import TYPE_CHECKING

import boto3
import requests
from botocore.config import Config
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

AWS_ACCESS_KEY_ID = "local"
AWS_SECRET_ACCESS_KEY = "local"  # noqa: S105  moto takes any
AWS_REGION = "us-east-1"


def http_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


def s3_client(url: str) -> "S3Client":
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=AWS_ACCESS_KEY_ID,
        aws_secret_access_key=AWS_SECRET_ACCESS_KEY,
        region_name=AWS_REGION,
        config=Config(proxies={}, s3={"addressing_style": "path"}),
    )


def storage_client(url: str) -> Client:
    return Client(
        project="local",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": url},
        _http=http_session(),
    )
