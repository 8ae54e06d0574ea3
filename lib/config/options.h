/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.h - option tables: from a YAML mapping to a const struct, with all errors at once.
 *
 * From a table of `struct pl_option` (path, type, range, default, flags, help) options are parsed,
 * checked, printed (`--print-config`), compared (reload) and documented (`--help-config`, etc/, the
 * man pages). A daemon has one table; chsinkd's routes have more, for parts of a route's file.
 *
 * Reads secret files and environment; no other I/O. Threads: none.
 */
#ifndef PL_CONFIG_OPTIONS_H
#define PL_CONFIG_OPTIONS_H

#include "lib/base/strings.h"
#include "lib/config/yaml_tree.h"

/* clang-format off */
enum pl_option_type {
    PL_OPT_STRING,   /* char *                  any text; "" only where min is 0 */
    PL_OPT_URL,      /* char *                  http or https, see below */
    PL_OPT_BOOL,     /* bool                    true/false (yes/no/on/off: refused with advice) */
    PL_OPT_INT,      /* int64_t                 decimal, within min..max */
    PL_OPT_SIZE,     /* int64_t, bytes          "64MiB", "1MB", "4096"; KiB/MiB/GiB, kB/MB/GB, B */
    PL_OPT_DURATION, /* int64_t, milliseconds   "500ms" "5s" "15m" "2h" "7d"; a bare number is
                                                refused (except 0) */
    PL_OPT_ENUM,     /* int                     index in `choices` */
    PL_OPT_STRINGS,  /* struct pl_strings       a list of texts, or one text */
    PL_OPT_URLS,     /* struct pl_strings       a list of URLs, or one URL */
    PL_OPT_MAP,      /* struct pl_map           a mapping of scalars (or secret references) */
    PL_OPT_SECRET,   /* struct pl_secret        see below */
    PL_OPT_ROWS,     /* struct pl_node *        a list of mappings, for pl_options_apply() of each;
                                                NULL: none */
    PL_OPT_NODE,     /* const struct pl_node *  any sub-tree, left to the caller (borrowed) */
};

enum pl_option_flags {
    PL_OPT_REQUIRED = 1 << 0,
    PL_OPT_RELOADABLE = 1 << 1, /* SIGHUP can change it; others are reported as needing a restart */
    PL_OPT_PROXY = 1 << 2,      /* URL: one of a proxy, so socks5h:// and the like as well */
};

struct pl_option {
    const char *path; /* "kafka_topic" or dotted "tls.ca_file": nested mappings */
    enum pl_option_type type;
    size_t offset;       /* offsetof() in the target struct; the field has the type named above */
    int64_t min, max;    /* INT, SIZE (bytes), DURATION (ms): both 0, no range but int64_t's.
                            STRING (bytes), STRINGS, URLS, MAP, ROWS (count): max 0, no
                            upper limit */
    const char *dflt;    /* as it would stand in YAML; NULL: NULL, 0, empty. That of a REQUIRED
                            option is only shown in the reference */
    unsigned flags;
    const char *const *choices; /* ENUM, NULL-terminated */
    const char *help;           /* one sentence or two */
    const char *login;          /* URL, URLS: the options that hold user and password; NULL: none */
};

#define PL_OPT_END {0}
/* clang-format on */

/* For limits. */
#define PL_MIB       (INT64_C(1) << 20)
#define PL_GIB       (INT64_C(1) << 30)
#define PL_MINUTE_MS INT64_C(60000)
#define PL_DAY_MS    (24 * 60 * PL_MINUTE_MS)

/* A row of a table that fills a `struct_`, its other fields by name:
 *     PL_OPTION("tls.ca_file", STRING, struct conf, tls.ca_file, .max = 4096, .help = "…"), */
#define PL_OPTION(path_, type_, struct_, field_, ...)                                              \
    {                                                                                              \
        .path = (path_), .type = PL_OPT_##type_, .offset = offsetof(struct_, field_), __VA_ARGS__  \
    }

/* A URL begins with http:// or https:// and has a host, but no query, fragment, spaces or control
 * characters, as paths and queries are appended to it; at most 2000 bytes. User info
 * ("https://user:password@host") is refused, since URLs are logged and printed: `login` says which
 * options take it. No finding shows the text. */

/* In the order of the file. A value that is a secret is marked, and hidden when printed. */
struct pl_map {
    struct pl_map_entry {
        char *key, *value;
        bool secret; /* by a reference, or by its key: pl_key_is_secret() */
        unsigned line, column;
    } * v;
    size_t n;
};

/* A secret is, in YAML, one of password: { file: /etc/NAME/password }      first line of the file
 * password: { credential: NAME }              file NAME, else secrets_NAME, of systemd's
 * $CREDENTIALS_DIRECTORY (first line): the units load the folder /etc/DAEMON/secrets as `secrets`
 * password: { env: VARIABLE } password: text                              allowed; a warning if
 * others can read the file It is resolved at load. A secret file has at most 64 KiB; an empty one
 * is an error. Values in a MAP may have the same forms; there all of a file counts but for one
 * newline at its end (librdkafka's ssl.key.pem has many lines). */
struct pl_secret {
    char *value;  /* NULL: not set. Never printed, never logged; wiped when released. */
    char *origin; /* "file /etc/…", "credential x", "environment X", "configuration" */
};

/* Fills `target` (zeroed) from a mapping; NULL: all defaults. 0, or -1: findings were added, in the
 * order of the file, then what is missing; the target is filled as far as possible and must be
 * released all the same. A null ("key:" with nothing) counts as absent; the word null is a finding
 * for a STRING (the text may be meant), and the choice of an ENUM that has it. */
int pl_options_apply(const struct pl_option *table, struct pl_node *map, void *target,
                     struct pl_findings *errs);

/* pl_yaml_load_lenient() and pl_options_apply(). `ret_root` gets the tree, which NODEs borrow from
 * (may be NULL if the table has none); on -1, too, the tree or NULL, so that the caller can check
 * its NODEs. */
int pl_options_load(const struct pl_option *table, const char *file, void *target,
                    struct pl_node **ret_root, struct pl_findings *errs);

/* Frees what the table's fields own and zeroes the target. Secrets are wiped first. */
void pl_options_release(const struct pl_option *table, void *target);

/* The values in force as YAML that can be loaded again, secrets as "(hidden)". */
void pl_options_print(const struct pl_option *table, const void *target, struct pl_buf *out);

/* Every option with its default and help, as a commented YAML file (from which etc/NAME.yaml is
 * made and checked). `intro` is the comment at its top. Options are commented out as "#key:
 * default": removing the '#' (and that of the mapping around it) sets one; REQUIRED ones are
 * not. */
void pl_options_print_reference(const struct pl_option *table, const char *intro,
                                struct pl_buf *out);

/* Swaps the RELOADABLE options that differ, so that the caller releases the old values with
 * `fresh`; a NODE still borrows from its own tree. Appends their paths to ret_changed, those of
 * other options that differ to ret_needs_restart. */
void pl_options_reload(const struct pl_option *table, void *running, void *fresh,
                       struct pl_strings *ret_changed, struct pl_strings *ret_needs_restart);

const char *pl_map_get(const struct pl_map *m, const char *key); /* NULL: not there */

/* Whether a key names a secret, in any case: sasl.password, ssl.key.pem, api_key … The one
 * definition, for what is printed, logged and shown in errors. */
bool pl_key_is_secret(const char *key);

/* The parsers of single values, for command lines and the like. 0 or -1. */
int pl_size_parse(const char *text, int64_t *ret_bytes);
int pl_duration_parse(const char *text, int64_t *ret_ms);

/* The end of year 9999: adding windows and delays cannot overflow. */
#define PL_MOMENT_MAX_MS INT64_C(253402300799999)
/* "now", "-12d" (before now), milliseconds since 1970 or an RFC 3339 time. false: *ret_why (static)
 * says what is wrong, for "'TEXT' is WHY". */
bool pl_moment_parse(const char *text, int64_t now_ms, int64_t *ret_ms, const char **ret_why);

#endif
