# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# completion.bash - what Tab offers behind wikisrcd, wmfetchd and chsinkd.
#
# The one idea: the program itself is asked (--help) when Tab is pressed, so what is offered is what
# it takes. What stands behind an option follows from the word that --help has for its value. Needs
# nothing but bash: the bash-completion package loads this file where it is installed.

# The option's value as --help calls it: FILE, N, ROUTE, TIME, NAME; nothing where it takes none.
# The lines are "  -c, --config FILE   Read this …" and "      --replay ROUTE   bring the …".
_streaming_daemons_value() {
    "$1" --help 2>/dev/null | awk -v option="$2" '
        { letter = $1 ~ /^-.,$/ ? substr($1, 1, 2) : "-"; long = letter == "-" ? $1 : $2 }
        long == option || letter == option {
            value = letter == "-" ? $2 : $3
            gsub(/[][]/, "", value) # it may be left out
            if (value ~ /^[A-Z=]+$/) print value
            exit
        }'
}

# The names of the routes of a configuration: their files without .yaml. Where the configuration
# cannot be read (secrets), those of the usual folder.
_streaming_daemons_routes() {
    local program=$1 config=$2 pattern file
    local -a patterns
    mapfile -t patterns < <("$program" ${config:+-c "$config"} --print-config 2>/dev/null |
        sed -n '/^routes:/,/^[^ ]/s/^ *- "\{0,1\}\([^"]*\)"\{0,1\}$/\1/p')
    ((${#patterns[@]} > 0)) || patterns=('/etc/chsinkd/routes/*.yaml')
    for pattern in "${patterns[@]}"; do
        while read -r file; do
            file=${file##*/}
            printf '%s\n' "${file%.*}"
        done < <(compgen -G "$pattern")
    done
}

_streaming_daemons() {
    local program=$1 word=$2 before=$3 config='' i
    # bash takes --config=FILE for three words.
    if [[ $word == = ]]; then
        word=''
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} == -c || ${COMP_WORDS[i]} == --config ]]; then
            config=${COMP_WORDS[i + 1]}
            [[ $config != = ]] || config=${COMP_WORDS[i + 2]}
        fi
    done
    COMPREPLY=()
    case $(_streaming_daemons_value "$program" "$before") in
    FILE)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        ;;
    ROUTE)
        mapfile -t COMPREPLY < <(compgen -W "$(_streaming_daemons_routes "$program" "$config")" \
            -- "$word")
        ;;
    ?*) ;; # a number, a time, a name: yours to say
    '')
        mapfile -t COMPREPLY < <(compgen -W "$("$program" --help 2>/dev/null |
            sed -n 's/^  \(-[a-z], \)\{0,1\} *\(--[a-z-]*\) .*/\2/pI')" -- "$word")
        ;;
    esac
}

complete -F _streaming_daemons wikisrcd wmfetchd chsinkd
