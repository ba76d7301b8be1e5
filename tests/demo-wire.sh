#!/bin/sh
# The second half of the demo, in network, mount and process namespaces of its own: what a runtime does with two
# pods, and what an operator sees. Called by demo.sh, which passes $bin, $work and $WEIR_CONFIG.
set -eu

mount -t tmpfs run /run
mkdir /run/netns
mount -t bpf bpf /sys/fs/bpf
ip link set lo up
weir=$bin/weir

say() { printf '\n%s\n' "$*"; }
[ ! -t 1 ] || say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
inside() { pod=$1 && shift && ip netns exec "$pod" "$@"; }

# What a runtime writes to stdin: the plugin's configuration, and what it adds for this call.
configuration() { # MORE
    cat <<END
{ "cniVersion": "1.1.0", "name": "demo", "type": "weir-cni", "config": "$WEIR_CONFIG",
  "ipam": { "type": "weir", "ranges": [[{ "subnet": "10.88.0.0/16" }], [{ "subnet": "fd88::/64" }]] }$1 }
END
}
cni() { # COMMAND POD MORE
    configuration "${3:-}" | env CNI_COMMAND="$1" CNI_CONTAINERID="demo-$2" CNI_NETNS="/run/netns/$2" \
        CNI_IFNAME=eth0 CNI_PATH="$bin" CNI_ARGS="K8S_POD_NAMESPACE=demo;K8S_POD_NAME=$2" "$bin/weir-cni"
}
labels() { printf ', "args": { "cni": { "labels": [{ "key": "app", "value": "%s" }] } }' "$1"; }
# One line of JSON, folded for a reader.
fold() { sed 's/,"\(interfaces\|ips\|routes\|dns\)":/,\n "\1":/g; s/},{/},\n  {/g' "$1"; }
# The last call's time, and the phases that took most of it.
phases_of() {
    phases=$(tail -n 1 "$work/weir-cni.log" | sed 's/.*"phasesMs":{\([^}]*\)}.*/\1/' | tr -d '"' | tr ',:' '\n ')
    total=$(tail -n 1 "$work/weir-cni.log" | sed 's/.*"totalMs":\([0-9.]*\).*/\1/')
    longest=$(echo "$phases" | sort -k 2 -rn | head -n 5 | tr '\n' ',' | sed 's/,$//; s/,/, /g')
    echo "$1 took $total ms: $longest ..."
}
id_of() { "$weir" endpoint list | awk -v pod="demo/$1" '$NF == pod { print $1 }'; }

serve() { # POD PORT
    for family in 4 6; do
        inside "$1" sh -c "while :; do echo hello | nc -$family -N -l -p $2; done" &
    done
}
patience=5
reach() { # FROM TO ADDRESS PORT
    verb=reaches
    inside "$1" timeout "$patience" bash -c "exec 3<>/dev/tcp/$3/$4 && read -r hello <&3" 2>"$work/log" ||
        verb='does not reach'
    echo "$1 $verb $2 at $3 port $4"
}
pings() { # FROM TO ADDRESS
    inside "$1" ping -c 2 -i 0.2 -W 1 "$3" >"$work/log" || true
    echo "$1 pings $2 at $3: $(grep -o '[0-9]* received' "$work/log"), $(tail -n 1 "$work/log")"
}
count() { # of links, addresses, notes, pins
    echo "$1: $(ip -o link | grep -c ': lxc') links," \
        "$(find "$work/state/ipam/demo" -name '10.*' -o -name 'fd88*' | wc -l) addresses," \
        "$(find "$work/state/attachments" -name '*.json' | wc -l) notes," \
        "$(find /sys/fs/bpf -name '*_[0-9][0-9][0-9][0-9][0-9]' | wc -l) pinned maps"
}

say "5. A runtime makes two pods and calls weir-cni ADD for each. What it hears about the second:"
for pod in web database; do
    ip netns add "$pod"
    cni ADD "$pod" "$(labels "$pod")" >"$work/$pod.result"
done
fold "$work/database.result"
phases_of ADD
say "6. What the operator sees."
"$weir" endpoint list -o table
say "7. The pods reach one another: from pod to pod, past the host's stack."
pings web database 10.88.0.3
pings web database fd88::3
pings database web 10.88.0.2
pings database web fd88::2

database=$(id_of database)
say "8. A policy in Kubernetes' language: the database's port 5432 for pods of web, nothing else."
tee "$work/policy.d/database.yaml" <<END
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: database, namespace: demo }
spec:
  podSelector: { matchLabels: { app: database } }
  ingress:
    - from: [{ podSelector: { matchLabels: { app: web } } }]
      ports: [{ port: 5432 }]
END
"$weir" policy apply
serve database 5432
serve database 9090
serve web 8080
"$weir" monitor --type drop >"$work/drops" 2>"$work/monitor" &
monitor=$!
sleep 1
reach web database 10.88.0.3 5432
reach web database fd88::3 5432
# Silence is the answer, and after a second TCP would ask again.
patience=0.9
reach web database 10.88.0.3 9090
reach web database fd88::3 9090
patience=5
echo "The other way nothing changed:"
reach database web 10.88.0.2 8080
pings database web fd88::2
say "9. Why: each packet that was dropped, who sent it to whom, and the line of C that decided."
kill -INT "$monitor"
wait "$monitor" || true
cat "$work/drops"
tail -n 1 "$work/monitor"
echo "Asked of the pods' own programs, with a packet that is described and never sent:"
"$weir" explain --from demo/web --to demo/database:9090 -4
"$weir" explain --from demo/web --to demo/database:5432 -6
say "10. A new generation for both while they run; then the runtime asks CHECK: is all as ADD made it?"
"$weir" endpoint regenerate --all --force
for pod in web database; do
    cni CHECK "$pod" ", \"prevResult\": $(cat "$work/$pod.result")"
    echo "CHECK of $pod: yes"
done
say "11. After all this: the database's policy with its counters, the connections to it, all counters."
"$weir" policy get "$database"
"$weir" bpf ct list --to 10.88.0.3
"$weir" bpf metrics list
say "12. DEL of both: nothing of theirs is left."
count before
for pod in web database; do
    cni DEL "$pod"
done
count after
"$weir" endpoint list -o json
