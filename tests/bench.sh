#!/bin/sh
# Measures the template compiler on this machine. Called by `make bench`; --rounds N and the like go to weir.
#
# The state folder of a node is a tmpfs (/run), so the one measured here is too, where that can be had.
set -eu
cd "$(dirname "$0")/.."

work=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
. tests/throwaway-node.sh
"$weir" bench template "$@"
