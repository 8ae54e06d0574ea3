/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c - feeds recorded inputs to a fuzz target, without a fuzzer: `make check` does so with
 * each corpus, in whatever build it runs.
 *
 *     replay_json tests/fuzz/corpus/json [FILE or directory]...
 *
 * Each input is handed over in an allocation of just its size, so that ASan sees a read behind it.
 * An empty corpus is a failure: it would test nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool report_errno(const char *path)
{
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return false;
}

static bool file_read(FILE *f, size_t size, uint8_t **ret_data)
{
    uint8_t *data = malloc(size > 0 ? size : 1);

    if (!data || fread(data, 1, size, f) != size) {
        free(data);
        return false;
    }
    *ret_data = data;
    return true;
}

static bool file_replay(const char *path, size_t size, unsigned *n)
{
    uint8_t *data;
    FILE *f = fopen(path, "rbe");

    if (!f)
        return report_errno(path);
    bool ok = file_read(f, size, &data);
    fclose(f);
    if (!ok)
        return report_errno(path);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    *n += 1;
    return true;
}

static bool path_replay(const char *path, unsigned *n);

static bool directory_replay(const char *path, unsigned *n)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    bool ok = true;

    if (!dir)
        return report_errno(path);
    while ((entry = readdir(dir))) {
        char child[4096];
        if (entry->d_name[0] == '.')
            continue;
        int len = snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
        if (len < 0 || (size_t)len >= sizeof(child)) {
            errno = ENAMETOOLONG;
            ok = report_errno(path);
        } else {
            ok &= path_replay(child, n);
        }
    }
    closedir(dir);
    return ok;
}

static bool path_replay(const char *path, unsigned *n)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return report_errno(path);
    if (S_ISDIR(st.st_mode))
        return directory_replay(path, n);
    return file_replay(path, (size_t)st.st_size, n);
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
    unsigned n = 0;
    bool ok = true;

    if (strncmp(name, "replay_", 7) == 0)
        name += 7;
    for (int i = 1; i < argc; i++)
        ok &= path_replay(argv[i], &n);
    printf("%s: %u inputs\n", name, n);
    return ok && n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
