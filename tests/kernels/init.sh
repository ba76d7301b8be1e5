#!/busybox sh
# The first program of the virtual machine: mounts the host's root read-only under a tmpfs, and goes there.
PATH=/
busybox mkdir -p /proc /sys /dev /host /changes /system
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
fail() {
    echo "init: $*"
    busybox poweroff -f
}
# One that is built in is not there to be loaded.
while read -r module; do busybox insmod "/modules/$module" 2>/dev/null; done </modules/order
busybox mount -t virtiofs -o ro host /host || fail 'cannot mount the root of the host'
busybox mount -t tmpfs -o mode=755,size=75% changes /changes
busybox mkdir /changes/upper /changes/work
busybox mount -t overlay -o lowerdir=/host,upperdir=/changes/upper,workdir=/changes/work,xino=off system /system ||
    fail 'cannot put a tmpfs over the root'
busybox mount -t tmpfs -o mode=755 run /system/run
busybox mkdir -p /system/run/vm
busybox cp /busybox /vm/* /system/run/vm/
for folder in proc sys dev; do busybox mount --move "/$folder" "/system/$folder"; done
exec busybox switch_root /system /run/vm/busybox sh /run/vm/guest
