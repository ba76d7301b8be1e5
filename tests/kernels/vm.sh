#!/bin/bash
# Boots a kernel that fetch.sh unpacked and runs a command in it: vm.sh KERNEL-FOLDER COMMAND [ARGUMENT...]
#
# The machine is emulated, so that it works wherever qemu does. Its root is this machine's, read-only, under a
# tmpfs that goes away with it; the command runs as root in this very folder. Prints what the command prints
# and ends as the command does; with 125 if the machine gave no answer, with 124 after $LIMIT seconds. $APPEND is
# added to the command line of the kernel.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kernel=$(cd "$1" && pwd)
shift
limit=${LIMIT:-300} memory=1536
virtiofsd=/usr/lib/qemu/virtiofsd

work=$(mktemp -d)
children=()
cleanup() {
    for child in "${children[@]}"; do kill -9 "$child" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

initramfs() {
    mkdir -p "$work/initramfs/vm"
    install -m 755 "$here/init.sh" "$work/initramfs/init"
    cp "$here/guest.sh" "$work/initramfs/vm/guest"
    printf 'kernel=%q\n' "$kernel" >"$work/initramfs/vm/settings"
    {
        printf 'cd %q || exit 1\n' "$PWD"
        printf '%q ' "$@"
        echo
    } >"$work/initramfs/vm/command"
    # The kernel unpacks archives that follow one another, one over the other.
    cp "$kernel/base.cpio" "$work/initrd"
    (cd "$work/initramfs" && find . -print0 | cpio -0 -o -H newc --quiet) >>"$work/initrd"
}

# In a mount namespace of its own, where the root that it serves cannot be written. Mounts below / do not come
# along: those that hold what is needed inside are added.
serve_root() {
    local mounts=() folder mount
    for folder in "$PWD" "$kernel" "$here" "$@"; do
        mount=$(stat -c %m "$folder" 2>/dev/null || echo /)
        [ "$mount" = / ] || mounts+=("$mount")
    done
    mkdir "$work/root"
    # shellcheck disable=SC2016 # these are the inner shell's
    unshare -m --propagation private bash -c '
        set -e
        root=$1 socket=$2 daemon=$3
        shift 3
        mount --bind / "$root"
        mount -o remount,bind,ro "$root"
        for mount; do
            mount --bind "$mount" "$root$mount"
            mount -o remount,bind,ro "$root$mount"
        done
        exec "$daemon" -f --socket-path="$socket" -o "source=$root" \
            -o cache=always -o sandbox=chroot -o no_posix_lock -o log_level=err' \
        serve "$work/root" "$work/socket" "$virtiofsd" "${mounts[@]}" >"$work/virtiofsd.log" 2>&1 &
    daemon=$!
    children+=("$daemon")
    for _ in $(seq 100); do
        [ -S "$work/socket" ] && return
        kill -0 "$daemon" 2>/dev/null || break
        sleep 0.05
    done
    echo "virtiofsd does not serve the root: $(cat "$work/virtiofsd.log")" >&2
    return 1
}

start() {
    : >"$work/output" >"$work/status" >"$work/console"
    # /dev/kvm may be there and not work: emulation is slow and everywhere.
    qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -nic none \
        -machine q35,usb=off,vmport=off,hpet=off,smm=off,sata=off \
        -accel tcg,thread=multi,tb-size=256 -cpu max,la57=off -smp 2 -m "$memory" \
        -kernel "$kernel/vmlinuz" -initrd "$work/initrd" \
        -append "console=ttyS0 quiet panic=-1 oops=panic nokaslr mitigations=off apparmor=0 audit=0 nowatchdog random.trust_cpu=on rcupdate.rcu_cpu_stall_timeout=300 net.ifnames=0 ${APPEND:-}" \
        -chardev "file,id=console,path=$work/console" -serial chardev:console \
        -device virtio-serial-pci \
        -chardev "file,id=output,path=$work/output" -device virtserialport,chardev=output,name=output \
        -chardev "file,id=status,path=$work/status" -device virtserialport,chardev=status,name=status \
        -object "memory-backend-memfd,id=memory,size=${memory}M,share=on" -numa node,memdev=memory \
        -chardev "socket,id=root,path=$work/socket" \
        -device vhost-user-fs-pci,chardev=root,tag=host,queue-size=512 \
        </dev/null >"$work/qemu.log" 2>&1 &
    machine=$!
    children+=("$machine")
}

initramfs "$@"
serve_root "$@" || exit 125
start
tail -q -n +1 -s 0.2 -f --pid="$machine" "$work/output" &
shown=$!
children+=("$shown")
end=$((SECONDS + limit))
while kill -0 "$machine" 2>/dev/null; do
    if [ "$SECONDS" -ge "$end" ]; then
        echo "the machine did not end within $limit s; the end of its console:" >&2
        tail -n 15 "$work/console" >&2
        exit 124
    fi
    sleep 0.2
done
wait "$shown" || true
if ! read -r status <"$work/status"; then
    echo "the machine ended without an answer; the end of its console:" >&2
    tail -n 40 "$work/console" "$work/qemu.log" >&2
    exit 125
fi
exit "$status"
