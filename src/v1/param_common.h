/* The parameters that several resources take, for use in their tables: {V1_PARAM_PROJECT, V1_PARAM_ZONE, …, {0}}. Each
 * macro is one row of struct v1_param. Some take what differs between resources, in English and Chinese.
 *
 * In English help, a name that could be read as a word is in single quotes; docs set it in code font. */
#ifndef CODECMETER_V1_PARAM_COMMON_H
#define CODECMETER_V1_PARAM_COMMON_H

#include "meter/labels.h"
#include "meter/usage.h"
#include "v1/param.h"

#define V1_PARAM_PROJECT \
  { \
    .name = "project", .type = V1_PROJECT, .repeats = true, .least = 1, .most = PROJECT_ID_MAX, \
    .example = "org-acme", .help = {"only this project. May be given several times. Absent: all that the token may " \
                                    "read", \
                                    "只要这个项目；可以给出多次。不给：令牌可读的所有项目"}, \
  }

/* `absent`: where the range begins without it. */
#define V1_PARAM_FROM(absent, absent_zh) \
  { \
    .name = "from", .type = V1_TIME, .excludes = "month", .example = "2026-10-01", \
    .help = {"the beginning, included: a date such as 2026-10-01, which begins in the zone, an RFC 3339 time, or Unix " \
             "seconds. Absent: " absent, \
             "开始时间（含）：一个日期，如 2026-10-01（从该时区的这一天开始算起），或 RFC 3339 时间，或 Unix 秒。" \
             "不给：" absent_zh}, \
  }

#define V1_PARAM_TO(absent, absent_zh) \
  { \
    .name = "to", .type = V1_TIME, .excludes = "month", .example = "2026-11-01", \
    .help = {"the end, not included; written like 'from'. For one day, it is the next day. Absent: " absent, \
             "结束时间（不含）；写法与 from 相同。只要一天，则为次日。不给：" absent_zh}, \
  }

#define V1_PARAM_MONTH \
  { \
    .name = "month", .type = V1_MONTH, .excludes = "from to", .example = "2026-10", \
    .help = {"a whole month of the zone, such as 2026-10", \
             "该时区的一个整月，如 2026-10"}, \
  }

#define V1_PARAM_ZONE \
  { \
    .name = "zone", .type = V1_ZONE, .example = "Asia/Shanghai", \
    .help = {"the time zone of days and dates, such as 'Asia/Shanghai'. Absent: each project's own", \
             "天和日期所用的时区，如 Asia/Shanghai。不给：各项目自己的时区"}, \
  }

#define V1_PARAM_AS_OF V1_PARAM_AS_OF_IF("", "")
/* With a condition, as a sentence behind a blank. */
#define V1_PARAM_AS_OF_IF(condition, condition_zh) \
  { \
    .name = "as_of", .type = V1_AS_OF, .example = "2026-11-01T00:00:00Z", \
    .help = {"answers as of then, whatever arrived later: the position of an earlier answer, or an RFC 3339 time that " \
             "has passed." condition " Absent: now", \
             "按当时的状态返回结果，不管之后又收到什么：以前某个响应的 position，或一个已经过去的 RFC 3339 时间。" condition_zh \
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
