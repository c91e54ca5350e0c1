#!/usr/bin/env bash
# Makes the example reports of this folder: five strategies, three seeds, the bundled suite (about half an hour).
#   docs/examples/make.sh [STORE]      (STORE is kept: what is in it already is not computed again)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
store=${1:-example-runs}

xfer run --name example --store "$store" --suite mini --seeds 0,1,2 \
    --strategy none \
    --strategy english-stilts \
    --strategy mlm-stilts \
    --strategy translated-stilts \
    --strategy multilingual-stilts

for format in html:html markdown:md latex:tex csv:csv json:json table:txt; do
    xfer compare "$store/runs/example" --against paper \
        --format "${format%%:*}" --output "$here/compare.${format##*:}"
done

# Pictures, where Chromium is installed: desktop, phone in the dark scheme, opened examples.
cd "$here/../.." && python -m tests.compare.browser "$here/compare.html" "$here"
