# A connection of each kind, a drop, and a port of the node: so that no list is empty.
ip netns exec web ping -c 1 -W 2 10.88.0.3 || true
ip netns exec web nc -w 1 -z 10.88.0.3 5432 || true
ip netns exec web nc -w 1 -z 10.88.0.3 9090 || true
ip netns exec web nc -w 1 -z 198.51.100.7 443 || true
weir policy apply
sed -i 's/5432/5433/' "$FILE"
ip netns add ports
cni ADD ports '"runtimeConfig": { "portMappings": [{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp" }] },'
# Something that differs.
printf '[datapath]\nlocal_delivery_metrics = false\n' >>/etc/weir/weir.toml
