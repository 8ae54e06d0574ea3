/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clickhouse-server.c - makes a server of the ClickHouse engine that npm hands out as a library.
 *
 * usage: clickhouse-server LIBRARY OPTION...
 *
 * The library's entry point takes the command line of `clickhouse local`, and SYSTEM START LISTEN
 * in a query opens the server's real ports. So the query given here opens them and then never
 * ends; SIGTERM ends the process. The options (--path, --http_port, ...) come from clickhouse.sh,
 * which also compiles this.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static char query_flag[] = "--query";
static char query[] = "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; "
                      "SELECT sleepEachRow(3) FROM system.numbers FORMAT Null "
                      "SETTINGS max_block_size = 1";
static char name[] = "clickhouse";

int main(int argc, char **argv)
{
    char *args[64];
    void *(*run)(int, char **);
    void *library, *symbol;
    int count = 0;

    if (argc < 2 || argc > 60) {
        fprintf(stderr, "usage: clickhouse-server LIBRARY OPTION...\n");
        return 64;
    }
    library = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    symbol = library ? dlsym(library, "query_stable_v2") : NULL;
    if (!symbol) {
        fprintf(stderr, "clickhouse-server: %s\n", dlerror());
        return 1;
    }
    memcpy(&run, &symbol, sizeof(run)); /* ISO C knows no cast from object to function pointer */
    args[count++] = name;
    for (int i = 2; i < argc; i++)
        args[count++] = argv[i];
    args[count++] = query_flag;
    args[count++] = query;
    args[count] = NULL;
    run(count, args);
    fprintf(stderr, "clickhouse-server: the engine returned; are the ports free?\n");
    return 1;
}
