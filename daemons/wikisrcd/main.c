/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - the command line: which mode, which configuration. All else is in wikisrcd.c and
 * inspect.c, which tests can link.
 */
#include "daemons/wikisrcd/inspect.h"
#include "daemons/wikisrcd/metrics.h"
#include "daemons/wikisrcd/wikisrcd.h"

static const struct pl_cli_opt opts[] = {
    [INSPECT_SAMPLE] = {"sample", "N", "Print N events for a person to read; write nothing."},
    [INSPECT_SCHEMA] = {"schema", "N", "Print the fields that N events have, and their types."},
    [INSPECT_PRODUCE] = {"produce", "N", "Write N events to the topic and show each."},
    [INSPECT_MODES] = {0},
};

static const struct pl_service_sum sums[] = {
    {"RECEIVED", M_RECEIVED},
    {"DELIVERED", M_DELIVERED},
    {"DUPLICATES", M_DUPLICATES},
    {"CANARIES", M_CANARIES},
    {"FILTERED", M_FILTERED},
    {"SKIPPED", M_SKIPPED},
    {"NOT_REDACTABLE", M_NOT_REDACTABLE},
    {"REFETCHED", M_REFETCHED},
    {"MALFORMED", M_MALFORMED},
    {"TRANSACTIONS", M_COMMITTED},
    {0},
};

static const struct pl_program wikisrcd = {
    .cli = {"wikisrcd", "Wikimedia EventStreams to a Kafka topic, exactly once.", opts,
            INSPECT_MODES, .count_max = 10000000},
    .options = wikisrcd_opts,
    .options_intro = wikisrcd_conf_intro,
    .conf_size = sizeof(struct wikisrcd_conf),
    .conf_check = wikisrcd_conf_check,
    .metrics = wikisrcd_metrics,
    .metrics_n = M_COUNT,
    .law = &wikisrcd_conservation,
    .law_text = "received = delivered + dropped + refetched + in flight",
    .law_looks = 1, /* between events it holds exactly */
    .sums = sums,
};

int main(int argc, char **argv)
{
    PL_CLEANUP(pl_service_release) struct pl_service service = {0};
    int status = pl_service_parse(&service, &wikisrcd, argc, argv), mode = service.cli.mode;
    if (status < 0)
        status = pl_service_configure(&service, mode >= INSPECT_PRODUCE);
    if (status >= 0)
        return status;
    if (mode < INSPECT_MODES)
        return inspect_run(service.conf, (enum inspect_mode)mode, service.cli.count);
    return wikisrcd_run(&service);
}
