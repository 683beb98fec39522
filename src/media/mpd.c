/* Elements that say nothing about the played bytes are skipped with all that is in them, so the tree is small even if
 * a manifest carries much else.
 *
 * GLib is given nothing that it gets wrong. It ends a name or a value at a NUL. Behind a CDATA section with a fault it goes on,
 * sets a second error over the first one, or returns success. So characters are checked first, and GLib gets one piece of
 * the text at a time, up to the next ">", where such a section ends.
 */
#include "media/mpd.h"

#include <stdbool.h>
#include <string.h>

#define ELEMENTS_MAX 1100000 /* SEGMENTS_MAX and what is around them */
#define DEPTH_MAX 256        /* of all elements, also of those that are skipped */
#define DAYS_MAX 1000
#define DAY_US UINT64_C(86400000000)

static const char *const known[] = {"MPD", "Period", "AdaptationSet", "ContentComponent", "Representation", "BaseURL",
                                    "SegmentBase", "SegmentList", "SegmentTemplate", "SegmentTimeline", "S",
                                    "SegmentURL", "Initialization", "ContentProtection", "EssentialProperty",
                                    "SupplementalProperty"};

struct parse {
  struct mpd *root, *current;
  unsigned skipped, depth; /* how deep within an element that is skipped */
  unsigned count;
  char *namespace; /* of the root */
};

static const char *bare(const char *name) {
  const char *colon = strrchr(name, ':');
  return colon != NULL ? colon + 1 : name;
}

#define XLINK "http://www.w3.org/1999/xlink"
#define TO_ZERO "urn:mpeg:dash:resolve-to-zero:2013"
#define DASH "urn:mpeg:dash:schema:mpd" /* and a year; writers differ in upper and lower case */

static const char *declared(char **names, char **values, struct str prefix) {
  for (size_t i = 0; names[i] != NULL; i++) {
    struct str name = str_of(names[i]);
    if (prefix.len == 0 && str_equal(name, STR("xmlns"))) return values[i];
    if (prefix.len > 0 && str_starts(name, STR("xmlns:")) && str_equal(str_make(name.ptr + 6, name.len - 6), prefix))
      return values[i];
  }
  return NULL;
}

/* The namespace of a name, within `parent` and with an element's own declarations. A prefix that nobody declares stands
 * for itself. */
static struct str namespace_of(const struct mpd *parent, char **names, char **values, const char *name) {
  const char *colon = strrchr(name, ':');
  struct str prefix = str_make(name, colon != NULL ? (size_t)(colon - name) : 0);
  const char *found = declared(names, values, prefix);
  for (; found == NULL && parent != NULL; parent = parent->parent)
    found = declared(parent->names, parent->values, prefix);
  return found != NULL ? str_of(found) : prefix;
}

static bool is_dash(struct str namespace) {
  struct str dash = STR(DASH);
  return namespace.len >= dash.len && str_equal_nocase(str_make(namespace.ptr, dash.len), dash);
}

/* True if a new element belongs to the manifest, as its outermost element does. */
static bool is_own(const struct parse *parse, char **names, char **values, const char *name) {
  if (parse->root == NULL) return true;
  struct str own = namespace_of(parse->current, names, values, name), root = str_of(parse->namespace);
  return str_equal(own, root) || (is_dash(own) && is_dash(root));
}

static const char *link_of(const struct mpd *parent, char **names, char **values) {
  for (size_t i = 0; names[i] != NULL; i++) {
    const char *colon = strrchr(names[i], ':');
    if (colon == NULL || strcmp(colon, ":href") != 0) continue;
    struct str namespace = namespace_of(parent, names, values, names[i]);
    if (str_equal(namespace, STR(XLINK)) || str_equal(namespace, STR("xlink"))) return values[i];
  }
  return NULL;
}

static const char *known_name(const char *name) {
  for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
    if (strcmp(known[i], bare(name)) == 0) return known[i];
  }
  return NULL;
}

static void add_child(struct mpd *parent, struct mpd *child) {
  struct mpd **place = &parent->first;
  while (*place != NULL && strcmp((*place)->name, child->name) != 0)
    place = &(*place)->other;
  if (*place == NULL)
    *place = child;
  else
    (*place)->last->next = child;
  (*place)->last = child;
}

static void on_start(GMarkupParseContext *context, const char *name, const char **names, const char **values,
                     gpointer data, GError **error) {
  struct parse *parse = data;
  const char *kept = known_name(name);
  (void)context;
  if (++parse->depth > DEPTH_MAX || parse->count >= ELEMENTS_MAX) {
    g_set_error(error, G_MARKUP_ERROR, G_MARKUP_ERROR_INVALID_CONTENT, "it has too many elements");
    return;
  }
  if (parse->root == NULL && (kept == NULL || strcmp(kept, "MPD") != 0)) {
    g_set_error(error, G_MARKUP_ERROR, G_MARKUP_ERROR_INVALID_CONTENT, "its outermost element is not MPD");
    return;
  }
  if (parse->root != NULL && parse->current == NULL) { /* GMarkup takes several */
    g_set_error(error, G_MARKUP_ERROR, G_MARKUP_ERROR_INVALID_CONTENT, "it has more than one outermost element");
    return;
  }
  char **own_names = (char **)names, **own_values = (char **)values; /* as g_strdupv takes them */
  bool is_kept = parse->skipped == 0 && kept != NULL && is_own(parse, own_names, own_values, name);
  const char *link = is_kept ? link_of(parse->current, own_names, own_values) : NULL;
  if (!is_kept || (link != NULL && parse->root != NULL && strcmp(link, TO_ZERO) == 0)) {
    parse->skipped++;
    return;
  }
  struct mpd *mpd = g_new0(struct mpd, 1);
  *mpd = (struct mpd){.name = kept, .names = g_strdupv(own_names), .values = g_strdupv(own_values)};
  mpd->parent = parse->current;
  mpd->link = link_of(mpd->parent, mpd->names, mpd->values);
  if (parse->root == NULL) {
    struct str namespace = namespace_of(parse->current, own_names, own_values, name);
    parse->namespace = g_strndup(namespace.ptr, namespace.len);
  }
  parse->count++;
  if (parse->root == NULL) parse->root = mpd;
  if (mpd->parent != NULL) add_child(mpd->parent, mpd);
  parse->current = mpd;
}

static void on_end(GMarkupParseContext *context, const char *name, gpointer data, GError **error) {
  (void)context, (void)name, (void)error;
  struct parse *parse = data;
  parse->depth--;
  if (parse->skipped > 0)
    parse->skipped--;
  else
    parse->current = parse->current->parent;
}

static void on_text(GMarkupParseContext *context, const char *text, gsize len, gpointer data, GError **error) {
  (void)context, (void)error;
  struct parse *parse = data;
  bool is_wanted = parse->skipped == 0 && parse->current != NULL && strcmp(parse->current->name, "BaseURL") == 0;
  if (!is_wanted) return;
  if (parse->current->text == NULL) parse->current->text = g_string_new(NULL);
  (void)g_string_append_len(parse->current->text, text, (gssize)len);
}

/* Not by recursion over siblings: there may be a million. Elements are nested at most DEPTH_MAX deep. */
void mpd_free(struct mpd *mpd) {
  while (mpd != NULL) {
    struct mpd *next = mpd->next;
    for (struct mpd *child = mpd->first, *other; child != NULL; child = other) {
      other = child->other;
      mpd_free(child);
    }
    if (mpd->text != NULL) (void)g_string_free(mpd->text, TRUE);
    g_strfreev(mpd->names);
    g_strfreev(mpd->values);
    g_free(mpd);
    mpd = next;
  }
}

/* The characters of XML 1.0 (rule [2], Char). */
static int check_characters(const char *path, struct str text, struct err *err) {
  if (!str_is_utf8(text)) return err_set(err, ERR_MEDIA, "%s: cannot read the manifest: it is not UTF-8", path);
  size_t line = 1;
  for (size_t i = 0; i < text.len; i++) {
    unsigned char byte = (unsigned char)text.ptr[i];
    bool is_control = byte < ' ' && byte != '\t' && byte != '\n' && byte != '\r';
    bool is_no_character = byte == 0xEF && ((unsigned char)text.ptr[i + 1] == 0xBF && (unsigned char)text.ptr[i + 2] >= 0xBE);
    if (is_control || is_no_character)
      return err_set(err, ERR_MEDIA, "%s: cannot read the manifest: line %zu has a character that XML does not allow", path, line);
    line += byte == '\n';
  }
  return 0;
}

static bool feed(GMarkupParseContext *context, struct str text, GError **error) {
  while (text.len > 0 && *error == NULL) {
    const char *close = memchr(text.ptr, '>', text.len);
    size_t len = close != NULL ? (size_t)(close - text.ptr) + 1 : text.len;
    if (!g_markup_parse_context_parse(context, text.ptr, (gssize)len, error)) return false;
    text = str_make(text.ptr + len, text.len - len);
  }
  return *error == NULL && g_markup_parse_context_end_parse(context, error);
}

int mpd_parse(const char *path, struct str text, struct mpd **ret, struct err *err) {
  static const GMarkupParser parser = {.start_element = on_start, .end_element = on_end, .text = on_text};
  struct parse parse = {.root = NULL};
  GError *error = NULL;
  int result = check_characters(path, text, err);
  if (result != 0) return result;
  GMarkupParseContext *context =
      g_markup_parse_context_new(&parser, G_MARKUP_TREAT_CDATA_AS_TEXT, &parse, NULL);
  bool is_read = feed(context, text, &error);
  g_markup_parse_context_free(context);
  g_free(parse.namespace);
  if (!is_read) {
    SCOPED_MALLOC char *reason = str_printable(str_of(error->message));
    result = err_set(err, ERR_MEDIA, "%s: cannot read the manifest: %s", path, reason);
    g_error_free(error);
    mpd_free(parse.root);
    return result;
  }
  *ret = parse.root;
  return 0;
}

const struct mpd *mpd_child(const struct mpd *mpd, const char *name) {
  const struct mpd *child = mpd != NULL ? mpd->first : NULL;
  while (child != NULL && strcmp(child->name, name) != 0)
    child = child->other;
  return child;
}

const struct mpd *mpd_next(const struct mpd *mpd) { return mpd->next; }

/* Depth is at most DEPTH_MAX. */
const char *mpd_link(const struct mpd *mpd, const char **ret_name) {
  const char *found = mpd->link;
  *ret_name = mpd->name;
  for (const struct mpd *first = mpd->first; first != NULL && found == NULL; first = first->other) {
    for (const struct mpd *child = first; child != NULL && found == NULL; child = child->next)
      found = mpd_link(child, ret_name);
  }
  return found;
}

const char *mpd_attribute(const struct mpd *mpd, const char *name) {
  for (size_t i = 0; mpd != NULL && mpd->names[i] != NULL; i++) {
    if (strcmp(mpd->names[i], name) == 0) return mpd->values[i];
  }
  return NULL;
}

bool mpd_number(const struct mpd *mpd, const char *name, uint64_t otherwise, uint64_t *ret) {
  const char *text = mpd_attribute(mpd, name);
  *ret = otherwise;
  return text == NULL || str_to_u64(str_trim(str_of(text)), ret);
}

/* Adds a count of a unit; a fraction only of seconds. */
static bool add_part(const char *digits, size_t len, uint64_t unit_us, uint64_t *sum_us, uint64_t *ret_unit_us) {
  struct str fraction = str_make(digits, len), whole = str_cut(&fraction, '.');
  uint64_t count;
  if (!str_to_u64(whole, &count) || (whole.len < len && unit_us != 1000000)) return false;
  if (unit_us == 0) return count == 0; /* years and months have no fixed length */
  if (count > DAYS_MAX * DAY_US / unit_us || *sum_us > DAYS_MAX * DAY_US) return false;
  *sum_us += count * unit_us;
  *ret_unit_us = unit_us;
  for (size_t i = 0; i < fraction.len; i++) {
    if (!g_ascii_isdigit(fraction.ptr[i])) return false;
    *ret_unit_us = MAX(*ret_unit_us / 10, 1);
    if (i < 6) *sum_us += (uint64_t)(fraction.ptr[i] - '0') * *ret_unit_us;
  }
  return true;
}

bool mpd_duration(const char *text, uint64_t *ret_us, uint64_t *ret_unit_us) {
  bool is_time = false;
  uint64_t sum = 0, unit = 1;
  struct str rest = str_trim(str_of(text));
  if (rest.len < 3 || rest.ptr[0] != 'P') return false;
  const char *at = rest.ptr + 1, *end = rest.ptr + rest.len;
  for (const char *start; at < end; at++) {
    if (*at == 'T' && !is_time) {
      is_time = true;
      continue;
    }
    for (start = at; at < end && (g_ascii_isdigit(*at) || *at == '.');)
      at++;
    if (at == end) return false;
    uint64_t unit_us = *at == 'D' ? DAY_US : 0;
    if (is_time) unit_us = *at == 'H' ? UINT64_C(3600000000) : *at == 'M' ? 60000000 : *at == 'S' ? 1000000 : UINT64_MAX;
    bool is_unit = is_time ? unit_us != UINT64_MAX : *at == 'Y' || *at == 'M' || *at == 'D';
    if (!is_unit || !add_part(start, (size_t)(at - start), unit_us, &sum, &unit)) return false;
  }
  *ret_us = sum;
  *ret_unit_us = unit;
  return true;
}
