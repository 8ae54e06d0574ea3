/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_local.h - files below a path of this machine: "/path", "file:/path", "file:///path".
 *
 * A file is written under another name beside its own (".NAME.XXXXXX"), synced, and then renamed,
 * or linked where it must be the first of its name; then its folder is synced. So what is there is
 * whole, also after a power cut. What a killed process leaves is such a name. The file system must
 * know hard links.
 */
#ifndef CHSINKD_ICEBERG_STORE_LOCAL_H
#define CHSINKD_ICEBERG_STORE_LOCAL_H

#include "daemons/chsinkd/iceberg/store/store.h"

struct iceberg_store *iceberg_store_local_new(void);

/* The path of a location; NULL: it is not a local one. Points into it. */
const char *iceberg_local_path(const char *location);

#endif
