"""Addresses, on loopback unless somebody asks for others, taken before the server that will listen there exists."""

import errno
import socket

from replicator.dev.errors import StackError

HOST = "127.0.0.1"
"""Not `localhost`: with that, boto3 puts the bucket into the host's name."""

EVERYWHERE = "0.0.0.0"


def bind(port: int, or_any: bool = False, host: str = HOST) -> socket.socket:
    """A bound TCP socket; port 0 is any free one, as is a taken one with `or_any`. Raises `StackError`."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Connections of the server before that are in their last wait do not keep the port taken.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        if or_any and error.errno == errno.EADDRINUSE:
            return bind(0, host=host)
        raise StackError(
            f"port {port} cannot be used on {host} ({error.strerror}): "
            "stop what listens there, or name another with --port (0 takes any that is free)"
        ) from error
    return bound


def url_of(bound: socket.socket) -> str:
    """For clients on this machine: what listens everywhere listens on loopback, too."""
    host, port = bound.getsockname()
    return f"http://{HOST if host == EVERYWHERE else host}:{port}"
