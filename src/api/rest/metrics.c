/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics, in Prometheus' text format (version 0.0.4). Sizes are bytes, times seconds. */
#include "api/rest/private.h"

#include "base/clock.h"
#include "base/file.h"

#include <unistd.h>

static void head(GString *to, const char *name, const char *type, const char *help)
{
        g_string_append_printf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void append_label(GString *to, const char *name, const char *value)
{
        g_string_append_printf(to, "%s=\"", name);
        for (const char *c = value ? value : ""; *c; c++) {
                if (*c == '"' || *c == '\\')
                        g_string_append_c(to, '\\');
                g_string_append_c(to, *c);
        }
        g_string_append_c(to, '"');
}

static void number(GString *to, const char *name, const char *help, uint64_t value)
{
        head(to, name, "gauge", help);
        g_string_append_printf(to, "%s %" G_GUINT64_FORMAT "\n", name, value);
}

/* ---- pools ---- */

static const struct {
        const char *name, *help;
        size_t offset; /* of a uint64_t in dol_pool_status */
} pool_rows[] = {
        {"dolium_pool_capacity_bytes", "Size of the pool's file system.",
         offsetof(dol_pool_status, capacity)},
        {"dolium_pool_used_bytes", "Bytes in use in the pool.", offsetof(dol_pool_status, used)},
        {"dolium_pool_available_bytes", "Bytes free in the pool.",
         offsetof(dol_pool_status, available)},
        {"dolium_pool_allocated_bytes", "Sum of the sizes promised to volumes.",
         offsetof(dol_pool_status, allocated)},
        {"dolium_pool_trash_bytes", "Bytes held by trashed volumes.",
         offsetof(dol_pool_status, trash)},
        {"dolium_pool_volumes", "Volumes in the pool.", offsetof(dol_pool_status, volumes)},
};

static void append_pools(GString *to, dol_engine *engine)
{
        g_autoptr(GPtrArray) pools = dol_engine_pool_list(engine);

        for (unsigned row = 0; row < G_N_ELEMENTS(pool_rows); row++) {
                head(to, pool_rows[row].name, "gauge", pool_rows[row].help);
                for (unsigned i = 0; i < pools->len; i++) {
                        const dol_pool_record *pool = pools->pdata[i];
                        const char *status = (const char *)&pool->status;
                        const void *value = status + pool_rows[row].offset;

                        g_string_append_printf(to, "%s{", pool_rows[row].name);
                        append_label(to, "pool", pool->name);
                        g_string_append_printf(to, "} %" G_GUINT64_FORMAT "\n",
                                               *(const uint64_t *)value);
                }
        }
        head(to, "dolium_pool_ready", "gauge", "1 when the pool can be used.");
        for (unsigned i = 0; i < pools->len; i++) {
                const dol_pool_record *pool = pools->pdata[i];

                g_string_append(to, "dolium_pool_ready{");
                append_label(to, "pool", pool->name);
                g_string_append_printf(to, "} %d\n", pool->status.phase == DOL_POOL_READY);
        }
}

/* ---- volumes in use ---- */

static bool collect(const dol_volume *volume, void *user)
{
        if (volume->status.attachment)
                g_ptr_array_add(user, dol_volume_copy(volume));
        return true;
}

static void free_volume(void *data)
{
        dol_volume_free(data);
}

static void append_volume(GString *to, const char *name, const dol_volume *volume, uint64_t value)
{
        g_string_append_printf(to, "%s{", name);
        append_label(to, "volume", volume->name);
        g_string_append_c(to, ',');
        append_label(to, "pool", volume->spec.pool);
        g_string_append_printf(to, "} %" G_GUINT64_FORMAT "\n", value);
}

static const struct {
        const char *name, *help;
        size_t offset;  /* of a uint64_t in dol_volume_io */
        double divisor; /* to the unit of the name */
} io_rows[] = {
        {"dolium_volume_reads_total", "Read requests on the device of a volume in use.",
         offsetof(dol_volume_io, reads), 1},
        {"dolium_volume_read_bytes_total", "Bytes read on the device of a volume in use.",
         offsetof(dol_volume_io, read_bytes), 1},
        {"dolium_volume_read_seconds_total", "Time that these reads took, summed up.",
         offsetof(dol_volume_io, read_usec), 1e6},
        {"dolium_volume_writes_total", "Write requests on the device of a volume in use.",
         offsetof(dol_volume_io, writes), 1},
        {"dolium_volume_written_bytes_total", "Bytes written on the device of a volume in use.",
         offsetof(dol_volume_io, write_bytes), 1},
        {"dolium_volume_write_seconds_total", "Time that these writes took, summed up.",
         offsetof(dol_volume_io, write_usec), 1e6},
};

static void append_io(GString *to, const GPtrArray *volumes)
{
        for (unsigned row = 0; row < G_N_ELEMENTS(io_rows); row++) {
                head(to, io_rows[row].name, "counter", io_rows[row].help);
                for (unsigned i = 0; i < volumes->len; i++) {
                        const dol_volume *volume = volumes->pdata[i];
                        const char *io = (const char *)volume->status.io;
                        const void *value;

                        if (!io)
                                continue;
                        value = io + io_rows[row].offset;
                        g_string_append_printf(to, "%s{", io_rows[row].name);
                        append_label(to, "volume", volume->name);
                        g_string_append_c(to, ',');
                        append_label(to, "pool", volume->spec.pool);
                        g_string_append_printf(to, "} %.16g\n",
                                               (double)*(const uint64_t *)value /
                                                       io_rows[row].divisor);
                }
        }
}

/* Only those in use: the others do not change, and there may be very many. */
static void append_volumes(GString *to, dol_engine *engine)
{
        g_autoptr(GPtrArray) volumes = g_ptr_array_new_with_free_func(free_volume);
        dol_volume_filter filter = {.phase = DOL_VOLUME_AVAILABLE};
        bool more;

        dol_engine_list(engine, &filter, collect, volumes, &more, NULL);
        head(to, "dolium_volume_size_bytes", "gauge", "Size of a volume in use.");
        for (unsigned i = 0; i < volumes->len; i++) {
                const dol_volume *volume = volumes->pdata[i];

                append_volume(to, "dolium_volume_size_bytes", volume, volume->spec.size);
        }
        head(to, "dolium_volume_used_bytes", "gauge", "Bytes used in a volume in use.");
        for (unsigned i = 0; i < volumes->len; i++) {
                const dol_volume *volume = volumes->pdata[i];

                append_volume(to, "dolium_volume_used_bytes", volume, volume->status.used);
        }
        append_io(to, volumes);
}

/* ---- operations and the process ---- */

static void append_operations(GString *to, const dol_engine_counters *counters)
{
        head(to, "dolium_operations_total", "counter", "Operations ended since the start.");
        for (unsigned i = 0; dol_operation_words[i]; i++)
                g_string_append_printf(
                        to,
                        "dolium_operations_total{operation=\"%s\",result=\"done\"} "
                        "%" G_GUINT64_FORMAT "\n"
                        "dolium_operations_total{operation=\"%s\",result=\"failed\"} "
                        "%" G_GUINT64_FORMAT "\n",
                        dol_operation_words[i], counters->operations_done[i],
                        dol_operation_words[i], counters->operations_failed[i]);
        head(to, "dolium_operation_seconds_total", "counter", "Time spent in operations.");
        for (unsigned i = 0; dol_operation_words[i]; i++)
                g_string_append_printf(to,
                                       "dolium_operation_seconds_total{operation=\"%s\"} %.6f\n",
                                       dol_operation_words[i], (double)counters->usec[i] / 1e6);
}

static void append_process(GString *to, const dol_rest *rest)
{
        g_autofree char *statm = dol_file_read_line("/proc/self/statm", NULL);
        g_auto(GStrv) pages = g_strsplit(statm ? statm : "0 0", " ", -1);

        number(to, "process_resident_memory_bytes", "Resident memory of doliumd.",
               g_ascii_strtoull(pages[1], NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE));
        number(to, "dolium_uptime_seconds", "Seconds since doliumd started.",
               (uint64_t)((dol_monotonic_usec() - rest->started_usec) / DOL_USEC_PER_SEC));
        head(to, "dolium_build_info", "gauge", "Version of doliumd.");
        g_string_append(to, "dolium_build_info{version=\"" DOL_VERSION "\"} 1\n");
}

DOL_REST_HANDLER(metrics)
{
        dol_engine *engine = dol_rest_engine(user, error);
        dol_engine_counters counters;
        GString *text;

        if (!engine)
                return false;
        text = g_string_new(NULL);
        dol_engine_count(engine, &counters);
        number(text, "dolium_volumes", "Volumes, without the trash.", counters.volumes);
        number(text, "dolium_volumes_trashed", "Volumes in the trash.", counters.trashed);
        number(text, "dolium_volumes_attached", "Volumes in use on this node.", counters.attached);
        number(text, "dolium_consumers", "Who uses them.", counters.consumers);
        number(text, "dolium_operations_running", "Operations under way.",
               counters.operations_running);
        append_operations(text, &counters);
        append_pools(text, engine);
        append_volumes(text, engine);
        append_process(text, user);
        dol_http_reply_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", text);
        return true;
}
