#!/bin/sh
# Measures the template compiler on this machine. Called by `make bench`; --rounds N and the like go to weir.
#
# The state folder of a node is a tmpfs (/run), so the one measured here is too, where that can be had.
set -eu
cd "$(dirname "$0")/.."

work=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir -m 0700 "$work/state"
cat >"$work/weir.toml" <<END
[paths]
state_dir = "$work/state"
bundle_dir = "$work/bundle"
bpf_dir = "$PWD/bpf-src"
bpf_templates_dir = "$PWD/bpf-templates"
END
weir=$(ls -t target/*/release/weir | head -n 1)
"$weir" --config "$work/weir.toml" bench template "$@"
