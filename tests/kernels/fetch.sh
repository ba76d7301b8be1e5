#!/bin/bash
# Fetches and unpacks a Debian kernel, and prints its folder: fetch.sh RELEASE FOLDER, with RELEASE 6.1 or 6.12.
#
# Nothing is installed. The folder is named after the kernel's version and holds `vmlinuz`, `lib/modules` and
# `base.cpio`, busybox and modules for the initramfs; it appears whole or not at all.
set -euo pipefail
release=$1 folder=$2
# The cloud flavour is a third of the generic one and has all that is needed here.
case $release in
    6.1) metapackage=linux-image-cloud-amd64 ;;
    *) metapackage=linux-image-$release-cloud-amd64 ;;
esac

# Packages of a version leave the archive with the next one: only the metapackage's name is stable.
package=$(LC_ALL=C apt-cache depends "$metapackage" 2>/dev/null |
    sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
if [ -z "$package" ]; then
    # Without lists of packages, what was fetched earlier is as good.
    kept=$(find "$folder" -mindepth 1 -maxdepth 1 -name "$release.*" 2>/dev/null | sort -V | tail -n 1)
    [ -n "$kept" ] && { echo "$kept"; exit 0; }
    echo "apt knows no package $metapackage: \`apt-get update\` may help, on Debian 12" >&2
    exit 1
fi
version=${package#linux-image-}
result=$folder/$version
[ -f "$result/base.cpio" ] && { echo "$result"; exit 0; }

mkdir -p "$folder"
work=$(mktemp -d "$folder/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$package" >&2)
dpkg -x "$work"/*.deb "$work/package"
new=$work/new
mkdir -p "$new/lib"
mv "$work/package/boot/vmlinuz-$version" "$new/vmlinuz"
mv "$work/package/lib/modules" "$new/lib/modules"
# busybox cannot load compressed modules.
find "$new/lib/modules" -name '*.ko.xz' -print0 | xargs -0 -r -n 64 xz --decompress --quiet
busybox depmod -b "$new" "$version" >&2

# The initramfs: what it takes to reach the root file system.
initramfs=$work/initramfs
mkdir -p "$initramfs/modules"
cp "$(command -v busybox)" "$initramfs/busybox"
for module in virtio_pci virtio_console virtiofs overlay; do
    # `a.ko: b.ko c.ko`: c comes before b, and both before a.
    awk -v name="/$module.ko:" 'index($1, name) {
        for (i = NF; i > 1; i--) print $i
        sub(/:$/, "", $1); print $1
    }' "$new/lib/modules/$version/modules.dep"
done | awk '!seen[$0]++' | while read -r file; do
    cp "$new/lib/modules/$version/$file" "$initramfs/modules/"
    echo "${file##*/}" >>"$initramfs/modules/order"
done
(cd "$initramfs" && find . -print0 | cpio -0 -o -H newc --quiet) >"$new/base.cpio"
mv "$new" "$result"
echo "$result"
