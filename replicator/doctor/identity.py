"""Judges whom Google sees."""

from dataclasses import dataclass

from replicator.doctor.deployment import Deployment
from replicator.doctor.finding import Check, Finding, failed, ok, warning
from replicator.errors import ReplicationError

SUBJECT = "Google"


@dataclass(frozen=True, slots=True)
class Caller:
    """`email` is `None` where Google's libraries do not know it, as with a person's own credentials."""

    email: str | None

    @property
    def is_service_account(self) -> bool:
        return bool(self.email and self.email.endswith(".gserviceaccount.com"))


def judge_google(caller: Caller | ReplicationError | None, deployment: Deployment) -> Finding:
    """`None` is a server for tests, which asks nobody who he is."""
    check = Check.GOOGLE_IDENTITY
    if caller is None:
        return ok(check, SUBJECT, "STORAGE_EMULATOR_HOST is set: a server for tests, which knows nobody.")
    if isinstance(caller, ReplicationError):
        said = caller.reason.explained(caller.detail)
        return failed(check, SUBJECT, said, "gcloud auth application-default login")
    if caller.is_service_account:
        return ok(check, SUBJECT, f"Google sees {caller.email}: what follows is what this account may do.")
    who = caller.email or "a person, or somebody whose name is not known here"
    said = f"Google sees {who}: what follows is not what the service may do."
    mend = f'python -m replicator doctor --impersonate "{deployment.service_account}"'
    return warning(check, SUBJECT, said, mend)
