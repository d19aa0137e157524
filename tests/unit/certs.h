/* Throwaway certificates for tests, made by openssl(1). */
#ifndef TESTS_CERTS_H
#define TESTS_CERTS_H

#include "base/alloc.h"
#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CERTS_DIR "/tmp/heir-test-XXXXXX"

/* ca signs server, client and wrong (a server's certificate); other signs stranger. */
static const char certs_script[] =
	"set -e; cd %s\n"
	"ca() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=$1 -keyout $1.key -out "
	"$1.pem; }\n"
	"sign() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=$2 -keyout $2.key -out $2.csr\n"
	"  printf 'subjectAltName=IP:127.0.0.1\\nextendedKeyUsage=%%s\\n' $3 >$2.ext\n"
	"  openssl x509 -req -in $2.csr -CA $1.pem -CAkey $1.key -CAcreateserial -days 2 -extfile $2.ext -out $2.pem; }\n"
	"{ ca ca; ca other; sign ca server serverAuth; sign ca client clientAuth; sign ca wrong serverAuth; sign other stranger "
	"clientAuth; "
	"} >log 2>&1 || { cat log; exit 1; }\n"
	"echo rubbish >rubbish.pem\n";

/* dir begins as CERTS_DIR and becomes the folder of NAME.pem and NAME.key. */
static inline void certs_make(char *dir) {
	assert_non_null(mkdtemp(dir));
	CLEANUP_FREE char *script = xasprintf(certs_script, dir);
	assert_int_equal(system(script), 0);
}

static inline void certs_remove(const char *dir) {
	CLEANUP_FREE char *command = xasprintf("rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

#endif
