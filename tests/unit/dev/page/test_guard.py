"""Who may call the page: the page itself. Nothing else protects it."""

import pytest
from werkzeug.exceptions import Forbidden
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from replicator.dev.page.guard import admit


def asked(method="GET", host="127.0.0.1:8082", origin=None, listening="127.0.0.1") -> bool:
    """Whether the request is admitted; raises `Forbidden` where it is not."""
    headers = {"Host": host} | ({"Origin": origin} if origin is not None else {})
    admit(Request(EnvironBuilder(method=method, headers=headers).get_environ()), listening)
    return True


@pytest.mark.parametrize("host", ["127.0.0.1:8082", "localhost:8082", "localhost", "[::1]:8082", "LOCALHOST:9000"])
def test_loopback_is_where_it_is_reached(host):
    assert asked(host=host)


@pytest.mark.parametrize(
    "host", ["evil.example:8082", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.0.7:8082", "", "[:::"]
)
def test_a_foreign_name_that_resolves_to_loopback_is_refused(host):
    with pytest.raises(Forbidden):
        asked(host=host)


def test_an_address_that_it_was_told_to_listen_on_is_its_own():
    assert asked(host="192.168.0.7:8082", listening="192.168.0.7")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_page_itself_may_write(method):
    assert asked(method, origin="http://127.0.0.1:8082")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1:3000",
        "http://localhost:8082",
        "https://127.0.0.1:8082",
        "http://127.0.0.1:80821",
        "http://127.0.0.1",
        "null",
        "",
    ],
)
def test_another_origin_is_refused(method, origin):
    with pytest.raises(Forbidden):
        asked(method, origin=origin)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_write_that_names_no_origin_is_refused(method):
    with pytest.raises(Forbidden):
        asked(method)
