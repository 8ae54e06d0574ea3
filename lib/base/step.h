/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step.h - named steps of a protocol, at which a test kills, freezes or stops the process.
 *
 *     PL_STEP("chsinkd.inserted");
 *
 * Nothing in an ordinary build. One with -DPL_STEPS (make STEPS=1 B=build/steps) looks at each
 * passing into two variables of the environment:
 *
 *     PIPELINE_STEP="NAME:COUNT:ACTION ..."   at the COUNTth passing of NAME: KILL (SIGKILL), STOP
 *                                             (SIGSTOP) or TERM (SIGTERM). One after another: a
 *                                             count begins when the action before was done.
 *     PIPELINE_STEP_LOG=FILE                  a line "NAME" is added for each passing, "NAME
 *                                             ACTION" before an action
 *
 * What a name means stands in tests/torture/steps.py, which a check compares with the sources.
 *
 * KILL and STOP take effect before PL_STEP returns. Threads: any.
 */
#ifndef PL_BASE_STEP_H
#define PL_BASE_STEP_H

#ifdef PL_STEPS
void pl_step(const char *name);
#define PL_STEP(name) pl_step(name)
#else
#define PL_STEP(name) ((void)0)
#endif

#endif
