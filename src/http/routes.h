/* The table of routes: which row takes a path, and a method. The table is ordered, and ends with path NULL. */
#ifndef CODECMETER_HTTP_ROUTES_H
#define CODECMETER_HTTP_ROUTES_H

#include "http/request.h"

/* The first row that takes the path; NULL if there is none. */
const struct http_route *routes_find(const struct http_route *routes, struct str path);
bool routes_takes(const struct http_route *route, struct str method);

#endif
