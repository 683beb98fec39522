/* Reads one value of a parameter by its type. For param.c; resources use param.h. */
#ifndef CODECMETER_V1_VALUES_H
#define CODECMETER_V1_VALUES_H

#include "v1/param.h"

/* Reads value->text, which is decoded, into the other members. 0, or the status of *problem: 400, which names the
 * parameter and what is allowed; 500 if the zones of the machine cannot be read. */
MUST_USE int v1_value_read(const struct v1_param *param, struct v1_value *value, struct v1_problem *problem);

#endif
