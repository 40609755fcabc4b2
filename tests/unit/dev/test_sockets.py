from replicator.dev.sockets import EVERYWHERE, bind, url_of


def test_a_socket_is_on_loopback_unless_it_is_asked_for_elsewhere():
    with bind(0) as bound:
        assert bound.getsockname()[0] == "127.0.0.1"
    with bind(0, host=EVERYWHERE) as bound:
        assert bound.getsockname()[0] == "0.0.0.0"  # noqa: S104


def test_what_listens_everywhere_is_called_on_loopback():
    with bind(0, host=EVERYWHERE) as bound:
        assert url_of(bound) == f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_a_taken_port_is_replaced_on_the_same_host():
    with bind(0, host=EVERYWHERE) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with bind(port, or_any=True, host=EVERYWHERE) as other:
            assert other.getsockname()[0] == "0.0.0.0"  # noqa: S104
            assert other.getsockname()[1] != port
