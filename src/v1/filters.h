/* The filters that resources share, as rows of their tables of parameters, and their reader. query/filter.h says what
 * they mean. Use: {…, V1_PARAMS_FILTERS, {0}}. */
#ifndef CODECMETER_V1_FILTERS_H
#define CODECMETER_V1_FILTERS_H

#include "meter/codec.h"
#include "query/filter.h"
#include "v1/param.h"
#include "v1/param_common.h"
#include "v1/problem.h"

/* The longest value of a resolution and of a frame rate that is read at all. */
#define V1_SIZE_MAX 11
#define V1_RATE_MAX 32

/* clang-format off */
#define V1_PARAMS_FILTERS \
  { \
    .name = "kind", .type = V1_TEXT, .repeats = true, .least = 1, .most = 16, .example = "transcode", \
    .choices = "transcode remux snapshot audio", \
    .allowed = "must be transcode, remux, snapshot or audio", \
    .help = {"only tasks of this kind: transcode, remux, snapshot or audio. May be given several times", \
             "只要这一类任务：transcode、remux、snapshot 或 audio。可以给出多次"}, \
  }, \
  { \
    .name = "codec", .type = V1_TEXT, .repeats = true, .may_be_empty = true, .least = 0, .most = CODEC_REPORTED_MAX, \
    .example = "h264", \
    .help = {"only tasks of this codec, in any spelling that reports may use; empty: tasks without a codec. May be " \
             "given several times", \
             "只要这种编码的任务，写法与上报时相同；空值：没有编码的任务。可以给出多次"}, \
  }, \
  { \
    .name = "tier", .type = V1_TEXT, .repeats = true, .may_be_empty = true, .least = 0, .most = 16, .example = "high", \
    .choices = "low medium high super", \
    .allowed = "must be low, medium, high, super, or empty", \
    .help = {"only tasks of this tier: low, medium, high or super; empty: tasks without a tier (only finished transcodes " \
             "have one). May be given several times", \
             "只要这一档的任务：low、medium、high 或 super；空值：没有档位的任务（只有完成的转码才有）。可以给出多次"}, \
  }, \
  { \
    .name = "resolution", .type = V1_TEXT, .repeats = true, .may_be_empty = true, .least = 0, .most = V1_SIZE_MAX, \
    .example = "1280x720", .pattern = "^([0-9]{1,5}x[0-9]{1,5})?$", \
    .allowed = "must be WIDTHxHEIGHT, like 1280x720, or empty", \
    .help = {"only tasks of this size, WIDTHxHEIGHT in pixels; empty: tasks that state none. May be given several times", \
             "只要这种分辨率（宽x高，像素）的任务；空值：没有报告分辨率的任务。可以给出多次"}, \
  }, \
  { \
    .name = "frame_rate", .type = V1_TEXT, .repeats = true, .may_be_empty = true, .least = 0, .most = V1_RATE_MAX, \
    .example = "29.97", .pattern = "^([0-9]+(\\.[0-9]+|/[0-9]+)?)?$", \
    .allowed = "must be pictures a second, like 25, 29.97 or 30000/1001, or empty", \
    .help = {"only tasks of this frame rate, like '25', '29.97' or 30000/1001; empty: tasks that state none. May be given several times", \
             "只要这种帧率的任务，如 25、29.97 或 30000/1001；空值：没有报告帧率的任务。可以给出多次"}, \
  }, \
  { \
    .name = "source", .type = V1_TEXT, .repeats = true, .least = 1, .most = SOURCE_MAX, .example = "farm-7", \
    .help = {"only tasks that this source reported. May be given several times", \
             "只要由这个来源上报的任务。可以给出多次"}, \
  }, \
  V1_PARAM_LABEL
/* clang-format on */

/* Reads the values of V1_PARAMS_FILTERS into a filter that is {0}. It borrows the values' texts. 0, or 400. */
MUST_USE int v1_filters_read(const struct v1_values *values, struct filter *ret, struct v1_problem *problem);

#endif
