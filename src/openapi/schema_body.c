/* What the tables of reports and of the signed API say, as JSON Schema. */
#include "base/check.h"
#include "openapi/schema.h"

/* ---- members of reports ---- */

static bool is_json(const struct member *member) {
  return member->type != MEMBER_TEXT && member->type != MEMBER_TIME;
}

static void put_member_type(struct doc *doc, const struct member *member) {
  switch (member->type) {
    case MEMBER_TEXT:
      schema_text(doc, member->least, member->most);
      if (member->choices != NULL) doc_words(doc, "enum", member->choices);
      break;
    case MEMBER_INTEGER:
      schema_integer(doc, member->least, member->most);
      break;
    case MEMBER_DECIMAL:
      doc_text(doc, "type", "number");
      doc_integer(doc, "minimum", member->least);
      doc_integer(doc, "maximum", member->most);
      break;
    case MEMBER_RATE:
      doc_json(doc, "type", "[\"number\",\"string\"]");
      doc_integer(doc, "exclusiveMinimum", member->least);
      doc_integer(doc, "maximum", member->most);
      doc_text(doc, "pattern", "^[0-9]+([./][0-9]+)?$");
      break;
    case MEMBER_TIME:
      doc_text(doc, "type", "string");
      doc_text(doc, "format", "date-time");
      break;
    case MEMBER_TEXTS:
      doc_text(doc, "type", "object");
      doc_integer(doc, "maxProperties", member->most);
      doc_json(doc, "additionalProperties", "{\"type\":\"string\"}");
      break;
    case MEMBER_OBJECT:
      CHECK(!"refers to a component");
      break;
  }
}

void schema_member(struct doc *doc, const struct member *member, const char *object) {
  doc_open(doc, member->name);
  if (member->type == MEMBER_OBJECT) {
    SCOPED(buf_fini) struct buf address = {0};
    buf_printf(&address, "#/components/schemas/%s", object);
    doc_str(doc, "$ref", buf_view(&address));
  } else {
    put_member_type(doc, member);
  }
  if (member->example != NULL) {
    doc_open_list(doc, "examples");
    if (is_json(member))
      doc_json(doc, NULL, member->example);
    else
      doc_text(doc, NULL, member->example);
    doc_close_list(doc);
  }
  doc_say(doc, "description", member->help);
  doc_close(doc);
}

/* ---- the signed API ---- */

static void put_api_value(struct doc *doc, const struct api_param *param) {
  if (param->type == API_INT) {
    schema_integer(doc, param->least, param->most);
    return;
  }
  CHECK(param->type == API_TEXT);
  schema_text(doc, param->is_required || param->least > 0, param->most);
}

void schema_api_params(struct doc *doc, const struct api_param *params) {
  for (const struct api_param *param = params; param->name != NULL; param++) {
    doc_open(doc, param->name);
    put_api_value(doc, param);
    doc_open_list(doc, "examples");
    if (param->type == API_INT)
      doc_json(doc, NULL, param->example);
    else
      doc_text(doc, NULL, param->example);
    doc_close_list(doc);
    doc_say(doc, "description", param->help);
    doc_close(doc);
  }
}

void schema_api_required(struct doc *doc, const struct api_param *params) {
  for (; params->name != NULL; params++) {
    if (params->is_required) doc_text(doc, NULL, params->name);
  }
}

void schema_api_required_fields(struct doc *doc, const struct api_field *fields) {
  for (; fields->name != NULL; fields++) {
    doc_text(doc, NULL, fields->name);
  }
}

/* An object without a table is always {}. */
static void put_object(struct doc *doc, const struct api_field *members) {
  doc_text(doc, "type", "object");
  if (members != NULL) {
    doc_open(doc, "properties");
    schema_api_fields(doc, members);
    doc_close(doc);
    doc_open_list(doc, "required");
    schema_api_required_fields(doc, members);
    doc_close_list(doc);
  }
  doc_bool(doc, "additionalProperties", false);
}

static void put_field_type(struct doc *doc, const struct api_field *field) {
  switch (field->type) {
    case API_TEXT:
      doc_text(doc, "type", "string");
      break;
    case API_INT:
      schema_plain_integer(doc);
      break;
    case API_BOOL:
      doc_text(doc, "type", "boolean");
      break;
    case API_OBJECT:
      put_object(doc, field->members);
      break;
    case API_LIST:
      doc_text(doc, "type", "array");
      if (field->members == NULL) doc_integer(doc, "maxItems", 0);
      doc_open(doc, "items");
      put_object(doc, field->members);
      doc_close(doc);
      break;
  }
}

void schema_api_fields(struct doc *doc, const struct api_field *fields) {
  for (; fields->name != NULL; fields++) {
    doc_open(doc, fields->name);
    put_field_type(doc, fields);
    doc_say(doc, "description", fields->help);
    doc_close(doc);
  }
}
