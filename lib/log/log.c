/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - see log.h.
 *
 * A line is built on the stack by a writer that cannot overflow (struct line) and leaves by one
 * system call: no lock, no allocation.
 */
#define SD_JOURNAL_SUPPRESS_LOCATION /* the caller's location is logged */

#include "lib/log/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/base/time_text.h"

enum { LIMIT_LINES = 10, LIMIT_WINDOW_MS = 10000 };

const char *const pl_log_level_names[] = {"error", "warning", "notice", "info", "debug", NULL};

static struct {
    _Atomic int level;
    const char *name;
    bool journal;
    bool colour;
    _Atomic bool progress; /* the terminal's last line is progress */
    int64_t progress_ms;   /* monotonic, the last line without a terminal; 0: none */
} sink = {.level = PL_INFO};

/* ---- a writer with an end ---- */

struct line {
    char *p;
    size_t len, cap; /* the dots of a cut line fit behind cap */
    bool cut;
};

#define LINE_DOTS 3

/* All or nothing, so that no character or escape is torn. After the first piece that does not fit,
 * nothing more is added. */
static void line_add(struct line *l, const char *data, size_t len)
{
    if (l->cut || len > l->cap - l->len) {
        l->cut = true;
        return;
    }
    memcpy(l->p + l->len, data, len);
    l->len += len;
}

static void line_add_str(struct line *l, const char *s)
{
    line_add(l, s, strlen(s));
}

static void line_add_uint(struct line *l, uint64_t value)
{
    char digits[20]; /* 2^64 - 1 */
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    line_add(l, digits + at, sizeof(digits) - at);
}

static void line_add_int(struct line *l, int64_t value)
{
    if (value < 0)
        line_add(l, "-", 1);
    line_add_uint(l, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

static void line_add_byte_escaped(struct line *l, char c)
{
    static const char hex[] = "0123456789abcdef";
    char letter = c == '\n' ? 'n' : c == '\t' ? 't' : c == '\r' ? 'r' : 'x';
    const char code[4] = {'\\', letter, hex[(unsigned char)c >> 4], hex[c & 15]};
    line_add(l, code, letter == 'x' ? 4 : 2);
}

static void line_add_escaped(struct line *l, const char *data, size_t len, bool quoted)
{
    size_t n;
    for (size_t i = 0; i < len && !l->cut; i += n) {
        n = pl_utf8_char(data + i, len - i);
        if (n == 0 || pl_text_acts(data + i, n)) {
            n = n == 0 ? 1 : n;
            for (size_t k = 0; k < n; k++)
                line_add_byte_escaped(l, data[i + k]);
        } else if (quoted && (data[i] == '"' || data[i] == '\\')) {
            const char pair[2] = {'\\', data[i]};
            line_add(l, pair, sizeof(pair));
        } else {
            line_add(l, data + i, n);
        }
    }
}

/* Quoted where the bare value could be misread, so that lines can be parsed. */
static void line_add_value(struct line *l, const char *data, size_t len)
{
    bool bare = len > 0;
    size_t n;
    for (size_t i = 0; i < len && bare; i += n) {
        n = pl_utf8_char(data + i, len - i);
        bare = n > 0 && !pl_text_acts(data + i, n) && !(n == 1 && strchr(" \"\\=", data[i]));
    }
    if (!bare)
        line_add(l, "\"", 1);
    line_add_escaped(l, data, len, !bare);
    if (!bare)
        line_add(l, "\"", 1);
}

static size_t field_len(const struct pl_log_field *f)
{
    return f->type == PL_LOG_SLICE ? f->len : strlen(f->str);
}

static bool field_is_text(const struct pl_log_field *f)
{
    return f->type == PL_LOG_STR || f->type == PL_LOG_SLICE;
}

static bool field_is_absent(const struct pl_log_field *f)
{
    return field_is_text(f) && !f->str;
}

static void line_add_number(struct line *l, const struct pl_log_field *f)
{
    char text[32];
    switch (f->type) {
    case PL_LOG_INT:
        line_add_int(l, f->i);
        break;
    case PL_LOG_UINT:
        line_add_uint(l, f->u);
        break;
    case PL_LOG_FLOAT:
        line_add(l, text, (size_t)snprintf(text, sizeof(text), "%.9g", f->f));
        break;
    case PL_LOG_STR:
    case PL_LOG_SLICE:
        break;
    }
}

static void line_add_field(struct line *l, const struct pl_log_field *f)
{
    line_add(l, " ", 1);
    for (const char *c = f->name; *c; c++) {
        char lower = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
        line_add(l, &lower, 1);
    }
    line_add(l, "=", 1);
    if (field_is_text(f))
        line_add_value(l, f->str, field_len(f));
    else
        line_add_number(l, f);
}

static void line_add_message(struct line *l, const char *separator, const char *text,
                             const struct pl_log_field *fields, unsigned suppressed)
{
    line_add_escaped(l, text, strlen(text), false);
    for (unsigned i = 0; fields[i].name && i < PL_LOG_FIELDS_MAX; i++) {
        if (field_is_absent(&fields[i]))
            continue;
        line_add_str(l, separator);
        line_add_field(l, &fields[i]);
        separator = "";
    }
    if (suppressed > 0) {
        line_add_str(l, separator);
        line_add_field(l, &PL_F_UINT("SUPPRESSED", suppressed));
    }
}

static void line_end(struct line *l)
{
    if (!l->cut)
        return;
    memcpy(l->p + l->len, "...", LINE_DOTS);
    l->len += LINE_DOTS;
}

size_t pl_log_text(char *out, size_t size, const char *separator, const char *text,
                   const struct pl_log_field *fields, unsigned suppressed)
{
    struct line l = {.p = out, .cap = size - LINE_DOTS - 1};
    line_add_message(&l, separator, text, fields, suppressed);
    line_end(&l);
    out[l.len] = '\0';
    return l.len;
}

/* ---- the two back ends ---- */

static const struct {
    const char *label, *colour; /* labels of one width, so that messages line up */
} looks[] = {
    [PL_ERROR] = {"ERROR ", "\033[1;31m"}, [PL_WARNING] = {"WARN  ", "\033[33m"},
    [PL_NOTICE] = {"NOTICE", "\033[1m"},   [PL_INFO] = {"INFO  ", ""},
    [PL_DEBUG] = {"DEBUG ", "\033[2m"},
};

/* A full or closed stderr must not stop the daemon: the text is lost. */
static void write_stderr(const char *text, size_t len)
{
    while (write(STDERR_FILENO, text, len) < 0 && errno == EINTR)
        ;
}

#define LINE_CLEAR "\r\033[K"

static void write_text(enum pl_log_level level, const char *text, const struct pl_log_field *fields,
                       unsigned suppressed)
{
    char out[PL_LOG_LINE_MAX], time[32];
    const char *colour = sink.colour ? looks[level].colour : "";
    const char *tail = *colour ? "\033[0m\n" : "\n";
    size_t tail_len = strlen(tail);
    struct line l = {.p = out, .cap = sizeof(out) - LINE_DOTS - tail_len};
    if (atomic_exchange(&sink.progress, false))
        line_add_str(&l, LINE_CLEAR);
    pl_time_format_ms(pl_clock_realtime_ms(), time);
    line_add_str(&l, time);
    line_add(&l, " ", 1);
    line_add_str(&l, colour);
    line_add_str(&l, looks[level].label);
    line_add(&l, " ", 1);
    if (sink.name) {
        line_add_str(&l, sink.name);
        line_add(&l, ": ", 2);
    }
    line_add_message(&l, "", text, fields, suppressed);
    line_end(&l);
    memcpy(out + l.len, tail, tail_len);
    write_stderr(out, l.len + tail_len);
}

/* A journal record under construction: one arena for the texts, one vector into it. */
struct record {
    char arena[2 * PL_LOG_LINE_MAX]; /* MESSAGE may take half */
    size_t used;
    struct iovec iov[PL_LOG_FIELDS_MAX + 8]; /* and those of send_journal() */
    int n;
};

static struct line record_begin(const struct record *r, size_t max)
{
    size_t room = sizeof(r->arena) - r->used;
    room = room < max ? room : max;
    return (struct line){.p = (char *)r->arena + r->used,
                         .cap = room > LINE_DOTS ? room - LINE_DOTS : 0,
                         .cut = room <= LINE_DOTS};
}

/* A field without room for its name and a byte of value is left out; MESSAGE has it, cut. */
static void record_end(struct record *r, struct line *l, size_t name_len)
{
    if (l->len <= name_len && l->cut)
        return;
    line_end(l);
    r->iov[r->n++] = (struct iovec){.iov_base = l->p, .iov_len = l->len};
    r->used += l->len;
}

static void record_add(struct record *r, const struct pl_log_field *f)
{
    struct line l = record_begin(r, PL_LOG_LINE_MAX / 2);
    size_t name_len = strlen(f->name) + 1;
    line_add_str(&l, f->name);
    line_add(&l, "=", 1);
    if (field_is_text(f)) {
        /* As it is, for exact matches; cut where it is too long. */
        size_t len = field_len(f), room = l.cap - l.len;
        line_add(&l, f->str, len < room ? len : room);
        l.cut = l.cut || len > room;
    } else {
        line_add_number(&l, f);
    }
    record_end(r, &l, name_len);
}

static bool send_journal(const struct pl_log_site *site, enum pl_log_level level,
                         const char *message_id, const char *text,
                         const struct pl_log_field *fields, unsigned suppressed)
{
    struct record r; /* not zeroed: 16 KiB */
    r.used = 0;
    r.n = 0;
    struct line l = record_begin(&r, PL_LOG_LINE_MAX);
    line_add_str(&l, "MESSAGE=");
    line_add_message(&l, ":", text, fields, suppressed);
    record_end(&r, &l, 0);
    record_add(&r, &PL_F_INT("PRIORITY", (int)level));
    if (sink.name)
        record_add(&r, &PL_F_STR("SYSLOG_IDENTIFIER", sink.name));
    if (message_id)
        record_add(&r, &PL_F_STR("MESSAGE_ID", message_id));
    record_add(&r, &PL_F_STR("CODE_FILE", site->file));
    record_add(&r, &PL_F_INT("CODE_LINE", site->line));
    record_add(&r, &PL_F_STR("CODE_FUNC", site->func));
    if (suppressed > 0)
        record_add(&r, &PL_F_UINT("SUPPRESSED", suppressed));
    for (unsigned i = 0; fields[i].name && i < PL_LOG_FIELDS_MAX; i++)
        if (!field_is_absent(&fields[i]))
            record_add(&r, &fields[i]);
    return sd_journal_sendv(r.iov, r.n) >= 0;
}

/* ---- the front ---- */

bool pl_log_admit(struct pl_log_site *site, int64_t now_ms, unsigned *ret_suppressed)
{
    int64_t begun = atomic_load(&site->window_ms);
    /* The thread that wins the exchange opens the window. A line that another counts into the old
     * window meanwhile makes the limit one line looser or tighter, which does not matter. */
    if ((begun == 0 || now_ms - begun >= LIMIT_WINDOW_MS) &&
        atomic_compare_exchange_strong(&site->window_ms, &begun, now_ms))
        atomic_store(&site->passed, 0);
    if (atomic_fetch_add(&site->passed, 1) >= LIMIT_LINES) {
        atomic_fetch_add(&site->suppressed, 1);
        return false;
    }
    *ret_suppressed = atomic_exchange(&site->suppressed, 0);
    return true;
}

void pl_log_at(struct pl_log_site *site, enum pl_log_level level, const char *message_id,
               const char *text, const struct pl_log_field *fields)
{
    unsigned suppressed = 0;
    int saved_errno = errno;
    if ((level == PL_DEBUG || pl_log_admit(site, pl_clock_monotonic_ms() + 1, &suppressed)) &&
        !(sink.journal && send_journal(site, level, message_id, text, fields, suppressed)))
        write_text(level, text, fields, suppressed);
    errno = saved_errno;
}

static bool stderr_is_terminal(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
}

#define COLUMNS_UNKNOWN 80

/* Without the last column, in which some terminals begin a new line. */
unsigned pl_log_progress_columns(void)
{
    struct winsize window = {0};
    if (!stderr_is_terminal())
        return 0;
    ioctl(STDERR_FILENO, TIOCGWINSZ, &window);
    return window.ws_col > 1 ? window.ws_col - 1u : COLUMNS_UNKNOWN - 1;
}

/* The bytes of the first `columns` characters. */
static size_t columns_cut(const char *text, size_t len, unsigned columns)
{
    for (size_t i = 0; i < len; i++)
        if (!pl_utf8_continues(text[i]) && columns-- == 0)
            return i;
    return len;
}

void pl_log_progress(const char *fmt, ...)
{
    char text[1024] = LINE_CLEAR, *line = text + strlen(LINE_CLEAR);
    va_list ap;
    va_start(ap, fmt);
    size_t len = pl_text_formatv(line, sizeof(text) - strlen(LINE_CLEAR) - 1, fmt, ap);
    va_end(ap);
    unsigned columns = pl_log_progress_columns();
    int64_t now_ms = pl_clock_monotonic_ms() + 1;
    if (columns > 0) {
        len = columns_cut(line, len, columns);
        /* Before and after: a thread may log in between, and take the mark away. */
        atomic_store(&sink.progress, true);
        write_stderr(text, strlen(LINE_CLEAR) + len);
        atomic_store(&sink.progress, true);
    } else if (sink.progress_ms == 0 || now_ms - sink.progress_ms >= PL_LOG_PROGRESS_MS) {
        sink.progress_ms = now_ms;
        line[len] = '\n';
        write_stderr(line, len + 1);
    }
}

void pl_log_progress_end(void)
{
    if (atomic_exchange(&sink.progress, false))
        write_stderr(LINE_CLEAR, strlen(LINE_CLEAR));
}

/* systemd.exec(5): JOURNAL_STREAM is "device:inode" of the stream that stdout or stderr was
 * connected to. A child with its stderr elsewhere inherits the variable but not the stream. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    char own[48];
    if (!stream || fstat(STDERR_FILENO, &st) < 0)
        return false;
    snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return strcmp(stream, own) == 0;
}

void pl_log_open(const char *name)
{
    const char *no_colour = getenv("NO_COLOR");
    sink.name = name;
    sink.journal = stderr_is_journal();
    /* journald knows the unit of a stream from its connection, but that of a datagram only while
     * its sender lives or has used its stream: without this line `journalctl -u` may not show why a
     * daemon ended at once (5 of 30 were lost on systemd 252; none with it). */
    if (sink.journal)
        dprintf(STDERR_FILENO, "<%d>version " PL_VERSION "\n", (int)PL_INFO);
    /* https://no-color.org: present and not empty, whatever its value. */
    sink.colour = stderr_is_terminal() && !(no_colour && no_colour[0]);
}

void pl_log_set_level(enum pl_log_level level)
{
    atomic_store_explicit(&sink.level, (int)level, memory_order_relaxed);
}

int pl_log_level(void)
{
    return atomic_load_explicit(&sink.level, memory_order_relaxed);
}
