/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step.c - see step.h.
 */
#include "lib/base/step.h"

#ifdef PL_STEPS

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    bool begun;
    int log; /* -1: none */
    const char *next;
    char name[64], action[8]; /* "": nothing is armed any more */
    unsigned long count;
} steps = {.lock = PTHREAD_MUTEX_INITIALIZER, .log = -1};

/* A text that is not understood ends the process: a test that arms nothing would pass. */
static void arm(void)
{
    int used = 0;
    steps.name[0] = '\0';
    if (sscanf(steps.next, " %63[^: ]:%lu:%7[A-Z]%n", steps.name, &steps.count, steps.action,
               &used) == 3 &&
        steps.count > 0) {
        steps.next += used;
    } else if (steps.next[strspn(steps.next, " ")] != '\0') {
        fprintf(stderr, "PIPELINE_STEP: what is \"%s\"?\n", steps.next);
        abort();
    }
}

static void begin(void)
{
    const char *log = getenv("PIPELINE_STEP_LOG"), *armed = getenv("PIPELINE_STEP");
    steps.begun = true;
    if (log)
        steps.log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    steps.next = armed ? armed : "";
    arm();
}

static void note(const char *name, const char *action)
{
    char line[96];
    int len =
        snprintf(line, sizeof(line), "%s%s%s\n", name, action ? " " : "", action ? action : "");
    if (steps.log >= 0 && write(steps.log, line, (size_t)len) != len)
        perror("PIPELINE_STEP_LOG");
}

static void act(const char *action)
{
    if (strcmp(action, "KILL") == 0)
        kill(getpid(), SIGKILL);
    else if (strcmp(action, "STOP") == 0)
        raise(SIGSTOP); /* to the process, another thread might take it, and we go on a while */
    else if (strcmp(action, "TERM") == 0)
        kill(getpid(), SIGTERM);
    else
        abort();
}

void pl_step(const char *name)
{
    char action[sizeof(steps.action)] = "";
    pthread_mutex_lock(&steps.lock);
    if (!steps.begun)
        begin();
    if (strcmp(name, steps.name) == 0 && --steps.count == 0) {
        memcpy(action, steps.action, sizeof(action));
        arm();
    }
    note(name, action[0] ? action : NULL);
    pthread_mutex_unlock(&steps.lock);
    if (action[0])
        act(action);
}

#endif
