# A node with two pods of a namespace, web and db, and a policy for db; the names that lists of commands use.
install target/*/release/weir /usr/local/bin/
install -D target/*/release/weir-cni /opt/cni/bin/weir-cni
mkdir -p /usr/lib/weir /etc/weir/policy.d /etc/cni/net.d
cp conf/10-weir.conflist /etc/cni/net.d/
cp -r bpf-src /usr/lib/weir/bpf
cp -r bpf-templates /usr/lib/weir/
# Small tables of connections: no machine is too small for them.
printf '[maps]\nct_tcp = 4096\nct_any = 4096\nsnat = 4096\n' >/etc/weir/weir.toml
ip link add outside type veth peer name outside-peer
ip addr add 192.0.2.1/24 dev outside
ip link set outside up
ip link set outside-peer up
ip route add default via 192.0.2.2 dev outside
ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev outside
cni() { # COMMAND POD MORE
    printf '{ "cniVersion": "1.1.0", "name": "weir", "type": "weir-cni", "ipMasq": true, %s
      "args": { "cni": { "labels": { "app": "%s", "old": "yes" } } },
      "ipam": { "type": "weir", "ranges": [[{ "subnet": "10.88.0.0/16" }], [{ "subnet": "fd88::/64" }]] } }' "${3:-}" "$2" |
        env CNI_COMMAND="$1" CNI_CONTAINERID="$2" CNI_NETNS="/run/netns/$2" CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin \
            CNI_ARGS="K8S_POD_NAMESPACE=shop;K8S_POD_NAME=$2" /opt/cni/bin/weir-cni
}
for pod in web db; do
    ip netns add "$pod"
    cni ADD "$pod"
done
FILE=/etc/weir/policy.d/db.yaml
cat >"$FILE" <<END
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: db, namespace: shop }
spec:
  podSelector: { matchLabels: { app: db } }
  ingress:
    - from: [{ podSelector: { matchLabels: { app: web } } }]
      ports: [{ port: 5432 }]
END
weir policy apply
ID=$(weir endpoint list | awk '$NF == "shop/db" { print $1 }')
KEY=$(weir endpoint get "$ID" -o json | sed -n 's/.*"template": "\(.*\)".*/\1/p')
NAME=shop/db
cp ep-builder/tests/golden/endpoint-2665.json pod.json
# The interface that file describes.
ip link add lxc807633bfedea type veth peer name described
