/* Administration of a running server's adapters and its quarantine. Only for admin.c, which has these commands in its
 * table. */
#ifndef CODECMETER_ADMIN_ADMIN_ADAPTER_H
#define CODECMETER_ADMIN_ADMIN_ADAPTER_H

#include "admin/admin.h"
#include "base/json.h"

/* Items: {"name":…,"origin":…,"notices":n,…}, one for each adapter. */
int admin_adapter_list(const struct admin *admin, const struct json *request, struct json_write *items,
                       struct err *err);
/* Reads the notices named in "ids" again, and reports their outputs. Items: {"id":…,"adapter":…,"result":…,
 * "stored":n,…,"reason":…}; the result is "left", "stays", or "unknown" if there is none. A notice leaves the
 * quarantine when all of its outputs have an answer that is not "rejected". */
int admin_adapter_retry(const struct admin *admin, const struct json *request, struct json_write *items,
                        struct err *err);
/* Removes the notices named in "ids". Items: {"id":…,"result":"dropped"} or "unknown". */
int admin_adapter_drop(const struct admin *admin, const struct json *request, struct json_write *items,
                       struct err *err);

#endif
