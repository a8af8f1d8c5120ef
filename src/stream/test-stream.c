/* SPDX-License-Identifier: Apache-2.0 */
/* What is written is read again, through sources that give any number of bytes at a time. */
#include "base/test.h"
#include "stream/format.h"

enum { MIB = 1 << 20, BLOCK = DOL_SIZE_GRAIN };

static bool into_array(const void *bytes, size_t size, void *user, GError **error)
{
        g_byte_array_append(user, bytes, (unsigned)size);
        return true;
}

typedef struct {
        const GByteArray *stream;
        size_t at;
        size_t step; /* so much at a time, at most */
} cursor;

static bool from_array(void *to, size_t max, size_t *ret_size, void *user, GError **error)
{
        cursor *from = user;

        *ret_size = MIN(MIN(max, from->step), from->stream->len - from->at);
        memcpy(to, from->stream->data + from->at, *ret_size);
        from->at += *ret_size;
        return true;
}

static dol_stream_point monday = {(char *)"aa-11", (char *)"monday"};
static dol_stream_point tuesday = {(char *)"bb-22", (char *)"tuesday"};

static const dol_stream_header header = {
        .uid = (char *)"0123-abcd",
        .name = (char *)"db \"quoted\"",
        .size = 64 * MIB,
        .fs = DOL_FS_XFS,
        .snapshot = &tuesday,
        .base = &monday,
        .data = 5 * MIB,
        .created = 1700000000 * INT64_C(1000000),
};

/* A picture of 64 MiB: noise, text, zeroes within data, zero ranges, and gaps. */
static uint8_t *make_image(void)
{
        uint8_t *image = g_malloc0(64 * MIB);
        uint32_t seed = 1;

        for (unsigned i = 0; i < 2 * MIB; i++)
                image[3 * MIB + i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
        for (unsigned i = 0; i < 3 * MIB; i++)
                image[20 * MIB + i] = "the same words again "[i % 21];
        memset(image + 21 * MIB, 0, MIB);
        image[63 * MIB + BLOCK] = 'x';
        return image;
}

static bool add(dol_stream_writer *writer, uint64_t offset, uint64_t length, const uint8_t *image)
{
        dol_stream_piece piece = {offset, length, image ? image + offset : NULL};

        return dol_stream_writer_add(writer, &piece, NULL);
}

static GByteArray *write_image(const uint8_t *image)
{
        GByteArray *stream = g_byte_array_new();
        g_autoptr(dol_stream_writer) writer = dol_stream_writer_new(into_array, stream);
        g_autoptr(GError) error = NULL;

        g_assert_true(dol_stream_writer_begin(writer, &header, &error));
        g_assert_no_error(error);
        for (unsigned i = 0; i < 2; i++)
                g_assert_true(add(writer, (3 + i) * MIB, MIB, image));
        g_assert_true(add(writer, 8 * MIB, 4 * MIB, NULL));
        g_assert_true(add(writer, 12 * MIB, BLOCK, NULL));
        for (unsigned i = 0; i < 3; i++)
                g_assert_true(add(writer, (20 + i) * MIB, MIB, image));
        g_assert_true(add(writer, 63 * MIB, 2 * BLOCK, image));
        g_assert_true(dol_stream_writer_end(writer, &error));
        return stream;
}

static void check_header(const dol_stream_header *found)
{
        g_assert_cmpstr(found->uid, ==, header.uid);
        g_assert_cmpstr(found->name, ==, header.name);
        g_assert_cmpuint(found->size, ==, header.size);
        g_assert_cmpint(found->fs, ==, header.fs);
        g_assert_cmpuint(found->data, ==, header.data);
        g_assert_cmpint(found->created, ==, header.created);
        g_assert_cmpstr(found->snapshot->name, ==, "tuesday");
        g_assert_cmpstr(found->base->uid, ==, "aa-11");
}

static void test_there_and_back(void)
{
        g_autofree uint8_t *image = make_image(), *copy = g_malloc(64 * MIB);
        g_autoptr(GByteArray) stream = write_image(image);
        const size_t steps[] = {SIZE_MAX, 1000, 7};

        g_assert_cmpuint(stream->len, <, 5 * MIB / 2); /* 2 MiB are noise */
        for (unsigned i = 0; i < G_N_ELEMENTS(steps); i++) {
                cursor from = {stream, 0, steps[i]};
                g_autoptr(dol_stream_reader) reader = dol_stream_reader_new(from_array, &from);
                const dol_stream_header *found = dol_stream_reader_begin(reader, NULL);
                g_autoptr(GError) error = NULL;
                dol_stream_piece piece;
                uint64_t zeroes = 0;
                bool any;

                g_assert_nonnull(found);
                check_header(found);
                memset(copy, 0, 64 * MIB);
                while (dol_stream_reader_next(reader, &piece, &any, &error) && any) {
                        if (piece.bytes)
                                memcpy(copy + piece.offset, piece.bytes, piece.length);
                        else
                                zeroes += piece.length;
                }
                g_assert_no_error(error);
                g_assert_true(memcmp(image, copy, 64 * MIB) == 0);
                g_assert_cmpuint(zeroes, ==, 5 * MIB + BLOCK); /* 1 MiB of data was all zeroes */
        }
}

static void test_passing_by(void)
{
        g_autofree uint8_t *image = make_image();
        g_autoptr(GByteArray) stream = write_image(image);
        const size_t steps[] = {MIB, 1000, 7};
        uint64_t done, all;

        for (unsigned i = 0; i < G_N_ELEMENTS(steps); i++) {
                g_autoptr(dol_stream_check) check = dol_stream_check_new();
                g_autoptr(GError) error = NULL;

                dol_stream_check_progress(check, &done, &all);
                g_assert_cmpuint(done + all, ==, 0);
                for (size_t at = 0; at < stream->len; at += steps[i]) {
                        g_assert_false(dol_stream_check_end(check, NULL));
                        g_assert_true(dol_stream_check_feed(
                                check, stream->data + at, MIN(steps[i], stream->len - at), &error));
                        g_assert_no_error(error);
                }
                g_assert_true(dol_stream_check_end(check, &error));
                dol_stream_check_progress(check, &done, &all);
                g_assert_cmpuint(all, ==, 5 * MIB);
                g_assert_cmpuint(done, ==, 9 * MIB + 3 * BLOCK);
                g_assert_false(dol_stream_check_feed(check, "x", 1, &error));
                dol_assert_invalid(error, "something follows its end");
        }
}

static void test_the_writer_gives_up(void)
{
        g_autoptr(GByteArray) stream = g_byte_array_new();
        g_autoptr(dol_stream_writer) writer = dol_stream_writer_new(into_array, stream);
        g_autoptr(dol_stream_check) check = dol_stream_check_new();
        g_autofree char *why = g_strnfill(5000, 'y');
        cursor from = {stream, 0, SIZE_MAX};
        g_autoptr(dol_stream_reader) reader = dol_stream_reader_new(from_array, &from);
        g_autoptr(GError) error = NULL;
        dol_stream_piece piece;
        bool any;

        memcpy(why, "the disk failed", 15);
        g_assert_true(dol_stream_writer_begin(writer, &header, NULL));
        g_assert_true(add(writer, 0, BLOCK, NULL));
        g_assert_true(dol_stream_writer_abort(writer, why, NULL));
        g_assert_nonnull(dol_stream_reader_begin(reader, &error));
        g_assert_false(dol_stream_reader_next(reader, &piece, &any, &error));
        g_assert_true(dol_error_is(error, DOL_ERROR_UNAVAILABLE));
        g_assert_nonnull(strstr(error->message, "gave up: the disk failed"));
        g_clear_error(&error);
        g_assert_false(dol_stream_check_feed(check, stream->data, stream->len, &error));
        g_assert_true(dol_error_is(error, DOL_ERROR_UNAVAILABLE));
}

static bool full(const void *bytes, size_t size, void *user, GError **error)
{
        return dol_fail(error, DOL_ERROR_NO_SPACE, "the disk is full");
}

static void test_the_sink_fails(void)
{
        g_autoptr(dol_stream_writer) writer = dol_stream_writer_new(full, NULL);
        g_autoptr(GError) error = NULL;

        g_assert_false(dol_stream_writer_begin(writer, &header, &error));
        dol_assert_failed(error, DOL_ERROR_NO_SPACE, "the disk is full");
}

static void test_bad_headers_are_not_written(void)
{
        g_autoptr(GByteArray) stream = g_byte_array_new();
        g_autoptr(dol_stream_writer) writer = dol_stream_writer_new(into_array, stream);
        g_autoptr(GError) error = NULL;
        dol_stream_header wrong = header;

        wrong.size = 64 * MIB + 1;
        g_assert_false(dol_stream_writer_begin(writer, &wrong, &error));
        dol_assert_invalid(error, "size:");
        wrong = header;
        wrong.fs = DOL_FS_DIRECTORY;
        g_assert_false(dol_stream_writer_begin(writer, &wrong, &error));
        dol_assert_invalid(error, "fs: expected ext4, xfs or none, got 'directory'");
        wrong = header;
        wrong.uid = (char *)"../etc";
        g_assert_false(dol_stream_writer_begin(writer, &wrong, &error));
        dol_assert_invalid(error, "uid:");
        g_assert_cmpuint(stream->len, ==, 0);
}

int main(int argc, char **argv)
{
        dol_test_init(&argc, &argv);
        g_test_add_func("/stream/there-and-back", test_there_and_back);
        g_test_add_func("/stream/passing-by", test_passing_by);
        g_test_add_func("/stream/the-writer-gives-up", test_the_writer_gives_up);
        g_test_add_func("/stream/the-sink-fails", test_the_sink_fails);
        g_test_add_func("/stream/bad-headers-are-not-written", test_bad_headers_are_not_written);
        return g_test_run();
}
