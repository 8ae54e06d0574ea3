/* SPDX-License-Identifier: Apache-2.0 */
/* again.c - see again.h. */
#include "lib/service/again.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define MARK "PIPELINE_STARTED_AGAIN"
/* The link that names the program, also when its file is gone. */
#define SELF "/proc/self/exe"

void pl_again_begin(struct pl_again *a, char **argv)
{
    *a = (struct pl_again){.argv = argv, .is_again = getenv(MARK) != NULL};
    ssize_t n = readlink(SELF, a->exe, sizeof(a->exe) - 1);
    a->exe[n > 0 ? n : 0] = '\0';
    unsetenv(MARK);
}

int pl_again_exec(const struct pl_again *a, int64_t start_ms, struct pl_err *err)
{
    /* Also what a library forgot to mark. */
    close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC);
    setenv(MARK, "1", 1);
    sd_notifyf(0, "WATCHDOG=1\nEXTEND_TIMEOUT_USEC=%" PRId64, start_ms * 1000);
    if (strchr(a->argv[0], '/')) /* as it was called: by a link to the newest version, perhaps */
        execv(a->argv[0], a->argv);
    execv(a->exe, a->argv);
    execv(SELF, a->argv);
    return pl_err_set(err, PL_ERR_FATAL, errno, "cannot execute %.100s again: %s", a->argv[0],
                      strerror(errno));
}
