"""A stand-in for the APIs of Google Cloud that `deploy/gcp/` uses: it keeps what it is told, and records every call.

It is an HTTP proxy, so that gcloud reaches each API under a host name of its own (`http://run.test/`, and
`http://europe-west1-run.test/`, which gcloud makes of it) without any name being resolved. Nothing else gets through.
It holds resources, IAM policies and enabled services; the rules of the real APIs it knows only as far as they decide
what gcloud does next: what exists cannot be created, and what does not cannot be read, changed or deleted.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import requests

from replicator.dev.cloud_storage.multipart import split

PROJECT, NUMBER = "my-project", "123456789012"
APIS = ("artifactregistry", "cloudbuild", "cloudresourcemanager", "iam", "logging", "monitoring", "pubsub", "run",
        "secretmanager", "serviceusage", "storage")  # fmt: skip
NOT_FOUND = {"error": {"code": 404, "message": "not found", "status": "NOT_FOUND"}}
LISTED = {"dashboards", "alertPolicies", "services", "versions", "o", "managedFolders"}
EXISTS = {"error": {"code": 409, "message": "exists already", "status": "ALREADY_EXISTS"}}
INVALID = {"error": {"code": 400, "message": "invalid", "status": "INVALID_ARGUMENT"}}
DIGEST = "sha256:" + "0123456789abcdef" * 4

Answer = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class Call:
    api: str
    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    status: int

    @property
    def creates(self) -> bool:
        """Whether it made something that was not there."""
        return self.status < 300 and bool(_creation(self.api, self.method, self.path))


def _creation(api: str, method: str, path: str) -> bool:
    if method == "PUT":
        return api == "pubsub"
    collections = "serviceAccounts|secrets|repositories|services|metrics|dashboards|alertPolicies|b|builds"
    return method == "POST" and bool(re.search(rf"/({collections})$|:addVersion$", path))


@dataclass
class Cloud:
    """What exists, by API and path, and who may do what with it."""

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[str, Any] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    pubsub: str | None = None
    """The address of a Pub/Sub server that topics and subscriptions are left to; it knows no IAM policies."""
    lock: Lock = field(default_factory=Lock)

    def add(self, api: str, path: str, resource: dict[str, Any]) -> None:
        self.resources[f"{api}/{path}"] = resource

    def members(self, path: str) -> set[tuple[str, str]]:
        """The pairs of role and member on one resource."""
        bindings = self.policies.get(path, {}).get("bindings", [])
        return {(binding["role"], member) for binding in bindings for member in binding["members"]}

    def state(self) -> Any:
        """All that there is, to be compared with later."""
        return deepcopy((self.resources, self.policies))

    def answer(self, api: str, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer:
        with self.lock:
            status, answer = self._answer(api, method, path, query, body)
            self.calls.append(Call(api, method, path, query, body, status))
            return status, answer

    def _answer(self, api: str, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer:
        if policy := re.fullmatch(r"(.*)(?::(get|set)IamPolicy|/iam)", path):
            return self._policy(f"{api}/{policy[1]}", policy[2] or {"GET": "get", "PUT": "set"}[method], body)
        if api == "pubsub" and self.pubsub:
            answered = requests.request(
                method, f"{self.pubsub}/{path}", params=dict(query), json=_as_the_emulator_takes_it(body), timeout=30
            )
            return answered.status_code, answered.json()
        special: Callable[..., Answer] | None = getattr(self, f"_{api}", None)
        if special and (answer := special(method, path, query, body)):
            return answer
        return self._resource(api, method, path, body, query.get("updateMask"))

    def _policy(self, key: str, verb: str, body: Any) -> Answer:
        if verb == "set":
            self.policies[key] = {key: value for key, value in body.get("policy", body).items() if key != "etag"}
        return 200, {"etag": "BwWWja0YfJA=", **self.policies.get(key, {})}

    def _resource(self, api: str, method: str, path: str, body: Any, mask: str | None = None) -> Answer:
        key = f"{api}/{path}".replace(f"projects/{NUMBER}/", f"projects/{PROJECT}/")
        collection = path.rpartition("/")[2]
        if method == "GET" and collection in LISTED:
            return 200, {collection: self._under(key), "items": self._under(key)}
        if key not in self.resources:
            return 404, NOT_FOUND
        if method == "DELETE":
            for name in [name for name in self.resources if f"{name}/".startswith(f"{key}/")]:
                del self.resources[name]
            return 200, {}
        if method in {"PATCH", "PUT", "POST"}:
            self.resources[key] = _changed(self.resources[key], body or {}, mask)
        return 200, self.resources[key]

    def _under(self, key: str) -> list[dict[str, Any]]:
        return [value for name, value in self.resources.items() if name.rpartition("/")[0] == key]

    def _create(self, api: str, path: str, resource: dict[str, Any]) -> Answer:
        key = f"{api}/{path}"
        if key in self.resources:
            return 409, EXISTS
        self.resources[key] = resource
        return 200, resource

    def _iam(self, method: str, path: str, _query: Mapping[str, str], body: Any) -> Answer | None:
        if method == "POST" and path.endswith("/serviceAccounts"):
            email = f"{body['accountId']}@{PROJECT}.iam.gserviceaccount.com"
            known = {
                "name": f"projects/{PROJECT}/serviceAccounts/{email}",
                "email": email,
                "uniqueId": "100000000000000000001",
            }
            return self._create("iam", f"v1/projects/-/serviceAccounts/{email}", {**body["serviceAccount"], **known})
        return self._resource("iam", method, path.replace(f"projects/{PROJECT}/", "projects/-/"), body)

    def _pubsub(self, method: str, path: str, _query: Mapping[str, str], body: Any) -> Answer | None:
        if method == "PUT":
            return self._create("pubsub", path, {**body, "name": path.removeprefix("v1/")})
        if method == "PATCH":
            return self._resource("pubsub", method, path, body["subscription"], body["updateMask"])
        return None

    def _secretmanager(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer | None:
        if method == "POST" and path.endswith("/secrets"):
            name = f"{path}/{query['secretId']}".removeprefix("v1/")
            return self._create("secretmanager", f"v1/{name}", {**body, "name": name})
        if method == "PATCH" and "rotationPeriod" in body.get("rotation", {}):
            # "next_rotation_time MUST be set if rotation_period is set."
            known = {**self.resources.get(f"secretmanager/{path}", {}).get("rotation", {}), **body["rotation"]}
            return None if "nextRotationTime" in known else (400, INVALID)
        if path.endswith(":addVersion"):
            secret = path.removesuffix(":addVersion")
            version = {
                "name": f"{secret.removeprefix('v1/')}/versions/1",
                "state": "ENABLED",
                "clientSpecifiedPayloadChecksum": True,
            }
            self.add("secretmanager", f"{secret}/secret-payload", body["payload"])
            return self._create("secretmanager", f"{secret}/versions/latest", version)
        return None

    def _storage(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer | None:
        if "/upload/" in f"/{path}":
            uploaded = {"bucket": path.split("/")[-2], "generation": "1", "size": str(len(body.media))}
            return 200, {**body.resource, **uploaded}
        if path.endswith("/storageLayout"):
            return 200, {"bucket": path.split("/")[3], "hierarchicalNamespace": {"enabled": False}}
        if method == "POST" and path == "storage/v1/b":
            return self._create("storage", f"{path}/{body['name']}", body)
        return None

    def _artifactregistry(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer | None:
        operation = {"name": f"{path.removeprefix('v1/').partition('/repositories')[0]}/operations/1", "done": True}
        if method == "POST" and path.endswith("/repositories"):
            name = f"{path}/{query['repositoryId']}"
            status, made = self._create("artifactregistry", name, {**body, "name": name.removeprefix("v1/")})
            return status, {**operation, "response": made} if status == 200 else made
        if method == "DELETE":
            status, answer = self._resource("artifactregistry", method, path, body)
            return status, operation if status == 200 else answer
        return (200, {"name": path.removeprefix("v1/"), "done": True}) if "/operations/" in path else None

    def _cloudbuild(self, method: str, path: str, _query: Mapping[str, str], body: Any) -> Answer | None:
        if method == "POST":
            build = {**body, "id": "b1", "projectId": PROJECT, "status": "SUCCESS", "logUrl": "", "createTime": TIME}
            self.add("cloudbuild", f"{path}/b1", build)
            image = f"projects/{PROJECT}/locations/europe-west1/repositories/replicator/packages/replicator"
            latest = {"name": "latest", "version": f"{image}/versions/{DIGEST}"}
            self.add("artifactregistry", f"v1/{image}/tags/latest", latest)
            about = {
                "@type": "type.googleapis.com/google.devtools.cloudbuild.v1.BuildOperationMetadata",
                "build": build,
            }
            return 200, {"name": "operations/build/1", "done": True, "metadata": about}
        return None

    def _run(self, method: str, path: str, _query: Mapping[str, str], body: Any) -> Answer | None:
        if method in {"POST", "PUT"} and "/services" in path:
            name = body["metadata"]["name"]
            url = f"https://{name}-{NUMBER}.europe-west1.run.app"
            body = deepcopy(body)
            place = {"cloud.googleapis.com/location": "europe-west1"}
            body["metadata"].update(generation=1, resourceVersion="1", labels=place)
            ready = [{"type": kind, "status": "True"} for kind in ("Ready", "ConfigurationsReady", "RoutesReady")]
            revisions = {"latestReadyRevisionName": f"{name}-1", "latestCreatedRevisionName": f"{name}-1"}
            body["status"] = {"url": url, "observedGeneration": 1, "conditions": ready, **revisions}
            if method == "POST":
                return self._create("run", f"{path}/{name}", body)
            return self._resource("run", method, path, body)
        return None

    def _logging(self, method: str, path: str, _query: Mapping[str, str], body: Any) -> Answer | None:
        return self._create("logging", f"{path}/{body['name']}", body) if method == "POST" else None

    def _monitoring(self, method: str, path: str, _query: Mapping[str, str], body: Any) -> Answer | None:
        if method != "POST":
            return None
        name = f"projects/{NUMBER}/{path.rpartition('/')[2]}/{len(self.resources)}"
        made = {**body, "name": name, "etag": str(len(self.resources))}
        return self._create("monitoring", f"{path.partition('/')[0]}/{name}".replace(NUMBER, PROJECT), made)

    def _serviceusage(self, method: str, path: str, _query: Mapping[str, str], _body: Any) -> Answer | None:
        return 200, {"name": "operations/1", "done": True, "response": {"email": "agent", "uniqueId": "1"}}

    def _cloudresourcemanager(self, method: str, path: str, _query: Mapping[str, str], _body: Any) -> Answer | None:
        return 200, {"projectId": PROJECT, "projectNumber": NUMBER, "name": PROJECT, "lifecycleState": "ACTIVE"}


def _as_the_emulator_takes_it(body: Any) -> Any:
    """The emulator lags behind Pub/Sub: it retains messages for 7 days at most, and cannot change the expiration."""
    if not body:
        return None
    text = json.dumps(body).replace(f'"{31 * 86400}s"', f'"{7 * 86400}s"')
    changed: dict[str, Any] = json.loads(text)
    if mask := changed.get("updateMask"):
        changed["subscription"].pop("expirationPolicy", None)
        changed["updateMask"] = ",".join(name for name in mask.split(",") if name != "expirationPolicy")
    return changed


TIME = "2026-01-01T00:00:00Z"


def _changed(resource: dict[str, Any], body: dict[str, Any], mask: str | None) -> dict[str, Any]:
    """The resource with the fields that are named, or given where none is; its etag is Google's business."""
    result = deepcopy(resource)
    given = {name: value for name, value in body.items() if name != "etag"}
    for path in mask.split(",") if mask else given:
        *parents, last = (re.sub("_(.)", lambda found: found[1].upper(), name) for name in path.split("."))
        target, source = result, given
        for name in parents:
            target, source = target.setdefault(name, {}), source.get(name, {})
        target[last] = source.get(last)
    return result


@contextmanager
def serving(cloud: Cloud) -> Iterator[str]:
    """The proxy's address, while it serves."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            api = (url.hostname or "").removesuffix(".test").rpartition("-")[2]
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            kind, body = self.headers.get("Content-Type") or "", None
            if "multipart" in kind:
                body = split(self.headers, memoryview(raw))
            elif raw and "json" in kind:
                body = json.loads(raw)
            if api not in APIS:
                status, answer = 502, {"error": {"code": 502, "message": f"{self.path} is not part of the stand-in"}}
            else:
                status, answer = cloud.answer(api, self.command, unquote(url.path).lstrip("/"), query, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = _do

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
