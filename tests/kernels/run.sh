#!/bin/bash
# The datapath in other kernels: run.sh every|few. Called by `make kernels` and `make kernels-short`.
#
# KERNELS names the releases, "6.1 6.12 6.1-lockdown" unless set: those of Debian 12, whose packages are fetched by apt
# and unpacked below the target folder. One with `-lockdown` is started as a machine with Secure Boot is that keeps
# what it knows from root, too. What the machine lacks for it skips the run, or fails it under CI.
# Ends with the line "N passed, N failed, N skipped".
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

shapes=${1:?run.sh every|few}
kernels=${KERNELS:-6.1 6.12 6.1-lockdown}
target=${CARGO_TARGET_DIR:-target}
folder=$target/kernels
passed=0 failed=0 skipped=0
export CARGO_TERM_COLOR=never
# Many times what it takes on an idle machine: it ends a hang and judges no speed.
case $shapes in
    few) export LIMIT=240 ;;
    *) export LIMIT=900 ;;
esac

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM

finish() {
    printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" = 0 ]
    exit
}

cannot() { # counts as one test
    echo "kernels: $*" >&2
    case ${CI:-} in
        '' | 0 | false) skipped=$((skipped + 1)) ;;
        *) failed=$((failed + 1)) ;;
    esac
}

lacking() {
    [ "$(id -u)" = 0 ] || echo 'root privileges'
    [ "$(uname -m)" = x86_64 ] || echo 'a machine of type x86_64'
    [ -x /usr/lib/qemu/virtiofsd ] || echo '/usr/lib/qemu/virtiofsd (qemu-system-common of Debian 12)'
    local tool
    for tool in qemu-system-x86_64 busybox cpio xz ip "${CLANG:-clang}"; do
        command -v "$tool" >/dev/null || echo "$tool"
    done
}

mapfile -t lacks < <(lacking)
if [ ${#lacks[@]} -gt 0 ]; then
    cannot "needs $(printf '%s, ' "${lacks[@]}" | sed 's/, $//'): \`.ci/deps kernels\` says how to get it"
    finish
fi

build() {
    ${CARGO:-cargo} build --locked -p ep-builder -p weir-tests --bin weir --bin weir-kernels || return
    # The host's own build: `host-tuple` of .cargo/config.toml.
    runner=$(realpath "$(ls -t "$target"/*/debug/weir-kernels | head -n 1)") || return
    rm -rf "${folder:?}/templates"
    mkdir -p "$folder"
    "$runner" build "$folder/templates" "$shapes"
}

if ! build; then
    failed=1
    finish
fi

for kernel in $kernels; do
    printf '\n== Linux %s\n' "$kernel"
    if ! unpacked=$(tests/kernels/fetch.sh "${kernel%-lockdown}" "$folder"); then
        cannot "Linux $kernel cannot be fetched"
        continue
    fi
    append='' more=()
    if [[ $kernel == *-lockdown ]]; then
        # Without the last word the kernel now and then stops at the timers of an emulated machine.
        append='lockdown=confidentiality no_timer_check'
        more=(lockdown)
    fi
    APPEND=$append tests/kernels/vm.sh "$unpacked" \
        "$runner" check "$folder/templates" "$shapes" "${runner%-kernels}" "${more[@]}" |
        tee "$log"
    status=${PIPESTATUS[0]} before=$failed
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1)
    if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
        skipped=$((skipped + BASH_REMATCH[3]))
    fi
    if [[ $status != 0 || -z $line ]] && [[ $failed == "$before" ]]; then
        failed=$((failed + 1))
    fi
done
finish
