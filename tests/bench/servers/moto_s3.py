"""moto as S3, for the quick form: it needs no binary, and is slow."""

import sys

from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from tests.bench.answering import say

if __name__ == "__main__":
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    say(url=f"http://{host}:{port}")
    sys.stdin.read()
    server.stop()
