"""Which request gets which answer; every refusal is JSON with one sentence."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from google.api_core.exceptions import GoogleAPIError
from requests import RequestException
from werkzeug.exceptions import BadGateway, BadRequest, HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from replicator.dev.page import guard, upload
from replicator.dev.page.assets import asset
from replicator.dev.page.buckets import Buckets
from replicator.dev.page.hub import Hub
from replicator.dev.page.switch import FaultSwitch

MAX_SWITCH_BYTES = 1024

ROUTES = Map(
    [
        Rule("/", endpoint="home", methods=["GET"]),
        Rule("/dev", endpoint="page", methods=["GET"]),
        Rule("/dev/", endpoint="page", methods=["GET"]),
        Rule("/dev/<name>", endpoint="file", methods=["GET"]),
        Rule("/dev/api/state", endpoint="state", methods=["GET"]),
        Rule("/dev/api/outcomes", endpoint="outcomes", methods=["GET"]),
        Rule("/dev/api/object", endpoint="put", methods=["PUT"]),
        Rule("/dev/api/object", endpoint="delete", methods=["DELETE"]),
        Rule("/dev/api/dead-letters/replay", endpoint="replay", methods=["POST"]),
        Rule("/dev/api/fault", endpoint="turn", methods=["POST"]),
    ],
    merge_slashes=False,
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the page shows and changes. `progress` says what is under way; `replay` delivers dead letters again."""

    buckets: Buckets
    switch: FaultSwitch
    hub: Hub
    progress: Callable[[], dict[str, int]]
    replay: Callable[[], int]


class Page:
    """The page's requests. `own_host` is the address that it listens on."""

    def __init__(self, parts: Parts, own_host: str) -> None:
        self._parts, self._own_host = parts, own_host

    def __call__(self, request: Request) -> Response:
        try:
            guard.admit(request, self._own_host)
            endpoint, arguments = ROUTES.bind_to_environ(request.environ).match()
            response: Response = getattr(self, f"_{endpoint}")(request, **arguments)
        except HTTPException as error:
            response = _refusal(error)
        except (Boto3Error, BotoCoreError, ClientError, GoogleAPIError, RequestException) as error:
            response = _refusal(BadGateway(f"A bucket did not answer as it should ({type(error).__name__})."))
        response.headers.update(guard.HEADERS)
        return response

    def _home(self, _: Request) -> Response:
        response = redirect("/dev")
        response.autocorrect_location_header = False
        return response

    def _page(self, _: Request) -> Response:
        return asset("page.html")

    def _file(self, _: Request, name: str) -> Response:
        try:
            return asset(name)
        except KeyError:
            raise NotFound("There is nothing at this path.") from None

    def _state(self, _: Request) -> Response:
        return _json(
            {
                **self._parts.buckets.state(),
                **self._parts.progress(),
                "fault": self._parts.switch.state,
                "max_upload_bytes": upload.MAX_BYTES,
            }
        )

    def _outcomes(self, request: Request) -> Response:
        events = self._parts.hub.stream(request.headers.get("Last-Event-ID", ""))
        return Response(events, content_type="text/event-stream; charset=utf-8")

    def _put(self, request: Request) -> Response:
        size = upload.put(request, self._parts.buckets)
        return _json({"key": upload.key_of(request), "size": size}, 201)

    def _delete(self, request: Request) -> Response:
        key = upload.key_of(request)
        self._parts.buckets.delete(key)
        return _json({"key": key})

    def _replay(self, _: Request) -> Response:
        return _json({"replayed": self._parts.replay()})

    def _turn(self, request: Request) -> Response:
        request.max_content_length = MAX_SWITCH_BYTES
        try:
            self._parts.switch.turn(request.get_json(force=True)["position"])
        except (KeyError, TypeError):
            raise BadRequest("The body names no position of the switch.") from None
        return _json(self._parts.switch.state)


def _json(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(content, ensure_ascii=False), status, content_type="application/json; charset=utf-8")


def _refusal(error: HTTPException) -> Response:
    answer = _json({"error": error.description or error.name}, error.code or 500)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        answer.headers["Allow"] = ", ".join(error.valid_methods)
    return answer
