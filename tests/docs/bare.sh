# A node that has weir and no pod, a release of a few files, and an image to put it into.
install target/*/release/weir /usr/local/bin/
install -D target/*/release/weir-cni /opt/cni/bin/weir-cni
mkdir -p /usr/lib/weir /etc/weir /run/release/bin /run/release/bpf /run/release/bpf-templates /run/image/etc
cp -r bpf-src /usr/lib/weir/bpf
cp -r bpf-templates /usr/lib/weir/
# Room for what a few rounds of each benchmark put in, and no more.
printf '[maps]\nendpoints = 16\nipcache = 512\npolicy = 512\nmetrics = 64\nevents = 4096\nfragments = 16\nct_tcp = 16384\nct_any = 64\n' \
    >/etc/weir/weir.toml
cp /bin/true /run/release/bin/weir
cp /bin/true /run/release/bin/weir-cni
cp -r conf /run/release/conf
echo 'int lxc;' >/run/release/bpf/bpf_lxc.c
echo one >/run/release/bpf-templates/ep_config.h.hbs
