#!/bin/sh
# The main job so far: two pods' facts become two loadable objects. Called by `make demo`.
#
# Works in a temporary folder that goes away; needs no privileges and touches no network.
set -eu
cd "$(dirname "$0")/.."

work=$(mktemp -d)
. tests/throwaway-node.sh

pod() { # ID NAME IPV4 IPV6
    cat <<END
{ "id": $1, "containerId": "demo-$2", "ifname": "eth0", "hostIfname": "lxc00000000$1", "hostIfindex": $1,
  "mac": "02:00:00:00:00:0$1", "hostMac": "02:00:00:00:01:0$1", "ipv4": "$3", "ipv6": "$4",
  "identity": $((256 + $1)), "pod": { "namespace": "default", "name": "$2" },
  "labels": [{ "key": "app", "value": "$2", "source": "k8s" }] }
END
}
pod 1 web 10.88.0.2 fd88::2 >"$work/web.json"
pod 2 database 10.88.0.3 fd88::3 >"$work/database.json"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

say "1. The first pod: no template yet, so clang compiles one."
"$weir" endpoint compile "$work/web.json" --save
say "2. The second pod: the same template, patched. No compiler."
"$weir" endpoint compile "$work/database.json" --save
say "3. What the node has now."
"$weir" endpoint list
"$weir" template list
say "4. What the patch wrote into the copy of the second pod, byte by byte (offset, template, pod; octal)."
key=$("$weir" endpoint get 2 -o json | sed -n 's/.*"template": "\(.*\)".*/\1/p')
cmp -l "$work/state/templates/$key/bpf_lxc.o" "$work/state/00002/bpf_lxc.o" | head -n 12 || true
printf '... %s bytes of %s in all\n' \
    "$(cmp -l "$work/state/templates/$key/bpf_lxc.o" "$work/state/00002/bpf_lxc.o" | wc -l)" \
    "$(wc -c <"$work/state/00002/bpf_lxc.o")"
say "5. The proof: the pod's own header, compiled with no template, gives the same programs."
"$weir" endpoint compile "$work/database.json" --direct
say "6. A node without clang lives from the bundle of prebuilt templates."
"$weir" template build --bundle "$work/bundle" >"$work/log"
rm -rf "$work/state" && mkdir -m 0700 "$work/state"
env -u CLANG PATH=/nonexistent "$weir" endpoint compile "$work/web.json"

if [ "$(id -u)" != 0 ]; then
    say "The second half wires two pods and needs root: sudo make demo"
    exit 0
fi
rm -rf "$work/state" "$work/bundle" && mkdir -m 0700 "$work/state"
printf '[maps]\nct_tcp = 4096\nct_any = 4096\n' >>"$work/weir.toml"
export weir work
# -f, and the kill with it: servers of the demo end with its namespaces.
unshare -m -n -p -f --mount-proc --kill-child tests/demo-wire.sh
