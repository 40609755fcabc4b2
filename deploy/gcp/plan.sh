# What deploy.sh and destroy.sh have in common: reading the configuration, and words for parts of a plan.
# A plan is a script of plain gcloud commands. It is made as text and then run, so what --dry-run prints is what is run.
# shellcheck shell=bash

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)

complain() {
    echo "$1" >&2
    exit 2
}

# What stands in commands is held to characters that a shell leaves alone. Other values stand in rendered files only.
PLAIN='^[A-Za-z0-9._/:@,\ -]*$'
IN_COMMANDS="PROJECT REGION DESTINATION_BUCKETS READABLE_SECRETS SECRET_LOCATIONS NOTIFICATION_CHANNELS IMAGE"
NUMBERS="CONCURRENCY TIMEOUT_SECONDS DEADLINE_SECONDS MIN_INSTANCES MAX_INSTANCES MAX_DELIVERY_ATTEMPTS
    INGEST_CONCURRENCY INGEST_MAX_INSTANCES ROTATION_DAYS PROMISED_LAG_SECONDS"

# Reads a configuration into the environment, for render.py, and ends the script if it cannot be right.
read_config() {
    local name known least most mebibytes
    [[ -r $1 ]] || complain "$1: cannot be read; copy $HERE/config.example.env and fill it in"
    known=$(sed -n 's/^\([A-Z0-9_]*\)=.*/\1/p' "$HERE/config.example.env")
    for name in $known; do unset "$name"; done
    set -a
    # shellcheck source=/dev/null  # whatever its name is
    source "$1"
    set +a
    for name in $known; do
        [[ -n ${!name+set} ]] || complain "$name: is not in $1; config.example.env says what it is for"
    done
    for name in PROJECT REGION DESTINATION_BUCKETS; do
        [[ -n ${!name} ]] || complain "$name: is empty"
    done
    for name in $IN_COMMANDS; do
        [[ ${!name} =~ $PLAIN ]] || complain "$name: has characters that no such name has"
    done
    [[ $PROJECT =~ ^[a-z][a-z0-9-]{4,28}[a-z0-9]$ ]] ||
        complain "PROJECT: is no project's id (and those with a domain, example.com:name, are not supported)"
    for name in $NUMBERS; do
        [[ ${!name} =~ ^(0|[1-9][0-9]{0,5})$ ]] || complain "$name: is not a number"
        [[ ${!name} != 0 || $name == MIN_INSTANCES ]] || complain "$name: is at least 1"
    done
    [[ $REGION =~ ^[a-z]+-[a-z]+[0-9]+$ ]] || complain "REGION: is none of Google's, such as europe-west1"
    for name in $DESTINATION_BUCKETS $TARGET_GCS_BUCKET; do
        [[ $name =~ ^[a-z0-9][a-z0-9._-]+[a-z0-9]$ ]] || complain "DESTINATION_BUCKETS, TARGET_GCS_BUCKET: $name is no bare name"
    done
    for name in $TARGET_GCS_BUCKET; do
        [[ " $DESTINATION_BUCKETS " == *" $name "* ]] || complain "DESTINATION_BUCKETS: is without TARGET_GCS_BUCKET, $name"
    done
    [[ ${SOURCE_S3_BUCKETS:-none} =~ ^[A-Za-z0-9._,\ -]+$ ]] || complain "SOURCE_S3_BUCKETS: is no list of bare names"
    [[ ${DELETES:-ignore} =~ ^(ignore|propagate)$ ]] || complain "DELETES: is neither ignore nor propagate"
    [[ ${FOREIGN:-overwrite} =~ ^(overwrite|keep)$ ]] || complain "FOREIGN: is neither overwrite nor keep"
    [[ ! $AWS_ROLE_ARN || $AWS_ROLE_ARN =~ ^arn:[a-z-]+:iam::[0-9]{12}:role/.+$ ]] || complain "AWS_ROLE_ARN: is no role's ARN"
    for name in ${NOTIFICATION_CHANNELS//,/ }; do
        [[ $name =~ ^projects/[^/]+/notificationChannels/[^/]+$ ]] || complain "NOTIFICATION_CHANNELS: $name is none"
    done
    [[ ! $IMAGE || $IMAGE =~ @sha256:[0-9a-f]+$ ]] || complain "IMAGE: does not end with a digest, @sha256:..."
    [[ $BEARABLE_ERROR_RATIO =~ ^(0(\.[0-9]+)?|1)$ ]] || complain "BEARABLE_ERROR_RATIO: is not a share, such as 0.05"
    [[ $INGRESS =~ ^(all|internal)$ ]] || complain "INGRESS: is neither all nor internal"
    [[ $CPU =~ ^(1|2|4|6|8)$ ]] || complain "CPU: is none of 1, 2, 4, 6, 8"
    [[ $MEMORY =~ ^[1-9][0-9]*(Mi|Gi)$ ]] || complain "MEMORY: is not a size, such as 512Mi or 2Gi"
    mebibytes=${MEMORY%?i}
    [[ $MEMORY == *Mi ]] || mebibytes=$((mebibytes * 1024))
    case $CPU in # https://cloud.google.com/run/docs/configuring/services/memory-limits
        1) least=512 most=4096 ;;
        2) least=512 most=8192 ;;
        4) least=2048 most=16384 ;;
        6) least=4096 most=24576 ;;
        8) least=4096 most=32768 ;;
    esac
    [[ $mebibytes -ge $least && $mebibytes -le $most ]] || complain "MEMORY: with CPU=$CPU it is ${least}Mi to ${most}Mi"
    for name in CONCURRENCY INGEST_CONCURRENCY; do
        [[ ${!name} -le 1000 ]] || complain "$name: is 1000 at most"
    done
    [[ $MIN_INSTANCES -le $MAX_INSTANCES ]] || complain "MIN_INSTANCES: is more than MAX_INSTANCES"
    [[ $METRICS =~ ^(none|cloud_monitoring)$ ]] || complain "METRICS: is neither none nor cloud_monitoring"
    [[ $TIMEOUT_SECONDS -le 600 ]] || complain "TIMEOUT_SECONDS: Pub/Sub waits 600 s at most"
    [[ $((DEADLINE_SECONDS + 120)) -le $TIMEOUT_SECONDS ]] ||
        complain "DEADLINE_SECONDS: has to be two minutes less than TIMEOUT_SECONDS"
    [[ $MAX_DELIVERY_ATTEMPTS -gt 5 && $MAX_DELIVERY_ATTEMPTS -le 100 ]] ||
        complain "MAX_DELIVERY_ATTEMPTS: more than 5 (config.example.env says why), 100 at most"
    [[ $REPLICATION_RULES || ($SOURCE_S3_BUCKETS && $TARGET_GCS_BUCKET) ]] ||
        complain "REPLICATION_RULES, or SOURCE_S3_BUCKETS and TARGET_GCS_BUCKET: say what is replicated"
    [[ ! $REPLICATION_RULES || ! $SOURCE_S3_BUCKETS$TARGET_GCS_BUCKET$DELETES$FOREIGN ]] ||
        complain "REPLICATION_RULES: not together with SOURCE_S3_BUCKETS, TARGET_GCS_BUCKET, DELETES or FOREIGN"
    [[ ! $REPLICATION_RULES || $REPLICATION_RULES == *$'\n'* ||
        $REPLICATION_RULES =~ ^\ *(\{|\[|rules:) || $REPLICATION_RULES =~ ^projects/[^/]+/secrets/[^/]+ ]] ||
        complain "REPLICATION_RULES: is neither rules nor a secret's resource; no file of this machine is in the image"
}

# Where what images are built from is uploaded to.
build_bucket() { echo "gs://$PROJECT-replicator-build"; }

# The e-mail address of the service account with this name.
account() { echo "$1@$PROJECT.iam.gserviceaccount.com"; }

# Standard input as one word of a command.
literal() {
    local text
    text=$(sed "s/'/'\\\\''/g")
    printf "'%s'" "$text"
}

print_plan() { printf '%s\n' "$1"; }

# Shows each command as it starts.
run_plan() { bash -v -c "$1"; }

# How each plan begins.
beginning() {
    cat <<PLAN
#!/usr/bin/env bash
set -euo pipefail
cd $(printf '%q' "$ROOT")
export CLOUDSDK_CORE_PROJECT=$PROJECT CLOUDSDK_CORE_DISABLE_PROMPTS=1
there() { "\$@" >/dev/null 2>&1; }
PLAN
}
