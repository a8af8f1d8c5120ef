/* SPDX-License-Identifier: Apache-2.0 */
/* How each kind of document is shown. Paths are those of src/model; test-views.c checks them. */
#include "cmd/dolium/show.h"

static const dol_column volume_columns[] = {
        {"NAME", "name", dol_cell_text},
        {"SIZE", "spec.size", dol_cell_size, true},
        {"USED", "status", dol_cell_used, true},
        {"USE%", "status", dol_cell_use, true},
        {"POOL", "spec.pool", dol_cell_text},
        {"FS", "spec.fs", dol_cell_text},
        {"PHASE", "status.phase", dol_cell_text},
        {"MOUNTED-BY", "status.attachment", dol_cell_consumers},
        {"AGE", "status.created", dol_cell_age},
        {NULL},
};

static const dol_column volume_details[] = {
        {"Name", "name", dol_cell_text},
        {"UID", "uid", dol_cell_text},
        {"Phase", "status.phase", dol_cell_text},
        {"Reason", "status.reason", dol_cell_text},
        {"Labels", "labels", dol_cell_labels},
        {"Size", "spec.size", dol_cell_size},
        {"Size enforced", "status.size_enforced", dol_cell_text},
        {"Used", "status", dol_cell_used},
        {"Available", "status", dol_cell_available},
        {"Use", "status", dol_cell_use},
        {"Inodes used", "status", dol_cell_inodes},
        {"Takes in pool", "status.allocated", dol_cell_size},
        {"Pool", "spec.pool", dol_cell_text},
        {"File system", "spec.fs", dol_cell_text},
        {"FS UUID", "status.fs_uuid", dol_cell_text},
        {"Unclean", "status.unclean", dol_cell_text},
        {"Thick", "spec.thick", dol_cell_text},
        {"Owner uid", "spec.uid", dol_cell_text},
        {"Owner gid", "spec.gid", dol_cell_text},
        {"Mode", "spec.mode", dol_cell_text},
        {"Mount options", "spec.mountopts", dol_cell_text},
        {"Reads per second", "spec.read_iops", dol_cell_text},
        {"Writes per second", "spec.write_iops", dol_cell_text},
        {"Read rate", "spec.read_bps", dol_cell_size},
        {"Write rate", "spec.write_bps", dol_cell_size},
        {"Protected", "spec.protect", dol_cell_text},
        {"Kept in trash", "spec.trash", dol_cell_text},
        {"Created", "status.created", dol_cell_time},
        {"Changed", "status.changed", dol_cell_time},
        {"Trashed", "status.trashed", dol_cell_time},
        {"Expires", "status.expires", dol_cell_time},
        {"Node", "status.attachment.node", dol_cell_text},
        {"Device", "status.attachment.device", dol_cell_text},
        {"Mounted at", "status.attachment.path", dol_cell_text},
        {"Mounted since", "status.attachment.since", dol_cell_time},
        {"Mounted by", "status.attachment", dol_cell_consumers},
        {NULL},
};

const dol_view dol_volume_view = {"name", volume_columns, volume_details};

static const dol_column trash_columns[] = {
        {"NAME", "name", dol_cell_text},
        {"UID", "uid", dol_cell_text},
        {"SIZE", "spec.size", dol_cell_size, true},
        {"TAKES", "status.allocated", dol_cell_size, true},
        {"POOL", "spec.pool", dol_cell_text},
        {"DELETED", "status.trashed", dol_cell_age},
        {"EXPIRES", "status.expires", dol_cell_age},
        {NULL},
};

const dol_view dol_trash_view = {"name", trash_columns, volume_details};

static const dol_column pool_columns[] = {
        {"NAME", "name", dol_cell_text},
        {"DRIVER", "spec.driver", dol_cell_text},
        {"MEDIA", "status.media", dol_cell_text},
        {"CAPACITY", "status.capacity", dol_cell_size, true},
        {"USED", "status.used", dol_cell_size, true},
        {"AVAIL", "status.available", dol_cell_size, true},
        {"USE%", "status", dol_cell_use, true},
        {"PROMISED", "status.allocated", dol_cell_size, true},
        {"VOLUMES", "status.volumes", dol_cell_text, true},
        {"PHASE", "status.phase", dol_cell_text},
        {NULL},
};

static const dol_column pool_details[] = {
        {"Name", "name", dol_cell_text},
        {"UID", "uid", dol_cell_text},
        {"Phase", "status.phase", dol_cell_text},
        {"Reason", "status.reason", dol_cell_text},
        {"Labels", "labels", dol_cell_labels},
        {"Driver", "spec.driver", dol_cell_text},
        {"Kind", "status.kind", dol_cell_text},
        {"Path", "spec.path", dol_cell_text},
        {"Device", "spec.device", dol_cell_text},
        {"Media", "status.media", dol_cell_text},
        {"Capacity", "status.capacity", dol_cell_size},
        {"Used", "status.used", dol_cell_size},
        {"Available", "status.available", dol_cell_size},
        {"Use", "status", dol_cell_use},
        {"Reserve", "status.reserve", dol_cell_size},
        {"Promised to volumes", "status.allocated", dol_cell_size},
        {"Can still be promised", "status.allocatable", dol_cell_size},
        {"Overcommit", "spec.overcommit", dol_cell_text},
        {"Warns from", "spec.warn", dol_cell_text},
        {"Full from", "spec.full", dol_cell_text},
        {"Volumes", "status.volumes", dol_cell_text},
        {"In the trash", "status.trashed", dol_cell_text},
        {"Held by the trash", "status.trash", dol_cell_size},
        {"Created", "status.created", dol_cell_time},
        {NULL},
};

const dol_view dol_pool_view = {"name", pool_columns, pool_details};

/* The pool's name is put into each of these by the command. */
static const dol_column unknown_columns[] = {
        {"UID", "uid", dol_cell_text},
        {"NAME", "name", dol_cell_text},
        {"POOL", "pool", dol_cell_text},
        {"SIZE", "size", dol_cell_size, true},
        {"TAKES", "allocated", dol_cell_size, true},
        {"CREATED", "created", dol_cell_age},
        {"REASON", "reason", dol_cell_text},
        {NULL},
};

const dol_view dol_unknown_view = {"uid", unknown_columns, unknown_columns};

static const dol_column operation_columns[] = {
        {"UID", "uid", dol_cell_text},
        {"OPERATION", "operation", dol_cell_text},
        {"VOLUME", "volume_name", dol_cell_text},
        {"PHASE", "phase", dol_cell_text},
        {"BY", "actor", dol_cell_text},
        {"AGE", "started", dol_cell_age},
        {"TOOK", NULL, dol_cell_took},
        {"MESSAGE", "message", dol_cell_text},
        {NULL},
};

static const dol_column operation_details[] = {
        {"UID", "uid", dol_cell_text},
        {"Operation", "operation", dol_cell_text},
        {"Volume", "volume_name", dol_cell_text},
        {"Volume UID", "volume", dol_cell_text},
        {"Phase", "phase", dol_cell_text},
        {"Error", "error_kind", dol_cell_text},
        {"Message", "message", dol_cell_text},
        {"Asked by", "actor", dol_cell_text},
        {"Started", "started", dol_cell_time},
        {"Ended", "ended", dol_cell_time},
        {"Took", NULL, dol_cell_took},
        {NULL},
};

const dol_view dol_operation_view = {"uid", operation_columns, operation_details};

static const dol_column event_columns[] = {
        {"TIME", "time", dol_cell_second},     {"LEVEL", "level", dol_cell_text},
        {"REASON", "reason", dol_cell_text},   {"OBJECT", "object", dol_cell_text},
        {"NAME", "name", dol_cell_text},       {"BY", "actor", dol_cell_text},
        {"MESSAGE", "message", dol_cell_text}, {NULL},
};

const dol_view dol_event_view = {"sequence", event_columns, event_columns};

static const dol_column df_volume_columns[] = {
        {"VOLUME", "name", dol_cell_text},
        {"SIZE", "spec.size", dol_cell_size, true},
        {"USED", "status", dol_cell_used, true},
        {"AVAIL", "status", dol_cell_available, true},
        {"USE%", "status", dol_cell_use, true},
        {"POOL", "spec.pool", dol_cell_text},
        {"MOUNTED-BY", "status.attachment", dol_cell_consumers},
        {NULL},
};

const dol_view dol_df_volume_view = {"name", df_volume_columns, volume_details};

static const dol_column df_pool_columns[] = {
        {"POOL", "name", dol_cell_text},
        {"CAPACITY", "status.capacity", dol_cell_size, true},
        {"USED", "status.used", dol_cell_size, true},
        {"AVAIL", "status.available", dol_cell_size, true},
        {"USE%", "status", dol_cell_use, true},
        {"PROMISED", "status.allocated", dol_cell_size, true},
        {"PROMISABLE", "status.allocatable", dol_cell_size, true},
        {"TRASH", "status.trash", dol_cell_size, true},
        {"VOLUMES", "status.volumes", dol_cell_text, true},
        {NULL},
};

const dol_view dol_df_pool_view = {"name", df_pool_columns, pool_details};

static const dol_column snapshot_columns[] = {
        {"NAME", "reference", dol_cell_text},
        {"SIZE", "size", dol_cell_size, true},
        {"OWN", "exclusive", dol_cell_size, true},
        {"SHARED", "shared", dol_cell_size, true},
        {"CONSISTENCY", "consistency", dol_cell_text},
        {"PHASE", "phase", dol_cell_text},
        {"MOUNTED-BY", "attachment", dol_cell_consumers},
        {"AGE", "created", dol_cell_age},
        {NULL},
};

static const dol_column snapshot_details[] = {
        {"Name", "reference", dol_cell_text},
        {"UID", "uid", dol_cell_text},
        {"Volume UID", "volume", dol_cell_text},
        {"Phase", "phase", dol_cell_text},
        {"Labels", "labels", dol_cell_labels},
        {"Protected", "protect", dol_cell_text},
        {"Group", "group", dol_cell_text},
        {"Schedule", "schedule", dol_cell_text},
        {"Consistency", "consistency", dol_cell_text},
        {"Size", "size", dol_cell_size},
        {"Own", "exclusive", dol_cell_size},
        {"Shared", "shared", dol_cell_size},
        {"Extents", "extents", dol_cell_text},
        {"Writers waited (us)", "frozen_usec", dol_cell_text},
        {"File system", "fs", dol_cell_text},
        {"FS UUID", "fs_uuid", dol_cell_text},
        {"Created", "created", dol_cell_time},
        {"Device", "attachment.device", dol_cell_text},
        {"Mounted at", "attachment.path", dol_cell_text},
        {"Mounted by", "attachment", dol_cell_consumers},
        {NULL},
};

const dol_view dol_snapshot_view = {"reference", snapshot_columns, snapshot_details};

static const dol_column range_columns[] = {
        {"OFFSET", "offset", dol_cell_text, true},
        {"LENGTH", "length", dol_cell_text, true},
        {"DATA", "data", dol_cell_text},
        {NULL},
};

const dol_view dol_range_view = {"offset", range_columns, range_columns};

static const dol_column file_columns[] = {
        {"MODE", NULL, dol_cell_mode},
        {"UID", "uid", dol_cell_text, true},
        {"GID", "gid", dol_cell_text, true},
        {"SIZE", "size", dol_cell_size, true},
        {"MODIFIED", "modified", dol_cell_second},
        {"PATH", NULL, dol_cell_path},
        {NULL},
};

const dol_view dol_file_view = {"path", file_columns, file_columns};

static const dol_column file_change_columns[] = {
        {"CHANGE", "change", dol_cell_text},   {"TYPE", "type", dol_cell_text},
        {"SIZE", "size", dol_cell_size, true}, {"PATH", "path", dol_cell_text},
        {"FROM", "from", dol_cell_text},       {NULL},
};

const dol_view dol_file_change_view = {"path", file_change_columns, file_change_columns};
static const dol_column schedule_columns[] = {
        {"NAME", "name", dol_cell_text},
        {"EVERY", "spec.every", dol_cell_list},
        {"VOLUMES", "status.volumes", dol_cell_text, true},
        {"SNAPSHOTS", "status.snapshots", dol_cell_text, true},
        {"NEXT", "status.next", dol_cell_age},
        {"LAST", "status.last", dol_cell_age},
        {"FAILED", "status.failures", dol_cell_text, true},
        {"MESSAGE", "status.message", dol_cell_text},
        {NULL},
};

static const dol_column schedule_details[] = {
        {"Name", "name", dol_cell_text},
        {"UID", "uid", dol_cell_text},
        {"Every", "spec.every", dol_cell_list},
        {"Volumes", "spec.volumes", dol_cell_list},
        {"Volumes with labels", "spec.label", dol_cell_text},
        {"Volumes now", "status.volumes", dol_cell_text},
        {"Time zone", "spec.timezone", dol_cell_text},
        {"At one moment", "spec.group", dol_cell_text},
        {"No freeze", "spec.no_freeze", dol_cell_text},
        {"Paused", "spec.paused", dol_cell_text},
        {"Snapshots", "status.snapshots", dol_cell_text},
        {"Due to go, but held", "status.held", dol_cell_list},
        {"Next run", "status.next", dol_cell_time},
        {"Last run", "status.last", dol_cell_time},
        {"Last success", "status.last_success", dol_cell_time},
        {"Failed in a row", "status.failures", dol_cell_text},
        {"Message", "status.message", dol_cell_text},
        {"Under way", "status.run.name", dol_cell_text},
        {"Failed attempts", "status.run.attempts", dol_cell_text},
        {"Tried again", "status.run.retry", dol_cell_time},
        {"Created", "status.created", dol_cell_time},
        {"Changed", "status.changed", dol_cell_time},
        {NULL},
};

const dol_view dol_schedule_view = {"name", schedule_columns, schedule_details};
