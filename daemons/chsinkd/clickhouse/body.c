/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body.c - an insert's body, plain, in LZ4's frame format, or zstd. LZ4 needs room for its worst
 * case and goes through a small buffer; zstd writes straight into curl's.
 */
#include "daemons/chsinkd/clickhouse/body.h"

#include <lz4frame.h>
#include <zstd.h>

/* A piece of input for LZ4, and its block (LZ4F_max256KB). */
#define LZ4_PIECE_BYTES (256 * 1024)
/* 59 ms for 100,000 rows against LZ4's 37, and six tenths of its size. */
#define ZSTD_LEVEL 1

struct body {
    enum clickhouse_compression configured, compression;
    const struct iovec *iov;
    unsigned iov_n;
    size_t total;
    unsigned at; /* where reading is: element, and byte in it */
    size_t at_byte;
    bool started, ended; /* the compressor's first and last byte are written */
    LZ4F_cctx *lz4;
    ZSTD_CCtx *zstd;
    struct pl_buf staged; /* LZ4's output, read up to staged_at */
    size_t staged_at;
};

struct body *body_new(enum clickhouse_compression compression)
{
    struct body *b = pl_alloc(sizeof(*b));
    b->configured = compression;
    /* abort: out of memory, the policy of buf.h. */
    if (compression == CLICKHOUSE_LZ4 &&
        LZ4F_isError(LZ4F_createCompressionContext(&b->lz4, LZ4F_VERSION)))
        abort();
    if (compression == CLICKHOUSE_ZSTD && !(b->zstd = ZSTD_createCCtx()))
        abort();
    return b;
}

void body_free(struct body *b)
{
    if (!b)
        return;
    LZ4F_freeCompressionContext(b->lz4);
    ZSTD_freeCCtx(b->zstd);
    pl_buf_release(&b->staged);
    free(b);
}

static void body_rewind(struct body *b)
{
    b->at = 0;
    b->at_byte = 0;
    b->ended = b->started = false;
    b->staged_at = 0;
    pl_buf_reset(&b->staged);
}

/* The next piece of the input, at most `max` bytes, borrowed. Empty at the end. */
static struct pl_slice body_next(struct body *b, size_t max)
{
    struct pl_slice piece = {NULL, 0};
    while (b->at < b->iov_n && b->at_byte == b->iov[b->at].iov_len) {
        b->at++;
        b->at_byte = 0;
    }
    if (b->at == b->iov_n)
        return piece;
    piece.p = (const char *)b->iov[b->at].iov_base + b->at_byte;
    piece.len = b->iov[b->at].iov_len - b->at_byte;
    if (piece.len > max)
        piece.len = max;
    b->at_byte += piece.len;
    return piece;
}

static size_t body_read_plain(struct body *b, char *out, size_t room)
{
    size_t done = 0;
    while (done < room) {
        struct pl_slice piece = body_next(b, room - done);
        if (piece.len == 0)
            break;
        memcpy(out + done, piece.p, piece.len);
        done += piece.len;
    }
    return done;
}

/* Puts the next piece of the frame into b->staged. false: the compressor failed. */
static bool body_stage_lz4(struct body *b)
{
    LZ4F_preferences_t prefs = {
        .frameInfo = {.blockSizeID = LZ4F_max256KB,
                      .blockMode = LZ4F_blockIndependent,
                      .contentSize = b->total},
    };
    size_t room = LZ4F_compressBound(LZ4_PIECE_BYTES, &prefs);
    pl_buf_reset(&b->staged);
    b->staged_at = 0;
    pl_buf_reserve(&b->staged, room + LZ4F_HEADER_SIZE_MAX);
    char *out = b->staged.data;
    size_t n;
    if (!b->started) {
        n = LZ4F_compressBegin(b->lz4, out, b->staged.cap, &prefs);
        b->started = true;
    } else {
        struct pl_slice piece = body_next(b, LZ4_PIECE_BYTES);
        b->ended = piece.len == 0;
        n = b->ended ? LZ4F_compressEnd(b->lz4, out, b->staged.cap, NULL)
                     : LZ4F_compressUpdate(b->lz4, out, b->staged.cap, piece.p, piece.len, NULL);
    }
    if (LZ4F_isError(n))
        return false;
    b->staged.len = n;
    return true;
}

static size_t body_read_lz4(struct body *b, char *out, size_t room)
{
    struct pl_buf *staged = &b->staged;
    while (b->staged_at == staged->len) {
        if (b->ended)
            return 0;
        if (!body_stage_lz4(b))
            return CURL_READFUNC_ABORT;
    }
    size_t n = staged->len - b->staged_at;
    if (n > room)
        n = room;
    memcpy(out, staged->data + b->staged_at, n);
    b->staged_at += n;
    return n;
}

static size_t body_read_zstd(struct body *b, char *out, size_t room)
{
    ZSTD_CCtx *z = b->zstd;
    ZSTD_outBuffer o = {out, room, 0};
    if (!b->started) {
        ZSTD_CCtx_reset(z, ZSTD_reset_session_only);
        ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, ZSTD_LEVEL);
        ZSTD_CCtx_setPledgedSrcSize(z, b->total);
        b->started = true;
    }
    while (!b->ended && o.pos < o.size) {
        struct pl_slice piece = body_next(b, SIZE_MAX);
        ZSTD_inBuffer i = {piece.p, piece.len, 0};
        size_t left = ZSTD_compressStream2(z, &o, &i, piece.len > 0 ? ZSTD_e_continue : ZSTD_e_end);
        if (ZSTD_isError(left))
            return CURL_READFUNC_ABORT;
        b->at_byte -= piece.len - i.pos; /* what it did not take is read again */
        b->ended = piece.len == 0 && left == 0;
    }
    return o.pos;
}

size_t body_read(char *out, size_t size, size_t n, void *userdata)
{
    struct body *b = userdata;
    switch (b->compression) {
    case CLICKHOUSE_LZ4:
        return body_read_lz4(b, out, size * n);
    case CLICKHOUSE_ZSTD:
        return body_read_zstd(b, out, size * n);
    case CLICKHOUSE_NONE:
        break;
    }
    return body_read_plain(b, out, size * n);
}

/* curl only ever goes back to the start. */
int body_seek(void *userdata, curl_off_t offset, int origin)
{
    if (offset != 0 || origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    body_rewind(userdata);
    return CURL_SEEKFUNC_OK;
}

int64_t body_start(struct body *b, const struct iovec *iov, unsigned iov_n)
{
    b->iov = iov;
    b->iov_n = iov_n;
    b->total = 0;
    for (unsigned i = 0; i < iov_n; i++)
        b->total += iov[i].iov_len;
    b->compression = b->total > 0 ? b->configured : CLICKHOUSE_NONE;
    body_rewind(b);
    return b->compression == CLICKHOUSE_NONE ? (int64_t)b->total : -1;
}
