/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init_write.c - the files of --init.
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/service/internal.h"

#define FILE_BYTES_MAX (1u << 20)
#define BACKUPS_MAX    100

/* ---- places ---- */

void pl_init_place_make(const char *name, const char *file, struct pl_init_place *ret)
{
    PL_FREE char *copy = pl_strdup(file);
    PL_FREE char *standard = pl_strf("/etc/%s", name);
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
    size_t len = strlen(base);
    for (size_t i = 0; i < 2; i++) {
        const char *end = i == 0 ? ".yaml" : ".yml";
        size_t end_len = strlen(end);
        if (len > end_len && strcmp(base + len - end_len, end) == 0)
            len -= end_len;
    }
    *ret = (struct pl_init_place){.file = pl_strdup(file),
                                  .folder = pl_strdup(dirname(copy)),
                                  .stem = pl_strndup(base, len),
                                  .name = name};
    ret->secrets = pl_strf("%s/secrets", ret->folder);
    ret->standard = strcmp(ret->folder, standard) == 0;
}

void pl_init_place_release(struct pl_init_place *place)
{
    free(place->file);
    free(place->folder);
    free(place->secrets);
    free(place->stem);
    *place = (struct pl_init_place){0};
}

char *pl_init_secret_name(const struct pl_init_place *place, const char *path)
{
    bool own = strcmp(place->stem, place->name) == 0;
    char *name = own ? pl_strdup(path) : pl_strf("%s-%s", place->stem, path);
    for (char *c = name; *c; c++)
        if (*c == '.' || *c == '_' || *c == '/')
            *c = '-';
    return name;
}

/* ---- writing ---- */

static int folder_need(const char *path, mode_t mode, struct pl_err *err)
{
    if (mkdir(path, mode) == 0 || errno == EEXIST)
        return 0;
    return pl_err_set(err, PL_ERR_CONFIG, errno, "cannot make the folder %.200s: %s", path,
                      strerror(errno));
}

static int write_failed(const char *path, struct pl_err *err)
{
    return pl_err_set(err, PL_ERR_CONFIG, errno, "cannot write %.200s: %s", path,
                      pl_new_file_error(errno));
}

/* A new file is private (0600) from its beginning. */
static int secret_write(const char *path, const char *value, struct pl_err *err)
{
    PL_CLEANUP(pl_new_file_release) struct pl_new_file f = {0};
    if (!pl_new_file_open(&f, path))
        return write_failed(path, err);
    fprintf(f.stream, "%s\n", value);
    return pl_new_file_commit(&f, path) ? 0 : write_failed(path, err);
}

static int secret_move(struct init *in, const char *path, struct pl_err *err)
{
    const struct pl_option *table = in->program->options;
    PL_CLEANUP(pl_buf_wipe) struct pl_buf value = {0};
    char *text = pl_draft_text(table, in->draft, path);
    if (!text) /* answered, and then taken back */
        return 0;
    pl_buf_add(&value, text, strlen(text));
    pl_wipe(text);
    PL_FREE char *name = pl_init_secret_name(&in->place, path);
    PL_FREE char *folder = realpath(in->place.secrets, NULL);
    PL_FREE char *file = pl_strf("%s/%s", folder ? folder : in->place.secrets, name);
    if (secret_write(file, pl_buf_cstr(&value), err) < 0)
        return -1;
    printf("%s is in %s\n", path, file);
    pl_draft_set_reference(table, in->draft, path, in->place.standard ? "credential" : "file",
                           in->place.standard ? name : file);
    return 0;
}

int init_secrets_write(struct init *in, struct pl_err *err)
{
    if (folder_need(in->place.folder, 0755, err) < 0)
        return -1;
    if (in->secrets.n > 0 && folder_need(in->place.secrets, 0700, err) < 0)
        return -1;
    for (size_t i = 0; i < in->secrets.n; i++)
        if (secret_move(in, in->secrets.v[i], err) < 0)
            return -1;
    return 0;
}

/* Another name for the file that is there, so that it is there all the time. */
static int backup_make(const char *file, char **ret, struct pl_err *err)
{
    for (unsigned i = 0; i < BACKUPS_MAX; i++) {
        PL_FREE char *backup = i == 0 ? pl_strf("%s.bak", file) : pl_strf("%s.bak.%u", file, i);
        if (link(file, backup) == 0) {
            *ret = PL_TAKE(backup);
            return 0;
        }
        if (errno != EEXIST)
            break;
    }
    return pl_err_set(err, PL_ERR_CONFIG, errno,
                      "cannot keep %.200s as %.100s.bak, so it is not replaced: %s", file, file,
                      strerror(errno));
}

int init_file_write(const struct init *in, const struct pl_buf *text, char **ret_backup,
                    struct pl_err *err)
{
    PL_CLEANUP(pl_new_file_release) struct pl_new_file f = {0};
    PL_CLEANUP(pl_buf_wipe) struct pl_buf before = {0};
    const char *file = in->place.file;
    struct stat st = {.st_mode = 0644, .st_uid = geteuid(), .st_gid = getegid()};
    *ret_backup = NULL;
    if (in->there && !pl_file_read(file, FILE_BYTES_MAX, &before, &st))
        return write_failed(file, err);
    if (in->there && before.len == text->len && memcmp(before.data, text->data, text->len) == 0)
        return 0;
    if (!pl_new_file_open(&f, file))
        return write_failed(file, err);
    fwrite(text->data, 1, text->len, f.stream);
    /* The unit's user reads it: it holds no secret. */
    if (fchmod(fileno(f.stream), st.st_mode & 0777) < 0 ||
        fchown(fileno(f.stream), st.st_uid, st.st_gid) < 0)
        return write_failed(file, err);
    if (in->there && backup_make(file, ret_backup, err) < 0)
        return -1;
    return pl_new_file_commit(&f, file) ? 0 : write_failed(file, err);
}
