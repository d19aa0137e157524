/* Inside the server: TLS with client certificates. libmicrohttpd (0.9.75) only asks for a certificate; that one is needed, and who
 * must have signed it, is told to GnuTLS for each connection. */
#ifndef HTTP_TLS_H
#define HTTP_TLS_H

#include "base/err.h"
#include "http/server.h"

#include <microhttpd.h>

/* Contents of the files, as long as the server lives. */
struct tls_files {
	char *ca, *cert, *key;
};

/* All three must be there. ret is to be cleared after success only. */
int tls_files_read(const struct http_server_tls *names, struct tls_files *ret, struct err *err);
void tls_files_clear(struct tls_files *files);

/* An MHD_NotifyConnectionCallback. */
void tls_on_connection(void *cls, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code);

#endif
