#!/usr/bin/env bash
# Takes back what deploy.sh made. Does nothing but print the commands, unless it is told --yes. May be run again.
#
#   deploy/gcp/destroy.sh [--yes] [--all] [CONFIG]      CONFIG is deploy/gcp/config.env if not given
#
# Stays, unless --all: what deploy.sh could not make again, the secrets with their content, events that wait, dead letters
# and images. Stays always: every bucket with all it holds, the destinations' lifecycle rule among it, which deletes what
# copies that were under way left behind; and the APIs that are enabled.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/plan.sh"

CARRY_OUT=print_plan ALL=
while [[ ${1:-} == -* ]]; do
    case $1 in
        --yes) CARRY_OUT=run_plan ;;
        --all) ALL=yes ;;
        *) complain "usage: $0 [--yes] [--all] [CONFIG]" ;;
    esac
    shift
done
[[ $# -le 1 ]] || complain "usage: $0 [--yes] [--all] [CONFIG]"
read_config "${1:-$HERE/config.env}"

# What is there is deleted: delete "run services" replicator FLAGS
delete() { # KIND RESOURCE [FLAGS]
    local flags=${3:+ $3}
    echo "! there gcloud $1 describe $2$flags || gcloud $1 delete $2$flags"
}

# A role on what stays: while the account is there its bindings can be found, later only their remains.
revoke() { # ACCOUNT KIND RESOURCE ROLE [FLAGS]
    local flags=${5:+ $5}
    cat <<PLAN
! there gcloud $2 describe $3${flags/ --condition None/} || ! there gcloud iam service-accounts describe $(account "$1") ||
    gcloud $2 remove-iam-policy-binding $3 --member serviceAccount:$(account "$1") --role $4$flags --format none || missing
PLAN
}

watching() {
    local metric
    echo && echo "# Alerts, dashboard, metrics"
    cat <<PLAN
for NAME in \$(gcloud alpha monitoring policies list --format 'value(userLabels.replicator,name)' |
    awk '\$1 ~ /^(backlog|dead-letters|error-ratio|lag|errors|rotation)\$/ { print \$2 }'); do
    gcloud alpha monitoring policies delete "\$NAME"
done
PLAN
    cat <<PLAN
NAME=\$(gcloud monitoring dashboards list --filter 'displayName="Replicator"' --format 'value(name)' --limit 1)
[ -z "\$NAME" ] || gcloud monitoring dashboards delete "\$NAME"
PLAN
    for metric in outcomes lag; do delete "logging metrics" "replicator.$metric"; done
}

services() {
    echo && echo "# The way in first, then the services"
    delete "run services" replicator-ingest "--region $REGION"
    [[ ! $ALL ]] || delete "pubsub subscriptions" s3-events-push
    [[ $ALL ]] || cat <<PLAN
# Without an address it is delivered no more; what waits, waits for 31 days. The next deploy.sh delivers it.
! there gcloud pubsub subscriptions describe s3-events-push ||
    gcloud pubsub subscriptions update s3-events-push --push-endpoint "" --format none
PLAN
    delete "run services" replicator "--region $REGION"
}

accounts() {
    local bucket secret name
    echo && echo "# What the accounts may do with what stays; the accounts"
    for bucket in $DESTINATION_BUCKETS; do
        revoke replicator "storage buckets" "gs://$bucket" roles/storage.objectUser "--condition None"
        revoke replicator "storage buckets" "gs://$bucket" roles/storage.legacyBucketReader "--condition None"
    done
    for secret in aws-keys $READABLE_SECRETS; do
        revoke replicator secrets "$secret" roles/secretmanager.secretAccessor "--condition None"
    done
    revoke replicator-ingest secrets ingest-secrets roles/secretmanager.secretAccessor "--condition None"
    revoke replicator "pubsub topics" s3-events roles/pubsub.publisher
    revoke replicator-ingest "pubsub topics" s3-events roles/pubsub.publisher
    revoke replicator-build projects "$PROJECT" roles/logging.logWriter "--condition None"
    [[ $METRICS != cloud_monitoring ]] ||
        revoke replicator projects "$PROJECT" roles/monitoring.metricWriter "--condition None"
    revoke replicator-build "artifacts repositories" replicator roles/artifactregistry.writer "--location $REGION"
    revoke replicator-build "storage buckets" "$(build_bucket)" roles/storage.objectViewer "--condition None"
    for name in replicator replicator-push replicator-ingest replicator-build; do
        delete "iam service-accounts" "$(account "$name")"
    done
}

the_rest() {
    local name
    echo && echo "# What cannot be made again"
    for name in s3-events-dead secret-rotation; do delete "pubsub subscriptions" "$name"; done
    for name in s3-events s3-events-dead secret-rotation; do delete "pubsub topics" "$name"; done
    for name in aws-keys ingest-secrets; do delete secrets "$name"; done
    delete "artifacts repositories" replicator "--location $REGION"
}

PLAN=$(
    set -e
    beginning
    echo 'missing() { echo "It did not have that role." >&2; }'
    watching
    services
    accounts
    [[ ! $ALL ]] || the_rest
)
$CARRY_OUT "$PLAN"
[[ $CARRY_OUT == run_plan ]] || echo "Nothing was changed: --yes runs these commands." >&2
