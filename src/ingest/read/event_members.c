#include "ingest/read/event_members.h"

#include "ingest/read/event.h"
#include "meter/amount.h"
#include "meter/frame_rate.h"
#include "meter/labels.h"

const struct member event_attributes[] = {
#define ATTRIBUTE(CONSTANT, name, is_required, type, least, most, choices, example, english, chinese) \
  {#name, type, is_required, least, most, choices, example, {english, chinese}},
#include "ingest/read/members.def"
    {0},
};

const struct event_member event_members[] = {
#define MEMBER(name, kinds, needed, type, least, most, example, english, chinese) \
  {{#name, type, false, least, most, NULL, example, {english, chinese}}, kinds, needed},
#include "ingest/read/members.def"
    {{.name = NULL}, 0, 0},
};
