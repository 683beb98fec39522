#include "http/routes.h"

bool routes_takes(const struct http_route *route, struct str method) {
  if (route->methods == NULL) return true;
  struct str rest = str_of(route->methods);
  while (rest.len > 0) {
    if (str_equal(str_trim(str_cut(&rest, ',')), method)) return true;
  }
  return false;
}

static bool takes_path(const struct http_route *route, struct str path) {
  struct str own = str_of(route->path);
  bool is_beginning = own.len > 1 && own.ptr[own.len - 1] == '/';
  return is_beginning ? str_starts(path, own) : str_equal(path, own);
}

const struct http_route *routes_find(const struct http_route *routes, struct str path) {
  while (routes->path != NULL && !takes_path(routes, path)) routes++;
  return routes->path != NULL ? routes : NULL;
}
