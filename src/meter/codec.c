/* Transcoders report the names of encoders (`libx264`, `h264_nvenc`), of sample entries (`avc1.64001f`), of standards
 * (`h.264`) and of vendors' settings (`H_264`). Each group below has all the spellings of one codec. Its first word is
 * the canonical name, which is ffmpeg's, but for h264 and h265. A spelling that ends in '*' stands for all names that
 * begin so and go on; one that ends in '+', for those that end in the name of a hardware interface: `h264_nvenc`.
 *
 * Sources, by the letters in front of a group's lines:
 *   F  encoders and decoders of FFmpeg (`ffmpeg -codecs` of 5.1, and the documentation of 7.1)
 *   G  encoder elements of GStreamer (its plugin reference)
 *   M  the MP4 registration authority's codecs and object types (mp4ra.org); the parameters in RFC 6381; for AV1, VP9 and
 *      Dolby Vision the `codecs` strings of their ISOBMFF bindings
 *   A  VideoCodec and AudioCodec of AWS Elemental MediaConvert (its API reference)
 *   T  Codec of VideoTemplateInfo of Tencent Cloud MPS (its API reference)
 *   R  FourCCs of RIFF files (IANA's registry of the video/vnd.* types and the lists of libavformat's riff.c)
 */
#include "meter/codec.h"

#include <pthread.h>

#include "base/check.h"

static const char *const groups[] = {
    "h264 avc h.264 h_264 mpeg4-avc mpeg4avc mpeg-4-avc x264 "           /* standards */
    "libx264 libx264rgb libopenh264 h264_+ libx264_+ x264_10bit nvenc_h264 qsv_h264 vce_h264 vt_h264 mf_h264 "                  /* F */
    "x264enc openh264enc nvh264enc vah264enc vaapih264enc qsvh264enc msdkh264enc amfh264enc v4l2h264enc omxh264enc " /* G */
    "vtenc_h264 mfh264enc avc1 avc2 avc3 avc4 avc1.* avc2.* avc3.* avc4.* dva1 dvav dva1.* dvav.* " /* G, M */
    "avc_intra avc-intra avcintra xavc davc",                            /* A, R */
    "h265 hevc h.265 h_265 x265 "
    "libx265 libkvazaar hevc_+ h265_+ x265_10bit x265_12bit nvenc_h265 qsv_h265 vce_h265 vt_h265 mf_h265 mv-hevc "                                  /* F */
    "x265enc nvh265enc vah265enc vaapih265enc qsvh265enc msdkh265enc amfh265enc v4l2h265enc omxh265enc vtenc_h265 " /* G */
    "mfh265enc hvc1 hev1 hvc1.* hev1.* dvh1 dvhe dvh1.* dvhe.* hvt1",    /* G, M */
    "av1 av-1 svt-av1 libaom-av1 libsvtav1 librav1e libdav1d libaom av1_+ svtav1 svt_av1 rav1e nvenc_av1 qsv_av1 "  /* F */
    "av1enc svtav1enc rav1enc nvav1enc vaav1enc qsvav1enc amfav1enc msdkav1enc av01 av01.* dav1 dav1.*", /* G, M */
    "vp9 libvpx-vp9 libvpx_vp9 vp9_+ vp9enc vavp9enc vaapivp9enc qsvvp9enc msdkvp9enc vp09 vp09.* vp90", /* F, G, M, R */
    "vp8 libvpx libvpx-vp8 vp8_+ vp8enc vavp8enc vaapivp8enc v4l2vp8enc vp08 vp08.* vp80",
    "vp6 vp60 vp61 vp62",
    "vvc h266 h.266 h_266 x266 libx266 libvvenc libvvdec vvenc vvc1 vvi1 vvc1.* vvi1.*", /* F, M, T */
    "evc libxeve libxevd evc1 evc1.*",
    "mpeg4 mpeg-4 mpeg4_+ libxvid xvid divx dx50 fmp4 m4s2 mp4v mp4v.20 mp4v.20.* avenc_mpeg4 xvidenc mpeg4part2", /* F, M, G, R */
    "mpeg2video mpeg2 mpeg-2 mpeg2_+ mpeg2video_+ h262 h.262 mp2v mpg2 m2v1 mpeg2enc avenc_mpeg2video xd5b hdv1 hdv2 hdv3 "
    "mp4v.60 mp4v.61 mp4v.62 mp4v.63 mp4v.64 mp4v.65",                   /* F, M, A, R */
    "mpeg1video mpeg1 mpeg-1 mp1v mpg1 m1v1 avenc_mpeg1video mp4v.6a",
    "h263 h.263 h263_+ s263 avenc_h263",
    "h261 h.261 avenc_h261",
    "prores prores_ks prores_aw prores_videotoolbox ap4h ap4x apch apcn apcs apco avenc_prores avenc_prores_ks prores422 prores4444 apple_prores", /* F, A, M */
    "dnxhd dnxhr vc3 vc-3 vc_3 avdn avdh avenc_dnxhd",                   /* F, A, M */
    "mjpeg motion_jpeg mjpg mjpa mjpeg_+ jpeg avenc_mjpeg jpegenc mp4v.6c", /* F, G, M */
    "jpeg2000 libopenjpeg mjp2 j2k jp2 openjpegenc",
    "jpegxs libsvtjpegxs jxsm",
    "jpegxl libjxl",
    "theora libtheora theo theoraenc",
    "vc1 vc-1 wvc1 vc1_+",
    "wmv3 wmv9 wmv3image",
    "wmv2",
    "wmv1",
    "msmpeg4v3 msmpeg4 div3 mp43",
    "msmpeg4v2 mp42",
    "flv1 flv sorenson h263-flv avenc_flv",
    "dirac vc2 vc-2 drac schroenc",
    "ffv1",
    "ffvhuff",
    "huffyuv",
    "utvideo",
    "magicyuv",
    "cfhd cineform vc5 vc-5",
    "dvvideo dv dvcpro dvcp dv25 dv50",
    "rawvideo uncompressed",                                            /* A */
    "hap hap1 hap5 hapy",
    "cinepak cvid",
    "svq3",
    "svq1",
    "cavs libxavs",
    "avs2 libxavs2 libdavs2",
    "avs3 libuavs3d",
    "apv apv1 liboapv",
    "gif",
    "apng",
    "png",
    "webp libwebp libwebp_anim webpenc",
    "snow",
    "qtrle rle",
    "aac he-aac heaac aac-lc aac_lc aac-he aac_at aac_mf aac_fixed libfdk_aac libfaac libvo_aacenc fdkaacenc faac avenc_aac voaacenc "
    "mp4a mp4a.40 mp4a.40.1 mp4a.40.2 mp4a.40.3 mp4a.40.4 mp4a.40.5 mp4a.40.6 mp4a.40.17 "
    "mp4a.40.19 mp4a.40.20 mp4a.40.23 mp4a.40.29 mp4a.40.39 mp4a.40.42 xhe-aac mp4a.66 mp4a.67 mp4a.68",                    /* F, G, M, A */
    "mp3 libmp3lame libshine mp3float lamemp3enc mp3_mf mp4a.40.34 mp4a.69 mp4a.6b",
    "mp2 libtwolame mp2fixed mp2float twolamemp2enc mp4a.40.33",
    "ac3 ac-3 ac_3 ac3_fixed ac3_mf a52 dolby_digital mp4a.a5",
    "eac3 ec-3 ec_3 e-ac-3 e-ac3 ddp dolby_digital_plus mp4a.a6",
    "ac4 ac-4 ac-4.*",
    "dts dca dtsc dtse dtsh dtsl mp4a.a9",
    "truehd mlpa",
    "opus libopus opusenc mp4a.ad",
    "vorbis libvorbis vorbisenc mp4a.dd",
    "flac flacenc libflac mp4a.c1",
    "alac alac_at",
    "amr_nb amrnb libopencore_amrnb samr",
    "amr_wb amrwb libvo_amrwbenc sawb",
    "speex libspeex speexenc",
    "wmav2 wma",
    "wmav1",
    "wmapro",
    "pcm_s16le sowt",
    "pcm_s16be twos",
    "pcm_s24le",
    "pcm_alaw alaw g711a",
    "pcm_mulaw ulaw mulaw g711u",
    "gsm libgsm",
};
#define GROUPS (sizeof groups / sizeof groups[0])
_Static_assert(GROUPS <= CODEC_GROUPS_MAX, "each project has a number for every group");

/* ---- looking up ---- */

#define SPELLINGS_MAX 512
#define SLOTS (4 * SPELLINGS_MAX) /* so that a search seldom compares more than one spelling */
#define ENDINGS_MAX 64

/* A spelling, without '*' or '+'; `length` bytes of a group. */
struct spelling {
  const char *text;
  size_t length;
  const char *group;
  bool is_hardware; /* what follows must be in `hardware` */
};

/* FFmpeg's interfaces to hardware encoders and decoders. */
static const char *const hardware[] = {"nvenc", "qsv",  "vaapi",      "amf",    "videotoolbox", "mf",    "v4l2m2m", "cuvid",
                                       "omx",   "mmal", "mediacodec", "vulkan", "rkmpp",        "nvmpi", "d3d12va"};

static struct spelling spellings[SLOTS], beginnings[ENDINGS_MAX]; /* spellings: open addressing, text NULL is free */
static size_t spellings_count, beginnings_count;

static struct str text_of(const struct spelling *spelling) { return str_make(spelling->text, spelling->length); }

/* The slot of a spelling, or a free one. */
static struct spelling *slot_of(struct str name) {
  uint32_t hash = UINT32_C(2166136261); /* FNV-1a */
  for (size_t i = 0; i < name.len; i++)
    hash = (hash ^ (unsigned char)name.ptr[i]) * UINT32_C(16777619);
  size_t at = (hash ^ hash >> 16) % SLOTS;
  while (spellings[at].text != NULL && !str_equal(text_of(&spellings[at]), name))
    at = (at + 1) % SLOTS;
  return &spellings[at];
}

static void add_group(const char *group) {
  struct str rest = str_of(group);
  while (rest.len > 0) {
    struct str word = str_cut(&rest, ' ');
    char last = word.ptr[word.len - 1];
    bool is_beginning = last == '*' || last == '+';
    struct spelling spelling = {word.ptr, word.len - (is_beginning ? 1 : 0), group, last == '+'};
    if (is_beginning) {
      CHECK(beginnings_count < ENDINGS_MAX);
      beginnings[beginnings_count++] = spelling;
    } else {
      struct spelling *slot = slot_of(text_of(&spelling));
      CHECK(spellings_count++ < SPELLINGS_MAX && slot->text == NULL);
      *slot = spelling;
    }
  }
}

static void build(void) {
  for (size_t i = 0; i < GROUPS; i++) add_group(groups[i]);
}

static bool is_hardware(struct str name) {
  for (size_t i = 0; i < sizeof hardware / sizeof hardware[0]; i++) {
    if (str_equal(name, str_of(hardware[i]))) return true;
  }
  return false;
}

/* The group of a lower-case name; NULL if the name is in no group. */
static const char *group_of(struct str name) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  CHECK(pthread_once(&once, build) == 0);
  const struct spelling *found = slot_of(name);
  if (found->text != NULL) return found->group;
  for (size_t i = 0; i < beginnings_count; i++) {
    struct str beginning = text_of(&beginnings[i]);
    if (name.len <= beginning.len || !str_starts(name, beginning)) continue;
    struct str rest = str_make(name.ptr + beginning.len, name.len - beginning.len);
    if (!beginnings[i].is_hardware || is_hardware(rest)) return beginnings[i].group;
  }
  return NULL;
}

static struct str canonical_of(const char *group) {
  struct str rest = str_of(group);
  return str_cut(&rest, ' ');
}

bool codec_is_known(struct str canonical) {
  const char *group = group_of(canonical);
  return group != NULL && str_equal(canonical_of(group), canonical);
}

static bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

int codec_canonical(struct str given, char ret_name[CODEC_NAME_MAX + 1], struct err *err) {
  struct str trimmed = str_trim(given);
  char name[CODEC_REPORTED_MAX + 1];
  bool is_bare = trimmed.len == given.len; /* the characters of a name are no control characters */
  bool good = trimmed.len > 0 && (is_bare || !str_has_control(given)) && str_copy(trimmed, name, sizeof name);
  for (size_t i = 0; good && i < trimmed.len; i++) {
    if (name[i] >= 'A' && name[i] <= 'Z') name[i] = (char)(name[i] - 'A' + 'a');
    good = is_name_character(name[i]);
  }
  const char *group = good ? group_of(str_make(name, trimmed.len)) : NULL;
  struct str canonical = group != NULL ? canonical_of(group) : str_make(name, trimmed.len);
  if (good && str_copy(canonical, ret_name, CODEC_NAME_MAX + 1)) return 0;
  return err_set(err, ERR_RANGE, "must be 1 to %d characters of a-z, 0-9, '.', '_', '-'", CODEC_NAME_MAX);
}

bool codecs_are_same(struct str a, struct str b) {
  char left[CODEC_NAME_MAX + 1], right[CODEC_NAME_MAX + 1];
  if (str_equal(a, b)) return true;
  return codec_canonical(a, left, NULL) == 0 && codec_canonical(b, right, NULL) == 0 && strcmp(left, right) == 0;
}
