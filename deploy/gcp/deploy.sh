#!/usr/bin/env bash
# Creates all that the replicator needs on Google Cloud, or brings it up to date. May be run again at any time.
#
#   deploy/gcp/deploy.sh [--dry-run] [CONFIG]      CONFIG is deploy/gcp/config.env if not given
#
# --dry-run prints the commands, and needs neither gcloud nor a network. README.md says what each part is for.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/plan.sh"

CARRY_OUT=run_plan
[[ ${1:-} != --dry-run ]] || { CARRY_OUT=print_plan && shift; }
[[ $# -le 1 && ${1:-} != -* ]] || complain "usage: $0 [--dry-run] [CONFIG]"
read_config "${1:-$HERE/config.env}"

REPOSITORY=$REGION-docker.pkg.dev/$PROJECT/replicator
[[ $AWS_ROLE_ARN ]] && OWN_SECRETS="" || OWN_SECRETS=aws-keys
export AWS_CREDENTIALS_SECRET=${OWN_SECRETS:+projects/$PROJECT/secrets/aws-keys}

# A file of this folder as one word of a command. Some values are known only when the plan is run.
filled_in() {
    IMAGE=@IMAGE@ INGEST_VERSION=@INGEST_VERSION@ ETAG=@ETAG@ python3 "$HERE/render.py" "$HERE/$1" |
        literal | sed -E "s/@(IMAGE|INGEST_VERSION|ETAG)@/'\"\$\1\"'/"
}

create_account() {
    cat <<PLAN
there gcloud iam service-accounts describe $(account "$1") ||
    gcloud iam service-accounts create $1 --display-name "$2"
PLAN
}

create_topic() { echo "there gcloud pubsub topics describe $1 || gcloud pubsub topics create $1"; }

# Subscriptions whose messages stay as long as Pub/Sub keeps any: one that expires, or is dropped unread, is an event lost.
subscribe() { # NAME TOPIC FLAGS [FLAGS-OF-CREATION]
    cat <<PLAN
if FROM=\$(gcloud pubsub subscriptions describe $1 --format 'value(topic)' 2>/dev/null); then
    [ "\$FROM" != _deleted-topic_ ] || {
        echo "$1: its topic was deleted, so nothing new reaches it. Delete it with what waits in it, and run this again:" >&2
        echo "gcloud pubsub subscriptions delete $1 --project $PROJECT" >&2
        exit 1
    }
    set -- update $1
else
    set -- create $1 --topic $2 ${4:-}
fi
gcloud pubsub subscriptions "\$@" --expiration-period never --message-retention-duration 31d $3
PLAN
}

# The first reminder is set once: a time that moved with each run would never come.
create_secret() {
    local replication="--replication-policy automatic"
    [[ -z $SECRET_LOCATIONS ]] || replication="--replication-policy user-managed --locations $SECRET_LOCATIONS"
    cat <<PLAN
there gcloud secrets describe $1 || gcloud secrets create $1 $replication
set -- update $1 --add-topics projects/$PROJECT/topics/secret-rotation --rotation-period $((ROTATION_DAYS * 86400))s
[ "\$(gcloud secrets describe $1 --format 'value(rotation.nextRotationTime)')" ] ||
    set -- "\$@" --next-rotation-time "\$FIRST_REMINDER"
patiently gcloud secrets "\$@"
PLAN
}

# A role on one resource and nothing else: grant "pubsub topics" s3-events publisher-address roles/pubsub.publisher
grant() { # KIND RESOURCE MEMBER ROLE [FLAGS]
    echo "patiently gcloud $1 add-iam-policy-binding $2 --member \"$3\" --role $4 ${5:-} --format none"
}

prerequisites() {
    cat <<PLAN
WORK=\$(mktemp -d)
trap 'rm -r "\$WORK"' EXIT
# A new account or role is not known everywhere at once.
patiently() { "\$@" || { sleep 20 && "\$@"; } || { sleep 60 && "\$@"; }; }
# An alert is refused until its metric is known ("Cannot find metric"): up to ten minutes, so it is tried for twelve.
once_known() {
    for _ in {1..24}; do
        "\$@" && return
        sleep 30
    done
    "\$@"
}

{ there gcloud beta services identity --help && there gcloud alpha monitoring policies --help; } || {
    echo "gcloud: wants the components alpha and beta (gcloud components install alpha beta)" >&2
    exit 1
}

# The services of Google Cloud, and the accounts by which two of them act in this project
gcloud services enable run.googleapis.com pubsub.googleapis.com secretmanager.googleapis.com iam.googleapis.com \\
    iamcredentials.googleapis.com cloudresourcemanager.googleapis.com storage.googleapis.com \\
    artifactregistry.googleapis.com cloudbuild.googleapis.com logging.googleapis.com monitoring.googleapis.com
gcloud beta services identity create --service pubsub.googleapis.com --format none
gcloud beta services identity create --service secretmanager.googleapis.com --format none
NUMBER=\$(gcloud projects describe $PROJECT --format 'value(projectNumber)')
PUBSUB_AGENT=serviceAccount:service-\$NUMBER@gcp-sa-pubsub.iam.gserviceaccount.com
SECRETS_AGENT=serviceAccount:service-\$NUMBER@gcp-sa-secretmanager.iam.gserviceaccount.com

# Service accounts
PLAN
    create_account replicator "Replicator: reads S3, writes Cloud Storage"
    create_account replicator-push "Replicator: Pub/Sub calls the private service as this"
    create_account replicator-ingest "Replicator: publishes events"
    create_account replicator-build "Replicator: tests, builds and deploys the image"
}

events() {
    echo && echo "# Events, and the dead ones among them"
    create_topic s3-events
    create_topic s3-events-dead
    subscribe s3-events-dead s3-events-dead "--ack-deadline 60"
    grant "pubsub topics" s3-events "serviceAccount:$(account replicator)" roles/pubsub.publisher
    grant "pubsub topics" s3-events "serviceAccount:$(account replicator-ingest)" roles/pubsub.publisher
    grant "pubsub topics" s3-events-dead "\$PUBSUB_AGENT" roles/pubsub.publisher
}

secrets() {
    local secret
    echo && echo "# Secrets. Versions are listed from the newest on"
    create_topic secret-rotation
    # Secret Manager publishes every change there. The reminders wait for a person, whom an alert tells of them.
    subscribe secret-rotation secret-rotation "--ack-deadline 60" "--message-filter 'attributes.eventType = \"SECRET_ROTATE\"'"
    grant "pubsub topics" secret-rotation "\$SECRETS_AGENT" roles/pubsub.publisher
    cat <<PLAN
FIRST_REMINDER=\$(python3 -c 'from datetime import *; print((datetime.now(timezone.utc) + timedelta($ROTATION_DAYS)).isoformat())')
PLAN
    for secret in $OWN_SECRETS ingest-secrets; do create_secret "$secret"; done
    cat <<PLAN
newest_secret() { gcloud secrets versions list ingest-secrets --filter 'state=ENABLED' --limit 1 --format 'value(name.basename())'; }
INGEST_VERSION=\$(newest_secret)
[ "\$INGEST_VERSION" ] || {
    python3 -c 'import secrets; print(secrets.token_urlsafe(32), end="")' |
        gcloud secrets versions add ingest-secrets --data-file -
    INGEST_VERSION=\$(newest_secret)
}
PLAN
    for secret in $OWN_SECRETS $READABLE_SECRETS; do
        grant secrets "$secret" "serviceAccount:$(account replicator)" roles/secretmanager.secretAccessor "--condition None"
    done
    grant secrets ingest-secrets "serviceAccount:$(account replicator-ingest)" roles/secretmanager.secretAccessor \
        "--condition None"
}

buckets() {
    local bucket
    echo && echo "# Destination buckets; a bucket's own lifecycle rules stay"
    for bucket in $DESTINATION_BUCKETS; do
        grant "storage buckets" "gs://$bucket" "serviceAccount:$(account replicator)" roles/storage.objectUser \
            "--condition None"
        grant "storage buckets" "gs://$bucket" "serviceAccount:$(account replicator)" roles/storage.legacyBucketReader \
            "--condition None"
        cat <<PLAN
gcloud storage buckets describe gs://$bucket --raw --format json >"\$WORK/bucket.json"
python3 deploy/gcp/lifecycle.py <"\$WORK/bucket.json" >"\$WORK/lifecycle.json"
[ ! -s "\$WORK/lifecycle.json" ] || gcloud storage buckets update gs://$bucket --lifecycle-file "\$WORK/lifecycle.json"
PLAN
    done
}

image() {
    cat <<PLAN

# The image: as configured, as the service has it (whether it starts or not), as it was built last, or built now
there gcloud artifacts repositories describe replicator --location $REGION ||
    gcloud artifacts repositories create replicator --location $REGION --repository-format docker
there gcloud storage buckets describe $(build_bucket) ||
    gcloud storage buckets create $(build_bucket) --location $REGION --uniform-bucket-level-access
PLAN
    grant "artifacts repositories" replicator "serviceAccount:$(account replicator-build)" roles/artifactregistry.writer \
        "--location $REGION"
    grant "storage buckets" "$(build_bucket)" "serviceAccount:$(account replicator-build)" roles/storage.objectViewer \
        "--condition None"
    grant projects "$PROJECT" "serviceAccount:$(account replicator-build)" roles/logging.logWriter "--condition None"
    cat <<PLAN
IMAGE=$IMAGE
[ "\$IMAGE" ] || IMAGE=\$(gcloud run services describe replicator --region $REGION \\
    --format 'value(spec.template.spec.containers[0].image)' 2>/dev/null) || true
newest_image() { gcloud artifacts docker images describe $REPOSITORY/replicator:latest --format 'value(image_summary.digest)'; }
build() {
    gcloud builds submit . --config cloudbuild.yaml --substitutions _REGION=$REGION,_REPOSITORY=replicator,_SERVICES= \\
        --service-account projects/$PROJECT/serviceAccounts/$(account replicator-build) \\
        --gcs-source-staging-dir $(build_bucket)/source
}
[ "\$IMAGE" ] || IMAGE=$REPOSITORY/replicator@\$(newest_image 2>/dev/null) || {
    build || { sleep 60 && build; }  # its account's roles may be too new
    IMAGE=$REPOSITORY/replicator@\$(newest_image)
}
PLAN
}

services() {
    local name definition
    echo && echo "# The two services; who may call them; who may deploy new images to them"
    echo "replace() { gcloud run services replace --region $REGION - <<<\"\$1\"; }"
    for name in replicator replicator-ingest; do
        definition=$(filled_in "$name.service.yaml")
        echo "patiently replace $definition"
        grant "run services" "$name" "serviceAccount:$(account replicator-build)" roles/run.developer "--region $REGION"
        grant "iam service-accounts" "$(account "$name")" "serviceAccount:$(account replicator-build)" \
            roles/iam.serviceAccountUser "--condition None"
    done
    grant "run services" replicator "serviceAccount:$(account replicator-push)" roles/run.invoker "--region $REGION"
    grant "run services" replicator-ingest allUsers roles/run.invoker "--region $REGION"
    [[ $METRICS != cloud_monitoring ]] ||
        grant projects "$PROJECT" "serviceAccount:$(account replicator)" roles/monitoring.metricWriter "--condition None"
}

delivery() {
    cat <<PLAN

# Delivery; Pub/Sub signs as the one account, and moves what cannot be delivered as its own
URL=\$(gcloud run services describe replicator --region $REGION --format 'value(status.url)')
PLAN
    grant "iam service-accounts" "$(account replicator-push)" "\$PUBSUB_AGENT" roles/iam.serviceAccountTokenCreator \
        "--condition None"
    subscribe s3-events-push s3-events "\\
    --push-endpoint \"\$URL/\" --push-auth-service-account $(account replicator-push) --push-auth-token-audience \"\$URL\" \\
    --ack-deadline $TIMEOUT_SECONDS --min-retry-delay 10s --max-retry-delay 600s \\
    --dead-letter-topic s3-events-dead --max-delivery-attempts $MAX_DELIVERY_ATTEMPTS"
    grant "pubsub subscriptions" s3-events-push "\$PUBSUB_AGENT" roles/pubsub.subscriber
}

watching() {
    local metric policy content
    echo && echo "# Metrics made of the services' lines, a dashboard, alerts"
    for metric in outcomes lag; do
        content=$(filled_in "monitoring/$metric.metric.json")
        cat <<PLAN
there gcloud logging metrics describe replicator.$metric && VERB=update || VERB=create
gcloud logging metrics "\$VERB" replicator.$metric --config-from-file - <<<$content
PLAN
    done
    content=$(filled_in monitoring/dashboard.json)
    cat <<PLAN
FOUND=\$(gcloud monitoring dashboards list --filter 'displayName="Replicator"' --format 'value(name,etag)' --limit 1)
read -r NAME ETAG <<<"\$FOUND"
if [ "\$NAME" ]; then set -- update "\$NAME"; else set -- create; fi
patiently gcloud monitoring dashboards "\$@" --format none --config $content
PLAN
    # Found by a label, here and not by the API's filter, so that one call is enough.
    echo "POLICIES=\$(gcloud alpha monitoring policies list --format 'value(userLabels.replicator,name)')"
    for policy in backlog dead-letters error-ratio lag errors rotation; do
        content=$(filled_in "monitoring/$policy.policy.json")
        cat <<PLAN
NAME=\$(awk '\$1 == "$policy" { print \$2; exit }' <<<"\$POLICIES")
if [ "\$NAME" ]; then
    set -- update "\$NAME" --set-notification-channels "$NOTIFICATION_CHANNELS"
else
    set -- create --notification-channels "$NOTIFICATION_CHANNELS"
fi
once_known gcloud alpha monitoring policies "\$@" --format none --policy $content
PLAN
    done
}

addresses() {
    cat <<PLAN

# Where EventBridge sends events, and who AWS has to trust
echo "events:  \$(gcloud run services describe replicator-ingest --region $REGION --format 'value(status.url)')/v1/events"
echo "private: \$URL"
echo "account: \$(gcloud iam service-accounts describe $(account replicator) --format 'value(uniqueId)')"
PLAN
}

# What is as configured, and easily forgotten.
reminders() {
    [[ -z $IMAGE ]] || echo "echo 'IMAGE is pinned to $IMAGE by the configuration: no newer one is deployed.'"
    [[ $NOTIFICATION_CHANNELS ]] || echo "echo 'Nobody is told of an alert: NOTIFICATION_CHANNELS is empty.'"
}

# All of it is there before any of it is run.
PLAN=$(
    set -e
    beginning
    prerequisites
    events
    secrets
    buckets
    image
    services
    delivery
    addresses
    watching
    reminders
)
$CARRY_OUT "$PLAN"
