#!/bin/sh
# What weir does, in two halves. Called by `make demo`.
#
# The first shows how a pod's facts become its programs; it needs no privileges. The second wires two pods as a
# container runtime does, and needs root. Everything happens in a temporary folder and in namespaces that are
# made for it, and goes away with the script, however that ends. $WEIR_BIN_DIR: a folder with other binaries than
# those of the newest release build.
set -eu
cd "$(dirname "$0")/.."

work=$(mktemp -d)
. tests/throwaway-node.sh
bin=${WEIR_BIN_DIR:-${weir%/*}}
weir=$bin/weir

say() { printf '\n%s\n' "$*"; }
[ ! -t 1 ] || say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# Small tables of connections: no machine is too small for them.
cat >>"$work/weir.toml" <<END
log_file = "$work/weir-cni.log"
[maps]
ct_tcp = 4096
ct_any = 4096
END

pod() { # ID NAME
    cat <<END
{ "id": $1, "containerId": "demo-$2", "ifname": "eth0", "hostIfname": "lxc00000000000$1", "hostIfindex": $1,
  "mac": "02:00:00:00:00:0$1", "hostMac": "02:00:00:00:01:0$1", "ipv4": "10.88.0.1$1", "ipv6": "fd88::1$1",
  "identity": $((255 + $1)), "labels": [{ "key": "app", "value": "$2", "source": "k8s" }] }
END
}
pod 1 web >"$work/web.json"
pod 2 database >"$work/database.json"

say "1. The facts of a first pod become its programs. There is no template yet: clang compiles one."
"$weir" endpoint compile "$work/web.json" --save
say "2. The second pod: the same template, patched. No compiler."
"$weir" endpoint compile "$work/database.json" --save
key=$("$weir" endpoint get 2 -o json | sed -n 's/.*"template": "\(.*\)".*/\1/p')
template=$work/state/templates/$key/bpf_lxc.o object=$work/state/00002/bpf_lxc.o
changed=$(cmp -l "$template" "$object" | wc -l)
echo "bytes that differ from the template: $((changed))"
say "3. The proof: the pod's own header, compiled with no template, gives the same programs."
"$weir" endpoint compile "$work/database.json" --direct | grep equivalent
say "4. A node without clang lives from the bundle of prebuilt templates. So does the rest of this demo."
"$weir" template build --bundle "$work/bundle" >"$work/log"
rm -rf "$work/state" && mkdir -m 0700 "$work/state"
unset CLANG
PATH=/nonexistent "$weir" endpoint compile "$work/web.json" | grep -e '^template' -e '^total'

# The second half.
if [ "$(id -u)" != 0 ]; then
    say "The second half wires two pods and needs root: sudo make demo"
    exit 0
fi
missing=
for tool in awk bash ip nc ping timeout unshare; do
    command -v "$tool" >"$work/log" || missing="$missing $tool"
done
[ -n "$missing" ] || unshare -m -n -p -f true || missing=' the right to make namespaces'
if [ -n "$missing" ]; then
    say "The second half wires two pods and needs what is missing here:$missing"
    exit 0
fi

# In the background, so that this shell hears of an interrupt at once. With its first process ends whatever runs
# in the namespaces, and they go.
half=
stop() {
    [ -z "$half" ] || kill -KILL "$half" || true
    wait || true
    rm -rf "$work"
}
trap stop EXIT
export bin work
unshare -m -n -p -f --mount-proc --kill-child tests/demo-wire.sh &
half=$!
status=0
wait "$half" || status=$?
half=
exit "$status"
