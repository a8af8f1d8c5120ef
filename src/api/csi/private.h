/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the CSI face share.
 *
 *   csi.c       the table of methods; one call from bytes to bytes
 *   text.c      checks bytes before protobuf-c reads them
 *   reply.c     memory and parts of answers; errors
 *   identity.c, controller.c, ...  the services
 */
#pragma once

#include "api/csi/csi.h"

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
} csi_method;

struct dol_csi {
        dol_engine *engine;
        dol_csi_mode mode;
        GArray *methods; /* of dol_grpc_method, ends with {NULL} */
};

/* csi.c's table is put together from these; each ends with {.path = NULL}. */
extern const csi_method dol_csi_identity[];

/* ---- text.c ---- */

/* protobuf-c takes strings that are not UTF-8, and cuts them at a NUL; it allocates for each of
 * a million empty elements. So a message is walked first: INVALID names the field. */
bool dol_csi_text_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
                        size_t size, GError **error);

/* ---- reply.c ---- */

/* Zeroed memory that lives until the answer is sent. */
void *dol_csi_alloc(csi_call *call, size_t size);
/* A copy of the text, likewise; "" for NULL. */
char *dol_csi_text(csi_call *call, const char *text);
