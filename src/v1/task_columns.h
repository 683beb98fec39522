/* The columns of the resource "task": a table apart, because its object has many members. */
#ifndef CODECMETER_V1_TASK_COLUMNS_H
#define CODECMETER_V1_TASK_COLUMNS_H

#include "v1/resource.h"

extern const struct v1_column v1_task_columns[]; /* ends with {0} */

#endif
