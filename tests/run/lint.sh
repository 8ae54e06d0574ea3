#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# lint.sh C_FILE... - form only: 100 columns, clang-format, shellcheck. A tool that is missing is
# said to be missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
failed=0

# Characters, not bytes, which are all that mawk counts.
if LC_ALL=C.UTF-8 grep -HnE '^.{101,}' "$@"; then
    printf 'over 100 columns\n'
    failed=1
fi
if command -v clang-format >/dev/null; then
    clang-format --dry-run -Werror "$@" 2>&1 | sed -n 's/^\([^:]*\):.*error.*/\1/p' | sort | uniq -c |
        awk '{ print $2 ": clang-format would change " $1 " places"; bad = 1 } END { exit bad }' ||
        failed=1
else
    printf 'no clang-format here: form is not checked\n'
fi
if command -v shellcheck >/dev/null; then
    mapfile -t scripts < <(find tests packaging .ci \( -name '*.sh' -o -name '*.bash' -o -path '.ci/run' \
        -o -path 'packaging/debian/common/p*' -o -path packaging/debian/tests/service \) -type f)
    shellcheck -x "${scripts[@]}" || failed=1
else
    printf 'no shellcheck here: scripts are not checked\n'
fi
exit $failed
