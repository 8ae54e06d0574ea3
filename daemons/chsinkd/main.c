/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - chsinkd's entry: argv and exit status.
 */
#include "daemons/chsinkd/chsinkd.h"

int main(int argc, char **argv)
{
    return chsinkd_main(argc, argv);
}
