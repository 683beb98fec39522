/* Tells the service manager about this process: that it is ready, makes progress, or stops. The protocol is
 * systemd's, sd_notify(3). Without $NOTIFY_SOCKET, or when no manager listens there, the calls do nothing.
 *
 *   service_notify_begin ──> progress … progress ──> ready ──> progress … ──> stopping
 *                            (asks for more time)              (pings the watchdog)
 *
 * One thread makes all calls. A ping proves no more than its caller knows: call service_notify_progress only after
 * the work has made progress.
 */
#ifndef CODECMETER_SERVER_SERVICE_NOTIFY_H
#define CODECMETER_SERVER_SERVICE_NOTIFY_H

#include <stdint.h>

/* Reads from the environment whether a manager listens, and how often its watchdog expects a ping. */
void service_notify_begin(void);

/* Reports progress of the work. Before service_notify_ready it asks the manager for more time to start, at most once
 * a second; afterwards it pings the watchdog, at most as often as service_notify_rhythm_ms says. It is cheap: call it
 * often. */
void service_notify_progress(void);

/* Half of the watchdog's interval: call service_notify_progress this often once the service is ready. -1 if there is
 * no watchdog. */
int64_t service_notify_rhythm_ms(void);

/* Sets the line that `systemctl status` shows. */
void service_notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Reports that the service serves from now on. */
void service_notify_ready(void);
/* Reports that the service accepts no new work, and ends when the work under way is finished. */
void service_notify_stopping(void);

#endif
