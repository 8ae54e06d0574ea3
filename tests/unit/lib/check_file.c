/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_file.c - files for a person: never written through what is in their place, which keeps
 * nothing of its mode, and never left half written. What a path names.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "tests/unit/unit.h"

static char *dir, *path;

static void set_up(void)
{
    dir = unit_dir();
    path = pl_strf("%s/answer.json", dir);
}

static void put(const char *at, const char *text, mode_t mode)
{
    int fd = open(at, O_WRONLY | O_CREAT | O_EXCL, mode);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static const char *text_of(const char *at)
{
    static struct pl_buf text;
    pl_buf_reset(&text);
    ck_assert(pl_file_read(at, 1000, &text, NULL));
    return pl_buf_cstr(&text);
}

static int files(void)
{
    DIR *d = opendir(dir);
    int n = 0;
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static bool written(const char *text)
{
    PL_CLEANUP(pl_new_file_release) struct pl_new_file f = {0};
    if (!pl_new_file_open(&f, path))
        return false;
    fputs(text, f.stream);
    return pl_new_file_commit(&f, path);
}

START_TEST(test_mode_of_its_own)
{
    struct stat st;
    umask(0);
    put(path, "of somebody else", 0666);
    int old = open(path, O_RDONLY); /* held open by somebody who may read it */
    ck_assert(written("ours"));
    ck_assert_str_eq(text_of(path), "ours");
    ck_assert(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
    ck_assert(fstat(old, &st) == 0 && st.st_size == 16 && st.st_nlink == 0);
    close(old);
    ck_assert(written("again"));
    ck_assert_str_eq(text_of(path), "again");
    ck_assert_int_eq(files(), 1);
}
END_TEST

START_TEST(test_links_are_refused)
{
    PL_FREE char *target = pl_strf("%s/target", dir);
    struct stat st;
    put(target, "precious", 0644);
    ck_assert_int_eq(symlink(target, path), 0);
    ck_assert(!written("ours"));
    ck_assert_int_eq(errno, ELOOP);
    ck_assert_ptr_nonnull(strstr(pl_new_file_error(errno), "symbolic link"));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(symlink("nowhere", path), 0); /* would be made through it */
    ck_assert(!written("ours"));
    ck_assert_int_eq(errno, ELOOP);
    ck_assert_str_eq(text_of(target), "precious");
    ck_assert(stat(target, &st) == 0 && (st.st_mode & 07777) == 0644);
    ck_assert_int_eq(files(), 2);
}
END_TEST

/* Put there between the look and the end. */
START_TEST(test_late_link_is_replaced)
{
    PL_FREE char *target = pl_strf("%s/target", dir);
    PL_CLEANUP(pl_new_file_release) struct pl_new_file f = {0};
    struct stat st;
    put(target, "precious", 0644);
    ck_assert(pl_new_file_open(&f, path));
    fputs("ours", f.stream);
    ck_assert_int_eq(symlink(target, path), 0);
    ck_assert(pl_new_file_commit(&f, path));
    ck_assert_str_eq(text_of(target), "precious");
    ck_assert_str_eq(text_of(path), "ours");
    ck_assert(lstat(path, &st) == 0 && S_ISREG(st.st_mode));
}
END_TEST

/* A hard link to another's file is replaced as well, not written into. */
START_TEST(test_hard_link)
{
    PL_FREE char *target = pl_strf("%s/target", dir);
    put(target, "precious", 0644);
    ck_assert_int_eq(link(target, path), 0);
    ck_assert(written("ours"));
    ck_assert_str_eq(text_of(target), "precious");
    ck_assert_str_eq(text_of(path), "ours");
}
END_TEST

START_TEST(test_other_things_are_refused)
{
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert(!written("ours"));
    ck_assert_int_eq(errno, EEXIST);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert(!written("ours"));
    ck_assert_int_eq(errno, EEXIST);
    ck_assert_int_eq(files(), 1);
    free(path);
    path = pl_strf("/dev/null");
    ck_assert(!written("ours"));
    ck_assert_int_eq(errno, EEXIST);
    free(path);
    path = pl_strf("%s/no/such/folder", dir);
    ck_assert(!written("ours"));
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(test_no_half_stays)
{
    struct pl_new_file f = {0};
    put(path, "the old one", 0600);
    ck_assert(pl_new_file_open(&f, path));
    fputs("half", f.stream);
    ck_assert_int_eq(files(), 2);
    pl_new_file_release(&f);
    pl_new_file_release(&f);
    ck_assert_int_eq(files(), 1);
    ck_assert_str_eq(text_of(path), "the old one");
    /* The disk is full. */
    ck_assert(pl_new_file_open(&f, path));
    int full = open("/dev/full", O_WRONLY);
    ck_assert_int_ge(dup2(full, fileno(f.stream)), 0);
    close(full);
    fputs("too much", f.stream);
    ck_assert(!pl_new_file_commit(&f, path));
    ck_assert_int_eq(errno, ENOSPC);
    ck_assert_int_eq(files(), 1);
    ck_assert_str_eq(text_of(path), "the old one");
}
END_TEST

/* F is the path, D the folder that it is in. */
START_TEST(test_what_a_path_names)
{
    static const struct {
        const char *command, *file, *folder; /* why it is neither; NULL: it can be */
    } cases[] = {
        {":", NULL, NULL},
        {": > $F", NULL, "is a file: it must be a folder, or not be there yet"},
        {"mkdir $F", "is a folder: it must be a regular file, or not be there yet", NULL},
        {"mkfifo $F", "is a pipe: it", "is a pipe: it"},
        {"ln -s /dev/full $F", "is a device: it", "is a device: it"},
        {"ln -s $D $F", "is a folder: it", NULL},
        {": > $D/other; ln -s $D/other $F", NULL, "is a file: it"},
        {"ln -s nowhere $F",
         "is a link to what is not there: make or mount that, or name a regular",
         "is a link to what is not there: make or mount that, or name a folder"},
        {"ln -s $F $F", "cannot be a regular file: Too many levels",
         "cannot be a folder: Too many"},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++)
        for (unsigned folder = 0; folder < 2; folder++) {
            PL_FREE char *line = pl_strf("D=%s; F=%s; rm -rf $F; %s", dir, path, cases[i].command);
            const char *why = folder ? cases[i].folder : cases[i].file;
            struct pl_err err = {0};
            ck_assert_int_eq(system(line), 0);
            int rc = pl_path_check(path, folder, &err);
            ck_assert_msg(rc == (why ? -1 : 0) && (!why || strstr(err.msg, why)), "%s: %s", line,
                          err.msg);
            ck_assert(!why || err.kind == PL_ERR_CONFIG);
        }
    struct pl_err err;
    PL_FREE char *below = pl_strf("/dev/null/%s", "x");
    ck_assert_int_eq(pl_path_check(below, false, &err), -1);
    ck_assert_msg(strstr(err.msg, "Not a directory"), "%s", err.msg);
}
END_TEST

int main(void)
{
    const struct unit_test tests[] = {
        TCASE("a folder", .set_up = set_up),
        TEST(test_mode_of_its_own),
        TEST(test_links_are_refused),
        TEST(test_late_link_is_replaced),
        TEST(test_hard_link),
        TEST(test_other_things_are_refused),
        TEST(test_no_half_stays),
        TEST(test_what_a_path_names),
    };
    return unit_main("file", tests, PL_COUNT(tests));
}
