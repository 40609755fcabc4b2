"""Judging the subscription and its dead letters."""

from dataclasses import replace

import pytest

from replicator.doctor import Check, Status
from replicator.doctor.delivery import Expected, judge_hand_over, judge_subscription
from replicator.doctor.deployment import Deployment
from replicator.doctor.facts import DeadLetterFacts, SubscriptionFacts, Unread

NAME, TOPIC, DEAD = "projects/p/subscriptions/push", "projects/p/topics/events", "projects/p/topics/dead"
URL = "https://replicator-abc-ew.a.run.app"
AGENT = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
KEPT = DeadLetterFacts(DEAD, 20, frozenset({("roles/pubsub.publisher", AGENT)}), ("projects/p/subscriptions/dead",))
SOUND = SubscriptionFacts(
    NAME,
    TOPIC,
    endpoint=f"{URL}/",
    account="replicator-push@p.iam.gserviceaccount.com",
    audience=URL,
    ack_deadline=600,
    backoff=(10, 600),
    dead_letters=KEPT,
    grants=frozenset({("roles/pubsub.subscriber", AGENT)}),
)
EXPECTED = Expected(480, TOPIC, URL)
OIDC = replace(EXPECTED, audiences=("https://a.example", "https://b.example"))
OIDC_OF_URL = replace(EXPECTED, audiences=(URL,))
OTHER_URL = "https://replicator-123456789012.europe-west1.run.app"
DEPLOYMENT = Deployment("p")


def of(**values) -> SubscriptionFacts:
    return replace(SOUND, **values)


def dead(**values) -> SubscriptionFacts:
    return of(dead_letters=replace(KEPT, **values))


def findings(facts, expected=EXPECTED) -> list:
    return list(judge_subscription(NAME, facts, expected, DEPLOYMENT))


def test_all_is_well_with_what_deploy_sh_makes():
    found = findings(SOUND)
    assert {finding.status for finding in found} == {Status.OK}
    assert {finding.mend for finding in found} == {None}
    assert {finding.check for finding in found} == {c for c in Check if c.area == "delivery"} - {Check.HAND_OVER}


@pytest.mark.parametrize(
    ("check", "facts", "expected", "status", "mended"),
    [
        (Check.SUBSCRIPTION, of(active=False), EXPECTED, "failed", "deploy.sh"),
        (Check.SUBSCRIPTION_TOPIC, of(topic="projects/p/topics/other"), EXPECTED, "failed", "topics/other"),
        (Check.SUBSCRIPTION_TOPIC, of(topic="any"), Expected(url=URL), "ok", None),
        (Check.PUSH_ENDPOINT, of(endpoint=None), EXPECTED, "failed", f"--push-endpoint {URL}/"),
        (Check.PUSH_ENDPOINT, of(endpoint=None), Expected(480, TOPIC), "failed", "deploy.sh"),
        (Check.PUSH_ENDPOINT, of(endpoint="https://x/"), EXPECTED, "failed", f"--push-endpoint {URL}/ --push-auth-ser"),
        (Check.PUSH_ENDPOINT, of(endpoint="https://x/"), OIDC_OF_URL, "failed", f"-audience {URL}"),
        (Check.PUSH_ENDPOINT, of(endpoint=f"{OTHER_URL}/"), EXPECTED, "warning", f"--push-endpoint {URL}/"),
        (Check.PUSH_ENDPOINT, of(endpoint=OTHER_URL, audience=OTHER_URL), EXPECTED, "warning", f"-audience {URL}"),
        (Check.PUSH_ENDPOINT, of(endpoint="https://a.run.app.evil/"), EXPECTED, "failed", f"--push-endpoint {URL}/"),
        (Check.PUSH_ENDPOINT, of(endpoint=URL), EXPECTED, "ok", None),
        (Check.PUSH_ENDPOINT, of(endpoint="https://x/"), Expected(480, TOPIC), "ok", None),
        (Check.PUSH_IDENTITY, of(account=None), EXPECTED, "failed", "--push-auth-service-account replicator-push@p."),
        (Check.PUSH_IDENTITY, of(audience="https://other"), EXPECTED, "failed", f"-audience {URL}"),
        (Check.PUSH_IDENTITY, of(audience=None), EXPECTED, "ok", None),
        (Check.PUSH_IDENTITY, of(endpoint=URL, audience=f"{URL}/"), EXPECTED, "ok", None),
        (Check.PUSH_IDENTITY, of(audience="https://other"), Expected(480, TOPIC), "ok", None),
        (Check.PUSH_IDENTITY, SOUND, OIDC, "failed", "-audience https://a.example"),
        (Check.PUSH_IDENTITY, of(audience="https://b.example"), OIDC, "ok", None),
        (Check.ACK_DEADLINE, of(ack_deadline=599), EXPECTED, "warning", "--ack-deadline 600"),
        (Check.ACK_DEADLINE, of(ack_deadline=480), EXPECTED, "failed", "--ack-deadline 600"),
        (Check.ACK_DEADLINE, of(ack_deadline=481), EXPECTED, "warning", "--ack-deadline 600"),
        (Check.ACK_DEADLINE, SOUND, replace(EXPECTED, deadline=481), "warning", "DEADLINE_SECONDS=480"),
        (Check.RETRY_POLICY, of(backoff=None), EXPECTED, "failed", "--min-retry-delay 10s --max-retry-delay 600s"),
        (Check.RETRY_POLICY, of(backoff=(1, 600)), EXPECTED, "warning", "--min-retry-delay 10s"),
        (Check.RETRY_POLICY, of(backoff=(10, 60)), EXPECTED, "warning", "--max-retry-delay 600s"),
        (Check.EXPIRATION, of(expires=31 * 86_400), EXPECTED, "failed", "--expiration-period never"),
        (Check.DEAD_LETTER_POLICY, dead(attempts=5), EXPECTED, "warning", "--max-delivery-attempts 20"),
        (Check.DEAD_LETTER_POLICY, dead(attempts=6), EXPECTED, "ok", None),
        (Check.DEAD_LETTER_GRANTS, of(grants=frozenset()), EXPECTED, "warning", "add-iam-policy-binding push"),
        (Check.DEAD_LETTER_GRANTS, of(grants=Unread("")), EXPECTED, "warning", None),
        (Check.DEAD_LETTER_GRANTS, dead(grants=frozenset()), EXPECTED, "warning", "topics add-iam-policy-binding dead"),
        (Check.DEAD_LETTER_GRANTS, dead(grants=SOUND.grants), EXPECTED, "warning", "roles/pubsub.publisher"),
        (
            Check.DEAD_LETTER_GRANTS,
            dead(grants=frozenset({("roles/pubsub.publisher", "serviceAccount:replicator@p.iam.gserviceaccount.com")})),
            EXPECTED,
            "warning",
            "@gcp-sa-pubsub.iam.gserviceaccount.com",
        ),
        (
            Check.DEAD_LETTER_GRANTS,
            dead(grants=frozenset({("roles/pubsub.publisher", "serviceAccount:pubsub@evil")})),
            EXPECTED,
            "warning",
            "topics add-iam-policy-binding dead",
        ),
        (
            Check.DEAD_LETTERS_KEPT,
            dead(subscriptions=()),
            EXPECTED,
            "failed",
            "subscriptions create dead --project p --topic dead --ack-deadline 60 --expiration-period never "
            "--message-retention-duration 31d",
        ),
        (Check.DEAD_LETTERS_KEPT, dead(subscriptions=Unread("")), EXPECTED, "warning", None),
    ],
)
def test_each_fault_is_seen_by_its_check_and_by_no_other(check, facts, expected, status, mended):
    found = findings(facts, expected)
    [worst] = sorted((one for one in found if one.check == check), key=lambda one: one.status == Status.OK)[:1]
    assert worst.status == status
    assert (mended in worst.mend) if mended else worst.mend is None
    assert {one.check for one in found if one.status is not Status.OK} <= {check}
    assert all(one.detail.endswith(".") for one in found)


def test_without_a_dead_letter_policy_that_is_the_failure_and_retries_are_a_warning():
    found = {one.check: one for one in findings(of(dead_letters=None, backoff=None))}
    assert found[Check.DEAD_LETTER_POLICY].status is Status.FAILED
    assert "--dead-letter-topic s3-events-dead" in found[Check.DEAD_LETTER_POLICY].mend
    assert found[Check.RETRY_POLICY].status is Status.WARNING
    assert not {Check.DEAD_LETTER_GRANTS, Check.DEAD_LETTERS_KEPT} & set(found)


def test_a_subscription_that_is_absent_or_unseen_is_one_finding():
    [absent] = findings(None)
    assert (absent.check, absent.status, absent.mend) == (Check.SUBSCRIPTION, Status.FAILED, "deploy/gcp/deploy.sh")
    [unseen] = findings(Unread("Pub/Sub refuses it", "pubsub.subscriptions.get"))
    assert (unseen.check, unseen.status) == (Check.SUBSCRIPTION, Status.WARNING)
    assert "pubsub.subscriptions.get is missing" in unseen.detail


@pytest.mark.parametrize(
    ("topic", "allowed", "status", "mended"),
    [
        (TOPIC, True, "ok", None),
        (TOPIC, False, "failed", "roles/pubsub.publisher"),
        (TOPIC, Unread(""), "warning", None),
        (None, False, "warning", "PUBSUB_TOPIC=projects/p/topics/s3-events"),
    ],
)
def test_handing_over_takes_a_topic_that_may_be_published_to(topic, allowed, status, mended):
    finding = judge_hand_over(topic, allowed, DEPLOYMENT)
    assert finding.status == status
    assert (mended in finding.mend) if mended else finding.mend is None


def test_the_mended_endpoint_keeps_the_account_that_it_had():
    facts = of(endpoint="https://x/", account="own@p.iam.gserviceaccount.com")
    [mend] = [one.mend for one in findings(facts) if one.check is Check.PUSH_ENDPOINT]
    assert "--push-auth-service-account own@p.iam.gserviceaccount.com " in mend


def test_what_is_in_another_project_than_the_service_is_mended_there():
    lost = DeadLetterFacts("projects/q/topics/dead", 5)
    facts = SubscriptionFacts(NAME, TOPIC, False, dead_letters=lost)
    found = [*judge_subscription(NAME, facts, EXPECTED, Deployment("service-s"))]
    found.append(judge_hand_over(TOPIC, False, Deployment("service-s")))
    commands = [one.mend for one in found if one.mend and one.mend.startswith("gcloud pubsub")]
    assert not [command for command in commands if "--project service-s" in command]
    [topic, subscription] = [one.mend for one in found if one.check is Check.DEAD_LETTER_GRANTS]
    assert "topics add-iam-policy-binding dead --project q --member" in topic
    assert "subscriptions add-iam-policy-binding push --project p --member" in subscription
    assert "gcloud projects describe p " in topic
