#!/bin/sh
# An unmodified MeshAgent, and MeshCmd whole, open /dev/mei0 of a virtual machine. Runs as root, in a mount namespace and a network of
# its own (unshare --mount --net): MeshCmd listens on the ports of local management, and would ask the network for an address.
#   mei.sh AMT FOLDER_OF_MESHCENTRAL_AGENTS PERSONA
set -eu
amt=$(realpath "$1") agents=$(realpath "$2") persona=$3 machine=
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
ip link set lo up
# The agent keeps files beside itself.
cp "$agents/meshagent_x86-64" "$work/agent/agent"
chmod +x "$work/agent/agent"
cp "$here/mei.js" "$agents/modules_meshcmd/amt-mei.js" "$work/agent/"
cd "$work/agent"
"$amt" sim mei --mount /dev/mei0 --suffix example.com --persona "$persona" --base-address 127.80.0.1 --certificate certs \
    --state state.json --json >machine.json &
machine=$!
tries=0
until "$amt" info --mei /dev/mei0 --json >info.json 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { echo "FAILED device: it does not come up"; exit 1; }
    sleep 0.1
done
timeout 30 ./agent mei.js || { echo "FAILED agent: it ended with an error, or not in time"; exit 1; }
node "$here/meshcmd.js" "$amt" "$agents"
