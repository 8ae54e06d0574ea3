# SPDX-License-Identifier: Apache-2.0
#
# common.bash - counting: a results file has a line a test program: passed, failed, skipped, name.

# note RESULTS PASSED FAILED SKIPPED NAME
note() {
    printf '%s\t%s\t%s\t%s\n' "$2" "$3" "$4" "$5" >>"$1"
}

# summary RESULTS...: what failed, and the last line. Fails when something did, or nothing was run.
summary() {
    { cat "$@" 2>/dev/null || true; } | awk -F '\t' '
        { passed += $1; failed += $2; skipped += $3; if ($2 > 0) bad[++n] = $4 " (" $2 ")" }
        END {
            for (i = 1; i <= n; i++) print "FAILED: " bad[i]
            printf "%d passed, %d failed", passed, failed
            if (skipped > 0) printf ", %d skipped", skipped
            print ""
            exit failed > 0 || passed == 0
        }'
}
