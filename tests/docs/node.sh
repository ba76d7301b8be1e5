#!/bin/sh
# A node for one page, in mount, network and process namespaces of its own: what a page installs, writes and mounts
# lies over the machine's own folders and goes with the namespaces. Called by session.rs as
# node.sh WORK BIN REPOSITORY; runs the files of WORK/steps in one bash, in order.
set -eu
work=$1 bin=$2 repository=$3

# Before anything is mounted over it.
mkdir "$work/bin"
mount --bind "$bin" "$work/bin"
mount -t tmpfs over "$work/over"
over() { # FOLDER
    name=$(echo "$1" | tr / _)
    mkdir "$work/over/$name" "$work/over/$name.work"
    mount -t overlay over -o "lowerdir=$1,upperdir=$work/over/$name,workdir=$work/over/$name.work" "$1"
}
for folder in /etc /opt /usr/lib /usr/local /var/log /var/lib "$repository"; do
    over "$folder"
done
# What a weir of this machine left is no page's.
rm -rf /etc/weir /usr/lib/weir /var/log/weir /var/lib/weir
# What `make build` would have left.
mkdir -p "$repository/target"
mount -t tmpfs target "$repository/target"
mkdir -p "$repository/target/host/release"
for program in weir weir-cni; do
    ln -s "$work/bin/$program" "$repository/target/host/release/$program"
done
mount -t tmpfs run /run
mkdir /run/netns
mount -t bpf bpf /sys/fs/bpf
ip link set lo up

unset WEIR_CONFIG CLANG CI WEIR_SKIP_LOG
cd "$repository"
exec bash "$work/session.sh" "$work"
