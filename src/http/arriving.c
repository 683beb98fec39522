#include "http/arriving.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/lock.h"

struct heads *arriving_own(struct http_server *server) {
  static _Thread_local struct heads *own;
  if (own != NULL) return own;
  own = calloc(1, sizeof *own);
  if (own == NULL) return NULL;
  lock_take(&server->lock);
  own->next = server->heads;
  server->heads = own;
  lock_give(&server->lock);
  return own;
}

void arriving_add(struct heads *heads, struct exchange *x) {
  x->heads = heads;
  x->next_head = heads->first;
  if (x->next_head != NULL) x->next_head->previous_head = x;
  heads->first = x;
}

void arriving_remove(struct exchange *x) {
  if (x->heads == NULL) return;
  if (x->previous_head != NULL) x->previous_head->next_head = x->next_head;
  else x->heads->first = x->next_head;
  if (x->next_head != NULL) x->next_head->previous_head = x->previous_head;
  x->heads = NULL;
}

void arriving_free(struct http_server *server) {
  while (server->heads != NULL) {
    struct heads *next = server->heads->next;
    CHECK(server->heads->first == NULL);
    free(server->heads);
    server->heads = next;
  }
}
