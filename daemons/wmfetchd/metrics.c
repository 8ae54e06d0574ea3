/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c - see metrics.h. */
#include "daemons/wmfetchd/metrics.h"

#include "daemons/wmfetchd/conf.h"

#define WINDOWS_HELP                                                                               \
    "Windows by result; failed ones are fetched again, passed ones are dead letters."
#define ANSWERS      "wmfetchd_api_answers_total"
#define ANSWERS_HELP "Answers of the API, by status; none: no answer, or one that broke off."
#define TOKENS       "wmfetchd_tokens_total"
#define TOKENS_HELP  "Tokens got from Keycloak, by way; failed: attempts that brought none."

const struct pl_metric wmfetchd_metrics[M_COUNT] = {
    [M_RECEIVED] = {"wmfetchd_elements_received_total", NULL, PL_COUNTER,
                    "Transaction objects taken from answers, those fetched again included."},
    [M_DELIVERED] = {"wmfetchd_elements_delivered_total", NULL, PL_COUNTER,
                     "Transaction objects in committed Kafka transactions."},
    [M_REFETCHED] = {"wmfetchd_elements_refetched_total", NULL, PL_COUNTER,
                     "Transaction objects of windows that were undone; they are fetched again."},
    [M_IN_FLIGHT] = {"wmfetchd_elements_in_flight", NULL, PL_GAUGE,
                     "Transaction objects in the open Kafka transaction."},
    [M_RECORDS] = {"wmfetchd_records_delivered_total", NULL, PL_COUNTER,
                   "Elements of transactionSeries in committed Kafka transactions."},
    [M_MESSAGES] = {"wmfetchd_messages_delivered_total", NULL, PL_COUNTER,
                    "Messages in committed Kafka transactions, the positions not counted."},
    [M_DELIVERED_BYTES] = {"wmfetchd_delivered_bytes_total", NULL, PL_COUNTER,
                           "Bytes of keys, values and headers in committed Kafka transactions."},
    [M_SPLIT] = {"wmfetchd_elements_split_total", NULL, PL_COUNTER,
                 "Transaction objects too large for a message, written as several."},
    [M_ANSWER_BYTES] = {"wmfetchd_api_answer_bytes_total", NULL, PL_COUNTER,
                        "Bytes of answers, unpacked."},
    [M_WINDOWS_COMMITTED] = {"wmfetchd_windows_total", "result=\"committed\"", PL_COUNTER,
                             WINDOWS_HELP},
    [M_WINDOWS_FAILED] = {"wmfetchd_windows_total", "result=\"failed\"", PL_COUNTER, WINDOWS_HELP},
    [M_WINDOWS_PASSED] = {"wmfetchd_windows_total", "result=\"passed\"", PL_COUNTER, WINDOWS_HELP},
    [M_WINDOWS_BEHIND] = {"wmfetchd_windows_behind", NULL, PL_GAUGE,
                          "Windows that are due and not fetched yet."},
    [M_CLOCK_SKEW] = {"wmfetchd_clock_skew_seconds", NULL, PL_GAUGE,
                      "The API's clock (Date) less ours; 0: not known."},
    [M_WINDOWS_EMPTY] = {"wmfetchd_windows_empty_total", NULL, PL_COUNTER,
                         "Committed windows without a record."},
    [M_WINDOWS_EMPTY_RUN] = {"wmfetchd_windows_empty_in_a_row", NULL, PL_GAUGE,
                             "The latest windows in a row without a record, of the series that has "
                             "most."},
    [M_ANSWER_2XX] = {ANSWERS, "status=\"2xx\"", PL_COUNTER, ANSWERS_HELP},
    [M_ANSWER_401] = {ANSWERS, "status=\"401\"", PL_COUNTER, ANSWERS_HELP},
    [M_ANSWER_429] = {ANSWERS, "status=\"429\"", PL_COUNTER, ANSWERS_HELP},
    [M_ANSWER_4XX] = {ANSWERS, "status=\"4xx\"", PL_COUNTER, ANSWERS_HELP},
    [M_ANSWER_5XX] = {ANSWERS, "status=\"5xx\"", PL_COUNTER, ANSWERS_HELP},
    [M_ANSWER_OTHER] = {ANSWERS, "status=\"other\"", PL_COUNTER, ANSWERS_HELP},
    [M_ANSWER_NONE] = {ANSWERS, "status=\"none\"", PL_COUNTER, ANSWERS_HELP},
    [M_TOKENS_GRANT] = {TOKENS, "way=\"grant\"", PL_COUNTER, TOKENS_HELP},
    [M_TOKENS_REFRESH] = {TOKENS, "way=\"refresh\"", PL_COUNTER, TOKENS_HELP},
    [M_TOKENS_FAILED] = {TOKENS, "way=\"failed\"", PL_COUNTER, TOKENS_HELP},
    [M_TOKENS_REFUSED] = {"wmfetchd_tokens_refused_total", NULL, PL_COUNTER,
                          "Tokens that the API refused (401) before their end."},
    [M_CREDENTIALS_REFUSED] = {"wmfetchd_credentials_refused", NULL, PL_GAUGE,
                               "How often in a row Keycloak has refused user, password or client; "
                               "after 3 they are tried once an hour."},
    [M_REFUSED_SECONDS] = {"wmfetchd_refused_seconds", NULL, PL_GAUGE,
                           "How long Kafka, Keycloak or the API has been refusing us or one "
                           "application; 0: nobody is."},
    [M_FETCH_SECONDS] = {"wmfetchd_fetch_seconds", NULL, PL_HISTOGRAM,
                         "From asking for a window to the end of its answer."},
    [M_COMMIT_SECONDS] = {"wmfetchd_commit_seconds", NULL, PL_HISTOGRAM,
                          "Duration of commits, the flush included."},
    [M_COMMITTED] = {"wmfetchd_transactions_total", "result=\"committed\"", PL_COUNTER,
                     "Kafka transactions by result."},
    [M_ABORTED] = {"wmfetchd_transactions_total", "result=\"aborted\"", PL_COUNTER,
                   "Kafka transactions by result."},
};

enum wmfetchd_metric wmfetchd_metric_of_status(long status)
{
    if (status == 401)
        return M_ANSWER_401;
    if (status == 429)
        return M_ANSWER_429;
    if (status >= 200 && status < 300)
        return M_ANSWER_2XX;
    if (status >= 400 && status < 500)
        return M_ANSWER_4XX;
    return status >= 500 && status < 600 ? M_ANSWER_5XX : M_ANSWER_OTHER;
}

static const unsigned received[] = {M_RECEIVED};
static const unsigned accounted[] = {M_DELIVERED, M_REFETCHED};

const struct pl_conservation wmfetchd_conservation = {received, accounted, PL_COUNT(received),
                                                      PL_COUNT(accounted)};

struct pl_auth_owner wmfetchd_auth_owner(struct pl_metrics *metrics)
{
    return (struct pl_auth_owner){wmfetchd_user_agent(), metrics, M_TOKENS_GRANT};
}
