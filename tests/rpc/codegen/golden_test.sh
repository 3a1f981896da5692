#!/bin/bash
# What protoc-gen-culvert makes of the .proto files beside this test, against what it is known to make (golden/).
set -euo pipefail
readonly here=$TEST_SRCDIR/$TEST_WORKSPACE/tests/rpc/codegen
readonly generated=$here/everything_culvert_sources/tests/rpc/codegen

failed=0
for file in "$generated"/*.culvert.{h,cc}; do
  name=$(basename "$file")
  if diff -u --label "golden/$name.golden" --label "now" "$here/golden/$name.golden" "$file"; then
    echo "$name: as it was"
  else
    failed=1
  fi
done
for golden in "$here"/golden/*.golden; do
  name=$(basename "$golden" .golden)
  if [[ ! -f $generated/$name ]]; then
    echo "golden/$name.golden: nothing generates it any more"
    failed=1
  fi
done
if ((failed)); then
  echo "If this is what was wanted, run tools/update_goldens and commit what it changes."
fi
exit "$failed"
