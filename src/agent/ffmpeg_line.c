/* We read ffmpeg's options with its own rules, because a guess would take the value of an option for an output, or
 * miss an output. ffmpeg has thousands of options with a value and some forty without, so we list the latter.
 *
 * Is an output a remux? Each -c names streams by a specifier, and the last one that matches a stream decides. The
 * line does not say how many streams an input has. So each video stream that the line allows for is tried; what the
 * line leaves open gives FFMPEG_MIXED, never FFMPEG_COPIED.
 */
#include "agent/ffmpeg_line.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/file.h"

/* True if the blank-separated list has the word. */
static bool has_word(const char *list, struct str word) {
  struct str rest = str_of(list);
  while (rest.len > 0) {
    if (str_equal(str_cut(&rest, ' '), word)) return true;
  }
  return false;
}

/* ---- the command behind others ---- */

/* A command that runs the command that follows its options. */
struct wrapper {
  const char *name;
  const char *valued;   /* its options with a value, if that value is a word of its own */
  int operands;         /* words before the command */
  bool has_assignments; /* NAME=VALUE before the command */
};

static const struct wrapper wrappers[] = {
    {"nice", "n adjustment", 0, false},
    {"ionice", "c class n classdata", 0, false},
    {"env", "u unset C chdir S", 0, true},
    {"nohup", "", 0, false},
    {"setsid", "", 0, false},
    {"timeout", "k kill-after s signal", 1, false},
    {"taskset", "", 1, false},
    {"chrt", "T sched-runtime P sched-period D sched-deadline", 1, false},
    {"stdbuf", "i input o output e error", 0, false},
    {"time", "f format o output", 0, false},
    {"numactl", "i interleave p preferred m membind N cpunodebind C physcpubind P preferred-many", 0, false},
    {"cpulimit", "l limit e exe p pid P path", 0, false},
    {"prlimit", "p pid o output", 0, false},
    {"unbuffer", "", 0, false},
    {"sudo",
     "u user g group h host p prompt C close-from r role t type T command-timeout U other-user D chdir R chroot", 0,
     true},
    {"doas", "u C", 0, false},
    {"systemd-run", "p property M machine u unit H host E setenv slice uid gid nice working-directory description", 0,
     false},
    {"systemd-inhibit", "what who why mode", 0, false},
    {"catchsegv", "", 0, false},
};

static const struct wrapper *wrapper_named(const char *path) {
  for (size_t i = 0; i < sizeof wrappers / sizeof wrappers[0]; i++) {
    if (strcmp(file_name(path), wrappers[i].name) == 0) return &wrappers[i];
  }
  return NULL;
}

/* True if the option's value is the next word. */
static bool takes_next(const struct wrapper *wrapper, const char *option) {
  struct str name = str_of(option);
  if (name.len > 2 && name.ptr[1] == '-') /* --name VALUE; --name=VALUE has it */
    return has_word(wrapper->valued, str_make(name.ptr + 2, name.len - 2));
  return name.len == 2 && has_word(wrapper->valued, str_make(name.ptr + 1, 1)); /* -n VALUE; -n5 has it */
}

/* The command that a wrapper runs. */
static char *const *unwrap(const struct wrapper *wrapper, char *const *argv) {
  int operands = wrapper->operands;
  for (argv++; *argv != NULL; argv++) {
    if (strcmp(*argv, "--") == 0) continue;
    if ((*argv)[0] == '-' && (*argv)[1] != '\0') {
      if (takes_next(wrapper, *argv) && argv[1] != NULL) argv++;
    } else if (!(wrapper->has_assignments && strchr(*argv, '=') != NULL) && operands-- <= 0) {
      break;
    }
  }
  return argv;
}

/* "ffmpeg", "ffmpeg.exe", "ffmpeg6", "ffmpeg-7.0.2"; not ffmpeg-normalize, which has a command line of its own. */
static bool is_ffmpeg(const char *path) {
  const char *name = file_name(path);
  if (strncmp(name, "ffmpeg", 6) != 0) return false;
  const char *rest = name + 6;
  if (has_word(" .exe _g -git -static -full -gpl", str_of(rest))) return true;
  if (*rest == '-' || *rest == '_') rest++;
  if (*rest == 'n' || *rest == 'v') rest++; /* n6.0, a git tag */
  return *rest >= '0' && *rest <= '9';
}

static char *const *find_ffmpeg(char *const *argv) {
  const struct wrapper *wrapper;
  while (*argv != NULL && (wrapper = wrapper_named(*argv)) != NULL)
    argv = unwrap(wrapper, argv);
  return *argv != NULL && is_ffmpeg(*argv) ? argv : NULL;
}

/* ---- options ---- */

/* Options without a value. Those that ffmpeg calls boolean can also begin with "no". */
static const char without_value[] =
    "accurate_seek an auto_conversion_filters benchmark benchmark_all bitexact copy_unknown copyinkf copyts "
    "debug_ts deinterlace display_hflip display_vflip dn dump find_stream_info fix_sub_duration "
    "fix_sub_duration_heartbeat force_fps hex hide_banner ignore_unknown intra n print_graphs psnr qphist re "
    "recast_media "
    "report sameq same_quant shortest sn start_at_zero stats stdin vn vstats xerror y";
/* These take a value, but none in their form with "no". */
static const char with_value_unless_negated[] = "autorotate autoscale";
/* These show something and end ffmpeg; a value is optional. */
static const char shows[] =
    "L h ? help -help version buildconf formats muxers demuxers devices codecs decoders encoders bsfs protocols "
    "filters "
    "pix_fmts layouts channel_layouts sample_fmts dispositions colors sources sinks hwaccels";

/* The options before one input or output. */
struct group {
  char *const *begin, *const *end;
};

static struct str option_name(const char *word) {
  struct str rest = str_of(word + 1);
  return str_cut(&rest, ':');
}

static bool has_value(const char *word) {
  struct str name = option_name(word);
  if (has_word(without_value, name) || has_word(shows, name)) return false;
  if (!str_starts(name, STR("no"))) return true;
  struct str rest = str_make(name.ptr + 2, name.len - 2);
  return !has_word(without_value, rest) && !has_word(with_value_unless_negated, rest);
}

/* Steps over an option and its value. */
static char *const *next_option(char *const *word, char *const *end) {
  word += has_value(*word) ? 2 : 1;
  return word < end ? word : end;
}

/* The last value of an option; names are separated by blanks. NULL: not given. */
static const char *value_of(struct group group, const char *names) {
  const char *value = NULL;
  for (char *const *word = group.begin; word < group.end; word = next_option(word, group.end)) {
    if (has_value(*word) && word + 1 < group.end && has_word(names, option_name(*word))) value = word[1];
  }
  return value;
}

static bool is_given(struct group group, const char *names) {
  for (char *const *word = group.begin; word < group.end; word = next_option(word, group.end)) {
    if (has_word(names, option_name(*word))) return true;
  }
  return false;
}

/* ---- is the video copied? ---- */

#define UNKNOWN (-1)

/* A video stream of an output that the line allows for. */
struct stream {
  int64_t index;       /* among all streams of the output, or UNKNOWN */
  int64_t video_index; /* among its video streams, or UNKNOWN */
};

enum match { MATCH_NO, MATCH_MAYBE, MATCH_YES };

static enum match match_number(struct str text, int64_t number) {
  int64_t wanted;
  if (number == UNKNOWN || !str_to_i64(text, &wanted)) return MATCH_MAYBE;
  return wanted == number ? MATCH_YES : MATCH_NO;
}

/* Does a stream specifier match the stream? "", "v", "v:1", "2", "a:0", … */
static enum match match_stream(struct str specifier, const struct stream *stream) {
  if (specifier.len == 0) return MATCH_YES;
  char type = specifier.ptr[0];
  if (type >= '0' && type <= '9') return match_number(specifier, stream->index);
  bool is_type = specifier.len == 1 || specifier.ptr[1] == ':';
  if (is_type && strchr("asdt", type) != NULL) return MATCH_NO;
  if (!is_type || (type != 'v' && type != 'V')) return MATCH_MAYBE;
  if (specifier.len <= 2) return MATCH_YES;
  return match_number(str_make(specifier.ptr + 2, specifier.len - 2), stream->video_index);
}

/* What may be done with a stream, or with several. */
struct fate {
  bool copied, encoded;
};

static void apply_codec(const char *word, const char *value, const struct stream *stream, struct fate *fate) {
  struct str name = option_name(word), specifier = STR("v");
  if (has_word("c codec", name)) {
    const char *colon = strchr(word, ':');
    specifier = str_of(colon != NULL ? colon + 1 : "");
  } else if (!has_word("vcodec target", name)) {
    return;
  }
  enum match match = match_stream(specifier, stream);
  if (match == MATCH_NO) return;
  if (match == MATCH_YES) *fate = (struct fate){false, false};
  if (strcmp(value, "copy") == 0)
    fate->copied = true;
  else
    fate->encoded = true;
}

static void add_stream(struct group group, struct stream stream, struct fate *sum) {
  struct fate fate = {.encoded = true}; /* without -c, ffmpeg encodes */
  for (char *const *word = group.begin; word < group.end; word = next_option(word, group.end)) {
    if (has_value(*word) && word + 1 < group.end) apply_codec(*word, word[1], &stream, &fate);
  }
  sum->copied |= fate.copied;
  sum->encoded |= fate.encoded;
}

/* What a -map takes: "0:v:0" is one video stream, "0" any number of any type. */
struct mapped {
  bool is_negative, is_video, is_other, is_one;
};

static struct mapped read_map(const char *value) {
  struct str rest = str_of(value);
  if (rest.len > 0 && rest.ptr[rest.len - 1] == '?') rest.len--;
  if (rest.len > 0 && rest.ptr[0] == '[') return (struct mapped){.is_one = true};
  struct mapped mapped = {.is_negative = rest.len > 0 && rest.ptr[0] == '-'};
  (void)str_cut(&rest, ':'); /* the input */
  struct str type = str_cut(&rest, ':');
  int64_t number;
  if (str_to_i64(type, &number)) {
    mapped.is_one = true;
  } else if (type.len == 1 && strchr("vVasdt", type.ptr[0]) != NULL) {
    mapped.is_video = type.ptr[0] == 'v' || type.ptr[0] == 'V';
    mapped.is_other = !mapped.is_video;
    mapped.is_one = str_to_i64(rest, &number);
  }
  return mapped;
}

/* Adds the video streams that the -map options may give. False: there is no such option. */
static bool add_mapped(struct group group, struct fate *sum) {
  struct stream next = {0, 0};
  bool found = false;
  for (char *const *word = group.begin; word < group.end; word = next_option(word, group.end)) {
    if (word + 1 >= group.end || !str_equal(option_name(*word), STR("map"))) continue;
    struct mapped mapped = read_map(word[1]);
    if (mapped.is_negative) continue;
    found = true;
    if (!mapped.is_one) next.index = UNKNOWN;
    if (!mapped.is_one && !mapped.is_other) next.video_index = UNKNOWN;
    if (!mapped.is_other) add_stream(group, next, sum);
    if (next.index != UNKNOWN) next.index++;
    if (mapped.is_other || next.video_index == UNKNOWN) continue;
    next.video_index = mapped.is_video ? next.video_index + 1 : UNKNOWN;
  }
  return found;
}

static enum ffmpeg_video video_of(struct group group) {
  struct fate sum = {0};
  if (is_given(group, "vn")) return FFMPEG_NO_VIDEO;
  if (!add_mapped(group, &sum))
    add_stream(group, (struct stream){0, 0}, &sum); /* ffmpeg takes one, and puts it first */
  if (sum.copied && sum.encoded) return FFMPEG_MIXED;
  return sum.copied ? FFMPEG_COPIED : sum.encoded ? FFMPEG_ENCODED : FFMPEG_NO_VIDEO;
}

/* ---- outputs ---- */

/* "rtmp:" of "rtmp://…", as ffmpeg reads it: the text before the first colon, if it can be a protocol's name. */
static struct str protocol_of(const char *name) {
  size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
  return name[len] == ':' ? str_make(name, len) : STR("");
}

static enum ffmpeg_sink sink_of(const char *name, const char *format) {
  static const char devices[] =
      "alsa audiotoolbox caca decklink fbdev opengl oss pulse sdl sdl2 sndio v4l2 video4linux2 xv";
  if (format != NULL && strcmp(format, "null") == 0) return FFMPEG_NOTHING;
  if (format != NULL && has_word(devices, str_of(format))) return FFMPEG_DEVICE;
  struct str protocol = protocol_of(name);
  if (strcmp(name, "-") == 0 || has_word("pipe fd", protocol)) return FFMPEG_PIPE;
  if (protocol.len > 0 && !str_equal(protocol, STR("file"))) return FFMPEG_NETWORK;
  if (strcmp(name, "/dev/null") == 0 || strcmp(name, "file:/dev/null") == 0) return FFMPEG_NOTHING;
  return FFMPEG_FILE;
}

static void add_output(struct ffmpeg_line *line, const char *name, const char *format, enum ffmpeg_video video,
                       bool is_extra) {
  enum ffmpeg_sink sink = sink_of(name, format);
  bool has_prefix = sink == FFMPEG_FILE && strncmp(name, "file:", 5) == 0;
  char *kept = strdup(has_prefix ? name + 5 : name);
  CHECK(kept != NULL);
  *vector_must_add(line) =
      (struct ffmpeg_output){.name = kept, .sink = sink, .video = video, .is_extra = is_extra};
}

/* Reads a text up to one of the ends, without quotes and backslashes, as av_get_token does. The caller frees it. */
static char *read_token(const char **rest, const char *ends) {
  char *token = malloc(strlen(*rest) + 1);
  CHECK(token != NULL);
  size_t len = 0;
  const char *c = *rest;
  for (; *c != '\0' && strchr(ends, *c) == NULL; c++) {
    if (*c == '\\' && c[1] != '\0') {
      token[len++] = *++c;
    } else if (*c == '\'') {
      for (c++; *c != '\0' && *c != '\''; c++)
        token[len++] = *c;
      if (*c == '\0') break;
    } else {
      token[len++] = *c;
    }
  }
  token[len] = '\0';
  *rest = c;
  return token;
}

/* A tee's member: "[f=mpegts:select=v]out.ts". */
static void add_member(struct ffmpeg_line *line, const char *member, enum ffmpeg_video video) {
  SCOPED_MALLOC char *format = NULL;
  const char *rest = member;
  if (*rest == '[') {
    do {
      rest++;
      SCOPED_MALLOC char *key = read_token(&rest, "=:]");
      if (*rest != '=') continue;
      rest++;
      char *value = read_token(&rest, ":]");
      if (strcmp(key, "f") == 0) {
        free(format);
        format = MOVE(value);
      }
      free(value);
    } while (*rest == ':');
    if (*rest == ']') rest++;
  }
  if (*rest != '\0') add_output(line, rest, format, video, false);
}

static void add_tee(struct ffmpeg_line *line, const char *members, enum ffmpeg_video video) {
  const char *rest = members;
  while (*rest != '\0') {
    SCOPED_MALLOC char *member = read_token(&rest, "|");
    add_member(line, member, video);
    if (*rest == '|') rest++;
  }
}

/* The path of an HLS master playlist: beside the playlist, or, if the playlist's directory is a pattern, beside that
 * directory. */
static void add_master(struct ffmpeg_line *line, const char *playlist, const char *master, enum ffmpeg_video video) {
  SCOPED_MALLOC char *path = NULL;
  size_t len = (size_t)(file_name(playlist) - playlist);
  if (len > 0) { /* "dir_%v/" */
    size_t parent = len - 1;
    while (parent > 0 && playlist[parent - 1] != '/')
      parent--;
    if (memmem(playlist + parent, len - parent, "%v", 2) != NULL) len = parent;
  }
  path = malloc(len + strlen(master) + 1);
  CHECK(path != NULL);
  memcpy(path, playlist, len);
  memcpy(path + len, master, strlen(master) + 1);
  add_output(line, path, NULL, video, true);
}

static void add_outputs(struct ffmpeg_line *line, struct group group, const char *name) {
  const char *format = value_of(group, "f"), *master = value_of(group, "master_pl_name");
  const char *list = value_of(group, "segment_list");
  enum ffmpeg_video video = video_of(group);
  if (format != NULL && strcmp(format, "tee") == 0) {
    add_tee(line, name, video);
    return;
  }
  if (strncmp(name, "tee:", 4) == 0) {
    add_tee(line, name + 4, video);
    return;
  }
  add_output(line, name, format, video, false);
  if (master != NULL && sink_of(name, format) == FFMPEG_FILE) add_master(line, name, master, video);
  if (list != NULL && sink_of(list, NULL) == FFMPEG_FILE) add_output(line, list, NULL, video, true);
}

static void read_words(char *const *words, struct ffmpeg_line *line) {
  struct group group = {.begin = words, .end = words};
  bool is_literal = false; /* after "--" */
  for (char *const *word = words; *word != NULL;) {
    if (!is_literal && strcmp(*word, "--") == 0) {
      is_literal = true;
      word++;
      continue;
    }
    bool is_option = !is_literal && (*word)[0] == '-' && (*word)[1] != '\0';
    if (is_option && strcmp(*word, "-i") != 0) {
      word += has_value(*word) && word[1] != NULL ? 2 : 1;
      group.end = word;
      continue;
    }
    if (is_option && word[1] != NULL) word++; /* the input */
    if (!is_option) add_outputs(line, group, *word);
    word++;
    is_literal = false;
    group = (struct group){.begin = word, .end = word};
  }
}

bool ffmpeg_line_read(char *const *argv, struct ffmpeg_line *ret) {
  *ret = (struct ffmpeg_line){0};
  char *const *command = find_ffmpeg(argv);
  if (command == NULL) return false;
  read_words(command + 1, ret);
  return true;
}

void ffmpeg_line_fini(struct ffmpeg_line *line) {
  for (size_t i = 0; i < line->count; i++)
    free(line->items[i].name);
  vector_fini(line);
}
