/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the CSI face share.
 *
 *   csi.c       the table of methods; one call from bytes to bytes
 *   pending.c   one request at a time about one thing
 *   text.c      checks bytes before protobuf-c reads them
 *   reply.c     memory and parts of answers
 *   volume.c    volumes, as the messages have them
 *   capability.c, parameters.c  what a volume shall be and how it is used
 *   identity.c, controller*.c, group.c, metadata.c, node*.c  the services
 */
#pragma once

#include "api/csi/csi.h"

#include "base/guard.h"

#include <csi.pb-c.h>

/* One call. */
typedef struct {
        dol_csi *csi;
        dol_call call;
        dol_grpc_request *request;
        GPtrArray *memory; /* of the answer; freed when it was sent */
} csi_call;

/* One method: what is asked, what is answered, and who does it. `answer` is filled with memory of
 * dol_csi_alloc, or of anything that outlives the call. */
typedef struct {
        dol_csi_mode mode; /* served in this one and in DOL_CSI_ALL; DOL_CSI_NONE = in each */
        const char *path;
        const ProtobufCMessageDescriptor *asked, *answered;
        bool (*handle)(csi_call *call, const void *asked, void *answer, GError **error);
        bool streams; /* it sends its answers itself, with dol_csi_send */
} csi_method;

struct dol_csi {
        dol_engine *engine;
        dol_csi_mode mode;
        GArray *methods; /* of dol_grpc_method, ends with {NULL} */

        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t freed;
        GHashTable *pending; /* keys of what is being worked on; a set */
};

/* csi.c's table is put together from these; each ends with {.path = NULL}. */
extern const csi_method dol_csi_identity[];
extern const csi_method dol_csi_controller[];
extern const csi_method dol_csi_controller_publish[];
extern const csi_method dol_csi_controller_lists[];
extern const csi_method dol_csi_controller_snapshots[];
extern const csi_method dol_csi_group[];
extern const csi_method dol_csi_metadata[];
extern const csi_method dol_csi_node[];
extern const csi_method dol_csi_node_about[];

/* A row of such a table: service, method as its path and as its messages are called, function. */
#define DOL_CSI_ROW(mode, service, name, lower, handle)                                      \
        {                                                                                    \
                mode, "/csi.v1." service "/" #name, &csi__v1__##lower##_request__descriptor, \
                        &csi__v1__##lower##_response__descriptor, handle                     \
        }

/* The segment of topology that says which node a volume is on. */
#define DOL_CSI_NODE_SEGMENT "csi.dolium.io/node"

/* ---- csi.c ---- */

/* Sends one message of a stream. */
bool dol_csi_send(csi_call *call, const ProtobufCMessage *answer, GError **error);

/* ---- pending.c ---- */

/* What is being worked on; released at the end of its scope. */
typedef struct {
        dol_csi *csi;
        char *key;
} csi_pending;

/* From now on the call is the only one about `key`, and goes on when its client has gone: the same
 * request again finds the result. NULL and ABORTED when another one is at work for longer than
 * the client (or a second) waits. */
csi_pending *dol_csi_begin(csi_call *call, const char *key, GError **error);
void dol_csi_end(csi_pending *pending); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(csi_pending, dol_csi_end)

/* ---- text.c ---- */

/* protobuf-c takes strings that are not UTF-8, and cuts them at a NUL; it allocates for each of
 * a million empty elements. So a message is walked first: INVALID names the field. */
bool dol_csi_text_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
                        size_t size, GError **error);
/* A field that must be there, of at most 128 bytes. */
bool dol_csi_required(const char *field, const char *value, GError **error);

/* ---- reply.c ---- */

/* Zeroed memory that lives until the answer is sent. */
void *dol_csi_alloc(csi_call *call, size_t size);
/* A copy of the text, likewise; "" for NULL. */
char *dol_csi_text(csi_call *call, const char *text);
/* An empty message of this kind, likewise. */
void *dol_csi_message(csi_call *call, const ProtobufCMessageDescriptor *descriptor);
/* Fails with this code in place of the kind's. */
bool dol_csi_fail(csi_call *call, int code, GError **error, const char *format, ...)
        G_GNUC_PRINTF(4, 5);
/* An error of this kind gets this code. Always false. */
bool dol_csi_recode(csi_call *call, GError **error, dol_error_kind kind, int code);

/* ---- volume.c ---- */

/* The volume of this id; INVALID without one, NOT_FOUND also when it is in the trash. */
dol_volume *dol_csi_find(csi_call *call, const char *volume_id, GError **error);
/* "uid:<id>". g_free it. */
char *dol_csi_reference(const char *id);
/* As the messages have it. */
Csi__V1__Volume *dol_csi_volume(csi_call *call, const dol_volume *volume);
Csi__V1__VolumeCondition *dol_csi_condition(csi_call *call, const dol_volume *volume);
/* Where ControllerPublishVolume has attached it: this node or none. */
char **dol_csi_published_nodes(csi_call *call, const dol_volume *volume, size_t *ret_count);
/* The consumer's id of a ControllerPublishVolume. g_free it. */
char *dol_csi_node_consumer(const csi_call *call);
Csi__V1__Topology *dol_csi_topology(csi_call *call);
/* true when the topology is on this node; also when it says nothing. */
bool dol_csi_is_here(csi_call *call, const Csi__V1__Topology *topology);

/* ---- capability.c ---- */

/* Can a volume be used so? INVALID says what cannot be. `volume` NULL: one that is to be made. */
bool dol_csi_capability_check(const Csi__V1__VolumeCapability *capability, const dol_volume *volume,
                              GError **error);
/* All of them, at least one, and all for a file system or all for a device. */
bool dol_csi_capabilities_check(Csi__V1__VolumeCapability **capabilities, size_t count,
                                const dol_volume *volume, GError **error);
bool dol_csi_is_block(const Csi__V1__VolumeCapability *capability);
/* One publishing only, and no client of another kind beside it. */
bool dol_csi_is_exclusive(const Csi__V1__VolumeCapability *capability);
/* The mode alone lets nobody write. */
bool dol_csi_is_reader(const Csi__V1__VolumeCapability *capability);
/* "SINGLE_NODE_WRITER,mount,ro": kept with the consumer. g_free it. */
char *dol_csi_terms(const Csi__V1__VolumeCapability *capability, bool read_only);

/* ---- controller-snapshots.c ---- */

/* true when the volume has snapshots. */
bool dol_csi_has_snapshots(csi_call *call, const dol_volume *volume);
/* As the messages have it. */
Csi__V1__Snapshot *dol_csi_snapshot(csi_call *call, const dol_snapshot *snapshot);
Csi__V1__Timestamp *dol_csi_timestamp(csi_call *call, int64_t usec);
/* A label of a snapshot; NULL without it. */
const char *dol_csi_snapshot_label(const dol_snapshot *snapshot, const char *key);
/* The label with the id of the group that a snapshot was taken in. */
#define DOL_CSI_GROUP_LABEL "csi.dolium.io/group"
/* One parameter of a snapshot: only labels are known, INVALID names any other. */
bool dol_csi_snapshot_parameter(GHashTable **labels, const char *key, const char *value,
                                GError **error);

/* ---- parameters.c ---- */

/* One parameter of CreateVolume into a volume that says nothing yet. INVALID names it. */
bool dol_csi_parameter(dol_volume *want, const char *key, const char *value, GError **error);
/* Kubernetes' own "csi.storage.k8s.io/..." become labels; false when it is none of these. */
bool dol_csi_parameter_label(GHashTable **labels, const char *key, const char *value);
/* The label that keeps a name as CSI has it. */
#define DOL_CSI_NAME_LABEL "csi.dolium.io/name"
void dol_csi_label(GHashTable **labels, const char *key, const char *value);
/* What CSI allows in names and we do not becomes a digest; the name itself is a label then. */
char *dol_csi_name(const char *name, bool is_fine, GHashTable **labels);
