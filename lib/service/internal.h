/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of --init share: init.c (the whole way), init_ask.c (answers and
 * questions), init_write.c (files).
 */
#ifndef PL_SERVICE_INTERNAL_H
#define PL_SERVICE_INTERNAL_H

#include "lib/service/service.h"

struct init {
    const struct pl_program *program;
    const struct pl_cli *cli;
    struct pl_init_place place;
    struct pl_node *draft;
    struct pl_strings secrets; /* paths whose values in the draft are the secrets themselves */
    bool there;                /* the file, before us */
};

/* The configuration of a text, which findings call `name`; what could be loaded, whatever the
 * findings. Freed by pl_service_conf_free(). */
void *init_conf(const struct pl_program *program, const char *name, const struct pl_buf *text,
                struct pl_findings *errs);
void pl_service_conf_free(const struct pl_program *program, void *conf);
/* The text of the draft; wipe it. */
void init_text(const struct init *in, struct pl_buf *out);

/* ---- init_ask.c ---- */

/* Sets the value if it is right as far as can be seen yet; else why not, for a person. */
bool init_answer(struct init *in, const char *path, const char *text, char *ret_why, size_t size);
/* The first question that needs an answer and has none; NULL: none. */
const struct pl_question *init_missing(const struct init *in);
/* Defaults that are files beside it, where nothing else was answered. */
void init_defaults(struct init *in);
/* Asks all that `answered` does not name. false: the input has ended. */
bool init_ask(struct init *in, int fd, const struct pl_strings *answered);

/* ---- init_write.c ---- */

/* Puts the secrets of the draft into files, and references to them in their place. */
int init_secrets_write(struct init *in, struct pl_err *err);
/* Writes the file; *ret_backup (malloc()ed): where the one before is now, NULL: there was none, or
 * it is the same. */
int init_file_write(const struct init *in, const struct pl_buf *text, char **ret_backup,
                    struct pl_err *err);

#endif
