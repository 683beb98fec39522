/* JSON Schemas from the tables of parameters, columns, members and fields. JSON Schema counts the characters of a
 * text and the tables count bytes, so a text that the schema allows can still be too long. */
#ifndef CODECMETER_OPENAPI_SCHEMA_H
#define CODECMETER_OPENAPI_SCHEMA_H

#include "api/describe.h"
#include "base/member.h"
#include "openapi/write.h"
#include "v1/resource.h"

/* One parameter object of a GET, as an element of the open list. where: "query" or "path". */
void schema_param(struct doc *doc, const struct v1_param *param, const char *where);

/* The members of the open schema of an object whose columns begin with this prefix ("" at the top). */
void schema_columns(struct doc *doc, const struct v1_column *columns, struct str prefix);
/* A property of the open `properties` for one column; its name is what follows the prefix. */
void schema_column(struct doc *doc, const struct v1_column *columns, const struct v1_column *column,
                   struct str prefix);

/* A property of the open `properties`. An object (MEMBER_OBJECT) refers to the component `object`. */
void schema_member(struct doc *doc, const struct member *member, const char *object);

/* Properties of the open `properties`. */
void schema_api_params(struct doc *doc, const struct api_param *params);
void schema_api_fields(struct doc *doc, const struct api_field *fields);
/* Elements of the open `required`. */
void schema_api_required(struct doc *doc, const struct api_param *params);
void schema_api_required_fields(struct doc *doc, const struct api_field *fields);

/* Members of an open schema. */
void schema_text(struct doc *doc, int64_t least, int64_t most); /* most 0: no bound */
void schema_integer(struct doc *doc, int64_t least, int64_t most);
void schema_plain_integer(struct doc *doc);

/* The pattern of the names of a family such as "label.". */
void schema_family(struct doc *doc, const char *name, struct str family);

#endif
