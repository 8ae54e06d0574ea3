/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init.h - --init: a first configuration, asked for or given by flags, and tried at once.
 *
 *     answers (--answer KEY=VALUE, the file that is there, a person) -> secrets/ -> FILE -> a try
 *
 * A daemon has a list of questions, in their order. Each is about an option of its table, whose
 * help is its text. On a terminal all are asked that no flag has answered; where flags were given
 * and nothing needed is missing, none is. An answer is checked as the file will be, and asked again
 * with the reason where it is wrong. Without a terminal, what is missing is told (EX_USAGE).
 *
 * The file holds what was answered and what was in the file before (which stays as FILE.bak), each
 * with a line of its help; it is parsed again before it takes its place. Its folder is made where
 * it is missing.
 *
 * A secret is asked without echo; by flags it is KEY=@FILE, of which the first line counts, never
 * the secret itself. It goes into FOLDER/secrets (0700), a file of its own (0600), named by its
 * option (clickhouse-password; of an instance's INSTANCE.yaml INSTANCE-clickhouse-password), and is
 * { credential: NAME } in /etc/NAME, whose units hand that folder over, { file: PATH } elsewhere.
 *
 * Threads: one, before any other starts.
 */
#ifndef PL_SERVICE_INIT_H
#define PL_SERVICE_INIT_H

#include "lib/base/err.h"
#include "lib/config/draft.h"

struct pl_program;
struct pl_cli;

struct pl_question {
    const char *path; /* an option's, or of one key of a MAP; NULL ends a list */
    /* Asked only then: "auth.method=basic,token !auth.token_url": one of these values, not set; all
     * of the conditions, by answers and defaults. NULL: always. */
    const char *when;
    const char *help;    /* NULL: the option's */
    const char *suggest; /* offered where neither option nor file has a value; needs a yes */
    /* Files below the folder of FILE, as a pattern: the default where there are some. */
    const char *beside;
    const char *const *choices; /* of a key of a MAP, NULL-terminated; NULL: any text */
    bool optional;              /* "": it is left out */
};

/* The same for all: how Kafka is reached. */
/* clang-format off */
#define PL_KAFKA_QUESTIONS                                                                         \
    {.path = "kafka.bootstrap.servers", .suggest = "localhost:9092",                               \
     .help = "Kafka's brokers, as host:port; several separated by commas."},                       \
    {.path = "kafka.security.protocol", .suggest = "plaintext", .optional = true,                  \
     .choices = pl_kafka_protocols,                                                                \
     .help = "How Kafka is reached: plaintext, ssl (TLS), or with a user and password "            \
             "sasl_plaintext or sasl_ssl."},                                                       \
    {.path = "kafka.ssl.ca.location", .when = "kafka.security.protocol=ssl,sasl_ssl",              \
     .optional = true,                                                                             \
     .help = "PEM file of the authority of Kafka's certificates; nothing: the system's."},         \
    {.path = "kafka.sasl.mechanisms", .when = "kafka.security.protocol=sasl_plaintext,sasl_ssl",   \
     .suggest = "SCRAM-SHA-512", .help = "The SASL mechanism: SCRAM-SHA-512, SCRAM-SHA-256 or "    \
     "PLAIN."},                                                                                    \
    {.path = "kafka.sasl.username", .when = "kafka.security.protocol=sasl_plaintext,sasl_ssl",     \
     .help = "The user in Kafka."},                                                                \
    {.path = "kafka.sasl.password", .when = "kafka.security.protocol=sasl_plaintext,sasl_ssl",     \
     .help = "That user's password."}
/* clang-format on */
extern const char *const pl_kafka_protocols[];

/* The real parts are tried one after the other, each is a line. */
struct pl_attempt {
    int status; /* exit status of the first that failed; 0: all work */
};
/* What: "Kafka at localhost:9092". */
void pl_attempt_works(struct pl_attempt *a, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void pl_attempt_fails(struct pl_attempt *a, const char *what, const struct pl_err *err);

struct pl_init {
    const struct pl_question *questions;
    /* What an answer stands for: *ret_text (malloc()ed; NULL: itself). `conf`: what is answered so
     * far; `folder`: of FILE. May print, and write files into the folder. May be NULL. */
    int (*expand)(const void *conf, const char *folder, const char *path, const char *text,
                  char **ret_text, struct pl_err *err);
    void (*attempt)(const void *conf, struct pl_attempt *a);
};

/* Returns the exit status: 0 when the file is written and all works. */
int pl_init_run(const struct pl_program *program, const struct pl_cli *cli);

/* The pure parts, and what tests give other streams. */

/* Whether a question is asked. A question that is not is as if it had no answer. */
bool pl_question_applies(const struct pl_option *table, const struct pl_node *draft,
                         const char *when);
/* Where a configuration and its secrets go: "FOLDER/secrets", "clickhouse-password". malloc()ed. */
struct pl_init_place {
    char *file, *folder, *secrets; /* file as given */
    char *stem;                    /* of its name: "chsinkd" */
    bool standard;                 /* in /etc/NAME */
    const char *name;              /* the program's */
};
void pl_init_place_make(const char *name, const char *file, struct pl_init_place *ret);
void pl_init_place_release(struct pl_init_place *place);
char *pl_init_secret_name(const struct pl_init_place *place, const char *path);

/* Shows `prompt` and reads a line of a person, without its end: 1; 0: the end, or a signal asks to
 * leave. `hidden`: without echo, if it is a terminal, from before the prompt is there. `out` is
 * wiped by the caller; at most PL_INIT_LINE_MAX bytes of it. */
#define PL_INIT_LINE_MAX 4096
int pl_init_line_read(int fd, const char *prompt, bool hidden, struct pl_buf *out);

#endif
