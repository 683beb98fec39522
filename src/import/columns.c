#include "import/columns.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/json.h"
#include "base/json_write.h"
#include "meter/labels.h"

#define TYPE_DEFAULT STR("transcode.finished")
#define SHOWN_MAX 64 /* bytes of a wrong name in a message */

/* ---- fields ---- */

enum field_kind { ATTRIBUTE, TEXT_MEMBER, NUMBER_MEMBER };

/* X(constant, name, kind): attributes of the event, then members of its data. */
#define FIELD_TABLE(X)                                     \
  X(SOURCE, "source", ATTRIBUTE)                           \
  X(ID, "id", ATTRIBUTE)                                   \
  X(TYPE, "type", ATTRIBUTE)                               \
  X(SUBJECT, "subject", ATTRIBUTE)                         \
  X(TIME, "time", ATTRIBUTE)                               \
  X(CODEC, "codec", TEXT_MEMBER)                           \
  X(WIDTH, "width", NUMBER_MEMBER)                         \
  X(HEIGHT, "height", NUMBER_MEMBER)                       \
  X(DURATION_MS, "duration_ms", NUMBER_MEMBER)             \
  X(DURATION, "duration", NUMBER_MEMBER)                   \
  X(IMAGE_COUNT, "image_count", NUMBER_MEMBER)             \
  X(FRAME_RATE, "frame_rate", NUMBER_MEMBER)               \
  X(QUALITY, "quality", TEXT_MEMBER)                       \
  X(REGION, "region", TEXT_MEMBER)                         \
  X(PASSES, "passes", NUMBER_MEMBER)                       \
  X(INPUT_DURATION_MS, "input_duration_ms", NUMBER_MEMBER) \
  X(TASK_ID, "task_id", TEXT_MEMBER)                       \
  X(CREATED, "created", TEXT_MEMBER)                       \
  X(SRC_URL, "src_url", TEXT_MEMBER)                       \
  X(DEST_NAME, "dest_name", TEXT_MEMBER)                   \
  X(DEST_BUCKET, "dest_bucket", TEXT_MEMBER)               \
  X(FORMAT, "format", TEXT_MEMBER)

enum field {
#define FIELD_ENUM(constant, name, kind) FIELD_##constant,
  FIELD_TABLE(FIELD_ENUM)
#undef FIELD_ENUM
      FIELDS
};

static const struct {
  const char *name;
  enum field_kind kind;
} fields[] = {
#define FIELD_ROW(constant, name, kind) {name, kind},
    FIELD_TABLE(FIELD_ROW)
#undef FIELD_ROW
};

#define NO_CELL SIZE_MAX

struct label_column {
  char name[LABEL_NAME_MAX + 1];
  size_t cell;
};

struct columns {
  struct columns_options options;
  const struct csv_reader *header; /* while it is read */
  size_t count;                    /* cells of the header */
  size_t cell_of[FIELDS];          /* NO_CELL: there is no such column */
  struct label_column labels[LABELS_MAX];
  size_t labels_count;
  bool is_named[CSV_READER_CELLS_MAX]; /* by an option: what the header calls it means nothing */
};

static enum field field_of(struct str name) {
  int i = 0;
  while (i < FIELDS && !str_equal_nocase(name, str_of(fields[i].name)))
    i++;
  return (enum field)i;
}

/* ---- options and header ---- */

/* A column's name in the header, without blanks around it. */
static struct str name_of(const struct columns *columns, size_t cell) {
  return cell < CSV_READER_CELLS_MAX ? str_trim(csv_reader_cell(columns->header, cell)) : STR("");
}

static int shown(struct str name) { return (int)(name.len < SHOWN_MAX ? name.len : SHOWN_MAX); }

static int refuse_field(const struct columns *columns, struct str field, struct err *err) {
  SCOPED(buf_fini) struct buf names = {0};
  for (int i = 0; i < FIELDS; i++)
    buf_printf(&names, "%s%s", i > 0 ? ", " : "", fields[i].name);
  return err_set(err, ERR_USAGE, "%s: --map: '%.*s' is not a field of an event; the fields are %.*s",
                 columns->options.file, shown(field), field.ptr, STR_ARG(buf_view(&names)));
}

static int refuse_column(const struct columns *columns, const char *option, struct str name, struct err *err) {
  SCOPED(buf_fini) struct buf names = {0};
  for (size_t i = 0; i < columns->count && i < CSV_READER_CELLS_MAX; i++) {
    struct str one = name_of(columns, i);
    if (str_is_utf8(one) && !str_has_control(one))
      buf_printf(&names, "%s%.*s", i > 0 ? ", " : "", shown(one), one.ptr);
  }
  return err_set(err, ERR_USAGE, "%s: --%s: there is no column '%.*s'; the columns are %.*s", columns->options.file,
                 option, shown(name), name.ptr, STR_ARG(buf_view(&names)));
}

/* Finds the column that an option names. */
static int find_column(struct columns *columns, const char *option, struct str name, size_t *ret_cell,
                       struct err *err) {
  size_t found = NO_CELL;
  for (size_t i = 0; i < columns->count && i < CSV_READER_CELLS_MAX; i++) {
    if (!str_equal_nocase(name_of(columns, i), name)) continue;
    if (found != NO_CELL) {
      return err_set(err, ERR_USAGE, "%s: --%s: two columns are named '%.*s': give one of them another name",
                     columns->options.file, option, shown(name), name.ptr);
    }
    found = i;
  }
  if (found == NO_CELL || name.len == 0) return refuse_column(columns, option, name, err);
  columns->is_named[found] = true;
  *ret_cell = found;
  return 0;
}

/* Takes an item of an option apart: the text before '=', without blanks around, and the column behind it. */
static bool split_item(struct str item, struct str *ret_name, struct str *ret_column) {
  bool has_name = memchr(item.ptr, '=', item.len) != NULL;
  *ret_name = has_name ? str_trim(str_cut(&item, '=')) : STR("");
  *ret_column = str_trim(item);
  return has_name;
}

static int map(struct columns *columns, struct str item, struct err *err) {
  struct str name, column;
  if (!split_item(item, &name, &column)) {
    return err_set(err, ERR_USAGE, "--map '%.*s': give FIELD=COLUMN, like id=job", shown(item), item.ptr);
  }
  enum field field = field_of(name);
  if (field == FIELDS) return refuse_field(columns, name, err);
  if (columns->cell_of[field] != NO_CELL)
    return err_set(err, ERR_USAGE, "--map names the field %s twice", fields[field].name);
  return find_column(columns, "map", column, &columns->cell_of[field], err);
}

/* A label is named like its column, in lower case, unless the option says otherwise. */
static int name_label(struct str name, struct label_column *label, struct err *err) {
  bool fits = str_copy(name, label->name, sizeof label->name);
  for (char *c = label->name; fits && *c != '\0'; c++)
    if (*c >= 'A' && *c <= 'Z') *c = (char)(*c - 'A' + 'a');
  if (fits && label_name_is_valid(str_of(label->name))) return 0;
  return err_set(err, ERR_USAGE,
                 "--labels: '%.*s' cannot be a label's name, which has 1 to %d of a-z, 0-9 and _, and begins with a "
                 "letter: give NAME=COLUMN, like team=Team Name",
                 shown(name), name.ptr, LABEL_NAME_MAX);
}

static int add_label(struct columns *columns, struct str item, struct err *err) {
  struct str name, column;
  bool has_name = split_item(item, &name, &column);
  if (columns->labels_count == LABELS_MAX)
    return err_set(err, ERR_USAGE, "--labels names more than %d columns", LABELS_MAX);
  struct label_column *label = &columns->labels[columns->labels_count];
  int result = find_column(columns, "labels", column, &label->cell, err);
  if (result == 0) result = name_label(has_name ? name : column, label, err);
  for (size_t i = 0; i < columns->labels_count && result == 0; i++) {
    if (strcmp(columns->labels[i].name, label->name) == 0)
      result = err_set(err, ERR_USAGE, "--labels names the label %s twice", label->name);
  }
  columns->labels_count++;
  return result;
}

static int ignore(struct columns *columns, struct str item, struct err *err) {
  size_t cell;
  return find_column(columns, "ignore", str_trim(item), &cell, err);
}

static int read_option(struct columns *columns, char *const *list,
                       int (*take)(struct columns *columns, struct str item, struct err *err), struct err *err) {
  int result = 0;
  for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
    struct str rest = str_of(list[i]);
    do
      result = take(columns, str_cut(&rest, ','), err);
    while (result == 0 && rest.len > 0);
    if (result != 0) return result;
  }
  return 0;
}

static int refuse_name(const struct columns *columns, struct str name, struct err *err) {
  SCOPED(buf_fini) struct buf names = {0};
  SCOPED_MALLOC char *printable = str_printable(str_make(name.ptr, (size_t)shown(name)));
  for (int i = 0; i < FIELDS; i++)
    buf_printf(&names, "%s%s", i > 0 ? ", " : "", fields[i].name);
  return err_set(err, ERR_USAGE,
                 "%s: unknown column '%s': the first line must name columns, which can be %.*s. Others: --map "
                 "FIELD=COLUMN takes a column as a field, --labels COLUMN as a label, --ignore COLUMN leaves it out",
                 columns->options.file, printable, STR_ARG(buf_view(&names)));
}

/* Takes a column that no option names. A field that --map takes from another column leaves the column of its own name
 * out. */
static int take_column(struct columns *columns, size_t cell, const bool is_mapped[FIELDS], struct err *err) {
  struct str name = name_of(columns, cell);
  enum field field = field_of(name);
  if (field == FIELDS) return refuse_name(columns, name, err);
  if (is_mapped[field]) return 0;
  if (columns->cell_of[field] != NO_CELL) {
    return err_set(err, ERR_USAGE, "%s: the header names the column %s twice", columns->options.file,
                   fields[field].name);
  }
  columns->cell_of[field] = cell;
  return 0;
}

static int take_columns(struct columns *columns, struct err *err) {
  bool is_mapped[FIELDS];
  int result = 0;
  for (int i = 0; i < FIELDS; i++)
    is_mapped[i] = columns->cell_of[i] != NO_CELL;
  for (size_t i = 0; i < columns->count && result == 0; i++) {
    if (i >= CSV_READER_CELLS_MAX || !columns->is_named[i]) result = take_column(columns, i, is_mapped, err);
  }
  return result;
}

static int check_columns(const struct columns *columns, struct err *err) {
  if (columns->cell_of[FIELD_ID] == NO_CELL) {
    return err_set(
        err, ERR_USAGE,
        "%s: the first line must name the column id, because each id counts once; if the column has another "
        "name, give --map id=COLUMN",
        columns->options.file);
  }
  if (columns->cell_of[FIELD_SOURCE] == NO_CELL && columns->options.source == NULL) {
    return err_set(err, ERR_USAGE, "%s: the column source is missing; add it, or give --source NAME",
                   columns->options.file);
  }
  return 0;
}

int columns_open(const struct columns_options *options, const struct csv_reader *header, struct columns **ret,
                 struct err *err) {
  SCOPED(columns_free_ref) struct columns *columns = calloc(1, sizeof *columns);
  CHECK(columns != NULL);
  columns->options = *options;
  columns->header = header;
  columns->count = csv_reader_cells(header);
  for (int i = 0; i < FIELDS; i++)
    columns->cell_of[i] = NO_CELL;
  int result = read_option(columns, options->map, map, err);
  if (result == 0) result = read_option(columns, options->labels, add_label, err);
  if (result == 0) result = read_option(columns, options->ignored, ignore, err);
  if (result == 0) result = take_columns(columns, err);
  if (result == 0) result = check_columns(columns, err);
  if (result != 0) return result;
  columns->header = NULL;
  *ret = MOVE(columns);
  return 0;
}

void columns_free(struct columns *columns) { free(columns); }

size_t columns_count(const struct columns *columns) { return columns->count; }

/* ---- a row's event ---- */

struct writing {
  const struct columns *columns;
  const struct csv_reader *row;
  const struct times *times;
  struct json_write *event;
  struct buf *refusal;
  bool *is_twice;
};

/* A cell; empty for what databases export as NULL, lest that becomes the name of a codec. */
static struct str cell_of(const struct writing *writing, size_t cell) {
  struct str text = csv_reader_cell(writing->row, cell);
  return str_equal(text, STR("\\N")) || str_equal(text, STR("NULL")) ? STR("") : text;
}

static struct str value_of(const struct writing *writing, enum field field) {
  const struct columns *columns = writing->columns;
  bool has_column = columns->cell_of[field] != NO_CELL;
  struct str cell = has_column ? cell_of(writing, columns->cell_of[field]) : STR("");
  if (cell.len > 0) return cell;
  if (field == FIELD_SOURCE) return str_of(columns->options.source);
  if (field == FIELD_SUBJECT) return str_of(columns->options.project);
  return field == FIELD_TYPE && !has_column ? TYPE_DEFAULT : cell;
}

static bool add_time(const struct writing *writing, const char *name, struct str value) {
  SCOPED(buf_fini) struct buf time = {0};
  if (!times_write(writing->times, name, value, &time, writing->refusal, writing->is_twice)) return false;
  json_write_str(writing->event, name, buf_view(&time));
  return true;
}

/* A cell of a number column that is not a number is sent as a string, so that the server rejects it and says what it
 * expects. As in JSON, blanks around a number do not count, and blanks around a text are part of it. */
static bool add_field(const struct writing *writing, enum field field) {
  struct str value = value_of(writing, field);
  const char *name = fields[field].name;
  bool is_number = fields[field].kind == NUMBER_MEMBER;
  if (is_number) value = str_trim(value);
  if (value.len == 0) return true;
  /* The writer replaces bytes that are not UTF-8 by U+FFFD, which could make two ids equal. */
  if (!str_is_utf8(value)) {
    buf_printf(writing->refusal, "%s: invalid UTF-8", name);
    return false;
  }
  if (field == FIELD_TIME || field == FIELD_CREATED) return add_time(writing, name, value);
  if (is_number && json_is_number(value))
    json_write_raw(writing->event, name, value);
  else
    json_write_str(writing->event, name, value);
  return true;
}

static bool add_labels(const struct writing *writing) {
  const struct columns *columns = writing->columns;
  bool is_open = false;
  for (size_t i = 0; i < columns->labels_count; i++) {
    const struct label_column *label = &columns->labels[i];
    struct str value = cell_of(writing, label->cell);
    if (value.len == 0) continue;
    if (!str_is_utf8(value)) {
      buf_printf(writing->refusal, "label %s: invalid UTF-8", label->name);
      return false;
    }
    if (!is_open) json_write_object(writing->event, "labels");
    is_open = true;
    json_write_str(writing->event, label->name, value);
  }
  if (is_open) json_write_end(writing->event);
  return true;
}

static bool add_fields(const struct writing *writing, bool attributes) {
  for (int i = 0; i < FIELDS; i++) {
    if ((fields[i].kind == ATTRIBUTE) == attributes && !add_field(writing, (enum field)i)) return false;
  }
  return true;
}

bool columns_write(const struct columns *columns, const struct csv_reader *row, const struct times *times,
                   struct buf *event, struct buf *refusal, bool *ret_is_twice) {
  struct json_write json = json_write_to(event);
  const struct writing writing = {
      .columns = columns, .row = row, .times = times, .event = &json, .refusal = refusal, .is_twice = ret_is_twice};
  *ret_is_twice = false;
  json_write_object(&json, NULL);
  if (!add_fields(&writing, true)) return false;
  json_write_object(&json, "data");
  if (!add_fields(&writing, false) || !add_labels(&writing)) return false;
  json_write_end(&json);
  json_write_end(&json);
  CHECK(!event->failed);
  return true;
}
