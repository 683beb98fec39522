/* Command lines of ffmpeg: what is an output, where it goes, and whether its video is copied. The words of a line are
 * separated by one blank. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ffmpeg_line.h"
#include "base/bytes.h"

#define WORDS_MAX 64

static bool read_text(const char *text, struct ffmpeg_line *ret) {
  static char copy[1024];
  char *words[WORDS_MAX] = {NULL};
  size_t count = 0;
  (void)snprintf(copy, sizeof copy, "%s", text);
  for (char *rest = copy, *word; (word = strsep(&rest, " ")) != NULL;)
    words[count++] = word;
  assert_true(count < WORDS_MAX);
  return ffmpeg_line_read(words, ret);
}

static void append(struct buf *out, const struct ffmpeg_output *output) {
  static const char *const sinks[] = {"", "nothing ", "device ", "pipe ", "network "};
  static const char *const videos[] = {"", " copied", " mixed", " no-video"};
  if (out->len > 0) buf_text(out, ", ");
  buf_printf(out, "%s%s%s%s", sinks[output->sink], output->name, videos[output->video], output->is_extra ? " extra" : "");
}

/* Wanted: the outputs; NULL: no ffmpeg. */
struct row {
  const char *line, *outputs;
};

static const struct row rows[] = {
    /* other commands */
    {"cp a.mp4 b.mp4", NULL},
    {"HandBrakeCLI -i in.mkv -o out.mp4", NULL},
    {"nice cp ffmpeg b", NULL},
    {"nice -n", NULL},
    {"nice", NULL},
    {"env A=b", NULL},
    {"timeout 10", NULL},
    {"ffmpeg-normalize in.wav -o out.mp4", NULL},
    {"ffmpegthumbnailer -i a -o b", NULL},
    {"sh -c ffmpeg", NULL},
    /* nothing is written */
    {"ffmpeg", ""},
    {"ffmpeg -i in.mp4", ""},
    {"ffmpeg -i", ""},
    {"ffmpeg -y", ""},
    {"ffmpeg -i in.mp4 -c:v", ""},
    {"ffmpeg -i in.mp4 -crf 23 -map", ""},
    {"ffmpeg -i in.mp4 --", ""},
    {"ffmpeg -i in.mp4 -f tee [f=mp4]", ""},
    /* where ffmpeg is */
    {"ffmpeg -i in.mp4 out.mp4", "out.mp4"},
    {"/usr/local/bin/ffmpeg-7.0.2 -i in.mp4 out.mp4", "out.mp4"},
    {"ffmpeg6 -i in.mp4 out.mp4", "out.mp4"},
    {"ffmpeg_n6.0 -i in.mp4 out.mp4", "out.mp4"},
    {"nice -n 10 ffmpeg -i in.mp4 out.mp4", "out.mp4"},
    {"nice -10 ffmpeg -i in.mp4 out.mp4", "out.mp4"},
    {"nice --adjustment 10 ffmpeg -i in.mp4 out.mp4", "out.mp4"},
    {"nice --adjustment=10 ffmpeg -i in.mp4 out.mp4", "out.mp4"},
    {"env -u HOME A=b C=d ffmpeg -i in.mp4 out.mp4", "out.mp4"},
    {"timeout -k 5 --foreground 10m ffmpeg -i in.mp4 out.mp4", "out.mp4"},
    {"taskset -c 0-3 /opt/ffmpeg -i in.mp4 out.mp4", "out.mp4"},
    {"ionice -c2 -n 7 nice ffmpeg -i in.mp4 out.mp4", "out.mp4"},
    {"sudo -u media --preserve-env A=b -- ffmpeg -i in.mp4 out.mp4", "out.mp4"},
    {"stdbuf -oL nohup setsid ffmpeg -i in.mp4 out.mp4", "out.mp4"},
    /* options and their values */
    {"ffmpeg -y -nostdin -hide_banner -nostats -loglevel error -i in.mp4 -an -sn -dn -shortest -crf 23 -b:v 2M out.mp4",
     "out.mp4"},
    {"ffmpeg -re -accurate_seek -ss 10 -stream_loop -1 -i in.mp4 -t -1 out.mp4", "out.mp4"},
    {"ffmpeg -noautorotate -i in.mp4 -noautoscale out.mp4", "out.mp4"},
    {"ffmpeg -autorotate 0 -i in.mp4 out.mp4", "out.mp4"},
    {"ffmpeg -i in.mp4 -vf scale=-2:720 -x264-params keyint=50 -movflags +faststart -metadata title=- out.mp4", "out.mp4"},
    {"ffmpeg -i in.mp4 -benchmark -copyts -start_at_zero -vstats -psnr -xerror -bitexact out.mp4", "out.mp4"},
    {"ffmpeg -i in.mp4 -an:0 out.mp4 -vn out.m4a", "out.mp4, out.m4a no-video"},
    {"ffmpeg -i in.mp4 -unknown_option value out.mp4", "out.mp4"},
    {"ffmpeg -i in.mp4 -- -strange.mp4", "-strange.mp4"},
    {"ffmpeg -i in.mp4 out.mp4 -y -report", "out.mp4"},
    {"ffmpeg -progress p.log -passlogfile pass -vstats_file v.log -i in.mp4 -attach cover.jpg out.mkv", "out.mkv"},
    {"ffmpeg -i a.mp4 -i b.mp4 -filter_complex [0][1]vstack out.mp4", "out.mp4"},
    {"ffmpeg -i in -s 640x360 a.mp4 -s 320x180 b.mp4 -s 160x90 c.mp4", "a.mp4, b.mp4, c.mp4"},
    /* where outputs go */
    {"ffmpeg -i in.mp4 -pass 1 -f null -", "nothing -"},
    {"ffmpeg -i in.mp4 -pass 1 -f mp4 -y /dev/null", "nothing /dev/null"},
    {"ffmpeg -i in.mp4 -f null out.mp4", "nothing out.mp4"},
    {"ffmpeg -i in.mp4 -f mpegts -", "pipe -"},
    {"ffmpeg -i in.mp4 -f mpegts pipe:1 -f mpegts fd:", "pipe pipe:1, pipe fd:"},
    {"ffmpeg -i in.mp4 -f flv rtmp://host/live/key", "network rtmp://host/live/key"},
    {"ffmpeg -i in -f mpegts srt://h:1 -f mpegts udp://h:2 http://h/x.ts", "network srt://h:1, network udp://h:2, network http://h/x.ts"},
    {"ffmpeg -i in.mp4 -f sdl window", "device window"},
    {"ffmpeg -i in.mp4 file:out.mp4 file:a:b.mp4", "out.mp4, a:b.mp4"},
    {"ffmpeg -i in.mp4 ./a:b.mp4 dir/c:d.mp4", "./a:b.mp4, dir/c:d.mp4"},
    {"ffmpeg -i in.mp4 a:b.mp4", "network a:b.mp4"},
    {"ffmpeg -i in.mp4 -f tee [f=mp4]a.mp4|[f=hls:hls_time=4]b/c.m3u8", "a.mp4, b/c.m3u8"},
    {"ffmpeg -i in.mp4 -c copy -f tee a.mkv|[select=\\'v:0,a\\':f=mpegts]udp://h:1|[f=null]x",
     "a.mkv copied, network udp://h:1 copied, nothing x copied"},
    {"ffmpeg -i in.mp4 -f tee a\\|b.mkv|'c|d.mkv'", "a|b.mkv, c|d.mkv"},
    {"ffmpeg -i in.mp4 tee:a.ts|b.ts", "a.ts, b.ts"},
    {"ffmpeg -i in.mp4 -f hls -hls_segment_filename s/seg%d.ts out.m3u8", "out.m3u8"},
    {"ffmpeg -i in.mp4 -f dash out.mpd", "out.mpd"},
    {"ffmpeg -i in -var_stream_map v:0,v:1 -master_pl_name master.m3u8 d/out_%v.m3u8", "d/out_%v.m3u8, d/master.m3u8 extra"},
    {"ffmpeg -i in -master_pl_name m.m3u8 d/stream_%v/out.m3u8", "d/stream_%v/out.m3u8, d/m.m3u8 extra"},
    {"ffmpeg -i in -master_pl_name m.m3u8 stream_%v/out.m3u8", "stream_%v/out.m3u8, m.m3u8 extra"},
    {"ffmpeg -i in -master_pl_name m.m3u8 http://h/out.m3u8", "network http://h/out.m3u8"},
    {"ffmpeg -i in -f segment -segment_list out.m3u8 out%03d.ts", "out%03d.ts, out.m3u8 extra"},
    {"ffmpeg -i in -f segment -segment_list pipe:1 out%03d.ts", "out%03d.ts"},
    /* is the video copied? The input's own -c is its decoder */
    {"ffmpeg -c copy -i in.mp4 out.mp4", "out.mp4"},
    {"ffmpeg -c:v h264 -i in.mp4 -c copy out.mp4", "out.mp4 copied"},
    {"ffmpeg -i in.mp4 -c:v copy -c:a aac out.mp4", "out.mp4 copied"},
    {"ffmpeg -i in.mp4 -vcodec copy out.mp4 -codec:v:0 copy b.mp4 c.mp4", "out.mp4 copied, b.mp4 copied, c.mp4"},
    {"ffmpeg -i in.mp4 -acodec copy -c:a copy -c:s copy out.mp4", "out.mp4"},
    {"ffmpeg -i in.mp4 -c copy -c:v libx264 out.mp4", "out.mp4"},
    {"ffmpeg -i in.mp4 -c:v libx264 -c copy out.mp4", "out.mp4 copied"},
    {"ffmpeg -i in.mp4 -c copy -c:a aac out.mp4", "out.mp4 copied"},
    {"ffmpeg -i in.mp4 -c copy -target pal-dvd out.mpg", "out.mpg"},
    {"ffmpeg -i in.mp4 -c:0 copy -c:1 aac out.mp4", "out.mp4 copied"},
    {"ffmpeg -i in.mp4 -c copy -c:v:1 libx264 out.mp4", "out.mp4 copied"},
    {"ffmpeg -i in.mp4 -map 0 -c copy out.mp4", "out.mp4 copied"},
    {"ffmpeg -i in.mp4 -map 0 -map -0:d -c:v copy -c:a aac out.mp4", "out.mp4 copied"},
    {"ffmpeg -i in.mp4 -map 0:a -c copy out.m4a", "out.m4a no-video"},
    {"ffmpeg -i in.mp4 -map 0:v:0 -map 0:v:0 -c:v:0 copy -c:v:1 libx264 out.mp4", "out.mp4 mixed"},
    {"ffmpeg -i in.mp4 -map 0:v:0 -map 0:a:0? -c:v:0 copy out.mp4", "out.mp4 copied"},
    {"ffmpeg -i in.mp4 -map 0:v:0 -map 0:v:1 -c:v:0 copy -c:v:1 copy out.mp4", "out.mp4 copied"},
    {"ffmpeg -i in.mp4 -map 0:v -c:v:0 copy out.mp4", "out.mp4 mixed"},
    {"ffmpeg -i in.mp4 -map 0 -c copy -c:v:1 libx264 out.mp4", "out.mp4 mixed"},
    {"ffmpeg -i in.mp4 -map 0:a:0 -map 0:v:0 -c:1 copy out.mp4", "out.mp4 copied"},
    {"ffmpeg -i in.mp4 -map 0:a:0 -map 0:v:0 -c:0 copy out.mp4", "out.mp4"},
    {"ffmpeg -i in.mp4 -map [v] -map 0:a -c:v libx264 -c:a copy out.mp4", "out.mp4"},
    {"ffmpeg -i in.mp4 -c:m:language:eng copy out.mp4", "out.mp4 mixed"},
    {"ffmpeg -i in.mp4 -vn -c copy out.m4a", "out.m4a no-video"},
};

static void test_outputs(void **unused) {
  (void)unused;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct ffmpeg_line line;
    SCOPED(buf_fini) struct buf got = {0};
    bool is_ffmpeg = read_text(rows[i].line, &line);
    for (size_t n = 0; n < line.count; n++)
      append(&got, &line.items[n]);
    buf_char(&got, '\0');
    if (is_ffmpeg != (rows[i].outputs != NULL) || (is_ffmpeg && strcmp(got.ptr, rows[i].outputs) != 0))
      fail_msg("%s\n  gives  %s\n  wanted %s", rows[i].line, is_ffmpeg ? got.ptr : "no ffmpeg", rows[i].outputs);
    ffmpeg_line_fini(&line);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_outputs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
