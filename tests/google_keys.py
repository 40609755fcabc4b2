"""Keys of Google service accounts that nobody has, and keys like those that Google signs identity tokens with."""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt


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


@dataclass(frozen=True)
class SigningKey:
    """A key as Google signs identity tokens with, and its certificate."""

    id: str
    private: rsa.RSAPrivateKey

    @cached_property
    def certificate(self) -> str:
        """In PEM. Nobody looks at anything but its key."""
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "google")])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(name, name, self.private.public_key(), 1, now, now + timedelta(days=2))
        return builder.sign(self.private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def sign(self, claims: dict, **header: object) -> str:
        """A token with these claims, and in its header what Google's have unless `header` says otherwise."""
        signer = crypt.RSASigner(self.private)
        return jwt.encode(signer, claims, {"alg": "RS256", "kid": self.id, **header}).decode()


@cache
def signing_key(key_id: str = "key-1") -> SigningKey:
    """The same for the same id."""
    return SigningKey(key_id, rsa.generate_private_key(65537, 2048))


def encoded(part: bytes | dict) -> str:
    """A part of a token: base64 without padding."""
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
