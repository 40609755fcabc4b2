"""Forwards S3's notifications from AWS Lambda to the replicator's ingest service.

Needs nothing but Python. The ingest secret comes from the layer "AWS Parameters and Secrets Lambda Extension", a server
beside the function that keeps the secret for five minutes: so it is not in the function's configuration, which more
people may read, and a new one needs no deployment.
https://docs.aws.amazon.com/secretsmanager/latest/userguide/retrieving-secrets_lambda.html
"""

import json
import logging
import os
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, Request, build_opener

TIMEOUT = 5
"""Seconds for one request. The ingest service only publishes, and answers in far less."""

Event = dict[str, Any]

logger = logging.getLogger(__name__)


class NotForwarded(Exception):
    """Says why, by a status or an error's name alone: the texts of errors quote headers."""


class _NoRedirects(HTTPRedirectHandler):
    """A redirect is an error like any other status but 2xx: the secret goes to one address."""

    def redirect_request(self, *_: object) -> None:
        return None


_opener = build_opener(_NoRedirects)


def handler(event: Event, _context: object) -> Event:
    """Forwards what S3 or SNS invoked the function with, or each message of a batch from SQS.

    Raises `NotForwarded`, after which Lambda tries again; of a batch from SQS only the messages that it names in its
    answer come again (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html).
    """
    secret = _secret()
    records = event.get("Records", [])
    if records and all(record.get("eventSource") == "aws:sqs" for record in records):
        failed = [record["messageId"] for record in records if not _forwarded(record, secret)]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
    _post(json.dumps(event), secret)
    return {}


def _forwarded(message: Event, secret: str) -> bool:
    try:
        _post(message["body"], secret)
    except NotForwarded as error:
        logger.warning("message %s: %s", message["messageId"], error)
        return False
    return True


def _post(body: str, secret: str) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8", "X-Ingest-Secret": secret}
    url = f"{os.environ['INGEST_URL']}/v1/events"
    _send("ingest", Request(url, body.encode(), headers))  # noqa: S310  the template takes https alone


def _secret() -> str:
    port = os.environ.get("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", "2773")
    url = f"http://localhost:{port}/secretsmanager/get?secretId={quote(os.environ['INGEST_SECRET_ARN'], safe='')}"
    answer = _send("secret", Request(url, headers={"X-Aws-Parameters-Secrets-Token": os.environ["AWS_SESSION_TOKEN"]}))
    return str(json.loads(answer)["SecretString"]).strip()


def _send(to: str, request: Request) -> bytes:
    """The body of a 2xx answer. Raises `NotForwarded`."""
    try:
        with _opener.open(request, timeout=TIMEOUT) as response:
            return bytes(response.read())
    except HTTPError as error:
        reason = str(error.code)
    except (OSError, HTTPException, ValueError) as error:
        reason = type(error).__name__
    raise NotForwarded(f"{to}: {reason}")
