/* One answer of each resource, in JSON. */
#ifndef CODECMETER_V1_EXAMPLES_H
#define CODECMETER_V1_EXAMPLES_H

extern const char v1_example_projects[], v1_example_usage[], v1_example_tasks[], v1_example_task[], v1_example_sources[];

#endif
