#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# html.sh OUT PAGE... - the manual for a browser: each page as OUT/NAME.SECTION.html, an index, a style. Pages that name
# each other are linked; nothing is fetched from elsewhere. The same pages give the same bytes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=$1
shift
command -v mandoc >/dev/null || {
    printf 'html.sh needs mandoc: apt-get install mandoc\n' >&2
    exit 69
}
rm -rf "$out"
mkdir -p "$out"
cp packaging/manual.css "$out/style.css"

# Every <b>NAME</b>(SECTION) whose page is there becomes a link; mandoc links those of mdoc only.
links=()
for page in "$@"; do
    name=${page##*/}
    section=${name##*.} title=${name%.*}
    links+=(-e "s|<b>${title//./\\.}</b>($section)|<a href=\"$name.html\"><b>$title</b>($section)</a>|g")
done

one_page() {
    local name=${1##*/}
    printf '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>%s(%s)</title>\n' "${name%.*}" \
        "${name##*.}"
    printf '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="style.css"></head><body>\n'
    printf '<nav><a href="index.html">Manual</a></nav>\n'
    # mandoc 1.14 breaks an indented line of an example, which is preformatted already.
    mandoc -Thtml -O fragment "$1" | sed '/<pre/,/<\/pre>/ { /^<br\/>$/d }' | sed -z -E 's|<b>([a-z.-]+)</b>\s+\(|<b>\1</b>(|g' | sed "${links[@]}"
    printf '</body></html>\n'
}

for page in "$@"; do
    one_page "$page" >"$out/${page##*/}.html"
done
{
    printf '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>streaming-daemons</title>\n'
    printf '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="style.css"></head><body>\n'
    printf '<h1>The manual of the streaming daemons</h1>\n<dl>\n'
    for page in "$@"; do
        name=${page##*/}
        about=$(mandoc -Tutf8 "$page" | sed 's/.\x08//g' | awk '/^NAME/ { on = 1; next } /^[A-Z]/ { on = 0 }
            on { gsub(/^ +/, ""); if ($0 != "") text = text " " $0 } END { sub(/^ /, "", text); print text }')
        printf '<dt><a href="%s.html">%s(%s)</a></dt><dd>%s</dd>\n' "$name" "${name%.*}" "${name##*.}" "${about#* - }"
    done
    printf '</dl>\n</body></html>\n'
} >"$out/index.html"
