/* The routes that take reports, and that of this document: one row each. tests/system/test_openapi.py compares the
 * rows with the server's routes. */
#include "adapt/adapter.h"
#include "base/check.h"
#include "openapi/openapi.h"
#include "openapi/parts.h"
#include "openapi/schema.h"

/* ---- what they take ---- */

#define EVENT_EXAMPLE                                                                                             \
  "{\"source\":\"farm-7\",\"id\":\"job-4711/720p\",\"type\":\"transcode.finished\",\"subject\":\"org-demo\","     \
  "\"time\":\"2026-01-31T12:00:00+08:00\",\"data\":{\"codec\":\"h264\",\"width\":1280,\"height\":720,\"duration_" \
  "ms\":20033}}"
#define CLOUD_EXAMPLE                                                                                         \
  "{\"specversion\":\"1.0\",\"source\":\"farm-7\",\"id\":\"job-4712/thumbs\",\"type\":\"snapshot.finished\"," \
  "\"subject\":\"org-demo\",\"time\":\"2026-01-31T12:00:00+08:00\",\"data\":{\"image_count\":12}}"
#define EVENT_SCHEMA "{\"$ref\":\"#/components/schemas/Event\"}"
#define CLOUD_SCHEMA "{\"allOf\":[" EVENT_SCHEMA ",{\"required\":[\"specversion\"]}]}"

struct content {
  const char *type, *schema, *example; /* JSON */
  const char *const *help;             /* NULL: the schema says all */
};

static const char *const lines_help[] = {"one event on each line", "每行一个事件"};

static const struct content event_contents[] = {
    {"application/json", "{\"anyOf\":[" EVENT_SCHEMA ",{\"type\":\"array\",\"items\":" EVENT_SCHEMA "}]}",
     EVENT_EXAMPLE, NULL},
    {"application/cloudevents+json", CLOUD_SCHEMA, CLOUD_EXAMPLE, NULL},
    {"application/cloudevents-batch+json", "{\"type\":\"array\",\"items\":" CLOUD_SCHEMA "}", "[" CLOUD_EXAMPLE "]",
     NULL},
    {"application/x-ndjson", NULL,
     "\"{\\\"source\\\":\\\"farm-7\\\",\\\"id\\\":\\\"job-4713/hls\\\",\\\"type\\\":\\\"remux.finished\\\","
     "\\\"subject\\\":\\\"org-demo\\\",\\\"time\\\":\\\"2026-01-31T12:00:00Z\\\",\\\"data\\\":{\\\"duration\\\":61.5}"
     "}\\n\"",
     lines_help},
    {0},
};

static const struct content notice_contents[] = {
    {"application/json", "{\"type\":\"object\"}",
     "{\"task_id\":\"1265\",\"retcode\":0,\"dest_video_name\":\"a_720p.mp4\",\"width\":1280,\"height\":720,"
     "\"duration\":20.033}",
     NULL},
    {0},
};

static const struct content agent_contents[] = {
    {"application/json", "{\"$ref\":\"#/components/schemas/AgentReport\"}",
     "{\"agent\":\"packager-1\",\"command\":\"packager\",\"interval_ms\":60000,\"spooled\":0}", NULL},
    {0},
};

/* ---- their parameters ---- */

/* Its help goes on with the names of the built-in adapters. */
static const struct v1_param adapter_segment = {
    .name = "name",
    .type = V1_TEXT,
    .least = 1,
    .most = ADAPTER_NAME_MAX,
    .example = "umedia",
    .help = {"the adapter: one of the server's settings, or one that is built in: ",
             "适配器：服务器设置里的，或内置的："}};

static const struct v1_param adapter_params[] = {
    {.name = "project",
     .type = V1_TEXT,
     .least = 1,
     .most = PROJECT_ID_MAX,
     .example = "org-demo",
     .help = {"the project of all outputs. Needed unless the token is for one project",
              "所有输出所属的项目。除非令牌只属于一个项目，否则必须给出"}},
    {.name = "source",
     .type = V1_TEXT,
     .least = 1,
     .most = SOURCE_MAX,
     .example = "umedia",
     .help = {"the source of the events. Absent: the adapter's own", "事件的 source。不给：适配器自己的"}},
    {.name = "id",
     .type = V1_TEXT,
     .least = 1,
     .most = EVENT_ID_MAX,
     .example = "job-4711/720p",
     .help = {"the id of the event, for adapters whose notices have none", "事件的 id，用于通知里没有编号的适配器"}},
    {.name = "time",
     .type = V1_TEXT,
     .pattern = "^([0-9]+|[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ].+)$",
     .least = 1,
     .most = 64,
     .example = "2026-01-31T12:00:00Z",
     .help =
         {"when the outputs were finished: RFC 3339, or Unix seconds. Absent: what the notice says, else the time of "
          "arrival",
          "输出完成的时间：RFC 3339 或 Unix 秒。不给：通知里的时间，否则为到达时间"}},
    {0},
};

static const struct v1_param document_params[] = {
    {.name = "lang",
     .type = V1_CHOICE,
     .choices = "en zh",
     .preset = "en",
     .example = "zh",
     .help = {"the language of the descriptions", "说明所用的语言"}},
    {0},
};

/* ---- the table ---- */

struct route {
  const char *path;
  struct operation operation;
  const struct v1_param *segment, *params;  /* NULL: none */
  const struct content *contents;           /* of the body; NULL: it takes none */
  const char *outcomes;                     /* the statuses that answer with `answer`, with blanks */
  const char *answer;                       /* a component, or NULL: an object */
  const char *example;                      /* of the answer */
  const char *bare;                         /* statuses without a body; NULL: none */
  const char *problems;
};

#define EVENTS_EXAMPLE "{\"stored\":1,\"duplicate\":0,\"conflict\":0,\"rejected\":0,\"results\":[]}"
#define REPORT_PROBLEMS "400 401 403 413 415 503"
#define TEXTS(english, chinese) ((const char *const[]){english, chinese})

static const struct route routes[] = {
    {.path = "/v1/events",
     .operation =
         {.method = "post",
          .id = "reportEvents",
          .tag = "Reporting",
          .kind = "report",
          .door = DOOR_BEARER,
          .summary = TEXTS("Reports finished outputs, and takes records back", "上报完成的输出，或撤销记录"),
          .description = TEXTS(
              "One event for each output. source and id together name it; each such pair counts once, so repeat "
              "a report until it is answered. A batch that could be read is answered 200, even if events were "
              "rejected; a single event 409 for a conflict and 422 if it is rejected. CloudEvents' binary mode "
              "(headers ce-…, the body is the data) and Content-Encoding gzip work too. OPTIONS answers "
              "CloudEvents' abuse protection for webhooks.",
              "每个输出一个事件，由 source 和 id 标识，每一对只计一次；没有收到响应就重发。能读懂的一批事件都返回 "
              "200，"
              "即使其中有被拒绝的；单个事件冲突时为 409，被拒绝时为 422。也接受 CloudEvents 的二进制模式"
              "（ce-… 请求头，请求体为 data）和 Content-Encoding gzip。OPTIONS 响应 CloudEvents 的 webhook "
              "防滥用检查。")},
     .contents = event_contents,
     .outcomes = "200 409 422",
     .answer = "Outcomes",
     .example = EVENTS_EXAMPLE,
     .problems = REPORT_PROBLEMS},
    {.path = "/v1/adapters/{name}",
     .operation =
         {.method = "post",
          .id = "reportNotice",
          .tag = "Reporting",
          .kind = "report",
          .door = DOOR_BEARER_OR_URL,
          .summary = TEXTS("Takes the notice of a transcoding service", "接收转码服务的通知"),
          .description =
              TEXTS("An adapter makes an event of each output in the notice. A notice that could be read is answered "
                    "200, because its sender would only repeat it; the body says what became of its outputs.",
                    "适配器把通知里的每个输出变成一个事件。能读懂的通知都返回 200，否则发送方只会重发；"
                    "响应里说明每个输出的处理结果。")},
     .segment = &adapter_segment,
     .params = adapter_params,
     .contents = notice_contents,
     .outcomes = "200",
     .answer = "NoticeOutcomes",
     .example =
         "{\"stored\":0,\"duplicate\":0,\"conflict\":0,\"rejected\":0,\"results\":[{\"index\":0,"
         "\"id\":\"1265/a_720p.mp4\",\"outcome\":\"unresolved\",\"reason\":\"codec: not in the notice; the output "
         "counts once `codecmeter unresolved resolve` supplies it\"}],\"unresolved\":1,\"resolved\":0,"
         "\"ignored\":[]}",
     .problems = "400 401 403 404 413 415 503"},
    {.path = "/v1/agents",
     .operation = {.method = "post",
                   .id = "reportAgent",
                   .tag = "Reporting",
                   .kind = "report",
                   .door = DOOR_BEARER,
                   .summary = TEXTS("Reports how an agent is, so that its silence is noticed",
                                    "上报代理的状态，便于发现停止上报的代理"),
                   .description =
                       TEXTS("An object of at most 4096 bytes. It counts no usage. The answer is the server's time.",
                             "最多 4096 字节的对象，不计用量。响应是服务器的时间。")},
     .contents = agent_contents,
     .outcomes = "200",
     .answer = "ServerTime",
     .example = "{\"time\":\"2026-11-28T03:00:00.123Z\"}",
     .problems = "400 401 403 413 415 429 503"},
    {.path = "/api/v1/events",
     .operation = {.method = "post",
                   .id = "reportEventsOpenMeter",
                   .tag = "Reporting",
                   .kind = "report",
                   .door = DOOR_BEARER,
                   .summary = TEXTS("Reports finished outputs, for clients of OpenMeter",
                                    "上报完成的输出，供 OpenMeter 的客户端使用"),
                   .description =
                       TEXTS("As /v1/events; but 204 without a body if every event is stored or a duplicate.",
                             "与 /v1/events 相同；但所有事件都已入库或重复时返回 204，没有响应体。")},
     .contents = event_contents,
     .outcomes = "200 409 422",
     .answer = "Outcomes",
     .example = EVENTS_EXAMPLE,
     .bare = "204",
     .problems = REPORT_PROBLEMS},
    {.path = "/openapi.json",
     .operation = {.method = "get",
                   .id = "openapi",
                   .tag = "Server",
                   .kind = "server",
                   .door = DOOR_OPEN,
                   .summary = TEXTS("This document", "本文档"),
                   .description = TEXTS("It has nothing of the instance but the program's version. HEAD works too.",
                                        "除了程序版本，不含这台服务器的任何信息。也接受 HEAD。")},
     .params = document_params,
     .outcomes = "200",
     .bare = "304",
     .problems = "400 503"},
};
#define ROUTES (sizeof routes / sizeof routes[0])

/* ---- writing ---- */

static const char *const body_help[] = {"what became of it", "处理结果"};
static const char *const bare_help[] = {"nothing more to say: every event counts, or the answer has not changed",
                                        "没有更多内容：所有事件都已计入，或响应没有变化"};

/* The names are in the help, and not in the schema, which must allow those of the settings too. */
static void put_adapter_segment(struct doc *doc, const struct v1_param *segment) {
  SCOPED(buf_fini) struct buf help = {0};
  const char *name;
  buf_text(&help, segment->help[doc->language]);
  for (size_t i = 0; (name = adapters_built_in(i)) != NULL; i++)
    buf_printf(&help, "%s%s", i > 0 ? ", " : "", name);
  buf_char(&help, '\0');
  struct v1_param with_names = *segment;
  with_names.help[doc->language] = help.ptr;
  schema_param(doc, &with_names, "path");
}

static void put_params(struct doc *doc, const struct route *route) {
  if (route->segment == NULL && route->params == NULL) return;
  json_write_list(doc->json, "parameters");
  if (route->segment != NULL) put_adapter_segment(doc, route->segment);
  for (const struct v1_param *param = route->params; param->name != NULL; param++)
    schema_param(doc, param, "query");
  json_write_end(doc->json);
}

static void put_content(struct doc *doc, const struct content *content) {
  json_write_object(doc->json, content->type);
  if (content->schema != NULL) {
    json_write_raw(doc->json, "schema", str_of(content->schema));
  } else {
    json_write_object(doc->json, "schema");
    json_write_text(doc->json, "type", "string");
    doc_say(doc, "description", content->help);
    json_write_end(doc->json);
  }
  json_write_raw(doc->json, "example", str_of(content->example));
  json_write_end(doc->json);
}

static void put_body(struct doc *doc, const struct content *contents) {
  if (contents == NULL) return;
  json_write_object(doc->json, "requestBody");
  json_write_bool(doc->json, "required", true);
  json_write_object(doc->json, "content");
  for (; contents->type != NULL; contents++)
    put_content(doc, contents);
  json_write_end(doc->json);
  json_write_end(doc->json);
}

static void put_outcome(struct doc *doc, const struct route *route, const char *status, bool is_first) {
  json_write_object(doc->json, status);
  doc_say(doc, "description", body_help);
  headers_refer(doc, "X-UCLOUD-REQUEST-UUID");
  json_write_object(doc->json, "content");
  json_write_object(doc->json, "application/json");
  if (route->answer != NULL)
    doc_refer(doc, "schema", "schemas", route->answer);
  else
    json_write_raw(doc->json, "schema", STR("{\"type\":\"object\"}"));
  if (is_first && route->example != NULL) json_write_raw(doc->json, "example", str_of(route->example));
  json_write_end(doc->json);
  json_write_end(doc->json);
  json_write_end(doc->json);
}

static void put_responses(struct doc *doc, const struct route *route) {
  struct str rest = str_of(route->outcomes);
  json_write_object(doc->json, "responses");
  for (struct str word = doc_next_word(&rest); word.len > 0; word = doc_next_word(&rest)) {
    char status[8];
    bool fits = str_copy(word, status, sizeof status);
    CHECK(fits);
    put_outcome(doc, route, status, word.ptr == route->outcomes);
  }
  if (route->bare != NULL) {
    json_write_object(doc->json, route->bare);
    doc_say(doc, "description", bare_help);
    json_write_end(doc->json);
  }
  problems_refer(doc, route->problems);
  json_write_end(doc->json);
}

void reports_paths(struct doc *doc) {
  for (const struct route *route = routes; route < routes + ROUTES; route++) {
    operation_open(doc, route->path, &route->operation);
    put_params(doc, route);
    put_body(doc, route->contents);
    put_responses(doc, route);
    operation_close(doc);
  }
}
