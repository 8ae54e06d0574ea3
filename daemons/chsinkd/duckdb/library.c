/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library.c - see library.h.
 */
#include "daemons/chsinkd/duckdb/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define VERSION_MIN_MAJOR 1
#define VERSION_MIN_MINOR 4

#if defined(__aarch64__)
#define NPM_PACKAGE "@duckdb/node-bindings-linux-arm64"
#else
#define NPM_PACKAGE "@duckdb/node-bindings-linux-x64"
#endif

bool duckdb_version_is_enough(const char *version)
{
    unsigned major, minor;
    if (sscanf(version, "v%u.%u", &major, &minor) != 2)
        return false;
    return major > VERSION_MIN_MAJOR || (major == VERSION_MIN_MAJOR && minor >= VERSION_MIN_MINOR);
}

static int library_missing(const char *path, const char *why, struct pl_err *err)
{
    return pl_err_set(
        err, PL_ERR_CONFIG, 0,
        "DuckDB's library, %.100s, cannot be used: %.150s. The option \"library\" names it; "
        "%s or newer is needed, as in its releases, npm's " NPM_PACKAGE
        " and Maven's org.duckdb:duckdb_jdbc",
        path, why, DUCKDB_VERSION_MIN);
}

int duckdb_library_load(struct duckdb_library *ret, const char *path, struct pl_err *err)
{
    struct duckdb_library library;
    char why[160];
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!handle)
        return library_missing(path, dlerror(), err);
#define LOAD(returns, name, takes)                                                                 \
    if (!(*(void **)&library.name = dlsym(handle, "duckdb_" #name))) {                             \
        snprintf(why, sizeof(why), "it has no function duckdb_%s", #name);                         \
        return library_missing(path, why, err);                                                    \
    }
    DUCKDB_FUNCTIONS(LOAD)
#undef LOAD
    const char *version = library.library_version();
    if (!duckdb_version_is_enough(version)) {
        snprintf(why, sizeof(why), "it is %s", version);
        return library_missing(path, why, err);
    }
    *ret = library;
    return 0;
}
