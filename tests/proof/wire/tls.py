"""Certificates that nobody but the test trusts, and the ways in which a TLS connection does not come about."""

import datetime
import ipaddress
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LOOPBACK = ipaddress.ip_address("127.0.0.1")


@dataclass(frozen=True, slots=True)
class Certificate:
    """One for loopback, signed by itself, with its key: the path of its file."""

    path: Path

    def server(self, alpn: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        context.set_alpn_protocols([alpn])
        return context


def new_certificate(path: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOOPBACK)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    return Certificate(path)


def hang_up(client: socket.socket) -> None:
    """The server goes away in the middle of the handshake."""
    client.recv(1)


def talk_nonsense(client: socket.socket) -> None:
    """What answers is no TLS server."""
    client.recv(1)
    client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    _wait_for_the_end(client)


def impersonate(client: socket.socket) -> None:
    """A server with a certificate that nobody trusts."""
    with _untrusted().wrap_socket(client, server_side=True) as connection:
        _wait_for_the_end(connection)


@cache
def _untrusted() -> ssl.SSLContext:
    with TemporaryDirectory() as folder:
        return new_certificate(Path(folder) / "certificate.pem").server("http/1.1")


def _wait_for_the_end(client: socket.socket) -> None:
    client.settimeout(1)
    with suppress(OSError):
        while client.recv(65536):
            pass
