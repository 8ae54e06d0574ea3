/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_ids.h - MESSAGE_ID of each kind of event worth searching (journalctl MESSAGE_ID=…). Random
 * 128-bit numbers (`systemd-id128 new`), never changed or reused: alerts name them, and so does
 * packaging/journal/streaming-daemons.catalog, which says what each means.
 */
#ifndef PL_LOG_EVENT_IDS_H
#define PL_LOG_EVENT_IDS_H

/* clang-format off */ /* one space: tests/run/docs.sh */
#define PL_EVENT_READY "fbcb3ae5bbf5cd76658c8b950d810f91"
#define PL_EVENT_STOPPING "122af9452ccd05768742732684285fde"
#define PL_EVENT_STOPPED "65deeb060841045faa86e933ee12bc66"
#define PL_EVENT_RELOADED "8b02991e0cc816d95150e4cb11120752"
#define PL_EVENT_CONFIG_ERROR "91159e93bdddeb9a0823d12d20762a44"
/* the error that ends the daemon */
#define PL_EVENT_EXITING "0d9906c51755a7f38d884b774628d5aa"
/* no progress for no known reason: the watchdog is not fed, systemd restarts the daemon */
#define PL_EVENT_STUCK "0c4f3af4e83647c89c1f80685af40a07"
/* received = delivered + filtered + dead-lettered + in flight does not hold */
#define PL_EVENT_CONSERVATION "4fc00ff0475ca99f8b09a5c45c9dca9a"
#define PL_EVENT_INSECURE "98614bc5c6b3dedb143ac628e837d4aa"
#define PL_EVENT_KAFKA_ERROR "2592f9ce4376bab6db902c24fc375c1d"
#define PL_EVENT_KAFKA_AWAY "10cba197855fd9823e616d4f1b0bdef4"
#define PL_EVENT_KAFKA_BACK "407ff1e76a0fd1b1df636b860e8c9bae"
/* another's open transaction hides the position: the start waits for its end */
#define PL_EVENT_POSITION_HELD "4b2c912ac43f47f3a925099ce73386a8"
#define PL_EVENT_TOPIC_CREATED "04d26b5c7393876c2e318a1a088c29b8"
#define PL_EVENT_TXN_COMMITTED "5a3756f64ca80e7aa164c14b82d19932"
#define PL_EVENT_TXN_ABORTED "184ab6dcb93269f7db2a124f299cce65"
#define PL_EVENT_SOURCE_CONNECTED "527ecb423442b297f7d7d995f5d967cd"
#define PL_EVENT_SOURCE_LOST "9602934c558824abaa877d856cbb913c"
/* our credentials keep being refused and are tried rarely; or are accepted again */
#define PL_EVENT_CREDENTIALS "c394ad11c31244208dbfc73ede5e65d0"
/* refused after it has worked, or a table waits: a person must look, tried again meanwhile */
#define PL_EVENT_REFUSED "d8557844f8de439aaeb0d77721fb0689"
/* the source refused the position and is asked by time */
#define PL_EVENT_SOURCE_FALLBACK "d28e81da24ff0b8c931224cbdfd4cbe9"
#define PL_EVENT_SOURCE_GAP "a93ae143cc1bb636a8f667ada5a7faca"
#define PL_EVENT_SOURCE_TOO_OLD "05f621684b9c1c0a019dd8b190858b3a"
/* an unknown type of event, or a time in the service's future */
#define PL_EVENT_SOURCE_STRANGE "c3fc836bd9df4c088b4ebac98f77d99c"
/* our clock and the service's differ, or agree again */
#define PL_EVENT_CLOCK_SKEW "8ddf185033954af1b9ea18f65e9ca1e9"
/* several empty windows in a row, or their end */
#define PL_EVENT_WINDOWS_EMPTY "e7b80a129603492899fde5d6a8e0608b"
/* a filter or redaction names a field that the stream's events do not have */
#define PL_EVENT_FIELD_ABSENT "2e9ac1dea37a14c7214749a966d54c4c"
#define PL_EVENT_TABLE_CREATED "00140b6c93e6d97091e5b7fc893ae7da"
#define PL_EVENT_COLUMN_ADDED "6fae07419a204779040acbc31783e938"
/* unknown_fields: add: a field gets no column of its own, or it cannot be added */
#define PL_EVENT_COLUMN_NOT_ADDED "6d8e01a9ffbd4cc5bd0d067e97cf7253"
#define PL_EVENT_BATCH_INSERTED "3a5ee37a144c97022fa2fbae3fa6dfe2"
#define PL_EVENT_BATCH_RETRIED "40b28d3cd94abf2a3888b6532060f819"
/* the server refused a batch for its content or size; it is halved */
#define PL_EVENT_BATCH_REFUSED "fb0454391198828e15fb9c7c7424550a"
/* a table, view or column that was there is made again while running */
#define PL_EVENT_TABLE_REMADE "e9330097cf6042e8bde8d7ac8a041892"
/* an announced range is inserted again with its token */
#define PL_EVENT_BATCH_RECOVERED "89dfcc610c63b59f0f142c5f3c27fd44"
#define PL_EVENT_DEAD_LETTER "9b2289694c4d5efa6d21a91d3c276060"
/* a dead letter is too large for its topic and is written without its value */
#define PL_EVENT_LETTER_CUT "9386887b43e84604be5459b4c3d2f9f7"
/* a window with unreadable data is skipped */
#define PL_EVENT_WINDOW_PASSED "22b35d3b24a8738c5a5f5e70a655abac"
#define PL_EVENT_DATA_LOST "93a44d723e17d00d2ccb5eb3bb4a3191"
/* the table cannot deduplicate */
#define PL_EVENT_AT_LEAST_ONCE "8a882be2e954f943d20a8c4cff68ce51"
#define PL_EVENT_ASSIGNED "30b1aec5557adad4e9fc1ea27ed3500e"
#define PL_EVENT_REVOKED "cc95fc6da9e7c24f6084e78ddc396d6c"
#define PL_EVENT_SINK_AWAY "6eb3108af524616e79e6e9ff185ac30d"
#define PL_EVENT_SINK_BACK "fa15d0b83db766eb8bc386977b2ba9fc"

#endif
