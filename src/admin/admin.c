#include "admin/admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "admin/admin_adapter.h"
#include "admin/admin_parts.h"
#include "admin/admin_token.h"
#include "auth/keyring.h"
#include "auth/token.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/json_write.h"
#include "ingest/commit/answer.h"
#include "ingest/read/fields.h"
#include "meter/rfc3339.h"
#include "settings/config.h"

#define REQUEST_DEPTH_MAX 5 /* a request, its events, an event, its data, their labels */
#define REPLY_LEAST 4096 /* bytes that are there before a command is executed: its error fits */
#define REQUEST_ARENA_MAX ((size_t)4 << 20)
#define ZONE_DATE_SIZE 40 /* room for any three ints */

/* ---- items of a reply ---- */

/* Leaves the item open. */
static void begin_project(struct json_write *items, const struct project *project) {
  json_write_object(items, NULL);
  json_write_text(items, "id", project->id);
  json_write_text(items, "name", project->name);
  json_write_text(items, "time_zone", project->zone);
  json_write_bool(items, "default", project->is_default);
  SCOPED(buf_fini) struct buf labels = {0};
  for (size_t i = 0; i < project->labels_count; i++)
    buf_printf(&labels, "%s%s", i > 0 ? "," : "", project->labels[i]);
  json_write_str(items, "labels", buf_view(&labels));
  admin_put_time(items, "created", project->created_ms);
}

static void put_project(struct json_write *items, const struct project *project) {
  begin_project(items, project);
  json_write_end(items);
}

static int put_key_projects(struct json_write *items, const struct catalogue *catalogue, const char *public_key) {
  char(*ids)[PROJECT_ID_MAX + 1] = NULL;
  size_t count;
  int result = catalogue_key_projects(catalogue, str_of(public_key), &ids, &count);
  if (result != 0) return result;
  json_write_list(items, "projects");
  for (size_t i = 0; i < count; i++)
    json_write_text(items, NULL, ids[i]);
  json_write_end(items);
  free(ids);
  return 0;
}

/* private_key: NULL if it is not shown. It is shown only when the key is created. */
static int put_key(struct json_write *items, const struct catalogue *catalogue, const struct key *key,
                   const char *private_key) {
  json_write_object(items, NULL);
  json_write_text(items, "public_key", key->public_key);
  if (private_key != NULL) json_write_text(items, "private_key", private_key);
  json_write_bool(items, "disabled", key->disabled);
  json_write_bool(items, "sub_account", key->sub_account);
  int result = put_key_projects(items, catalogue, key->public_key);
  admin_put_time(items, "created", key->created_ms);
  json_write_end(items);
  return result;
}

/* ---- projects ---- */

/* "org-" and 8 random hex digits, like the ids of the hosted service. */
static int make_project_id(char out[PROJECT_ID_MAX + 1], struct err *err) {
  uint8_t bytes[4];
  int result = digest_random(bytes, sizeof bytes, err);
  memcpy(out, "org-", 4);
  if (result == 0) bytes_hex(bytes, sizeof bytes, out + 4);
  return result;
}

/* "team,show"; "-" declares none. Whether the names are valid is decided with the change. */
static int read_labels(const struct json *request, struct change *change, struct err *err) {
  struct str rest = json_member_text(request, "labels");
  struct project *project = &change->project;
  if (rest.len == 0) return 0;
  change->set |= CHANGE_SET_LABELS;
  if (str_equal(rest, STR("-"))) return 0;
  while (rest.len > 0) {
    struct str name = str_cut(&rest, ',');
    bool fits = project->labels_count < PROJECT_LABELS_MAX;
    if (!fits) return err_set(err, ERR_RANGE, "--labels names more than %d labels", PROJECT_LABELS_MAX);
    if (!str_copy(str_trim(name), project->labels[project->labels_count], sizeof project->labels[0]))
      return err_set(err, ERR_RANGE, "the name of a label is longer than %d bytes", LABEL_NAME_MAX);
    project->labels_count++;
  }
  return 0;
}

static int read_project(const struct json *request, struct change *change, struct err *err) {
  int result = admin_member_copy(request, "id", change->project.id, sizeof change->project.id, err);
  if (result == 0) result = admin_member_copy(request, "name", change->project.name, sizeof change->project.name, err);
  if (result == 0) result = admin_member_copy(request, "time_zone", change->project.zone, sizeof change->project.zone, err);
  if (result == 0) result = read_labels(request, change, err);
  change->project.is_default = admin_member_flag(request, "default");
  if (change->project.name[0] != '\0') change->set |= CHANGE_SET_NAME;
  if (change->project.zone[0] != '\0') change->set |= CHANGE_SET_ZONE;
  if (change->project.is_default) change->set |= CHANGE_SET_DEFAULT;
  return result;
}

static int show_project(const struct admin *admin, const char *id, struct json_write *items, struct err *err) {
  struct project project;
  if (!catalogue_project(admin->catalogue, str_of(id), &project)) {
    return err_set(err, ERR_INTERNAL, "project %s is not in the catalogue after the change", id);
  }
  put_project(items, &project);
  return 0;
}

static int project_create(const struct admin *admin, const struct json *request, struct json_write *items,
                          struct err *err) {
  struct change change = {.type = CHANGE_PROJECT_CREATE};
  int result = read_project(request, &change, err);
  if (result == 0) result = admin_choose_zone(admin, change.project.zone, err);
  if (result == 0 && change.project.id[0] == '\0') result = make_project_id(change.project.id, err);
  if (result == 0) result = admin->change(admin->arg, &change, err);
  return result == 0 ? show_project(admin, change.project.id, items, err) : result;
}

/* ---- moving days ---- */

static void date_text(int32_t day, char out[ZONE_DATE_SIZE]) {
  int year, month, date;
  zone_date_from_day(day, &year, &month, &date);
  (void)snprintf(out, ZONE_DATE_SIZE, "%04d-%02d-%02d", year, month, date);
}

/* Finds what a change of the zone moves: nothing if the zone stays the same. */
static int find_move(const struct admin *admin, const struct change *change, struct ledger_zone_move *ret,
                     struct err *err) {
  const struct zone *to;
  struct project project;
  *ret = (struct ledger_zone_move){0};
  if ((change->set & CHANGE_SET_ZONE) == 0) return 0;
  if (!catalogue_project(admin->catalogue, str_of(change->project.id), &project))
    return 0; /* the change itself reports it */
  if (strcmp(project.zone, change->project.zone) == 0) return 0;
  int result = zone_find(str_of(change->project.zone), &to, err);
  return result == 0 ? ledger_zone_move(admin->ledger, &project, to, ret, err) : result;
}

static int refuse_move(const struct change *change, const struct ledger_zone_move *move, struct err *err) {
  char first[ZONE_DATE_SIZE], last[ZONE_DATE_SIZE];
  date_text(move->first_day, first);
  date_text(move->last_day, last);
  return err_set(
      err, ERR_DENIED,
      "project %s has usage: in %s the totals of %u days change (%s to %s); %llu tasks, %llu seconds, move to "
      "another day. Bills of these days will differ. To change the zone all the same, add --force",
      change->project.id, change->project.zone, move->days, first, last, (unsigned long long)move->tasks,
      (unsigned long long)move->seconds);
}

static void put_move(struct json_write *item, const struct ledger_zone_move *move) {
  char first[ZONE_DATE_SIZE], last[ZONE_DATE_SIZE];
  date_text(move->first_day, first);
  date_text(move->last_day, last);
  json_write_object(item, "moved");
  json_write_u64(item, "days", move->days);
  json_write_text(item, "first_day", first);
  json_write_text(item, "last_day", last);
  json_write_u64(item, "tasks", move->tasks);
  json_write_u64(item, "seconds", move->seconds);
  json_write_end(item);
}

static int show_set_project(const struct admin *admin, const char *id, const struct ledger_zone_move *move,
                            struct json_write *items, struct err *err) {
  struct project project;
  if (!catalogue_project(admin->catalogue, str_of(id), &project)) {
    return err_set(err, ERR_INTERNAL, "project %s is not in the catalogue after the change", id);
  }
  begin_project(items, &project);
  if (move->days > 0) put_move(items, move);
  json_write_end(items);
  return 0;
}

static int project_set(const struct admin *admin, const struct json *request, struct json_write *items,
                       struct err *err) {
  struct change change = {.type = CHANGE_PROJECT_SET};
  struct ledger_zone_move move = {0};
  int result = read_project(request, &change, err);
  if (result == 0 && change.project.id[0] == '\0')
    result = err_set(err, ERR_USAGE, "no project is named: give its ID");
  if (result == 0 && change.set == 0) {
    result = err_set(err, ERR_USAGE, "nothing to set: give --name, --time-zone or --default");
  }
  if (result == 0) result = find_move(admin, &change, &move, err);
  if (result == 0 && move.days > 0 && !admin_member_flag(request, "force")) result = refuse_move(&change, &move, err);
  if (result == 0) result = admin->change(admin->arg, &change, err);
  return result == 0 ? show_set_project(admin, change.project.id, &move, items, err) : result;
}

static int project_list(const struct admin *admin, const struct json *request, struct json_write *items,
                        struct err *err) {
  (void)request;
  SCOPED_MALLOC struct project *projects = NULL;
  size_t count;
  int result = catalogue_projects(admin->catalogue, &projects, &count);
  if (result != 0) return err_set(err, ERR_MEMORY, "no memory to list the projects; try again later");
  for (size_t i = 0; i < count; i++)
    put_project(items, &projects[i]);
  return 0;
}

/* ---- keys ---- */

static int read_key(const struct json *request, struct key *key, struct err *err) {
  int result = admin_member_copy(request, "public_key", key->public_key, sizeof key->public_key, err);
  if (result == 0) result = admin_member_copy(request, "private_key", key->private_key, sizeof key->private_key, err);
  if (result != 0) return result;
  if ((key->public_key[0] == '\0') != (key->private_key[0] == '\0')) {
    return err_set(err, ERR_USAGE,
                   "only half of a key pair is given: to import one, give both the public and the private key");
  }
  return key->public_key[0] != '\0' ? 0 : keyring_generate(key->public_key, key->private_key, err);
}

/* Reads the projects of a sub-account into ids; list points to them. */
static int read_projects(const struct json *request, char ids[][PROJECT_ID_MAX + 1], const char **list,
                         struct change *change, struct err *err) {
  const struct json *projects = json_member(request, "projects");
  const struct json *project = projects != NULL ? projects->child : NULL;
  for (; project != NULL; project = project->next) {
    size_t i = change->projects_count;
    if (i == KEY_PROJECTS_MAX)
      return err_set(err, ERR_LIMIT, "too many projects: a key can name at most %d", KEY_PROJECTS_MAX);
    if (!str_copy(project->text, ids[i], PROJECT_ID_MAX + 1))
      return err_set(err, ERR_RANGE, "the id of a project is longer than %d bytes", PROJECT_ID_MAX);
    list[i] = ids[i];
    change->projects_count++;
  }
  change->projects = list;
  change->key.sub_account = change->projects_count > 0;
  return 0;
}

static int key_create(const struct admin *admin, const struct json *request, struct json_write *items,
                      struct err *err) {
  struct change change = {.type = CHANGE_KEY_CREATE};
  char ids[KEY_PROJECTS_MAX][PROJECT_ID_MAX + 1];
  const char *list[KEY_PROJECTS_MAX];
  struct key made;
  int result = read_key(request, &change.key, err);
  if (result == 0) result = read_projects(request, ids, list, &change, err);
  if (result == 0) result = admin->change(admin->arg, &change, err);
  if (result == 0 && !catalogue_key(admin->catalogue, str_of(change.key.public_key), &made)) {
    result = err_set(err, ERR_INTERNAL, "the key is not in the catalogue after it was created");
  }
  if (result == 0) result = put_key(items, admin->catalogue, &made, made.private_key);
  bytes_wipe(&made, sizeof made);
  bytes_wipe(&change.key, sizeof change.key);
  return result;
}

static int key_set(const struct admin *admin, const struct json *request, enum change_type type,
                   struct json_write *items, struct err *err) {
  struct change change = {.type = type};
  struct key key;
  int result = admin_member_copy(request, "public_key", change.key.public_key, sizeof change.key.public_key, err);
  if (result == 0 && change.key.public_key[0] == '\0') {
    result = err_set(err, ERR_USAGE, "no key is named: give its public KEY");
  }
  if (result == 0) result = admin->change(admin->arg, &change, err);
  if (result == 0 && catalogue_key(admin->catalogue, str_of(change.key.public_key), &key)) {
    result = put_key(items, admin->catalogue, &key, NULL);
    bytes_wipe(&key, sizeof key);
  }
  return result;
}

static int key_disable(const struct admin *admin, const struct json *request, struct json_write *items,
                       struct err *err) {
  return key_set(admin, request, CHANGE_KEY_DISABLE, items, err);
}

static int key_enable(const struct admin *admin, const struct json *request, struct json_write *items,
                      struct err *err) {
  return key_set(admin, request, CHANGE_KEY_ENABLE, items, err);
}

static int key_list(const struct admin *admin, const struct json *request, struct json_write *items,
                    struct err *err) {
  (void)request;
  SCOPED_MALLOC struct key *keys = NULL;
  size_t count;
  int result = catalogue_keys(admin->catalogue, &keys, &count);
  if (result != 0) return err_set(err, ERR_MEMORY, "no memory to list the keys; try again later");
  for (size_t i = 0; i < count; i++) {
    bytes_wipe(keys[i].private_key, sizeof keys[i].private_key);
    if (result == 0) result = put_key(items, admin->catalogue, &keys[i], NULL);
  }
  return result;
}

/* ---- usage ---- */

static const char *const outcomes[] = {[VERDICT_STORED] = "stored",
                                       [VERDICT_DUPLICATE] = "duplicate",
                                       [VERDICT_CONFLICT] = "conflict",
                                       [VERDICT_REJECTED] = "rejected"};

static void put_outcome(struct json_write *items, struct str id, enum verdict_outcome outcome, struct str reason) {
  json_write_object(items, NULL);
  json_write_str(items, "id", id);
  json_write_text(items, "outcome", outcomes[outcome]);
  json_write_str(items, "reason", reason);
  json_write_end(items);
}

/* What waited keeps the token that reported it. */
static struct str former_token(const struct json *event) {
  struct str token = json_member_text(event, "token");
  return token.len <= USAGE_TOKEN_MAX && !str_has_control(token) ? token : STR("");
}

static int report_event(const struct admin *admin, const struct json *json, struct json_write *items,
                        struct err *err) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new(EVENT_TREE_MAX);
  const struct event_rules rules = {.now_ms = clock_real_ms(clock_system()), .events_max = 1};
  struct event event;
  struct usage usage;
  struct verdict verdict;
  if (arena == NULL) return err_set(err, ERR_MEMORY, "the server has no memory now: try again later");
  int result = fields_read(json, &rules, false, arena, arena, &event, &usage);
  if (result == -ERR_RANGE) {
    put_outcome(items, event.id, VERDICT_REJECTED, str_of(event.reason));
    return 0;
  }
  if (result != 0) return err_set(err, ERR_MEMORY, "no memory to read an event; try again later");
  usage.token = former_token(json);
  result = admin->report(admin->arg, &usage, &verdict, err);
  if (result != 0) return result;
  SCOPED(buf_fini) struct buf reason = {0};
  ingest_reason(&verdict, &usage, &reason);
  put_outcome(items, usage.id, verdict.outcome, buf_view(&reason));
  return 0;
}

static int usage_report(const struct admin *admin, const struct json *request, struct json_write *items,
                        struct err *err) {
  const struct json *events = json_member(request, "events");
  int result = 0;
  for (const struct json *event = events != NULL ? events->child : NULL; event != NULL && result == 0;
       event = event->next) {
    result = report_event(admin, event, items, err);
  }
  return result;
}

/* ---- checkpoints ---- */

/* Answers at once, so that no other command waits for the checkpoint. A command that waits until it is done asks
 * again, with the `end` of the first answer as `up_to`. Any position beyond the end means the end. */
static int make_checkpoint(const struct admin *admin, const struct json *request, struct json_write *items,
                           struct err *err) {
  uint64_t up_to, end, covered;
  if (admin->checkpoint == NULL) return err_set(err, ERR_NOT_FOUND, "no server runs, so no record is in memory only");
  if (!json_member_u64(request, "up_to", &up_to)) return err_set(err, ERR_USAGE, "up_to is missing or no position");
  int result = admin->checkpoint(admin->arg, up_to, &end, &covered, err);
  if (result != 0) return result;
  json_write_object(items, NULL);
  json_write_u64(items, "end", end);
  json_write_u64(items, "covered", covered);
  json_write_end(items);
  return 0;
}

/* ---- agents and sources ---- */

static int sources_list_all(const struct admin *admin, const struct json *request, struct json_write *items,
                            struct err *err) {
  struct str project = json_member_text(request, "project");
  struct project found;
  if (admin->list_sources == NULL) return err_set(err, ERR_NOT_FOUND, "no server runs, so no agent can report");
  if (project.len > 0 && !catalogue_project(admin->catalogue, project, &found))
    return err_set(err, ERR_NOT_FOUND, "no project %.*s: see `codecmeter project list`", STR_ARG(project));
  return admin->list_sources(admin->arg, project, admin_member_flag(request, "problems"), items, err);
}

static int sources_forget_agent(const struct admin *admin, const struct json *request, struct json_write *items,
                                struct err *err) {
  (void)items;
  if (admin->forget_agent == NULL) return err_set(err, ERR_NOT_FOUND, "no server runs, so no agent can report");
  return admin->forget_agent(admin->arg, json_member_text(request, "project"), json_member_text(request, "agent"), err);
}

/* ---- the door ---- */

static const struct {
  const char *name;
  int (*run)(const struct admin *admin, const struct json *request, struct json_write *items, struct err *err);
} commands[] = {
    {"project create", project_create},
    {"project set", project_set},
    {"project list", project_list},
    {"key create", key_create},
    {"key disable", key_disable},
    {"key enable", key_enable},
    {"key list", key_list},
    {"token create", admin_token_create},
    {"token revoke", admin_token_revoke},
    {"token list", admin_token_list},
    {"usage report", usage_report},
    {"checkpoint make", make_checkpoint},
    {"adapter list", admin_adapter_list},
    {"adapter retry", admin_adapter_retry},
    {"adapter drop", admin_adapter_drop},
    {"sources list", sources_list_all},
    {"sources forget", sources_forget_agent},
};

/* Leaves the list of items open. */
static struct json_write begin_reply(const char *code, const char *text, struct buf *reply) {
  struct json_write json = json_write_to(reply);
  json_write_object(&json, NULL);
  json_write_text(&json, "code", code);
  json_write_text(&json, "text", text);
  json_write_list(&json, "items");
  return json;
}

void admin_reply_error(const struct err *err, struct buf *reply) {
  struct json_write json = begin_reply(err_name(-(int)err->code), err->text, reply);
  json_write_end(&json);
  json_write_end(&json);
}

static int execute(const struct admin *admin, const struct json *request, struct buf *reply, struct err *err) {
  struct str name = json_member_text(request, "command");
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    if (!str_equal(name, str_of(commands[i].name))) continue;
    struct json_write json = begin_reply("OK", "", reply);
    int result = commands[i].run(admin, request, &json, err);
    if (result != 0) return result; /* a reply that reports the error replaces this one */
    json_write_end(&json);
    json_write_end(&json);
    return 0;
  }
  return err_set(
      err, ERR_USAGE,
      "the server does not know the command '%.*s': if it is older than this program, restart it with this version",
      (int)(name.len < 40 ? name.len : 40), name.ptr);
}

void admin_execute(const struct admin *admin, struct str request, struct buf *reply) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new(REQUEST_ARENA_MAX);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  const struct json *top;
  struct err err = {0};
  size_t start = reply->len;
  if (!buf_reserve(reply, REPLY_LEAST)) return;
  int result = arena != NULL && parser != NULL
                   ? json_parse(parser, arena, request, REQUEST_DEPTH_MAX, &top, &err)
                   : err_set(&err, ERR_MEMORY, "the server has no memory now: try again later");
  if (result == 0) result = execute(admin, top, reply, &err);
  if (result == 0 && reply->failed) {
    result = err_set(&err, ERR_MEMORY,
                     "the server has no memory for its answer: check with `list` whether the change was made");
  }
  if (result == 0) return;
  bytes_wipe(reply->ptr + start, reply->len - start);
  reply->len = start;
  reply->failed = false;
  admin_reply_error(&err, reply);
}
