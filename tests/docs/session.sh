# One shell for all steps of a page, as a reader's is: variables and functions last. The first step that fails is the last.
set -e
work=$1
set --
for step in "$work"/steps/*; do
    . "$step" >"$work/printed/${step##*/}" 2>&1
    : >"$work/done/${step##*/}"
done
