/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC's own encodings. The server itself is tested with real clients: tests/csi. */
#include "net/grpc-private.h"

#include <string.h>
#include <zlib.h>

static void test_timeouts(void)
{
        static const struct {
                const char *text;
                int64_t usec; /* -1 = refused */
        } rows[] = {
                {"0S", 0},        {"5S", 5000000},
                {"1M", 60000000}, {"2H", INT64_C(7200000000)},
                {"7m", 7000},     {"8u", 8},
                {"1999n", 1},     {"99999999H", INT64_C(99999999) * 3600 * 1000000},
                {"", -1},         {"5", -1},
                {"S", -1},        {"123456789S", -1},
                {"-5S", -1},      {" 5S", -1},
                {"5 S", -1},      {"5SS", -1},
                {"5s", -1},       {"0x5S", -1},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                int64_t usec = -1;

                g_assert_cmpint(dol_grpc_timeout_parse(rows[i].text, &usec), ==, rows[i].usec >= 0);
                g_assert_cmpint(usec, ==, rows[i].usec);
        }
}

static void test_percent_encoding(void)
{
        static const struct {
                const char *plain, *encoded;
        } rows[] = {
                {"", ""},
                {"volume 'x' does not exist", "volume 'x' does not exist"},
                {"100%", "100%25"},
                {"a\nb\r\t", "a%0Ab%0D%09"},
                {"\xc3\xa9", "%C3%A9"},
                {"~\x7f", "~%7F"},
        };
        g_autofree char *huge = g_strnfill(100000, '\n');
        g_autofree char *encoded = dol_grpc_percent_encode(huge);

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autofree char *is = dol_grpc_percent_encode(rows[i].plain);

                g_assert_cmpstr(is, ==, rows[i].encoded);
        }
        g_assert_cmpuint(strlen(encoded), <, 5000);
}

/* A framed message with these flags; its size as said or, for -1, as it is. */
static GByteArray *framed(uint8_t flags, int64_t said, const void *bytes, size_t size)
{
        uint32_t length = (uint32_t)(said < 0 ? (int64_t)size : said);
        uint8_t prefix[5] = {flags, (uint8_t)(length >> 24), (uint8_t)(length >> 16),
                             (uint8_t)(length >> 8), (uint8_t)length};

        return g_byte_array_append(g_byte_array_append(g_byte_array_new(), prefix, 5), bytes,
                                   (guint)size);
}

static void expect_refused(GByteArray *taken, const char *encoding, size_t max, int code,
                           const char *text)
{
        g_autoptr(GByteArray) body = taken;
        GByteArray *message = NULL;
        g_autoptr(GError) error = NULL;
        int is = 0;

        g_assert_false(dol_grpc_unframe(body, encoding, max, &message, &is, &error));
        g_assert_null(message);
        g_assert_cmpint(is, ==, code);
        g_assert_nonnull(strstr(error->message, text));
}

static void expect_message(GByteArray *taken, const char *encoding, const void *bytes, size_t size)
{
        g_autoptr(GByteArray) body = taken;
        g_autoptr(GByteArray) message = NULL;
        g_autoptr(GError) error = NULL;
        int code = 0;

        g_assert_true(dol_grpc_unframe(body, encoding, 1 << 20, &message, &code, &error));
        g_assert_no_error(error);
        g_assert_cmpmem(message->data, message->len, bytes, size);
}

static void test_framing(void)
{
        expect_message(framed(0, -1, "", 0), NULL, "", 0);
        expect_message(framed(0, -1, "abc", 3), "gzip", "abc", 3);
        expect_refused(g_byte_array_new(), NULL, 100, DOL_GRPC_INTERNAL, "no message");
        expect_refused(framed(0, 4, "abc", 3), NULL, 100, DOL_GRPC_INTERNAL, "cut off");
        expect_refused(framed(0, 2, "abc", 3), NULL, 100, DOL_GRPC_INTERNAL, "more than one");
        expect_refused(framed(2, -1, "abc", 3), NULL, 100, DOL_GRPC_INTERNAL, "unknown flags");
        expect_refused(framed(0, UINT32_MAX, "abc", 3), NULL, 100, DOL_GRPC_RESOURCE_EXHAUSTED,
                       "too large");
        expect_refused(framed(0, -1, "abc", 3), NULL, 2, DOL_GRPC_RESOURCE_EXHAUSTED, "too large");
}

/* Of zeroes, as gzip or zlib (`window_bits` of zlib.h). */
static GByteArray *compressed(size_t size, int window_bits)
{
        g_autofree uint8_t *plain = g_malloc0(size + 1), *out = g_malloc(size + 1024);
        z_stream stream = {.next_in = plain,
                           .avail_in = (uInt)size,
                           .next_out = out,
                           .avail_out = (uInt)size + 1024};
        GByteArray *body;

        g_assert_cmpint(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY),
                        ==, Z_OK);
        g_assert_cmpint(deflate(&stream, Z_FINISH), ==, Z_STREAM_END);
        body = framed(1, -1, out, stream.total_out);
        deflateEnd(&stream);
        return body;
}

static void test_compression(void)
{
        g_autofree uint8_t *zeroes = g_malloc0(100000);
        GByteArray *longer = compressed(1000, 31), *shorter = compressed(1000, 31);

        expect_message(compressed(100000, 31), "gzip", zeroes, 100000);
        expect_message(compressed(100000, 15), "deflate", zeroes, 100000);
        expect_message(compressed(0, 31), "gzip", "", 0);
        expect_refused(compressed(64 << 20, 31), "gzip", 1 << 20, DOL_GRPC_RESOURCE_EXHAUSTED,
                       "too large when decompressed");
        expect_refused(compressed(100, 31), NULL, 1000, DOL_GRPC_INTERNAL, "does not say how");
        expect_refused(compressed(100, 31), "br", 1000, DOL_GRPC_UNIMPLEMENTED, "expected");
        expect_refused(compressed(100, 15), "gzip", 1000, DOL_GRPC_INTERNAL, "damaged");
        g_byte_array_append(longer, (const uint8_t *)"x", 1);
        longer->data[4]++;
        expect_refused(longer, "gzip", 1000, DOL_GRPC_INTERNAL, "bytes follow");
        g_byte_array_set_size(shorter, shorter->len - 1);
        shorter->data[4]--;
        expect_refused(shorter, "gzip", 1000, DOL_GRPC_INTERNAL, "damaged");
}

static void test_allowance(void)
{
        dol_grpc_allowance allowance = {0};
        unsigned allowed = 0;

        while (allowed < 1000 && dol_grpc_allow(&allowance, 20, 1))
                allowed++;
        g_assert_cmpuint(allowed, >=, 20);
        g_assert_cmpuint(allowed, <, 30);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/grpc-wire/timeouts", test_timeouts);
        g_test_add_func("/grpc-wire/percent-encoding", test_percent_encoding);
        g_test_add_func("/grpc-wire/framing", test_framing);
        g_test_add_func("/grpc-wire/compression", test_compression);
        g_test_add_func("/grpc-wire/allowance", test_allowance);
        return g_test_run();
}
