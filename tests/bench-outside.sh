#!/bin/bash
# Traffic of a pod with the world, hidden behind the node's address: by weir's programs, beside `ptp` with `ipMasq`,
# which the kernel's masquerade does. Called by `make bench`; needs root, and takes about a minute. ROUNDS and
# SECONDS_EACH change what is measured.
#
# Each way is a node of its own with a pod and a host outside, in namespaces that end with the script. All of them
# run on one processor, and the two ways take short turns; a ratio is the median of those of each round.
set -eu
cd "$(dirname "$0")/.."

reference=/usr/lib/cni
if [ "${1:-}" != inside ]; then
    [ "$(id -u)" = 0 ] || { echo "bench-outside.sh makes network namespaces: run it as root" >&2; exit 1; }
    for tool in ip unshare nsenter taskset awk; do
        command -v "$tool" >/dev/null || { echo "there is no $tool (packages iproute2, util-linux, mawk)" >&2; exit 1; }
    done
    # 4: what is measured beside is not there.
    for tool in $reference/ptp $reference/host-local iptables ip6tables; do
        command -v "$tool" >/dev/null || {
            echo "there is no $tool (packages containernetworking-plugins, iptables)" >&2
            exit 4
        }
    done
    exec unshare --mount --net --pid --fork --kill-child "$0" inside
fi

rounds=${ROUNDS:-15} seconds=${SECONDS_EACH:-0.3}
# The last processor: interrupts are the first one's.
processor=$(($(nproc) - 1))
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t bpf bpf /sys/fs/bpf
mkdir -p /run/netns
mount -t tmpfs netns /run/netns
work=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
. tests/throwaway-node.sh
traffic=$(ls -t "${CARGO_TARGET_DIR:-target}"/*/release/examples/traffic 2>/dev/null | head -n 1)
[ -x "$traffic" ] || {
    echo "there is no traffic program: cargo build --release -p weir-tests --example traffic" >&2
    exit 1
}
plugin=$(dirname "$weir")/weir-cni

# within NAMESPACE COMMAND...: unlike `ip netns exec`, with the same bpffs
within() { local namespace=$1; shift; nsenter --net=/run/netns/"$namespace" "$@"; }

# Congestion control that paces its packets would measure the host's clock.
plain() {
    echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
    echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad
    echo cubic >/proc/sys/net/ipv4/tcp_congestion_control 2>/dev/null ||
        echo reno >/proc/sys/net/ipv4/tcp_congestion_control
    ip link set lo up
}
export -f plain

# ours and reference: the configuration of a plugin
ours() {
    echo '{ "cniVersion": "1.0.0", "name": "bench", "type": "weir-cni", "ipMasq": true, "config": "'"$WEIR_CONFIG"'",
        "ipam": { "type": "weir", "ranges": [[{ "subnet": "10.88.0.0/16" }], [{ "subnet": "fd88::/64" }]] } }'
}
reference() {
    echo '{ "cniVersion": "1.0.0", "name": "bench", "type": "ptp", "ipMasq": true,
        "ipam": { "type": "host-local", "dataDir": "'"$work/host-local"'",
            "ranges": [[{ "subnet": "10.88.0.0/16" }], [{ "subnet": "fd88::/64" }]],
            "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }] } }'
}

# node WAY: the namespaces WAY-node, WAY-pod and WAY-world, with a pod that talks to 198.51.100.2 and 2001:db8::2
node() {
    local way=$1 name
    for name in node pod world; do
        ip netns add "$way-$name"
        within "$way-$name" bash -c plain
    done
    ip -n "$way-node" link add up0 type veth peer name eth0 netns "$way-world"
    within "$way-node" sh -c 'ip addr add 198.51.100.1/24 dev up0; ip addr add 2001:db8::1/64 dev up0; ip link set up0 up
        ip route add default via 198.51.100.2; ip -6 route add default via 2001:db8::2'
    within "$way-world" sh -c 'ip addr add 198.51.100.2/24 dev eth0; ip addr add 2001:db8::2/64 dev eth0; ip link set eth0 up'
    export CNI_COMMAND=ADD CNI_CONTAINERID="$way" CNI_NETNS="/run/netns/$way-pod" CNI_IFNAME=eth0 CNI_PATH=$reference
    case $way in
        weir) ours | within weir-node "$plugin" ;;
        masq) reference | within masq-node $reference/ptp ;;
    esac >"$work/result-$way" || { cat "$work/result-$way" >&2; exit 1; }
    # The first packet teaches everybody who is who.
    within "$way-pod" ping -q -c 1 -W 5 198.51.100.2 >/dev/null
    within "$way-pod" ping -q -c 1 -W 5 2001:db8::2 >/dev/null
}
node weir
node masq

# Ahead of all that wants the processor; niceness would count among the processes of this session alone.
first='chrt --rr 1'
$first true 2>/dev/null || first=
# pinned NAMESPACE COMMAND...
pinned() { local namespace=$1; shift; within "$namespace" $first taskset -c $processor "$@"; }
for way in weir masq; do
    for address in 198.51.100.2 2001:db8::2; do
        pinned $way-world "$traffic" serve "$address" &
    done
done
sleep 0.5

echo "all on processor $processor of $(nproc), $rounds rounds of $seconds s each, beside $(iptables -V); load before: $(cut -d ' ' -f 1-3 /proc/loadavg)"
ways='weir masq'
for round in $(seq "$rounds"); do
    for kind in stream rr crr; do
        for family in 4 6; do
            case $family in 4) address=198.51.100.2 ;; 6) address=2001:db8::2 ;; esac
            for way in $ways; do
                echo "$kind$family $way $(pinned $way-pod "$traffic" $kind $address "$seconds")"
            done
        done
    done
    # Whoever is first finds other caches than the last.
    ways="${ways#* } ${ways%% *}"
    [ ! -t 2 ] || echo "round $round of $rounds" >&2
done >"$work/numbers"

awk '
    { values[$1, $2, ++count[$1, $2]] = $3 }
    function median(list, n,    i, j, swap) {
        for (i = 2; i <= n; i++)
            for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
                swap = list[j]; list[j] = list[j - 1]; list[j - 1] = swap
            }
        return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
    }
    function rate(kind, way,    n, i, list) {
        n = count[kind, way]
        for (i = 1; i <= n; i++) list[i] = values[kind, way, i] + 0
        return median(list, n)
    }
    function ratio(kind,    n, i, list) {
        n = count[kind, "weir"]
        for (i = 1; i <= n; i++) list[i] = values[kind, "weir", i] / values[kind, "masq", i]
        return median(list, n)
    }
    function row(kind, name, target) {
        printf "%-24s %9d %11d %9.2f x %7s\n", name, rate(kind, "weir"), rate(kind, "masq"), ratio(kind), target
    }
    END {
        printf "%-24s %9s %11s %11s %7s\n", "MEDIANS", "WEIR", "PTP IPMASQ", "RATIO", "TARGET"
        row("stream4", "IPv4 stream, Mbit/s", "1.00 x")
        row("rr4", "IPv4 transactions/s", "")
        row("crr4", "IPv4 connections/s", "1.00 x")
        row("stream6", "IPv6 stream, Mbit/s", "1.00 x")
        row("rr6", "IPv6 transactions/s", "")
        row("crr6", "IPv6 connections/s", "1.00 x")
    }
' "$work/numbers"
