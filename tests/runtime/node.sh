#!/bin/sh
# The first process of a test's node: makes its mount namespace one where nothing that a runtime writes stays,
# says "ready", and ends with its standard input. The processes of the node end with it.
#
#   node.sh SCRATCH WEIR-CNI
set -eu
scratch=$1 plugin=$2

mount --make-rprivate /
# What runtimes write outside their configured folders: caches of results, locks, sockets of shims, names of
# namespaces, /etc/hosts of pods. What was there stays readable.
for folder in /etc /opt /var/lib /usr/lib/cni; do
    layer="$scratch/layers$folder"
    mkdir -p "$layer/upper" "$layer/work"
    mount -t overlay overlay -o "lowerdir=$folder,upperdir=$layer/upper,workdir=$layer/work" "$folder"
done
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/netns /run/lock
# Pods get a copy of this file; it may point into /run.
rm -rf /etc/resolv.conf /etc/cni/net.d
: >/etc/resolv.conf
mkdir -p /etc/cni/net.d /opt/cni/bin
ln -sf "$plugin" /usr/lib/cni/weir-cni
# Where the runtimes of other distributions look.
mount --bind /usr/lib/cni /opt/cni/bin

echo ready
# A first process collects the dead of others, or they would stay; `wait` does it as long as a child lives.
exec 3<&0
cat <&3 >/dev/null &
wait $!
