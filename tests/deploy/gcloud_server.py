"""Runs gcloud commands in copies of one process that has loaded the Google Cloud CLI already.

Loading takes most of a command's time; what a command had to load, the next one finds loaded. Started by the CLI's own
Python: `python gcloud_server.py LIB SOCKET`. Each connection brings, as JSON, arguments, environment and working
directory, and the three standard streams as descriptors; the exit status comes back. What runs is the installed CLI,
unchanged.
"""

import importlib
import json
import os
import signal
import socket
import sys
from contextlib import suppress

LIB, SOCKET = sys.argv[1:]
sys.path[:0] = [f"{LIB}/third_party", LIB]
sys.argv = ["gcloud"]

import gcloud  # type: ignore[import-not-found]  # noqa: E402

gcloud._fix_google_module()
from googlecloudsdk import gcloud_main  # type: ignore[import-not-found]  # noqa: E402


def run(order: dict[str, object], streams: list[int], loaded: int) -> None:
    """In a process of its own; does not return."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.environ.clear()
    os.environ.update(order["environment"])  # type: ignore[call-overload]
    os.chdir(str(order["folder"]))
    sys.argv = ["gcloud", *order["arguments"]]  # type: ignore[misc]
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
    status: object = 0
    try:
        status = gcloud_main.main()
    except SystemExit as ended:
        status = ended.code
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(loaded, " ".join(sys.modules).encode())
    os._exit(status if isinstance(status, int) else bool(status))


with socket.socket(socket.AF_UNIX) as listening:
    listening.bind(SOCKET)
    listening.listen()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    os.write(1, b"ready\n")
    while True:
        connection, _ = listening.accept()
        with connection:
            text, streams, _, _ = socket.recv_fds(connection, 1 << 16, 3)
            while more := connection.recv(1 << 16):
                text += more
            reading, writing = os.pipe()
            child = os.fork()
            if not child:
                listening.close()
                run(json.loads(text), streams, writing)
            for stream in (*streams, writing):
                os.close(stream)
            with open(reading) as modules:
                loaded = modules.read().split()
            _, status = os.waitpid(child, 0)
            connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        for module in loaded:
            with suppress(Exception):
                importlib.import_module(module)
