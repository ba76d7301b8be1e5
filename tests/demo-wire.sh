#!/bin/sh
# The second half of the demo, inside a network and a mount namespace of its own: two pods, wired. Called by
# demo.sh, which passes $weir, $WEIR_CONFIG and $work. All of it goes away with the namespaces.
set -eu

mount -t bpf bpf /sys/fs/bpf
mkdir -p /sys/fs/bpf/tc/globals /run/netns
mount -t tmpfs netns /run/netns
say() { printf '\n%s\n' "$*"; }
inside() { pod=$1 && shift && ip netns exec "$pod" "$@"; }
reach() { # FROM ADDRESS PORT
    inside "$1" timeout 2 bash -c "exec 3<>/dev/tcp/$2/$3 && head -n 1 <&3" || echo "$1 cannot reach $2 port $3"
}

for n in 1 2; do
    pod=$([ $n = 1 ] && echo web || echo database)
    ip netns add $pod
    ip link add lxc00000000$n address 02:00:00:00:01:0$n type veth \
        peer name eth0 netns $pod address 02:00:00:00:00:0$n
    inside $pod sh -ec "
        ip address add 10.88.0.$((n + 1))/32 dev eth0
        ip address add fd88::$((n + 1))/128 dev eth0 nodad
        ip link set lo up; ip link set eth0 up
        ip route add 10.88.0.1 dev eth0; ip route add default via 10.88.0.1
        ip -6 route add fd88::1 dev eth0; ip -6 route add default via fd88::1"
    ip link set lxc00000000$n up
done

say "7. Both pods attached: the programs loaded, verified, and put on the host ends of their interfaces."
"$weir" endpoint attach "$work/web.json"
"$weir" endpoint attach "$work/database.json"
say "8. They reach one another: from pod to pod, past the host's stack."
inside web ping -c 2 -W 1 10.88.0.3 | tail -n 3
inside web ping -c 2 -W 1 fd88::3 | tail -n 3
say "9. A policy for the database: port 5432 for the web pod, nothing else."
"$weir" bpf policy set 2 ingress --identity 257 --traffic 5432/tcp >"$work/log"
"$weir" bpf policy unset 2 ingress
"$weir" monitor --type drop >"$work/drops" 2>"$work/monitor" &
monitor=$!
for family in 4 6; do
    for port in 5432 9090; do
        inside database sh -c "while :; do echo 'answer from port $port' | nc -$family -N -l -p $port; done" &
    done
done
sleep 1
reach web 10.88.0.3 5432
reach web fd88::3 5432
reach web 10.88.0.3 9090
inside web ping -c 1 -W 1 10.88.0.3 | tail -n 2 || true
say "10. What the monitor saw of it."
kill -INT $monitor
wait $monitor || true
cat "$work/drops" "$work/monitor"
say "11. A new generation for both, while they run; and the maps after all this."
"$weir" endpoint regenerate --all
"$weir" bpf policy get 2
"$weir" bpf ct list
"$weir" bpf metrics list
say "12. Deleted: nothing of theirs is left."
"$weir" endpoint delete 1
"$weir" endpoint delete 2
"$weir" endpoint list
