/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - argv and exit status; all else is in program.c and below it, which tests can link.
 */
#include "daemons/wmfetchd/wmfetchd.h"

int main(int argc, char **argv)
{
    return wmfetchd_main(argc, argv);
}
