/* Answers of the resources, for OpenAPI; docs/v1.md, docs/v1-usage.md and docs/v1-tasks.md show the same. */
#include "v1/examples.h"

const char v1_example_projects[] =
    "{\"position\":18240,\"rows\":[{\"id\":\"org-acme\",\"name\":\"Acme Video\",\"time_zone\":\"Asia/Shanghai\","
    "\"labels\":[\"team\"],\"first_usage\":\"2026-10-01T08:12:00+08:00\","
    "\"last_usage\":\"2026-10-31T23:40:09.500+08:00\"}],\"complete\":true}";

const char v1_example_usage[] =
    "{\"position\":18240,\"answered_from\":\"day_totals\",\"rows\":[{\"start\":1790784000,\"end\":1793462400,"
    "\"date\":\"2026-10-01T00:00:00+08:00\",\"project\":\"org-acme\",\"tier\":\"medium\",\"kind\":\"transcode\","
    "\"seconds\":181,\"minutes\":4,\"rounding_seconds\":59,\"tasks\":2,\"images\":0},{\"start\":1790784000,"
    "\"end\":1793462400,\"date\":\"2026-10-01T00:00:00+08:00\",\"project\":\"org-acme\",\"tier\":null,"
    "\"kind\":\"snapshot\",\"seconds\":0,\"minutes\":0,\"rounding_seconds\":0,\"tasks\":1,\"images\":12}],"
    "\"complete\":true}";

const char v1_example_tasks[] =
    "{\"position\":18240,\"rows\":[{\"project\":\"org-acme\",\"source\":\"farm-7\",\"id\":\"job-4711/720p\","
    "\"task_id\":\"job-4711\",\"kind\":\"transcode\",\"status\":\"finished\","
    "\"finished\":\"2026-10-31T23:40:09.500+08:00\",\"day\":\"2026-10-31\",\"codec\":\"h264\","
    "\"codec_reported\":\"libx264\",\"tier\":\"medium\",\"resolution\":\"1280x720\",\"frame_rate\":\"29.97\","
    "\"seconds\":20,\"minutes\":1,\"images\":0,\"duration_ms\":20033,\"quality\":null,\"region\":null,"
    "\"passes\":null,\"input_duration_ms\":null,\"labels\":{\"team\":\"news\"},\"src_url\":null,"
    "\"dest_name\":null,\"dest_bucket\":null,\"format\":\"mp4\",\"created\":null,"
    "\"arrived\":\"2026-10-31T23:40:10.120+08:00\",\"token\":\"7717ae2f2742\",\"position\":17904}],"
    "\"next_cursor\":\"AQAAAAAAAEdAAAABmcYkq0wAAAAAAABF8DHdNJcTDx1M6zYpLGoX4mHcB5mO2XK1nAtFq8cPq6Mv\","
    "\"complete\":true}";

const char v1_example_task[] =
    "{\"position\":18240,\"task\":{\"project\":\"org-acme\",\"source\":\"farm-7\",\"id\":\"job-4711/720p\","
    "\"task_id\":\"job-4711\",\"kind\":\"transcode\",\"status\":\"finished\",\"counts\":{\"counted\":true,"
    "\"seconds\":20,\"minutes\":1,\"images\":0,\"rule\":\"finished\",\"text\":\"the task finished,"
    " so it counts 20 s and 1 min\"},\"codec\":{\"name\":\"h264\",\"reported\":\"libx264\",\"rule\":\"table\","
    "\"text\":\"the report names libx264, which the table of codec names folds to h264\"},"
    "\"tier\":{\"name\":\"medium\",\"longer_side\":1280,\"shorter_side\":720,\"longer_side_max\":1280,"
    "\"shorter_side_max\":720,\"rule\":\"fits\","
    "\"text\":\"the longer side 1280 is at most 1280 and the shorter side 720 is at most 720,"
    " so the tier is medium; it is not low, whose limits are 640 and 480\"},\"amount\":{\"duration_ms\":20033,"
    "\"seconds\":20,\"minutes\":1,\"images\":null,\"rule\":\"rounded\","
    "\"text\":\"20033 ms are rounded half up to 20 s; rounded up to whole minutes: 1 min\"},"
    "\"finished\":{\"time\":\"2026-10-31T23:40:09.500+08:00\",\"rule\":\"stated\","
    "\"text\":\"the report states when the task finished\"},\"day\":{\"date\":\"2026-10-31\","
    "\"zone\":\"Asia/Shanghai\",\"start\":\"2026-10-31T00:00:00+08:00\",\"end\":\"2026-11-01T00:00:00+08:00\","
    "\"rule\":\"local_date\","
    "\"text\":\"in the project's time zone Asia/Shanghai the task finished at 2026-10-31T23:40:09.500+08:00,"
    " so it belongs to the day 2026-10-31\"},\"reported\":{\"arrived\":\"2026-10-31T23:40:10.120+08:00\","
    "\"stored\":\"2026-10-31T23:40:10.121+08:00\",\"token\":\"7717ae2f2742\",\"token_label\":\"farm 7\","
    "\"position\":17904,\"rule\":\"token\","
    "\"text\":\"the token 7717ae2f2742 reported the record (the token's label: farm 7); it arrived at 2026-10-31T23:40:10.120+08:00\"},"
    "\"voided\":null,\"unresolved\":null,\"voids\":null,\"measures\":{\"width\":1280,\"height\":720,"
    "\"frame_rate\":\"30000/1001\",\"quality\":null,\"region\":null,\"passes\":null,\"input_duration_ms\":null},"
    "\"labels\":{\"team\":\"news\"},\"src_url\":null,\"dest_name\":null,\"dest_bucket\":null,\"format\":\"mp4\","
    "\"created\":null,\"statement\":null,"
    "\"repeats\":\"of one source and id the first complete report is kept; later ones change nothing and are not kept: those that agree are answered duplicate,"
    " those that contradict it conflict\"},\"complete\":true}";

const char v1_example_sources[] =
    "{\"position\":18240,\"now\":\"2026-11-28T03:00:00.123Z\",\"since\":\"2026-11-27T08:00:00Z\",\"end\":18240,"
    "\"rows\":[{\"kind\":\"source\",\"project\":\"org-acme\",\"source\":\"farm-7\",\"agent\":null,"
    "\"command\":null,\"version\":null,\"token\":null,\"first_seen\":\"2026-10-01T00:12:01Z\","
    "\"last_seen\":\"2026-11-28T02:59:10Z\",\"outputs\":4711,\"today\":12,\"median\":96,\"unresolved\":0,"
    "\"rejected\":0,\"interval_ms\":null,\"spooled\":null,\"oldest_ms\":null,\"spool_error\":null,"
    "\"clock_offset_ms\":null,\"problems\":[],\"text\":\"\"}],\"complete\":true}";
