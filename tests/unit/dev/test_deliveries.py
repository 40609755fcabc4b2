import threading

from replicator.dev.deliveries import Backoff, Deliveries


class Recorded(Deliveries[str]):
    def __init__(self, answers: dict[str, int]) -> None:
        super().__init__("recorded", Backoff(0.001, 0.002), concurrency=2)
        self.answers, self.attempts = answers, []

    def deliver(self, item: str, attempt: int) -> bool:
        self.attempts.append((item, attempt))
        return attempt >= self.answers[item]


def test_the_delay_doubles_between_its_bounds():
    backoff = Backoff(0.5, 10)
    assert [backoff.after(attempt) for attempt in range(1, 7)] == [0.5, 1, 2, 4, 8, 10]
    assert backoff.after(1000) == 10


def test_every_item_is_delivered_until_it_is_done_with():
    with Recorded({"a": 1, "b": 3}) as deliveries:
        deliveries.add("a")
        deliveries.add("b")
        assert deliveries.settle(5)
    assert sorted(deliveries.attempts) == [("a", 1), ("b", 1), ("b", 2), ("b", 3)]


def test_what_is_added_before_the_start_is_delivered_after_it():
    deliveries = Recorded({"a": 1})
    deliveries.add("a")
    assert not deliveries.settle(0)
    with deliveries:
        assert deliveries.settle(5)


def test_stopping_wakes_whoever_waits():
    with Recorded({"never": 10**9}) as deliveries:
        deliveries.add("never")
        timer = threading.Timer(0.05, deliveries.stop)
        timer.start()
        assert not deliveries.settle(30)
        timer.join()


def test_what_is_not_done_with_is_counted():
    deliveries = Recorded({"a": 1, "b": 1})
    deliveries.add("a")
    deliveries.add("b")
    assert deliveries.unfinished == 2
    with deliveries:
        assert deliveries.settle(5)
    assert deliveries.unfinished == 0
