/* See tls.h. */
#include "http/tls.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX ((size_t)1 << 20)

static int read_file(const char *path, char **ret, struct err *err) {
	CLEANUP_BUF struct buf text = {0};
	char chunk[4096];
	ssize_t n;

	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, -errno, "%s", path);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0 && text.len < FILE_MAX)
		buf_append(&text, chunk, (size_t)n);
	if (n < 0)
		return err_errno(err, -errno, "%s", path);
	if (text.len == 0 || text.len >= FILE_MAX || !strstr(text.data, "-----BEGIN "))
		return err_set(err, -EINVAL, "%s: expected a PEM file", path);
	*ret = buf_take(&text);
	return 0;
}

static gnutls_datum_t datum_of(char *text) {
	assert(text); /* it was read */
	return (gnutls_datum_t){.data = (unsigned char *)text, .size = (unsigned)strlen(text)};
}

/* Only said better here: the library would say nothing at all. */
static int check_files(const struct http_server_tls *names, const struct tls_files *files, struct err *err) {
	gnutls_certificate_credentials_t credentials;
	gnutls_datum_t ca = datum_of(files->ca), cert = datum_of(files->cert), key = datum_of(files->key);
	int r;

	if ((r = gnutls_certificate_allocate_credentials(&credentials)) < 0)
		return err_set(err, -ENOMEM, "%s", gnutls_strerror(r));
	if ((r = gnutls_certificate_set_x509_trust_mem(credentials, &ca, GNUTLS_X509_FMT_PEM)) < 0)
		err_set(err, -EINVAL, "%s: %s", names->ca, gnutls_strerror(r));
	else if ((r = gnutls_certificate_set_x509_key_mem(credentials, &cert, &key, GNUTLS_X509_FMT_PEM)) < 0)
		err_set(err, -EINVAL, "%s and %s: %s", names->cert, names->key, gnutls_strerror(r));
	gnutls_certificate_free_credentials(credentials);
	return r < 0 ? -EINVAL : 0;
}

int tls_files_read(const struct http_server_tls *names, struct tls_files *ret, struct err *err) {
	struct tls_files files = {0};
	int r;

	if (!names->cert || !names->key)
		return err_set(err, -EINVAL, "TLS needs ca, cert and key");
	if ((r = read_file(names->ca, &files.ca, err)) < 0 || (r = read_file(names->cert, &files.cert, err)) < 0 ||
	    (r = read_file(names->key, &files.key, err)) < 0 || (r = check_files(names, &files, err)) < 0) {
		tls_files_clear(&files);
		return r;
	}
	*ret = files;
	return 0;
}

void tls_files_clear(struct tls_files *files) {
	free(files->ca);
	free(files->cert);
	if (files->key)
		explicit_bzero(files->key, strlen(files->key));
	free(files->key);
	*files = (struct tls_files){0};
}

void tls_on_connection(void *cls, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code) {
	static char for_clients[] = GNUTLS_KP_TLS_WWW_CLIENT;
	static gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)for_clients};
	const union MHD_ConnectionInfo *info;

	(void)cls;
	(void)context;
	if (code != MHD_CONNECTION_NOTIFY_STARTED)
		return;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	assert(info && info->tls_session); /* else everybody would get in */
	gnutls_session_t session = info->tls_session;
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
	gnutls_session_set_verify_cert2(session, &purpose, 1, 0);
}
