/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that were damaged on their way, and streams that lie: with right checksums. */
#include "base/test.h"
#include "stream/format.h"

#include <xxhash.h>
#include <zstd.h>

enum { MIB = 1 << 20, BLOCK = DOL_SIZE_GRAIN, SIZE = 64 * MIB };

static bool into_array(const void *bytes, size_t size, void *user, GError **error)
{
        g_byte_array_append(user, bytes, (unsigned)size);
        return true;
}

typedef struct {
        const uint8_t *bytes;
        size_t size, at;
} cursor;

static bool from_bytes(void *to, size_t max, size_t *ret_size, void *user, GError **error)
{
        cursor *from = user;

        *ret_size = MIN(max, from->size - from->at);
        if (*ret_size > 0) /* there may be no bytes at all */
                memcpy(to, from->bytes + from->at, *ret_size);
        from->at += *ret_size;
        return true;
}

/* true: it was whole. What it held stays within what it says. */
static bool read_all(const void *bytes, size_t size, GError **error)
{
        cursor from = {bytes, size, 0};
        g_autoptr(dol_stream_reader) reader = dol_stream_reader_new(from_bytes, &from);
        const dol_stream_header *header = dol_stream_reader_begin(reader, error);
        dol_stream_piece piece;
        uint64_t end = 0;
        bool any = true;

        if (!header)
                return false;
        for (;;) {
                if (!dol_stream_reader_next(reader, &piece, &any, error))
                        return false;
                if (!any)
                        return true;
                g_assert_cmpuint(piece.offset, >=, end);
                g_assert_cmpuint(piece.length, <=, header->size);
                end = piece.offset + piece.length;
                g_assert_cmpuint(end, <=, header->size);
                g_assert_true(!piece.bytes || piece.length <= DOL_STREAM_PIECE_MAX);
        }
}

static bool check_all(const void *bytes, size_t size, GError **error)
{
        g_autoptr(dol_stream_check) check = dol_stream_check_new();

        return dol_stream_check_feed(check, bytes, size, error) &&
               dol_stream_check_end(check, error);
}

static const dol_stream_header header = {
        .uid = (char *)"0123-abcd", .name = (char *)"db", .size = SIZE, .fs = DOL_FS_EXT4};

/* Every kind of record, 600 bytes in all. */
static GByteArray *small_stream(void)
{
        GByteArray *stream = g_byte_array_new();
        g_autoptr(dol_stream_writer) writer = dol_stream_writer_new(into_array, stream);
        uint8_t block[BLOCK] = "some text";
        dol_stream_piece pieces[] = {
                {0, BLOCK, block}, {2 * BLOCK, 5 * BLOCK, NULL}, {8 * BLOCK, BLOCK, block}};

        g_assert_true(dol_stream_writer_begin(writer, &header, NULL));
        for (unsigned i = 0; i < G_N_ELEMENTS(pieces); i++)
                g_assert_true(dol_stream_writer_add(writer, &pieces[i], NULL));
        g_assert_true(dol_stream_writer_end(writer, NULL));
        return stream;
}

static void test_every_byte_flipped(void)
{
        g_autoptr(GByteArray) stream = small_stream();
        static const uint8_t masks[] = {0x01, 0x20, 0x80, 0xff};

        g_assert_true(read_all(stream->data, stream->len, NULL));
        for (unsigned at = 0; at < stream->len; at++)
                for (unsigned i = 0; i < G_N_ELEMENTS(masks); i++) {
                        g_autoptr(GError) error = NULL, passing = NULL;

                        g_test_message("byte %u ^ %#x", at, masks[i]);
                        stream->data[at] ^= masks[i];
                        g_assert_false(read_all(stream->data, stream->len, &error));
                        g_assert_false(check_all(stream->data, stream->len, &passing));
                        stream->data[at] ^= masks[i];
                }
        g_assert_true(check_all(stream->data, stream->len, NULL));
}

static void test_every_length(void)
{
        g_autoptr(GByteArray) stream = small_stream();

        for (unsigned size = 0; size < stream->len; size++) {
                g_autofree uint8_t *exact = g_memdup2(stream->data, size);
                g_autofree char *wanted = g_strdup_printf(
                        size ? "the stream was cut off: it ends after %u bytes, without its end "
                               "record"
                             : "the stream is empty",
                        size);
                g_autoptr(GError) error = NULL, passing = NULL;

                g_assert_false(read_all(exact, size, &error));
                dol_assert_failed(error, DOL_ERROR_INVALID, wanted);
                g_assert_false(check_all(exact, size, &passing));
                dol_assert_failed(passing, DOL_ERROR_INVALID, wanted);
        }
}

/* ---- made by hand ---- */

typedef struct {
        GByteArray *stream;
        uint64_t number;
        dol_stream_totals totals;
} forge;

static void forge_begin(forge *made, uint32_t version, const char *json)
{
        uint8_t preamble[DOL_STREAM_PREAMBLE_SIZE], sum[DOL_STREAM_SUM_SIZE];

        *made = (forge){.stream = g_byte_array_new()};
        memcpy(preamble, DOL_STREAM_MAGIC, 8);
        dol_stream_put32(preamble + 8, version);
        dol_stream_put32(preamble + 12, (uint32_t)strlen(json));
        dol_stream_put64(sum, dol_stream_header_sum(preamble, json, strlen(json)));
        g_byte_array_append(made->stream, preamble, sizeof(preamble));
        g_byte_array_append(made->stream, (const uint8_t *)json, (unsigned)strlen(json));
        g_byte_array_append(made->stream, sum, sizeof(sum));
}

static void forge_clear(forge *made)
{
        g_byte_array_unref(made->stream);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(forge, forge_clear)

#define GOOD "{\"uid\":\"ab\",\"name\":\"db\",\"size\":67108864,\"fs\":\"none\"}"

static void forge_record(forge *made, uint32_t kind, uint64_t offset, uint64_t length,
                         const void *payload, uint32_t stored)
{
        dol_stream_head head = {kind, stored, offset, length, 0};
        uint8_t raw[DOL_STREAM_HEAD_SIZE];

        dol_stream_head_encode(&head, raw);
        head.sum = dol_stream_sum(made->number++, raw, payload, stored);
        dol_stream_head_encode(&head, raw);
        g_byte_array_append(made->stream, raw, sizeof(raw));
        if (stored)
                g_byte_array_append(made->stream, payload, stored);
        made->totals.records++;
        *(kind == DOL_STREAM_ZERO ? &made->totals.zero : &made->totals.data) += length;
}

static void forge_end(forge *made)
{
        XXH128_hash_t all = XXH3_128bits(made->stream->data, made->stream->len);
        uint8_t payload[DOL_STREAM_END_SIZE];

        made->totals.sum[0] = all.low64;
        made->totals.sum[1] = all.high64;
        dol_stream_totals_encode(&made->totals, payload);
        forge_record(made, DOL_STREAM_END, 0, 0, payload, sizeof(payload));
}

static void expect(const forge *made, const char *text)
{
        g_autoptr(GError) error = NULL;

        g_assert_false(read_all(made->stream->data, made->stream->len, &error));
        dol_assert_invalid(error, text);
}

static void test_hand_made_is_read(void)
{
        g_auto(forge) made = {0};
        uint8_t block[BLOCK] = {1};
        g_autoptr(GError) error = NULL;

        forge_begin(&made, 1, GOOD);
        forge_record(&made, DOL_STREAM_DATA, 0, BLOCK, block, BLOCK);
        forge_record(&made, DOL_STREAM_ZERO, BLOCK, SIZE - BLOCK, NULL, 0);
        forge_end(&made);
        g_assert_true(read_all(made.stream->data, made.stream->len, &error));
        g_assert_no_error(error);
        g_byte_array_append(made.stream, (const uint8_t *)"x", 1);
        expect(&made, "something follows its end");
}

static void test_other_versions(void)
{
        g_auto(forge) next = {0}, zero = {0};
        g_autoptr(GError) error = NULL;

        forge_begin(&next, 2, "{\"what\":\"nobody knows\"}");
        g_assert_false(read_all(next.stream->data, next.stream->len, &error));
        dol_assert_failed(error, DOL_ERROR_UNSUPPORTED,
                          "the stream has version 2 of the format, and this program reads versions "
                          "up to 1: upgrade it");
        forge_begin(&zero, 0, GOOD);
        expect(&zero, "there is no version 0");
}

static void test_bad_headers(void)
{
        static const struct {
                const char *json, *text;
        } rows[] = {
                {"{}", "uid"},
                {"not json", "header"},
                {"{\"uid\":\"ab\",\"name\":\"db\",\"size\":4096,\"fs\":\"none\",\"x\":1}", "x"},
                {"{\"uid\":\"ab\",\"name\":\"db\",\"size\":4095,\"fs\":\"none\"}", "size"},
                {"{\"uid\":\"ab\",\"name\":\"db\",\"size\":0,\"fs\":\"none\"}", "size"},
                {"{\"uid\":\"ab\",\"name\":\"db\",\"size\":9223372036854771712,\"fs\":\"none\"}",
                 "size"},
                {"{\"uid\":\"ab\",\"name\":\"db\",\"size\":4096,\"fs\":\"auto\"}", "fs"},
                {"{\"uid\":\"ab\",\"name\":\"../x\",\"size\":4096,\"fs\":\"none\"}", "name"},
                {"{\"uid\":\"/\",\"name\":\"db\",\"size\":4096,\"fs\":\"none\"}", "uid"},
                {"{\"uid\":\"ab\",\"name\":\"db\",\"size\":4096,\"fs\":\"none\","
                 "\"base\":{\"uid\":\"ab\",\"name\":\"a@b\"}}",
                 "base"},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_auto(forge) made = {0};

                forge_begin(&made, 1, rows[i].json);
                expect(&made, rows[i].text);
        }
}

static void test_a_huge_header(void)
{
        g_auto(forge) made = {0};

        forge_begin(&made, 1, GOOD);
        dol_stream_put32(made.stream->data + 12, UINT32_MAX);
        expect(&made, "a header of 4294967295 bytes");
}

static void test_ranges(void)
{
        static const struct {
                uint32_t kind;
                uint64_t offset, length;
                uint32_t stored;
                const char *text;
        } rows[] = {
                {DOL_STREAM_ZERO, 2 * BLOCK, BLOCK, 0, "begins before the end of the last"},
                {DOL_STREAM_ZERO, 0, 2 * BLOCK, 0, "begins before the end of the last"},
                {DOL_STREAM_ZERO, 3 * BLOCK, BLOCK, 0, "begins before the end of the last"},
                {DOL_STREAM_ZERO, SIZE, BLOCK, 0, "beyond the volume's size"},
                {DOL_STREAM_ZERO, SIZE - BLOCK, 2 * BLOCK, 0, "beyond the volume's size"},
                {DOL_STREAM_ZERO, SIZE - BLOCK, UINT64_MAX & ~UINT64_C(4095), 0, "beyond"},
                {DOL_STREAM_ZERO, UINT64_MAX & ~UINT64_C(4095), BLOCK, 0, "beyond"},
                {DOL_STREAM_ZERO, 4 * BLOCK, 0, 0, "empty"},
                {DOL_STREAM_ZERO, 4 * BLOCK, 512, 0, "whole blocks"},
                {DOL_STREAM_ZERO, 4 * BLOCK + 1, BLOCK, 0, "whole blocks"},
                {DOL_STREAM_ZERO, 4 * BLOCK, BLOCK, 1, "1 bytes of payload"},
                {DOL_STREAM_DATA, 4 * BLOCK, BLOCK, BLOCK - 1, "4095 bytes of payload"},
                {DOL_STREAM_DATA, 4 * BLOCK, BLOCK, 0, "0 bytes of payload"},
                {DOL_STREAM_ZSTD, 4 * BLOCK, BLOCK, BLOCK, "4096 bytes of payload"},
                {DOL_STREAM_ZSTD, 4 * BLOCK, 2 * MIB, 16, "more data in one record"},
                {DOL_STREAM_ZSTD, 4 * BLOCK, BLOCK, 16, "zstd: "},
                {DOL_STREAM_END, 0, 0, 16, "16 bytes of payload"},
                {DOL_STREAM_END, 4 * BLOCK, BLOCK, 40, "a range where there is none"},
                {DOL_STREAM_ABORT, 0, 0, 2000, "2000 bytes of payload"},
                {0, 0, 0, 0, "unknown kind 0"},
                {6, 4 * BLOCK, BLOCK, 0, "unknown kind 6"},
                {0x80000001, 4 * BLOCK, BLOCK, BLOCK, "unknown kind"},
        };
        uint8_t block[BLOCK] = {1};

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_auto(forge) made = {0};

                forge_begin(&made, 1, GOOD);
                forge_record(&made, DOL_STREAM_ZERO, 2 * BLOCK, 2 * BLOCK, NULL, 0);
                forge_record(&made, rows[i].kind, rows[i].offset, rows[i].length, block,
                             rows[i].stored);
                expect(&made, rows[i].text);
        }
}

/* A megabyte that expands to a gigabyte, and frames that give more or less than they say. */
static void test_bombs(void)
{
        g_autofree uint8_t *zeroes = g_malloc0(256 * MIB), *packed = g_malloc(MIB);
        const size_t sizes[] = {256 * MIB, BLOCK + 1, BLOCK - 1, 0};

        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
                g_auto(forge) made = {0};
                size_t size = ZSTD_compress(packed, MIB, zeroes, sizes[i], 1);

                forge_begin(&made, 1, GOOD);
                if (size >= BLOCK) /* so much payload for one block is refused before */
                        forge_record(&made, DOL_STREAM_ZSTD, 0, MIB, packed, (uint32_t)size);
                else
                        forge_record(&made, DOL_STREAM_ZSTD, 0, BLOCK, packed, (uint32_t)size);
                forge_end(&made);
                expect(&made, sizes[i] > BLOCK ? "zstd: " : "expands to less than its range");
        }
}

/* Records that were left out, repeated or exchanged, each whole by itself. */
static void test_moved_records(void)
{
        g_autoptr(GByteArray) stream = small_stream();
        size_t first = DOL_STREAM_PREAMBLE_SIZE + dol_stream_get32(stream->data + 12) +
                       DOL_STREAM_SUM_SIZE;
        size_t size = DOL_STREAM_HEAD_SIZE + dol_stream_get32(stream->data + first + 4);
        g_autoptr(GByteArray) shorter = g_byte_array_new();
        g_autoptr(GError) error = NULL;

        g_byte_array_append(shorter, stream->data, (unsigned)first);
        g_byte_array_append(shorter, stream->data + first + size,
                            (unsigned)(stream->len - first - size));
        g_assert_false(read_all(shorter->data, shorter->len, &error));
        dol_assert_invalid(error, "checksum of a record");
        g_byte_array_set_size(shorter, (unsigned)first);
        g_byte_array_append(shorter, stream->data + first, (unsigned)size);
        g_byte_array_append(shorter, stream->data + first, (unsigned)size);
        g_assert_false(read_all(shorter->data, shorter->len, &error));
        dol_assert_invalid(error, "begins before the end");
}

static void test_wrong_totals(void)
{
        for (unsigned i = 0; i < 4; i++) {
                g_auto(forge) made = {0};

                forge_begin(&made, 1, GOOD);
                forge_record(&made, DOL_STREAM_ZERO, 0, BLOCK, NULL, 0);
                made.totals.records += i == 0;
                made.totals.data += i == 1;
                made.totals.zero += i == 2;
                if (i == 3)
                        made.stream->data[0] ^= 1;
                forge_end(&made);
                made.stream->data[0] = 0x89;
                expect(&made, i == 3 ? "checksum of the whole" : "its end counts");
        }
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/stream-damage/every-byte-flipped", test_every_byte_flipped);
        g_test_add_func("/stream-damage/every-length", test_every_length);
        g_test_add_func("/stream-damage/hand-made-is-read", test_hand_made_is_read);
        g_test_add_func("/stream-damage/other-versions", test_other_versions);
        g_test_add_func("/stream-damage/bad-headers", test_bad_headers);
        g_test_add_func("/stream-damage/a-huge-header", test_a_huge_header);
        g_test_add_func("/stream-damage/ranges", test_ranges);
        g_test_add_func("/stream-damage/bombs", test_bombs);
        g_test_add_func("/stream-damage/moved-records", test_moved_records);
        g_test_add_func("/stream-damage/wrong-totals", test_wrong_totals);
        return g_test_run();
}
