#!/bin/sh
# Makes the credentials that the other services need, once: nothing listens beyond loopback before they exist. Run again, it
# keeps what is there. usage: enroll.sh FOLDER AGENT
set -eu
folder=$1
agent=$2
umask 077

# keep NAME COMMAND…: what COMMAND prints on standard output is the secret.
keep() {
  file="$folder/$1"
  shift
  [ -s "$file" ] && return
  node cloud-hub/src/cli.ts "$@" --config /etc/fogline/hub.yaml >"$file.new"
  mv "$file.new" "$file"
}

keep agent-token agent add "$agent"
keep api-token token add compose --scope read
