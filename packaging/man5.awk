# SPDX-License-Identifier: Apache-2.0
#
# man5.awk - makes the page NAME.yaml(5) from etc/NAME.yaml, which `make check` holds equal to the
# option table of the program:
#
#     awk -f packaging/man5.awk -v name=chsinkd -v version=0.2.0 etc/chsinkd.yaml > chsinkd.yaml.5
#
# The one idea: an option in that file is a comment and a key. The comment is its text and then, on
# a line that begins with its type, what the table knows of it (type, range, required, reload). A
# key without a comment is a mapping around the keys that are indented below it. A key that is not
# commented out is set in the file, so its value is the shipped one and not the default.
#
# There is no date in the page: the same sources make the same bytes. Plain awk (mawk, gawk).

function prose(s) { # text for a man page: roff's own signs escaped, options with real dashes
    gsub(/\\/, "\\e", s)
    gsub(/--/, "\\-\\-", s)
    if (s ~ /^[.']/) s = "\\&" s
    return s
}
function literal(s) {
    gsub(/\\/, "\\e", s)
    gsub(/-/, "\\-", s)
    gsub(/"/, "\\(dq", s)
    gsub(/'/, "\\(aq", s)
    return s
}
function path_of(key,    p, i) {
    for (i = 0; i < depth; i++) p = p mapping[i] "."
    return p key
}
function begin(key, value) {
    where = depth == 0 ? "" : mapping[0]
    if (!(where in pages)) {
        pages[where] = ""
        order[++sections] = where
    }
    set = !commented
    item = ".TP\n.B " literal(path_of(key)) "\n" text "\n.br\n" facts
    values = ""
    count = 0
    if (value != "") add(value)
    open = 1
}
function add(value) {
    count++
    values = values (count > 1 ? ", " : "") "\\fB" literal(value) "\\fR"
}
function end() { # of an option: all its values are known
    if (!open) return
    open = 0
    if (count > 0) item = item "\n" (set ? "As shipped: " : "Default: ") values
    pages[where] = pages[where] item "\n"
}
function comment_cut(    i, at) { # the lines of the comment into `text` and `facts`
    text = facts = ""
    for (i = 1; i <= lines; i++)
        if (line[i] ~ type) at = i
    if (!at) {
        printf "%s:%d: an option without its type in the last lines of its comment\n", FILENAME, \
            FNR > "/dev/stderr"
        failed = 1
        exit 1
    }
    for (i = 1; i < at; i++) text = text (i > 1 ? "\n" : "") prose(line[i])
    for (i = at; i <= lines; i++) facts = facts (i > at ? " " : "") line[i]
    sub(/; reloadable \(SIGHUP\)\.$/, "; reloadable.", facts)
    sub(/^Secret: [^;]*VARIABLE \}/, "Secret", facts) # the forms stand in the page once
    facts = prose(toupper(substr(facts, 1, 1)) substr(facts, 2))
}

BEGIN {
    type = "^(Text|URL[.;]|true or false|Number|Size|Duration|One of|List of |Mapping|Secret: )"
    if (name == "" || version == "") {
        print "usage: awk -f man5.awk -v name=NAME -v version=VERSION etc/NAME.yaml" > "/dev/stderr"
        failed = 1
        exit 1
    }
}
/SPDX-License-Identifier/ { next }
/^ *$/ { lines = 0; next }
/^ *# / { sub(/^ *# /, ""); line[++lines] = $0; next }
/^ *#? *- / { # an item of a list
    sub(/^ *#? *- /, "")
    if (open) add($0)
    next
}
match($0, /^ *#?[a-z_][a-z0-9_]*:/) && !/^ *#?[a-z_]+\.[a-z]/ {
    end()
    indent = match($0, /[^ ]/) - 1
    rest = substr($0, indent + 1)
    commented = sub(/^#/, "", rest)
    key = rest
    sub(/:.*/, "", key)
    sub(/^[a-z_][a-z0-9_]*: */, "", rest)
    depth = indent / 4
    if (lines == 0) {
        mapping[depth] = key
    } else {
        comment_cut()
        begin(key, rest)
    }
    lines = 0
    next
}
/^ +#?[a-z_.]+: / { # an entry of a mapping, such as a property of librdkafka
    sub(/^ *#?/, "")
    if (open) add($0)
    next
}
{
    printf "%s:%d: not understood: %s\n", FILENAME, FNR, $0 > "/dev/stderr"
    failed = 1
    exit 1
}
END {
    if (failed) exit 1
    end()
    title = toupper(name) ".YAML"
    N = literal(name)
    print ".\\\" SPDX-License-Identifier: Apache-2.0"
    print ".\\\" Made by packaging/man5.awk from etc/" name ".yaml; not to be changed by hand."
    print ".TH " title " 5 \"\" \"streaming\\-daemons " literal(version) "\" \"File Formats\""
    print ".ad l"
    print ".SH NAME"
    print N ".yaml \\- configuration of " N
    print ".SH SYNOPSIS"
    print ".I /etc/" N "/" N ".yaml"
    print ".br"
    print ".I /etc/" N "/INSTANCE.yaml"
    print ".SH DESCRIPTION"
    print "The first is the configuration of"
    print ".BR " N ".service ,"
    print "the second of"
    print ".BR " N "@INSTANCE.service ;"
    print "others are named by"
    print ".BR \\-c ."
    print "It is YAML. An option"
    print ".I a.b"
    print "is the key"
    print ".I b"
    print "in the mapping"
    print ".IR a :"
    print ".PP\n.EX\na:\n    b: value\n.EE\n.PP"
    print "An unknown key, one that stands there twice, a wrong type or a value out of range is a"
    print "fault; all faults of a file are shown at once, with line and column, by"
    print ".BR \"" N " \\-\\-check\\-config\" ."
    print "Anchors, aliases and tags are refused."
    print ".PP"
    print "A duration is a number with its unit:"
    print ".BR 500ms \", \" 5s \", \" 15m \", \" 2h \", \" 7d ."
    print "A size is a number of bytes, or with a unit:"
    print ".BR 4096 \", \" 64KiB \", \" 8MiB \", \" 1GB ."
    print "A list of one text may be that text. A key without a value counts as not set."
    print ".PP"
    print "What is marked"
    print ".I reloadable"
    print "is taken over by"
    print ".B systemctl reload"
    print "(SIGHUP); all else needs a restart."
    print ".SS Secrets"
    print "A secret, and any value of a mapping such as"
    print ".IR kafka ,"
    print "may stand elsewhere:"
    print ".TP"
    print ".B { credential: NAME }"
    print "The first line of the file"
    print ".IR /etc/" N "/secrets/NAME ,"
    print "which only root can read: the units hand these files over when they start, so a changed"
    print "one needs a restart. By another unit:"
    print ".IR LoadCredential=NAME:PATH ,"
    print "see"
    print ".BR systemd.exec (5)."
    print ".TP"
    print ".B { file: PATH }"
    print "The first line of this file, which the service's user must be able to read."
    print ".TP"
    print ".B { env: VARIABLE }"
    print "The environment variable."
    print ".PP"
    print "A value of a mapping is the whole file, without a newline at its end. A secret is never"
    print "logged, printed or shown in an error."
    print ".SH OPTIONS"
    for (i = 1; i <= sections; i++)
        if (order[i] == "") printf "%s", pages[""]
    for (i = 1; i <= sections; i++)
        if (order[i] != "") printf ".SS %s\n%s", literal(order[i]), pages[order[i]]
    print ".SH SEE ALSO"
    printf ".BR " N " (8)"
    if (name == "chsinkd") printf ",\n.BR chsinkd\\-route (5)"
    printf ",\n.BR streaming\\-daemons (7)"
    print ",\n.BR systemd.exec (5)"
    print ".PP"
    print "librdkafka's properties: /usr/share/doc/librdkafka1/CONFIGURATION.md.gz, or that file"
    print "in its sources."
}
