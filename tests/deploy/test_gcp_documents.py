"""What `deploy/gcp/` gives to gcloud as documents, and `cloudbuild.yaml`: held against the descriptions of the APIs."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml

from tests.deploy.gcloud_notes import Call, flag
from tests.deploy.gcp_deployment import GCP, ROOT
from tests.deploy.google_schemas import faults

KINDS = {
    "service": ("run.v1", "Service"),
    "metric": ("logging.v2", "LogMetric"),
    "dashboard": ("monitoring.v1", "Dashboard"),
    "policy": ("monitoring.v3", "AlertPolicy"),
}
BUILD = yaml.safe_load((ROOT / "cloudbuild.yaml").read_text())

PLATFORM_METRICS = {
    "pubsub.googleapis.com/subscription/oldest_unacked_message_age": ("GAUGE", set()),
    "pubsub.googleapis.com/subscription/num_undelivered_messages": ("GAUGE", set()),
    "pubsub.googleapis.com/subscription/dead_letter_message_count": ("DELTA", set()),
    "run.googleapis.com/request_count": ("DELTA", {"response_code", "response_code_class"}),
    "run.googleapis.com/container/instance_count": ("GAUGE", {"state"}),
    "run.googleapis.com/container/memory/utilizations": ("DELTA", {"container_name"}),
}
"""Kind and labels, from https://cloud.google.com/monitoring/api/metrics_gcp_p_z"""

ALIGNERS = {"GAUGE": {"ALIGN_MAX", "ALIGN_MEAN"}, "DELTA": {"ALIGN_DELTA", "ALIGN_RATE", "ALIGN_SUM"}}
"""Those of ours that make sense for a kind: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/Aggregation"""


IDENTITIES = {
    "allUsers": "everybody",
    "serviceAccount:replicator@my-project": "`replicator`",
    "serviceAccount:replicator-ingest@my-project": "`replicator-ingest`",
    "serviceAccount:replicator-push@my-project": "the push subscription's",
    "serviceAccount:replicator-build@my-project": "the build's",
    "serviceAccount:service-123@gcp-sa-pubsub": "Pub/Sub's service agent",
    "serviceAccount:service-123@gcp-sa-secretmanager": "Secret Manager's service agent",
}
"""The members of the example's roles, as the page of permissions calls them."""


def test_nothing_is_forgotten(given: dict[str, list[Any]]) -> None:
    assert len(given["service"]) == 2
    others = [*given["metric"], *given["dashboard"], *given["policy"]]
    assert len(others) == len(list((GCP / "monitoring").iterdir()))


@pytest.mark.parametrize("kind", KINDS)
def test_documents_are_what_the_api_takes(given: dict[str, list[Any]], kind: str) -> None:
    for document in given[kind]:
        assert faults(document, *KINDS[kind]) == []


def test_the_build_and_the_lifecycle_rules_are_what_their_apis_take() -> None:
    assert faults(BUILD, "cloudbuild.v1", "Build") == []
    assert faults({"lifecycle": json.loads((GCP / "lifecycle.json").read_text())}, "storage.v1", "Bucket") == []


def test_a_field_or_a_value_that_the_api_does_not_know_is_found(given: dict[str, list[Any]]) -> None:
    for kind, found in given.items():
        for place in _objects(found[0]):
            misspelt = deepcopy(found[0])
            _at(misspelt, place)["timeoutSecond"] = None
            assert faults(misspelt, *KINDS[kind]), (kind, place)
    policy = deepcopy(given["policy"][0])
    policy["combiner"] = "MAYBE"
    assert faults(policy, *KINDS["policy"])


def test_alerts_and_dashboard_draw_on_metrics_that_there_are(given: dict[str, list[Any]]) -> None:
    ours = {
        f"logging.googleapis.com/user/{metric['name']}": (
            metric["metricDescriptor"]["metricKind"],
            {label["key"] for label in metric["metricDescriptor"]["labels"]},
        )
        for metric in given["metric"]
    }
    used = set()
    for query, aggregation in _queries([*given["dashboard"], *given["policy"]]):
        (metric,) = re.findall(r'metric\.type="([^"]+)"', query)
        kind, labels = {**ours, **PLATFORM_METRICS}[metric]
        named = {*re.findall(r"metric\.labels\.(\w+)", query), *_grouped(aggregation)}
        assert named <= labels, query
        assert aggregation["perSeriesAligner"] in ALIGNERS[kind], query
        used.add(metric)
    assert used == {*ours, *PLATFORM_METRICS}


def test_what_is_watched_is_what_is_deployed(given: dict[str, list[Any]], calls: list[Call]) -> None:
    text = json.dumps([given["metric"], given["dashboard"], given["policy"]]).replace('\\"', '"')
    services = {service["metadata"]["name"] for service in given["service"]}
    subscriptions = {arguments[3] for arguments, _ in calls if arguments[:3] == ["pubsub", "subscriptions", "create"]}
    assert set(re.findall(r'service_name="([\w-]+)"', text)) <= services
    assert (
        set(re.findall(r'subscription_id="([\w-]+)"', text)) == {"s3-events-push", "secret-rotation"} <= subscriptions
    )


def test_the_roles_that_are_given_are_those_that_the_page_of_permissions_lists(calls: list[Call]) -> None:
    section = (ROOT / "docs/permissions.md").read_text().partition("## Google Cloud")[2]
    rows = set(re.findall(r"^\| (.+?) \| `(roles/.+?)` \|", section, re.MULTILINE))
    given = {
        (IDENTITIES[flag(arguments, "--member").partition(".")[0]], flag(arguments, "--role"))
        for arguments, _ in calls
        if "add-iam-policy-binding" in arguments
    }
    with_metrics = {("`replicator`", "roles/monitoring.metricWriter")}
    assert {row for row in rows if row[0] in IDENTITIES.values()} - with_metrics == given


def test_the_build_uses_the_substitutions_that_it_declares_and_the_script_gives_no_other(calls: list[Call]) -> None:
    """Cloud Build refuses others."""
    used = set(re.findall(r"(?<!\$)\$\{(_\w+)\}", json.dumps(BUILD["steps"])))
    (submitted,) = (arguments for arguments, _ in calls if arguments[:2] == ["builds", "submit"])
    pairs = dict(pair.split("=") for pair in flag(submitted, "--substitutions").split(","))
    assert used == set(BUILD["substitutions"]) >= set(pairs)
    assert BUILD["substitutions"]["_TESTS"] == "make check test"
    assert submitted[2:5] == [".", "--config", "cloudbuild.yaml"]


def test_the_build_deploys_to_the_services_there_are_and_may_do_that(
    given: dict[str, list[Any]], calls: list[Call]
) -> None:
    build = "serviceAccount:replicator-build@my-project.iam.gserviceaccount.com"
    services = {service["metadata"]["name"]: service["spec"]["template"]["spec"] for service in given["service"]}
    identities = [spec["serviceAccountName"] for spec in services.values()]
    needed = [
        ("artifacts repositories", "replicator", "roles/artifactregistry.writer"),
        *(("run services", name, "roles/run.developer") for name in services),
        *(("iam service-accounts", name, "roles/iam.serviceAccountUser") for name in identities),
    ]
    granted = "\n".join(" ".join(arguments) for arguments, _ in calls)
    for kind, name, role in needed:
        assert f"{kind} add-iam-policy-binding {name} --member {build} --role {role} " in granted
    assert BUILD["substitutions"]["_SERVICES"].split() == list(services)
    commands = re.findall(r"gcloud ([a-z ]+[a-z])", BUILD["steps"][-1]["args"][-1])
    assert commands == ["artifacts docker images describe", "run services update"], "no list: that asks for the project"


def _objects(document: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in it are objects whose fields the API defines: all but those in which any name may stand."""
    if isinstance(document, dict):
        if not place or place[-1] not in {"annotations", "labels", "userLabels", "limits", "labelExtractors"}:
            yield place
        for name, value in document.items():
            yield from _objects(value, (*place, name))
    if isinstance(document, list):
        for index, value in enumerate(document):
            yield from _objects(value, (*place, index))


def _at(document: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        document = document[step]
    return document


def _queries(documents: list[Any]) -> Iterator[tuple[str, Any]]:
    """Each filter of metrics, with how what it finds is aggregated."""
    for document in documents:
        for place in _objects(document):
            found = _at(document, place)
            if "metric.type=" in str(found.get("filter")):
                yield found["filter"], found.get("aggregation") or found["aggregations"][0]
            if "denominatorFilter" in found:
                yield found["denominatorFilter"], found["denominatorAggregations"][0]


def _grouped(aggregation: Any) -> set[str]:
    return {name.removeprefix("metric.label.") for name in aggregation.get("groupByFields", [])}
