/* ending.h: SIGTERM, SIGHUP and SIGINT end whatever has the screen, as q does.
 * They are blocked but for the waits, so that none is missed between a look and a wait; once taken they stay taken, for
 * nothing but leaving comes after. */
#ifndef TUTOR_ENDING_H
#define TUTOR_ENDING_H

#include <poll.h>
#include <stdbool.h>

/* Takes the signals over, once the screen is open. Other threads have them blocked. */
void ending_take(void);

/* One of them has come. */
bool ending_came(void);

/* poll(2) with the signals let through, at most timeout_ms (-1: no limit). False when waiting is impossible; an end is
 * no failure. */
bool ending_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

#endif
