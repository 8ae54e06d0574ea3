/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture.h - what a call writes to stdout and stderr, as a text.
 */
#ifndef TESTS_UNIT_CAPTURE_H
#define TESTS_UNIT_CAPTURE_H

#include <check.h>
#include <stdio.h>
#include <unistd.h>

struct capture {
    FILE *file;
    int saved[2];
    char text[8192]; /* after capture_end() */
};

static void capture_begin(struct capture *c)
{
    c->file = tmpfile();
    ck_assert_ptr_nonnull(c->file);
    fflush(stdout);
    c->saved[0] = dup(STDOUT_FILENO);
    c->saved[1] = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(fileno(c->file), STDOUT_FILENO), 0);
    ck_assert_int_ge(dup2(fileno(c->file), STDERR_FILENO), 0);
}

static void capture_end(struct capture *c)
{
    fflush(stdout);
    dup2(c->saved[0], STDOUT_FILENO);
    dup2(c->saved[1], STDERR_FILENO);
    close(c->saved[0]);
    close(c->saved[1]);
    rewind(c->file);
    c->text[fread(c->text, 1, sizeof(c->text) - 1, c->file)] = '\0';
    fclose(c->file);
}

#endif
