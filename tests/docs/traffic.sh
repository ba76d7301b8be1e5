# A connection of each kind, a drop, and a port of the node: so that no list is empty.
ip netns exec web ping -c 1 -W 2 10.88.0.3 || true
ip netns exec web nc -w 1 -z 10.88.0.3 5432 || true
ip netns exec web nc -w 1 -z 10.88.0.3 9090 || true
ip netns exec web nc -w 1 -z 198.51.100.7 443 || true
weir policy apply
sed -i 's/5432/5433/' "$FILE"
# A call that fails, and one that is about no pod of Kubernetes.
cni ADD nowhere || true
echo '{ "cniVersion": "1.1.0", "name": "weir", "type": "weir-cni", "ipam": { "type": "weir" } }' |
    env CNI_COMMAND=DEL CNI_CONTAINERID=nobody CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin /opt/cni/bin/weir-cni || true
ip netns add ports
cni ADD ports '"runtimeConfig": { "portMappings": [{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp" }] },'
# Something that differs.
printf '[datapath]\nlocal_delivery_metrics = false\n' >>/etc/weir/weir.toml
# Whatever counts packets counts some.
ip netns exec web ping -q -i 0.2 10.88.0.3 >/dev/null 2>&1 &
