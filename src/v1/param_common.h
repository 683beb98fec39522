/* The parameters that several resources take, for use in their tables: {V1_PARAM_PROJECT, V1_PARAM_FROM, …, {0}}.
 * Each macro is one row of struct v1_param. */
#ifndef CODECMETER_V1_PARAM_COMMON_H
#define CODECMETER_V1_PARAM_COMMON_H

#include "meter/labels.h"
#include "meter/usage.h"
#include "v1/param.h"

#define V1_PARAM_PROJECT \
  { \
    .name = "project", .type = V1_PROJECT, .repeats = true, .least = 1, .most = PROJECT_ID_MAX, \
    .example = "org-acme", .help = {"only this project; may be given several times. Absent: all that the token may " \
                                    "read", \
                                    "只要这个项目；可以给出多次。不给：令牌可读的所有项目"}, \
  }

#define V1_PARAM_FROM \
  { \
    .name = "from", .type = V1_TIME, .excludes = "month", .example = "2026-10-01", \
    .help = {"the beginning, included: an RFC 3339 time, Unix seconds, or a date, which begins in the zone", \
             "开始时间（含）：RFC 3339 时间、Unix 秒，或一个日期（从该时区的这一天开始算起）"}, \
  }

#define V1_PARAM_TO \
  { \
    .name = "to", .type = V1_TIME, .excludes = "month", .example = "2026-11-01", \
    .help = {"the end, not included; written like from", "结束时间（不含）；写法与 from 相同"}, \
  }

#define V1_PARAM_MONTH \
  { \
    .name = "month", .type = V1_MONTH, .excludes = "from to", .example = "2026-10", \
    .help = {"a whole month of the zone, in place of from and to", "该时区的一个整月，代替 from 和 to"}, \
  }

#define V1_PARAM_ZONE \
  { \
    .name = "zone", .type = V1_ZONE, .example = "Asia/Shanghai", \
    .help = {"the time zone of days and dates. Absent: each project's own", \
             "天和日期所用的时区。不给：各项目自己的时区"}, \
  }

#define V1_PARAM_AS_OF \
  { \
    .name = "as_of", .type = V1_AS_OF, .example = "2026-11-01T00:00:00Z", \
    .help = {"answers as of then, whatever arrived later: a position that an earlier answer had, or an RFC 3339 time " \
             "that has passed. Absent: now", \
             "按当时的状态回答，不管之后又收到什么：以前某个回答的 position，或一个已经过去的 RFC 3339 时间。" \
             "不给：现在"}, \
  }

/* label.NAME=VALUE, for any label name. */
#define V1_PARAM_LABEL \
  { \
    .name = "label.", .type = V1_TEXT, .repeats = true, .may_be_empty = true, .least = 0, .most = LABEL_VALUE_MAX, \
    .example = "label.team=news", \
    .help = {"only tasks with this value of the label; empty: tasks without the label. May be given several times", \
             "只要该标签为此值的任务；空值：没有该标签的任务。可以给出多次"}, \
  }

#endif
