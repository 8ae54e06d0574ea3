#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# docs.sh BUILD - the manual, the journal's catalog and the completion say what the programs in
# BUILD are: options, metrics, MESSAGE_IDs, fields, keys of configurations and routes are compared
# both ways, and the examples of the manual are loaded. Needs neither root nor network.
#
# The one idea: two sorted lists, one from the program or its source, one from the text; what stands
# in only one of them is named. The last line has the sums in libcheck's form, for check.sh.
set -euo pipefail
shopt -s lastpipe # verdict counts in this shell
build=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export LC_ALL=C.UTF-8
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
checks=0 failures=0

# verdict TEXT: counts a check; it failed if stdin has anything, which is shown.
verdict() {
    local found
    found=$(cat)
    checks=$((checks + 1))
    [ -n "$found" ] || return 0
    failures=$((failures + 1))
    printf '%s:\n%s\n' "$1" "$found"
}

# same TEXT WANT HAVE: the files have the same lines, in any order.
same() {
    {
        [ -s "$2" ] || printf '    nothing to compare with\n'
        comm -23 <(sort -u "$2") <(sort -u "$3") | sed 's/^/    missing: /'
        comm -13 <(sort -u "$2") <(sort -u "$3") | sed 's/^/    not there any more: /'
    } | verdict "$1"
}

# grep, to which finding nothing is no failure.
find_all() { grep "$@" || [ $? -eq 1 ]; }

# works COMMAND...: nothing, or what it said and its status where that is not 0.
works() {
    "$@" >"$temp/said" 2>&1 || { printf '    status %d: ' $? && cat "$temp/said"; }
}

# A page as it reads: without fonts and escapes.
plain() {
    sed -E "s/\\\\f[A-Z]//g; s/\\\\-/-/g; s/\\\\[%&]//g; s/\\\\\\(dq/\"/g; s/\\\\\\(aq/'/g
        s/\\\\~/ /g; s/\\\\e/\\\\/g" "$1"
}

# tags PAGE SECTION...: what the paragraphs of the sections explain, a word a line.
tags() {
    local page=$1
    shift
    plain "$page" | awk -v sections="$(printf '%s\n' "$@")" '
        BEGIN { n = split(sections, s, "\n"); for (i = 1; i <= n; i++) want[s[i]] = 1 }
        /^\.S[HS] / { here = substr($0, 5) in want }
        tag && !/\\$/ { tag = 0; if (here) print; next }
        tag { if (here) print; next }
        /^\.TP/ { tag = 1 }' |
        sed -E 's/^\.(B|BR|BI|IR|I|RB|RI) //; s/"[, ]*"|[", \\]/\n/g' | sed '/^$/d'
}

# log_calls: of the files that stdin names, the log calls, one a line: the MESSAGE_IDs' names, a tab, the fields that the line has in any case, a
# tab, those that may be absent (NULL). ERROR, KIND and CODE come with pl_log_err(), others with
# macros of the headers, which have PL_F_STR and the like in them. The last line has the fields of a
# daemon's table of sums, and those that pl_service_stopped() adds.
log_calls() {
    local file files=() headers=()
    mapfile -t files
    for file in "${files[@]}"; do
        [ ! -e "${file%.c}.h" ] || headers+=("${file%.c}.h")
    done
    awk '
        function call_end(    i, n, p, name, ids, always, maybe) {
            if (call ~ /, fields\);/) { call = ""; return }
            for (name in macro) gsub(name "\\(", macro[name] "(", call)
            n = split(call, p, /PL_F_[A-Z]+\("/)
            for (i = 2; i <= n; i++) {
                name = p[i]
                sub(/".*/, "", name)
                if (p[i] ~ /NULL/) maybe = maybe " " name
                else always = always " " name
            }
            if (call ~ /^pl_log_err\(/) always = always " ERROR KIND CODE"
            while (match(call, /PL_EVENT_[A-Z0-9_]+/)) {
                ids = ids " " substr(call, RSTART, RLENGTH)
                call = substr(call, RSTART + RLENGTH)
            }
            print ids "\t" always "\t" maybe
            call = ""
        }
        { sub(/^ *\*.*/, "") }                                       # comments
        match($0, /^#define [A-Z]+_F_[A-Z]+\(/) && !/^#define PL_F_/ {
            macro[substr($0, 9, RLENGTH - 9)] = substr($0, RLENGTH)
        }
        call { call = call " " $0 }
        sums { gsub(/\{"/, "PL_F_UINT(\"", call); sums = !/;$/ }
        /pl_service_sum sums\[\] = \{/ {
            sums = 1
            call = "PL_EVENT_STOPPED PL_F_INT(\"STATUS\" PL_F_UINT(\"IN_FLIGHT\" " \
                "PL_F_INT(\"DURATION_MS\""
        }
        !call && match($0, /pl_log(_err|_at)?\(/) && !/^[a-z#]/ { call = substr($0, RSTART) }
        call && /;[ \\]*$/ { call_end() }' "${headers[@]}" "${files[@]}"
}

# Lines of "PL_EVENT_X ID".
message_names() {
    sed -n 's/^#define \(PL_EVENT_[A-Z0-9_]*\) "\([0-9a-f]*\)"$/\1 \2/p' lib/log/event_ids.h
}

# sources FOLDER...: all their C files, which have no spaces in their names.
sources() { find "$@" -name '*.c' | sort; }

# examples PAGE PREFIX: each .EX block of the page that begins with a key or a comment, as a file.
examples() {
    plain "$1" | awk -v prefix="$2" '
        /^\.EE/ { if (out) close(out); out = ""; on = 0; next }
        on == 1 { on = 2; if (/^([a-z_][a-z0-9_]*:|#)/) { n++; out = prefix n ".yaml" } }
        on && out { print > out }
        /^\.EX/ { on = 1 }'
}

# ---- a program's page, NAME(8), and the one of its configuration, NAME.yaml(5) ----

# Paths of the options in --help-config: a key is one when a comment stands right above it.
option_paths() {
    awk '
        /^ *# / { text = 1; next }
        match($0, /^ *#?[a-z_][a-z0-9_]*:/) {
            depth = (match($0, /[^ ]/) - 1) / 4
            key = $1; gsub(/[#:]/, "", key)
            mapping[depth] = key
            path = ""
            for (i = 0; i < depth; i++) path = path mapping[i] "."
            if (text) print path key
        }
        { text = 0 }'
}

check_program() {
    local name=$1 program=$build/$1 page=daemons/$1/$1.8 file
    "$program" --help >"$temp/help"
    sed -En 's/^  (-.), (--[a-z-]+) .*/\1\n\2/p; s/^      (--[a-z-]+) .*/\1/p' "$temp/help" \
        >"$temp/want"
    tags "$page" OPTIONS MODES | find_all '^-' >"$temp/have"
    same "$page: options" "$temp/want" "$temp/have"
    plain "$page" | find_all -E "^(\\.B )?$name " | find_all -oE -e ' --?[a-z-]+' | sed 's/ //' |
        sort -u | comm -23 - <(sort -u "$temp/want") | sed 's/^/    unknown option: /' |
        verdict "$page: command lines"

    grep -rohE --include='*.c' "\"${name}_[a-z_]+\"|^ *M\(M_[A-Z_]+, \"[a-z_]+\"" "daemons/$name" |
        sed -E "s/^ *M\(M_[A-Z_]+, \"/${name}_/; s/\"//g" >"$temp/want"
    tags "$page" METRICS | find_all -oE "${name}_[a-z_]+" >"$temp/have"
    same "$page: metrics" "$temp/want" "$temp/have"

    sources lib "daemons/$name" | log_calls >"$temp/calls"
    # Not all of lib/ is in every program: those that are linked into it.
    cut -f 1 "$temp/calls" | tr -s ' ' '\n' | sed '/^$/d' | sort -u |
        join - <(message_names | sort) | cut -d ' ' -f 2 |
        find_all -Fxf <(grep -aoE '[0-9a-f]{32}' "$program") >"$temp/want"
    tags "$page" 'Kinds of events' | find_all -xE '[0-9a-f]{32}' >"$temp/have"
    same "$page: MESSAGE_IDs" "$temp/want" "$temp/have"
    { cut -f 2- "$temp/calls" | tr -s ' \t' '\n' && echo SUPPRESSED; } | sort -u >"$temp/fields"
    tags "$page" Fields | sed -n 's/=$//p' | sort -u | comm -23 - "$temp/fields" |
        sed 's/^/    no such field: /' | verdict "$page: journal fields"

    "$program" --help-config | option_paths >"$temp/want"
    file=$temp/$name.yaml.5
    awk -f packaging/man5.awk -v name="$name" -v version=0 "etc/$name.yaml" >"$file" 2>&1 ||
        cat "$file"
    awk '/^\.SH OPTIONS/ { on = 1 } on' "$file" >"$temp/options"
    sed -n '/^\.TP$/{n;s/^\.B //p}' "$temp/options" >"$temp/have"
    same "$name.yaml(5), made from etc/$name.yaml: options" "$temp/want" "$temp/have"
    find_all -L 'Default: ' "$temp/options" | verdict "$name.yaml(5): no defaults"

    examples "$page" "$temp/$name-example"
    mkdir -p "$temp/credentials"
    for file in "$temp/$name"-example*.yaml; do
        find_all -oE 'credential: [a-z-]+' "$file" | while read -r _ secret; do
            echo x >"$temp/credentials/$secret"
        done
        sed -i "s|/etc/$name/routes/|$PWD/etc/routes/|" "$file"
        CREDENTIALS_DIRECTORY=$temp/credentials works "$program" --check-config -c "$file" |
            verdict "$page: ${file##*-}"
    done
}

# ---- the pages about all ----

# A block that begins with "# /etc/NAME/FILE.yaml" is a configuration of NAME, or a route of chsinkd.
check_overviews() {
    local page file name
    for page in daemons/*.7; do
        examples "$page" "$temp/${page##*/}-"
        for file in "$temp/${page##*/}-"*.yaml; do
            [ -e "$file" ] || continue
            sed -n '1s|^# /etc/\([a-z]*\)/\(.*\)|\1 \2|p' "$file" | read -r name rest || continue
            if [[ $rest == routes/* ]]; then
                printf '%s\n' 'kafka: {bootstrap.servers: "k:1"}' \
                    'clickhouse: {urls: ["http://c:1"]}' "routes: [$file]" >"$temp/sink.yaml"
                works "$build/chsinkd" --check-config -c "$temp/sink.yaml"
            else
                find_all -oE 'credential: [a-z-]+' "$file" | while read -r _ secret; do
                    echo x >"$temp/credentials/$secret"
                done
                # What a page has of one's own is not there.
                sed -i "s|/etc/$name/routes/|$PWD/etc/routes/|; s|/etc/ssl/certs/my-ca.pem|$temp/ca|" "$file"
                touch "$temp/ca"
                CREDENTIALS_DIRECTORY=$temp/credentials works "$build/$name" --check-config -c "$file"
            fi | verdict "$page: ${file##*-}"
        done
        plain "$page" | find_all -oE "^(sudo )?(wikisrcd|wmfetchd|chsinkd) [^#|;]*" | while read -r name rest; do
            "$build/$name" --help >"$temp/help"
            for word in $rest; do
                [[ $word != --* ]] || grep -qE -e "$word\\b" "$temp/help" || printf '    %s %s\n' "$name" "$word"
            done
        done | verdict "$page: unknown options"
    done
}

# ---- routes ----

check_routes() {
    local page=daemons/chsinkd/chsinkd-route.5 table section file
    while read -r table section; do
        awk -v table="$table" '$0 ~ "^static const struct pl_option " table "\\[\\]" { on = 1 }
            on && /PL_OPT_END/ { exit } on' daemons/chsinkd/route/*.c |
            sed -En 's/.*PL_OPTION\("([a-z_.]+)".*/\1/p; s/.*_(TEXT|ENUM)\(([a-z_]+),.*/\2/p' \
                >"$temp/want"
        tags "$page" "$section" >"$temp/have"
        same "$page: $section" "$temp/want" "$temp/have"
    done <<<$'route_opts ROUTE\ncolumn_opts COLUMNS\nview_opts VIEWS'

    sed -n '/type_names\[\] = {/,/^};/s/^ *{"\([A-Za-z0-9]*\)", CH_.*/\1/p' \
        daemons/chsinkd/route/type.c >"$temp/want"
    plain "$page" | awk '/^\.SH TYPES/ { on = 1; next } /^\.SH/ { on = 0 } on' |
        grep -oE '[A-Za-z]+[0-9]*' | find_all -Fxf "$temp/want" >"$temp/have"
    same "$page: TYPES" "$temp/want" "$temp/have"

    examples "$page" "$temp/route"
    for file in "$temp"/route*.yaml; do
        printf '%s\n' 'kafka: {bootstrap.servers: "k:1"}' 'clickhouse: {urls: ["http://c:1"]}' \
            "routes: [$file]" >"$temp/sink.yaml"
        works "$build/chsinkd" --check-config -c "$temp/sink.yaml" |
            verdict "$page: example ${file##*/}"
    done
}

# ---- the catalog ----

check_catalog() {
    local catalog=packaging/journal/streaming-daemons.catalog
    message_names | cut -d ' ' -f 2 >"$temp/want"
    sed -n 's/^-- \([0-9a-f]\{32\}\)$/\1/p' "$catalog" >"$temp/have"
    same "$catalog: MESSAGE_IDs" "$temp/want" "$temp/have"
    sort "$temp/have" | uniq -d | verdict "$catalog: stands there twice"
    # Header lines, an empty line, text. An entry begins behind an empty line only.
    awk '
        function entry_end() {
            if (id && (head != "Subject: Defined-By: Documentation: " || !text))
                print "    " id ": needs Subject, Defined-By, Documentation, an empty line, text"
        }
        /^-- / { entry_end(); id = $2; head = ""; text = 0; body = 0; if (!empty) print "    " id \
            ": no empty line before it"; empty = 0; next }
        /^$/ { if (id) body = 1; empty = 1; next }
        { empty = 0 }
        id && !body { head = head $1 " "; next }
        id && /^[#;]/ { print "    " id ": would be a comment: " $0 }
        id && length($0) > 96 { print "    " id ": wider than 96: " $0 }
        id { text = 1 }
        END { entry_end() }' "$catalog" | verdict "$catalog: form"
    # A @FIELD@ of an entry is one that every call with its MESSAGE_ID has.
    sources lib daemons | log_calls >"$temp/calls"
    awk -F '\t' -v ids="$(message_names)" '
        BEGIN {
            n = split(ids, lines, "\n")
            for (i = 1; i <= n; i++) { split(lines[i], p, " "); name_of[p[2]] = p[1] }
        }
        FNR == NR {
            n = split($1, id, " ")
            m = split($2, field, " ")
            for (i = 1; i <= n; i++) {
                calls[id[i]]++
                split("", once)
                for (k = 1; k <= m; k++)
                    if (!(field[k] in once)) { once[field[k]] = 1; has[id[i], field[k]]++ }
            }
            next
        }
        /^-- / {
            name = name_of[substr($0, 4)]
            if (!calls[name]) print "    " name ": never logged"
        }
        {
            line = $0
            while (match(line, /@[A-Z_]+@/)) {
                field_name = substr(line, RSTART + 1, RLENGTH - 2)
                line = substr(line, RSTART + RLENGTH)
                if (field_name != "SYSLOG_IDENTIFIER" && field_name != "_SYSTEMD_UNIT" &&
                    name && has[name, field_name] != calls[name])
                    print "    " name ": not every such line has @" field_name "@"
            }
        }' "$temp/calls" "$catalog" | verdict "$catalog: fields"
    grep -ohE 'man:[@A-Za-z_.-]+\([0-9]\)' "$catalog" | sort -u | while read -r page; do
        [[ $page =~ :(.*)\((.)\) ]]
        case ${BASH_REMATCH[1]}.${BASH_REMATCH[2]} in
        @SYSLOG_IDENTIFIER@.8 | @SYSLOG_IDENTIFIER@.yaml.5) ;;
        *) compgen -G "daemons/*/${BASH_REMATCH[1]}.${BASH_REMATCH[2]}" >"$temp/null" ||
            printf '    %s\n' "$page" ;;
        esac
    done | verdict "$catalog: pages that are not there"
}

# ---- form ----

check_form() {
    local page tool
    for tool in mandoc man; do
        command -v "$tool" >"$temp/null" || printf 'skipped: 1 (no %s)\n' "$tool"
    done
    for page in daemons/*.[0-9] daemons/*/*.[0-9] "$temp"/*.5; do
        # The pages have no date: the same sources make the same bytes.
        if command -v mandoc >"$temp/null"; then
            { mandoc -Tlint -Wwarning "$page" || true; } | find_all -v 'missing date' |
                verdict "mandoc, ${page##*/}"
        fi
        if command -v man >"$temp/null"; then
            MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >"$temp/null" |
                verdict "man, ${page##*/}"
        fi
        LC_ALL=C awk 'length($0) > 200 { print "    line " FNR " is very long" }
            /[^\t -~\200-\377]/ { print "    line " FNR " has a control character" }' "$page" |
            verdict "form, ${page##*/}"
    done
}

# For a browser: every page that is named and there is linked, and every link leads somewhere.
check_html() {
    local name
    command -v mandoc >"$temp/null" || return 0
    works packaging/html.sh "$temp/html" daemons/*.[0-9] daemons/*/*.[0-9] "$temp"/*.5 | verdict 'html.sh'
    find_all -ohE 'href="[^"#:]+"' "$temp"/html/*.html | sed 's/href="//; s/"//' | sort -u |
        while read -r name; do
            [ -e "$temp/html/$name" ] || printf '    %s\n' "$name"
        done | verdict 'html: links that lead nowhere'
    awk '/<pre/ { on = 1 } on && /^<br\/>$/ { print "    " FILENAME ":" FNR } /<\/pre>/ { on = 0 }' \
        "$temp"/html/*.html | verdict 'html: examples with empty lines between'
    for name in "$temp"/html/*.html; do
        name=${name##*/}
        name=${name%.html}
        find_all -lE "(^|[^>])<b>${name%.*}</b>\(${name##*.}\)" "$temp"/html/*.html |
            find_all -vF "index.html" | sed "s|.*/|    $name in |"
    done | verdict 'html: pages that are named and not linked'
}

# ---- completion ----

# offered PROGRAM WORD...: what Tab offers for the last word.
offered() {
    bash -c '. packaging/completion.bash
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _streaming_daemons "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf "%s\n" "${COMPREPLY[@]}"' bash "$@" 2>&1 | sed '/^$/d' || true
}

check_completion() {
    local name
    works bash -n packaging/completion.bash | verdict 'packaging/completion.bash: bash -n'
    for name in "$@"; do
        "$build/$name" --help | grep -oE '^ .{5}--[a-z-]+' | grep -oE -e '--.*' >"$temp/want"
        offered "$build/$name" -- >"$temp/have"
        same "completion: $name --" "$temp/want" "$temp/have"
        works bash -c ". packaging/completion.bash; complete -p $name" |
            verdict "completion: of $name"
    done
    echo --check-config >"$temp/want"
    offered "$build/chsinkd" --ch >"$temp/have"
    same 'completion: chsinkd --ch' "$temp/want" "$temp/have"
    mkdir "$temp/files"
    touch "$temp/files/one.yaml" "$temp/files/other"
    echo "$temp/files/one.yaml" >"$temp/want"
    offered "$build/chsinkd" -c "$temp/files/on" >"$temp/have"
    same 'completion: a file behind -c' "$temp/want" "$temp/have"
    offered "$build/chsinkd" --config = "$temp/files/on" >"$temp/have"
    same 'completion: a file behind --config=' "$temp/want" "$temp/have"
    offered "$build/chsinkd" --sample '' | verdict 'completion: nothing behind --sample'
    printf '%s\n' 'kafka: {bootstrap.servers: "k:1"}' 'clickhouse: {urls: ["http://c:1"]}' \
        "routes: [$PWD/etc/routes/*.yaml]" >"$temp/sink.yaml"
    basename -as .yaml etc/routes/*.yaml >"$temp/want"
    offered "$build/chsinkd" -c "$temp/sink.yaml" --replay '' >"$temp/have"
    same 'completion: routes behind --replay' "$temp/want" "$temp/have"
}

daemons=$(basename -a daemons/*/)
for daemon in $daemons; do
    [ -x "$build/$daemon" ] || { printf 'no %s to compare with\n' "$build/$daemon" && exit 1; }
    check_program "$daemon"
done
check_overviews
check_routes
check_catalog
check_form
check_html
# shellcheck disable=SC2086 # names
check_completion $daemons
printf '%d%%: Checks: %d, Failures: %d, Errors: 0\n' $(((checks - failures) * 100 / checks)) \
    "$checks" "$failures"
[ "$failures" -eq 0 ]
