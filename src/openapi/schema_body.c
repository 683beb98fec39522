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
      json_write_text(doc->json, "type", "number");
      json_write_i64(doc->json, "minimum", member->least);
      json_write_i64(doc->json, "maximum", member->most);
      break;
    case MEMBER_RATE:
      json_write_raw(doc->json, "type", STR("[\"number\",\"string\"]"));
      json_write_i64(doc->json, "exclusiveMinimum", member->least);
      json_write_i64(doc->json, "maximum", member->most);
      json_write_text(doc->json, "pattern", "^[0-9]+([./][0-9]+)?$");
      break;
    case MEMBER_TIME:
      json_write_text(doc->json, "type", "string");
      json_write_text(doc->json, "format", "date-time");
      break;
    case MEMBER_TEXTS:
      json_write_text(doc->json, "type", "object");
      json_write_i64(doc->json, "maxProperties", member->most);
      json_write_raw(doc->json, "additionalProperties", STR("{\"type\":\"string\"}"));
      break;
    case MEMBER_OBJECT:
      CHECK(!"refers to a component");
      break;
  }
}

void schema_member(struct doc *doc, const struct member *member, const char *object) {
  json_write_object(doc->json, member->name);
  if (member->type == MEMBER_OBJECT) {
    SCOPED(buf_fini) struct buf address = {0};
    buf_printf(&address, "#/components/schemas/%s", object);
    json_write_str(doc->json, "$ref", buf_view(&address));
  } else {
    put_member_type(doc, member);
  }
  if (member->example != NULL) {
    json_write_list(doc->json, "examples");
    if (is_json(member))
      json_write_raw(doc->json, NULL, str_of(member->example));
    else
      json_write_text(doc->json, NULL, member->example);
    json_write_end(doc->json);
  }
  doc_say(doc, "description", member->help);
  json_write_end(doc->json);
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
    json_write_object(doc->json, param->name);
    put_api_value(doc, param);
    json_write_list(doc->json, "examples");
    if (param->type == API_INT)
      json_write_raw(doc->json, NULL, str_of(param->example));
    else
      json_write_text(doc->json, NULL, param->example);
    json_write_end(doc->json);
    doc_say(doc, "description", param->help);
    json_write_end(doc->json);
  }
}

void schema_api_required(struct doc *doc, const struct api_param *params) {
  for (; params->name != NULL; params++) {
    if (params->is_required) json_write_text(doc->json, NULL, params->name);
  }
}

void schema_api_required_fields(struct doc *doc, const struct api_field *fields) {
  for (; fields->name != NULL; fields++) {
    json_write_text(doc->json, NULL, fields->name);
  }
}

/* An object without a table is always {}. */
static void put_object(struct doc *doc, const struct api_field *members) {
  json_write_text(doc->json, "type", "object");
  if (members != NULL) {
    json_write_object(doc->json, "properties");
    schema_api_fields(doc, members);
    json_write_end(doc->json);
    json_write_list(doc->json, "required");
    schema_api_required_fields(doc, members);
    json_write_end(doc->json);
  }
  json_write_bool(doc->json, "additionalProperties", false);
}

static void put_field_type(struct doc *doc, const struct api_field *field) {
  switch (field->type) {
    case API_TEXT:
      json_write_text(doc->json, "type", "string");
      break;
    case API_INT:
      schema_plain_integer(doc);
      break;
    case API_BOOL:
      json_write_text(doc->json, "type", "boolean");
      break;
    case API_OBJECT:
      put_object(doc, field->members);
      break;
    case API_LIST:
      json_write_text(doc->json, "type", "array");
      if (field->members == NULL) json_write_i64(doc->json, "maxItems", 0);
      json_write_object(doc->json, "items");
      put_object(doc, field->members);
      json_write_end(doc->json);
      break;
  }
}

void schema_api_fields(struct doc *doc, const struct api_field *fields) {
  for (; fields->name != NULL; fields++) {
    json_write_object(doc->json, fields->name);
    put_field_type(doc, fields);
    doc_say(doc, "description", fields->help);
    json_write_end(doc->json);
  }
}
