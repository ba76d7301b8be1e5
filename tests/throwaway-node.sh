# shellcheck shell=sh
# Sourced by demo.sh and bench.sh: a node in the folder $work that goes away with the script, and $weir.

trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir -m 0700 "$work/state"
mkdir "$work/policy.d"
cat >"$work/weir.toml" <<END
[paths]
state_dir = "$work/state"
bundle_dir = "$work/bundle"
policy_dir = "$work/policy.d"
bpf_dir = "$PWD/bpf-src"
bpf_templates_dir = "$PWD/bpf-templates"
END
export WEIR_CONFIG="$work/weir.toml"
# The host's own build: `host-tuple` of .cargo/config.toml.
weir=$(ls -t "${CARGO_TARGET_DIR:-target}"/*/release/weir | head -n 1)
