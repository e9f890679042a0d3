#!/bin/sh
# The pipeline's last step: promote the digest that it just pushed.
#
#   PINION_HTTP      where the coordinator's HTTP listener is, such as https://pinion.example.com:7480
#   CP_ADMIN_API_TOKEN   an API token of role promoter
#   promote.sh WORKLOAD DIGEST FULL_SHA [NOTES]
#
# A failure is a non-2xx answer, so this exits non-zero and prints what to do.
set -eu
[ $# -ge 3 ] || { echo "usage: promote.sh WORKLOAD DIGEST FULL_SHA [NOTES]" >&2; exit 2; }
curl --fail-with-body -sS "${PINION_HTTP:?set PINION_HTTP}/cp/admin/runtime-image/promote" \
  -H "Authorization: Bearer ${CP_ADMIN_API_TOKEN:?set CP_ADMIN_API_TOKEN}" \
  -H 'Content-Type: application/json' \
  -d "$(jq -cn --arg w "$1" --arg d "$2" --arg s "$3" --arg n "${4:-}" \
        '{template_name: $w, image_digest: $d, git_sha: $s, notes: $n}')"
