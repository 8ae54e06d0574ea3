/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - argv and exit status; all else is in wikisrcd.c, which tests can link.
 */
#include "daemons/wikisrcd/wikisrcd.h"

int main(int argc, char **argv)
{
    return wikisrcd_main(argc, argv);
}
