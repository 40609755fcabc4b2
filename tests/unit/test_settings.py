"""The configuration: what each variable does, what holds without it, and that an error names it and not its value."""

import base64
import os
from pathlib import Path
from unittest.mock import patch

import pytest
from pydantic import SecretStr

from replicator.rules import Deletes, Foreign, Rule, RuleSet, SourceAccess
from replicator.settings import (
    Auth,
    ConfigurationError,
    EngineSettings,
    IngestSettings,
    Metrics,
    ReplicateSettings,
    ServerSettings,
    Target,
    load_env_file,
)

REPLICATE = {"SOURCE_S3_BUCKETS": "source", "TARGET_GCS_BUCKET": "replica", "K_SERVICE": "replicator"}
INGEST = {"INGEST_SECRETS": "0123456789abcdef", "PUBSUB_TOPIC": "projects/p/topics/t"}
ALIASES = {
    "TARGET_GCS_BUCKET": ("GCS_BUCKET_NAME", "GCS_BUCKET", "GCP_BUCKET_NAME"),
    "GOOGLE_CLOUD_PROJECT": ("GCP_PROJECT_ID",),
    "MAX_RETRIES": ("RETRY_ATTEMPTS",),
    "RETRY_DELAY": ("RETRY_BACKOFF_SEC",),
}
"""What earlier systems of this kind called a variable, in the order in which the names count."""
ALL = {name.upper() for kind in (ReplicateSettings, IngestSettings) for name in kind.model_fields}
ALL |= {alias for aliases in ALIASES.values() for alias in aliases}
VALUE = "do-not-show-this"
ROLE = "arn:aws:iam::123456789012:role/replicator"
SECRET = "projects/p/secrets/s"


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch, tmp_path):
    for name in ALL:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.chdir(tmp_path)


def replicate(monkeypatch, **variables: str) -> ReplicateSettings:
    for name, value in {**REPLICATE, **variables}.items():
        monkeypatch.setenv(name, value)
    return ReplicateSettings.load()


def ingest(monkeypatch, **variables: str) -> IngestSettings:
    for name, value in {**INGEST, **variables}.items():
        monkeypatch.setenv(name, value)
    return IngestSettings.load()


LOADERS = {"replicate": replicate, "ingest": ingest}


# --- Defaults and values ----------------------------------------------------------------------------------------------


def test_what_holds_where_nothing_is_set(monkeypatch):
    settings = replicate(monkeypatch)
    assert settings.model_dump() == {
        "function_target": Target.REPLICATE,
        "host": "0.0.0.0",  # noqa: S104
        "port": 8080,
        "concurrency": 80,
        "log_level": "INFO",
        "metrics": Metrics.NONE,
        "google_cloud_project": None,
        "gcp_credentials_path": None,
        "gcp_sa_key": None,
        "gcp_sa_key_b64": None,
        "replication_rules": None,
        "source_s3_buckets": ("source",),
        "target_gcs_bucket": "replica",
        "deletes": Deletes.IGNORE,
        "foreign": Foreign.OVERWRITE,
        "k_service": "replicator",
        "auth": None,
        "oidc_audiences": (),
        "oidc_emails": (),
        "oidc_certificates_url": "https://www.googleapis.com/oauth2/v1/certs",
        "storage_emulator_host": None,
        "aws_region": None,
        "aws_credentials_secret": None,
        "aws_credentials_max_age": 300,
        "aws_role_arn": None,
        "aws_role_audience": "sts.amazonaws.com",
        "aws_web_identity_token_file": None,
        "aws_request_payer": False,
        "max_retries": 3,
        "retry_delay": 0.5,
        "retry_backoff": 2.0,
        "deadline_seconds": 480,
        "memory_budget": None,
        "chunk_size": 1024**2,
        "pubsub_topic": None,
        "pubsub_emulator_host": None,
    }


def test_the_server_needs_no_variable():
    assert ServerSettings.load().function_target is Target.REPLICATE


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("FUNCTION_TARGET", "ingest", Target.INGEST),
        ("HOST", "127.0.0.1", "127.0.0.1"),
        ("PORT", "9000", 9000),
        ("CONCURRENCY", "1000", 1000),
        ("LOG_LEVEL", "DEBUG", "DEBUG"),
        ("METRICS", "otlp", Metrics.OTLP),
        ("GOOGLE_CLOUD_PROJECT", "p", "p"),
        ("GCP_CREDENTIALS_PATH", "/keys/google.json", Path("/keys/google.json")),
        ("GCP_SA_KEY", "{}", SecretStr("{}")),
        ("GCP_SA_KEY_B64", "e30=", SecretStr("e30=")),
        ("TARGET_GCS_BUCKET", "other", "other"),
        ("DELETES", "propagate", Deletes.PROPAGATE),
        ("FOREIGN", "keep", Foreign.KEEP),
        ("K_SERVICE", "replicator", "replicator"),
        ("STORAGE_EMULATOR_HOST", "http://localhost:1", "http://localhost:1"),
        ("AWS_REGION", "eu-west-1", "eu-west-1"),
        ("AWS_CREDENTIALS_SECRET", "projects/p/secrets/s", "projects/p/secrets/s"),
        ("AWS_CREDENTIALS_SECRET", "projects/p/secrets/s/versions/7", "projects/p/secrets/s/versions/7"),
        ("AWS_CREDENTIALS_MAX_AGE", "60", 60.0),
        ("AWS_ROLE_ARN", ROLE, ROLE),
        ("AWS_ROLE_ARN", "arn:aws-cn:iam::123456789012:role/path/r", "arn:aws-cn:iam::123456789012:role/path/r"),
        ("AWS_ROLE_AUDIENCE", "my-audience", "my-audience"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/token", "/var/token"),
        ("AWS_REQUEST_PAYER", "true", True),
        ("MAX_RETRIES", "0", 0),
        ("RETRY_DELAY", "0", 0.0),
        ("RETRY_BACKOFF", "1", 1.0),
        ("DEADLINE_SECONDS", "0.5", 0.5),
        ("CHUNK_SIZE", "65536", 65536),
    ],
)
def test_a_variable_sets_what_it_is_named_after(monkeypatch, variable, text, value):
    settings = replicate(monkeypatch, **{variable: text})
    assert getattr(settings, variable.lower()) == value


def test_an_empty_variable_is_an_absent_one(monkeypatch):
    optional = {name: "" for name in ALL if name not in REPLICATE}
    assert replicate(monkeypatch, **optional) == replicate(monkeypatch)


def test_variables_are_read_whatever_their_case(monkeypatch):
    monkeypatch.setenv("max_retries", "7")
    assert replicate(monkeypatch).max_retries == 7


def test_settings_do_not_change(monkeypatch):
    settings = replicate(monkeypatch)
    with pytest.raises(ValueError, match="frozen"):
        settings.max_retries = 7


@pytest.mark.parametrize(
    ("text", "buckets"),
    [
        ("one", ("one",)),
        ("one,two", ("one", "two")),
        (" one , two ,", ("one", "two")),
        (",one,,two,", ("one", "two")),
    ],
)
def test_source_buckets_are_separated_by_commas(monkeypatch, text, buckets):
    assert replicate(monkeypatch, SOURCE_S3_BUCKETS=text).source_s3_buckets == buckets


def test_the_one_rule_is_what_the_variables_say(monkeypatch):
    settings = replicate(monkeypatch, SOURCE_S3_BUCKETS="first,second", DELETES="propagate", FOREIGN="keep")
    rule = Rule("default", frozenset({"first", "second"}), "replica", Deletes.PROPAGATE, Foreign.KEEP)
    assert settings.rules == RuleSet((rule,))


def test_ingest_secrets_are_separated_by_commas(monkeypatch):
    settings = ingest(monkeypatch, INGEST_SECRETS=" 0123456789abcdef, fedcba9876543210 ,")
    assert [secret.get_secret_value() for secret in settings.ingest_secrets] == ["0123456789abcdef", "fedcba9876543210"]


def test_printed_settings_show_no_secret(monkeypatch):
    settings = ingest(monkeypatch)
    assert "0123456789abcdef" not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"


def test_a_file_stands_in_for_what_the_environment_lacks_for_the_sdks_too(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("MAX_RETRIES=7\nRETRY_DELAY=7\nAWS_ACCESS_KEY_ID=from-the-file\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.setenv("RETRY_DELAY", "8")
    with patch.dict(os.environ):
        load_env_file()
        settings = replicate(monkeypatch)
        assert os.environ["AWS_ACCESS_KEY_ID"] == "from-the-file"
    assert (settings.max_retries, settings.retry_delay) == (7, 8)


def test_both_targets_name_the_topic_alike(monkeypatch):
    topic = {"PUBSUB_TOPIC": "projects/p/topics/t", "PUBSUB_EMULATOR_HOST": "127.0.0.1:1"}
    for load in LOADERS.values():
        settings = load(monkeypatch, **topic)
        assert (settings.pubsub_topic, settings.pubsub_emulator_host) == tuple(topic.values())


def test_a_file_is_read_only_where_it_is_asked_for_and_there_need_not_be_one(monkeypatch, tmp_path):
    before = dict(os.environ)
    load_env_file()
    assert dict(os.environ) == before
    (tmp_path / ".env").write_text("MAX_RETRIES=7\n")
    assert replicate(monkeypatch).max_retries == 3


def test_every_variable_is_described():
    for kind in (ReplicateSettings, IngestSettings):
        assert all(field.description for field in kind.model_fields.values())


# --- Errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "variable"),
    [
        ("ingest", "INGEST_SECRETS"),
        ("ingest", "PUBSUB_TOPIC"),
    ],
)
def test_a_variable_that_is_missing_is_named(monkeypatch, target, variable):
    with pytest.raises(ConfigurationError, match=rf"^{variable}: [^;]+$"):
        LOADERS[target](monkeypatch, **{variable: ""})


def test_the_command_line_needs_no_server():
    with pytest.raises(ConfigurationError) as missing:
        EngineSettings.load()
    assert "AUTH" not in str(missing.value)


@pytest.mark.parametrize(
    ("target", "variable", "values"),
    [
        ("replicate", "FUNCTION_TARGET", [VALUE]),
        ("replicate", "PORT", [VALUE, "80.5", "-1", "65536"]),
        ("replicate", "CONCURRENCY", [VALUE, "0", "1001"]),
        ("replicate", "LOG_LEVEL", [VALUE, "debug", "TRACE"]),
        ("replicate", "SOURCE_S3_BUCKETS", [",", " , ,"]),
        ("replicate", "TARGET_GCS_BUCKET", ["ab"]),
        ("replicate", "DELETES", [VALUE, "true"]),
        ("replicate", "FOREIGN", [VALUE, "KEEP"]),
        ("replicate", "AUTH", [VALUE, "false"]),
        ("replicate", "AWS_CREDENTIALS_SECRET", [VALUE, f"projects/p/secrets/{VALUE}/versions", "secrets/s"]),
        ("replicate", "METRICS", [VALUE]),
        ("replicate", "AWS_ROLE_ARN", [VALUE, f"arn:aws:iam::1:role/{VALUE}", f"{ROLE}/{VALUE}".replace("iam", "sts")]),
        ("replicate", "AWS_REQUEST_PAYER", [VALUE, "2"]),
        ("replicate", "AWS_CREDENTIALS_MAX_AGE", [VALUE, "0", "-1", "nan"]),
        ("replicate", "MAX_RETRIES", [VALUE, "-1", "1.5"]),
        ("replicate", "RETRY_DELAY", [VALUE, "-1", "nan"]),
        ("replicate", "RETRY_BACKOFF", [VALUE, "0.5", "nan"]),
        ("replicate", "DEADLINE_SECONDS", [VALUE, "0", "-1", "nan"]),
        ("replicate", "CHUNK_SIZE", [VALUE, "0", "65535"]),
        ("replicate", "PUBSUB_TOPIC", [VALUE, f"projects/p/{VALUE}", f"projects/p/topics/{VALUE}/more"]),
        ("ingest", "INGEST_SECRETS", ["fifteen-letters", f"{VALUE},{VALUE[:15]}", ","]),
        ("ingest", "PUBSUB_TOPIC", [VALUE, f"projects/p/{VALUE}", f"projects/p/topics/{VALUE}/more"]),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_variable_and_never_the_value(monkeypatch, target, variable, values):
    for value in values:
        with pytest.raises(ConfigurationError) as wrong:
            LOADERS[target](monkeypatch, **{variable: value})
        assert str(wrong.value).startswith(f"{variable}: "), value
        assert VALUE[:15] not in f"{wrong.value} {wrong.value!r}"
        assert wrong.value.__suppress_context__
        assert len(value) < 6 or value not in str(wrong.value)


# --- One rule or several ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"SOURCE_S3_BUCKETS": "source"},
        {"TARGET_GCS_BUCKET": "replica"},
        {"GCS_BUCKET_NAME": "replica"},
        {"DELETES": "ignore"},
        {"FOREIGN": "overwrite"},
    ],
    ids=repr,
)
def test_rules_leave_no_room_for_the_variables_of_the_one_rule(monkeypatch, more):
    given = {"SOURCE_S3_BUCKETS": "", "TARGET_GCS_BUCKET": "", "REPLICATION_RULES": "rules.yaml", **more}
    variable = "TARGET_GCS_BUCKET" if "GCS_BUCKET_NAME" in more else next(iter(more))
    with pytest.raises(ConfigurationError, match=f"^{variable}: not together with REPLICATION_RULES"):
        replicate(monkeypatch, **given)


def test_with_rules_nothing_else_is_needed_and_the_environment_describes_none(monkeypatch):
    settings = replicate(monkeypatch, SOURCE_S3_BUCKETS="", TARGET_GCS_BUCKET="", REPLICATION_RULES="rules.yaml")
    assert (settings.replication_rules, settings.rules) == ("rules.yaml", None)


@pytest.mark.parametrize(
    "missing", [["SOURCE_S3_BUCKETS"], ["TARGET_GCS_BUCKET"], ["SOURCE_S3_BUCKETS", "TARGET_GCS_BUCKET"]]
)
def test_half_of_the_one_rule_is_none(monkeypatch, missing):
    with pytest.raises(ConfigurationError, match=f"^{', '.join(missing)}: required without REPLICATION_RULES$"):
        replicate(monkeypatch, **dict.fromkeys(missing, ""))


# --- Other names ------------------------------------------------------------------------------------------------------

VALUES = {"TARGET_GCS_BUCKET": ("first", "second"), "MAX_RETRIES": ("7", "8"), "RETRY_DELAY": ("7", "8")}
EACH_ALIAS = [(variable, alias) for variable, aliases in ALIASES.items() for alias in aliases]


@pytest.mark.parametrize(("variable", "alias"), EACH_ALIAS)
def test_the_names_of_earlier_systems_are_accepted(monkeypatch, variable, alias):
    value = VALUES.get(variable, ("first",))[0]
    assert str(getattr(replicate(monkeypatch, **{variable: "", alias: value}), variable.lower())).startswith(value)


@pytest.mark.parametrize(("variable", "alias"), EACH_ALIAS)
def test_of_two_names_our_own_counts(monkeypatch, variable, alias):
    first, second = VALUES.get(variable, ("first", "second"))
    settings = replicate(monkeypatch, **{variable: first, alias: second})
    assert str(getattr(settings, variable.lower())).startswith(first)


def test_of_two_other_names_the_one_that_is_documented_first_counts(monkeypatch):
    settings = replicate(monkeypatch, TARGET_GCS_BUCKET="", GCS_BUCKET="second", GCP_BUCKET_NAME="third")
    assert settings.target_gcs_bucket == "second"


@pytest.mark.parametrize(
    ("variable", "alias", "value"),
    [
        ("TARGET_GCS_BUCKET", "GCS_BUCKET_NAME", "x"),
        ("TARGET_GCS_BUCKET", "GCS_BUCKET", "x"),
        ("TARGET_GCS_BUCKET", "GCP_BUCKET_NAME", "x"),
        ("MAX_RETRIES", "RETRY_ATTEMPTS", VALUE),
        ("RETRY_DELAY", "RETRY_BACKOFF_SEC", VALUE),
    ],
)
def test_an_error_names_the_variable_that_was_used(monkeypatch, variable, alias, value):
    with pytest.raises(ConfigurationError, match=rf"^{alias}: [^;]+$"):
        replicate(monkeypatch, **{variable: "", alias: value})
    with pytest.raises(ConfigurationError, match=rf"^{variable}: [^;]+$"):
        replicate(monkeypatch, **{variable: value, alias: ""})


# --- Credentials ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "access"),
    [
        ({}, SourceAccess()),
        ({"AWS_CREDENTIALS_SECRET": SECRET}, SourceAccess(credentials_secret=SECRET)),
        ({"AWS_ROLE_ARN": ROLE}, SourceAccess(role_arn=ROLE)),
        ({"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/token"}, SourceAccess()),
        ({"AWS_REQUEST_PAYER": "1"}, SourceAccess(request_payer=True)),
    ],
)
def test_how_buckets_are_read_unless_a_rule_says_otherwise(monkeypatch, variables, access):
    assert replicate(monkeypatch, **variables).access == access


def test_there_is_one_way_to_aws(monkeypatch):
    with pytest.raises(ConfigurationError, match=r"^AWS_CREDENTIALS_SECRET, AWS_ROLE_ARN: give one of them$"):
        replicate(monkeypatch, AWS_CREDENTIALS_SECRET=SECRET, AWS_ROLE_ARN=ROLE)


def test_a_role_that_is_the_sdks_own_matter_is_not_a_second_way(monkeypatch):
    variables = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/token"}
    settings = replicate(monkeypatch, AWS_CREDENTIALS_SECRET=SECRET, **variables)
    assert settings.access == SourceAccess(credentials_secret=SECRET)


GOOGLE_KEY = '{"private_key": "ü"}'
IN_BASE64 = base64.encodebytes(GOOGLE_KEY.encode()).decode()


def test_without_a_google_key_there_is_none(monkeypatch):
    assert replicate(monkeypatch).google_key() is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [("GCP_CREDENTIALS_PATH", "key.json"), ("GCP_SA_KEY", GOOGLE_KEY), ("GCP_SA_KEY_B64", IN_BASE64)],
)
@pytest.mark.parametrize("target", ["replicate", "ingest"])
def test_a_google_key_is_given_in_one_of_three_ways(monkeypatch, tmp_path, target, variable, value):
    (tmp_path / "key.json").write_text(GOOGLE_KEY, "utf-8")
    settings = LOADERS[target](monkeypatch, **{variable: value})
    assert settings.google_key() == (variable, GOOGLE_KEY)
    assert value not in f"{settings} {settings!r}" or variable == "GCP_CREDENTIALS_PATH"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GCP_CREDENTIALS_PATH", f"no/such/{VALUE}"),
        ("GCP_CREDENTIALS_PATH", "."),
        ("GCP_CREDENTIALS_PATH", "binary"),
        ("GCP_SA_KEY_B64", f"{VALUE}!"),
        ("GCP_SA_KEY_B64", "/w=="),
    ],
)
def test_a_google_key_that_cannot_be_read_is_an_error_that_names_the_variable(monkeypatch, tmp_path, variable, value):
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=rf"^{variable}: cannot be read$") as wrong:
        replicate(monkeypatch, **{variable: value}).google_key()
    assert wrong.value.__suppress_context__


@pytest.mark.parametrize("target", ["replicate", "ingest"])
def test_there_is_one_google_identity(monkeypatch, target):
    with pytest.raises(ConfigurationError, match=r"^GCP_SA_KEY, GCP_SA_KEY_B64: give one of them$"):
        LOADERS[target](monkeypatch, GCP_SA_KEY=VALUE, GCP_SA_KEY_B64=VALUE)


# --- Never open by accident -------------------------------------------------------------------------------------------


def test_outside_cloud_run_who_checks_callers_must_be_said(monkeypatch):
    with pytest.raises(
        ConfigurationError, match=r"^AUTH: required outside Cloud Run: `oidc`, or `none` with a loopback HOST$"
    ):
        replicate(monkeypatch, K_SERVICE="")


def test_on_cloud_run_it_is_cloud_run(monkeypatch):
    assert replicate(monkeypatch, AUTH="", K_SERVICE="replicator").auth is None
    assert replicate(monkeypatch, AUTH="iam", K_SERVICE="replicator").auth is Auth.IAM


def test_what_is_cloud_run_s_keeps_nobody_out_elsewhere(monkeypatch):
    with pytest.raises(ConfigurationError, match=r"^AUTH: `iam` is Cloud Run.s; elsewhere `oidc`, or `none` with a "):
        replicate(monkeypatch, AUTH="iam", K_SERVICE="")


OIDC = {"AUTH": "oidc", "OIDC_AUDIENCES": "https://a.example/", "OIDC_EMAILS": "a@b.example"}


def test_the_service_itself_checks_callers_for_audiences_and_by_addresses(monkeypatch):
    settings = replicate(monkeypatch, **OIDC | {"OIDC_AUDIENCES": " a, b ,", "OIDC_EMAILS": "a@b.example,c@d.example"})
    assert settings.auth is Auth.OIDC
    assert (settings.oidc_audiences, settings.oidc_emails) == (("a", "b"), ("a@b.example", "c@d.example"))


@pytest.mark.parametrize("variable", ["OIDC_AUDIENCES", "OIDC_EMAILS"])
@pytest.mark.parametrize("value", ["", " , "])
@pytest.mark.parametrize("service", ["", "replicator"])
def test_it_checks_callers_with_both_or_does_not_start(monkeypatch, variable, value, service):
    with pytest.raises(ConfigurationError, match=f"^{variable}: required with AUTH=oidc$"):
        replicate(monkeypatch, **OIDC | {variable: value, "K_SERVICE": service})


@pytest.mark.parametrize(
    "others", [{"AUTH": "iam"}, {"AUTH": "none", "HOST": "127.0.0.1"}, {"AUTH": "", "K_SERVICE": "r"}]
)
def test_whoever_names_callers_means_them_to_be_checked(monkeypatch, others):
    with pytest.raises(ConfigurationError, match=r"^OIDC_AUDIENCES, OIDC_EMAILS: only with AUTH=oidc$"):
        replicate(monkeypatch, **OIDC | others)


@pytest.mark.parametrize("value", ["allUsers", "*", "a@b@c", "@b.example", "a b@c.example", f"a@b.example,{VALUE}"])
def test_who_may_come_in_is_named_by_an_address(monkeypatch, value):
    with pytest.raises(ConfigurationError, match=r"^OIDC_EMAILS: ") as wrong:
        replicate(monkeypatch, **OIDC | {"OIDC_EMAILS": value})
    assert VALUE not in str(wrong.value)


@pytest.mark.parametrize("url", ["https://mirror.example/certs", "http://127.0.0.1:1/certs", "http://localhost/"])
def test_certificates_come_over_tls_or_from_this_machine(monkeypatch, url):
    assert replicate(monkeypatch, **OIDC | {"OIDC_CERTIFICATES_URL": url}).oidc_certificates_url == url


@pytest.mark.parametrize(
    "url",
    ["http://mirror.example/", "http://127.0.0.1.example/", "http://localhost@example/", "file:///certs", "certs"],
)
def test_certificates_come_from_nowhere_else(monkeypatch, url):
    with pytest.raises(ConfigurationError, match=r"^OIDC_CERTIFICATES_URL: "):
        replicate(monkeypatch, **OIDC | {"OIDC_CERTIFICATES_URL": url})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_nobody_checks_callers_only_on_the_loopback_interface(monkeypatch, host):
    assert replicate(monkeypatch, AUTH="none", HOST=host).auth is Auth.NONE


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "10.0.0.1", "127.0.0.1.example.com", "LOCALHOST"])  # noqa: S104
@pytest.mark.parametrize("service", ["", "replicator"])
def test_nobody_checks_callers_nowhere_else(monkeypatch, host, service):
    with pytest.raises(ConfigurationError, match=r"^AUTH: "):
        replicate(monkeypatch, AUTH="none", HOST=host, K_SERVICE=service)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("SOURCE_S3_BUCKETS", "s3://bucket"), ("SOURCE_S3_BUCKETS", "fine,no/ne"), ("TARGET_GCS_BUCKET", "gs://replica")],
)
def test_a_bucket_is_its_bare_name(monkeypatch, variable, value):
    with pytest.raises(ConfigurationError, match=f"^{variable}: is not the bare name of "):
        replicate(monkeypatch, **{variable: value})
