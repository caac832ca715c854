#!/bin/sh
# An unmodified MeshAgent opens /dev/mei0 of a virtual machine. Runs in a mount namespace of its own (unshare --mount), as root:
#   mei.sh AMT AGENT AMT-MEI.JS
set -eu
amt=$1 agent=$2 module=$3
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
work=$(mktemp -d)
trap 'kill "$machine" 2>/dev/null || true; wait "$machine" 2>/dev/null || true; rm -rf "$work/agent"' EXIT
mkdir "$work/dev" "$work/agent"
mount -t tmpfs none "$work/dev"
for node in null zero urandom random fuse; do
    touch "$work/dev/$node"
    mount --bind "/dev/$node" "$work/dev/$node"
done
mount --rbind "$work/dev" /dev
"$amt" sim mei --mount /dev/mei0 --suffix example.com --persona 16.0 --base-address 127.80.0.1 >"$work/agent/machine.log" &
machine=$!
tries=0
until "$amt" info --mei /dev/mei0 --json >"$work/agent/info.json" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { echo "FAILED device: it does not come up"; exit 1; }
    sleep 0.1
done
# The agent keeps files beside itself.
cp "$agent" "$work/agent/agent"
chmod +x "$work/agent/agent"
cp "$here/mei.js" "$module" "$work/agent/"
cd "$work/agent"
timeout 30 ./agent mei.js || { echo "FAILED agent: it ended with an error, or not in time"; exit 1; }
