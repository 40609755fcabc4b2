"""The gate: so many requests at once, and none once the end is announced. Nobody waits unseen."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Semaphore

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from replicator.ending import Ending
from replicator.errors import Transient
from replicator.reasons import Reason
from replicator.web.gate import PLACES_BESIDE, Gate
from replicator.web.routing import Router

PLACES = 2


class House:
    """A service with two places. `/work` ends when `go_on` is set; `begun` counts."""

    def __init__(self, finishing: float = 60) -> None:
        self.go_on, self.begun = Event(), [Event() for _ in range(PLACES)]
        self._begun = iter(self.begun)
        self.ending = Ending(finishing, answering=0)
        handlers = {("GET", "/work"): self._work, ("GET", "/quick"): self._quick, ("GET", "/health"): self._quick}
        handlers |= {("GET", "/ready"): self._quick}
        self._router = Router(handlers, Gate(PLACES, self.ending))
        self._callers = ThreadPoolExecutor(8)

    def get(self, path: str) -> Response:
        return Client(Request.application(self._router)).get(path)

    def calling(self, path: str) -> Future[Response]:
        return self._callers.submit(self.get, path)

    def fill(self) -> list[Future[Response]]:
        """Returns when every place is taken."""
        calls = [self.calling("/work") for _ in range(PLACES)]
        assert all(begun.wait(60) for begun in self.begun)
        return calls

    def _work(self, _request: Request) -> Response:
        next(self._begun).set()
        assert self.go_on.wait(60)
        return Response("done")

    def _quick(self, _request: Request) -> Response:
        return Response("quick")


@pytest.fixture
def house() -> Iterator[House]:
    made = House()
    yield made
    made.go_on.set()


def problem(response: Response) -> tuple[int, str, str]:
    return response.status_code, response.json["reason"], response.headers["Retry-After"]


def test_a_request_for_which_there_is_no_place_is_told_at_once_to_come_back(house):
    calls = house.fill()
    assert problem(house.get("/quick")) == (503, "overloaded", "10")
    house.go_on.set()
    assert [call.result(60).text for call in calls] == ["done"] * PLACES


def test_liveness_is_answered_in_a_full_house_and_to_the_end(house):
    house.fill()
    house.ending.announce()
    assert house.get("/health").status_code == 200


def test_readiness_needs_no_place_of_the_work_and_takes_none(house):
    house.fill()
    assert house.get("/ready").status_code == 200

    gate, go_on, begun = Gate(1, Ending()), Event(), Semaphore(0)

    def hang() -> Response:
        begun.release()
        assert go_on.wait(60)
        return Response("done")

    with ThreadPoolExecutor(PLACES_BESIDE) as strangers:
        waiting = [strangers.submit(gate.serve, ("GET", "/ready"), hang) for _ in range(PLACES_BESIDE)]
        assert all(begun.acquire(timeout=60) for _ in waiting)
        assert gate.serve(("POST", "/"), lambda: Response("done")).status_code == 200
        with pytest.raises(Transient) as refused:
            gate.serve(("GET", "/ready"), hang)
        go_on.set()
    assert refused.value.reason is Reason.OVERLOADED


def test_a_place_is_free_again_before_anybody_has_the_answer():
    gate = Gate(1, Ending())
    assert {gate.serve(("GET", "/work"), lambda: Response("done")).status_code for _ in range(1000)} == {200}


def test_once_the_end_is_announced_nobody_is_let_in_and_who_is_inside_may_finish(house):
    calls = house.fill()
    house.ending.announce()
    assert problem(house.get("/quick")) == (503, "stopping", "10")
    house.go_on.set()
    assert [call.result(60).text for call in calls] == ["done"] * PLACES


def test_whoever_is_inside_at_the_end_is_handed_back_whatever_the_work_hangs_on():
    house = House(finishing=0.02)
    calls = house.fill()
    house.ending.announce()
    assert [problem(call.result(60)) for call in calls] == [(503, "stopping", "10")] * PLACES
    house.go_on.set()
