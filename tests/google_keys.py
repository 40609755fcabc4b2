"""Keys of Google service accounts that nobody has."""

import json
from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def pem(key) -> str:
    """A private key as a service account's key file holds it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@cache
def service_account_key(account: str = "replicator@project.iam.gserviceaccount.com") -> str:
    """The JSON of a key file, with a private key of its own."""
    return json.dumps(
        {
            "type": "service_account",
            "client_email": account,
            "private_key_id": "an-id",
            "private_key": pem(rsa.generate_private_key(65537, 2048)),
            "token_uri": "https://oauth2.googleapis.com/token",
            "universe_domain": "googleapis.com",
        }
    )
