#!/bin/bash
# Traffic between two pods: through weir's endpoints, beside a plain bridge and beside routed veths. Called by
# `make bench`; needs root, and takes about a minute. ROUNDS, SECONDS_EACH and BRIDGE_NETFILTER (0, 1) change
# what is measured.
#
# Everything is inside namespaces of its own, which end with it. Both ends run on one processor: on two, the
# scheduler decides which of two speeds a run has. They go before what else wants it, and the three ways take
# short turns; a ratio is the median of those of each round, so that what the machine does meanwhile hits all.
set -eu
cd "$(dirname "$0")/.."

if [ "${1:-}" != inside ]; then
    [ "$(id -u)" = 0 ] || { echo "bench-traffic.sh makes network namespaces: run it as root" >&2; exit 1; }
    for tool in ip unshare taskset awk; do
        command -v "$tool" >/dev/null || { echo "there is no $tool (packages iproute2, util-linux, mawk)" >&2; exit 1; }
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

ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
# The kernel's default, and what Kubernetes asks for, is that netfilter sees what crosses a bridge.
hook=/proc/sys/net/bridge/bridge-nf-call-iptables
[ ! -e $hook ] || [ -z "${BRIDGE_NETFILTER:-}" ] || echo "$BRIDGE_NETFILTER" >$hook
bridge_netfilter=$(cat $hook 2>/dev/null || echo 0)

# pod WAY NUMBER: the namespace WAY-NUMBER with eth0, and its other end vWAY-NUMBER here
pod() {
    local mac=02:00:00:$3:00:0$2
    ip netns add "$1-$2"
    ip link add "v$1-$2" address "02:00:00:$3:01:0$2" type veth peer name eth0 netns "$1-$2" address "$mac"
    # What the host has may pace its packets, which measures its clock.
    ip netns exec "$1-$2" sh -c 'echo cubic >/proc/sys/net/ipv4/tcp_congestion_control' 2>/dev/null ||
        ip netns exec "$1-$2" sh -c 'echo reno >/proc/sys/net/ipv4/tcp_congestion_control'
    ip -n "$1-$2" link set lo up
    ip -n "$1-$2" link set eth0 up
    ip link set "v$1-$2" up
}

# A gateway that is on the link although no network is, as pods have it.
route_through() {
    ip -n "$1" addr add "$2/32" dev eth0
    ip -n "$1" route add 169.254.1.1 dev eth0
    ip -n "$1" route add default via 169.254.1.1
}

for n in 1 2; do
    pod weir $n 01
    route_through weir-$n 10.88.1.$n
    cat >"$work/pod" <<END
{ "id": $n, "containerId": "bench-$n", "ifname": "eth0", "hostIfname": "vweir-$n", "hostIfindex": 0,
  "mac": "02:00:00:01:00:0$n", "hostMac": "02:00:00:01:01:0$n", "ipv4": "10.88.1.$n", "identity": $((256 + n)),
  "options": { "TraceNotification": 0, "PolicyVerdictNotification": 0 } }
END
    "$weir" endpoint attach "$work/pod" >/dev/null

    pod bridge $n 02
    ip -n bridge-$n addr add 10.88.2.$n/24 dev eth0
    [ -d /sys/class/net/br0 ] || ip link add br0 type bridge
    ip link set vbridge-$n master br0
    ip link set br0 up

    pod routed $n 03
    route_through routed-$n 10.88.3.$n
    ip addr add 169.254.1.1/32 dev vrouted-$n 2>/dev/null || true
    ip route add 10.88.3.$n/32 dev vrouted-$n
done

# pinned POD COMMAND...
pinned() { local pod=$1; shift; ip netns exec "$pod" $first taskset -c $processor "$@"; }
# Ahead of all that wants the processor; niceness would count among the processes of this session alone.
first='chrt --rr 1'
$first true 2>/dev/null || first=
subnet() { case $1 in weir) echo 1 ;; bridge) echo 2 ;; routed) echo 3 ;; esac; }
for way in weir bridge routed; do
    address=10.88.$(subnet $way).2
    pinned $way-2 "$traffic" serve "$address" &
    if command -v iperf3 >/dev/null; then
        pinned $way-2 iperf3 --server --bind "$address" >/dev/null &
    fi
done
sleep 0.5

# measure WAY WHAT: one line "WHAT WAY NUMBER"
measure() {
    local address=10.88.$(subnet "$1").2 number
    if [ "$2" = iperf3 ]; then
        number=$(pinned "$1-1" iperf3 --client "$address" --time 1 --format m |
            awk '/receiver/ { for (i = 2; i <= NF; i++) if ($i == "Mbits/sec") print $(i - 1) }')
    else
        number=$(pinned "$1-1" "$traffic" "$2" "$address" "$seconds")
    fi
    echo "$2 $1 $number"
}

kinds='stream rr crr'
if command -v iperf3 >/dev/null; then
    kinds="iperf3 $kinds"
else
    echo "no iperf3 (package iperf3): streams are measured by our own program alone" >&2
fi
echo "both ends on processor $processor of $(nproc), $rounds rounds of $seconds s each, netfilter on the bridge: $bridge_netfilter; load before: $(cut -d ' ' -f 1-3 /proc/loadavg)"
ways='weir bridge routed'
for round in $(seq "$rounds"); do
    for kind in $kinds; do
        for way in $ways; do
            measure $way "$kind"
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
    function ratio(kind, way,    n, i, list) {
        n = count[kind, way]
        for (i = 1; i <= n; i++) list[i] = values[kind, "weir", i] / values[kind, way, i]
        return median(list, n)
    }
    function row(kind, name, target) {
        if (!count[kind, "weir"]) return
        printf "%-24s %9d %9d %9d %11.2f x %7s %11.2f x\n", name, rate(kind, "weir"),
            rate(kind, "bridge"), rate(kind, "routed"), ratio(kind, "bridge"), target, ratio(kind, "routed")
    }
    END {
        printf "%-24s %9s %9s %9s %13s %7s %13s\n", "MEDIANS", "WEIR", "BRIDGE", "ROUTED", "TO BRIDGE",
            "TARGET", "TO ROUTED"
        row("iperf3", "iperf3 stream, Mbit/s", "1.10 x")
        row("stream", "stream, Mbit/s", "1.10 x")
        row("rr", "transactions/s", "1.15 x")
        row("crr", "connections/s", "1.05 x")
    }
' "$work/numbers"
