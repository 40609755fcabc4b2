"""Reading other people's clocks."""

import socket
import threading
import time
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from replicator.adapters.inspection.clock import skew
from replicator.doctor.facts import Unread


@contextmanager
def server(date):
    """A server that refuses everything, and says that it is `date()`."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(403)
            self.end_headers()

        def date_time_string(self, timestamp=None):
            return date()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()


@pytest.mark.parametrize("ahead", [3600, -3600])
def test_a_clock_that_differs_is_told_by_how_much(ahead):
    with server(lambda: formatdate(time.time() + ahead, usegmt=True)) as url:
        assert skew(url) == pytest.approx(ahead, abs=10)


def test_clocks_that_agree_differ_by_nothing():
    with server(lambda: formatdate(usegmt=True)) as url:
        assert skew(url) == 0


def test_without_an_answer_or_a_date_nothing_is_known():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert isinstance(skew(f"http://127.0.0.1:{port}"), Unread)
    with server(lambda: "yesterday") as url:
        assert isinstance(skew(url), Unread)
