/* Prints F(d) of every day from 1980 to 2037 of every zone that is named on standard input: what test_zone_days.py compares. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "meter/zone.h"

int main(void) {
  char name[256];
  while (fgets(name, sizeof name, stdin) != NULL) {
    name[strcspn(name, "\n")] = '\0';
    const struct zone *zone = NULL;
    struct err err = {0};
    if (zone_find(str_of(name), &zone, &err) != 0) {
      (void)fprintf(stderr, "%s: %s\n", name, err.text);
      return 1;
    }
    (void)printf("%s", name);
    int32_t end = zone_day_from_date(2038, 1, 1);
    for (int32_t day = zone_day_from_date(1980, 1, 1); day < end; day++) {
      (void)printf(" %" PRId64, zone_day_start(zone, day));
    }
    (void)printf("\n");
  }
  return 0;
}
