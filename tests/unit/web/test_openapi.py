"""The description is a valid one, and it is true: everything in it can be seen at the doors, and nothing else."""

import ast
import json
from pathlib import Path
from unittest.mock import patch
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from werkzeug.test import Client
from werkzeug.wrappers import Request

from replicator.ending import Ending
from replicator.errors import Permanent, Transient, Unfinished
from replicator.events import looks_like_event
from replicator.model import SourceKey
from replicator.reasons import Reason
from replicator.rules import Rule
from replicator.web.answers import CHALLENGES, ERROR_STATUSES, RETRY_AFTER_SECONDS
from replicator.web.auth import OPEN
from replicator.web.gate import FREE, TURNED_AWAY, Gate
from replicator.web.ingest import IngestDoors
from replicator.web.openapi import describe
from replicator.web.openapi_auth import TOKEN_REASONS, guarded
from replicator.web.openapi_doors import INGEST, REPLICATE
from replicator.web.replicate import ReplicateDoors
from replicator.web.requests import MAX_BODY_BYTES, SECRET_HEADER, read_batch, read_direct
from tests.unit.web.doors import KEY, NAME, FakePublisher, Service, eventbridge

ROOT = Path(__file__).parents[3]
DESCRIPTIONS = {"replicate": describe(REPLICATE), "ingest": describe(INGEST)}
TARGETS = pytest.mark.parametrize("target", DESCRIPTIONS)
METHODS = {"get", "post", "delete"}


def operations(target: str):
    for path, item in DESCRIPTIONS[target]["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def validator(target: str, schema: object) -> Draft202012Validator:
    return Draft202012Validator({"allOf": [schema], "components": DESCRIPTIONS[target]["components"]})


def component(name: str) -> Draft202012Validator:
    return validator("replicate", {"$ref": f"#/components/schemas/{name}"})


# --- It is a description ----------------------------------------------------------------------------------------------


@TARGETS
def test_it_is_a_valid_description(target):
    assert list(OpenAPIV31SpecValidator(DESCRIPTIONS[target]).iter_errors()) == []
    for schema in DESCRIPTIONS[target]["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@TARGETS
def test_it_describes_each_route_of_the_router_and_no_other(target):
    doors = {
        "replicate": lambda: ReplicateDoors(lambda: None)._router,
        "ingest": lambda: IngestDoors(lambda: None, [])._router,
    }[target]()
    assert set(doors._handlers) == set({"replicate": REPLICATE, "ingest": INGEST}[target].operations)


@TARGETS
def test_its_examples_are_what_it_says(target):
    found = 0
    for _, _, operation in operations(target):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            for example in content["examples"].values():
                validator(target, content["schema"]).validate(example["value"])
                found += 1
        for response in operation["responses"].values():
            for content in response.get("content", {}).values():
                if "example" in content:
                    validator(target, content["schema"]).validate(content["example"])
                    found += 1
    assert found


@TARGETS
def test_every_operation_has_a_name_of_its_own_and_says_what_it_is_for(target):
    names = [operation["operationId"] for _, _, operation in operations(target)]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] and operation["description"] for _, _, operation in operations(target))


def test_every_reason_is_explained():
    described = DESCRIPTIONS["replicate"]["components"]["schemas"]["Reason"]
    assert set(described["enum"]) == set(map(str, Reason))
    assert all(reason.explanation in described["description"] for reason in Reason)


def test_every_component_is_used():
    for target, description in DESCRIPTIONS.items():
        text = json.dumps(description)
        unused = [name for name in description["components"]["schemas"] if f'schemas/{name}"' not in text]
        assert unused == [], target


# --- What it says of statuses is true ---------------------------------------------------------------------------------


class Scenes:
    """Makes one request in circumstances of its own, and gives the answer."""

    def __init__(self) -> None:
        self.service = Service()
        self.service.source.put(KEY, b"hello")

    def post(self, path: str, body: object = None):
        return self.service.post(path, {"bucket": "source", "key": "k"} if body is None else body)

    def failing(self, error: Exception, method: str, path: str, body: object = None):
        """Both sides raise the error."""

        def fail(*_arguments):
            raise error

        self.service.source.stat = self.service.destination.stat = fail
        return self.service.client.open(path, method=method, json=body) if body else self.open(method, path)

    def open(self, method: str, path: str):
        return self.service.client.open(path, method=method)

    def replica(self):
        self.service.direct()
        return self

    def foreign(self):
        self.service.destination.put_foreign(NAME, b"foreign")
        return self


PERMANENT, TRANSIENT = Permanent(Reason.SOURCE_ACCESS_DENIED), Transient(Reason.SOURCE_UNAVAILABLE)
REFUSED = Permanent(Reason.SOURCE_REFUSED)
DENIED, GONE = Permanent(Reason.DESTINATION_ACCESS_DENIED), Permanent(Reason.DESTINATION_BUCKET_NOT_FOUND)
UNAVAILABLE = Transient(Reason.DESTINATION_UNAVAILABLE)
LARGE = b" " * (MAX_BODY_BYTES + 1)
DIRECT = {"bucket": "source", "key": "k"}


def readiness(error: Exception | None):
    def scene(s: Scenes):
        def engine():
            raise error

        doors = ReplicateDoors(engine) if error else s.service.client.application
        return Client(Request.application(doors) if error else doors).get("/ready")

    return scene


def unready(s: Scenes):
    s.service.source.buckets.clear()
    return s.service.client.get("/ready")


def object_scenes(path: str):
    """The statuses of the two doors to one object, whose path ends where the key follows."""
    return {
        ("get", 200): lambda s: s.replica().open("GET", path + "k"),
        ("get", 400): lambda s: s.open("GET", path + ("k&x=y" if "?" in path else "k?x=y")),
        ("get", 403): lambda s: s.open("GET", path.replace("replica", "other") + "k"),
        ("get", 404): lambda s: s.open("GET", path + "absent"),
        ("get", 422): lambda s: s.open("GET", path + quote("a\nb")),
        ("get", 500): lambda s: s.failing(ValueError(), "GET", path + "k"),
        ("get", 503): lambda s: s.failing(UNAVAILABLE, "GET", path + "k"),
        ("delete", 200): lambda s: s.replica().open("DELETE", path + "k"),
        ("delete", 400): lambda s: s.open("DELETE", path + ("k&x=y" if "?" in path else "k?x=y")),
        ("delete", 403): lambda s: s.failing(DENIED, "DELETE", path + "k"),
        ("delete", 404): lambda s: s.open("DELETE", path + "absent"),
        ("delete", 409): lambda s: s.foreign().open("DELETE", path + "k"),
        ("delete", 412): lambda s: s.replica().open("DELETE", path + f"k{'&' if '?' in path else '?'}generation=1"),
        ("delete", 422): lambda s: s.open("DELETE", path + quote("a\nb")),
        ("delete", 500): lambda s: s.failing(ValueError(), "DELETE", path + "k"),
        ("delete", 503): lambda s: s.failing(UNAVAILABLE, "DELETE", path + "k"),
    }


def again(s: Scenes, path: str):
    etag = s.open("GET", path).headers["ETag"]
    return s.service.client.get(path, headers={"If-None-Match": etag})


def turned_away(s: Scenes):
    ending = Ending()
    ending.announce()
    return Client(Request.application(ReplicateDoors(s.service._engine, gate=Gate(1, ending)))).post(
        "/v1/replicate:batch", json={"items": [DIRECT]}
    )


def without_threads(s: Scenes):
    """What nobody foresees: a failure of the process itself, outside of any item."""
    with patch("replicator.web.batch.ThreadPoolExecutor", side_effect=RuntimeError("can't start new thread")):
        return s.service.batch(DIRECT)


BY_PATH, BY_QUERY = "/v1/object/{bucket}/{key}", "/v1/object"
SCENES = {
    ("post", "/v1/replicate", 200): lambda s: s.replica().post("/v1/replicate"),
    ("post", "/v1/replicate", 201): lambda s: s.post("/v1/replicate"),
    ("post", "/v1/replicate", 204): lambda s: s.post("/v1/replicate", eventbridge()),
    ("post", "/v1/replicate", 400): lambda s: s.post("/v1/replicate", {}),
    ("post", "/v1/replicate", 403): lambda s: s.post("/v1/replicate", {"bucket": "other", "key": "k"}),
    ("post", "/v1/replicate", 404): lambda s: s.post("/v1/replicate", {"bucket": "source", "key": "absent"}),
    ("post", "/v1/replicate", 413): lambda s: s.post("/v1/replicate", LARGE),
    ("post", "/v1/replicate", 422): lambda s: s.post("/v1/replicate", {"bucket": "source", "key": ".."}),
    ("post", "/v1/replicate", 500): lambda s: s.failing(ValueError(), "POST", "/v1/replicate", DIRECT),
    ("post", "/v1/replicate", 503): lambda s: s.failing(TRANSIENT, "POST", "/v1/replicate", DIRECT),
    ("post", "/v1/replicate:batch", 200): lambda s: s.service.batch(DIRECT, {}, {"bucket": "other", "key": "k"}),
    ("post", "/v1/replicate:batch", 400): lambda s: s.service.batch(),
    ("post", "/v1/replicate:batch", 413): lambda s: s.post("/v1/replicate:batch", LARGE),
    ("post", "/v1/replicate:batch", 500): without_threads,
    ("post", "/v1/replicate:batch", 503): turned_away,
    ("post", "/", 204): lambda s: s.service.event(),
    ("post", "/", 400): lambda s: s.post("/", {}),
    ("post", "/", 403): lambda s: s.failing(PERMANENT, "POST", "/", eventbridge()),
    ("post", "/", 404): lambda s: s.failing(GONE, "POST", "/", eventbridge()),
    ("post", "/", 413): lambda s: s.post("/", LARGE),
    ("post", "/", 422): lambda s: s.failing(REFUSED, "POST", "/", eventbridge()),
    ("post", "/", 500): lambda s: s.failing(ValueError(), "POST", "/", eventbridge()),
    ("post", "/", 503): lambda s: s.failing(TRANSIENT, "POST", "/", eventbridge()),
    **{(method, BY_PATH, status): scene for (method, status), scene in object_scenes("/v1/object/replica/").items()},
    **{
        (method, BY_QUERY, status): scene
        for (method, status), scene in object_scenes("/v1/object?bucket=replica&key=").items()
    },
    ("get", "/health", 200): lambda s: s.open("GET", "/health"),
    ("get", "/ready", 200): readiness(None),
    ("get", "/ready", 500): readiness(ValueError()),
    ("get", "/ready", 503): readiness(Transient(Reason.CREDENTIALS_UNAVAILABLE)),
    ("get", "/", 200): lambda s: s.open("GET", "/"),
    ("get", "/openapi.json", 200): lambda s: s.open("GET", "/openapi.json"),
    ("get", "/docs", 200): lambda s: s.open("GET", "/docs"),
    ("get", "/docs/{asset}", 200): lambda s: s.open("GET", "/docs/docs.js"),
    ("get", "/docs", 304): lambda s: again(s, "/docs"),
    ("get", "/docs/{asset}", 304): lambda s: again(s, "/docs/docs.js"),
    ("get", "/docs/{asset}", 404): lambda s: s.open("GET", "/docs/other.js"),
}


def ingest(body: bytes = b"{}", secret: str = "s" * 16, error: Exception | None = None):
    publisher = FakePublisher(error=error)
    client = Client(Request.application(IngestDoors(lambda: publisher, ["s" * 16])))
    return client.post("/v1/events", data=body, headers={SECRET_HEADER: secret})


INGEST_SCENES = {
    ("post", "/v1/events", 204): lambda s: ingest(),
    ("post", "/v1/events", 400): lambda s: ingest(b"{"),
    ("post", "/v1/events", 403): lambda s: ingest(secret="wrong"),
    ("post", "/v1/events", 413): lambda s: ingest(LARGE),
    ("post", "/v1/events", 500): lambda s: ingest(error=ValueError()),
    ("post", "/v1/events", 503): lambda s: ingest(error=Transient(Reason.PUBLISH_FAILED)),
    ("get", "/health", 200): lambda s: Client(Request.application(IngestDoors(lambda: None, []))).get("/health"),
    ("get", "/openapi.json", 200): lambda s: Client(Request.application(IngestDoors(lambda: None, []))).get(
        "/openapi.json"
    ),
}
ALL_SCENES = [
    (target, *scene)
    for target, scenes in {"replicate": SCENES, "ingest": INGEST_SCENES}.items()
    for scene in scenes.items()
]


@pytest.mark.parametrize(
    ("target", "documented", "scene"),
    ALL_SCENES,
    ids=[" ".join(map(str, (target, *documented))) for target, documented, _ in ALL_SCENES],
)
def test_a_documented_status_is_really_answered_as_described(target, documented, scene):
    method, path, status = documented
    answer = scene(Scenes())
    assert answer.status_code == status
    check(target, answer, DESCRIPTIONS[target]["paths"][path][method])


def check(target: str, answer, operation) -> None:
    response = operation["responses"][str(answer.status_code)]
    if "content" not in response:
        assert answer.data == b""
        return
    schema = response["content"][answer.mimetype]["schema"]
    if answer.mimetype.endswith("json"):
        validator(target, schema).validate(answer.json)
    assert ("Retry-After" in response.get("headers", {})) == (answer.status_code == 503)
    assert answer.headers.get("Retry-After") == (str(RETRY_AFTER_SECONDS) if answer.status_code == 503 else None)


@pytest.mark.parametrize(("target", "scenes"), [("replicate", SCENES), ("ingest", INGEST_SCENES)])
def test_no_other_status_is_documented(target, scenes):
    documented = {
        (method, path, int(status))
        for method, path, operation in operations(target)
        for status in operation["responses"]
    }
    assert documented == set(scenes)


def test_an_answer_for_several_destinations_is_as_described():
    scenes = Scenes()
    service = scenes.service
    service.destination.buckets.add("second")
    service.more_rules = (Rule("second", frozenset({"source"}), "second"),)
    operation = DESCRIPTIONS["replicate"]["paths"]["/v1/replicate"]["post"]
    for buckets, status in (({"replica"}, 404), ({"replica", "second"}, 201), ({"replica", "second"}, 200)):
        service.destination.buckets = buckets
        answer = service.direct()
        assert (answer.status_code, len(answer.json["outcomes"])) == (status, 2)
        check("replicate", answer, operation)
        component("BatchAnswer").validate(service.batch(DIRECT, {**DIRECT, "dry_run": True}).json)


def test_an_unfinished_copy_is_answered_as_described():
    service = Scenes().service
    service.errors["gs://replica/k"] = [Unfinished(5, 10) for _ in range(4)]
    for path, body in (("/v1/replicate", DIRECT), ("/v1/replicate", eventbridge()), ("/", eventbridge())):
        answer = service.post(path, body)
        assert (answer.status_code, answer.json["copied"], answer.json["size"]) == (503, 5, 10)
        check("replicate", answer, DESCRIPTIONS["replicate"]["paths"][path]["post"])
    component("BatchAnswer").validate(service.batch(DIRECT).json)


def test_readiness_that_names_what_cannot_be_used_is_as_described():
    scenes = Scenes()
    answer = unready(scenes)
    assert (answer.status_code, answer.mimetype) == (503, "application/json")
    check("replicate", answer, DESCRIPTIONS["replicate"]["paths"]["/ready"]["get"])


@pytest.mark.parametrize("reason", ERROR_STATUSES)
def test_a_reason_is_documented_at_its_status_wherever_objects_are_replicated(reason):
    """Whatever the engine may raise, for the caller's door: the others are subsets of it."""
    responses = DESCRIPTIONS["replicate"]["paths"]["/v1/replicate"]["post"]["responses"]
    about_this_door_or_none = {
        *(Reason.ROUTE_UNKNOWN, Reason.METHOD_NOT_ALLOWED, Reason.INGEST_SECRET_WRONG, *TOKEN_REASONS),
        *(Reason.DESTINATION_NOT_FOUND, Reason.DESTINATION_FOREIGN, Reason.DESTINATION_MOVED),
    }
    documented = [
        status for status, response in responses.items() if f"`{reason}`" in response["description"] and status > "299"
    ]
    assert documented == ([] if reason in about_this_door_or_none else [str(ERROR_STATUSES[reason])])


@TARGETS
def test_every_door_that_needs_a_place_says_what_it_answers_when_there_is_none(target):
    for door, operation in {"replicate": REPLICATE, "ingest": INGEST}[target].operations.items():
        assert operation.errors & TURNED_AWAY == (frozenset() if door in FREE else TURNED_AWAY), door


def test_behind_the_guard_every_door_but_the_open_ones_is_described_as_taking_a_token():
    described = describe(guarded(REPLICATE))
    assert list(OpenAPIV31SpecValidator(described).iter_errors()) == []
    assert described["components"]["securitySchemes"]["googleIdentity"]["scheme"] == "bearer"
    for (method, path), operation in guarded(REPLICATE).operations.items():
        if (method, path) in OPEN:
            assert operation == REPLICATE.operations[method, path]
        else:
            assert operation.security == "googleIdentity"
            assert operation.errors >= TOKEN_REASONS
    responses = described["paths"]["/"]["post"]["responses"]
    assert responses["401"]["headers"]["WWW-Authenticate"]["schema"]["enum"] == sorted(set(CHALLENGES.values()))
    assert set(REPLICATE.operations) >= OPEN


def test_without_the_guard_no_door_of_the_target_replicate_is_described_as_taking_anything():
    assert "securitySchemes" not in DESCRIPTIONS["replicate"]["components"]
    assert not any("security" in operation for _, _, operation in operations("replicate"))


def test_what_is_raised_as_transient_is_503_or_unexpected_and_nothing_else_is():
    """Over the whole code: permanence and status say the same."""
    raised = {"Permanent": set(), "Transient": set()}
    for file in (ROOT / "replicator").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(
                    func=ast.Name(id=("Permanent" | "Transient") as kind),
                    args=[ast.Attribute(value=ast.Name(id="Reason")) as reason, *_],
                ):
                    raised[kind].add(Reason[reason.attr])
    of_the_command_line = {Reason.SUBSCRIPTION_UNAVAILABLE, Reason.TOPIC_UNFOLLOWED, Reason.TOPIC_OF_DEAD_LETTERS}
    assert of_the_command_line <= raised["Permanent"] | raised["Transient"]
    permanent, transient = (raised[kind] - of_the_command_line for kind in ("Permanent", "Transient"))
    assert len(permanent) > 15
    assert {ERROR_STATUSES[reason] for reason in transient} == {500, 503}
    assert not {ERROR_STATUSES[reason] for reason in permanent} & {500, 503}


# --- What it says of bodies is true -----------------------------------------------------------------------------------

VALUES = st.one_of(
    st.none(), st.booleans(), st.floats(allow_nan=False), st.text(max_size=3), st.lists(st.none(), max_size=1)
)
FIELDS = st.sampled_from(
    [
        *("s3_bucket", "src_bucket", "bucket", "s3_key", "src_key", "key"),
        *("dest_bucket", "dest_key", "version_id", "dry_run", "items", "other"),
    ]
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
LIKELY = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("bucket", "s3_bucket", "key", "src_key"), NAMES),
        **{name: NAMES | st.none() for name in ("dest_bucket", "dest_key", "version_id")},
        "dry_run": st.booleans() | VALUES,
    },
)


@given(st.one_of(LIKELY, st.dictionaries(FIELDS, VALUES, max_size=4), VALUES))
def test_a_direct_body_is_accepted_exactly_if_the_schema_allows_it(body):
    try:
        read_direct(body)
        accepted = True
    except Permanent:
        accepted = False
    assert component("DirectRequest").is_valid(body) == accepted


@pytest.mark.parametrize(
    "body",
    [{"items": [None]}, {"items": []}, {"items": [1] * 100}, {"items": [1] * 101}, {}, [], {"items": [1], "x": 1}],
)
def test_a_batch_is_accepted_exactly_if_the_schema_allows_it(body):
    try:
        read_batch(body)
        accepted = True
    except Permanent:
        accepted = False
    assert component("BatchRequest").is_valid(body) == accepted


MARKS = ["detail-type", "Records", "s3", "specversion", "data", "data_base64", "Sns", "Messages", "Body", "body"]
MARK_VALUES = st.one_of(VALUES, st.sampled_from(["s3:TestEvent", "Notification", "aws.s3"]), st.just({}))


@given(
    st.one_of(
        st.dictionaries(st.sampled_from([*MARKS, "message", "Type", "Message", "Event", "x"]), MARK_VALUES, max_size=4),
        VALUES,
    )
)
def test_a_body_is_taken_for_an_event_exactly_if_the_schema_says_so(body):
    assert component("Event").is_valid(body) == looks_like_event(body)


@pytest.mark.parametrize("path", sorted((ROOT / "tests/events").rglob("*.json")), ids=lambda path: path.stem)
def test_every_event_there_is_fits_the_schema(path):
    assert component("Event").is_valid(json.loads(path.read_text()))


def test_a_key_is_bounded_in_bytes_where_the_description_can_only_say_characters():
    service = Service()
    service.source.put(SourceKey("source", "é" * 512), b"x")
    assert service.direct(SourceKey("source", "é" * 512)).status_code == 201
    assert service.client.get(f"/v1/object/replica/{quote('é' * 512)}").status_code == 200
    assert service.client.get(f"/v1/object/replica/{quote('é' * 513)}").status_code == 422
