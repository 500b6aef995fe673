#!/usr/bin/env bash
# The alternative to an exporter: reads the synchronization jobs with curl, sums them
# up with jq, and writes a file for node_exporter's textfile collector. Run it from
# cron: textfile.sh /var/lib/node_exporter/cckm_sync.prom
#
# Needs CM_ADDRESS, CM_USERNAME, CM_PASSWORD, and CM_CA_FILE in the environment.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
out=${1:?the file to write}
api=${CM_ADDRESS%/}/api/v1
limit=1000

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

request() { curl --fail --silent --show-error --compressed --cacert "$CM_CA_FILE" "$@"; }

# Other users can see command lines, so they have no password and no token.
token=$(jq -n '{grant_type: "password", username: env.CM_USERNAME, password: env.CM_PASSWORD}' |
  request --header 'Content-Type: application/json' --data @- "$api/auth/tokens/" | jq -er .jwt)
printf 'Authorization: Bearer %s\n' "$token" >"$work/header"

# read_list CLOUD.ITEM PATH writes the pages of a list to a file, or {} if it cannot be
# read.
read_list() {
  local pages=$work/$1 url=$api/$2 total
  if request --header "@$work/header" "$url?skip=0&limit=$limit" >"$pages.part" && total=$(jq -e .total "$pages.part"); then
    # One curl for all other pages keeps the connection.
    if ((total <= limit)) ||
      request --header "@$work/header" "$url?skip=[$limit-$((total - 1)):$limit]&limit=$limit" >>"$pages.part"; then
      mv "$pages.part" "$pages.json"
      return
    fi
  fi
  rm -f "$pages.part"
  printf '{}' >"$pages.json"
}

read_list google.key cckm/google/synchronization-jobs
read_list azure.certificate cckm/azure/certificates/synchronization-jobs

# The file is replaced atomically; node_exporter reads only names that end in .prom.
jq -nr -f "$here/textfile.jq" "$work"/*.json >"$out.$$"
mv "$out.$$" "$out"
