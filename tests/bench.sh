#!/bin/sh
# Measures weir on this machine: bench.sh [template|load|policy|datapath|cni|traffic|outside]... Called by
# `make bench`, which measures all; all but the template compiler need root.
#
# The state folder of a node is a tmpfs (/run), so the one measured here is too, where that can be had. Loads
# and packets are measured in namespaces of their own and on one processor, the last: interrupts are the
# first one's. Plugins are measured on all of them, as a runtime starts them.
set -eu
cd "$(dirname "$0")/.."

if [ "${1:-}" = inside ] || [ "${1:-}" = pinned ]; then
    how=$1
    shift
    mount -t bpf bpf /sys/fs/bpf
    [ "$how" = pinned ] || exec "$@"
    # Niceness would count among the processes of this session alone.
    first='chrt --fifo 1'
    $first true 2>/dev/null || first=
    exec $first taskset -c $(($(nproc) - 1)) "$@"
fi

work=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
. tests/throwaway-node.sh

say() { printf '\n%s (load: %s)\n' "$1" "$(cut -d ' ' -f 1-3 /proc/loadavg)"; }
# alone HOW WHAT: in namespaces of its own; "pinned" to one processor and ahead of all others, or "inside"
alone() { unshare --mount --net "$0" "$1" "$weir" bench "$2"; }

[ $# -gt 0 ] || set -- template load policy datapath cni traffic outside
for what; do
    case $what in
        template)
            say "The template compiler"
            "$weir" bench template
            continue
            ;;
        load | policy | datapath | cni | traffic | outside) ;;
        *) echo "bench.sh measures template, load, policy, datapath, cni, traffic and outside, not $what" >&2; exit 2 ;;
    esac
    if [ "$(id -u)" != 0 ]; then
        echo "skipped: $what needs root" >&2
        continue
    fi
    # 4: what is measured beside is not there, and that was said.
    case $what in
        load) say "The loader"; alone pinned load ;;
        policy) say "A thousand policies"; alone inside policy ;;
        datapath) say "The programs"; alone pinned datapath ;;
        cni) say "The plugin, beside ptp and bridge"; alone inside cni || [ $? = 4 ] ;;
        traffic) say "Traffic between two pods"; tests/bench-traffic.sh ;;
        outside) say "Traffic of a pod with the world, beside ptp"; tests/bench-outside.sh || [ $? = 4 ] ;;
    esac
done
