# shellcheck shell=sh
# In the virtual machine, on its root: what a running system has, then the command, then off.
#
# /run/vm/settings says where the kernel's modules are ($kernel); /run/vm/command is the command.
. /run/vm/settings
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
vm() { /run/vm/busybox "$@"; }

vm mkdir -p /dev/pts /dev/shm
vm mount -t devpts devpts /dev/pts
vm mount -t tmpfs shm /dev/shm
vm mount -t bpf bpf /sys/fs/bpf
vm mount -t cgroup2 cgroup2 /sys/fs/cgroup
vm mount -t securityfs securityfs /sys/kernel/security
version=$(vm uname -r)
vm mkdir -p "/lib/modules/$version"
vm mount --bind "$kernel/lib/modules/$version" "/lib/modules/$version"
printf '#!/run/vm/busybox sh\nexec /run/vm/busybox modprobe "$@"\n' >/run/vm/modprobe
vm chmod 755 /run/vm/modprobe
echo /run/vm/modprobe >/proc/sys/kernel/modprobe
vm ip link set lo up

for port in /sys/class/virtio-ports/*; do
    read -r name <"$port/name"
    case $name in
        output) output=/dev/${port##*/} ;;
        status) status=/dev/${port##*/} ;;
    esac
done
vm sh /run/vm/command </dev/null >"$output" 2>&1
echo $? >"$status"
vm sleep 0.1
vm poweroff -f
