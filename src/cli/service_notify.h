/* What a service manager is told about this process: that it is ready, that it gets on, that it stops. The protocol
 * is systemd's, sd_notify(3). Without $NOTIFY_SOCKET, or when nobody listens there, every call does nothing.
 *
 *   service_notify_begin ──> progress … progress ──> ready ──> progress … ──> stopping
 *                            (asks for more time)              (pings the watchdog)
 *
 * One thread calls these. A ping proves no more than its caller knows: call service_notify_progress only where the
 * work has got on.
 */
#ifndef CODECMETER_CLI_SERVICE_NOTIFY_H
#define CODECMETER_CLI_SERVICE_NOTIFY_H

#include <stdint.h>

/* Reads the environment: whether a manager listens, and how often its watchdog wants a ping. */
void service_notify_begin(void);

/* The work has got on. Before service_notify_ready it asks the manager for more time to start, at most once a second;
 * after that it pings the watchdog, at most as often as service_notify_rhythm_ms says. Cheap: call it often. */
void service_notify_progress(void);

/* How often service_notify_progress is to be called once the service is ready: half of the watchdog's interval. -1 if
 * there is no watchdog. */
int64_t service_notify_rhythm_ms(void);

/* One line for `systemctl status`. */
void service_notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* It serves from now on. */
void service_notify_ready(void);
/* It takes nothing new, and ends when it has finished what is under way. */
void service_notify_stopping(void);

#endif
