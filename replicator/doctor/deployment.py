"""What the deployment is called: the names that mending commands need, as `deploy/` gives them."""

import re
from dataclasses import dataclass
from shlex import quote

SERVICE = "replicator"
SUBSCRIPTION = "s3-events-push"
DEAD_LETTER_TOPIC = "s3-events-dead"
ROTATION_TOPIC = "secret-rotation"
STACK = "replicator"
ACK_DEADLINE, DEADLINE, MARGIN = 600, 480, 120
"""Seconds: Pub/Sub's longest, the service's own, and what is to lie between the two (deploy/gcp/config.example.env)."""
MIN_BACKOFF, MAX_BACKOFF, ATTEMPTS = 10, 600, 20
ROTATION_DAYS = 90


@dataclass(frozen=True, slots=True)
class Deployment:
    """`project`, `region` and `account` (the service's own) are `None` where nobody said so: then the command asks
    gcloud's own configuration."""

    project: str | None = None
    region: str | None = None
    account: str | None = None

    @property
    def in_project(self) -> str:
        return f"--project {self._project}"

    def named(self, resource: str) -> str:
        """A resource as gcloud takes it: its short name, and its own project, which need not be the service's."""
        return f"{quote(short(resource))} --project {self._project_of(resource)}"

    @property
    def service_account(self) -> str:
        """As one word of a command, if it is quoted."""
        return self.account or f"{SERVICE}@{self._project}.iam.gserviceaccount.com"

    @property
    def member(self) -> str:
        return f'"serviceAccount:{self.service_account}"'

    def pubsub_agent(self, subscription: str) -> str:
        """Pub/Sub's own account in the subscription's project
        (https://cloud.google.com/pubsub/docs/dead-letter-topics)."""
        number = f"$(gcloud projects describe {self._project_of(subscription)} --format 'value(projectNumber)')"
        return f'"serviceAccount:service-{number}@gcp-sa-pubsub.iam.gserviceaccount.com"'

    def set_variable(self, name: str, value: str) -> str:
        region = quote(self.region) if self.region else "$(gcloud config get-value run/region)"
        return (
            f"gcloud run services update {SERVICE} {self.in_project} --region {region} "
            f"--update-env-vars {quote(f'{name}={value}')}"
        )

    def grant_on_bucket(self, bucket: str, role: str) -> str:
        return f"gcloud storage buckets add-iam-policy-binding gs://{bucket} --member {self.member} --role {role}"

    def _project_of(self, resource: str) -> str:
        project = project_of(resource)
        return quote(project) if project else self._project

    @property
    def _project(self) -> str:
        return quote(self.project) if self.project else "$(gcloud config get-value project)"


def project_of(resource: str | None) -> str | None:
    """The project in a resource's name."""
    found = re.match("projects/([^/]+)/", resource or "")
    return found[1] if found else None


def short(resource: str) -> str:
    """A topic's, a subscription's or a secret's own name, also where the resource is one of the secret's versions."""
    return resource.partition("/versions/")[0].rpartition("/")[2]
