#!/usr/bin/env bash
# Makes the example reports of this folder: five start points, three seeds, the bundled suite.
#   docs/examples/make.sh [STORE]      (STORE is kept: what is in it already is not computed again)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
store=${1:-example-runs}

xfer run --name example --store "$store" --suite mini --seeds 0,1,2 \
    --target mini-xnli --target mini-pawsx --target mini-tatoeba \
    --strategy none \
    --strategy english-stilts \
    --strategy 'english-stilts[intermediate=mini-hellaswag]' \
    --strategy 'english-stilts[intermediate=mini-squad-v1]' \
    --strategy mlm-only \
    --limit "${LIMIT:-train=200,dev=100,test=150}" \
    --set target.keep=best --set target.eval_every=5 --dev-languages all

for format in html:html markdown:md latex:tex csv:csv json:json table:txt; do
    xfer compare "$store/runs/example" --against paper \
        --format "${format%%:*}" --output "$here/compare.${format##*:}"
done

# Pictures, where Chromium is installed: desktop, phone in the dark scheme, opened examples.
cd "$here/../.." && python -m tests.compare.browser "$here/compare.html" "$here"
