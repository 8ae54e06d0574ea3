#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# lint.sh C_FILE... - form only: 100 columns, clang-format, shellcheck. A tool that is missing is
# said to be missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
failed=0

LC_ALL=C.UTF-8 awk 'length($0) > 100 { n[FILENAME]++ }
    END { for (f in n) { printf "%s: %d lines over 100 columns\n", f, n[f]; bad = 1 } exit bad }' \
    "$@" || failed=1
if command -v clang-format >/dev/null; then
    clang-format --dry-run -Werror "$@" 2>&1 | sed -n 's/^\([^:]*\):.*error.*/\1/p' | sort | uniq -c |
        awk '{ print $2 ": clang-format would change " $1 " places"; bad = 1 } END { exit bad }' ||
        failed=1
else
    printf 'no clang-format here: form is not checked\n'
fi
if command -v shellcheck >/dev/null; then
    mapfile -t scripts < <(find tests .ci -name '*.sh' -o -path '.ci/run')
    shellcheck -x "${scripts[@]}" || failed=1
else
    printf 'no shellcheck here: scripts are not checked\n'
fi
exit $failed
