"""The stream of outcomes: nothing is lost between two connections of one page, and nobody holds anybody up."""

import json
import threading

from replicator.dev.page.hub import Hub


def events(text):
    """Each event of a piece of the stream, as (id, kind, data)."""
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((fields.get("id"), fields.get("event"), json.loads(fields.get("data", "null"))))
    return found


def test_a_new_page_begins_with_what_happened_before():
    hub = Hub()
    hub.publish({"result": "created"})
    hub.publish({"result": "deleted"})
    stream = hub.stream()
    assert events(next(stream)) == [(None, "begin", {})]
    assert [data["result"] for _, _, data in events(next(stream))] == ["created", "deleted"]


def test_what_happens_later_reaches_everybody_who_waits():
    hub = Hub(heartbeat=60)
    streams = [hub.stream(), hub.stream()]
    for stream in streams:
        next(stream)
    received = []
    readers = [threading.Thread(target=lambda s=stream: received.append(next(s))) for stream in streams]
    for reader in readers:
        reader.start()
    hub.publish({"result": "created"})
    for reader in readers:
        reader.join(10)
    assert [events(text)[0][2] for text in received] == [{"result": "created"}] * 2


def test_a_page_that_connects_again_goes_on_where_it_was():
    hub = Hub()
    hub.publish({"n": 1})
    hub.publish({"n": 2})
    stream = hub.stream()
    next(stream)
    (first, _, _), _ = events(next(stream))
    stream = hub.stream(first)
    assert next(stream).startswith(":")
    assert [data for _, _, data in events(next(stream))] == [{"n": 2}]


def test_an_identifier_of_an_earlier_run_or_of_nobody_begins_anew():
    earlier = Hub()
    earlier.publish({})
    stream = earlier.stream()
    next(stream)
    ((foreign, _, _),) = events(next(stream))
    for last_event_id in (foreign, "nonsense", "-", "-1"):
        assert events(next(Hub().stream(last_event_id))) == [(None, "begin", {})]


def test_only_the_last_messages_are_kept():
    hub = Hub(kept=2)
    for n in range(5):
        hub.publish({"n": n})
    stream = hub.stream()
    next(stream)
    assert [data["n"] for _, _, data in events(next(stream))] == [3, 4]


def test_silence_is_filled_with_comments():
    stream = Hub(heartbeat=0.001).stream()
    next(stream)
    assert next(stream) == ": still here\n\n"


def test_closing_ends_every_stream():
    hub = Hub(heartbeat=60)
    stream = hub.stream()
    next(stream)
    reader = threading.Thread(target=list, args=(stream,))
    reader.start()
    hub.close()
    reader.join(10)
    assert not reader.is_alive()
    assert len(list(hub.stream())) == 1


def test_no_text_can_break_out_of_its_event():
    hub = Hub()
    hub.publish({"source": "a\n\nevent: begin\ndata: {}\r\n"})
    stream = hub.stream()
    next(stream)
    ((_, kind, data),) = events(next(stream))
    assert kind == "outcome"
    assert data == {"source": "a\n\nevent: begin\ndata: {}\r\n"}
